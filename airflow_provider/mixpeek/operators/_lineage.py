"""What operators tell of lineage. Nothing of OpenLineage is imported before somebody asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset, RunFacet
    from airflow.providers.openlineage.extractors import OperatorLineage

    from airflow_provider.mixpeek.client import MixpeekClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """
    Where the data of an execution came from, and how much of it went into the bucket.

    :param sources: What rows or files were read from, as ingestion takes it; None: from the bucket itself.
    :param rows_read: Rows, or objects of the bucket, that were read.
    :param files_read: Files that were read, where each is an object.
    :param written: Objects that were written into the bucket; None where it was read only.
    :param counts: The fields of the result that count, those after waiting included.
    """

    sources: Sequence[Any] | None = None
    rows_read: int | None = None
    files_read: int | None = None
    written: int | None = None
    counts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Told:
    """
    What an execution has said so far.

    :param base_url: Of the server.
    :param namespace: The Mixpeek namespace of the connection.
    :param result: As the operator returns it.
    """

    base_url: str
    namespace: str | None
    result: Mapping[str, Any]


class SaysLineage:
    """
    Answers OpenLineage's provider, where that is installed.

    It comes before the operator among the bases of a class, which calls :meth:`remember` as soon as there is
    a result, also one that is carried by an error.
    """

    _told: Told | None = None

    def lineage(self, result: Mapping[str, Any]) -> Lineage:
        """Say what a result means."""
        raise NotImplementedError

    def remember(self, mixpeek: MixpeekClient, result: Mapping[str, Any]) -> None:
        """Keep a result for who asks later, in place of the one before."""
        settings = mixpeek.session.settings
        self._told = Told(settings.base_url, settings.namespace, result)

    def get_openlineage_facets_on_complete(
        self,
        task_instance: Any,  # noqa: ARG002 - as OpenLineage calls it
    ) -> OperatorLineage[Dataset, RunFacet] | None:
        """Return datasets and facets; None where nothing was done, or OpenLineage is not installed."""
        if self._told is None:
            return None
        try:
            from airflow_provider.mixpeek.operators._openlineage import operator_lineage
        except ImportError:
            return None
        return operator_lineage(self._told, self.lineage(self._told.result))

    def get_openlineage_facets_on_failure(
        self, task_instance: Any
    ) -> OperatorLineage[Dataset, RunFacet] | None:
        """Return what was done before the failure, in the same form."""
        return self.get_openlineage_facets_on_complete(task_instance)
