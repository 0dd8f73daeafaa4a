"""Work that would hold up QGIS's windows, such as looking for a GPU: in a thread of QGIS's task manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import QgsApplication, QgsTask
from qgis.PyQt.QtCore import pyqtSignal

_END_MILLISECONDS = 5000
_running: set[Background] = set()


class Background(QgsTask):
    """Runs a function and hands over in the main thread what it returned or raised.

    Not shown among QGIS's tasks: it takes seconds. Kept until it has ended.

    Args:
        work: gets a function that says whether nobody wants the answer any more.

    Signals:
        done(object): what ``work`` returned; not after :meth:`cancel`.
        failed(object): the exception that it raised; not after :meth:`cancel`.
    """

    done = pyqtSignal(object)
    failed = pyqtSignal(object)

    def __init__(self, description: str, work: Callable[[Callable[[], bool]], Any]) -> None:
        super().__init__(description, QgsTask.Flag.CanCancel | QgsTask.Flag.CancelWithoutPrompt | QgsTask.Flag.Hidden)
        self._work = work
        self._result: Any = None
        self._error: Exception | None = None

    def start(self) -> Background:
        _running.add(self)
        QgsApplication.taskManager().addTask(self)
        return self

    def run(self) -> bool:
        try:
            self._result = self._work(self.isCanceled)
        except Exception as error:  # whatever it is, it must not be lost in the thread
            self._error = error
        return self._error is None

    def finished(self, succeeded: bool) -> None:
        if self not in _running:  # the plugin is gone
            return
        _running.discard(self)
        if self.isCanceled():
            return
        if self._error is not None:
            self.failed.emit(self._error)
        else:
            self.done.emit(self._result)


def end_all() -> None:
    """Cancel all that runs and wait for it; nothing is handed over any more."""
    tasks = list(_running)
    _running.clear()
    for task in tasks:
        task.cancel()
    for task in tasks:
        task.waitForFinished(_END_MILLISECONDS)
