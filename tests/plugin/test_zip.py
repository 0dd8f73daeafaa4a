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
from types import ModuleType
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "make_zip.py"
DRIVER = Path(__file__).resolve().parent / "support" / "driver.py"
LARGEST = 25_000_000
# Windows takes 260 letters, of which the profile's plugin folder needs some 80.
LONGEST_NAME = 120
# First bytes of what a system runs or loads: ELF, Windows, macOS (both byte orders, both widths, and fat ones).
PROGRAMS = (b"\x7fELF", b"MZ", b"\xfe\xed\xfa", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"#!")
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
    command = [sys.executable, str(script), "--working-tree", "--out", str(out)]  # also between two commits
    done = subprocess.run(command, capture_output=True, text=True)
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


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last commit as a checkout of its own where git makes no links, with the present script."""
    folder = tmp_path_factory.mktemp("clone") / "clone"
    command = ["git", "clone", "--quiet", "--shared", "-c", "core.symlinks=false", str(ROOT), str(folder)]
    subprocess.run(command, check=True)
    shutil.copyfile(SCRIPT, folder / "scripts" / "make_zip.py")
    return folder


@pytest.fixture
def make_zip(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import make_zip

    return make_zip


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
    # Regular files all, so no links and nothing that may be run.
    assert {member.external_attr >> 16 for member in members} == {0o100644}
    assert [name for name in names if not name.isascii() or len(name) > LONGEST_NAME] == []
    assert len({member.date_time for member in members}) == 1


def test_no_file_of_the_zip_is_a_program(unpacked: Path) -> None:
    files = [path for path in unpacked.rglob("*") if path.is_file()]
    starts = {path: path.open("rb").read(4) for path in files}
    assert [str(path) for path, start in starts.items() if start.startswith(PROGRAMS)] == []


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
    assert (plugin / "engine_src" / "pyproject.toml").read_bytes() == (ROOT / "pyproject.toml").read_bytes()
    locks = {path.name for path in (plugin / "engine_src" / "requirements").iterdir()}
    shipped = {"build.txt", "engine.txt", "samgeo.txt", "locks.json"}
    assert locks == shipped | {path.name for path in (ROOT / "requirements").glob("torch-*.txt")}
    described = json.loads((plugin / "engine_src" / "requirements" / "locks.json").read_text(encoding="utf-8"))
    named = {lock[key] for lock in described["locks"] for key in ("file", "torch_file")} | {described["build"]}
    assert named - {None} == locks - {"locks.json"}


def test_zip_holds_the_pages_of_the_help_with_their_pictures(unpacked: Path) -> None:
    docs = unpacked / "qgis_mpsclip" / "docs"
    for page in ("user-guide.md", "processing.md"):
        text = (docs / page).read_text(encoding="utf-8")
        assert text == (ROOT / "docs" / page).read_text(encoding="utf-8")
        for picture in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
            assert (docs / picture).is_file(), picture


def test_metadata_is_that_of_the_checkout_also_where_git_makes_no_links(clone: Path, tmp_path: Path) -> None:
    assert not (clone / "qgis_mpsclip" / "metadata.txt").is_symlink()
    with zipfile.ZipFile(build(tmp_path / "plugin.zip", clone / "scripts" / "make_zip.py")) as archive:
        assert archive.read("qgis_mpsclip/metadata.txt") == (clone / "metadata.txt").read_bytes()


def test_uncommitted_changes_of_what_is_packed_are_refused(clone: Path, tmp_path: Path) -> None:
    out, changed, lock = tmp_path / "plugin.zip", clone / "engine" / "errors.py", clone / "requirements" / "engine.txt"
    before = {file: file.read_bytes() for file in (changed, lock)}

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "scripts/make_zip.py", "--out", str(out), *options]
        return subprocess.run(command, cwd=clone, capture_output=True, text=True)

    out.write_bytes(b"of last week")
    try:
        changed.write_bytes(before[changed] + b"# more\n")
        lock.unlink()
        refused = run()
        assert refused.returncode == 1
        assert "engine/errors.py, requirements/engine.txt. Commit them" in refused.stderr
        assert "--working-tree" in refused.stderr
        assert out.read_bytes() == b"of last week" and list(tmp_path.iterdir()) == [out]
        lock.write_bytes(before[lock])
        assert run("--working-tree").returncode == 0
        with zipfile.ZipFile(out) as archive:
            assert archive.read("qgis_mpsclip/engine_src/engine/errors.py").endswith(b"# more\n")
    finally:
        for file, content in before.items():
            file.write_bytes(content)
    (clone / "README.md").write_text("It is not packed.")
    assert run().returncode == 0
    with zipfile.ZipFile(out) as archive:
        assert archive.read("qgis_mpsclip/engine_src/engine/errors.py") == before[changed]


def test_zip_with_other_metadata_is_refused(plugin_zip: Path, tmp_path: Path, make_zip: ModuleType) -> None:
    assert make_zip.check(plugin_zip) == plugin_zip.stat().st_size
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(plugin_zip) as archive, zipfile.ZipFile(broken, "w", zipfile.ZIP_DEFLATED) as made:
        for name in archive.namelist():
            link = name == "qgis_mpsclip/metadata.txt"
            made.writestr(name, b"../metadata.txt" if link else archive.read(name))
    with pytest.raises(make_zip.PackagingError, match="not the checkout's metadata"):
        make_zip.check(broken)


def read_metadata(unpacked: Path) -> dict[str, str]:
    """The fields as the plugin repository reads them: it expands ``%``."""
    ini = configparser.ConfigParser()
    ini.optionxform = str
    ini.read(unpacked / "qgis_mpsclip" / "metadata.txt", encoding="utf-8")
    return dict(ini["general"])


def test_metadata_is_complete_and_of_the_form_the_repository_takes(unpacked: Path) -> None:
    general = read_metadata(unpacked)
    assert [key for key in sorted(WANTED_METADATA) if not general.get(key)] == []
    assert "supportsQt6" not in general
    assert (general["qgisMinimumVersion"], general["qgisMaximumVersion"]) == ("3.40", "4.99")
    assert re.fullmatch(r"\d+\.\d+\.\d+(-?(alpha|beta|rc)\d*)?", general["version"])
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", general["email"])
    assert "/" not in general["author"]
    assert {general[flag] for flag in ("hasProcessingProvider", "experimental", "deprecated")} <= {
        "yes",
        "True",
        "False",
    }
    tags = general["tags"].split(",")
    assert len(tags) >= 5 and all(tag == tag.strip() and tag for tag in tags) and len(set(tags)) == len(tags)
    # A list shows the description in one line, the plugin's page all of about.
    assert len(general["description"]) < 100 and 200 < len(general["about"]) < 2000
    # The newest version first.
    assert general["changelog"].startswith(general["version"])


def test_links_of_the_metadata_are_https_and_no_placeholders(unpacked: Path) -> None:
    general = read_metadata(unpacked)
    links = {key: urlsplit(general[key]) for key in ("homepage", "tracker", "repository")}
    assert {link.scheme for link in links.values()} == {"https"}
    # As the template of a new plugin has them, the repository refuses them: bugs, repo, homepage.
    assert [key for key, link in links.items() if "." not in link.netloc or "example" in link.netloc] == []
    assert links["tracker"].geturl().startswith(general["repository"])


def test_icon_is_a_drawing_that_is_in_the_zip(unpacked: Path) -> None:
    icon = unpacked / "qgis_mpsclip" / read_metadata(unpacked)["icon"]
    assert icon.suffix == ".svg"
    assert ElementTree.parse(icon).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_licence_is_the_gpl_of_version_2_or_later(unpacked: Path) -> None:
    assert read_metadata(unpacked)["license"] == "GPL-2.0-or-later"
    text = " ".join((unpacked / "qgis_mpsclip" / "LICENSE").read_text(encoding="utf-8").split())
    assert text.startswith("GNU GENERAL PUBLIC LICENSE Version 2, June 1991")
    assert "either of that version or of any later version published by the Free Software Foundation" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("version=0", "version=x0", "version x0"),
        ("about=", "about=100% of ", "cannot be read as the plugin repository does"),
        ("author=", "author=we/", "no slash in author"),
        ("tracker=https://", "tracker=http://", "tracker is no https address"),
        ("repository=https://github.com/", "repository=https://repo/", "repository is no https address"),
        ("email=", "e-mail=", "does not state email"),
        ("[general]", "[plugin]", "cannot be read as the plugin repository does"),
    ],
)
def test_metadata_that_the_repository_refuses_stops_the_build(
    make_zip: ModuleType, written: str, instead: str, said: str
) -> None:
    text = (ROOT / "metadata.txt").read_text(encoding="utf-8")
    make_zip.check_metadata(text)
    assert text.count(f"\n{written}") == 1
    with pytest.raises(make_zip.PackagingError, match=re.escape(said)):
        make_zip.check_metadata(text.replace(f"\n{written}", f"\n{instead}"))


@pytest.mark.parametrize(
    "name",
    [
        "qgis_mpsclip/.git/config",
        "qgis_mpsclip/__pycache__/a.pyc",
        "__MACOSX/qgis_mpsclip/a.py",
        "qgis_mpsclip/../a.py",
        "qgis_mpsclip/a.pyd",
        "qgis_mpsclip/installer.exe",
        "qgis_mpsclip/caf\N{LATIN SMALL LETTER E WITH ACUTE}.py",
        "qgis_mpsclip/a:b.py",
        f"qgis_mpsclip/{'a' * LONGEST_NAME}.py",
    ],
)
def test_names_that_a_system_or_the_repository_refuses_stop_the_build(make_zip: ModuleType, name: str) -> None:
    make_zip.check_names(["qgis_mpsclip/__init__.py", "qgis_mpsclip/icons/mpsclip.svg"])
    with pytest.raises(make_zip.PackagingError):
        make_zip.check_names(["qgis_mpsclip/__init__.py", name])


def test_flake8_with_flake8_qgis_finds_nothing_in_the_zip(unpacked: Path) -> None:
    """The plugin's own files: the engine never imports QGIS. What is looked for, and what not, is in check.sh."""
    options = re.search(
        r"flake8 (--select=\S+ --extend-ignore=\S+)", (ROOT / "scripts" / "check.sh").read_text("utf-8")
    )
    assert options is not None
    plugin = unpacked / "qgis_mpsclip"
    command = [
        sys.executable,
        "-m",
        "flake8",
        "--isolated",
        *options[1].split(),
        "--exclude",
        "engine_src",
        str(plugin),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # It does look: what works in Qt5 only is found.
    (plugin / "old.py").write_text("from PyQt5.QtCore import Qt\nprint(Qt.UserRole)\n")
    found = subprocess.run(command, capture_output=True, text=True).stdout
    (plugin / "old.py").unlink()
    assert "old.py" in found and "QGS" in found


def test_flake8_finds_no_error_in_the_engine_of_the_zip(unpacked: Path) -> None:
    engine = unpacked / "qgis_mpsclip" / "engine_src"
    command = [sys.executable, "-m", "flake8", "--isolated", "--select=F,E9", str(engine)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


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
