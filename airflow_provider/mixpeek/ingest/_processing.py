"""Objects that are stored already are processed: cut into batches, each created and submitted once."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from airflow_provider.mixpeek.client import (
    Bucket,
    MixpeekClient,
    MixpeekConfigError,
    MixpeekError,
    MixpeekGenerationError,
)
from airflow_provider.mixpeek.client._flow import Flow
from airflow_provider.mixpeek.ingest import _batch_calls
from airflow_provider.mixpeek.ingest._actions import CreateBatch, ListLive, SubmitBatch, Tell
from airflow_provider.mixpeek.ingest._batching import Batching
from airflow_provider.mixpeek.ingest._checkpoint import Checkpoint, MemoryCheckpoint
from airflow_provider.mixpeek.ingest._ingest import BATCH_SIZE
from airflow_provider.mixpeek.ingest._inherit import LiveBatch, inherit
from airflow_provider.mixpeek.ingest._journal import Journal, Rerun
from airflow_provider.mixpeek.ingest._report import SubmittedBatch, waits_for

log = logging.getLogger("airflow_provider.mixpeek.ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Processing:
    """
    What was submitted.

    :param bucket_id: The bucket of the objects.
    :param batches: The batches that hold them, those of earlier calls included.
    :param missing: How many objects were to be processed, and are not in the bucket.
    """

    bucket_id: str
    batches: tuple[SubmittedBatch, ...]
    missing: int = 0

    @property
    def objects(self) -> int:
        """How many objects the batches hold."""
        return sum(batch.objects for batch in self.batches)

    @property
    def waits(self) -> list[dict[str, str | None]]:
        """What there is to wait for: ``[{"task_id", "batch_id", "bucket"}]``."""
        return waits_for(self.bucket_id, self.batches)


def process_objects(
    mixpeek: MixpeekClient,
    bucket: str,
    object_ids: Iterable[str],
    *,
    process: Literal["new", "all"] = "new",
    batch_size: int = BATCH_SIZE,
    checkpoint: Checkpoint | None = None,
    rerun: Rerun | None = None,
    rerun_number: int | None = None,
    cancel_earlier: bool = False,
) -> Processing:
    """
    Have objects processed, each once.

    With a checkpoint, a second call takes up what the first has submitted: batches that run or are done stay
    as they are, and what failed goes into new ones. Without, batches of the bucket that run are asked for
    their objects, and those are not submitted again.

    :param mixpeek: The client.
    :param bucket: Name or id of the bucket.
    :param object_ids: The objects; what comes twice is processed once. What is not in the bucket, because
        it was deleted meanwhile, is left out, logged and counted.
    :param process: ``new``: leave objects that have documents as they are; ``all``: replace their documents.
    :param batch_size: Objects of one batch; cut smaller where the server says its plan allows less.
    :param checkpoint: Where the batches are written down before they are submitted.
    :param rerun: With a checkpoint: what to do when all of it was submitted before. ``again``: submit all
        objects anew. ``replay`` or None: only what failed.
    :param rerun_number: Grows each time a person asks for it. With it only a call whose number has grown is a
        rerun.
    :param cancel_earlier: With ``rerun_number``: when it has grown, cancel the batches of earlier calls that
        still run, and submit their objects anew. False: take them up.
    :return: What was submitted.
    :raises MixpeekGenerationError: the server speaks the legacy generation, which has no batches.
    :raises MixpeekConfigError: an argument is wrong, and nothing was sent; or none of the objects is in the
        bucket.
    :raises MixpeekError: a batch could not be created or submitted. Call it again: those that were submitted
        are not submitted again.
    """
    if process not in ("new", "all"):
        raise MixpeekConfigError(f"process is {process!r}, and must be 'new' or 'all'")
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise MixpeekConfigError(f"batch_size is {batch_size!r}, and must be a whole number above 0")
    check_has_batches(mixpeek)
    target = mixpeek.buckets.find(bucket)
    journal = Journal(checkpoint or MemoryCheckpoint(), wall=mixpeek.session.wall)
    give_up = partial(_batch_calls.cancel, mixpeek) if cancel_earlier else None
    journal.open(rerun=rerun, number=rerun_number, give_up=give_up)
    submission = _Submission(mixpeek, target, journal, size=batch_size, replaces=process == "all")
    try:
        submission.submit(object_ids)
    except BaseException as error:
        done = submission.done
        error.add_note(f"Submitted so far: {len(done.batches)} batches with {done.objects} objects.")
        raise
    journal.finish()
    if submission.done.missing and not submission.done.batches:
        raise MixpeekConfigError(
            f"none of the {submission.done.missing} objects is in bucket {target.bucket_id}",
            hint="Is it the right bucket, and are they still there?",
        )
    log.info("%d objects are in %d batches.", submission.done.objects, len(submission.done.batches))
    return submission.done


def check_has_batches(mixpeek: MixpeekClient) -> None:
    """
    See that the server stores and processes in two steps.

    :raises MixpeekGenerationError: it does not.
    """
    api = mixpeek.session.api
    if api.processes_on_create:
        raise MixpeekGenerationError(
            f"the {api.name} generation of the API has no batches: it processes objects as it creates them",
            hint=f"Only the {api.other} one stores and processes in two steps.",
        )


class _Submission:
    """
    Batches of one call, one after another; it is told what came of a call as a run of rows is.

    :param journal: Opened.
    """

    def __init__(
        self, mixpeek: MixpeekClient, bucket: Bucket, journal: Journal, *, size: int, replaces: bool
    ) -> None:
        self._mixpeek = mixpeek
        self._bucket_id = bucket.bucket_id
        self._journal = journal
        self._missing = 0
        looks = [
            self._run(_batch_calls.look(noted, mixpeek.session, before_row=0))
            for noted in journal.batches(bucket.bucket_id)
        ]
        self._batching = Batching(size=size, replaces=replaces, once=True, inherited=inherit(looks))

    @property
    def done(self) -> Processing:
        """What is submitted by now."""
        return Processing(
            bucket_id=self._bucket_id, batches=tuple(self._batching.submitted), missing=self._missing
        )

    def submit(self, object_ids: Iterable[str]) -> None:
        """Cut the objects into batches, and submit them."""
        if not self._journal.lasts:
            # Nothing was noted, so that what runs already can only be told by its members.
            tell = self._run(_batch_calls.list_live(ListLive(), self._mixpeek.session, self._bucket_id))
            tell(self)
        for place, object_id in enumerate(object_ids):
            self._batching.add(object_id, place)
            self._batching.cut(rest=False)
            self._carry_out()
        self._batching.cut(rest=True)
        self._carry_out()

    def _carry_out(self) -> None:
        while (action := self._next_action()) is not None:
            self._journal.check_writer()
            try:
                tell = self._run(self._call(action))
            except MixpeekError as error:
                if not self._batching.can_go_on(action, error):
                    raise
                log.warning("%s; going on in smaller steps, after %s", error, action)
            else:
                tell(self)

    def _next_action(self) -> CreateBatch | SubmitBatch | None:
        # Batches that were created, and drafts of an earlier try: what is noted is submitted next.
        for batch in self._batching.take_notes():
            self._journal.note_batch(self._bucket_id, batch.batch_id, 0)
        return self._batching.next_action()

    def _call(self, action: CreateBatch | SubmitBatch) -> Flow[Tell]:
        session = self._mixpeek.session
        if isinstance(action, CreateBatch):
            return _batch_calls.create(action, session, self._bucket_id)
        return _batch_calls.submit(action, session, self._bucket_id)

    def _run(self, flow: Flow[Any]) -> Any:
        return self._mixpeek.run(flow)

    # -- what came of a call -------------------------------------------------------------------------------

    def batch_created(self, action: CreateBatch, batch_id: str, made: CreateBatch) -> None:
        """A batch was created."""
        self._missing += len(action.object_ids) - len(made.object_ids)
        self._batching.created(action, batch_id, made)

    def batch_needless(self, action: CreateBatch) -> None:
        """None of its objects is there any more."""
        self._missing += len(action.object_ids)
        self._batching.replace(action, ())

    def batch_submitted(self, action: SubmitBatch, task_id: str) -> None:
        """A batch was submitted."""
        self._batching.was_submitted(action, task_id)

    def listed(self, action: ListLive, batches: list[LiveBatch]) -> None:  # noqa: ARG002 - as a run has it
        """The bucket's batches that run or are drafts."""
        self._batching.listed(batches)
