"""The installed version of the distribution."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "airflow-provider-mixpeek"


@cache
def user_agent() -> str:
    """What the client calls itself to the server."""
    try:
        return f"{DISTRIBUTION}/{version(DISTRIBUTION)}"
    except PackageNotFoundError:  # run from a source tree that was never installed
        return DISTRIBUTION
