"""What the two scripts share that run in an environment with a vendor's SDK. It imports nothing of ours."""

from __future__ import annotations

import json
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel


class Calls:
    """Makes calls and writes down what became of each.

    ``found`` has one entry a call: its operation, the type of what it was parsed as (None where it failed to
    parse), the answer as plain JSON, and the error.
    """

    def __init__(self, plain: Callable[[Any], Any]) -> None:
        self.found: list[dict[str, Any]] = []
        self._plain = plain

    def __call__(self, operation: str, function: Any, *arguments: Any, **named: Any) -> Any:
        try:
            answer = function(*arguments, **named)
        except Exception:
            self.found.append({"operation": operation, "type": None, "error": traceback.format_exc(limit=-3)})
            raise
        kind = type(answer).__name__
        self.found.append(
            {"operation": operation, "type": kind, "answer": self._plain(answer), "error": None}
        )
        return answer

    def stopped(self) -> None:
        """Take down an exception that no call raised."""
        if not self.found or self.found[-1]["error"] is None:
            self.found.append({"operation": "script", "type": None, "error": traceback.format_exc()})


def judge(
    models: Sequence[tuple[str, str, type[BaseModel]]],
    read: Callable[[type[BaseModel], Any], Any],
    request: dict[str, Any],
) -> str | None:
    """Why an SDK's request model refuses a body; None where it accepts it.

    :param models: Method, form of the path, and model.
    :param read: Makes a model from JSON.
    :param request: ``{"method", "path", "body"}``.
    """
    method, path, body = request["method"], request["path"], request["body"]
    model = next((each for verb, form, each in models if verb == method and re.fullmatch(form, path)), None)
    if model is None:
        return f"The SDK has no request model for {method} {path}"
    if not isinstance(body, dict):
        return f"{model.__name__}: the body is no object"
    try:
        parsed = read(model, body)
    except Exception as error:  # noqa: BLE001  whatever a model raises is its refusal
        return f"{model.__name__}: {type(error).__name__}: {error}"
    unknown = list(_undeclared(parsed, body, "body"))
    return f"{model.__name__}: undeclared keys {', '.join(unknown)}" if unknown else None


def _undeclared(parsed: Any, raw: Any, place: str) -> Iterator[str]:
    """The places of keys that the models do not declare and drop in silence."""
    actual = getattr(parsed, "actual_instance", None)
    if actual is not None:
        parsed = actual
    if isinstance(parsed, BaseModel) and isinstance(raw, dict):
        fields = type(parsed).model_fields
        names = {field.alias or name: name for name, field in fields.items()}
        for key, value in raw.items():
            if key in names:
                yield from _undeclared(getattr(parsed, names[key]), value, f"{place}.{key}")
            elif "additional_properties" not in fields:
                yield f"{place}.{key}"
    elif isinstance(parsed, list) and isinstance(raw, list):
        for index, (item, value) in enumerate(zip(parsed, raw, strict=True)):
            yield from _undeclared(item, value, f"{place}.{index}")
    elif isinstance(parsed, dict) and isinstance(raw, dict):
        for key, value in raw.items():
            yield from _undeclared(parsed.get(key), value, f"{place}.{key}")


def serve(calls: Callable[[str], list[dict[str, Any]]], verdict: Callable[[Any], str | None]) -> None:
    """Answer commands, one JSON text a line: ``calls`` makes every call, ``models`` judges bodies."""
    for line in sys.stdin:
        command = json.loads(line)
        if command["do"] == "calls":
            answer: Any = calls(command["url"])
        else:
            answer = [verdict(each) for each in command["bodies"]]
        sys.stdout.write(json.dumps(answer, default=str) + "\n")
        sys.stdout.flush()
