"""The two clients are one: what one can do, the other can, called alike."""

import asyncio
import inspect

import pytest

from airflow_provider.mixpeek.client import AsyncMixpeekClient, MixpeekClient
from airflow_provider.mixpeek.client import _async_client as async_module
from airflow_provider.mixpeek.client import _client as sync_module

#: What only one of them can have: a task of an event loop is stopped by cancelling it.
ONLY_SYNC = {"stopped_by"}
PAIRS = [
    (MixpeekClient, AsyncMixpeekClient),
    *(
        (getattr(sync_module, name), getattr(async_module, name))
        for name in ("Buckets", "Objects", "Batches", "Collections", "Tasks", "Uploads")
    ),
]


def _methods(kind):
    return {
        name: member
        for name, member in inspect.getmembers(kind, callable)
        if not name.startswith("_") or (name == "__init__" and "Client" in kind.__name__)
    }


def _parameters(method):
    return [
        (parameter.name, parameter.kind, parameter.default, parameter.annotation)
        for parameter in inspect.signature(method).parameters.values()
    ]


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_faces_have_the_same_methods(sync, asynchronous):
    here, there = _methods(sync), _methods(asynchronous)
    assert set(here) - ONLY_SYNC == set(there)
    for name, method in there.items():
        assert _parameters(here[name]) == _parameters(method), name


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_faces_are_described_alike(sync, asynchronous):
    for name, method in _methods(asynchronous).items():
        if name == "__init__":
            continue
        here, there = (inspect.getdoc(each) or "" for each in (_methods(sync)[name], method))
        assert there, name
        assert here.partition("\n")[0] == there.partition("\n")[0], name


def test_the_faces_have_the_same_resources(settings):
    sync = MixpeekClient.from_settings(settings)
    asynchronous = AsyncMixpeekClient.from_settings(settings)
    resources = [
        {name: type(value).__name__ for name, value in vars(client).items() if not name.startswith("_")}
        for client in (sync, asynchronous)
    ]
    assert resources[0] == resources[1]
    assert {"Buckets", "Objects", "Batches", "Tasks"} < set(resources[0].values())
    sync.close()
    asyncio.run(asynchronous.close())


def test_a_client_comes_from_the_environment(monkeypatch):
    for name, value in {
        "MIXPEEK_API_KEY": "sk_env",
        "MIXPEEK_NAMESPACE": "from-env",
        "MIXPEEK_BASE_URL": "localhost:8700",
    }.items():
        monkeypatch.setenv(name, value)
    with MixpeekClient.from_env(namespace="mine") as client:
        assert client.session.settings.api_key == "sk_env"
        assert client.session.settings.namespace == "mine"
        assert client.session.settings.base_url == "http://localhost:8700"
