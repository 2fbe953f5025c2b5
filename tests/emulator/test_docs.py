"""The page about the emulator says what the code has, no more and no less."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import httpx
import pytest

from airflow_provider.mixpeek.emulator import Emulator
from airflow_provider.mixpeek.emulator.__main__ import make_parser, settings_of
from airflow_provider.mixpeek.emulator.faults import KEYS_OF_ALL, KEYS_OF_KIND
from airflow_provider.mixpeek.emulator.settings import CATEGORIES, Settings

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose heading starts like that."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].splitlines()[2:]
    found = []
    for line in lines:
        if not line.startswith("|"):
            break
        found.append([cell.strip() for cell in line.strip("|").split("|")])
    return found


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_every_flag_and_every_argument_is_there():
    documented = {flag: argument for flag, argument, *_ in rows("flag")}
    flags = {option for action in make_parser()._actions for option in action.option_strings}
    assert {word for flag in documented for word in words(flag)} == flags - {"-h", "--help"}
    arguments = [word for argument in [row[1] for row in rows("flag")] for word in words(argument)]
    taken = set(inspect.signature(Emulator.__init__).parameters) - {"self"}
    assert sorted(arguments) == sorted(taken)
    # Each flag is the argument of its row.
    for row in rows("flag"):
        if words(row[0]) and words(row[0])[0] not in ("--category-limit",):
            name = words(row[0])[0].removeprefix("--").replace("-", "_")
            assert words(row[1])[0] in (name, f"{name}s")


def test_defaults_are_those_of_the_code():
    parser, settings = make_parser(), Settings()
    for flag, argument, default, _ in rows("flag"):
        name = words(argument)[0]
        stated = (words(default) or [default])[0]
        if re.fullmatch(r"[\d.]+", stated) and hasattr(settings, name) and name != "api_version":
            assert float(stated) == getattr(settings, name) == parser.get_default(name), flag
        elif words(default) and hasattr(settings, name) and getattr(settings, name) is not None:
            assert stated == getattr(settings, name), flag
    limits = next(row for row in rows("flag") if "--category-limit" in row[0])
    assert set(CATEGORIES) <= set(words(limits[3]))


# What a flag is given that takes neither a number nor one of some words; a burst needs a rate.
GIVEN = {"--host": "127.0.0.2", "--database": "kept.db", "--api-key": "sk_one", "--namespace": "shop"}
GIVEN |= {"--category-limit": "data=3", "--burst": "7 --rate-limit 7"}


@pytest.mark.parametrize(
    ("flag", "argument"), [(words(row[0])[0], words(row[1])[0]) for row in rows("flag") if words(row[0])]
)
def test_every_flag_reaches_the_emulator(
    flag: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    parser = make_parser()
    choices = parser._option_string_actions[flag].choices or ["7"]
    value = GIVEN.get(flag) or next(each for each in choices if each != parser.get_default(argument))
    told = settings_of(parser.parse_args([flag, *value.split()]))
    assert told[argument] != settings_of(parser.parse_args([]))[argument]
    # It takes all of them.
    Emulator(**told).stop()


def test_every_fault_is_there_with_its_keys_and_an_example():
    documented = {words(kind)[0]: set(words(keys)) for kind, keys, _ in rows("`fault` | its own keys")}
    assert documented == {kind: set(keys) for kind, keys in KEYS_OF_KIND.items()}
    assert {words(key)[0] for key, _ in rows("key")} == set(KEYS_OF_ALL)
    examples = [rule for rules in example_rules() for rule in rules]
    assert {rule["fault"] for rule in examples} == set(KEYS_OF_KIND)


def example_rules() -> list[list[dict]]:
    found = [json.loads(block) for block in blocks("json") if '"fault"' in block]
    return [each if isinstance(each, list) else [each] for each in found]


def test_the_examples_are_rules(emulator):
    for rules in example_rules():
        emulator.fault(*rules)
        assert httpx.post(f"{emulator.url}/_emulator/faults", json=rules).status_code == 200
        emulator.clear_faults()


def test_the_control_calls_are_those_there_are(emulator):
    named = [words(row[0])[0].split() for row in rows("call")]
    message = httpx.get(f"{emulator.url}/_emulator/").json()["error"]["message"]
    assert {path for _, path in named} == set(re.findall(r"/_emulator/\w+", message))
    for method, path in named:
        body = [] if (method, path) == ("POST", "/_emulator/faults") else None
        assert httpx.request(method, emulator.url + path, json=body).status_code == 200
    for row in rows("call"):
        assert hasattr(Emulator, words(row[1])[0].partition("(")[0])
    shown = json.loads(next(block for block in blocks("json") if "invalid_json" in block))
    assert shown.keys() == emulator.state().keys()


@pytest.mark.parametrize("source", blocks("python"))
def test_the_python_examples_run(source: str):
    namespace: dict = {"Emulator": Emulator}
    exec(compile(source, "docs/emulator.md", "exec"), namespace)
