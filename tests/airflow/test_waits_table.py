"""
One table of what can become of a wait, and every mode's answer to it.

``differs`` holds what Airflow imposes on a mode, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from .wait_modes import BATCH, MODES, TASK, World, clock, draft, end_of, make_world, work

__all__ = ["clock", "make_world"]

DOWN = {"fault": "status", "status": 503}
FOR_EVER = 10**6


def looked_at(world: World) -> str:
    return BATCH if world.generation == "current" else TASK


def ends_with(word: str, **outcome: Any) -> Callable[[World], Any]:
    return lambda world: work(world, word, **outcome)


def answered(status: int, /, **body: Any) -> Callable[[World], Any]:
    """A task by its id alone, of which the server says always the same."""

    def make(world: World) -> str:
        rule = {"path": TASK, "fault": "status", "status": status}
        world.server.fault(rule | ({"body": {"task_id": "task_1", **body}} if body else {}))
        return "task_1"

    return make


def forgotten_with_its_batch(world: World) -> Any:
    made = work(world)
    world.server.fault({"path": TASK, "fault": "task_forgotten"})
    return made


def struck(fault: dict[str, Any], **more: Any) -> Callable[[World], Any]:
    """Work that ends well, of a server that fails looks."""

    def make(world: World) -> Any:
        made = work(world)
        world.server.fault({"path": looked_at(world), **fault, **more})
        return made

    return make


def same_twice(world: World) -> Any:
    made = work(world)
    return [made, made, dict(made)]


def lists_of_lists(world: World) -> Any:
    return [[work(world)], [], [[work(world)], None], work(world)]


@dataclass(frozen=True)
class Scenario:
    """
    What there is to wait for, and how that must end.

    :param make: Makes it, with the server.
    :param said: What the error must say, besides.
    :param differs: The end in modes in which it is another, and why Airflow wants it so.
    :param server: Settings of the server.
    """

    name: str
    make: Callable[[World], Any]
    end: str
    arguments: dict[str, Any] = field(default_factory=dict)
    said: tuple[str, ...] = ()
    generation: str = "current"
    differs: dict[str, tuple[str, str]] = field(default_factory=dict)


def both(name: str, *rest: Any, **more: Any) -> list[Scenario]:
    return [
        Scenario(f"{generation}: {name}", *rest, generation=generation, **more)
        for generation in ("current", "legacy")
    ]


SHORT = {"timeout": 600}
SCENARIOS = [
    # -- each word that ends something, and those that do not --
    Scenario("COMPLETED", ends_with("COMPLETED"), "done"),
    Scenario("FAILED", ends_with("FAILED", error="GPU on fire"), "failed", {}, ("FAILED", "GPU on fire")),
    Scenario("CANCELED", ends_with("CANCELED"), "failed", {}, ("CANCELED",)),
    Scenario("CANCELLED", ends_with("CANCELLED"), "failed", {}, ("CANCELLED",)),
    Scenario(
        "COMPLETED_WITH_ERRORS",
        ends_with("COMPLETED_WITH_ERRORS", error="blurred"),
        "partial",
        {},
        ("blurred",),
    ),
    Scenario("partial, taken", ends_with("COMPLETED_WITH_ERRORS"), "done", {"partial_ok": True}),
    Scenario("failed, partial taken", ends_with("FAILED"), "failed", {"partial_ok": True}),
    Scenario("a task SKIPPED", answered(200, status="SKIPPED"), "done"),
    Scenario("a batch SKIPPED", ends_with("SKIPPED"), "gave-up", SHORT, ("SKIPPED",)),
    Scenario("INTERRUPTED", ends_with("INTERRUPTED"), "gave-up", SHORT, ("INTERRUPTED",)),
    Scenario("a word never seen", ends_with("PONDERING"), "gave-up", SHORT, ("PONDERING",)),
    Scenario("DRAFT", draft, "not-submitted", {}, ("never submitted (DRAFT)",)),
    Scenario("DONE", ends_with("DONE"), "done", generation="legacy"),
    Scenario("SKIPPED", ends_with("SKIPPED"), "done", generation="legacy"),
    Scenario("legacy FAILED", ends_with("FAILED", error="no"), "failed", {}, ("no",), generation="legacy"),
    Scenario("legacy CANCELLED", ends_with("CANCELLED"), "failed", generation="legacy"),
    Scenario("CONVERTING", ends_with("CONVERTING"), "gave-up", SHORT, ("CONVERTING",), generation="legacy"),
    Scenario(
        "legacy odd word", ends_with("PONDERING"), "gave-up", SHORT, ("PONDERING",), generation="legacy"
    ),
    # -- what the server forgot --
    Scenario("task forgotten, batch known", forgotten_with_its_batch, "done"),
    *both("task forgotten", answered(404), "lost", {}, ("task_1", "404")),
    # -- looks that fail --
    *both("10 failed looks, then success", struck(DOWN, times=10), "done"),
    *both("10 lost connections, then success", struck({"fault": "reset_before"}, times=10), "done"),
    *both("down, all borne", struck(DOWN), "gave-up", {**SHORT, "max_failed_looks": FOR_EVER}, ("failed",)),
    *both(
        "down",
        struck(DOWN),
        "lost-contact",
        {"timeout": 1800},
        ("says nothing about the work: 11 looks in a row failed",),
        differs={"reschedule before 3.3": ("gave-up", "there is no store to count in")},
    ),
    # -- the deadline --
    *both(
        "deadline", ends_with("QUEUED"), "gave-up", SHORT, ("QUEUED", "does not mean that anything failed")
    ),
    *both("done at the deadline", ends_with(""), "done", {"timeout": 10}),
    # -- what is given --
    *both("nothing", lambda _: [], "done"),
    *both("nothing in lists", lambda _: [[], None, [[]]], "done"),
    *both("the same twice", same_twice, "done"),
    *both("lists of lists", lists_of_lists, "done"),
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_each_wait_ends_alike_in_each_mode(
    make_world: Callable[..., World], scenario: Scenario, mode: str
) -> None:
    world = make_world(scenario.generation)
    given = scenario.make(world)
    expected, _ = scenario.differs.get(mode, (scenario.end, ""))
    end, said = end_of(mode, world, given, **scenario.arguments)
    assert end == expected, said
    if expected == scenario.end:
        for part in scenario.said:
            assert part in said


def test_names_are_told_apart() -> None:
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


# -- many --------------------------------------------------------------------------------------------------

MANY = [f"task_{number}" for number in range(2_500)]
BAD = ["task_500", "task_1500", "task_2400"]


@pytest.mark.system
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "reschedule before 3.3"])
def test_three_of_2500_fail(make_world: Callable[..., World], mode: str) -> None:
    world = make_world()
    world.server.fault(
        {"path": TASK, "fault": "status", "status": 200, "times": len(MANY), "body": _task("PENDING")},
        *(
            {"path": f"*/{bad}", "fault": "status", "status": 200, "body": _task("FAILED", error="No.")}
            for bad in BAD
        ),
        {"path": TASK, "fault": "status", "status": 200, "body": _task("COMPLETED")},
    )
    end, said = end_of(mode, world, MANY)
    assert end == "failed"
    named = {bad for bad in BAD if f"task {bad} failed (FAILED): No." in said}
    # Airflow keeps a trigger in a row of limited size, so the first thousand are waited for first.
    assert named == ({BAD[0]} if "deferrable" in mode else set(BAD))
    # A round of looks at all, and one that ends it.
    assert len(MANY) < world.asked(TASK) <= 2 * len(MANY)


def _task(word: str, **more: Any) -> dict[str, Any]:
    return {"task_id": "task_1", "status": word, **more}
