"""The legacy generation of the API."""

from __future__ import annotations

from . import endpoints

ROUTERS = (endpoints.router,)
