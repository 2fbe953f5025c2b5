"""
``make demo``: the example DAG ``mixpeek_films`` on a real Airflow, twice, against the emulator.

Starts the emulator in this process, gives Airflow a home of its own in a temporary folder, and runs each DAG
run in a child process whose log is shown only when something goes wrong. Nothing is left behind.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DAGS = ROOT / "example_dags"
DAG_FILE = DAGS / "example_films.py"
API_KEY = "sk_demo_not_a_secret"
TASK_SECONDS = 2.0


def main() -> int:
    """Run the demo and return the exit status."""
    from airflow_provider.mixpeek.emulator import Emulator

    with (
        tempfile.TemporaryDirectory(prefix="mixpeek-demo-") as folder,
        Emulator(api_keys=[API_KEY], task_seconds=TASK_SECONDS) as emulator,
    ):
        home = Path(folder)
        environment = airflow_environment(home, emulator.url)
        say(f"Mixpeek emulator at {emulator.url}, Airflow's home in {home}")
        say("Preparing Airflow's database ...")
        run([sys.executable, "-m", "airflow", "db", "migrate"], environment, home / "migrate.log")
        results: list[dict[str, Any]] = []
        for title in ("First run", "Second run, same films"):
            say(f"{title}: DAG mixpeek_films ...")
            results.append(dag_run(environment, home / f"run-{len(results) + 1}"))
            show(title, results[-1])
        stored = emulator.state()
    return judge(results, stored)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    print(text, flush=True)


def airflow_environment(home: Path, url: str) -> dict[str, str]:
    """Environment of an Airflow that knows nothing but the example DAGs and the emulator."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))
    }
    connection = {
        "conn_type": "mixpeek",
        "password": API_KEY,
        "host": url,
        "extra": {"namespace": "demo"},
    }
    return kept | {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_MIXPEEK_DEFAULT": json.dumps(connection),
        # What tasks make temporarily is removed with everything else.
        "TMPDIR": str(home),
    }


def run(command: list[str], environment: dict[str, str], log: Path) -> None:
    """Run a command to its end; show its log if it fails."""
    with log.open("wb") as output:
        status = subprocess.run(  # noqa: S603 - our own commands
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if status.returncode != 0:
        say(log.read_text(errors="replace")[-20_000:])
        raise SystemExit(f"{' '.join(command)} failed with status {status.returncode}; its log is above.")


def dag_run(environment: dict[str, str], stem: Path) -> dict[str, Any]:
    """One DAG run in a process of its own."""
    result = stem.with_suffix(".json")
    run([sys.executable, __file__, "--dag-run", str(result)], environment, stem.with_suffix(".log"))
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def show(title: str, result: dict[str, Any]) -> None:
    """Print one run as a small table."""
    counts = result["counts"]
    lines = [
        ("rows read", f"{counts['rows_read']:,}"),
        ("created", f"{counts['created']:,}"),
        ("replayed", f"{counts['replayed']:,}"),
        ("rejected", f"{counts['rejected']:,}"),
        *(("", reason) for reason in result["reasons"]),
        ("batches", str(result["batches"])),
        (
            "task status",
            ", ".join(f"{count} {word}" for word, count in result["statuses"].items())
            or "nothing to wait for",
        ),
        ("DAG run", result["state"]),
        ("seconds", f"{result['seconds']:.1f}"),
    ]
    say("")
    say(title)
    for label, value in lines:
        say(f"  {label:<12} {value}")
    say("")


def judge(results: list[dict[str, Any]], stored: dict[str, Any]) -> int:
    """Hold the runs against what the server has: the demo fails when a promise does."""
    first, second = (result["counts"] for result in results)
    once = {"1": first["created"]}
    say(f"The server holds {stored['objects']:,} objects; processed how often: {stored['objects_processed']}")
    promises = {
        "every row is accounted for": first["rows_read"] == first["created"] + first["rejected"] > 0,
        "the second run created nothing": second["created"] == 0 and second["replayed"] == first["created"],
        "objects == rows, once each": stored["objects"] == first["created"],
        "each object was processed once": stored["objects_processed"] == once,
    }
    for promise, kept in promises.items():
        say(f"  {'ok ' if kept else 'NO '} {promise}")
    return 0 if all(promises.values()) else 1


def child(result: Path) -> None:
    """What the child process does: run the DAG, and write down what came of it."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(DAG_FILE.stem, DAG_FILE)
    assert spec is not None  # noqa: S101 - it names a file
    assert spec.loader is not None  # noqa: S101 - that is Python
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dag = module.objects.dag

    started = time.monotonic()
    with rejections() as reasons:
        outcome = dag.test()
    seconds = time.monotonic() - started
    if outcome.state != "success":
        sys.exit(f"The DAG run ended as {outcome.state}.")

    create = outcome.get_task_instance("create_objects")
    names = ("rows_read", "created", "replayed", "rejected")
    waits = create.xcom_pull(task_ids="create_objects", key="waits")
    found = {
        "state": outcome.state,
        "seconds": seconds,
        "counts": {name: create.xcom_pull(task_ids="create_objects", key=name) for name in names},
        "reasons": reasons,
        "batches": len(waits),
        "statuses": statuses(waits),
    }
    result.write_text(json.dumps(found))


def statuses(waits: list[dict[str, str]]) -> dict[str, int]:
    """How the tasks ended, in the server's words."""
    from airflow_provider.mixpeek.hooks.mixpeek import MixpeekHook

    with MixpeekHook().get_client() as mixpeek:
        return dict(Counter(mixpeek.tasks.get(wait["task_id"]).status for wait in waits))


@contextmanager
def rejections() -> Iterator[list[str]]:
    """Listen to what ingestion logs of rejected rows: which, and why."""
    heard: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if message.startswith("Rejected "):
                heard.append(message.removeprefix("Rejected "))

    listener = Listener()
    logger = logging.getLogger("airflow_provider.mixpeek.ingest")
    logger.addHandler(listener)
    try:
        yield heard
    finally:
        logger.removeHandler(listener)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--dag-run"]:
        child(Path(sys.argv[2]))
    else:
        sys.exit(main())
