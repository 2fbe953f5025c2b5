"""What a sensor hands its trigger to have it back: ``dag.test()`` drops the arguments of ``defer``."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from airflow_provider.mixpeek.exceptions import MixpeekTriggerError


class Deferral(BaseModel):
    """
    Where a wait stands.

    :param left: Which of all waits are not done, as ``marked`` marks them.
    :param slice: How many of these, from the first, the trigger waits for.
    :param since: Unix time of the start.
    :param deadline: Unix time after which there is a last look.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    left: str
    slice: PositiveInt
    since: float
    deadline: float

    @classmethod
    def of(cls, memo: dict[str, Any]) -> Self:
        """
        Take what came back.

        :raises MixpeekTriggerError: it is something else.
        """
        try:
            return cls.model_validate(memo)
        except ValidationError:
            raise MixpeekTriggerError(
                "The trigger did not hand back where the wait stands. Do the triggerer and the workers run "
                "the same version of this package? The work itself is not touched by this."
            ) from None
