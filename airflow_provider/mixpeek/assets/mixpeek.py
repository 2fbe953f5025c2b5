"""Assets of Mixpeek: a bucket is ``mixpeek://{namespace}/{bucket}``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.sdk import Asset, AssetWatcher

__all__ = ["asset_uri", "convert_asset_to_openlineage", "create_asset", "sanitize_uri"]

SCHEME = "mixpeek"


def asset_uri(*, namespace: str, bucket: str) -> str:
    """
    Return the URI of a bucket's asset.

    :param namespace: Of Mixpeek, by its name or its id: as the connection names it, for names are not looked
        up.
    :param bucket: Name or id of the bucket, likewise as the operators name it.
    :raises ValueError: one of the two is empty.
    """
    if not (namespace and bucket):
        raise ValueError("the asset of a bucket needs the names of its namespace and of the bucket")
    return f"{SCHEME}://{quote(namespace, safe='')}/{quote(bucket, safe='')}"


def create_asset(
    *,
    namespace: str,
    bucket: str,
    extra: Mapping[str, Any] | None = None,
    watchers: Sequence[AssetWatcher] = (),
) -> Asset:
    """
    Make the asset of a bucket, for ``outlets``, for ``schedule``, or to be watched.

    :param namespace: Of Mixpeek, as the connection names it.
    :param bucket: Name or id of the bucket, as the operators name it.
    :param extra: What Airflow keeps with the asset.
    :param watchers: What tells of it, such as an ``AssetWatcher`` with
        :class:`airflow_provider.mixpeek.triggers.batches.MixpeekFinishedBatchesTrigger`.
    :raises ValueError: one of the names is empty.
    """
    from airflow.sdk import Asset

    return Asset(
        uri=asset_uri(namespace=namespace, bucket=bucket),
        extra=dict(extra or {}),
        watchers=list(watchers),
    )


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """
    Check and normalize the URI of an asset, for Airflow.

    :raises ValueError: it is not of the form ``mixpeek://{namespace}/{bucket}``.
    """
    namespace, bucket = unquote(uri.netloc), unquote(uri.path.removeprefix("/"))
    if not namespace or not bucket or "/" in uri.path[1:] or uri.query:
        raise ValueError("the URI of a Mixpeek asset is mixpeek://{namespace}/{bucket}, and nothing after it")
    if "@" in uri.netloc:
        raise ValueError("the URI of a Mixpeek asset holds no user and no key: these are the connection's")
    return urlsplit(asset_uri(namespace=namespace, bucket=bucket))


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:  # noqa: ARG001 - as called
    """Name the dataset of an asset, for OpenLineage."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{SCHEME}://{parts.netloc}", name=unquote(parts.path.removeprefix("/")))
