"""A whole Airflow from a wheel, each of its parts a process that a test may kill and start again."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from airflow_provider.mixpeek.client import MixpeekClient
from scripts.airflow_standalone import LOOPBACK, airflow_environment, free_port

from .processes import Process, until
from .rest import AirflowApi

ROOT = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"
KEY = "sk_system_5b0c2f7a_not+a/secret="
CONNECTIONS = {"current": "mixpeek_default", "legacy": "mixpeek_legacy"}


def install_wheel(folder: Path) -> Path:
    """
    Build the wheel of this checkout and install it into a fresh environment, with what Airflow needs.

    :return: The environment's folder of commands.
    """
    dist, venv = folder / "dist", folder / "venv"
    python = ROOT / ".venv" / "bin" / "python"
    _done([python, "-m", "hatchling", "build", "-t", "wheel", "-d", dist], cwd=ROOT)
    (wheel,) = dist.glob("*.whl")
    _done([python, "-m", "uv", "venv", "--quiet", "--python", python, venv])
    constraints = ROOT / "constraints" / "airflow-3.3.2.txt"
    _done(
        [
            *(python, "-m", "uv", "pip", "install", "--quiet", "--compile-bytecode"),
            *("--python", venv / "bin" / "python", "--constraint", constraints, f"{wheel}[demo,system]"),
        ]
    )
    return venv / "bin"


def _done(command: list[Any], **options: Any) -> str:
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    assert ran.returncode == 0, f"{command}: {ran.stdout}{ran.stderr}"
    return ran.stdout


@dataclass
class EmulatorProcess:
    """A Mixpeek server in a process of its own, that keeps everything in a file."""

    process: Process
    url: str
    generation: str

    def control(self, method: str, path: str, **arguments: Any) -> Any:
        answer = httpx.request(method, f"{self.url}/_emulator/{path}", trust_env=False, **arguments)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def state(self) -> dict[str, Any]:
        return self.control("GET", "state")

    def fault(self, *rules: dict[str, Any]) -> None:
        self.control("POST", "faults", json=list(rules))

    def reset(self) -> None:
        """Forget everything stored, counted and prescribed."""
        self.control("POST", "reset")

    def client(self) -> MixpeekClient:
        return MixpeekClient(KEY, namespace="shop", base_url=self.url, generation=self.generation)

    def start(self) -> None:
        """Start it, perhaps again, with what it had."""
        self.process.start()
        until("the emulator answers", self._answers, seconds=60)

    def _answers(self) -> bool:
        try:
            self.state()
        except httpx.TransportError:
            return False
        return True


@dataclass
class Stack:
    """
    An Airflow that runs.

    :param home: Its home, with ``logs``.
    :param parts: Its processes by name: ``api-server``, ``scheduler``, ``dag-processor``, ``triggerer`` and
        with Celery ``worker-1``, ``worker-2``.
    :param servers: The services beside it, ``postgres`` and ``redis``.
    :param emulators: By generation.
    :param database_url: SQLAlchemy's URL of its database.
    """

    home: Path
    bin: Path
    api: AirflowApi
    url: str
    environment: dict[str, str]
    database_url: str
    parts: dict[str, Process] = field(default_factory=dict)
    servers: dict[str, Process] = field(default_factory=dict)
    emulators: dict[str, EmulatorProcess] = field(default_factory=dict)

    @property
    def emulator(self) -> EmulatorProcess:
        """The one of the current generation."""
        return self.emulators["current"]

    def restart(self, name: str) -> None:
        """Kill a part without a word, and start it again."""
        self.parts[name].kill()
        self.parts[name].start()

    def is_healthy(self) -> bool:
        for part in (*self.parts.values(), *self.servers.values()):
            assert part.is_running, f"{part.name} has ended by itself:\n{part.tail()}"
        return self.api.is_healthy()

    def sql(self, statement: str) -> str:
        """What a statement selects from Airflow's Postgres, as its superuser."""
        return _done([*_psql(self.database_url), statement])

    def wait_until_healthy(self) -> None:
        until(f"Airflow is well, its logs are in {self.home}", self.is_healthy, seconds=180)


