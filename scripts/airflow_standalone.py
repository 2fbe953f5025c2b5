"""Run Airflow with this provider, its example DAGs and two local Mixpeek emulators, until Ctrl-C or SIGTERM.

One emulator speaks the current generation of the API and one the legacy; each has a connection. Airflow's
home is a temporary folder, the emulators keep their state in memory: each start begins from nothing, and
nothing stays behind.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

REPOSITORY = Path(__file__).resolve().parent.parent
LOOPBACK = "127.0.0.1"
CONNECTIONS = {"current": "mixpeek_default", "legacy": "mixpeek_legacy"}
START_SECONDS = 180.0
STOP_SECONDS = 10.0

# A proxy that the shell names is not for this machine's own ports.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotRunningError(Exception):
    """A process ended that should run, or did not answer in time."""


@dataclass(slots=True)
class Stop:
    """Whether a signal has asked to stop.

    A plain flag: a handler runs in the middle of whatever the main thread does, and the lock of a
    ``threading.Event`` could be held just then.
    """

    requested: bool = False

    def request(self, *_: object) -> None:
        """Handle a signal."""
        self.requested = True


def main() -> int:
    """Start everything, print where it is, wait for a signal, stop everything; return the exit code."""
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop.request)
    with tempfile.TemporaryDirectory(prefix="mixpeek-airflow-") as home:
        try:
            serve(Path(home), stop)
        except NotRunningError as error:
            for log in sorted(Path(home).glob("*.log")):
                print(
                    f"--- {log.name} ends so:", *log.read_text().splitlines()[-40:], sep="\n", file=sys.stderr
                )
            print(error, file=sys.stderr)
            return 1
    return 0


def serve(home: Path, stop: Stop) -> None:
    """Run the emulators and Airflow until a stop is requested.

    :raises NotRunningError: one of them ended by itself or did not come up
    """
    ports = {"current": free_port(8700), "legacy": free_port(8701)}
    emulators = {generation: f"http://{LOOPBACK}:{port}" for generation, port in ports.items()}
    airflow_url = f"http://{LOOPBACK}:{free_port(8080)}"
    airflow_command = [str(Path(sys.executable).with_name("airflow")), "standalone"]
    environment = airflow_environment(home, airflow_url=airflow_url, emulators=emulators)

    def is_ready() -> bool:
        return all(map(emulator_answers, emulators.values())) and airflow_is_healthy(airflow_url)

    print("Starting; this takes some 20 seconds...", flush=True)
    with ExitStack() as started:
        processes = {
            f"The {generation} emulator": started.enter_context(
                running(
                    emulator_command(generation, port),
                    environment=os.environ,
                    log=home / f"emulator-{generation}.log",
                )
            )
            for generation, port in ports.items()
        }
        processes["Airflow"] = started.enter_context(
            running(airflow_command, environment=environment, log=home / "airflow.log")
        )
        if until(is_ready, processes, stop):
            print(
                f"Airflow: {airflow_url} (no login needed)",
                *(
                    f"Mixpeek emulator, {generation}: {url} (connection {CONNECTIONS[generation]})"
                    for generation, url in emulators.items()
                ),
                f"Logs: {home}",
                "Ctrl-C stops all of them.",
                sep="\n",
                flush=True,
            )
            until(lambda: False, processes, stop, seconds=float("inf"))
        with suppress(OSError):  # the terminal may be gone
            print("Stopping...", flush=True)


def emulator_command(generation: str, port: int) -> list[str]:
    """Return the command that runs an emulator of a generation."""
    module = "airflow_provider.mixpeek.emulator"
    return [sys.executable, "-m", module, "--generation", generation, "--port", str(port)]


def airflow_environment(home: Path, *, airflow_url: str, emulators: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an Airflow that knows nothing of any other Airflow on this machine.

    :param emulators: Generation -> URL.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    connections = {
        f"AIRFLOW_CONN_{CONNECTIONS[generation].upper()}": json.dumps(
            {
                "conn_type": "mixpeek",
                "host": url,
                "password": "sk_local_emulator",
                "extra": {"namespace": "local", "generation": generation},
            }
        )
        for generation, url in emulators.items()
    }
    return (
        inherited
        | connections
        | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__API__BASE_URL": airflow_url,
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": airflow_url.rpartition(":")[2],
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "example_dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{airflow_url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "NO_PROXY": ",".join(filter(None, [os.environ.get("NO_PROXY"), LOOPBACK])),
            # `airflow standalone` looks for `airflow` on the path.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        }
    )


@contextmanager
def running(
    command: Sequence[str], *, environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a session of its own; at the end leave no process of that session behind."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the commands are this module's own
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop_session(process)


def stop_session(process: subprocess.Popen[bytes]) -> None:
    """Ask a session's leader to stop, and kill what is left of the session after :data:`STOP_SECONDS`.

    Airflow puts each task into a process group of its own, but they all stay in the leader's session.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)  # the one that `airflow standalone` passes on to its parts
    deadline = time.monotonic() + STOP_SECONDS
    while (process.poll() is None or session_members(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    # Killing one member can let another start a third: until none is seen.
    while members := session_members(process.pid):
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.poll()
        time.sleep(0.1)


def session_members(session: int) -> list[int]:
    """Return the ids of the live processes of a session."""
    members = []
    for candidate in psutil.process_iter(["status"]):
        with suppress(ProcessLookupError, PermissionError):
            if os.getsid(candidate.pid) == session and candidate.info["status"] != psutil.STATUS_ZOMBIE:
                members.append(candidate.pid)
    return members


def until(
    condition: Callable[[], bool],
    processes: Mapping[str, subprocess.Popen[bytes]],
    stop: Stop,
    *,
    seconds: float = START_SECONDS,
) -> bool:
    """Wait for a condition while all processes run.

    :return: whether it was met; False when a stop was requested first
    :raises NotRunningError: a process ended, or the seconds ran out
    """
    deadline = time.monotonic() + seconds
    while not stop.requested:
        for name, process in processes.items():
            if process.poll() is not None:
                raise NotRunningError(
                    f"{name} ended by itself with exit code {process.returncode}; the logs are above."
                )
        if condition():
            return True
        if time.monotonic() > deadline:
            raise NotRunningError(f"Not ready after {seconds:.0f} s; the logs are above.")
        time.sleep(0.5)
    return False


def emulator_answers(url: str) -> bool:
    """Say whether the emulator serves requests."""
    return get_json(f"{url}/_emulator/state") is not None


def airflow_is_healthy(url: str) -> bool:
    """Say whether all parts of Airflow report that they are well."""
    health = get_json(f"{url}/api/v2/monitor/health")
    parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
    return health is not None and all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def get_json(url: str) -> dict[str, Any] | None:
    """Return the JSON object at a URL; None while nobody answers there."""
    try:
        with _opener.open(url, timeout=5) as answer:
            found = json.load(answer)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def free_port(wanted: int = 0) -> int:
    """Return the wanted port when it is free, else any that is."""
    for port in (wanted, 0):
        with socket.socket() as candidate, suppress(OSError):
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind((LOOPBACK, port))
            return int(candidate.getsockname()[1])
    raise NotRunningError("This machine has no free port left.")


if __name__ == "__main__":
    sys.exit(main())
