"""The wheel, the locks and the version: what an installation is made of."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import engine
from engine.resources import project_path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def entries(lock: Path) -> dict[str, str]:
    """Name to text of each requirement; a name that stands twice (by marker) keeps all its lines."""
    text = re.sub(r"^ *#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=\S)", text.strip()):
        name = re.split(r"[=\[ ]", entry, maxsplit=1)[0]
        found[name] = found.get(name, "") + entry
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what an installer would put into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("mpsclip-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_wheel_finds_its_own_resources_and_version(installed: Path) -> None:
    code = (
        "import engine; from engine.resources import resource_path; from engine.models.catalogue import catalogue;"
        "print(engine.__version__, resource_path('models.json'), catalogue().ids[0], sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(installed)}, cwd=installed, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        engine.__version__,
        str(installed / "engine" / "_data" / "resources" / "models.json"),
        "rsicd-mini",
    ], done.stderr


def test_wheel_holds_every_resource_of_the_checkout_and_nothing_of_the_tests(installed: Path) -> None:
    packed = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    tracked = subprocess.run(["git", "ls-files", "resources"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {f"engine/_data/{name}" for name in tracked.stdout.split()} <= packed
    assert {name.split("/")[0] for name in packed} == {"engine", f"mpsclip-{engine.__version__}.dist-info"}


def test_console_script_is_named_mpsclip(installed: Path) -> None:
    text = (installed / f"mpsclip-{engine.__version__}.dist-info" / "entry_points.txt").read_text()
    assert "mpsclip = engine.__main__:main" in text


def test_metadata_alone_states_the_version() -> None:
    stated = re.findall(r"^version=(.+)$", project_path("metadata.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated == [engine.__version__]
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dynamic"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_file_has_a_hash(lock: Path) -> None:
    assert [name for name, text in entries(lock).items() if "--hash=sha256:" not in text or "==" not in text] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_lock_names_a_host_or_a_folder(lock: Path) -> None:
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if re.search(r"://|find-links|index-url|^-e |@ ", line)] == []


@pytest.mark.parametrize(("smaller", "larger"), [("engine.txt", "samgeo.txt"), ("samgeo.txt", "dev.txt")])
def test_each_lock_holds_the_smaller_one(smaller: str, larger: str) -> None:
    def versions(lock: str) -> dict[str, set[str]]:
        return {name: set(re.findall(r"==(\S+)", text)) for name, text in entries(ROOT / "requirements" / lock).items()}

    part, whole = versions(smaller), versions(larger)
    # The larger may need a package on a Python where the smaller does not.
    assert {name: missing for name in part if (missing := part[name] - whole.get(name, set()))} == {}


def test_locks_hold_every_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    runtime = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    samgeo = [name for name in extras["samgeo"] + extras["langsam"] if not name.startswith("mpsclip[")]
    development = [*project["dependency-groups"]["dev"], *extras["train"], *samgeo]

    def names(requirements: list[str]) -> set[str]:
        return {re.split(r"[><=\[]", text)[0].replace("_", "-").lower() for text in requirements}

    assert names(runtime) - entries(ROOT / "requirements" / "engine.txt").keys() == set()
    assert names(runtime + samgeo) - entries(ROOT / "requirements" / "samgeo.txt").keys() == set()
    assert names(runtime + development) - entries(ROOT / "requirements" / "dev.txt").keys() == set()
