"""The hook: a Mixpeek client from an Airflow connection."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseHook

from airflow_provider.mixpeek import _provider_info

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_provider.mixpeek.client import AsyncMixpeekClient, MixpeekClient, Settings
    from airflow_provider.mixpeek.client._processing import Batches, Collections, Tasks
    from airflow_provider.mixpeek.client._resources import Buckets, Namespaces, Objects
    from airflow_provider.mixpeek.client._uploads import Uploads

__all__ = ["MixpeekHook"]

#: Fields of the connection's extra: what the form shows is what settings are made of.
_EXTRAS = frozenset(_provider_info.provider_info()["connection-types"][0]["conn-fields"])

_ENDS_WITH_PORT = re.compile(r":\d+$")


class MixpeekHook(BaseHook):
    """
    Talk to Mixpeek with the settings of an Airflow connection.

    ``hook.buckets``, ``hook.objects``, ``hook.uploads``, ``hook.batches``, ``hook.tasks`` and
    ``hook.namespaces`` are the client's resources:

    .. code-block:: python

        hook = MixpeekHook()
        for bucket in hook.buckets.list():
            print(bucket.bucket_id, bucket.object_count)

    The connection is looked up when the client is first used, never when the hook is made.

    :param mixpeek_conn_id: Id of the connection. It holds the API key in its password, the base URL in its
        host (default ``https://api.mixpeek.com``), and in its extra ``namespace``, ``generation``,
        ``timeout`` (seconds), ``requests_per_second``, ``allow_insecure_http``, ``ca_bundle`` (path),
        ``proxy`` (URL).
    """

    conn_name_attr = "mixpeek_conn_id"
    default_conn_name = "mixpeek_default"
    conn_type = _provider_info.CONNECTION_TYPE
    hook_name = _provider_info.HOOK_NAME

    def __init__(self, mixpeek_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mixpeek_conn_id = mixpeek_conn_id

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Fields of the connection form, for Airflow before 3.2."""
        return _provider_info.get_connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Labels and hidden fields of the connection form, for Airflow before 3.2."""
        return _provider_info.get_ui_field_behaviour()

    @cached_property
    def client(self) -> MixpeekClient:
        """The client of this hook, made once. It is closed with the process that uses it."""
        return self.get_client()

    def get_client(self) -> MixpeekClient:
        """
        Make a client that the caller closes: ``with hook.get_client() as mixpeek: ...``.

        :raises MixpeekConfigError: the connection lacks the key, or a field of it is wrong.
        """
        from airflow_provider.mixpeek.client import MixpeekClient

        return MixpeekClient.from_settings(self._settings(self.get_connection(self.mixpeek_conn_id)))

    async def get_async_client(self) -> AsyncMixpeekClient:
        """Make an asynchronous client that the caller closes; the errors are those of :meth:`get_client`."""
        from airflow_provider.mixpeek.client import AsyncMixpeekClient

        return AsyncMixpeekClient.from_settings(await self.aget_settings())

    async def aget_settings(self) -> Settings:
        """
        Look the connection up without blocking the event loop, and return what a client is made of.

        :raises MixpeekConfigError: the connection lacks the key, or a field of it is wrong.
        """
        return self._settings(await self.aget_connection(self.mixpeek_conn_id))

    def get_conn(self) -> MixpeekClient:
        """The client of this hook, under the name that hooks of Airflow have for it."""
        return self.client

    @property
    def buckets(self) -> Buckets:
        """Buckets of the connection's namespace."""
        return self.client.buckets

    @property
    def objects(self) -> Objects:
        """Objects of a bucket."""
        return self.client.objects

    @property
    def uploads(self) -> Uploads:
        """Files of a bucket, on their way or arrived."""
        return self.client.uploads

    @property
    def batches(self) -> Batches:
        """Batches of a bucket."""
        return self.client.batches

    @property
    def collections(self) -> Collections:
        """Collections of the connection's namespace."""
        return self.client.collections

    @property
    def tasks(self) -> Tasks:
        """Asynchronous jobs."""
        return self.client.tasks

    @property
    def namespaces(self) -> Namespaces:
        """Namespaces of the account."""
        return self.client.namespaces

    def test_connection(self) -> tuple[bool, str]:
        """
        Ask the server whether it knows the namespace and who we are.

        :return: Whether that worked, and what the answer was or what to change.
        """
        from airflow_provider.mixpeek.client import MixpeekError

        try:
            with self.get_client() as mixpeek:
                return True, str(mixpeek.introduce())
        except MixpeekError as error:
            return False, str(error)

    def _settings(self, connection: Connection) -> Settings:
        from airflow_provider.mixpeek.client import Settings
        from airflow_provider.mixpeek.client._settings import DEFAULT_BASE_URL

        extra = self._extra(connection)
        return Settings.of(
            api_key=connection.password,
            base_url=_with_port((connection.host or "").strip() or DEFAULT_BASE_URL, connection.port),
            **{name: extra[name] for name in _EXTRAS & set(extra)},
        )

    def _extra(self, connection: Connection) -> dict[str, Any]:
        from airflow_provider.mixpeek.client import MixpeekConfigError

        # Not Airflow's extra_dejson, which takes text that is no JSON for nothing at all.
        try:
            extra = json.loads(connection.extra or "{}")
        except ValueError:
            extra = None
        if not isinstance(extra, dict):
            raise MixpeekConfigError(
                f"the extra of the connection {self.mixpeek_conn_id!r} is not a JSON object",
                hint='It looks like {"namespace": "shop"}.',
            )
        unknown = sorted(set(extra) - _EXTRAS)
        if unknown:
            self.log.warning(
                "Connection %s: unknown extra fields are ignored: %s. Known are: %s.",
                self.mixpeek_conn_id,
                ", ".join(unknown),
                ", ".join(sorted(_EXTRAS)),
            )
        return extra


def _with_port(host: str, port: int | None) -> str:
    """The base URL of a connection whose port may stand in the host or in a field of its own."""
    scheme, separator, rest = host.rpartition("://")
    authority, slash, path = rest.partition("/")
    if authority.count(":") > 1 and not authority.startswith("["):
        # A bare IPv6 address: what Airflow makes of a connection's URI.
        authority = f"[{authority}]"
    if port and not _ENDS_WITH_PORT.search(authority):
        authority = f"{authority}:{port}"
    return f"{scheme}{separator}{authority}{slash}{path}"
