"""``mpsclip search --keywords llm``: answers, notices and wrong use, as a person at the command line sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.text.extractors import make_extractor
from engine.text.local import LocalKeywordExtractor
from tests.engine.cli.conftest import Cli
from tests.support.chat_server import chat_server, finds, sends

SMALL = ("--tile", "64px", "--overlap", "0", "--refine", "0", "--json")
KEY = "sk-test-0123456789-not-a-real-one"  # pragma: allowlist secret


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "MODEL", "API_KEY"):
        monkeypatch.delenv(f"MPSCLIP_LLM_{name}", raising=False)


def test_a_language_model_is_asked_once_and_the_key_is_shown_nowhere(
    cli: Cli, raster: Path, packaged: None, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPSCLIP_LLM_API_KEY", KEY)
    out = ("--out", tmp_path / "o.gpkg", "--overwrite", *SMALL)
    with chat_server(finds("pale meadow", negatives=("snow",))) as server:
        asked = ("--keywords", "llm", "--llm-url", server.url, "--llm-model", "small")
        for _ in range(2):
            outcome = cli("search", "pale meadow -snow", raster, *out, *asked, "--debug")
            assert outcome.status == 0, outcome.err
            result = json.loads(outcome.out)
            assert (result["keywords"], result["negatives"]) == (["pale meadow"], ["snow"])
            assert KEY not in outcome.err + outcome.out
        assert len(server.requests) == 1
    assert len(list((cache / "keywords").iterdir())) == 1


def test_a_service_that_fails_costs_a_note_and_nothing_else(
    cli: Cli, raster: Path, packaged: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MPSCLIP_LLM_MODEL", "small")
    with chat_server(sends(404, "no such model")) as server:
        monkeypatch.setenv("MPSCLIP_LLM_URL", server.url)
        outcome = cli("search", "a pale meadow", raster, "--out", tmp_path / "o.gpkg", "--keywords", "llm", *SMALL)
    assert outcome.status == 0
    assert json.loads(outcome.out)["keywords"] == ["meadow"]
    assert (
        f"mpsclip: note: Keywords by the local extractor: {server.url} answers with status 404: no such model."
        in outcome.err
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keywords", "llm"], "need its address. Give the base URL"),
        (
            ["--keywords", "llm", "--llm-url", "http://localhost/v1"],
            "need the model's name. Name it (MPSCLIP_LLM_MODEL, or --llm-model",
        ),
        (["--keywords", "llm", "--llm-url", "localhost", "--llm-model", "m"], "no URL that can be used"),
        (["--llm-model", "m"], "Add --keywords llm."),
        (["--keywords", "magic"], "invalid choice: 'magic'"),
    ],
)
def test_wrong_use_is_told_before_anything_is_loaded(
    cli: Cli, tmp_path: Path, options: list[str], message: str
) -> None:
    outcome = cli("search", "pond", tmp_path / "missing.tif", "--out", tmp_path / "o.gpkg", *options)
    assert outcome.status == 2
    assert message in outcome.last_line
    assert outcome.out == ""


def test_rules_are_the_default_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPSCLIP_LLM_URL", "http://localhost/v1")
    assert isinstance(make_extractor(), LocalKeywordExtractor)
