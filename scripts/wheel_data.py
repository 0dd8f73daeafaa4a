"""Puts ``resources/`` and ``metadata.txt`` into the wheel, below ``engine/_data`` (engine/resources.py looks there).

A hook and not hatchling's force-include table, because that table also copies into editable installs, where the copies
would hide the checkout's own files.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WheelData(BuildHookInterface):
    """Called by hatchling before a wheel is written."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            build_data["force_include"] |= {
                "resources": "engine/_data/resources",
                "metadata.txt": "engine/_data/metadata.txt",
            }
