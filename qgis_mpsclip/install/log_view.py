"""The log of an installation while it is written."""

from __future__ import annotations

from pathlib import Path

from qgis.PyQt.QtGui import QFontDatabase, QTextOption
from qgis.PyQt.QtWidgets import QPlainTextEdit, QWidget

from qgis_mpsclip.i18n import tr

_LINES = 5000
_BYTES = 1 << 18  # of a long log, what is read at once


class LogView(QPlainTextEdit):
    """Follows a file that grows; stays where the user has scrolled to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("log")
        self.setReadOnly(True)
        self.setAccessibleName(tr("Log of the installation"))
        self.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
        self.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.setMaximumBlockCount(_LINES)
        self.setTabChangesFocus(True)
        self._file: Path | None = None
        self._read = 0
        self._rest = b""

    def follow(self, file: Path | None) -> None:
        """Show this file from its beginning, or nothing."""
        if file != self._file:
            self._file, self._read, self._rest = file, 0, b""
            self.clear()
        self.read_on()

    def read_on(self) -> None:
        """Add the lines that the file has gained."""
        if self._file is None:
            return
        try:
            size = self._file.stat().st_size
            with self._file.open("rb") as stream:
                if size - self._read > _BYTES:
                    self._read, self._rest = size - _BYTES, b""
                stream.seek(self._read)
                data = stream.read(_BYTES)
        except OSError:
            return
        self._read += len(data)
        whole, line_end, self._rest = (self._rest + data).rpartition(b"\n")
        if line_end:
            self.appendPlainText(whole.decode("utf-8", errors="replace").replace("\r", ""))
