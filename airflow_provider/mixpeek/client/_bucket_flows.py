"""Calls about buckets and namespaces, with the checks that come before a request, once for both clients."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from airflow_provider.mixpeek.client._calls import Page, Query, Reading
from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekNotFoundError,
)
from airflow_provider.mixpeek.client._flow import Flow, Session, after
from airflow_provider.mixpeek.client._generation import call
from airflow_provider.mixpeek.client._models import Bucket, DeletedBucket, Namespace
from airflow_provider.mixpeek.client._schema import differences, normalise

IfExists = Literal["fail", "reuse"]


def bucket_page(session: Session, query: Query, reading: Reading) -> Flow[Page[Bucket]]:
    """One page of the namespace's buckets."""
    return call(session, session.api.list_buckets(query, cursor=reading.cursor, size=reading.size))


def namespace_page(session: Session, reading: Reading) -> Flow[Page[Namespace]]:
    """One page of the namespaces."""
    return call(session, session.api.list_namespaces(cursor=reading.cursor, size=reading.size))


def all_buckets(session: Session) -> Flow[list[Bucket]]:
    """Every bucket of the namespace."""
    found: list[Bucket] = []
    reading = Reading()
    while not reading.ended:
        found += reading.turn((yield from bucket_page(session, Query(), reading)))
    return found


def buckets_named(session: Session, name: str) -> Flow[list[Bucket]]:
    """
    Every bucket of exactly this name, and if there is none, none.

    The whole list is read: nothing says what a search matches, and names need not be unique.
    """
    found = yield from all_buckets(session)
    return [bucket for bucket in found if bucket.bucket_name == name]


def find_bucket(session: Session, bucket: str) -> Flow[Bucket]:
    """
    A bucket by its id or by its name.

    :raises MixpeekNotFoundError: there is none; names that come close are named.
    :raises MixpeekConflictError: several have the name.
    """
    if not isinstance(bucket, str) or not bucket.strip():
        raise MixpeekConfigError(f"{bucket!r} is no bucket", hint="Pass its name or its id.")
    if bucket.startswith("bkt_"):
        try:
            return (yield from call(session, session.api.get_bucket(bucket)))
        except MixpeekNotFoundError:
            pass  # a name may look like an id
    found = yield from all_buckets(session)
    named = [candidate for candidate in found if candidate.bucket_name == bucket]
    if len(named) == 1:
        return named[0]
    where = f"the namespace {session.settings.namespace!r}"
    if named:
        ids = ", ".join(candidate.bucket_id for candidate in named)
        raise MixpeekConflictError(
            f"{len(named)} buckets of {where} are named {bucket!r}",
            status=409,
            hint=f"Name one by its id: {ids}.",
        )
    close = difflib.get_close_matches(bucket, [candidate.bucket_name for candidate in found], n=3)
    meant = (
        f"Did you mean {', '.join(map(repr, close))}?"
        if close
        else "Create it first, or check the namespace."
    )
    raise MixpeekNotFoundError(f"there is no bucket {bucket!r} in {where}", status=404, hint=meant)


def create_bucket(
    session: Session,
    name: str,
    *,
    schema: Mapping[str, Any],
    if_exists: IfExists,
    description: str | None,
    unique_key: Sequence[str] | Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
    declare_metadata: bool,
) -> Flow[Bucket]:
    """Create a bucket, or take the one that exists if it can hold the same rows."""
    if if_exists not in ("fail", "reuse"):
        raise MixpeekConfigError(f"if_exists is {if_exists!r}, and must be 'fail' or 'reuse'")
    if not isinstance(name, str) or not name.strip():
        raise MixpeekConfigError(f"{name!r} is not a bucket name", hint="Give it a non-empty name.")
    whole = normalise(
        schema,
        types=session.api.property_types,
        declare_metadata=declare_metadata and session.api.metadata_is_declared,
    )
    unique = _unique_key(unique_key, whole)
    creating = session.api.create_bucket(
        name, schema=whole, description=description, unique_key=unique, metadata=metadata
    )

    existing = yield from buckets_named(session, name)
    if existing:
        return _take_existing(existing, name, whole, unique, if_exists)
    try:
        return (yield from call(session, creating))
    except MixpeekError as error:
        # Somebody else may have created it in between, or our own request did and its answer was lost.
        if if_exists != "reuse" or not (isinstance(error, MixpeekConflictError) or error.may_be_stored):
            raise
        if isinstance(error, MixpeekAnswerError):
            raise
        existing = yield from after(error, buckets_named(session, name))
        if not existing:
            raise
        return _take_existing(existing, name, whole, unique, if_exists)


