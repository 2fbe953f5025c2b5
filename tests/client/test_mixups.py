"""A client of one generation on a server of the other: a clear error, and nothing there is changed."""

import contextlib
import threading
from collections import Counter

import pytest

from airflow_provider.mixpeek.client import (
    MixpeekAnswerError,
    MixpeekClient,
    MixpeekConfigError,
    MixpeekError,
    MixpeekGenerationError,
    MixpeekNotFoundError,
    MixpeekStatusError,
    WaitFor,
)
from airflow_provider.mixpeek.client._calls import Query
from airflow_provider.mixpeek.client._flow import call
from airflow_provider.mixpeek.waiting import FailedLook, Outcome

from .calls_processed import TABLE
from .shop import Shop, text

OTHER = {"current": "legacy", "legacy": "current"}
PROBE = ("POST", "/v1/buckets/list")
#: There, that is the path of a bucket named "list", which takes no POST.
PROBE_ON_LEGACY = ("POST", "/v1/buckets/{bucket_identifier}")
SAYS_CURRENT = "the server speaks the current generation of the API, the connection says legacy"
SAYS_LEGACY = "the server speaks the legacy generation of the API, the connection says current"


class Mixed(Shop):
    """A shop on a server of ``generation``, and a client of the other one at its door."""

    def __init__(self, right: MixpeekClient, wrong, emulator, generation: str) -> None:
        super().__init__(right, emulator, generation)
        self.open()
        self.visitor = Shop(wrong, emulator, OTHER[generation], self.bucket, self.made)
        self.before = self.everything()

    def everything(self):
        """All that is stored, as a client of the right generation sees it."""
        counts = {name: count for name, count in self.emulator.state().items() if name != "requests"}
        rows = [bucket.model_dump() for bucket in self.client.buckets.list()]
        rows += [found.model_dump() for found in self.client.objects.list(self.bucket)]
        if self.generation == "current":
            rows += [batch.model_dump() for batch in self.client.batches.list(self.bucket)]
        return counts, rows

    def requests(self):
        """How many requests came, by method and path, whatever was answered."""
        counted = Counter()
        for row in self.emulator.state()["requests"]:
            counted[row["method"], row["path"]] += row["count"]
        return counted

    def sent_since(self, before):
        """Which requests came since then."""
        return set(self.requests() - before)

    def probes(self):
        """How often somebody tried to find out which generation the server speaks."""
        return self.requests()[PROBE if self.generation == "current" else PROBE_ON_LEGACY]


@pytest.fixture
def mixed(connect, make_emulator):
    def make(generation, **settings):
        settings = {"namespaces": ["shop"], "task_seconds": 0} | settings
        emulator = make_emulator(generation=generation, **settings)
        given = {"api_key": "sk_right", "namespace": "shop", "base_url": emulator.url}
        right = opened.enter_context(MixpeekClient(**given, generation=generation))
        return Mixed(right, connect(emulator.url, generation=OTHER[generation]), emulator, generation)

    with contextlib.ExitStack() as opened:
        yield make


# --- every call there is ---


#: What any client may be asked of any server: it sends nothing, or only finds out.
HARMLESS = {"server_generation", "has_idempotency_keys"}

#: Calls of the current generation that the legacy one has too, with the same meaning.
ALIKE = {"namespaces.create", "namespaces.get", "buckets.get", "objects.get", "tasks.cancel"}


def test_a_legacy_client_does_nothing_on_a_current_server(mixed):
    shop = mixed("current")
    asked = shop.requests()
    for row in TABLE:
        if row.call not in HARMLESS:
            with pytest.raises(MixpeekGenerationError):
                row.do(shop.visitor)
            assert shop.sent_since(asked) <= {PROBE}, row
    assert shop.everything() == shop.before


def test_a_current_client_changes_nothing_unawares_on_a_legacy_server(mixed):
    shop = mixed("legacy")
    for row in TABLE:
        if row.call in ALIKE | HARMLESS:
            row.do(shop.visitor)
        elif row.call != "buckets.delete":
            with pytest.raises(MixpeekError):
                row.do(shop.visitor)
        assert shop.everything() == shop.before or row.call == "namespaces.create", row
        shop.before = shop.everything()
    # The same call in both generations, with the same meaning.
    shop.visitor.client.buckets.delete(shop.bucket)
    assert list(shop.client.buckets.list()) == []


# --- the calls that change meaning, one by one ---


