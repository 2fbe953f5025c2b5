"""The asset of the bucket that an operator has changed, as one of its outlets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAlias

from airflow_provider.mixpeek.assets.mixpeek import asset_uri

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context
    from pydantic import JsonValue

    from airflow_provider.mixpeek.client import MixpeekClient


def declare(operator: BaseOperator) -> None:
    """Give an operator an outlet for an asset that only its connection can name, when it runs."""
    operator.outlets = [*operator.outlets, _alias(operator)]


def check_namespace(mixpeek: MixpeekClient) -> None:
    """
    Check, before anything is sent, that the asset can be named.

    :raises MixpeekConfigError: the connection names no namespace.
    """
    if not mixpeek.session.settings.namespace:
        from airflow_provider.mixpeek.client import MixpeekConfigError

        raise MixpeekConfigError(
            "the asset of a bucket is named after its namespace, and the connection names none",
            hint="Fill the connection's field namespace, or leave emit_asset out.",
        )


def tell(
    operator: BaseOperator,
    context: Context,
    *,
    namespace: str | None,
    bucket: str | None,
    result: Mapping[str, Any],
    emit: bool,
) -> None:
    """
    Tell Airflow what a task that succeeds has done to a bucket.

    :param namespace: As the connection names it.
    :param bucket: As the operator names it; None: it changes none.
    :param result: What goes along with the event: its numbers and texts, not its lists.
    :param emit: The operator was given its outlet with :func:`declare`. One of the same URI that the DAG
        declares is told in any case.
    """
    if not (namespace and bucket):
        return
    uri = asset_uri(namespace=namespace, bucket=bucket)
    extra: dict[str, JsonValue] = {
        key: value for key, value in result.items() if isinstance(value, str | int)
    }
    for outlet in operator.outlets:
        if isinstance(outlet, Asset) and outlet.uri == uri:
            context["outlet_events"][outlet].extra.update(extra)
    if emit:
        context["outlet_events"][_alias(operator)].add(Asset(uri=uri), extra=extra)


def _alias(operator: BaseOperator) -> AssetAlias:
    return AssetAlias(f"mixpeek {operator.dag_id} {operator.task_id}")
