"""docs/protocol.md is what others write their clients by: it names all that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import errors
from engine.config import SearchOptions
from engine.server import messages
from engine.server.dispatch import PROTOCOL
from engine.server.framing import MAX_FRAME
from engine.server.params import METHODS

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text(encoding="utf-8")


def codes() -> set[int]:
    found = [*vars(errors).values(), *vars(messages).values()]
    classes = [one for one in found if isinstance(one, type) and issubclass(one, errors.EngineError)]
    # A cancelled request has the protocol's own code.
    sent = {one.code for one in classes if one not in (errors.Cancelled, messages.RequestError)}
    return {*sent, messages.CANCELLED, messages.INTERNAL}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_stands_in_it_with_its_parameters(method: str) -> None:
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{method}` |")]
    if method != "batch":  # "as search"
        assert [name for name in METHODS[method].model_fields if f"`{name}`" not in row] == []


def test_every_option_stands_in_it() -> None:
    assert [name for name in SearchOptions.model_fields if f"`{name}`" not in TEXT] == []


def test_the_codes_of_errors_are_those_that_are_sent() -> None:
    table = TEXT.partition("| code | |")[2].partition("\n\n")[0]
    assert {int(code) for code in re.findall(r"-32\d{3}", table)} == codes()


def test_version_and_limit_stand_in_it() -> None:
    assert f"# The engine's protocol, version {PROTOCOL}\n" in TEXT
    assert f"{MAX_FRAME:,} bytes" in TEXT


def test_the_example_frame_has_its_length() -> None:
    length = re.search(r"Content-Length: (\d+)", TEXT)
    body = re.search(r"^    (\{.*\})   ←", TEXT, re.MULTILINE)
    assert length is not None
    assert body is not None
    assert int(length[1]) == len(body[1])
