"""The hook: from every form of a connection to the client's settings, and what the Test button answers."""

import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import Connection
from structlog.testing import capture_logs

from airflow_provider.mixpeek import get_provider_info
from airflow_provider.mixpeek.client import MixpeekConfigError, Settings
from airflow_provider.mixpeek.client._resources import Resource
from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.hooks.mixpeek import _EXTRAS, MixpeekHook

KEY = "sk_hook_5f1c0b7a"


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MixpeekHook]:
    """Makes a hook of a connection, given as a URI or as the parts of its JSON form."""

    def made(connection: str = "", **parts: Any) -> MixpeekHook:
        whole = connection or json.dumps({"conn_type": "mixpeek", "password": KEY, **parts})
        monkeypatch.setenv("AIRFLOW_CONN_MIXPEEK_DEFAULT", whole)
        return MixpeekHook()

    return made


def settings(hook: MixpeekHook) -> Settings:
    with hook.get_client() as mixpeek:
        return mixpeek.session.settings


# -- where to ----------------------------------------------------------------------------------------------

JSON_HOSTS = [
    (None, None, "https://api.mixpeek.com"),
    ("  ", None, "https://api.mixpeek.com"),
    (None, 8443, "https://api.mixpeek.com:8443"),
    ("mixpeek.example.com", None, "https://mixpeek.example.com"),
    ("mixpeek.example.com", 8443, "https://mixpeek.example.com:8443"),
    ("mixpeek.example.com:8443", None, "https://mixpeek.example.com:8443"),
    ("mixpeek.example.com:8443", 9, "https://mixpeek.example.com:8443"),
    ("https://mixpeek.example.com", None, "https://mixpeek.example.com"),
    ("https://mixpeek.example.com", 8443, "https://mixpeek.example.com:8443"),
    ("https://mixpeek.example.com:8443", 9, "https://mixpeek.example.com:8443"),
    ("https://mixpeek.example.com/behind/v1/", 8443, "https://mixpeek.example.com:8443/behind"),
    ("127.0.0.1", 8700, "http://127.0.0.1:8700"),
    ("http://localhost:8700", None, "http://localhost:8700"),
    ("::1", 8700, "http://[::1]:8700"),
    ("[::1]", 8700, "http://[::1]:8700"),
    ("http://[::1]:8700", 9, "http://[::1]:8700"),
]


@pytest.mark.parametrize(("host", "port", "base_url"), JSON_HOSTS)
def test_host_and_port_of_the_json_form(
    connect: Callable[..., MixpeekHook], host: str | None, port: int | None, base_url: str
) -> None:
    assert settings(connect(host=host, port=port)).base_url == base_url


@pytest.mark.parametrize(
    ("uri", "base_url"),
    [
        (f"mixpeek://:{KEY}@", "https://api.mixpeek.com"),
        (f"mixpeek://:{KEY}@mixpeek.example.com", "https://mixpeek.example.com"),
        (f"mixpeek://:{KEY}@mixpeek.example.com:8443", "https://mixpeek.example.com:8443"),
        (f"mixpeek://:{KEY}@127.0.0.1:8700", "http://127.0.0.1:8700"),
        (f"mixpeek://:{KEY}@[::1]:8700", "http://[::1]:8700"),
        (f"mixpeek://:{KEY}@http%3A%2F%2F127.0.0.1%3A8700", "http://127.0.0.1:8700"),
        (f"mixpeek://http://:{KEY}@127.0.0.1:8700", "http://127.0.0.1:8700"),
        (f"mixpeek://https://:{KEY}@mixpeek.example.com", "https://mixpeek.example.com"),
    ],
)
def test_host_and_port_of_the_uri_form(connect: Callable[..., MixpeekHook], uri: str, base_url: str) -> None:
    found = settings(connect(uri))
    assert found.base_url == base_url
    assert found.api_key == KEY


