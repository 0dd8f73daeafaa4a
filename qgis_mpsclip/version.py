"""What ``metadata.txt`` says of the plugin."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_FILE = Path(__file__).resolve().parent / "metadata.txt"


def plugin_version() -> str:
    """The plugin's version; ``unknown`` where metadata.txt is missing."""
    return _metadata("version") or "unknown"


def homepage() -> str:
    """The project's page, without a slash at its end."""
    return _metadata("homepage").rstrip("/")


def page_url(page: str, section: str = "") -> str:
    """Address of a page of the documentation on the web, at one of its sections."""
    return f"{homepage()}/blob/main/docs/{page}" + (f"#{section}" if section else "")


@cache
def _metadata(key: str) -> str:
    try:
        lines = _FILE.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition("=")[2].strip() for line in lines if line.startswith(f"{key}=")), "")
