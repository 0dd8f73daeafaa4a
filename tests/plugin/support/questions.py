"""Answers to the questions that windows ask."""

from __future__ import annotations

from qgis.PyQt.QtCore import QTimer
from qgis.PyQt.QtWidgets import QApplication, QMessageBox


def answer(button: QMessageBox.StandardButton, texts: list[str]) -> None:
    """Presses a button of the next question, once it is there, and notes what it says."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        check = box.checkBox()
        texts.append("\n".join([box.text(), box.informativeText(), *([check.text()] if check is not None else [])]))
        box.button(button).click()

    QTimer.singleShot(200, press)
