"""The hunt: a run that succeeds and some that fail, with everything logged; the key is nowhere afterwards."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import pytest

from .conftest import keep_logs
from .stack import KEY, Stack, running_stack
from .test_chaos import written

pytestmark = pytest.mark.system

FORMS = {
    "as it is": KEY,
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64, as a user without a password": base64.b64encode(f"{KEY}:".encode()).decode(),
    "in base64, as a password": base64.b64encode(f":{KEY}".encode()).decode(),
    "in base64 for URLs": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "quoted": quote(KEY, safe=""),
    "quoted, with slashes": quote(KEY),
    "quoted for a form": quote_plus(KEY),
    "in JSON": json.dumps(KEY)[1:-1],
    "in hex": KEY.encode().hex(),
}
#: What is a secret in a presigned URL, wherever and however much of it is shown.
SIGNED = ("X-Amz-Signature", "x-amz-signature", "/_storage/")
OBJECTS = "/v1/buckets/*/objects/batch"
BATCHES = "/v1/buckets/*/batches"
#: Everything that a server can do to a load; a body that tells the key back is what careless servers do.
FAILURES: dict[str, dict[str, Any]] = {
    "refused": {"fault": "status", "status": 401, "path": OBJECTS, "body": {"detail": f"bad key {KEY}"}},
    "forbidden": {"fault": "status", "status": 403, "path": BATCHES},
    "malformed": {"fault": "status", "status": 422, "path": OBJECTS, "body": {"detail": f"Bearer {KEY}"}},
    "broken": {"fault": "status", "status": 200, "path": OBJECTS, "body": {"key": KEY}},
    "html": {
        "fault": "status",
        "status": 418,
        "path": OBJECTS,
        "body": f"<html>{KEY}</html>",
        "headers": {"Content-Type": "text/html"},
    },
    "rows refused": {
        "fault": "status",
        "status": 200,
        "path": OBJECTS,
        "body": {
            "succeeded": [],
            "failed": [
                {"object_index": n, "error": f"key {KEY}", "error_type": "ValidationError"}
                for n in range(100)
            ],
        },
    },
    "work failed": {"fault": "task_outcome", "status": "FAILED", "error": f"key {KEY} has no quota"},
}
#: What can happen to a file; a storage that repeats the URL is what some do.
UPLOAD_FAILURES: dict[str, dict[str, Any]] = {
    "refused": {"fault": "status", "status": 401, "path": "/v1/buckets/*/uploads", "body": {"detail": KEY}},
    "too large": {"fault": "status", "status": 413, "path": "/v1/buckets/*/uploads"},
    "storage refuses": {
        "fault": "status",
        "status": 400,
        "path": "/_storage/*",
        "body": "<Error><Code>InvalidArgument</Code><URL>https://x/_storage/x?X-Amz-Signature=1</URL></Error>",
    },
    "expires": {
        "fault": "status",
        "status": 403,
        "path": "/_storage/*",
        "body": "<Error><Code>ExpiredToken</Code><URL>https://x/_storage/x?X-Amz-Signature=1</URL></Error>",
    },
    "confirmation fails": {"fault": "status", "status": 422, "path": "/v1/buckets/*/uploads/*/confirm"},
}


@pytest.fixture(scope="module")
def loud(request: pytest.FixtureRequest, commands: Path) -> Iterator[Stack]:
    """An Airflow that logs all it can, whose workers know the connection from its database."""
    settings = {"AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"}
    with running_stack("postgres", commands, keep=keep_logs(request), settings=settings) as stack:
        yield stack


def test_key_is_in_no_log_no_table_no_answer_and_no_command_line(loud: Stack, tmp_path: Path) -> None:
    host, port = loud.emulator.url.rsplit(":", 1)
    connection = {
        "connection_id": "from_the_database",
        "conn_type": "mixpeek",
        "host": host,
        "port": int(port),
        "password": KEY,
        "extra": json.dumps({"namespace": "shop"}),
    }
    loud.api.call("POST", "/connections", json=connection)
    loud.api.call("POST", "/connections/test", json=connection)
    rows = written(tmp_path / "rows.csv", 500)
    runs = [("system_load", "success"), ("system_sensor", "success"), ("system_from_database", "success")]
    told: list[str] = []
    for dag_id, state in runs:
        run_id = loud.api.trigger(dag_id, rows=rows)
        assert loud.api.wait(dag_id, run_id) == state, loud.api.story(dag_id, run_id)
        told.append(everything(loud, dag_id, run_id))
    for fault in FAILURES.values():
        loud.emulator.reset()
        loud.emulator.fault(fault)
        run_id = loud.api.trigger("system_fails", rows=rows)
        assert loud.api.wait("system_fails", run_id) == "failed", fault
        told.append(everything(loud, "system_fails", run_id))
    folder = pictures(tmp_path)
    loud.emulator.reset()
    run_id = loud.api.run("system_uploads", folder=folder)
    told.append(everything(loud, "system_uploads", run_id))
    with loud.emulator.client() as mixpeek:
        upload = next(iter(mixpeek.uploads.list(mixpeek.buckets.find("pictures").bucket_id)))
    for fault in UPLOAD_FAILURES.values():
        loud.emulator.reset()
        loud.emulator.fault(fault)
        run_id = loud.api.trigger("system_uploads", folder=folder)
        assert loud.api.wait("system_uploads", run_id) == "failed", fault
        told.append(everything(loud, "system_uploads", run_id))

    hunted = {f"what the API says of run {number}": text for number, text in enumerate(told)}
    for file in loud.home.rglob("*"):
        if file.is_file() and "postgres" not in file.parts and not file.name.startswith("emulator-"):
            hunted[str(file)] = file.read_text(errors="replace")
    hunted["the database"] = dump(loud)
    hunted["command lines"] = "\n".join(command_lines())
    # That something was there to be found.
    assert sum("system_fails" in text for text in hunted.values()) > 10
    assert "from_the_database" in hunted["the database"]
    assert any("DEBUG" in text or "debug" in text for text in hunted.values())
    assert upload.object_id is not None
    assert any(upload.object_id in text for text in hunted.values())
    forms = FORMS | {f"a presigned URL ({part})": part for part in SIGNED}
    found = [
        f"{where}: {form}" for where, text in hunted.items() for form, key in forms.items() if key in text
    ]
    assert found == []


def pictures(folder: Path) -> str:
    """Some files that workers may read, and a table that names them."""
    names = [f"picture-{number}.png" for number in range(3)]
    for name in names:
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n" + name.encode())
    lines = [f"{folder / name},{name}" for name in names]
    (folder / "pictures.csv").write_text("\n".join(["file,title", *lines]))
    return str(folder)


def everything(stack: Stack, dag_id: str, run_id: str) -> str:
    """What the API tells of a run: logs of all tries, rendered templates, XComs."""
    parts = []
    for task in stack.api.tasks(dag_id, run_id):
        parts.append(json.dumps(task))
        parts += [
            stack.api.task_log(dag_id, run_id, task, number) for number in range(1, task["try_number"] + 1)
        ]
        for entry in stack.api.xcoms(dag_id, run_id, task):
            parts.append(json.dumps(stack.api.xcom(dag_id, run_id, task["task_id"], entry["key"])))
    return "\n".join(parts)


def dump(stack: Stack) -> str:
    """All of Airflow's database as text, with what it keeps as bytes."""
    url = stack.database_url.replace("+psycopg2", "")
    ran = subprocess.run(
        ["pg_dump", "--data-only", "--inserts", url], capture_output=True, text=True, errors="replace"
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def command_lines() -> list[str]:
    """Of all processes but emulators, of this Airflow and of others, whose own keys are given there."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if "airflow_provider.mixpeek.emulator" not in line]
