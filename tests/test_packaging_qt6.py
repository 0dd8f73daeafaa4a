"""QGIS 4 runs on Qt 6: every name of Qt that the plugin uses is there as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.qt_names import missing_in_qt6

pytest.importorskip("PyQt6.QtGui", reason="a library that Qt needs is missing, such as libEGL", exc_type=ImportError)

ROOT = Path(__file__).resolve().parent.parent


def test_all_names_of_qt_that_the_plugin_uses_are_in_qt_6() -> None:
    files = sorted((ROOT / "qgis_mpsclip").rglob("*.py"))
    assert len(files) > 50
    assert [name for file in files for name in missing_in_qt6(file.read_text("utf-8"), file.relative_to(ROOT))] == []


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from qgis.PyQt.QtWidgets import QDesktopWidget", ["1 qgis.PyQt.QtWidgets.QDesktopWidget"]),
        ("from qgis.PyQt.QtCore import Qt\nQt.AlignLeft", ["2 Qt.AlignLeft"]),
        ("from qgis.PyQt.QtCore import Qt\nQt.AlignmentFlag.AlignLeft", []),
        ("from qgis.PyQt.QtWidgets import QListView as V\nV.SelectionMode.Several", ["2 V.SelectionMode.Several"]),
        ("from qgis.PyQt.QtWidgets import QAction\nQAction.Priority.LowPriority", []),
        ("from qgis.PyQt.QtWidgets import QUndoStack", ["1 qgis.PyQt.QtWidgets.QUndoStack"]),
        (
            "try:\n    from qgis.PyQt.QtGui import QUndoStack\n"
            "except ImportError:\n    from qgis.PyQt.QtWidgets import QUndoStack",
            [],
        ),
        (
            "try:\n    from qgis.PyQt.QtGui import QRegExp\n"
            "except ImportError:\n    from qgis.PyQt.QtCore import QRegExp",
            ["2 qgis.PyQt.QtGui.QRegExp"],
        ),
    ],
)
def test_what_qt_6_does_not_have_is_named_with_its_line(source: str, names: list[str]) -> None:
    assert missing_in_qt6(source, Path("a.py")) == [f"a.py:{name}" for name in names]
