"""The storage behind presigned URLs: it takes files, counts and hashes them, and keeps none.

It is another service than the API, and answers like the vendor's (S3): XML, no envelope, and a refusal for
whoever brings a key or a cookie besides the signature.
"""

from __future__ import annotations

import hashlib
from hmac import compare_digest
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from airflow_provider.mixpeek.emulator.context import context_of
from airflow_provider.mixpeek.emulator.ingress import STORAGE
from airflow_provider.mixpeek.emulator.records import Upload

router = APIRouter(prefix=STORAGE.rstrip("/"), include_in_schema=False)

_FOREIGN = ("authorization", "x-namespace", "cookie")


@router.put("/{bucket_id}/{upload_id}/{filename}")
async def put(
    request: Request,
    bucket_id: str,
    upload_id: str,
    filename: str,
    signature: Annotated[str, Query(alias="X-Amz-Signature")] = "",
) -> Response:
    state = context_of(request).state
    now = state.settle()
    bucket = state.buckets.get(bucket_id)
    upload = bucket.uploads.get(upload_id) if bucket else None
    refused = _refusal(request, upload, filename, signature, now)
    if upload is None or refused is not None:
        return refused or _refuse(404, "NoSuchKey")
    digest, size = hashlib.sha256(), 0
    async for chunk in request.stream():
        digest.update(chunk)
        size += len(chunk)
    upload.sha256, upload.stored_bytes = digest.hexdigest(), size
    state.touch(upload)
    return Response(status_code=200, headers={"ETag": f'"{upload.etag}"'})


def _refusal(
    request: Request, upload: Upload | None, filename: str, signature: str, now: float
) -> Response | None:
    if any(name in request.headers for name in _FOREIGN):
        return _refuse(400, "InvalidArgument")
    if upload is None or upload.definition["filename"] != filename:
        return _refuse(403, "SignatureDoesNotMatch")
    if not compare_digest(signature.encode(), upload.signature.encode()):
        return _refuse(403, "SignatureDoesNotMatch")
    if now >= upload.expires:
        return _refuse(403, "AccessDenied", "Request has expired")
    if request.headers.get("content-type") != upload.definition["content_type"]:
        return _refuse(403, "SignatureDoesNotMatch")
    if "content-length" not in request.headers:
        return _refuse(411, "MissingContentLength")
    return None


def _refuse(status: int, code: str, message: str = "") -> Response:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Response(body, status_code=status, media_type="application/xml")