def with_sqlite(home: Path, _: ExitStack) -> tuple[str, dict[str, str], dict[str, Process]]:
    return f"sqlite:///{home}/airflow.db", {"AIRFLOW__CORE__EXECUTOR": "LocalExecutor"}, {}


def with_postgres(home: Path, stopped: ExitStack) -> tuple[str, dict[str, str], dict[str, Process]]:
    url, postgres = stopped.enter_context(running_postgres(home))
    settings = {
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": url.replace("psycopg2", "asyncpg"),
    }
    return url, settings, {"postgres": postgres}


def with_celery(home: Path, stopped: ExitStack) -> tuple[str, dict[str, str], dict[str, Process]]:
    url, settings, servers = with_postgres(home, stopped)
    redis_url, redis = stopped.enter_context(running_redis(home))
    settings |= {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": redis_url,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
        # What a worker had when it was killed goes to another one after so many seconds.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "300",
    }
    return url, settings, servers | {"redis": redis}


FLAVOURS: dict[str, Callable[[Path, ExitStack], tuple[str, dict[str, str], dict[str, Process]]]] = {
    "sqlite": with_sqlite,
    "postgres": with_postgres,
    "celery": with_celery,
}


@contextmanager
def running_stack(
    flavour: str, commands: Path, *, keep: Callable[[], bool], settings: Mapping[str, str] | None = None
) -> Iterator[Stack]:
    """
    Start an Airflow of a flavour with an emulator of each generation; leave no process of it behind.

    :param commands: The folder of commands of the environment that it runs in.
    :param keep: Asked at the end whether its home, with all logs, is to stay.
    :param settings: More of Airflow's environment.
    """
    home = Path(tempfile.mkdtemp(prefix=f"mixpeek-system-{flavour}-"))
    home.chmod(0o755)
    with ExitStack() as stopped:
        database_url, of_flavour, servers = FLAVOURS[flavour](home, stopped)
        url = f"http://{LOOPBACK}:{free_port()}"
        emulators = {generation: _emulator(home, commands, generation) for generation in CONNECTIONS}
        environment = _environment(home, commands, url, database_url, emulators)
        environment |= of_flavour | dict(settings or {})
        for emulator in emulators.values():
            stopped.callback(emulator.process.stop)
            emulator.start()
        _put_dags(home / "dags", commands)
        _done([commands / "airflow", "db", "migrate"], env=environment)
        api = AirflowApi(url)
        stopped.callback(api.close)
        stack = Stack(
            home=home,
            bin=commands,
            api=api,
            url=url,
            environment=environment,
            database_url=database_url,
            servers=servers,
            emulators=emulators,
        )
        for name, arguments in _parts(flavour).items():
            part = Process(
                name,
                [str(commands / "airflow"), *arguments],
                environment=environment,
                log=home / f"{name}.log",
            )
            stack.parts[name] = part
            stopped.callback(part.stop)
            part.start()
        stack.wait_until_healthy()
        yield stack
    if keep():
        print(f"\nThe logs of the Airflow with {flavour} are in {home}")
    else:
        shutil.rmtree(home)


def _parts(flavour: str) -> dict[str, list[str]]:
    parts = {name: [name] for name in ("api-server", "scheduler", "dag-processor", "triggerer")}
    if flavour == "celery":
        parts |= {
            f"worker-{number}": ["celery", "worker", "--celery-hostname", f"worker-{number}@%h"]
            for number in (1, 2)
        }
    return parts


