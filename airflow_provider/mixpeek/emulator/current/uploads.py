"""The endpoints of uploads."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from airflow_provider.mixpeek.emulator.context import Inside, Listing, Named, answer, read_body
from airflow_provider.mixpeek.emulator.errors import Refusal
from airflow_provider.mixpeek.emulator.filters import select_rows
from airflow_provider.mixpeek.emulator.ingress import STORAGE
from airflow_provider.mixpeek.emulator.lookups import bucket_in
from airflow_provider.mixpeek.emulator.openapi import body_of
from airflow_provider.mixpeek.emulator.paging import cut
from airflow_provider.mixpeek.emulator.records import Upload
from airflow_provider.mixpeek.emulator.times import timestamp

from . import declared, requests
from .answers import task_answer
from .blobs import key_of
from .lists import page_of, unresolved
from .running import submit
from .uploading import ASYNC_FROM, Announced, announce, check_arrived, confirm

router = APIRouter()
_UPLOADS = "/v1/buckets/{bucket_identifier}/uploads"
_UPLOAD = f"{_UPLOADS}/{{upload_id}}"
_DEFAULT_PAGE = 20

PresignedUrls = Annotated[bool, Query(description="Accepted; the emulator keeps no files to hand out.")]


def upload_answer(upload: Upload, now: float, *, url: str | None = None) -> dict[str, Any]:
    """An upload as the vendor tells it.

    :param url: The presigned URL, which only the announcement tells.
    """
    wanted, word = upload.definition, upload.status(now)
    confirmed = timestamp(upload.confirmed) if upload.confirmed is not None else None
    done = word == "COMPLETED"
    return {
        "upload_id": upload.upload_id,
        "bucket_id": upload.bucket.bucket_id,
        "filename": wanted["filename"],
        "content_type": wanted["content_type"],
        "file_size_bytes": upload.stored_bytes or wanted.get("file_size_bytes"),
        "presigned_url": url,
        "presigned_url_expiration": wanted["presigned_url_expiration"],
        "s3_key": key_of(upload),
        "status": word,
        "metadata": wanted["metadata"],
        "create_object_on_confirm": wanted["create_object_on_confirm"],
        "object_metadata": wanted.get("object_metadata"),
        "blob_property": wanted.get("blob_property"),
        "blob_type": wanted.get("blob_type"),
        "file_hash": upload.sha256 or wanted.get("file_hash"),
        "skip_duplicates": wanted["skip_duplicates"],
        "is_duplicate": False,
        "duplicate_of_upload_id": None,
        "skipped_unique_key": False,
        "existing_object_id": None,
        "message": None,
        "created_at": timestamp(upload.created),
        "expires_at": timestamp(upload.expires),
        "completed_at": confirmed if done else None,
        "verified_at": confirmed if done else None,
        "etag": upload.etag if upload.confirmed is not None else None,
        "object_id": upload.object_id if done else None,
        "task_id": upload.task.task_id if upload.task else None,
    }


def _announced(request: Request, announced: Announced, now: float) -> dict[str, Any]:
    upload = announced.upload
    if announced.duplicate:
        return upload_answer(upload, now) | {
            "is_duplicate": True,
            "duplicate_of_upload_id": upload.upload_id,
            "message": "A file with these bytes was uploaded before",
        }
    if announced.existing_object is not None:
        return upload_answer(upload, now) | {
            "skipped_unique_key": True,
            "existing_object_id": announced.existing_object,
        }
    place = f"{upload.bucket.bucket_id}/{upload.upload_id}/{quote(upload.definition['filename'])}"
    seconds = upload.definition["presigned_url_expiration"]
    url = (
        f"{str(request.base_url).rstrip('/')}{STORAGE}{place}"
        f"?X-Amz-Expires={seconds}&X-Amz-Signature={upload.signature}"
    )
    return upload_answer(upload, now, url=url)


def _upload_in(inside: Inside, bucket_id: str, upload_id: str, *, writing: bool = False) -> Upload:
    upload = bucket_in(inside, bucket_id, writing=writing).uploads.get(upload_id)
    if upload is None:
        raise Refusal(404, f"Upload '{upload_id}' was not found in bucket '{bucket_id}'")
    return upload


@router.post(
    _UPLOADS,
    status_code=201,
    openapi_extra=body_of(requests.UPLOAD_CREATE),
    responses={**declared.UPLOAD, 201: {"description": "A new upload"}},
)
async def create_upload(request: Request, inside: Named, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.UPLOAD_CREATE)
    now = inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    announced = announce(inside.context, bucket, body, now)
    is_new = not announced.duplicate and announced.existing_object is None
    return answer(_announced(request, announced, now), status=201 if is_new else 200)


@router.post(f"{_UPLOADS}/batch", openapi_extra=body_of(requests.UPLOADS_CREATE), responses=declared.UPLOADS)
async def create_uploads(request: Request, inside: Named, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.UPLOADS_CREATE)
    now = inside.context.state.settle()
    bucket = bucket_in(inside, bucket_identifier, writing=True)
    rows = []
    for index, each in enumerate(body["uploads"]):
        merged = dict(each)
        for name in ("metadata", "object_metadata"):
            shared = body.get(f"shared_{name}")
            if shared:
                merged[name] = {**shared, **(each.get(name) or {})}
        announced = announce(inside.context, bucket, merged, now, ("body", "uploads", index))
        rows.append(_announced(request, announced, now))
    return answer({"uploads": rows, "total": len(rows)})


@router.post(
    f"{_UPLOADS}/list", openapi_extra=body_of(requests.UPLOAD_LIST, required=False), responses=declared.PAGE
)
async def list_uploads(request: Request, space: Listing, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.UPLOAD_LIST, optional=True)
    now = space.context.state.settle()
    if space.namespace is None:
        return unresolved(space)
    bucket = bucket_in(Inside(space.context, space.namespace), bucket_identifier)
    rows = select_rows([upload_answer(each, now) for each in bucket.uploads.values()], body)
    results, pagination = cut(rows, page_of({}, body, default_limit=_DEFAULT_PAGE))
    sizes = [row["file_size_bytes"] or 0 for row in results]
    stats = {
        "total_uploads": len(results),
        "total_size_bytes": sum(sizes),
        "uploads_by_status": Counter(row["status"] for row in results),
        "avg_file_size_bytes": sum(sizes) / len(sizes) if sizes else 0.0,
        "unique_buckets": 1 if results else 0,
    }
    return answer({"results": results, "pagination": pagination, "stats": stats})


@router.post(
    f"{_UPLOADS}/confirm/batch",
    openapi_extra=body_of(requests.UPLOADS_CONFIRM),
    responses=declared.CONFIRMING,
)
async def confirm_uploads(request: Request, inside: Named, bucket_identifier: str) -> Response:
    body = await read_body(request, requests.UPLOADS_CONFIRM)
    context = inside.context
    now = context.state.settle()
    given = {each["upload_id"]: each for each in body["confirmations"]}
    uploads = [_upload_in(inside, bucket_identifier, upload_id, writing=True) for upload_id in given]
    for upload in uploads:
        check_arrived(upload, given[upload.upload_id])
    task = context.state.start_confirming(uploads, now, context.next_outcome(request.scope))
    for upload in uploads:
        confirm(context, upload, now, policy=None, task=task)
    return answer(
        {
            "task_id": task.task_id,
            "status": "PENDING",
            "confirmations_count": len(uploads),
            "task": task_answer(task, now),
            "message": "Batch confirmation is being processed in the background.",
        }
    )


@router.post(
    f"{_UPLOAD}/confirm",
    openapi_extra=body_of(requests.UPLOAD_CONFIRM, required=False),
    responses=declared.CONFIRMED,
)
async def confirm_upload(
    request: Request,
    inside: Named,
    bucket_identifier: str,
    upload_id: str,
    in_background: Annotated[bool, Query(alias="async")] = False,  # noqa: FBT002  a query parameter
    policy: Literal["insert", "update", "upsert"] | None = None,
) -> Response:
    context = inside.context
    before_82 = context.settings.is_before_82
    shape = requests.UPLOAD_CONFIRM_81 if before_82 else requests.UPLOAD_CONFIRM
    body = await read_body(request, shape, optional=True)
    now = context.state.settle()
    upload = _upload_in(inside, bucket_identifier, upload_id, writing=True)
    check_arrived(upload, body)
    task = None
    if in_background or upload.stored_bytes >= ASYNC_FROM:
        task = context.state.start_confirming([upload], now, context.next_outcome(request.scope))
    confirm(context, upload, now, policy=None if before_82 else policy, task=task)
    batch = None
    if body.get("auto_submit_batch") and upload.object_id is not None:
        batch = context.state.add_batch(upload.bucket, [upload.object_id], {}, now)
        submit(context, batch, request.scope, now)
    row = upload_answer(upload, now)
    names = ("upload_id", "status", "etag", "file_size_bytes", "file_hash", "verified_at", "completed_at")
    confirmed = {name: row[name] for name in (*names, "object_id", "task_id", "message")}
    if batch is not None and batch.task is not None:
        confirmed |= {"batch_id": batch.batch_id, "task_id": batch.task.task_id}
    return answer(confirmed)


@router.get(_UPLOAD, responses=declared.UPLOAD)
async def get_upload(
    inside: Named,
    bucket_identifier: str,
    upload_id: str,
    return_presigned_urls: PresignedUrls = False,  # noqa: ARG001, FBT002  a query parameter
) -> Response:
    now = inside.context.state.settle()
    return answer(upload_answer(_upload_in(inside, bucket_identifier, upload_id), now))


@router.delete(_UPLOAD, status_code=204)
async def delete_upload(
    inside: Named,
    bucket_identifier: str,
    upload_id: str,
    delete_s3_object: Annotated[bool, Query()] = True,  # noqa: ARG001, FBT002  a query parameter
) -> Response:
    inside.context.state.settle()
    upload = _upload_in(inside, bucket_identifier, upload_id, writing=True)
    if upload.confirmed is not None:
        raise Refusal(409, f"Upload '{upload_id}' is confirmed, and is deleted with its object only")
    inside.context.state.drop_upload(upload)
    return Response(status_code=204)
