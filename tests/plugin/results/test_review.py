from __future__ import annotations

import os
from pathlib import Path

import pytest
from qgis.core import Qgis, QgsProject, QgsVectorLayer
from qgis.gui import QgisInterface

from qgis_mpsclip.results import ResultsPanel
from qgis_mpsclip.results.layers import open_layer
from qgis_mpsclip.results.review import Review, read_reviews
from tests.plugin.results.conftest import Said


def judge(panel: ResultsPanel, row: int, verdict: str, note: str = "") -> tuple[str, int, int]:
    panel.list.setCurrentIndex(panel.proxy.index(row, 0))
    panel.command(verdict)
    if note:
        panel.command("note")
        panel.note.line.setText(note)
        panel.note.line.returnPressed.emit()
    return panel.current().key


def kept(file: Path) -> dict[tuple[str, int, int], Review]:
    return read_reviews(open_layer(file, "hits"))


def test_reviews_are_in_the_file_at_once_and_leave_it_with_undo(finished: ResultsPanel, said: Said) -> None:
    assert not {"review", "note"} & set(open_layer(said.file, "hits").fields().names())
    first = judge(finished, 0, "accept", "Größe prüfen")
    third = judge(finished, 2, "reject")
    assert kept(said.file) == {first: Review("accepted", "Größe prüfen"), third: Review("rejected")}
    finished.command("undo")
    finished.command("undo")
    assert kept(said.file) == {first: Review("accepted")}
    finished.command("redo")
    assert kept(said.file) == {first: Review("accepted", "Größe prüfen")}


def test_reviews_made_while_hits_are_refined_go_into_the_file(panel: ResultsPanel, said: Said) -> None:
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    key = judge(panel, 1, "accept", "early")
    for hit in said.hits:
        panel.update_hit(hit)
    panel.finish(said.report)
    assert kept(said.file) == {key: Review("accepted", "early")}
    panel.command("undo")
    assert kept(said.file) == {key: Review("accepted")}


def test_reviews_survive_a_search_that_ends_early(panel: ResultsPanel, said: Said) -> None:
    said.file.unlink()
    panel.begin(said.request())
    panel.show_shortlist(said.shortlist)
    key = judge(panel, 0, "reject")
    panel.abort(None)
    assert kept(said.file) == {key: Review("rejected")}


def test_a_review_of_a_hit_that_a_filter_hides_is_taken_back(finished: ResultsPanel, said: Said) -> None:
    judge(finished, 11, "accept")
    finished.filters.slider.setValue(10)
    finished._filter_map()
    finished.command("undo")
    assert kept(said.file) == {}


def test_reviews_are_kept_when_the_user_has_removed_the_layers(
    finished: ResultsPanel, said: Said, project: QgsProject
) -> None:
    project.removeAllMapLayers()
    key = judge(finished, 0, "accept")
    assert kept(said.file) == {key: Review("accepted")}


def test_a_layer_that_is_being_edited_takes_reviews_as_edits(
    finished: ResultsPanel, said: Said, project: QgsProject
) -> None:
    judge(finished, 1, "accept")
    (layer,) = project.mapLayersByName("hits")
    assert isinstance(layer, QgsVectorLayer) and layer.startEditing()
    key = judge(finished, 0, "reject")
    assert key not in kept(said.file)
    assert layer.commitChanges()
    assert kept(said.file)[key] == Review("rejected")


@pytest.mark.skipif(os.name == "nt", reason="files that are open cannot be removed on Windows")
def test_a_review_that_cannot_be_kept_is_not_shown_and_the_user_is_told(
    finished: ResultsPanel, said: Said, project: QgsProject, qgis_iface: QgisInterface
) -> None:
    project.removeAllMapLayers()
    said.file.unlink()
    key = judge(finished, 0, "accept")
    assert finished.model.review(key) == Review() and not finished.undo_stack.canUndo()
    message = qgis_iface.messageBar().get_messages(Qgis.MessageLevel.Warning)[-1]
    assert f"{said.file} is gone." in message and "put the file back" in message
