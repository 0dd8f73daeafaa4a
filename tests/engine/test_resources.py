from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.resources import find_root, project_path, project_version, resource_path

ROOT = Path(__file__).resolve().parent.parent.parent


def lay_out(folder: Path) -> None:
    (folder / "resources").mkdir(parents=True)
    (folder / "metadata.txt").write_text("[general]\nversion=1.2.3\n")


def test_checkout_finds_its_own_files() -> None:
    assert project_path("metadata.txt") == ROOT / "metadata.txt"
    assert resource_path("models", "card.md") == ROOT / "resources" / "models" / "card.md"


def test_version_is_three_numbers() -> None:
    assert [part.isdecimal() for part in project_version().split(".")] == [True, True, True]


def test_plugin_zip_finds_files_beside_the_engine(tmp_path: Path) -> None:
    lay_out(tmp_path / "qgis_mpsclip")
    assert find_root(tmp_path / "qgis_mpsclip" / "engine") == tmp_path / "qgis_mpsclip"


def test_wheel_finds_files_inside_the_engine_even_beside_a_foreign_resources_folder(tmp_path: Path) -> None:
    lay_out(tmp_path / "engine" / "_data")
    lay_out(tmp_path)
    assert find_root(tmp_path / "engine") == tmp_path / "engine" / "_data"


@pytest.mark.parametrize("missing", ["metadata.txt", "resources"])
def test_incomplete_installation_is_named(tmp_path: Path, missing: str) -> None:
    lay_out(tmp_path)
    path = tmp_path / missing
    path.unlink() if path.is_file() else path.rmdir()
    with pytest.raises(EngineError, match=r"incomplete.*Install the project again") as caught:
        find_root(tmp_path / "engine")
    assert caught.value.data == {"path": str(tmp_path / "engine")}
