"""Where the key may go, and what is refused before it goes anywhere."""

import pickle
import traceback

import pytest

from airflow_provider.mixpeek.client import MixpeekClient, MixpeekConfigError, Settings
from airflow_provider.mixpeek.client._settings import is_loopback

KEY = "sk_live_do_not_tell_0123456789"


def of(**given):
    return Settings.of(**({"api_key": KEY} | given))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "https://api.mixpeek.com"),
        ("", "https://api.mixpeek.com"),
        ("  ", "https://api.mixpeek.com"),
        ("https://api.mixpeek.com/", "https://api.mixpeek.com"),
        ("https://api.mixpeek.com/v1", "https://api.mixpeek.com"),
        ("https://api.mixpeek.com/v1/", "https://api.mixpeek.com"),
        ("  https://API.Mixpeek.com \n", "https://api.mixpeek.com"),
        ("api.mixpeek.com", "https://api.mixpeek.com"),
        ("api.mixpeek.com:8443/v1", "https://api.mixpeek.com:8443"),
        ("https://gateway.example/mixpeek/v1", "https://gateway.example/mixpeek"),
        ("https://gateway.example/v1beta", "https://gateway.example/v1beta"),
        ("localhost:8700", "http://localhost:8700"),
        ("LOCALHOST", "http://localhost"),
        ("127.0.0.1:8700/v1", "http://127.0.0.1:8700"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("https://localhost:8700", "https://localhost:8700"),
        ("[::1]:8700", "http://[::1]:8700"),
        ("http://[::1]", "http://[::1]"),
        ("[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_a_base_url_comes_in_many_forms(given, expected):
    assert of(base_url=given).base_url == expected


@pytest.mark.parametrize(
    "given",
    [
        "ftp://api.mixpeek.com",
        "https://",
        "https:///v1",
        "/v1",
        "::1",
        "https://host:port",
        "https://host:99999",
        "https://[broken",
        "https://exa mple.com",
        "https://ex\u00e4mple.com",
        "https://host/pa th",
        "https://host?api_key=secret-in-query",
        "https://host#secret-fragment",
        "https://user:secret-password@host",
        "https://secret-key@host:notaport",
        "secret-key@host",
        "https://host\r\nX-Evil: 1",
    ],
)
def test_what_is_no_base_url_is_refused_without_repeating_it(given):
    with pytest.raises(MixpeekConfigError, match="base URL") as caught:
        of(base_url=given)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["http://api.mixpeek.com", "http://10.0.0.1:8700", "http://localhost.evil.example"]
)
def test_plain_http_is_for_loopback_only(url):
    with pytest.raises(MixpeekConfigError, match=r"plain http.*allow_insecure_http"):
        of(base_url=url)
    assert of(base_url=url, allow_insecure_http="true").base_url == url


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "localhost.example", "10.0.0.1", "", "127.0.0.1.example"])
def test_other_hosts_are_not_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("bad", ["sk_\nline", "sk_\r\nX-Evil: 1", "sk_\u00e9", "sk_ a", "sk_\x00", b"sk_", 7])
def test_a_key_that_no_header_can_carry_is_refused_without_echo(bad):
    with pytest.raises(MixpeekConfigError, match="the API key is not usable") as caught:
        of(api_key=bad)
    assert "sk_" not in "".join(traceback.format_exception(caught.value)).replace("sk_live", "")
    with pytest.raises(MixpeekConfigError, match="the namespace is not usable"):
        of(namespace=bad)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_without_a_key_it_says_where_to_put_one(nothing):
    with pytest.raises(MixpeekConfigError, match=r"no API key.*password.*MIXPEEK_API_KEY"):
        of(api_key=nothing)


def test_what_was_copied_with_blanks_around_it_is_taken():
    settings = of(api_key=f" {KEY}\n", namespace=" shop ")
    assert (settings.api_key, settings.namespace) == (KEY, "shop")
    assert of(namespace="").namespace is None


def test_strings_of_a_uri_become_what_they_mean():
    settings = of(
        base_url="http://10.0.0.1",
        timeout="30",
        requests_per_second="2.5",
        allow_insecure_http="True",
        ca_bundle="",
        proxy="",
        generation="",
    )
    assert (settings.timeout, settings.requests_per_second) == (30.0, 2.5)
    assert (settings.ca_bundle, settings.proxy, settings.generation) == (None, None, "current")
    blank = of(timeout="", requests_per_second="", allow_insecure_http="")
    assert (blank.timeout, blank.requests_per_second) == (60.0, None)


@pytest.mark.parametrize("word", ["true", "1", "YES", " on ", True])
def test_words_for_yes(word):
    assert of(base_url="http://10.0.0.1", allow_insecure_http=word)


@pytest.mark.parametrize("word", ["false", "0", "No", "off", "", None, False])
def test_words_for_no(word):
    with pytest.raises(MixpeekConfigError, match="plain http"):
        of(base_url="http://10.0.0.1", allow_insecure_http=word)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": "soon"},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "nan"},
        {"timeout": "inf"},
        {"timeout": True},
        {"requests_per_second": "many"},
        {"requests_per_second": [1]},
        {"allow_insecure_http": "perhaps"},
        {"generation": "legacy2"},
    ],
)
def test_a_wrong_setting_is_named(wrong):
    (name,) = wrong
    with pytest.raises(MixpeekConfigError, match=name):
        of(**wrong)


def test_the_environment_gives_what_is_not_passed():
    env = {"MIXPEEK_API_KEY": "sk_env", "MIXPEEK_NAMESPACE": "ns", "MIXPEEK_BASE_URL": "localhost:9"}
    settings = Settings.from_env(env, namespace="mine")
    assert (settings.api_key, settings.namespace, settings.base_url) == (
        "sk_env",
        "mine",
        "http://localhost:9",
    )
    with pytest.raises(MixpeekConfigError, match="no API key"):
        Settings.from_env({})


# --- what is shown ---


def test_nothing_shows_a_secret():
    proxy = "http://user:proxy-password@127.0.0.1:3128"
    settings = of(namespace="shop", proxy=proxy)
    with MixpeekClient.from_settings(settings) as client:
        shown = [repr(each) for each in (settings, client, client.session, client.buckets, client._transport)]
    assert not [text for text in shown if KEY in text or "proxy-password" in text]
    assert "shop" in shown[0]
    assert shown[1] == "MixpeekClient(base_url='https://api.mixpeek.com', namespace='shop')"


@pytest.mark.parametrize(
    "proxy", ["ftp://user:proxy-password@host", "http://user:proxy-password@host:port", "proxy-password"]
)
def test_a_proxy_that_is_none_is_refused_without_its_password(proxy):
    with pytest.raises(MixpeekConfigError, match="the proxy is not usable") as caught:
        MixpeekClient(KEY, proxy=proxy)
    error = caught.value
    assert "proxy-password" not in "".join(traceback.format_exception(error))
    assert b"proxy-password" not in pickle.dumps(error)
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_ca_bundle_that_is_none_is_refused(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    for path, why in ((tmp_path / "missing.pem", "No such file"), (tmp_path, ""), (empty, "")):
        with pytest.raises(MixpeekConfigError, match=f"ca_bundle .* cannot be read: .*{why}"):
            MixpeekClient(KEY, ca_bundle=str(path))


def test_the_rate_of_the_settings_is_the_gates():
    with MixpeekClient(KEY, requests_per_second=2) as client:
        assert [client.session.gate.reserve("data", 5.0, object()).wait for _ in range(2)] == [0, 0.5]
