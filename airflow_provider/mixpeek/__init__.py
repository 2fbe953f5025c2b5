"""Apache Airflow provider for Mixpeek, a store of multimodal objects.

Nothing is imported here: Airflow loads this module in each of its processes to learn what the provider
offers, and a notebook loads it on its way to ``airflow_provider.mixpeek.client``.
"""

from typing import Any

__all__ = ["get_provider_info"]


def get_provider_info() -> dict[str, Any]:
    """Return what Airflow's ``provider_info.schema.json`` asks of a provider (the entry point's function)."""
    from airflow_provider.mixpeek._provider_info import provider_info

    return provider_info()
