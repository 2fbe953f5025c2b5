"""How the endpoints describe themselves in the emulator's own OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .shapes import Shape

_ENVELOPE = {
    "type": "object",
    "required": ["success", "status", "error"],
    "properties": {
        "success": {"type": "boolean", "const": False},
        "status": {"type": "integer"},
        "error": {
            "type": "object",
            "required": ["message", "type"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "details": {"type": "object"},
            },
        },
    },
}
_PROBLEMS = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["loc", "msg", "type"],
                "properties": {
                    "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
                    "msg": {"type": "string"},
                    "type": {"type": "string"},
                },
            },
        }
    },
}
_TEXTS = {
    400: "The request lacks something",
    401: "No key, or an unknown one",
    403: "The key may not do this",
    404: "Not found",
    409: "In conflict with what is stored",
    413: "The request is too large",
    422: "The request is not valid",
    429: "Too many requests",
    500: "The server failed",
    503: "Not available now; nothing was stored",
}


def refusals(generation: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of every endpoint."""
    special = {422: _PROBLEMS} if generation == "legacy" else {}
    return {status: _described(text, special.get(status, _ENVELOPE)) for status, text in _TEXTS.items()}


def _described(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def body_of(shape: Shape, *, required: bool = True) -> dict[str, Any]:
    """The ``openapi_extra`` of an endpoint that reads its body itself."""
    return {"requestBody": {"required": required, "content": {"application/json": {"schema": shape.schema}}}}


def returns(*required: str, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """What an endpoint answers: an object with these keys at least."""
    return {status: _described("Done", {"type": "object", "required": list(required)})}


def refused_or(answer: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """What an endpoint answers that sends its answer with a 422 too, where others send the envelope."""
    (described,) = answer.values()
    schema = described["content"]["application/json"]["schema"]
    return {**answer, 422: _described(_TEXTS[422], {"anyOf": [schema, _ENVELOPE]})}


def returns_list(answer: dict[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """What an endpoint answers that gives a bare list of what another one answers singly."""
    (described,) = answer.values()
    schema = described["content"]["application/json"]["schema"]
    return {200: _described("Done", {"type": "array", "items": schema})}
