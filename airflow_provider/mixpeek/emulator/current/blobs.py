"""The forms that a blob's ``data`` may have, and what is stored of each.

No URL is ever fetched: where the vendor copies a file and looks at it, the emulator believes the address.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.emulator.shapes import Location, Problem
from airflow_provider.mixpeek.emulator.values import check_value

from .requests import FILE_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider.mixpeek.emulator.records import Upload

_TAKEN_FOR_URL = ("http://", "https://", "s3://", "file://")
_URL_OF_FILE = re.compile(r"(https?|s3)://\S+")
_URL_OF_TEXT = re.compile(r"(https?|s3|file)://\S+")
_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)(;[\w=.+-]+)*;base64,", re.ASCII)
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
# Shorter ones are more often words of a language than an encoding of something readable.
_SHORTEST_BASE64 = 16


def check_data(
    blob: dict[str, Any],
    declared: dict[str, Any],
    location: Location,
    uploads: Mapping[str, Upload],
) -> list[Problem]:
    """What is wrong with the content of a blob whose shape and type are right.

    :param blob: As it came in.
    :param declared: The bucket's definition of its property.
    :param location: Of the blob.
    :param uploads: The bucket's uploads by their ids.
    """
    data, upload_id = blob.get("data"), blob.get("upload_id")
    if (data is None) == (upload_id is None):
        found = "neither" if data is None else "both"
        return [Problem("value_error", location, f"Give exactly one of data and upload_id; got {found}")]
    if upload_id is not None:
        upload = uploads.get(upload_id)
        if upload is not None and upload.sha256 is not None and upload.confirmed is not None:
            return []
        message = f"Upload '{upload_id}' was not found or is not confirmed"
        return [Problem("value_error", (*location, "upload_id"), message)]
    place = (*location, "data")
    if blob["type"] not in FILE_TYPES:
        problems: list[Problem] = []
        check_value(data, declared, place, problems)
        return problems
    fault = _fault_of_file(data, blob["type"])
    return [Problem("value_error", place, fault)] if fault else []


def _fault_of_file(data: Any, kind: str) -> str | None:
    """Why data of a file type is refused; None where it is not."""
    if isinstance(data, str):
        return _fault_of_text(data) if kind == "text" else _fault_of_reference(data)
    if not isinstance(data, dict):
        return f"Data of type {kind} is a string or an object, not {type(data).__name__}"
    keys = set(data)
    strings = all(isinstance(value, str) for value in data.values())
    if keys == {"text"} and kind == "text":
        return None if strings else "'text' should be a valid string"
    if keys == {"url"}:
        form = _URL_OF_TEXT if kind == "text" else _URL_OF_FILE
        return None if strings and form.fullmatch(data["url"]) else f"'url' should match {form.pattern}"
    if "base64" in keys and keys <= {"base64", "mime_type", "filename"}:
        if not strings:
            return "'base64', 'mime_type' and 'filename' should be valid strings"
        return _fault_of_base64(data["base64"])
    forms = "{url}, {base64, mime_type, filename}" + (" or {text}" if kind == "text" else "")
    return f"Data of type {kind} as an object is {forms}; got the keys {', '.join(sorted(keys)) or 'none'}"


def _fault_of_text(data: str) -> str | None:
    if data.startswith(_TAKEN_FOR_URL):
        return (
            None
            if _URL_OF_TEXT.fullmatch(data)
            else "Text that begins like a URL is taken for one; this is none"
        )
    if _DATA_URI.match(data):
        return _fault_of_base64(data.partition(",")[2])
    if len(data) >= _SHORTEST_BASE64 and _BASE64.fullmatch(data):
        decoded = _decode(data)
        if decoded is not None and _is_readable(decoded):
            return "A bare base64 string that decodes to text is refused: send a data URI or {base64}"
    return None


def _fault_of_reference(data: str) -> str | None:
    if _URL_OF_FILE.fullmatch(data):
        return None
    if _DATA_URI.match(data):
        return _fault_of_base64(data.partition(",")[2])
    return "Should be an http, https or s3 URL, or a data URI data:<mime>;base64,<data>"


def _fault_of_base64(encoded: str) -> str | None:
    return None if _decode(encoded) is not None else "The content is not valid base64"


def _decode(encoded: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_readable(content: bytes) -> bool:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character in "\r\n\t" for character in text)


def store_blob(
    blob: dict[str, Any], bucket_id: str, object_id: str, number: int, uploads: Mapping[str, Upload]
) -> dict[str, Any]:
    """The stored form of a blob that :func:`check_data` accepted.

    Content that came in the request is kept as its hash, its size and an address in the vendor's storage; a
    text also as itself.

    :param number: Of the blob within its object, from 0.
    :param uploads: The bucket's uploads by their ids.
    """
    data = blob.get("data")
    properties: dict[str, Any] = dict(blob.get("metadata") or {})
    details: dict[str, Any] = {}
    if blob.get("upload_id") is not None:
        upload = uploads[blob["upload_id"]]
        properties["url"] = f"s3://mixpeek-emulator/{key_of(upload)}"
        details |= {
            "size_bytes": upload.stored_bytes,
            "mime_type": upload.definition["content_type"],
            "filename": upload.definition["filename"],
            "hash": f"sha256:{upload.sha256}",
        }
    elif blob["type"] not in FILE_TYPES:
        properties["value"] = data
        _describe(details, repr(data).encode(), None)
    else:
        form, content = _form(data, blob["type"])
        if form == "base64":
            mime, raw = _content(data)
            properties["url"] = f"s3://mixpeek-emulator/{bucket_id}/{object_id}/{number}"
            _describe(details, raw, mime)
            if isinstance(data, dict) and "filename" in data:
                details["filename"] = data["filename"]
        else:
            properties[form] = content
            if form == "text":
                _describe(details, content.encode(), "text/plain")
    checksum = blob.get("checksum")
    if checksum:
        details["hash"] = checksum if ":" in checksum else f"sha256:{checksum.lower()}"
    return {
        "blob_id": f"blob_{object_id[4:]}_{number}",
        "property": blob["property"],
        "key_prefix": blob.get("key_prefix"),
        "type": blob["type"],
        "properties": properties,
        "details": details,
    }


def key_of(upload: Upload) -> str:
    """Where the storage has an uploaded file."""
    return f"{upload.bucket.bucket_id}/uploads/{upload.upload_id}/{upload.definition['filename']}"


def _form(data: Any, kind: str) -> tuple[str, str]:
    """Whether data is an address, a text or an encoding, and the string it is."""
    if isinstance(data, dict):
        key = next(key for key in ("text", "url", "base64") if key in data)
        return key, data[key]
    if _DATA_URI.match(data):
        return "base64", data
    if kind == "text" and not data.startswith(_TAKEN_FOR_URL):
        return "text", data
    return "url", data


def _content(data: Any) -> tuple[str | None, bytes]:
    if isinstance(data, dict):
        return data.get("mime_type"), base64.b64decode(data["base64"])
    header, _, encoded = data.partition(",")
    return header[5:].partition(";")[0], base64.b64decode(encoded)


def _describe(details: dict[str, Any], content: bytes, mime: str | None) -> None:
    details["size_bytes"] = len(content)
    details["mime_type"] = mime
    details["hash"] = f"sha256:{hashlib.sha256(content).hexdigest()}"
