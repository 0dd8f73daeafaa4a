from __future__ import annotations

import re
from pathlib import Path

import pytest
from qgis.core import QgsProject

from qgis_mpsclip.errors import MpsClipError
from qgis_mpsclip.results import paths, results_path
from qgis_mpsclip.settings import Settings


def test_results_go_beside_the_project(project: QgsProject, tmp_path: Path) -> None:
    project.setFileName(str(tmp_path / "map.qgz"))
    path = results_path(Settings(), project, "Tennis courts, beside a PARKING lot!")
    assert path.parent == tmp_path / "mpsclip" and path.parent.is_dir()
    assert re.fullmatch(r"tennis-courts-beside-a-parking-lot_\d{8}-\d{6}\.gpkg", path.name)


def test_the_folder_of_the_settings_comes_first(project: QgsProject, tmp_path: Path) -> None:
    project.setFileName(str(tmp_path / "map.qgz"))
    settings = Settings()
    settings.results_folder = str(tmp_path / "mine" / "deep")
    assert results_path(settings, project, "boats").parent == tmp_path / "mine" / "deep"


def test_an_unsaved_project_uses_the_documents(
    project: QgsProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths.QStandardPaths, "writableLocation", lambda kind: str(tmp_path / "Documents"))
    assert results_path(Settings(), project, "boats").parent == tmp_path / "Documents" / "MPS-CLIP"


def test_no_path_is_handed_out_twice_nor_an_existing_file(project: QgsProject, tmp_path: Path) -> None:
    project.setFileName(str(tmp_path / "map.qgz"))
    handed = [results_path(Settings(), project, "boats") for _ in range(3)]
    assert len(set(handed)) == 3
    for path in handed:
        path.touch()
    assert results_path(Settings(), project, "boats") not in handed


@pytest.mark.parametrize(
    ("query", "words"),
    [("../../etc/passwd", "etc-passwd"), ("???", "search"), ("Häuser am Fluß", "häuser-am-fluß"), ("a" * 90, "a" * 48)],
)
def test_a_query_becomes_a_file_name_of_its_words(query: str, words: str) -> None:
    assert paths.file_words(query) == words


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(project: QgsProject, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings()
    settings.results_folder = str(tmp_path / "file" / "folder")
    with pytest.raises(MpsClipError, match="results folder in the options") as caught:
        results_path(settings, project, "boats")
    assert str(tmp_path / "file" / "folder") in caught.value.problem
