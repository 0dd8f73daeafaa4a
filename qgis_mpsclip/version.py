"""The version of the plugin, as ``metadata.txt`` states it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


@cache
def plugin_version() -> str:
    """From ``metadata.txt`` in the plugin's folder, or beside it in a checkout; ``unknown`` where there is none."""
    for folder in (_PACKAGE, _PACKAGE.parent):
        try:
            lines = (folder / "metadata.txt").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        return next((line.partition("=")[2].strip() for line in lines if line.startswith("version=")), "unknown")
    return "unknown"
