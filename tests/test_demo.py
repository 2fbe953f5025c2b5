"""``make demo`` in small: the script runs to its end, keeps its promises, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[1] / "scripts" / "demo.py"


@pytest.mark.system
def test_the_demo_stores_each_film_once_and_ends_by_itself(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, DEMO], env=environment, capture_output=True, text=True, timeout=240, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "rows read    17,472",
        "created      17,470",
        "rejected     2",
        "its key came before",
        "task status  18 COMPLETED",
        "replayed     17,470",
        "ok  the second run created nothing",
        "ok  each object was processed once",
    ):
        assert line in done.stdout
    assert list(tmp_path.glob("mixpeek-demo-*")) == []
    assert "sk_demo" not in done.stdout
