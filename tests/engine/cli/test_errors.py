"""Each error of a user: exit status, one line that names what is wrong, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.cli.conftest import Cli, Outcome
from tests.support.rasters import texture, write_raster


def assert_one_line(outcome: Outcome, status: int, *parts: object) -> None:
    assert outcome.status == status, outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    assert outcome.err.startswith("mpsclip")
    for part in parts:
        assert str(part) in outcome.err


def test_a_missing_file(cli: Cli, tmp_path: Path) -> None:
    missing = tmp_path / "no such map.tif"
    assert_one_line(cli("search", "forest", missing, "--out", tmp_path / "o.gpkg"), 1, missing, "does not exist")
    assert_one_line(cli("index", missing), 1, missing)


def test_a_file_that_is_no_raster(cli: Cli, tmp_path: Path) -> None:
    text = tmp_path / "notes.tif"
    text.write_text("not a raster")
    assert_one_line(cli("search", "forest", text, "--out", tmp_path / "o.gpkg"), 1, text, "raster")


def test_a_band_that_the_raster_has_not(cli: Cli, raster: Path, tmp_path: Path, packaged: None) -> None:
    outcome = cli("search", "forest", raster, "--out", tmp_path / "o.gpkg", "--bands", "4,3,2")
    assert_one_line(outcome, 1, raster, "band 4", "1 to 3")


def test_a_band_that_cannot_be_read(cli: Cli, tmp_path: Path, packaged: None) -> None:
    damaged = write_raster(tmp_path / "cut.tif", texture(512), photometric="RGB", compress="deflate", tiled=True)
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 3] + bytes(len(content) // 2) + content[5 * len(content) // 6 :])
    outcome = cli("search", "forest", damaged, "--out", tmp_path / "o.gpkg")
    assert outcome.status == 1
    assert outcome.last_line.startswith(f"mpsclip: {damaged}")
    assert "damaged" in outcome.last_line
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "o.gpkg").exists()


def test_a_score_that_the_model_has_not(cli: Cli, raster: Path, tmp_path: Path, packaged: None) -> None:
    out = tmp_path / "o.gpkg"
    outcome = cli("search", "forest", raster, "--out", out, "--segmenter", "relevance", "--score", "max-view")
    assert_one_line(outcome, 2, "rsicd-mini", "perspective heads", "auto, global, fused")
    assert not out.exists()


@pytest.mark.parametrize("query", ["", "  "])
def test_an_empty_query(cli: Cli, raster: Path, tmp_path: Path, query: str) -> None:
    assert_one_line(cli("search", query, raster, "--out", tmp_path / "o.gpkg"), 2, "query is empty")


def test_an_unwritable_output(cli: Cli, raster: Path, tmp_path: Path) -> None:
    assert_one_line(cli("search", "forest", raster, "--out", "/proc/o.gpkg"), 1, "/proc/o.gpkg", "cannot be written")
    nowhere = tmp_path / "none" / "o.gpkg"
    assert_one_line(cli("search", "forest", raster, "--out", nowhere), 1, nowhere.parent, "does not exist")


def test_an_existing_output(cli: Cli, raster: Path, tmp_path: Path) -> None:
    for option, name in (("--out", "o.gpkg"), ("--picture", "o.png")):
        existing = tmp_path / name
        existing.write_text("precious")
        others = [] if option == "--out" else ["--out", tmp_path / "new.gpkg"]
        outcome = cli("search", "forest", raster, option, existing, *others)
        assert_one_line(outcome, 1, existing, "--overwrite")
        assert existing.read_text() == "precious"


def test_an_output_of_another_format(cli: Cli, raster: Path, tmp_path: Path) -> None:
    assert_one_line(cli("search", "forest", raster, "--out", tmp_path / "o.shp"), 1, "o.shp", ".gpkg")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--top", "0"),
        ("--top", "many"),
        ("--overlap", "0.95"),
        ("--overlap", "-1"),
        ("--nms", "2"),
        ("--refine", "-1"),
        ("--tile", "1.5px"),
        ("--tile", "big"),
        ("--crs", "EPSG:99999999"),
        ("--segmenter", "magic"),
        ("--model", "no-such-model"),
        ("--device", "abacus"),
        ("--nonsense", "1"),
    ],
)
def test_values_that_cannot_be_used(cli: Cli, raster: Path, tmp_path: Path, option: str, value: str) -> None:
    outcome = cli("search", "forest", raster, "--out", tmp_path / "o.gpkg", f"{option}={value}")
    assert_one_line(outcome, 2, value if option != "--nonsense" else option)


def test_metres_on_a_raster_without_crs(cli: Cli, tmp_path: Path, packaged: None) -> None:
    bare = write_raster(tmp_path / "bare.tif", texture(256), crs=None, transform=None, photometric="RGB")
    outcome = cli("search", "forest", bare, "--out", tmp_path / "o.gpkg", "--tile", "100m")
    assert_one_line(outcome, 2, bare, "px")


def test_commands_that_are_incomplete(cli: Cli) -> None:
    assert_one_line(cli(), 2, "COMMAND")
    assert_one_line(cli("search"), 2, "QUERY")
    assert_one_line(cli("nonsense"), 2, "nonsense")
    assert_one_line(cli("models", "fetch", "nonsense"), 2, "nonsense", "rsicd-mini")
    assert_one_line(cli("index", "rm"), 2, "--stale")
    assert_one_line(cli("index", "rm", "abc"), 2, "abc", "index list")
    assert_one_line(cli("index", "list", "--all"), 2, "index rm")


def test_an_unexpected_error_is_one_line_and_a_traceback_only_with_debug(
    cli: Cli, raster: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import engine.index.folder

    def broken(*_: object) -> None:
        raise KeyError("a bug\nwith two lines")

    monkeypatch.setattr(engine.index.folder, "IndexFolder", broken)
    assert_one_line(cli("index", "list"), 1, "KeyError", "--debug")
    outcome = cli("index", "list", "--debug")
    assert outcome.status == 1
    assert "Traceback" in outcome.err
