"""What a caller may ask of an ingestion, held to what there is, before anything is read or sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from airflow_provider.mixpeek.client import Bucket, MixpeekClient, MixpeekConfigError, MixpeekGenerationError
from airflow_provider.mixpeek.ingest._identity import Mode
from airflow_provider.mixpeek.ingest._journal import Rerun
from airflow_provider.mixpeek.ingest._limits import Limits
from airflow_provider.mixpeek.ingest._mapping import ObjectMapping
from airflow_provider.mixpeek.ingest._resume import OnSourceChange
from airflow_provider.mixpeek.ingest._run import OnError, Process
from airflow_provider.mixpeek.ingest._sending import OnChanged, Policy
from airflow_provider.mixpeek.ingest._sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The arguments of :func:`~airflow_provider.mixpeek.ingest.ingest`, checked each by itself."""

    on_error: OnError
    process: Process
    batch_size: int
    max_request_bytes: int
    in_flight: int
    max_rejected: float | None
    allow_empty: bool
    rerun: Rerun | None
    rerun_number: int | None
    on_source_change: OnSourceChange
    on_changed: OnChanged
    policy: Policy | None
    skip_duplicates: bool
    markers: bool

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_request_bytes", "in_flight"):
            if not _is_whole(getattr(self, name), least=1):
                raise MixpeekConfigError(
                    f"{name} is {getattr(self, name)!r}, and must be a whole number above 0"
                )
        for name, known in _WORDS.items():
            word = getattr(self, name)
            # 0 equals False, and is none of the words.
            if not any(word == one and type(word) is type(one) for one in known):
                raise MixpeekConfigError(
                    f"{name} is {word!r}, and must be one of {', '.join(map(repr, known))}"
                )
        borne = self.max_rejected
        share = isinstance(borne, float) and 0 <= borne < 1
        if borne is not None and not share and not _is_whole(borne, least=0):
            raise MixpeekConfigError(
                f"max_rejected is {borne!r}",
                hint="It is a number of rows, such as 100, or a share, such as 0.01.",
            )
        if borne is not None and self.on_error == "fail":
            raise MixpeekConfigError(
                'max_rejected goes with on_error="collect": otherwise the first wrong row ends the run'
            )
        if self.rerun_number is not None and not _is_whole(self.rerun_number, least=0):
            raise MixpeekConfigError(f"rerun_number is {self.rerun_number!r}, and must be a whole number")

    def limits(self, max_objects: int) -> Limits:
        """The part of them that a run works by."""
        return Limits(
            max_objects=max_objects,
            max_request_bytes=self.max_request_bytes,
            batch_size=self.batch_size,
            max_rejected=self.max_rejected,
        )


_WORDS: Mapping[str, tuple[Any, ...]] = {
    "on_error": get_args(OnError),
    "process": get_args(Process),
    "on_source_change": get_args(OnSourceChange),
    "on_changed": get_args(OnChanged),
    "policy": (None, *get_args(Policy)),
    "rerun": (None, *get_args(Rerun)),
}


def check_client(mixpeek: MixpeekClient, bucket: str) -> None:
    """
    See that these are a client and the name of a bucket.

    :raises MixpeekConfigError: they are not.
    """
    if not isinstance(mixpeek, MixpeekClient):
        raise MixpeekConfigError(
            f"the client is of type {type(mixpeek).__name__}", hint="Ingestion takes a MixpeekClient."
        )
    if not isinstance(bucket, str) or not bucket.strip():
        raise MixpeekConfigError(f"the bucket is {bucket!r}", hint="Give its name or its id.")


def check_mode(keys: Mode | None, mapping: ObjectMapping | None, source: Source) -> Mode:
    """
    What identifies a row of this call.

    :raises MixpeekConfigError: the mode does not go with the mapping or the source.
    """
    named = mapping is not None and mapping.idempotency_key is not None
    if keys not in (None, *get_args(Mode)):
        raise MixpeekConfigError(
            f"keys is {keys!r}, and must be one of {', '.join(map(repr, get_args(Mode)))}"
        )
    mode: Mode = keys or ("columns" if named else "position" if source.kind == "file" else "content")
    if (mode == "columns") != named:
        raise MixpeekConfigError(
            f"keys={mode!r} and the mapping's idempotency_key do not go together",
            hint="Rows are identified by an idempotency_key exactly when keys is 'columns'.",
        )
    if mode == "position" and source.kind != "file":
        raise MixpeekConfigError("keys='position' is for files: rows of a frame have no place of their own")
    return mode


def check_scope(given: str | Callable[[Mode], str], mode: Mode, *, bucket: Bucket) -> str:
    """
    The scope of this call's keys.

    :param bucket: With a unique key it holds rows apart by that, whatever their keys.
    :raises MixpeekConfigError: it is no text, or missing where it is needed.
    """
    scope = given(mode) if callable(given) else given
    if not isinstance(scope, str):
        raise MixpeekConfigError(f"scope is {scope!r}, and must be a text")
    if mode == "content" and not scope and bucket.unique_key is None:
        raise MixpeekConfigError(
            "rows that are identified by their content need a scope=",
            hint="Name the load, such as 'shop-2026-11-23': rows that come again under it are stored once.",
        )
    return scope


def check_bucket(mixpeek: MixpeekClient, bucket: Bucket, options: Options, mode: Mode) -> None:
    """
    See that this bucket, and this generation of the API, do what is asked for.

    :raises MixpeekConfigError: they do not.
    """
    api = mixpeek.session.api
    name, unique = repr(bucket.bucket_name), bucket.unique_key
    if unique is None and options.policy is not None:
        raise MixpeekConfigError(
            f"policy={options.policy!r}: the bucket {name} has no unique key to hold it to"
        )
    if unique is not None and not (options.policy or unique.default_policy):
        raise MixpeekConfigError(
            f"the bucket {name} has a unique key ({', '.join(unique.fields_)}) and no default policy",
            hint="Pass policy= 'insert' (rows whose key exists are rejected), 'update' (those whose key does "
            "not), or 'upsert'.",
        )
    if unique is not None and (mode == "columns" or options.skip_duplicates):
        asked = "an idempotency_key" if mode == "columns" else "skip_duplicates"
        raise MixpeekConfigError(
            f"the bucket {name} tells its objects apart by its unique key ({', '.join(unique.fields_)}), "
            f"and {asked} would do so by something else",
            hint="Leave it out.",
        )
    if api.processes_on_create and options.process is False:
        raise MixpeekGenerationError(
            f"process=False: the {api.name} generation of the API always processes what it creates",
            hint=f"The {api.other} one stores and processes in two steps.",
        )


def _is_whole(number: Any, *, least: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least
