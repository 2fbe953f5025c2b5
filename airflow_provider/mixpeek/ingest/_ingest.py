"""The one call: rows in, report out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekConfigError
from airflow_provider.mixpeek.ingest import _telling
from airflow_provider.mixpeek.ingest._batch_calls import cancel
from airflow_provider.mixpeek.ingest._checkpoint import Checkpoint, MemoryCheckpoint
from airflow_provider.mixpeek.ingest._design import Design
from airflow_provider.mixpeek.ingest._identity import Mode
from airflow_provider.mixpeek.ingest._journal import Journal, Rerun
from airflow_provider.mixpeek.ingest._load import Load
from airflow_provider.mixpeek.ingest._mapping import ObjectMapping
from airflow_provider.mixpeek.ingest._options import (
    Options,
    check_bucket,
    check_client,
    check_mode,
    check_scope,
)
from airflow_provider.mixpeek.ingest._receipt import Format
from airflow_provider.mixpeek.ingest._report import Report
from airflow_provider.mixpeek.ingest._resume import OnSourceChange
from airflow_provider.mixpeek.ingest._run import OnError, Process
from airflow_provider.mixpeek.ingest._sending import OnChanged, Policy
from airflow_provider.mixpeek.ingest._sinks import Destinations, Directory
from airflow_provider.mixpeek.ingest._sources import open_source

log = logging.getLogger("airflow_provider.mixpeek.ingest")

#: Bytes of one request's body.
MAX_REQUEST_BYTES = 8_000_000

#: Objects of one batch: what the vendor advises for most uses (100 to 1,000; API 0.81 prose).
BATCH_SIZE = 1_000

#: Requests under way at once: the vendor's smallest plan allows five, the next one fifty (API 0.81 prose).
IN_FLIGHT = 8


def ingest(
    mixpeek: MixpeekClient,
    bucket: str,
    rows: Any,
    *,
    mapping: ObjectMapping | Mapping[str, Any] | None = None,
    keys: Mode | None = None,
    scope: str | Callable[[Mode], str] = "",
    on_error: OnError = "fail",
    process: Process = "new",
    batch_size: int = BATCH_SIZE,
    max_request_bytes: int = MAX_REQUEST_BYTES,
    in_flight: int = IN_FLIGHT,
    max_rejected: float | None = None,
    rejected_to: Directory | None = None,
    receipt_to: Directory | None = None,
    receipt_format: Format = "jsonl",
    source_name: str | None = None,
    allow_empty: bool = False,
    checkpoint: Checkpoint | None = None,
    on_source_change: OnSourceChange = "fail",
    rerun: Rerun | None = None,
    rerun_number: int | None = None,
    cancel_earlier: bool = False,
    policy: Policy | None = None,
    on_changed: OnChanged = "keep",
    markers: bool = True,
    skip_duplicates: bool = False,
) -> Report:
    """
    Create an object from every row, and have the objects processed.

    Each row is created under an idempotency key that is the same whenever the same row is ingested again, so
    that a second call, after whatever happened to the first, stores only what is missing.

    :param mixpeek: The client.
    :param bucket: Name or id of the bucket.
    :param rows: pandas, polars, pyarrow or any eager frame that narwhals reads; a list or iterator of dicts,
        an iterator of frames; Parquet, CSV or JSON Lines (also .gz, .zst) as the path or URL of a file, of a
        folder, or a glob; a part of these (:func:`split_source`); or the directory of rejected rows.
    :param mapping: What the columns become. None: columns named like properties of the bucket's schema.
    :param keys: What identifies a row. ``content`` (frames, dicts): the row itself, and how many equal rows
        came before; ``position`` (files): the row and its place in the file; ``columns`` (when the mapping
        names an ``idempotency_key``): those columns and nothing else.
    :param scope: Part of every key: the same rows under another scope are other objects. ``content`` needs
        one, such as the name and date of the load. May be a function of the kind of keys.
    :param on_error: ``fail``: stop at the first row that is wrong. ``collect``: set it aside, with the
        reason, and go on.
    :param process: ``new``: submit objects in batches unless they are processed already; ``all``: those too,
        their documents replaced; False: store only. On the legacy generation creates always process.
    :param batch_size: Objects of one batch; cut smaller where the server says its plan allows less.
    :param max_request_bytes: Bytes of one request's body; a row that is larger is rejected.
    :param in_flight: Requests under way at once.
    :param max_rejected: With ``collect``: rows that may be wrong, as a number of them, or as a share of the
        rows (a float below 1, held to after the first 1,000 rows and at the end).
    :param rejected_to: A directory, of this machine or any URL of fsspec, where rejected rows are written to
        with the reason; ``rows=`` takes it again when they are mended. Each load adds files of its own.
    :param receipt_to: A directory where it is written down what became of each row, and in which object.
    :param receipt_format: ``jsonl``, or ``parquet``, which needs pyarrow.
    :param source_name: Stands for a file or folder wherever it is read from: keys do not depend on its path.
    :param allow_empty: No rows at all are a success and not an error.
    :param checkpoint: Where the load writes down how far it is, so that a second call goes on there. Each
        load has one of its own.
    :param on_source_change: With a checkpoint: what to do when the file or the mapping is not what it was
        when an earlier call began to store rows: ``fail``, or ``accept`` and send all rows again.
    :param rerun: With a checkpoint: what to do when the load is finished. ``replay``: send everything again
        under the old keys, so that deleted objects come back and rejected rows get another chance;
        ``again``: make new objects of all rows. None: nothing.
    :param rerun_number: Grows each time a person asks for the load to be run. With it only a call whose
        number has grown is a rerun, and also accepts a changed source.
    :param cancel_earlier: With ``rerun_number``: when it has grown, cancel the batches of earlier calls that
        still run, and submit their objects anew. False: take them up.
    :param policy: For a bucket with a unique key, and needed where that has no default: ``insert`` rejects
        rows whose key exists already, ``update`` those whose key does not, ``upsert`` none. Such a bucket
        takes one object a request, and no idempotency keys.
    :param on_changed: What to do with a row of a business key whose object was made of other values:
        ``keep`` the object and count the row as stale, or ``reject`` the row.
    :param markers: Let objects keep, in their metadata, ``ingest_key`` where the server has no idempotency
        keys, so that rows in doubt can be looked for, and ``ingest_hash`` where ``columns`` or a unique key
        identify rows, so that changed ones are noticed. Only where the bucket declares ``metadata``.
    :param skip_duplicates: Have the server return the object that it has of the same content, instead of
        storing another: of two rows with one image, the second becomes no object.
    :return: What became of the rows.
    :raises MixpeekConfigError: the rows, the mapping or an argument is wrong; nothing was sent.
    :raises RowsRejectedError: a row was wrong and ``on_error`` is ``fail``, or more were than
        ``max_rejected`` bears; what was done is in its report.
    :raises IngestError: the run did not get to its end; what was done is in its report, the reason its cause.
    """
    check_client(mixpeek, bucket)
    options = Options(
        on_error=on_error,
        process=process,
        batch_size=batch_size,
        max_request_bytes=max_request_bytes,
        in_flight=in_flight,
        max_rejected=max_rejected,
        allow_empty=allow_empty,
        rerun=rerun,
        rerun_number=rerun_number,
        on_source_change=on_source_change,
        on_changed=on_changed,
        policy=policy,
        skip_duplicates=skip_duplicates,
        markers=markers,
    )
    source = open_source(rows, source_name=source_name)
    mapped = ObjectMapping.of(mapping)
    mode = check_mode(keys, mapped, source)
    target = mixpeek.buckets.find(bucket)
    check_bucket(mixpeek, target, options, mode)
    scope = check_scope(scope, mode, bucket=target)
    destinations = Destinations(rejected_to, receipt_to, receipt_format)
    destinations.check(rows)
    log.info(
        "Ingesting %s into the bucket %s (%s), rows identified by %s in the scope %r",
        source.name,
        target.bucket_name,
        target.bucket_id,
        mode,
        scope,
    )
    if rerun == "again" and checkpoint is None:
        raise MixpeekConfigError(
            'rerun="again" needs a checkpoint: without one, a call that makes everything anew and one that '
            "goes on with that cannot be told apart",
            hint="Pass checkpoint=. (In Airflow: it came with 3.3.)",
        )
    journal = Journal(checkpoint or MemoryCheckpoint(), wall=mixpeek.session.wall)
    give_up = (lambda noted: cancel(mixpeek, noted)) if cancel_earlier else None
    journal.open(rerun=rerun, number=rerun_number, give_up=give_up)
    # Without the salt: what a load that is done anew writes takes the place of what it wrote before. Business
    # keys have the same scope in every load.
    load = "\0".join((target.bucket_id, scope, journal.load_id if mode == "columns" else ""))
    if journal.salt:
        scope = f"{scope}\0{journal.salt}"
    design = Design(mixpeek, target, source, mapping=mapped, mode=mode, scope=scope, options=options)
    again = _telling.again(design, has_checkpoint=journal.lasts)
    if not design.repeatable:
        log.warning("%s", again)
    return Load(
        mixpeek,
        target,
        source,
        design,
        journal=journal,
        options=options,
        sinks=destinations.open(load, part=source.uri or ""),
        again=again,
    ).run()
