"""What the user guide quotes is what the plugin and the engine say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from qgis_mpsclip.install.troubles.packages import FETCH, FETCH_SOURCE

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs" / "user-guide.md").read_text(encoding="utf-8")
TABLE = GUIDE.partition("| message | what to do |")[2].partition("\n\n")[0]


def texts() -> Iterator[str]:
    """All strings of plugin and engine, on a line each; docstrings are among them, comments are not."""
    for package in ("qgis_mpsclip", "engine"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield " ".join(node.value.split())


@pytest.fixture(scope="module")
def said() -> str:
    return "\n".join(texts())


@pytest.mark.parametrize(
    "quoted", re.findall(r"\*([^*|`]+)\*", "".join(re.findall(r"^\|[^|]+\|", TABLE, re.MULTILINE)))
)
def test_quoted_messages_stand_in_the_code(said: str, quoted: str) -> None:
    words = (re.escape(part) for part in quoted.split("…"))
    assert re.search(".*".join(words), said), quoted


def test_message_that_nobody_says_is_found_out(said: str) -> None:
    assert "The search engine was not found" not in said
    assert len(re.findall(r"^\| \*", TABLE, re.MULTILINE)) > 10


def test_commands_that_fetch_wheels_are_those_of_the_remedy() -> None:
    assert FETCH in GUIDE.splitlines()
    all_segmenters = FETCH.replace(":all:", f":all: {FETCH_SOURCE}").replace("engine.txt", "samgeo.txt")
    assert all_segmenters in GUIDE.splitlines()


def test_commands_build_what_has_no_wheel_and_nothing_else() -> None:
    listed = ast.parse((ROOT / "scripts" / "lock_targets.py").read_text(encoding="utf-8"))
    (source_only,) = (
        ast.literal_eval(node.value)
        for node in listed.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SOURCE_ONLY"
    )
    assert f"--no-binary {','.join(source_only)}" == FETCH_SOURCE
