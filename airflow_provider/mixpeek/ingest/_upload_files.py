"""Files become objects, one of each: several at once, and what was stored is not sent again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING, Any

from airflow_provider.mixpeek.client import (
    MixpeekConfigError,
    MixpeekError,
    MixpeekStatusError,
    UploadedFile,
)
from airflow_provider.mixpeek.ingest import _blame as blame
from airflow_provider.mixpeek.ingest._errors import SourceError
from airflow_provider.mixpeek.ingest._listing import Listed, listed
from airflow_provider.mixpeek.ingest._locations import locate
from airflow_provider.mixpeek.ingest._row_files import OpenableFile

if TYPE_CHECKING:
    from airflow_provider.mixpeek.client import MixpeekClient

#: What a template of metadata may name of a file.
FIELDS = ("path", "folder", "name", "stem", "suffix")


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """
    A file of which no object was made.

    :param file: Its path below the folder or the fixed part of the glob; its name, if it was named itself.
    :param reason: Why, one sentence.
    :param error_type: The vendor's error type, where the server rejected it; empty where we did.
    """

    file: str
    reason: str
    error_type: str = ""


@dataclass(frozen=True, slots=True)
class FilesReport:
    """
    What became of the files.

    :param stored: Each file by its path, and what the server has of it.
    :param rejected: The others.
    """

    bucket_id: str
    stored: tuple[tuple[str, UploadedFile], ...]
    rejected: tuple[RejectedFile, ...]

    @property
    def duplicates(self) -> int:
        """How many the server had already, from an earlier try or from elsewhere."""
        return sum(file.duplicate for _, file in self.stored)


class FilesRejectedError(MixpeekError):
    """
    More files were rejected than may be; all others are stored.

    :param report: What became of each.
    """

    def __init__(self, report: FilesReport) -> None:
        first = report.rejected[0]
        super().__init__(
            f"{len(report.rejected)} files were rejected; the first is {first.file}: {first.reason}",
            hint=f"The other {len(report.stored)} are stored, and are not sent again. Mend or remove these.",
        )
        self.report = report


def upload_files(
    mixpeek: MixpeekClient,
    bucket: str,
    files: Any,
    *,
    blob_property: str | None = None,
    metadata: Mapping[str, str] | None = None,
    at_once: int = 4,
    max_rejected: int = 0,
) -> FilesReport:
    """
    Make an object of each file.

    A file whose bytes the bucket has is not sent again: the server is asked by its SHA-256. So a second call
    goes on where one that was killed had been, and files of the same bytes are one object.

    :param bucket: Name or id of the bucket.
    :param files: A folder (with all that is below it), a glob, a file, or a list of these; local, or URLs
        that fsspec reads. Names that begin with ``.`` or ``_`` are left out.
    :param blob_property: Property of the bucket's schema that a file becomes; None: the only file property.
    :param metadata: Property of the schema to its value, in which ``{path}``, ``{folder}``, ``{name}``,
        ``{stem}`` and ``{suffix}`` are the file's.
    :param at_once: Files on their way at once.
    :param max_rejected: Files that may be rejected: unreadable, empty, too large, refused by the server.
    :raises FilesRejectedError: more were; the others are stored.
    :raises MixpeekConfigError: an argument is wrong; nothing was sent.
    :raises MixpeekError: the server or the key failed; a second call goes on.
    """
    if at_once < 1:
        raise MixpeekConfigError(f"at_once is {at_once}, and must be at least 1")
    values = dict(metadata or {})
    _check(values)
    mixpeek.session.api.check_uploads()
    bucket_id = mixpeek.buckets.find(bucket).bucket_id
    found = _found(files)

    def one(file: Listed) -> UploadedFile | RejectedFile:
        shown = _shown(file)
        try:
            return mixpeek.uploads.upload_file(
                bucket_id,
                OpenableFile(file.location),
                blob_property=blob_property,
                object_metadata=_filled(values, shown) or None,
            )
        except (MixpeekConfigError, SourceError) as error:
            return RejectedFile(shown, error.message)
        except MixpeekStatusError as error:
            if not blame.is_about_rows(error):
                raise
            return RejectedFile(shown, error.message, error.type)

    pool = ThreadPoolExecutor(at_once, thread_name_prefix="mixpeek-upload")
    try:
        futures = [pool.submit(one, file) for file in found]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in done:
            # Raises what is no file's fault; the files behind it are not begun.
            future.result()
        results = [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    named = [_shown(file) for file in found]
    report = FilesReport(
        bucket_id,
        tuple(
            (name, each) for name, each in zip(named, results, strict=True) if isinstance(each, UploadedFile)
        ),
        tuple(each for each in results if isinstance(each, RejectedFile)),
    )
    if len(report.rejected) > max_rejected:
        raise FilesRejectedError(report)
    return report


def _found(files: Any) -> list[Listed]:
    given: Iterable[Any] = files if isinstance(files, Sequence) and not isinstance(files, str) else [files]
    every: dict[str, Listed] = {}
    for each in given:
        try:
            every |= {file.location.uri: file for file in listed(locate(each))}
        except FileNotFoundError as error:
            raise MixpeekConfigError(
                f"there is no file {error}", hint="Check the path or the glob."
            ) from None
    return list(every.values())


def _shown(file: Listed) -> str:
    return file.relative or file.name


def _check(values: Mapping[str, str]) -> None:
    for name, template in values.items():
        try:
            fields = {field for _, field, _, _ in Formatter().parse(template) if field is not None}
        except (ValueError, TypeError):
            fields = {"?"}
        if not fields <= set(FIELDS):
            raise MixpeekConfigError(
                f"the metadata {name!r} is no template of {', '.join(FIELDS)}: {template!r}",
                hint="For example {'title': '{stem}', 'shelf': '{folder}'}; double a brace that is one.",
            )


def _filled(values: Mapping[str, str], shown: str) -> dict[str, str]:
    path = PurePosixPath(shown)
    folder = "" if str(path.parent) == "." else str(path.parent)
    of_file = {
        "path": shown,
        "folder": folder,
        "name": path.name,
        "stem": path.stem,
        "suffix": path.suffix,
    }
    return {name: template.format_map(of_file) for name, template in values.items()}
