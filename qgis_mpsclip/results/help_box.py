"""Help on the results, shown by the help buttons."""

from __future__ import annotations

from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtWidgets import QMessageBox, QWidget

from qgis_mpsclip.i18n import tr


def show_help(parent: QWidget, title: str, html: str) -> QMessageBox:
    """A box that does not stop what is going on; returned for tests."""
    box = QMessageBox(QMessageBox.Icon.Information, title, html, QMessageBox.StandardButton.Close, parent)
    box.setTextFormat(Qt.TextFormat.RichText)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def results_help() -> str:
    """What the list of hits can do, as HTML."""
    keys = [
        (tr("Up, Down"), tr("The map goes to the hit and flashes it")),
        (tr("Enter, double click"), tr("Zoom to the hit")),
        ("A", tr("Accept; again: take it back")),
        ("R", tr("Reject; again: take it back")),
        ("N", tr("Write a note")),
        (tr("Ctrl+Z, Ctrl+Shift+Z"), tr("Undo, redo")),
        (tr("Ctrl+C"), tr("Copy the coordinates of the centre")),
        (tr("Menu key, right click"), tr("Everything else that can be done with the hit")),
    ]
    rows = "".join(f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{words}</td></tr>" for key, words in keys)
    score = tr(
        "“Better than 99.8 % of tiles” compares the whole tile with all tiles that were searched. The likeness that "
        "it is ranked by is in the tooltip. A high place does not mean that the thing is there: it means "
        "that no other tile is more like your words."
    )
    kept = tr("Verdicts and notes are kept in the result file, in the fields “review” and “note” of its layer “hits”.")
    return f"<p>{score}</p><table>{rows}</table><p>{kept}</p>"


def export_help() -> str:
    """What the export writes, as HTML."""
    lines = [
        tr(
            "<b>GeoPackage</b>: two layers, hits and subregions, with their styles. Where the file exists, they are "
            "added to it under new names; what is in it stays as it is."
        ),
        tr(
            "<b>GeoJSON, FlatGeobuf, CSV</b>: one file for the hits and, beside it, one for the outlines. An existing "
            "file is never replaced. CSV holds the outlines as WKT."
        ),
        tr("The field “rank” of a hit is the field “hit_rank” of its outlines."),
    ]
    return "".join(f"<p>{line}</p>" for line in lines)
