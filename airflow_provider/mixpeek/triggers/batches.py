"""The trigger that tells an asset's watcher of finished batches."""

from __future__ import annotations

import math
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Sequence
from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from pydantic import ValidationError

from airflow_provider.mixpeek.client import MixpeekError, MixpeekNotFoundError
from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook
from airflow_provider.mixpeek.triggers._position import Position, SeenBatch
from airflow_provider.mixpeek.triggers._shared import shared_client
from airflow_provider.mixpeek.waiting import Outcome

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import AsyncMixpeekClient

__all__ = ["MixpeekFinishedBatchesTrigger"]

Finished = Literal["done", "partial", "failed"]

_OUTCOMES: dict[Outcome, Finished] = {
    Outcome.DONE: "done",
    Outcome.PARTIAL: "partial",
    Outcome.FAILED: "failed",
}


#: Seconds after which a failure that goes on is told again: no task fails that could tell of it.
_AN_HOUR = 3600.0


class MixpeekFinishedBatchesTrigger(BaseEventTrigger):
    """
    Tell of a bucket's batches as they finish, whoever submitted them: for an ``AssetWatcher``.

    One look tells all that have finished since the look before in one event, so that they start one DAG run.
    Its payload is ``{"bucket", "batches": [{"batch_id", "outcome", "objects", "failed"}]}``, which a DAG
    finds as ``event.extra["payload"]``; ``failed`` counts objects, and is 0 where the server does not say.

    What had finished before the first look is not told. From then on each batch is told at least once, across
    restarts of the triggerer (Airflow 3.3, which keeps the position with the asset); twice only if the
    triggerer is killed between an event and the look after it. A batch that is submitted again and finishes
    within one interval is not told a second time. Before 3.3, and where several assets have the very same
    trigger, a restart begins anew with what finishes after it.

    A bucket that is not there has no batches yet. A look that fails is logged, the same failure once an hour,
    and so is that looks work again; the next look is taken all the same. All batches of the bucket are listed
    at each look, 100 a request; triggers that differ in ``outcomes`` alone share it (Airflow 3.3).

    The legacy generation has no batches.

    :param bucket: Name or id of the bucket.
    :param outcomes: Which ends are told.
    :param interval: Seconds between two looks.
    :param mixpeek_conn_id: Id of the connection.
    :raises ValueError: ``outcomes`` or ``interval`` is nothing of the kind.
    """

    def __init__(
        self,
        *,
        bucket: str,
        outcomes: Sequence[Finished] = get_args(Finished),
        interval: float = 60.0,
        mixpeek_conn_id: str = MixpeekHook.default_conn_name,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        wrong = sorted(set(outcomes) - set(get_args(Finished)))
        if wrong or not outcomes or isinstance(outcomes, str):
            raise ValueError(f"outcomes is {outcomes!r}, and must be some of {', '.join(get_args(Finished))}")
        if not 1 <= interval < math.inf:
            raise ValueError(f"interval is {interval!r}, and must be a number of seconds, at least 1")
        self.bucket = bucket
        self.outcomes = list(outcomes)
        self.interval = interval
        self.mixpeek_conn_id = mixpeek_conn_id
        # Looks that have failed in a row, the failure that was told last, and when to tell it again.
        self._failed = 0
        self._said = ""
        self._say_at = 0.0

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and what it is made of."""
        kind = type(self)
        return f"{kind.__module__}.{kind.__qualname__}", {
            "bucket": self.bucket,
            "outcomes": self.outcomes,
            "interval": self.interval,
            "mixpeek_conn_id": self.mixpeek_conn_id,
        }

    def shared_stream_key(self) -> Hashable:
        """Whoever watches the same bucket as often, over the same connection, shares the looks."""
        return type(self).__qualname__, self.mixpeek_conn_id, self.bucket, self.interval

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncGenerator[list[SeenBatch]]:
        """Look at all batches of the bucket, again and again; a look that fails is left out."""
        async with aclosing(cls(**kwargs)._looks()) as looks:  # noqa: SLF001 - its own class
            async for seen in looks:
                yield seen

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[list[SeenBatch]]
    ) -> AsyncIterator[TriggerEvent]:
        """Tell what has finished from one look to the next."""
        position = noted = await self._noted()
        async for batches in shared_stream:
            # Airflow has the event of the look before by now; noted with it, a kill could lose it.
            noted = await self._note(position, noted)
            news, position = position.after(batches) if position else ([], Position.first(batches))
            told = [batch for batch in news if batch.outcome in self.outcomes]
            if told:
                self.log.info("%d batches of bucket %s have finished.", len(told), self.bucket)
                yield TriggerEvent(self._payload(told))  # type: ignore[no-untyped-call]
            else:
                noted = await self._note(position, noted)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do the same with looks of its own: before Airflow 3.3 nothing is shared."""
        async with aclosing(self._looks()) as looks:
            async for event in self.filter_shared_stream(looks):
                yield event

    # -- looking -------------------------------------------------------------------------------------------

    async def _looks(self) -> AsyncGenerator[list[SeenBatch]]:
        while True:
            if (seen := await self._look()) is not None:
                yield seen
            await sleep(self.interval)

    async def _look(self) -> list[SeenBatch] | None:
        try:
            # Opened for each look, so that a connection that is edited counts from the next one on.
            async with shared_client(MixpeekHook(self.mixpeek_conn_id)) as mixpeek:
                seen = [batch async for batch in _batches(mixpeek, self.bucket)]
        except MixpeekNotFoundError as error:
            self._tell(error)
            return []
        except MixpeekError as error:
            self._tell(error)
        except Exception as error:
            self._failed += 1
            # A watcher has no task that could fail and be tried again. The text may hold anything.
            self.log.exception("Looking at bucket %s failed (%s)", self.bucket, type(error).__name__)
        else:
            self._tell_that_it_works()
            return seen
        return None

    def _tell(self, error: MixpeekError) -> None:
        """Log a failure that is another than the one before, or goes on for an hour."""
        self._failed += 1
        said, now = str(error), monotonic()
        if said == self._said and now < self._say_at:
            return
        self._said, self._say_at = said, now + _AN_HOUR
        again = f" ({self._failed:,} looks in a row have failed)" if self._failed > 1 else ""
        self.log.warning("Could not look at the batches of bucket %s%s: %s", self.bucket, again, said)

    def _tell_that_it_works(self) -> None:
        if self._failed:
            self.log.info(
                "Looks at the batches of bucket %s work again, after %d that failed.",
                self.bucket,
                self._failed,
            )
        self._failed, self._said = 0, ""

    def _payload(self, told: Sequence[SeenBatch]) -> dict[str, Any]:
        return {
            "bucket": self.bucket,
            "batches": [
                {
                    "batch_id": batch.batch_id,
                    "outcome": batch.outcome,
                    "objects": batch.objects,
                    "failed": batch.failed,
                }
                for batch in told
            ],
        }

    # -- its position --------------------------------------------------------------------------------------

    @property
    def _key(self) -> str:
        return f"mixpeek finished batches of {self.bucket}"

    async def _noted(self) -> Position | None:
        while (store := getattr(self, "asset_state_store", None)) is not None:
            try:
                noted = await store.aget(self._key)
                return None if noted is None else Position.model_validate(noted)
            except ValidationError:
                self.log.warning("The noted position is not understood; beginning anew.")
                return None
            except ValueError:
                self.log.warning(
                    "Several assets have this very trigger, so that its position cannot be kept: after a "
                    "restart it begins anew. Watch one asset with each trigger."
                )
                self.asset_state_store = None
            except Exception:
                # To begin anew would leave out what finished meanwhile.
                self.log.exception("The noted position cannot be read; trying again")
                await sleep(self.interval)
        return None

    async def _note(self, position: Position | None, noted: Position | None) -> Position | None:
        """Keep a position that is another than the one noted; return which one is noted now."""
        store = getattr(self, "asset_state_store", None)
        if position is None or position == noted or store is None:
            return noted
        try:
            await store.aset(self._key, position.model_dump(mode="json", exclude_none=True))
        except Exception:
            self.log.exception("The position cannot be noted; trying again after the next look")
            return noted
        return position


async def _batches(mixpeek: AsyncMixpeekClient, bucket: str) -> AsyncIterator[SeenBatch]:
    words = mixpeek.session.api.batch_words
    # Found anew each time: a bucket that is made again under its name has another id.
    found = await mixpeek.buckets.find(bucket)
    async for batch in mixpeek.batches.list(found.bucket_id):
        yield SeenBatch(
            batch.batch_id,
            _OUTCOMES.get(words.get(batch.status, Outcome.UNKNOWN)),
            batch.created,
            len(batch.object_ids),
            batch.failed_object_count or len(batch.failed_objects),
        )
