"""What became of files, written down where the caller asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from airflow_provider.mixpeek.client import MixpeekConfigError
from airflow_provider.mixpeek.ingest._files_report import FilesReport
from airflow_provider.mixpeek.ingest._json_text import dumps
from airflow_provider.mixpeek.ingest._listing import would_be_read
from airflow_provider.mixpeek.ingest._locations import Location, locate
from airflow_provider.mixpeek.ingest._part_files import Folder, open_folder
from airflow_provider.mixpeek.ingest._sinks import Directory

_REJECTED = "rejected-files.jsonl"
_RECEIPT = "files.jsonl"


@dataclass(frozen=True, slots=True)
class FileReceipts:
    """
    Where it is written: JSON Lines, one file for all uploads of a call, in place of what an earlier call for
    the same bucket and files has written.

    :param rejected: For the files of which no object was made; None: they are not written down.
    :param receipt: For all files.
    """

    rejected: Folder | None
    receipt: Folder | None
    prefix: str

    @classmethod
    def open(
        cls,
        bucket_id: str,
        given: Sequence[Location],
        *,
        rejected_to: Directory | None,
        receipt_to: Directory | None,
    ) -> FileReceipts:
        """
        See that they can be written, before anything is sent.

        :param given: What is uploaded, which must not be what is written.
        :raises MixpeekConfigError: one cannot.
        """
        load = "\0".join([bucket_id, *(each.uri for each in given)])
        prefix = blake2b(load.encode(), digest_size=6).hexdigest()
        folders = []
        for name, directory in (("rejected_to", rejected_to), ("receipt_to", receipt_to)):
            folder = None if directory is None else open_folder(directory)
            if folder is not None and directory is not None:
                names = [f"{prefix}.{_REJECTED}", f"{prefix}.{_RECEIPT}"]
                if any(would_be_read(each, locate(directory), names) for each in given):
                    raise MixpeekConfigError(
                        f"{name} is {folder.uri}, and what is written there would be uploaded the next time",
                        hint="Name a directory outside of files=, or one in it that begins with '_'.",
                    )
                folder.check()
            folders.append(folder)
        return cls(folders[0], folders[1], prefix)

    def written(self, report: FilesReport) -> FilesReport:
        """
        Write a report down.

        :return: The report, with where that is.
        :raises PartError: it cannot be written.
        """
        rejected = [
            {"file": each.file, "reason": each.reason, "error_type": each.error_type}
            for each in report.rejected
        ]
        return replace(
            report,
            rejected_uri=self._write_rejected(rejected),
            receipt_uri=self._write_receipt(_lines(report)),
        )

    def _write_rejected(self, files: Sequence[Mapping[str, Any]]) -> str | None:
        if self.rejected is None:
            return None
        name = f"{self.prefix}.{_REJECTED}"
        if not files:
            # What an earlier call has left there is true no more.
            self.rejected.remove(name)
            return None
        return _written(self.rejected, name, files)

    def _write_receipt(self, files: Iterable[Mapping[str, Any]]) -> str | None:
        return None if self.receipt is None else _written(self.receipt, f"{self.prefix}.{_RECEIPT}", files)


def _lines(report: FilesReport) -> Iterator[dict[str, Any]]:
    for path, file in report.stored:
        yield {
            "file": path,
            "outcome": "duplicate" if file.duplicate else "stored",
            "object_id": file.object_id,
            "upload_id": file.upload_id,
            "sha256": file.sha256,
            "size": file.size,
        }
    for each in report.rejected:
        nothing = dict.fromkeys(("object_id", "upload_id", "sha256", "size"))
        yield {"file": each.file, "outcome": "rejected", **nothing}


def _written(folder: Folder, name: str, lines: Iterable[Mapping[str, Any]]) -> str:
    folder.write(name, b"".join(dumps(dict(line)) + b"\n" for line in lines))
    return f"{folder.uri}/{name}"
