"""What a kill does to a task that is under way, and what it leaves alone."""

from collections.abc import Callable

import pytest

from airflow_provider.mixpeek.operators._kill import Kill, TaskKilledError


def killed(kill: Kill, on_the_way_out: Callable[[], None]) -> None:
    """Be a task that is killed."""
    with kill.ends():
        try:
            kill.ask()
        finally:
            on_the_way_out()


def test_kill_ends_what_is_under_way() -> None:
    with pytest.raises(TaskKilledError, match="SIGTERM"):
        killed(Kill(), on_the_way_out=lambda: None)


def test_kill_before_it_began_lets_nothing_begin() -> None:
    kill = Kill()
    kill.ask()
    with pytest.raises(TaskKilledError, match="before it began"), kill.ends():
        pytest.fail("it began")


def test_second_kill_leaves_alone_how_it_ends() -> None:
    kill = Kill()
    went_out: list[None] = []

    def on_the_way_out() -> None:
        kill.ask()
        went_out.append(None)

    with pytest.raises(TaskKilledError):
        killed(kill, on_the_way_out)
    assert went_out


def test_time_out_stays_a_time_out() -> None:
    """Airflow calls ``on_kill`` after a time-out as well, when ``execute`` is left already."""
    kill = Kill()
    with pytest.raises(TimeoutError), kill.ends():
        raise TimeoutError
    kill.ask()


def test_kill_is_no_failure_that_a_handler_may_take() -> None:
    assert not issubclass(TaskKilledError, Exception)