@pytest.mark.parametrize(("host", "port", "base_url"), JSON_HOSTS[3:])
def test_json_form_means_the_same_after_airflow_has_made_a_uri_of_it(
    connect: Callable[..., MixpeekHook], host: str, port: int | None, base_url: str
) -> None:
    # Airflow's caches and the export of connections do that.
    extra = json.dumps({"namespace": "shop", "timeout": 7, "allow_insecure_http": True})
    uri = Connection(
        conn_id="any", conn_type="mixpeek", host=host, port=port, password=KEY, extra=extra
    ).get_uri()
    found = settings(connect(uri))
    assert (found.base_url, found.namespace, found.timeout) == (base_url, "shop", 7.0)


# -- the extra ---------------------------------------------------------------------------------------------


def test_extras_as_json_and_as_the_strings_of_a_uri_are_the_same(
    connect: Callable[..., MixpeekHook],
) -> None:
    typed = {
        "namespace": "shop",
        "generation": "current",
        "timeout": 30,
        "requests_per_second": 2.5,
        "allow_insecure_http": True,
        "proxy": "http://proxy.example.com:3128",
    }
    as_json = settings(connect(host="http://mixpeek.example.com", extra=typed))
    as_uri = settings(
        connect(
            f"mixpeek://http://:{KEY}@mixpeek.example.com?namespace=shop&generation=current&timeout=30"
            "&requests_per_second=2.5&allow_insecure_http=true&proxy=http%3A%2F%2Fproxy.example.com%3A3128"
        )
    )
    assert as_json == as_uri
    assert (as_json.namespace, as_json.timeout, as_json.requests_per_second) == ("shop", 30.0, 2.5)
    assert as_json.base_url == "http://mixpeek.example.com"


def test_fields_that_the_form_left_empty_are_the_defaults(connect: Callable[..., MixpeekHook]) -> None:
    empty = {"namespace": "", "generation": "", "timeout": None, "requests_per_second": None, "proxy": ""}
    assert settings(connect(extra=empty)) == settings(connect())


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ({"timeout": "soon"}, "timeout is 'soon'"),
        ({"timeout": 0}, "timeout is 0"),
        ({"requests_per_second": "-1"}, "requests_per_second is '-1'"),
        ({"allow_insecure_http": "perhaps"}, "allow_insecure_http is 'perhaps'"),
        ({"generation": "newest"}, "generation 'newest'"),
        ({"namespace": "two words"}, "namespace"),
        ({"ca_bundle": "/nowhere/ca.pem"}, "ca_bundle '/nowhere/ca.pem'"),
        ({"proxy": "nonsense"}, "proxy"),
        ("namespace=shop", "the extra of the connection 'mixpeek_default' is not a JSON object"),
        ('["shop"]', "the extra of the connection 'mixpeek_default' is not a JSON object"),
    ],
)
def test_bad_extra_is_named(connect: Callable[..., MixpeekHook], extra: Any, named: str) -> None:
    with pytest.raises(MixpeekConfigError) as caught:
        connect(extra=extra).get_client()
    assert named in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ({"password": ""}, "there is no API key. Put it into the connection's API key (password) field"),
        ({"password": "sk two"}, "the API key is not usable"),
        ({"host": "http://mixpeek.example.com"}, "plain http"),
        ({"host": "ftp://mixpeek.example.com"}, "base URL"),
    ],
)
def test_bad_standard_field_is_named(
    connect: Callable[..., MixpeekHook], parts: dict[str, Any], named: str
) -> None:
    hook = connect(**parts)
    with pytest.raises(MixpeekConfigError) as caught:
        hook.get_client()
    assert named in str(caught.value)
    assert "sk two" not in str(caught.value)
    assert hook.test_connection() == (False, str(caught.value))


def test_unknown_extra_is_warned_of_by_name_only(connect: Callable[..., MixpeekHook]) -> None:
    hook = connect(extra={"namespace": "shop", "api_token": "sk_misplaced_1"})
    with capture_logs() as logs:
        assert settings(hook).namespace == "shop"
    (warning,) = [entry["event"] for entry in logs if entry["log_level"] == "warning"]
    assert "api_token" in warning
    assert "requests_per_second" in warning
    assert "sk_misplaced_1" not in warning


