"""Plain text for QGIS's message bar, which reads HTML."""

from __future__ import annotations

from html import escape


def bar_html(text: str) -> str:
    """Text that the bar shows as it is, line by line."""
    return escape(text, quote=False).replace("\n", "<br>")
