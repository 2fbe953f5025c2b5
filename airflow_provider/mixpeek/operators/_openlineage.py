"""Datasets and facets of OpenLineage. Needs its provider, and is imported where that asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from urllib.parse import urlsplit

from airflow.providers.common.compat.openlineage.facet import (
    Dataset,
    InputDataset,
    OutputDataset,
    OutputStatisticsOutputDatasetFacet,
    RunFacet,
)
from airflow.providers.openlineage.extractors import OperatorLineage
from attrs import define
from openlineage.client.facet_v2 import input_statistics_input_dataset

from airflow_provider.mixpeek.client._version import user_agent
from airflow_provider.mixpeek.client._wait_for import flattened
from airflow_provider.mixpeek.ingest._naming import names_of
from airflow_provider.mixpeek.operators._lineage import Lineage, Told
from airflow_provider.mixpeek.operators._work import MOST_NAMED

#: Who says it, as a package URL. The run facet has no schema of its own; its ``_schemaURL`` is that of each
#: run facet.
PRODUCER = f"pkg:pypi/{user_agent().replace('/', '@')}"


@define
class MixpeekWorkRunFacet(RunFacet):
    """
    What became of the rows or files, and the work that this started.

    :param counts: The counts of the operator's result, by their names there.
    :param batchIds: The first hundred batches that were submitted.
    :param batchCount: How many there are.
    :param taskIds: The first hundred of their tasks.
    :param taskCount: How many there are.
    :param sourceCount: How many files and folders were read; the first hundred are input datasets.
    """

    counts: dict[str, int]
    batchIds: list[str]  # noqa: N815 - facets are spelled so
    batchCount: int  # noqa: N815
    taskIds: list[str]  # noqa: N815
    taskCount: int  # noqa: N815
    sourceCount: int  # noqa: N815


def operator_lineage(told: Told, lineage: Lineage) -> OperatorLineage[Dataset, RunFacet]:
    """Return what an execution says in the words of OpenLineage."""
    bucket = _bucket(told)
    if lineage.sources is None:
        inputs = [bucket]
    else:
        inputs = list(dict.fromkeys(chain.from_iterable(map(names_of, lineage.sources))))
    # How the rows are spread over several sources is not known.
    facets = {"inputStatistics": _read(lineage)} if len(inputs) == 1 else {}
    waits = flattened(told.result.get("waits", []))
    batches = _once(wait.batch_id for wait in waits)
    tasks = _once(wait.task_id for wait in waits)
    work = MixpeekWorkRunFacet(
        counts=_counts(told.result, lineage.counts),
        batchIds=batches[:MOST_NAMED],
        batchCount=len(batches),
        taskIds=tasks[:MOST_NAMED],
        taskCount=len(tasks),
        sourceCount=0 if lineage.sources is None else len(inputs),
        producer=PRODUCER,
    )
    return OperatorLineage(
        inputs=[
            InputDataset(namespace, name, inputFacets=dict(facets)) for namespace, name in inputs[:MOST_NAMED]
        ],
        outputs=[] if lineage.written is None else [_output(bucket, lineage.written)],
        run_facets={"mixpeek_work": work},
    )


def _bucket(told: Told) -> tuple[str, str]:
    name = "/".join(part for part in (told.namespace, told.result["bucket_id"]) if part)
    return f"mixpeek://{urlsplit(told.base_url).netloc}", name


def _read(lineage: Lineage) -> input_statistics_input_dataset.InputStatisticsInputDatasetFacet:
    return input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=lineage.rows_read, fileCount=lineage.files_read, producer=PRODUCER
    )


def _output(bucket: tuple[str, str], written: int) -> OutputDataset:
    statistics = OutputStatisticsOutputDatasetFacet(rowCount=written, producer=PRODUCER)
    return OutputDataset(*bucket, outputFacets={"outputStatistics": statistics})


def _counts(result: Mapping[str, int], names: Iterable[str]) -> dict[str, int]:
    return {name: result[name] for name in names if name in result}


def _once(ids: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(one for one in ids if one))
