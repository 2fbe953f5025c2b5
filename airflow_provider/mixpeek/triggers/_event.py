"""What a trigger tells the task that it wakes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeInt, ValidationError, model_validator

from airflow_provider.mixpeek.exceptions import MixpeekTriggerError
from airflow_provider.mixpeek.waiting import NAMED, End, Report

_CONFIG = ConfigDict(extra="forbid", frozen=True)


class BadEnds(BaseModel):
    """A report, as it travels."""

    model_config = _CONFIG

    counts: dict[End, Annotated[int, Field(ge=1)]] = Field(min_length=1)
    named: tuple[str, ...] = Field(max_length=NAMED)
    running: NonNegativeInt

    def report(self) -> Report:
        """The report itself."""
        return Report(dict(self.counts), self.named, self.running)


class WaitEvent(BaseModel):
    """
    How a trigger's wait went. It is small, and holds no secret.

    :param kind: ``done``: all are. ``bad``: some ended badly, see ``bad``. ``left``: it is time to start anew
        with what is left. ``error``: something else happened, see ``error``.
    :param left: Positions, among the trigger's waits, of those that are not done.
    :param partial: Likewise of those that are done in part.
    :param error: The error as :func:`airflow_provider.mixpeek.client._errors.as_json` has it.
    :param memo: What the trigger was given to hand back.
    """

    model_config = _CONFIG

    version: Literal[1] = 1
    kind: Literal["done", "bad", "left", "error"]
    left: tuple[NonNegativeInt, ...] = ()
    partial: tuple[NonNegativeInt, ...] = ()
    bad: BadEnds | None = None
    error: dict[str, JsonValue] | None = None
    memo: dict[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_what_its_kind_has(self) -> Self:
        if (self.bad is not None, self.error is not None, bool(self.left)) != (
            self.kind == "bad",
            self.kind == "error",
            self.kind == "left",
        ):
            raise ValueError(f"an event of the kind {self.kind!r} does not go with what it holds")
        return self

    @classmethod
    def of(cls, payload: Any) -> Self:
        """
        Take what came as an event.

        :raises MixpeekTriggerError: this version does not understand it.
        """
        try:
            return cls.model_validate(payload)
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, one["loc"])) or one["msg"] for one in error.errors()[:3])
            raise MixpeekTriggerError(
                f"What the trigger sent is not understood (wrong: {wrong}). Do the triggerer and the workers "
                "run the same version of this package? The work itself is not touched by this."
            ) from None

    def payload(self) -> dict[str, Any]:
        """The event as plain values."""
        return self.model_dump(mode="json")