def test_a_bucket_that_a_legacy_server_would_list_instead(mixed):
    visitor = mixed("legacy").visitor.client
    with pytest.raises(MixpeekStatusError, match=r"405.*Does this server speak the other generation"):
        visitor.buckets.create("films", schema={"title": "text"})
    creating = visitor.session.api.create_bucket(
        "films", schema={"properties": {}}, description=None, unique_key=None, metadata=None
    )
    with pytest.raises(MixpeekAnswerError, match=r"it has no bucket_id.*other generation"):
        visitor.run(call(visitor.session, creating))


def test_an_object_that_a_legacy_server_would_list_instead(mixed):
    shop = mixed("legacy")
    with pytest.raises(MixpeekAnswerError, match=r"it has no object_id.*other generation"):
        shop.visitor.client.objects.create(shop.bucket, blobs=[text("more")])
    assert shop.everything() == shop.before


def test_a_list_that_would_create_an_empty_object_on_a_current_server(mixed):
    # Without a required property and with undeclared ones accepted, nothing but us would stop it.
    shop = mixed("current", undeclared_metadata="accept")
    year = {"AND": [{"field": "metadata.year", "operator": "eq", "value": 1961}]}
    for asked in ({}, {"filters": year}, {"search": "film"}):
        with pytest.raises(MixpeekGenerationError, match=SAYS_CURRENT):
            list(shop.visitor.client.objects.list(shop.bucket, **asked))
    assert len(list(shop.client.objects.list(shop.bucket))) == 3
    # The danger is real: this is what the same request does there.
    api = shop.visitor.client.session.api
    listing = api.list_objects(shop.bucket, Query(filters=year), cursor=None, size=10)
    with pytest.raises(MixpeekAnswerError, match="it has no results"):
        shop.client.run(call(shop.client.session, listing))
    assert len(list(shop.client.objects.list(shop.bucket))) == 4


@pytest.mark.parametrize("change", [{"blobs": [text("other")]}, {"metadata": {"year": 1}}])
@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_a_change_of_an_object_that_would_do_something_else(mixed, generation, change):
    shop = mixed(generation)
    with pytest.raises(MixpeekGenerationError):
        shop.visitor.client.objects.update(shop.bucket, shop.made[0], **change)
    assert shop.everything() == shop.before


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_a_deletion_whose_answer_would_not_be_understood(mixed, generation):
    shop = mixed(generation)
    with pytest.raises(MixpeekGenerationError, match=f"speaks the {generation} generation"):
        shop.visitor.client.objects.delete(shop.bucket, shop.made[0])
    assert shop.everything() == shop.before


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_namespaces_that_are_listed_in_another_form(mixed, generation):
    with pytest.raises(MixpeekError, match=r"other generation|speaks the current generation"):
        list(mixed(generation).visitor.client.namespaces.list())


@pytest.mark.parametrize(("generation", "kind"), [("legacy", "excel"), ("current", "json")])
def test_a_type_that_only_the_other_generation_has(mixed, generation, kind):
    shop = mixed(generation)
    before = shop.emulator.state()
    with pytest.raises(MixpeekConfigError, match=kind):
        shop.client.buckets.create("films", schema={"a": kind})
    assert shop.emulator.state() == before


# --- waits ---


def test_a_wait_for_a_word_of_the_other_generation_ends(mixed):
    shop = mixed("legacy")
    task = shop.client.objects.create(shop.bucket, blobs=[text("more")])
    probes = shop.probes()
    for _ in range(3):
        with pytest.raises(MixpeekGenerationError, match=f"{SAYS_LEGACY}.*Set the connection's generation"):
            shop.visitor.client.look(WaitFor(task.task_id))
    assert shop.probes() == probes + 1


def test_a_wait_that_is_still_running_in_words_of_the_other_generation_ends_too(mixed):
    shop = mixed("legacy", task_seconds=600)
    task = shop.client.objects.create(shop.bucket, blobs=[text("more")])
    shop.emulator.fault(
        {
            "path": "/v1/tasks/*",
            "fault": "status",
            "status": 200,
            "body": {"task_id": task.task_id, "status": "CONVERTING", "inputs": [], "outputs": []},
        }
    )
    with pytest.raises(MixpeekGenerationError, match=SAYS_LEGACY):
        shop.visitor.client.look(WaitFor(task.task_id))


