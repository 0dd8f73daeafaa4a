"""Where the set-up of QGIS gets its packages from (scripts/setup_qgis.py)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
DEB822 = """Types: deb
# a snapshot of the archive
URIs: http://mirror.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/archive.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
"""
ONE_LINE = "deb [signed-by=/k.gpg] http://mirror.invalid/debian bookworm main contrib\n"


@pytest.fixture
def setup_qgis(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("setup_qgis", SCRIPTS / "setup_qgis.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def given_sources(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    monkeypatch.setattr(module, "apt_sources", lambda: list(texts))


def test_backports_come_from_the_address_and_with_the_key_of_their_release(
    setup_qgis: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_sources(setup_qgis, monkeypatch, "", DEB822)
    assert setup_qgis.backports_source("bookworm-backports").splitlines() == [
        "Types: deb",
        "URIs: http://mirror.invalid/debian",
        "Suites: bookworm-backports",
        "Components: main",
        "Signed-By: /usr/share/keyrings/archive.gpg",
    ]


def test_one_line_sources_are_read_too(setup_qgis: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    given_sources(setup_qgis, monkeypatch, ONE_LINE)
    source = setup_qgis.backports_source("bookworm-backports").splitlines()
    assert {"URIs: http://mirror.invalid/debian", "Signed-By: /k.gpg"} <= set(source)


def test_without_a_source_of_the_release_the_user_is_told_what_to_install(
    setup_qgis: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given_sources(setup_qgis, monkeypatch, DEB822.replace("bookworm", "trixie"))
    with pytest.raises(SystemExit):
        setup_qgis.backports_source("bookworm-backports")
    said = capsys.readouterr().err
    assert "Install QGIS 3.40 or newer" in said and "MPSCLIP_QGIS_PYTHON" in said and "make test-engine" in said


def test_a_python_without_qgis_counts_as_none(setup_qgis: ModuleType, tmp_path: Path) -> None:
    assert setup_qgis.qgis_version(str(tmp_path / "python")) == 0