def _take_existing(
    existing: Sequence[Bucket],
    name: str,
    schema: Mapping[str, Any],
    unique_key: Mapping[str, Any] | None,
    if_exists: IfExists,
) -> Bucket:
    ids = ", ".join(bucket.bucket_id for bucket in existing)
    if if_exists == "fail":
        raise MixpeekConflictError(
            f"the bucket {name!r} exists already ({ids})",
            status=409,
            hint='Pass if_exists="reuse" to use it.',
        )
    if len(existing) > 1:
        raise MixpeekConflictError(
            f"{len(existing)} buckets are named {name!r} ({ids})", status=409, hint="Use one by its id."
        )
    bucket = existing[0]
    there = bucket.bucket_schema.model_dump() if bucket.bucket_schema else {}
    wrong = differences(schema, there)
    fields = list(unique_key["fields"]) if unique_key else []
    has = list(bucket.unique_key.fields_) if bucket.unique_key else []
    if fields != has:
        wrong.append(f"its unique key is {has or 'none'} there and {fields or 'none'} here")
    if wrong:
        raise MixpeekConflictError(
            f"the bucket {name!r} ({bucket.bucket_id}) exists with another schema: {'; '.join(wrong)}",
            status=409,
            hint="Change the schema to match, use another name, or delete the bucket.",
        )
    return bucket


def _unique_key(
    given: Sequence[str] | Mapping[str, Any] | None, schema: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    if given is None:
        return None
    key = (
        dict(given)
        if isinstance(given, Mapping)
        else {"fields": [given] if isinstance(given, str) else list(given)}
    )
    missing = [field for field in key.get("fields", ()) if field not in schema["properties"]]
    if missing or not key.get("fields"):
        raise MixpeekConfigError(
            f"the unique key names {missing or 'no field'}",
            hint="Its fields must be properties of the schema.",
        )
    return key


def delete_bucket(session: Session, bucket_id: str) -> Flow[DeletedBucket]:
    """Delete a bucket; one that is gone after an answer was lost is deleted."""
    try:
        return (yield from call(session, session.api.delete_bucket(bucket_id)))
    except MixpeekNotFoundError as error:
        if not error.may_be_stored:
            raise
        return DeletedBucket(bucket_id=bucket_id)


def update_bucket(
    session: Session,
    bucket_id: str,
    *,
    name: str | None,
    description: str | None,
    metadata: Mapping[str, Any] | None,
    schema: Mapping[str, Any] | None,
    unique_key: Mapping[str, Any] | None,
) -> Flow[Bucket]:
    """Change what is given of a bucket."""
    whole = None
    if schema is not None:
        whole = normalise(schema, types=session.api.property_types, declare_metadata=False)
    given = {"name": name, "description": description, "metadata": metadata, "unique_key": unique_key}
    if whole is None and all(value is None for value in given.values()):
        raise MixpeekConfigError("nothing of the bucket is to be changed", hint="Name what to change.")
    return call(
        session,
        session.api.update_bucket(
            bucket_id,
            name=name,
            description=description,
            metadata=metadata,
            schema=whole,
            unique_key=unique_key,
        ),
    )
