"""Calls about objects, with the checks that come before a request, once for both clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from airflow_provider.mixpeek.client._calls import Page, Query, Reading, encode
from airflow_provider.mixpeek.client._errors import (
    MixpeekConfigError,
    MixpeekGenerationError,
    MixpeekNotFoundError,
)
from airflow_provider.mixpeek.client._flow import Flow, Session
from airflow_provider.mixpeek.client._generation import call, has_idempotency_keys
from airflow_provider.mixpeek.client._models import CreatedObjects, MixpeekObject, Task
from airflow_provider.mixpeek.client._requests import NewBlob, NewObject, Policy, checked


def object_page(
    session: Session, bucket_id: str, query: Query, reading: Reading
) -> Flow[Page[MixpeekObject]]:
    """One page of a bucket's objects."""
    return call(session, session.api.list_objects(bucket_id, query, cursor=reading.cursor, size=reading.size))


def create_object(
    session: Session, bucket_id: str, new: NewObject, *, policy: Policy | None, auto_process: bool
) -> Flow[MixpeekObject | Task]:
    """Store one object."""
    if policy is not None and policy not in get_args(Policy):
        raise MixpeekConfigError(
            f"policy is {policy!r}, and must be one of {', '.join(map(repr, get_args(Policy)))}"
        )
    body = encode(session.api.new_object_body(new))
    yield from _check_keys(session, [new])
    return (
        yield from create_encoded_object(
            session,
            bucket_id,
            body,
            policy=policy,
            auto_process=auto_process,
            repeatable=new.idempotency_key is not None or policy == "upsert",
        )
    )


def _check_keys(session: Session, new: Sequence[NewObject]) -> Flow[None]:
    """
    See that the server honours the idempotency keys of what is to be stored.

    :raises MixpeekGenerationError: it would store them as fields, and a repeated create twice.
    """
    if any(one.idempotency_key is not None for one in new) and not (yield from has_idempotency_keys(session)):
        raise MixpeekGenerationError(
            "this server has no idempotency keys (they came with API 0.82)",
            hint="Leave them out: a create whose answer is lost is then not tried again.",
        )


def create_encoded_object(
    session: Session,
    bucket_id: str,
    body: bytes,
    *,
    policy: str | None = None,
    auto_process: bool = False,
    repeatable: bool,
) -> Flow[MixpeekObject | Task]:
    """Store one object whose body is bytes already."""
    return call(
        session,
        session.api.create_object(
            bucket_id, body, policy=policy, auto_process=auto_process, repeatable=repeatable
        ),
    )


def new_object(
    *,
    blobs: Sequence[NewBlob | Mapping[str, Any]],
    fields: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    key_prefix: str | None,
    idempotency_key: str | None,
    skip_duplicates: bool,
) -> NewObject:
    """Check the arguments of one object."""
    given = {
        "blobs": [checked(NewBlob, blob, f"blob {number}") for number, blob in enumerate(blobs)],
        "fields": dict(fields or {}),
        "metadata": None if metadata is None else dict(metadata),
        "key_prefix": key_prefix,
        "idempotency_key": idempotency_key,
        "skip_duplicates": skip_duplicates,
    }
    return checked(NewObject, given, "the object")


def create_objects(
    session: Session,
    bucket_id: str,
    objects: Sequence[NewObject | Mapping[str, Any]],
    *,
    auto_process: bool,
) -> Flow[CreatedObjects]:
    """Store several objects with one request."""
    new = [checked(NewObject, given, f"object {number}") for number, given in enumerate(objects)]
    bodies = [encode(session.api.new_object_body(one)) for one in new]
    storing = create_encoded_objects(
        session,
        bucket_id,
        bodies,
        auto_process=auto_process,
        repeatable=all(one.idempotency_key is not None for one in new),
    )
    yield from _check_keys(session, new)
    return (yield from storing)


def create_encoded_objects(
    session: Session,
    bucket_id: str,
    bodies: Sequence[bytes],
    *,
    auto_process: bool = False,
    repeatable: bool,
) -> Flow[CreatedObjects]:
    """Store objects whose bodies are bytes already."""
    this = session.api.create_objects(bucket_id, bodies, auto_process=auto_process, repeatable=repeatable)
    most = session.api.max_objects_per_request
    if not 1 <= len(bodies) <= most:
        raise MixpeekConfigError(f"one request takes 1 to {most} objects, and these are {len(bodies)}")
    return call(session, this)


def update_object(
    session: Session,
    bucket_id: str,
    object_id: str,
    *,
    fields: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    key_prefix: str | None,
    blobs: Sequence[NewBlob | Mapping[str, Any]] | None,
) -> Flow[MixpeekObject | Task]:
    """Change what is given of an object."""
    if not any((fields, metadata, key_prefix, blobs)):
        raise MixpeekConfigError("nothing of the object is to be changed", hint="Name what to change.")
    new = new_object(
        blobs=blobs or (),
        fields=fields,
        metadata=metadata,
        key_prefix=key_prefix,
        idempotency_key=None,
        skip_duplicates=False,
    )
    return call(
        session,
        session.api.update_object(
            bucket_id,
            object_id,
            fields=new.fields_,
            metadata=new.metadata,
            key_prefix=key_prefix,
            blobs=[blob.model_dump(exclude_none=True) for blob in new.blobs] if blobs else None,
        ),
    )


def delete_object(session: Session, bucket_id: str, object_id: str) -> Flow[Task | None]:
    """Delete an object; one that is gone after an answer was lost is deleted."""
    try:
        return (yield from call(session, session.api.delete_object(bucket_id, object_id)))
    except MixpeekNotFoundError as error:
        if not error.may_be_stored:
            raise
        return None
