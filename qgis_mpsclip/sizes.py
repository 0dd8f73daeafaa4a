"""Sizes of files for people."""

from __future__ import annotations

from qgis.PyQt.QtCore import QLocale


def size_text(count: int | None) -> str:
    """So many bytes in the unit that suits, as the user's language writes it; ``?`` where it is not known."""
    return "?" if count is None else QLocale().formattedDataSize(int(count), 1, QLocale.DataSizeFormat.DataSizeSIFormat)
