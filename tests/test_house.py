"""What holds for the repository as a whole: its text, its versions, and what its wheel carries."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Put together here, so that this file does not hold what it looks for.
REGISTRY_HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "conda" + ".anaconda.org",
    "registry." + "npmjs.org",
]
MACHINE_PATHS = [
    "/wo" + "rk/",
    "/tmp" + "/w/",
    "/ro" + "ot/",
    "/opt/" + "py" + "pi",
    "/opt/" + "wheels",
    str(ROOT) + "/",
]


@pytest.fixture(scope="module")
def tracked_texts() -> dict[str, str]:
    """Return the text of each tracked file by its path in the repository."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout: nothing says which files are the project's")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = {name: ROOT / name for name in listed.stdout.split("\0") if name}
    texts = {name: path.read_text(errors="replace") for name, path in files.items() if path.is_file()}
    assert "pyproject.toml" in texts
    return texts


@pytest.mark.parametrize("needle", [*REGISTRY_HOSTS, *MACHINE_PATHS])
def test_no_tracked_file_names_a_registry_or_a_path_of_the_author_s_machine(
    tracked_texts: dict[str, str], needle: str
) -> None:
    found = [
        f"{name}:{number}"
        for name, text in tracked_texts.items()
        for number, line in enumerate(text.splitlines(), start=1)
        if needle in line
    ]
    assert found == []


@pytest.mark.parametrize("version", ["3.1.8", "3.3.2"])
def test_constraints_pin_each_package_and_name_no_source(version: str) -> None:
    lines = (ROOT / "constraints" / f"airflow-{version}.txt").read_text().splitlines()
    assert f"apache-airflow=={version}" in lines
    pin = re.compile(r"[a-z0-9._-]+==\S+( ; .+)?")
    assert [line for line in lines if not pin.fullmatch(line)] == []


def test_newest_changelog_entry_is_the_version_being_built() -> None:
    entries = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert entries[0] == PROJECT["version"]


def test_ci_runs_the_test_command_and_nothing_else() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test", "make system-test"]


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Build the wheel, which needs no network, and return the names of its files."""
    folder = tmp_path_factory.mktemp("dist")
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_wheel_carries_the_package_its_typing_and_the_example_dags(wheel_names: list[str]) -> None:
    assert "airflow_provider/mixpeek/__init__.py" in wheel_names
    assert "airflow_provider/mixpeek/py.typed" in wheel_names
    examples = {path.name for path in (ROOT / "example_dags").glob("*.py")}
    assert examples
    assert examples <= {
        name.removeprefix("airflow_provider_mixpeek/example_dags/")
        for name in wheel_names
        if name.startswith("airflow_provider_mixpeek/example_dags/")
    }


def test_wheel_carries_nothing_else(wheel_names: list[str]) -> None:
    dist_info = f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info/"
    ours = ("airflow_provider/mixpeek/", "airflow_provider_mixpeek/example_dags/", dist_info)
    assert [name for name in wheel_names if not name.startswith(ours)] == []


def test_importing_the_provider_is_cheap() -> None:
    program = (
        "import sys; from airflow_provider.mixpeek import get_provider_info; get_provider_info();"
        "print(sorted({'airflow', 'httpx', 'pandas', 'pydantic'} & sys.modules.keys()))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