def _environment(
    home: Path, commands: Path, url: str, database_url: str, emulators: Mapping[str, EmulatorProcess]
) -> dict[str, str]:
    connections = {
        f"AIRFLOW_CONN_{CONNECTIONS[generation].upper()}": json.dumps(
            {
                "conn_type": "mixpeek",
                "host": emulator.url,
                "password": KEY,
                "extra": {"namespace": "shop", "generation": generation},
            }
        )
        for generation, emulator in emulators.items()
    }
    temporary = home / "tmp"
    temporary.mkdir()
    return (
        airflow_environment(home, airflow_url=url, emulators={})
        | connections
        | {
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url,
            # A task whose supervisor is dead is tried again after so many seconds.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            # What a dead scheduler had goes to the next one after so many seconds.
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
            "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "5",
            "PATH": os.pathsep.join([str(commands), os.environ.get("PATH", os.defpath)]),
            "TMPDIR": str(temporary),
        }
    )


def _put_dags(folder: Path, commands: Path) -> None:
    """The example DAGs that the wheel carries, and those of these tests."""
    folder.mkdir()
    (examples,) = commands.parent.glob("lib/python*/site-packages/airflow_provider_mixpeek/example_dags")
    for file in [*examples.glob("*.py"), *DAGS.glob("*.py")]:
        shutil.copy(file, folder)


def _emulator(home: Path, commands: Path, generation: str) -> EmulatorProcess:
    port = free_port()
    command = [
        *(str(commands / "python"), "-m", "airflow_provider.mixpeek.emulator", "--port", str(port)),
        *("--generation", generation, "--api-key", KEY, "--namespace", "shop"),
        *("--database", str(home / f"emulator-{generation}.db")),
    ]
    process = Process(
        f"emulator-{generation}",
        command,
        environment=dict(os.environ),
        log=home / f"emulator-{generation}.log",
    )
    return EmulatorProcess(process, f"http://{LOOPBACK}:{port}", generation)


def _psql(url: str) -> list[str]:
    return ["psql", url.replace("+psycopg2", ""), "--no-psqlrc", "--tuples-only", "--command"]


@contextmanager
def running_postgres(home: Path) -> Iterator[tuple[str, Process]]:
    """Start a Postgres of its own; give SQLAlchemy's URL of an empty database in it."""
    commands = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    assert commands, "there is no Postgres: scripts/system_packages.sh installs it"
    binaries = commands[-1]
    # Postgres refuses to run as root.
    options: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    data = home / "postgres"
    data.mkdir()
    if options:
        shutil.chown(data, "postgres", "postgres")
    data.chmod(0o700)
    _done(
        [binaries / "initdb", "-D", data, "-U", "airflow", "--auth", "trust", "--no-sync"], **options, cwd="/"
    )
    port = free_port()
    command = [
        *(str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data)),
        *("-c", f"listen_addresses={LOOPBACK}", "-c", "fsync=off", "-c", "max_connections=300"),
    ]
    process = Process(
        "postgres", command, environment=dict(os.environ), log=home / "postgres.log", cwd="/", **options
    )
    process.start()
    try:
        url = f"postgresql+psycopg2://airflow@{LOOPBACK}:{port}"
        psql = _psql(f"{url}/postgres")

        def answers() -> bool:
            assert process.is_running, process.tail()
            return subprocess.run([*psql, "SELECT 1"], capture_output=True).returncode == 0

        until("Postgres answers", answers, seconds=60)
        _done([*psql, "CREATE DATABASE airflow"])
        yield f"{url}/airflow", process
    finally:
        process.stop()


@contextmanager
def running_redis(home: Path) -> Iterator[tuple[str, Process]]:
    """Start a Redis of its own; give its URL."""
    command = shutil.which("redis-server")
    assert command, "there is no Redis: scripts/system_packages.sh installs it"
    port = free_port()
    process = Process(
        "redis",
        [command, "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", str(home)],
        environment=dict(os.environ),
        log=home / "redis.log",
    )
    process.start()
    try:
        until("Redis is ready", lambda: "Ready to accept" in process.tail(), seconds=30)
        yield f"redis://{LOOPBACK}:{port}/0", process
    finally:
        process.stop()
