"""The plugin's zip (scripts/make_zip.py): its bytes, its contents, the repository's scans, and QGIS that loads it."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "make_zip.py"
DRIVER = Path(__file__).resolve().parent / "support" / "driver.py"
LARGEST = 25_000_000
# The plugin is enabled, and QGIS asks nothing at its first start.
START = "[PythonPlugins]\nqgis_mpsclip=true\n[migration]\nfirstRunVersionFlag=30000\nfileVersion=2\n"
# The plugin repository looks for these in a version's metadata.
WANTED_METADATA = {
    "name",
    "description",
    "about",
    "version",
    "qgisMinimumVersion",
    "qgisMaximumVersion",
    "author",
    "email",
    "tracker",
    "repository",
    "homepage",
    "category",
    "tags",
    "icon",
    "license",
    "changelog",
    "hasProcessingProvider",
}


def build(out: Path, script: Path = SCRIPT) -> Path:
    done = subprocess.run([sys.executable, str(script), "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def plugin_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("zip") / "plugin.zip")


@pytest.fixture(scope="module")
def unpacked(plugin_zip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the zip's one top folder in it."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(plugin_zip) as archive:
        archive.extractall(folder)
    return folder


def test_two_builds_have_the_same_bytes(plugin_zip: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "again.zip").read_bytes() == plugin_zip.read_bytes()


def test_zip_keeps_to_the_repositorys_size_and_layout(plugin_zip: Path) -> None:
    assert plugin_zip.stat().st_size <= LARGEST
    with zipfile.ZipFile(plugin_zip) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    assert names == sorted(set(names))
    assert {name.split("/")[0] for name in names} == {"qgis_mpsclip"}
    assert [name for name in names if any(part.startswith((".", "__pycache__")) for part in name.split("/"))] == []
    assert [name for name in names if name.endswith((".pyc", ".so", ".dll", ".exe", ".sh", ".bat"))] == []
    assert {member.external_attr >> 16 for member in members} == {0o100644}
    assert len({member.date_time for member in members}) == 1


def test_zip_holds_the_plugin_the_engine_and_what_installs_it(unpacked: Path) -> None:
    plugin = unpacked / "qgis_mpsclip"
    tracked = subprocess.run(
        ["git", "ls-files", "qgis_mpsclip", "engine", "resources"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    for name in tracked:
        packed = unpacked / name if name.startswith("qgis_mpsclip/") else plugin / "engine_src" / name
        assert packed.read_bytes() == (ROOT / name).read_bytes(), name
    assert (plugin / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (plugin / "engine_src" / "metadata.txt").read_bytes() == (plugin / "metadata.txt").read_bytes()
    locks = {path.name for path in (plugin / "engine_src" / "requirements").iterdir()}
    assert locks == {"build.txt", "engine.txt", "samgeo.txt"}


def test_zip_holds_the_pages_of_the_help_with_their_pictures(unpacked: Path) -> None:
    docs = unpacked / "qgis_mpsclip" / "docs"
    for page in ("user-guide.md", "processing.md"):
        text = (docs / page).read_text(encoding="utf-8")
        assert text == (ROOT / "docs" / page).read_text(encoding="utf-8")
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
            assert (docs / picture).is_file(), picture


def test_metadata_is_that_of_the_checkout_also_where_git_makes_no_links(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    command = ["git", "clone", "--quiet", "--depth", "1", "-c", "core.symlinks=false", ROOT.as_uri(), str(clone)]
    subprocess.run(command, check=True)
    assert not (clone / "qgis_mpsclip" / "metadata.txt").is_symlink()
    shutil.copyfile(SCRIPT, clone / "scripts" / "make_zip.py")
    with zipfile.ZipFile(build(tmp_path / "plugin.zip", clone / "scripts" / "make_zip.py")) as archive:
        assert archive.read("qgis_mpsclip/metadata.txt") == (clone / "metadata.txt").read_bytes()


def test_zip_with_other_metadata_is_refused(plugin_zip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import make_zip

    assert make_zip.check(plugin_zip) == plugin_zip.stat().st_size
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(plugin_zip) as archive, zipfile.ZipFile(broken, "w") as made:
        for name in archive.namelist():
            link = name == "qgis_mpsclip/metadata.txt"
            made.writestr(name, b"../metadata.txt" if link else archive.read(name))
    with pytest.raises(make_zip.PackagingError, match="not the checkout's metadata"):
        make_zip.check(broken)


def test_metadata_is_complete_and_names_files_that_are_there(unpacked: Path) -> None:
    ini = configparser.ConfigParser(interpolation=None)
    ini.optionxform = str
    ini.read(unpacked / "qgis_mpsclip" / "metadata.txt", encoding="utf-8")
    general = dict(ini["general"])
    assert [key for key in sorted(WANTED_METADATA) if not general.get(key)] == []
    assert "supportsQt6" not in general
    assert (unpacked / "qgis_mpsclip" / general["icon"]).is_file()
    assert (general["qgisMinimumVersion"], general["qgisMaximumVersion"]) == ("3.40", "4.99")


def test_bandit_finds_nothing_in_the_zip(unpacked: Path, engine_python: Path) -> None:
    command = [str(engine_python), "-m", "bandit", "--quiet", "--recursive", "--format", "json", str(unpacked)]
    done = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["errors"] == []
    assert [f"{row['filename']}:{row['line_number']} {row['test_id']}" for row in report["results"]] == []


def test_detect_secrets_finds_nothing_in_the_zip(unpacked: Path, engine_python: Path) -> None:
    """As the plugin repository runs it, so without the checkout's baseline."""
    command = [str(engine_python), "-m", "detect_secrets", "scan", "--all-files", "--exclude-files", r"metadata\.txt"]
    # The weights are a megabyte-long line of numbers to it, and take minutes.
    command += ["--exclude-files", r"\.safetensors$", "."]
    done = subprocess.run(command, cwd=unpacked, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["results"] == {}


@pytest.mark.slow
def test_qgis_loads_the_zip_from_a_fresh_profile_and_searches_with_its_engine(
    plugin_zip: Path,
    engine_python: Path,
    engine_environment: dict[str, str],
    scene_raster: Path,
    screen: str,
    tmp_path: Path,
) -> None:
    program = shutil.which("qgis")
    if program is None:
        pytest.skip("the program qgis is not on PATH")
    profile = tmp_path / "profiles" / "default"
    plugins = profile / "python" / "plugins"
    with zipfile.ZipFile(plugin_zip) as archive:
        archive.extractall(plugins)
    for name in ("QGIS3.ini", "QGIS4.ini"):
        ini = profile / "QGIS" / name
        ini.parent.mkdir(exist_ok=True)
        ini.write_text(START, encoding="utf-8")
    report = tmp_path / "report.json"
    environment = {
        **engine_environment,
        "MPSCLIP_PYTHON": str(engine_python),
        "MPSCLIP_TEST_REPORT": str(report),
        "MPSCLIP_TEST_SCENE": str(scene_raster),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "DISPLAY": screen,
    }
    command = [program, "--profiles-path", str(tmp_path), "--profile", "default", "--nologo", "--code", str(DRIVER)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert report.is_file(), done.stderr
    found = json.loads(report.read_text(encoding="utf-8"))
    assert "error" not in found, found["error"]
    installed = plugins / "qgis_mpsclip"
    assert found["active"]
    assert found["package"] == str(installed / "__init__.py")
    assert found["engine_folder"] == str(installed / "engine_src")
    assert found["icon"] == "icons/mpsclip.svg"
    assert {"mpsclip:searchimagery", "mpsclip:buildindex", "mpsclip:batchsearch", "mpsclip:enginestatus"} <= set(
        found["algorithms"]
    )
    assert f"version={found['version']}" in (installed / "metadata.txt").read_text(encoding="utf-8").splitlines()
    assert found["hits"] == 3
    assert found["layers_written"]
    assert found["unloaded"]
    assert not found["provider_after_unload"]
