"""The endpoints of the current generation (API 0.82) for collections, each written down once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider.mixpeek.client._api import Api
from airflow_provider.mixpeek.client._calls import Page, encode, listed, page, path, present, read, write
from airflow_provider.mixpeek.client._flow import Call, Request
from airflow_provider.mixpeek.client._models import Batch, Collection, Triggered

_COLLECTIONS = listed(Collection)
_BATCHES = listed(Batch)


class CurrentCollections(Api):
    """Describes the calls of API 0.82 about what is made of objects."""

    def get_collection(self, collection: str) -> Call[Collection]:
        """``GET /v1/collections/{collection}``, by id or name."""
        return read("metadata", Request("GET", path("collections", collection)), Collection)

    def list_collections(
        self, *, search: str | None, cursor: str | None, size: int
    ) -> Call[Page[Collection]]:
        """``POST /v1/collections/list``, one page; the cursor travels in the query."""
        query = (("limit", str(size)), *([("cursor", cursor)] if cursor else []))
        request = Request(
            "POST", path("collections", "list"), query, encode(present({"search": search})), reads=True
        )
        return page("metadata", request, _COLLECTIONS, lambda found: found.pagination.next_cursor)

    def trigger_collection(self, collection: str, body: Mapping[str, Any]) -> Call[Triggered]:
        """``POST /v1/collections/{collection}/trigger`` (202); a second one makes other batches."""
        request = Request("POST", path("collections", collection, "trigger"), body=encode(body))
        return write("compute", request, Triggered, repeatable=False)

    def list_batches_of_collection(
        self, collection_id: str, *, cursor: str | None, size: int
    ) -> Call[Page[Batch]]:
        """``POST /v1/batches/list`` with ``collection_id`` (API 0.82; 0.81 does not choose by it)."""
        body = present({"collection_id": collection_id, "limit": size, "cursor": cursor})
        request = Request("POST", path("batches", "list"), body=encode(body), reads=True)
        return page("metadata", request, _BATCHES, lambda found: found.pagination.next_cursor)
