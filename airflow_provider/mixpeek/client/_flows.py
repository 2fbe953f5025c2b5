"""Calls that take several requests, and the checks that come before a request, once for both clients."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from airflow_provider.mixpeek.client._answers import OTHER_GENERATION
from airflow_provider.mixpeek.client._current import encode
from airflow_provider.mixpeek.client._errors import (
    MixpeekAnswerError,
    MixpeekConfigError,
    MixpeekConflictError,
    MixpeekError,
    MixpeekNotFoundError,
)
from airflow_provider.mixpeek.client._flow import Flow, Page, Session, after, call
from airflow_provider.mixpeek.client._models import (
    Batch,
    Bucket,
    CreatedObjects,
    DeletedBucket,
    MixpeekObject,
    Task,
)
from airflow_provider.mixpeek.client._requests import NewBlob, NewObject, checked
from airflow_provider.mixpeek.client._schema import differences, normalise
from airflow_provider.mixpeek.waiting import Outcome

T = TypeVar("T")

IfExists = Literal["fail", "reuse"]

#: How often a submission whose answer was unclear, and that left its batch a DRAFT, is sent again.
_SUBMITS = 3


def following(page: Page[Any], seen: set[str]) -> str | None:
    """
    The cursor after a page, or None after the last.

    :param seen: Cursors of this list so far; the new one is added.
    :raises MixpeekAnswerError: the server gives a cursor out again, which would never end.
    """
    if page.next_cursor is None:
        return None
    if page.next_cursor in seen:
        raise MixpeekAnswerError(
            "the list never ends: the server gave out one of its cursors a second time",
            hint="Tell the vendor; what was read so far is not the whole list.",
        )
    seen.add(page.next_cursor)
    return page.next_cursor


def everything(fetch: Callable[[str | None], Flow[Page[T]]]) -> Flow[list[T]]:
    """All items of a list, page by page."""
    found: list[T] = []
    seen: set[str] = set()
    cursor: str | None = None
    while True:
        page = yield from fetch(cursor)
        found += page.results
        cursor = following(page, seen)
        if cursor is None:
            return found


def bucket_page(session: Session, *, search: str | None, cursor: str | None) -> Flow[Page[Bucket]]:
    """One page of the namespace's buckets."""
    return call(session, session.api.list_buckets(search=search, cursor=cursor))


def object_page(
    session: Session, bucket_id: str, *, filters: Mapping[str, Any] | None, cursor: str | None
) -> Flow[Page[MixpeekObject]]:
    """One page of a bucket's objects."""
    return call(session, session.api.list_objects(bucket_id, filters=filters, cursor=cursor))


def buckets_named(session: Session, name: str) -> Flow[list[Bucket]]:
    """
    Every bucket of exactly this name, and if there is none, none.

    The whole list is read: nothing says what a search matches, and names need not be unique.
    """
    found = yield from everything(lambda cursor: bucket_page(session, search=None, cursor=cursor))
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
    found = yield from everything(lambda cursor: bucket_page(session, search=None, cursor=cursor))
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
    whole = normalise(schema, types=session.api.property_types, declare_metadata=declare_metadata)
    unique = _unique_key(unique_key, whole)

    existing = yield from buckets_named(session, name)
    if existing:
        return _take_existing(existing, name, whole, unique, if_exists)
    try:
        return (
            yield from call(
                session,
                session.api.create_bucket(
                    name, schema=whole, description=description, unique_key=unique, metadata=metadata
                ),
            )
        )
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


def create_object(session: Session, bucket_id: str, new: NewObject) -> Flow[MixpeekObject]:
    """Store one object."""
    body = encode(session.api.new_object_body(new))
    return call(
        session, session.api.create_object(bucket_id, body, repeatable=new.idempotency_key is not None)
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
    session: Session, bucket_id: str, objects: Sequence[NewObject | Mapping[str, Any]]
) -> Flow[CreatedObjects]:
    """Store up to 100 objects with one request."""
    new = [checked(NewObject, given, f"object {number}") for number, given in enumerate(objects)]
    bodies = [encode(session.api.new_object_body(one)) for one in new]
    return create_encoded_objects(
        session, bucket_id, bodies, repeatable=all(one.idempotency_key is not None for one in new)
    )


def create_encoded_objects(
    session: Session, bucket_id: str, bodies: Sequence[bytes], *, repeatable: bool
) -> Flow[CreatedObjects]:
    """Store objects whose bodies are bytes already."""
    most = session.api.max_objects_per_request
    if not 1 <= len(bodies) <= most:
        raise MixpeekConfigError(f"one request takes 1 to {most} objects, and these are {len(bodies)}")
    return call(session, session.api.create_objects(bucket_id, bodies, repeatable=repeatable))


def create_batch(
    session: Session,
    bucket_id: str,
    object_ids: Sequence[str],
    *,
    name: str | None,
    dedup_strategy: str | None,
) -> Flow[Batch]:
    """Create a DRAFT batch."""
    if isinstance(object_ids, str) or not object_ids:
        raise MixpeekConfigError("a batch needs at least one object id", hint="Pass a list of ids.")
    return call(
        session, session.api.create_batch(bucket_id, object_ids, name=name, dedup_strategy=dedup_strategy)
    )


def submit_batch(session: Session, bucket_id: str, batch_id: str, *, force: bool) -> Flow[Task]:
    """
    Submit a batch exactly once.

    After an unclear answer, a conflict included, the batch itself is asked: it is submitted again only while
    it is still a DRAFT, and its task is returned when it is not.
    """
    in_doubt = False
    tries = 0
    while True:
        try:
            return (yield from call(session, session.api.submit_batch(bucket_id, batch_id, force=force)))
        except MixpeekError as error:
            tries += 1
            unclear = error.may_be_stored and not isinstance(error, MixpeekAnswerError)
            in_doubt = error.may_be_stored = in_doubt or error.may_be_stored
            if not (unclear or isinstance(error, MixpeekConflictError)) or tries >= _SUBMITS:
                raise
            batch = yield from after(error, call(session, session.api.get_batch(bucket_id, batch_id)))
            if session.api.batch_words.get(batch.status) is not Outcome.WAITS_FOR_CALLER:
                return _task_of(batch, error)
            if isinstance(error, MixpeekConflictError):
                # It is a DRAFT and was refused: something else is in the way, and repeating will not move it.
                raise


def _task_of(batch: Batch, why: MixpeekError) -> Task:
    if batch.task_id is None:
        raise MixpeekAnswerError(
            f"the batch {batch.batch_id} is {batch.status} and names no task, after: {why.message}",
            hint=OTHER_GENERATION,
            may_be_stored=True,
        ) from why
    return Task(
        task_id=batch.task_id,
        status=batch.status,
        additional_data={"batch_id": batch.batch_id, "bucket_id": batch.bucket_id},
    )
