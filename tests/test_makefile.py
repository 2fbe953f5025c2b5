"""Which Python ``make`` takes for its environment."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMES = ["python3", "python3.11", "python3.12", "python3.13"]


@pytest.fixture
def make(tmp_path: Path) -> Callable[[list[str]], subprocess.CompletedProcess[str]]:
    """Have an environment made on a machine on which these will do, and none else."""

    def make(usable: list[str]) -> subprocess.CompletedProcess[str]:
        for name in NAMES:
            # It is asked whether it will do, and then told to make the environment, which it does not.
            script = tmp_path / name
            script.write_text(f'#!/bin/sh\n[ "$1" = -m ] || exit {int(name not in usable)}\n')
            script.chmod(0o755)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        return subprocess.run(
            ["make", "--silent", "VENV=venv", "venv/bin/python"],
            cwd=ROOT,
            env=inherited | {"PATH": os.pathsep.join([str(tmp_path), os.environ["PATH"]])},
            capture_output=True,
            text=True,
            check=False,
        )

    return make


@pytest.mark.parametrize(
    ("usable", "taken"),
    [
        (NAMES, "python3.11"),
        (["python3", "python3.12", "python3.13"], "python3.12"),
        (["python3", "python3.13"], "python3.13"),
        (["python3"], "python3"),
    ],
)
def test_the_one_that_all_was_run_with_comes_first(make, usable: list[str], taken: str) -> None:
    made = make(usable)
    assert (made.returncode, made.stdout, made.stderr) == (0, f"{taken} -m venv venv\n", "")


def test_none_that_will_do_is_told(make) -> None:
    made = make([])
    assert made.returncode == 2
    assert "No Python 3.11 or newer with its venv module found. Install one" in made.stderr