def test_a_legacy_wait_on_a_current_server_ends(mixed):
    shop = mixed("current")
    task = shop.client.batches.submit(shop.bucket, shop.batch())
    with pytest.raises(MixpeekGenerationError, match=SAYS_CURRENT):
        shop.visitor.client.look(WaitFor(task.task_id))


def test_an_unknown_word_of_the_right_server_is_waited_for(mixed):
    shop = mixed("current")
    body = {"task_id": "task_1", "status": "ARCHIVED"}
    shop.emulator.fault({"path": "/v1/tasks/*", "fault": "status", "status": 200, "body": body})
    probed = shop.probes()
    for _ in range(3):
        assert shop.client.look(WaitFor("task_1")).outcome is Outcome.UNKNOWN
    assert shop.probes() == probed + 1


def test_an_unknown_word_whose_server_cannot_be_asked_is_looked_at_again(mixed):
    shop = mixed("current")
    body = {"task_id": "task_1", "status": "ARCHIVED"}
    shop.emulator.fault({"path": "/v1/tasks/*", "fault": "status", "status": 200, "body": body})
    shop.emulator.fault({"path": PROBE[1], "fault": "status", "status": 503})
    assert isinstance(shop.client.look(WaitFor("task_1")), FailedLook)


# --- finding out ---


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_finding_out_reads_only_and_happens_once(connect, make_emulator, generation):
    emulator = make_emulator(generation=generation)
    client = connect(emulator.url, generation="legacy")
    for _ in range(3):
        assert client.server_generation() == generation
    (asked,) = emulator.state()["requests"]
    probe = PROBE if generation == "current" else PROBE_ON_LEGACY
    assert (asked["method"], asked["path"], asked["count"]) == (*probe, 1)
    assert (emulator.state()["buckets"], emulator.state()["objects"]) == (0, 0)


def test_a_legacy_client_asks_once_however_much_it_does(mixed):
    shop = mixed("legacy")
    before = shop.probes()
    for number in range(3):
        shop.client.objects.create(shop.bucket, metadata={"year": number})
        shop.client.look(WaitFor("task_1"))
        list(shop.client.buckets.list())
    assert shop.probes() == before == 1


def test_threads_share_what_was_found_out(mixed):
    shop = mixed("legacy")
    face = shop.client.stopped_by(threading.Event())
    assert face.server_generation() == "legacy"
    assert shop.probes() == 1


def test_a_server_that_does_not_know_the_namespace_speaks_all_the_same(connect, make_emulator):
    emulator = make_emulator(namespaces=["shop"])
    client = connect(emulator.url, namespace="shpo", generation="legacy")
    with pytest.raises(MixpeekGenerationError, match=SAYS_CURRENT):
        list(client.buckets.list())


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_a_gateway_that_hides_the_probe_is_asked_for_its_health(connect, make_emulator, generation):
    emulator = make_emulator(generation=generation)
    emulator.fault({"path": PROBE[1], "fault": "status", "status": 404})
    assert connect(emulator.url).server_generation() == generation


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_an_address_that_answers_no_call_at_all_is_named(connect, serve, http, generation):
    server = serve(http(b"<html>Nothing here</html>", status="404 Not Found", kind="text/html"))
    client = connect(server.url, generation=generation)
    with pytest.raises(MixpeekGenerationError, match=r"127\.0\.0\.1.* no call of either.*Check the base URL"):
        client.introduce()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_probe_that_is_refused_says_nothing_of_the_generation(connect, make_emulator, status):
    emulator = make_emulator(generation="legacy")
    emulator.fault({"path": PROBE[1], "fault": "status", "status": status, "times": 1})
    client = connect(emulator.url, generation="legacy")
    with pytest.raises(MixpeekStatusError, match=str(status)):
        client.introduce()
    # Nothing was learned from it.
    assert client.server_generation() == "legacy"


@pytest.mark.parametrize("generation", ["current", "legacy"])
def test_a_test_of_a_connection_of_the_other_generation_says_so(mixed, generation):
    shop = mixed(generation)
    with pytest.raises(MixpeekGenerationError, match=f"Set the connection's generation to {generation}"):
        shop.visitor.client.introduce()
    assert shop.everything() == shop.before


def test_what_is_not_there_in_the_right_generation_is_not_found_and_no_mix_up(mixed):
    shop = mixed("legacy")
    with pytest.raises(MixpeekNotFoundError):
        shop.client.objects.get(shop.bucket, "obj_none")
