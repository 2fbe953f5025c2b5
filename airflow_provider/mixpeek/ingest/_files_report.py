"""What became of files: the report, and the error that carries it."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_provider.mixpeek.client import MixpeekError, UploadedFile


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

    def __str__(self) -> str:
        return f"{self.file}: {self.error_type + ': ' if self.error_type else ''}{self.reason}"


@dataclass(frozen=True, slots=True)
class FilesReport:
    """
    What became of the files.

    :param stored: Each file by its path, and what the server has of it.
    :param rejected: The others.
    :param rejected_uri: Where these are written down, and why.
    :param receipt_uri: Where it is written down what became of each file.
    """

    bucket_id: str
    stored: tuple[tuple[str, UploadedFile], ...]
    rejected: tuple[RejectedFile, ...]
    rejected_uri: str | None = None
    receipt_uri: str | None = None

    @property
    def duplicates(self) -> int:
        """How many the server had already, from an earlier try or from elsewhere."""
        return sum(file.duplicate for _, file in self.stored)

    def __str__(self) -> str:
        return f"{len(self.stored)} files were stored, {len(self.rejected)} rejected"


class FilesRejectedError(MixpeekError):
    """
    More files were rejected than may be; all others are stored.

    :param report: What became of each.
    """

    def __init__(self, report: FilesReport) -> None:
        first = report.rejected[0]
        where = (
            f"All of them are in {report.rejected_uri}."
            if report.rejected_uri
            else "With rejected_to= all of them are written into a file."
        )
        super().__init__(
            f"{len(report.rejected)} files were rejected; the first is {first.file}: {first.reason}",
            hint=f"The other {len(report.stored)} are stored, and are not sent again. Mend or remove these. "
            f"{where}",
        )
        self.report = report