def test_form_settings_and_docs_have_the_same_extras() -> None:
    (form,) = get_provider_info()["connection-types"]
    taken = set(inspect.signature(Settings.of).parameters) - {"api_key", "base_url"}
    assert set(form["conn-fields"]) == taken == set(_EXTRAS)
    assert [name for name in taken if f"``{name}``" not in inspect.getdoc(MixpeekHook)] == []


# -- lookups and clients -----------------------------------------------------------------------------------


def test_connection_is_looked_up_at_first_use_and_not_before() -> None:
    hook = MixpeekHook("no_such_connection")
    with pytest.raises(Exception, match="no_such_connection"):
        hook.get_client()


def test_resources_are_those_of_one_client(connect: Callable[..., MixpeekHook], emulator: Emulator) -> None:
    hook = connect(host=emulator.url, extra={"namespace": "shop"})
    assert hook.get_conn() is hook.client
    bucket = hook.buckets.create("notes", schema={"note": "text"})
    note = {"property": "note", "type": "text", "data": {"text": "A red shoe."}}
    stored = hook.objects.create(bucket.bucket_id, blobs=[note])
    batch = hook.batches.create(bucket.bucket_id, [stored.object_id])
    task = hook.batches.submit(bucket.bucket_id, batch.batch_id)
    assert hook.tasks.get(task.task_id).batch_id == batch.batch_id
    assert "shop" in [namespace.namespace_name for namespace in hook.namespaces.list()]
    hook.client.close()


def test_every_resource_of_the_client_is_the_hooks(connect: Callable[..., MixpeekHook]) -> None:
    hook = connect()
    resources = {name: one for name, one in vars(hook.client).items() if isinstance(one, Resource)}
    assert len(resources) >= 5
    assert {name: getattr(hook, name) for name in resources} == resources
    hook.client.close()


def test_each_client_is_a_new_one_for_its_caller_to_close(connect: Callable[..., MixpeekHook]) -> None:
    hook = connect()
    with hook.get_client() as first, hook.get_client() as second:
        assert first is not second


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_async_client_has_the_same_settings(
    connect: Callable[..., MixpeekHook], emulator: Emulator, anyio_backend: str
) -> None:
    hook = connect(host=emulator.url, extra={"namespace": "shop"})
    async with await hook.get_async_client() as mixpeek:
        assert (await mixpeek.whoami()).organization_name == "Mixpeek emulator"
        assert mixpeek.session.settings == settings(hook)


def test_no_repr_shows_the_key(connect: Callable[..., MixpeekHook]) -> None:
    hook = connect(extra={"namespace": "shop"})
    assert KEY not in f"{hook!r} {hook.client!r} {settings(hook)!r} {vars(hook)!r}"
    hook.client.close()


# -- the Test button ---------------------------------------------------------------------------------------


def test_connection_that_works_says_who_we_are_and_where(
    connect: Callable[..., MixpeekHook], make_emulator: Callable[..., Emulator]
) -> None:
    server = make_emulator(api_keys=[KEY], namespaces=["shop"])
    works, answer = connect(host=server.url, extra={"namespace": "shop"}).test_connection()
    assert works is True
    assert answer == (
        "Connected to Mixpeek emulator (plan ENTERPRISE) with READ, WRITE, DELETE, ADMIN, "
        "in namespace 'shop', on a server of the current generation."
    )


def test_connection_whose_owner_is_nameless_works_too(
    connect: Callable[..., MixpeekHook], emulator: Emulator
) -> None:
    emulator.fault({"path": "/v1/me", "fault": "status", "status": 200, "body": {"organization_id": "org_1"}})
    works, answer = connect(host=emulator.url, extra={"namespace": "shop"}).test_connection()
    assert (works, answer) == (
        True,
        (
            "Connected to org_1 with unknown permissions, in namespace 'shop', "
            "on a server of the current generation."
        ),
    )


