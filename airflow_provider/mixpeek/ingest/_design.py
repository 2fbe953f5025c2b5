"""What becomes of the rows of one call: their keys, the form of their objects, and where these go."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import cast

from airflow_provider.mixpeek.client import Bucket, BucketSchema, MixpeekClient, MixpeekConfigError
from airflow_provider.mixpeek.client._schema import METADATA
from airflow_provider.mixpeek.ingest._errors import MappingError
from airflow_provider.mixpeek.ingest._identity import Keyer, Mode, row_keyer
from airflow_provider.mixpeek.ingest._mapping import ObjectMapping, Plan, plan
from airflow_provider.mixpeek.ingest._options import Options
from airflow_provider.mixpeek.ingest._row_files import RowFiles
from airflow_provider.mixpeek.ingest._rows import INGEST_HASH, INGEST_KEY, Form
from airflow_provider.mixpeek.ingest._sending import Policy, Target
from airflow_provider.mixpeek.ingest._sources import Source
from airflow_provider.mixpeek.ingest._world import World

#: Objects of one request whose files are uploaded before.
_MOST_WITH_FILES = 10

log = logging.getLogger("airflow_provider.mixpeek.ingest")


class Design:
    """
    The parts of one load that follow from its arguments, its bucket and its columns.

    Those that need the columns are made when they are first asked for.

    :param scope: Of the keys.
    :raises MixpeekConfigError: changed rows are to be rejected, and nothing would tell them.
    """

    def __init__(
        self,
        mixpeek: MixpeekClient,
        bucket: Bucket,
        source: Source,
        *,
        mapping: ObjectMapping | None,
        mode: Mode,
        scope: str,
        options: Options,
    ) -> None:
        self._api = mixpeek.session.api
        self._bucket = bucket
        self._source = source
        self._mapping = mapping
        self.mode = mode
        self._scope = scope
        self._options = options
        self._schema = bucket.bucket_schema or BucketSchema()
        self.unique = bucket.unique_key.fields_ if bucket.unique_key else ()
        #: Rows carry idempotency keys.
        self.keyed = not self.unique and mixpeek.has_idempotency_keys()
        metadata = self._schema.properties.get(METADATA)
        self._can_mark = options.markers and (
            not self._api.metadata_is_declared or (metadata is not None and metadata.type == "object")
        )
        if options.on_changed == "reject" and not (self._keeps_hash and mode == "columns"):
            raise MixpeekConfigError(
                'on_changed="reject" is for rows with an idempotency_key whose objects keep a hash of their '
                "values, and these do not",
                hint="They do in a bucket that declares 'metadata' as an object, unless markers=False.",
            )

    @property
    def max_objects(self) -> int:
        """
        Objects of one request at most; a bucket with a unique key takes them one by one.

        Those with files are few, since the files of a request are uploaded one after another.
        """
        most = 1 if self.unique else self._api.max_objects_per_request
        return min(most, _MOST_WITH_FILES) if self.plan.files else most

    @property
    def repeatable(self) -> bool:
        """Whether sending a row twice stores it once."""
        return self.keyed or bool(self.unique)

    @property
    def marked(self) -> bool:
        """Whether objects keep the keys of their rows, since the server has nowhere else to keep them."""
        return self._can_mark and not self.repeatable

    @cached_property
    def plan(self) -> Plan:
        """
        The mapping, checked against the bucket and the columns.

        :raises MappingError: it does not fit.
        """
        planned = plan(
            self._mapping,
            schema=self._schema,
            columns=self._source.columns,
            metadata_is_declared=self._api.metadata_is_declared,
        )
        if planned.files:
            self._api.check_uploads()
        if self._mapping is None:
            _tell_columns(planned, self._source.columns or ())
        self._check_names(planned)
        return planned

    def form(self) -> Form:
        """How objects look."""
        return Form(
            wire=self._api,
            keyed=self.keyed,
            max_bytes=self._options.max_request_bytes,
            key_is_kept=self.marked,
            hash_is_kept=self._keeps_hash,
            unique=self.unique,
            skip_duplicates=self._options.skip_duplicates,
        )

    def target(self, *, doubtful_before: int, started: float) -> Target:
        """
        Where they go.

        :param doubtful_before: Rows before this one may have been sent by an earlier try.
        :param started: When this try was, on the session's clock; earlier ones were over then.
        """
        return Target(
            self._bucket.bucket_id,
            repeatable=self.repeatable,
            unique=self.unique,
            policy=self._policy,
            marked=self.marked,
            doubtful_before=doubtful_before,
            started=started,
            on_changed=self._options.on_changed,
            skip_duplicates=self._options.skip_duplicates,
            files=RowFiles(self._bucket.bucket_id, self.plan.files) if self.plan.files else None,
        )

    def keyer(self) -> Keyer:
        """What gives the rows of one reading their keys."""
        return row_keyer(
            self.mode,
            bucket_id=self._bucket.bucket_id,
            scope=self._scope,
            columns=self.plan.key_columns if self.mode == "columns" else (),
        )

    @cached_property
    def world(self) -> World:
        """What a watermark of this load belongs to."""
        return World.of(
            bucket_id=self._bucket.bucket_id,
            part=self._source.uri or "",
            source=self._source.fingerprint(),
            plan=self.plan,
            mode=self.mode,
            scope=self._scope,
            keyed=self.keyed,
            process=self._options.process,
        )

    @property
    def _policy(self) -> Policy | None:
        """Said with each request, since the bucket's default may change during a load."""
        if self._bucket.unique_key is None:
            return None
        return self._options.policy or cast("Policy | None", self._bucket.unique_key.default_policy)

    @property
    def _keeps_hash(self) -> bool:
        return self._can_mark and bool(self.unique or self.mode == "columns")

    def _check_names(self, planned: Plan) -> None:
        fed = {feed.name for feed in planned.fields}
        # On the legacy generation declared columns travel there too.
        inside = {*planned.metadata} | (set() if self._api.metadata_is_declared else fed)
        problems = [
            f"metadata: {name!r} is a field that ingestion adds; rename the column, or pass markers=False"
            for name, added in ((INGEST_KEY, self.marked), (INGEST_HASH, self._keeps_hash))
            if added and name in inside
        ]
        problems += [
            f"the property {name!r} is part of the bucket's unique key, and no metadata column fills it"
            for name in self.unique
            if name not in fed
        ]
        if problems:
            raise MappingError(problems)


def _tell_columns(planned: Plan, columns: Sequence[str]) -> None:
    """Say which columns a missing mapping has found, since nobody named them."""
    used = planned.identity_columns
    ignored = [column for column in columns if column not in used]
    log.info(
        "No mapping is given: of the columns, %s are named like properties of the bucket and used%s",
        ", ".join(used),
        f"; {', '.join(ignored)} are not, and ignored" if ignored else "",
    )
