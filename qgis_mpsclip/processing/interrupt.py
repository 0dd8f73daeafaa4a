"""Ctrl-C in ``qgis_process``, which an algorithm that runs long hears of only where it lets events be worked on."""

from __future__ import annotations

from collections.abc import Callable

from qgis.core import QgsApplication, QgsProcessingFeedback
from qgis.PyQt.QtCore import QCoreApplication, QThread


def cancel_check(feedback: QgsProcessingFeedback) -> Callable[[], bool]:
    """A function that says whether the user has cancelled.

    ``qgis_process`` runs algorithms in its main thread and turns signals into events of that thread. Elsewhere, where
    there are windows, events are not touched.
    """
    application = QCoreApplication.instance()
    if QgsApplication.platform() != "qgis_process" or QThread.currentThread() != application.thread():
        return feedback.isCanceled

    def is_cancelled() -> bool:
        QCoreApplication.processEvents()
        return feedback.isCanceled()

    return is_cancelled
