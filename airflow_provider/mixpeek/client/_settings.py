"""Where the server is, who we are: settings coerced and checked once, for every way they come in."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from airflow_provider.mixpeek.client._errors import MixpeekConfigError

DEFAULT_BASE_URL = "https://api.mixpeek.com"
DEFAULT_TIMEOUT = 60.0
GENERATIONS = ("current", "legacy")

#: Environment variables of :meth:`Settings.from_env`; key and namespace as the vendor's SDK 1.3.783 has them.
ENV_API_KEY = "MIXPEEK_API_KEY"
ENV_NAMESPACE = "MIXPEEK_NAMESPACE"
ENV_BASE_URL = "MIXPEEK_BASE_URL"

_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n", ""})


_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_PATH = re.compile(r"[A-Za-z0-9._~%/+-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    Checked settings of a client. Make them with :meth:`of`.

    :param api_key: The key; never part of a repr.
    :param namespace: Name or id; None sends no ``X-Namespace``.
    :param base_url: Scheme, host, port and path prefix, without ``/v1`` and without a trailing slash.
    :param generation: Generation of the API that the server speaks.
    :param timeout: Seconds for one whole answer.
    :param requests_per_second: Limit of this process; None: only the server's own.
    :param ca_bundle: Path of a PEM file with the certificates to trust; None: the usual ones.
    :param proxy: URL of an HTTP proxy; may hold a password, so never part of a repr.
    """

    api_key: str = field(repr=False)
    namespace: str | None
    base_url: str
    generation: str
    timeout: float
    requests_per_second: float | None
    ca_bundle: str | None
    proxy: str | None = field(repr=False)

    @classmethod
    def of(
        cls,
        *,
        api_key: str | None,
        namespace: str | None = None,
        base_url: str | None = None,
        generation: str | None = None,
        timeout: Any = None,
        requests_per_second: Any = None,
        allow_insecure_http: Any = None,
        ca_bundle: str | None = None,
        proxy: str | None = None,
    ) -> Self:
        """
        Coerce and check. Numbers and booleans may come as strings, as they do from a connection's URI.

        :raises MixpeekConfigError: names the setting that is wrong, never the key.
        """
        insecure = _boolean("allow_insecure_http", allow_insecure_http)
        rate = _positive("requests_per_second", requests_per_second)
        return cls(
            api_key=_header_value("API key", api_key) or _no_key(),
            namespace=_header_value("namespace", namespace),
            base_url=_base_url((base_url or "").strip() or DEFAULT_BASE_URL, allow_insecure_http=insecure),
            generation=_generation(generation or GENERATIONS[0]),
            timeout=_positive("timeout", timeout) or DEFAULT_TIMEOUT,
            requests_per_second=rate,
            ca_bundle=ca_bundle or None,
            proxy=proxy or None,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, **overrides: Any) -> Self:
        """
        Read key, namespace and base URL from the environment; what is passed wins.

        :raises MixpeekConfigError: as :meth:`of`.
        """
        env = os.environ if environ is None else environ
        found = {
            "api_key": env.get(ENV_API_KEY),
            "namespace": env.get(ENV_NAMESPACE),
            "base_url": env.get(ENV_BASE_URL),
        }
        return cls.of(**{**found, **overrides})

    def redact(self, text: str) -> str:
        """Take the key out of a text that came from elsewhere, such as a server's error message."""
        return text.replace(self.api_key, "***")


def _no_key() -> str:
    raise MixpeekConfigError(
        "there is no API key",
        hint=f"Put it into the connection's API key (password) field, pass api_key=, or set {ENV_API_KEY}.",
    )


def _header_value(name: str, value: object) -> str | None:
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else ""
    if not isinstance(value, str) or any(not 0x21 <= ord(letter) <= 0x7E for letter in text):
        raise MixpeekConfigError(
            f"the {name} is not usable: it must be text of printable ASCII characters without spaces",
            hint="Was it copied whole, and nothing else with it?",
        )
    return text or None


def _base_url(text: str, *, allow_insecure_http: bool) -> str:
    if "@" in text:
        raise MixpeekConfigError(
            "the base URL holds a user name or a password", hint="The API key has a field of its own."
        )
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _no_base_url("its host or port is none") from None
    if parts.scheme not in ("", "http", "https"):
        raise _no_base_url(f"its scheme is {parts.scheme!r}")
    if "?" in text or "#" in text:
        raise _no_base_url("it has a query or a fragment")
    if not _HOST.fullmatch(host) or not _PATH.fullmatch(parts.path):
        raise _no_base_url("it names no host, or has letters that a URL cannot have")
    # The emulator is what people run on their own machine, and it speaks plain http.
    scheme = parts.scheme or ("http" if is_loopback(host) else "https")
    if scheme == "http" and not is_loopback(host) and not allow_insecure_http:
        raise MixpeekConfigError(
            f"the base URL of {host} is plain http, which would send the API key readable by everyone",
            hint="Use https, or set allow_insecure_http if the network itself is protected.",
        )
    shown = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    return f"{scheme}://{shown}{'' if port is None else f':{port}'}{path}"


def _no_base_url(why: str) -> MixpeekConfigError:
    # Not repeated: whatever was pasted there may be a secret.
    return MixpeekConfigError(
        f"the base URL is not usable: {why}", hint=f"It looks like {DEFAULT_BASE_URL} or localhost:8700."
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _generation(text: str) -> str:
    if text not in GENERATIONS:
        raise MixpeekConfigError(
            f"generation {text!r} is not known to this version", hint=f"Known: {', '.join(GENERATIONS)}."
        )
    return text


def _positive(name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 < number < float("inf") or isinstance(value, bool):
        raise MixpeekConfigError(f"{name} is {value!r}, and must be a number above 0")
    return number


def _boolean(name: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise MixpeekConfigError(f"{name} is {value!r}, and must be true or false")
    return word in _TRUE