@pytest.mark.parametrize(
    ("fault", "what_to_change"),
    [
        ({"status": 405}, "Set the connection's generation to legacy"),
        ({"status": 200, "body": "<html><body>Welcome</body></html>"}, "Check the base URL"),
        ({"status": 200, "body": {"hello": "world"}}, "Check the connection's generation"),
        ({"status": 403}, "Ask for an API key with the permission"),
        ({"status": 401, "body": {"error": {"message": f"who is {KEY}?"}}}, "Check the API key"),
        ({"status": 302, "headers": {"location": "https://sso.example.com/"}}, "Set the base URL"),
        ({"status": 503}, "try again later"),
        ({"status": 429, "headers": {"retry-after": "60"}}, "Send less often"),
    ],
)
def test_connection_to_a_strange_server_says_what_to_change(
    connect: Callable[..., MixpeekHook], emulator: Emulator, fault: dict[str, Any], what_to_change: str
) -> None:
    emulator.fault({"path": "/v1/*", "fault": "status", **fault})
    works, answer = connect(host=emulator.url, extra={"namespace": "shop"}).test_connection()
    assert works is False
    assert what_to_change in answer
    assert KEY not in answer
    # Somebody looks at a button: nothing is tried again.
    assert sum(counted["count"] for counted in emulator.state()["requests"]) == 1


def test_connection_to_a_server_of_the_other_generation(
    connect: Callable[..., MixpeekHook], make_emulator: Callable[..., Emulator]
) -> None:
    for speaks, says in (("legacy", "current"), ("current", "legacy")):
        server = make_emulator(generation=speaks)
        extra = {"namespace": "shop", "generation": says}
        works, answer = connect(host=server.url, extra=extra).test_connection()
        assert works is False
        assert f"Set the connection's generation to {speaks}" in answer


def test_connection_to_a_legacy_server(
    connect: Callable[..., MixpeekHook], make_emulator: Callable[..., Emulator]
) -> None:
    server = make_emulator(generation="legacy")
    extra = {"namespace": "shop", "generation": "legacy"}
    works, answer = connect(host=server.url, extra=extra).test_connection()
    assert works is True
    assert "a server of the legacy generation" in answer
    assert "in namespace 'shop'" in answer


def test_connection_to_a_server_of_api_0_81(
    connect: Callable[..., MixpeekHook], make_emulator: Callable[..., Emulator]
) -> None:
    server = make_emulator(api_version="0.81")
    works, answer = connect(host=server.url, extra={"namespace": "shop"}).test_connection()
    assert works is True
    assert "a server of the current generation, which cannot tell who the key belongs to" in answer


@pytest.mark.parametrize(
    ("extra", "what_to_change"),
    [
        ({"namespace": "shpo"}, "the server does not know the namespace 'shpo'"),
        ({}, "X-Namespace is missing"),
    ],
)
def test_connection_with_an_unknown_namespace_or_none(
    connect: Callable[..., MixpeekHook],
    make_emulator: Callable[..., Emulator],
    extra: dict[str, str],
    what_to_change: str,
) -> None:
    server = make_emulator(namespaces=["shop"])
    works, answer = connect(host=server.url, extra=extra).test_connection()
    assert works is False
    assert what_to_change in answer


def test_connection_to_nobody(connect: Callable[..., MixpeekHook]) -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        hook = connect(host="127.0.0.1", port=unheard.getsockname()[1], extra={"namespace": "shop"})
        works, answer = hook.test_connection()
    assert works is False
    assert "the server cannot be reached" in answer
    assert "Check the base URL" in answer


@pytest.mark.parametrize(("key", "status"), [(KEY, 0), ("sk_wrong_77aa", 1)])
def test_airflow_connections_test(make_emulator: Callable[..., Emulator], key: str, status: int) -> None:
    server = make_emulator(api_keys=[KEY])
    host = server.url.replace("://", "%3A%2F%2F")
    ran = subprocess.run(
        [sys.executable, "-m", "airflow", "connections", "test", "shop_account"],
        env={
            **os.environ,
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW_CONN_SHOP_ACCOUNT": f"mixpeek://:{key}@{host}?namespace=shop",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == status, said
    assert ("Connection success!" if status == 0 else "Check the API key") in said
    assert "Traceback" not in said
    assert key not in said
    asked = [
        (counted["method"], counted["path"], counted["status"]) for counted in server.state()["requests"]
    ]
    assert asked[0] == ("POST", "/v1/buckets/list", 401) if status else ("GET", "/v1/me", 200)
