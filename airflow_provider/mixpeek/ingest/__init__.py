"""Rows of a table become objects of a bucket. Needs no Airflow."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider.mixpeek.ingest._blob import Blob
    from airflow_provider.mixpeek.ingest._checkpoint import Checkpoint, FileCheckpoint
    from airflow_provider.mixpeek.ingest._errors import MappingError, SourceError
    from airflow_provider.mixpeek.ingest._files_report import FilesRejectedError, FilesReport, RejectedFile
    from airflow_provider.mixpeek.ingest._ingest import ingest
    from airflow_provider.mixpeek.ingest._mapping import ObjectMapping
    from airflow_provider.mixpeek.ingest._part_files import PartError
    from airflow_provider.mixpeek.ingest._parts import SourcePart, split_source
    from airflow_provider.mixpeek.ingest._processing import Processing, process_objects
    from airflow_provider.mixpeek.ingest._receipt import Receipt, read_receipt
    from airflow_provider.mixpeek.ingest._report import (
        IngestError,
        RejectedRow,
        Report,
        RowsRejectedError,
        SubmittedBatch,
    )
    from airflow_provider.mixpeek.ingest._upload_files import upload_files
    from airflow_provider.mixpeek.ingest._world import SourceChangedError

# DAG files name an ObjectMapping, and are parsed all day: nothing else is loaded for it.
_HOME = {
    "Blob": "_blob",
    "Checkpoint": "_checkpoint",
    "FileCheckpoint": "_checkpoint",
    "FilesRejectedError": "_files_report",
    "FilesReport": "_files_report",
    "IngestError": "_report",
    "MappingError": "_errors",
    "ObjectMapping": "_mapping",
    "PartError": "_part_files",
    "Processing": "_processing",
    "Receipt": "_receipt",
    "RejectedFile": "_files_report",
    "RejectedRow": "_report",
    "Report": "_report",
    "RowsRejectedError": "_report",
    "SourceChangedError": "_world",
    "SourceError": "_errors",
    "SourcePart": "_parts",
    "SubmittedBatch": "_report",
    "ingest": "_ingest",
    "process_objects": "_processing",
    "read_receipt": "_receipt",
    "split_source": "_parts",
    "upload_files": "_upload_files",
}

__all__ = [
    "Blob",
    "Checkpoint",
    "FileCheckpoint",
    "FilesRejectedError",
    "FilesReport",
    "IngestError",
    "MappingError",
    "ObjectMapping",
    "PartError",
    "Processing",
    "Receipt",
    "RejectedFile",
    "RejectedRow",
    "Report",
    "RowsRejectedError",
    "SourceChangedError",
    "SourceError",
    "SourcePart",
    "SubmittedBatch",
    "ingest",
    "process_objects",
    "read_receipt",
    "split_source",
    "upload_files",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
