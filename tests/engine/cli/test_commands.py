from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import geopandas
import pyogrio
import pytest
import shapely

from engine.cli.streams import result_stream
from engine.diagnose.doctor import jobs
from engine.resources import project_version
from tests.engine.cli.conftest import Cli

ROOT = Path(__file__).resolve().parents[3]
SMALL = ("--tile", "64px", "--overlap", "0", "--refine", "2")


@pytest.fixture(autouse=True)
def _needs_weights(packaged: None) -> None: ...


def test_a_search_writes_the_geopackage_and_the_picture(cli: Cli, raster: Path, tmp_path: Path) -> None:
    out, picture = tmp_path / "o.gpkg", tmp_path / "o.png"
    outcome = cli("search", "green meadow", raster, "--out", out, "--picture", picture, *SMALL)
    assert outcome.status == 0, outcome.err
    assert len(pyogrio.read_dataframe(out, layer="hits")) == 6
    assert picture.stat().st_size > 10_000
    assert "6 hits in 6 tiles (6 encoded now, 0 from before)" in outcome.out
    assert str(out) in outcome.out
    again = cli("search", "sand", raster, "--out", out, "--overwrite", *SMALL)
    assert again.status == 0
    assert "0 encoded now, 6 from before" in again.out


def test_json_is_one_object_with_hits_counts_and_timings(cli: Cli, raster: Path, tmp_path: Path) -> None:
    outcome = cli("search", "water -snow", raster, "--out", tmp_path / "o.gpkg", "--json", "--top", "3", *SMALL)
    assert outcome.status == 0, outcome.err
    result = json.loads(outcome.out)
    assert outcome.out.count("\n") == 1
    assert (result["query"], result["keywords"], result["negatives"]) == ("water -snow", ["water"], ["snow"])
    assert (result["model"], result["crs"]) == ("rsicd-mini", "EPSG:32633")
    assert [hit["rank"] for hit in result["hits"]] == [1, 2, 3]
    assert [hit["refined"] for hit in result["hits"]] == [True, True, False]
    hits = pyogrio.read_dataframe(tmp_path / "o.gpkg", layer="hits")
    assert [hit["bounds"] for hit in result["hits"]] == [list(g.bounds) for g in hits.geometry]
    assert [hit["score"] for hit in result["hits"]] == hits["score"].tolist()
    outlines = len(pyogrio.read_dataframe(tmp_path / "o.gpkg", layer="subregions"))
    assert outlines > 0
    assert result["counts"] == {
        "rasters": 1, "tiles": 6, "encoded": 6, "reused": 0, "left_out": 0, "hits": 3, "refined": 2,
        "subregions": outlines,
    }  # fmt: skip
    assert set(result["timings"]) == {"index", "rank", "refine", "total"}
    assert result["out"] == str(tmp_path / "o.gpkg")


def test_a_search_of_an_area_is_a_part_of_the_index(cli: Cli, raster: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.gpkg"
    corner = "POLYGON ((400001 5799999, 400010 5799999, 400010 5799990, 400001 5799990, 400001 5799999))"
    areas = tmp_path / "areas.geojson"
    geopandas.GeoDataFrame(geometry=[shapely.from_wkt(corner)], crs="EPSG:32633").to_crs(4326).to_file(areas)
    small = (*SMALL, "--out", out, "--overwrite", "--json")
    found = json.loads(cli("search", "meadow", raster, "--area", corner, *small).out)
    assert [(hit["tile_row"], hit["tile_col"], hit["percentile"]) for hit in found["hits"]] == [(0, 0, 0.0)]
    assert (found["counts"]["tiles"], found["counts"]["encoded"]) == (1, 1)
    again = json.loads(cli("search", "meadow", raster, "--area", areas, *small).out)
    assert (again["counts"]["tiles"], again["counts"]["encoded"]) == (1, 0)
    assert "1/6" in cli("index", "list").out
    part = cli("index", raster, "--area", corner, "--area-crs", "EPSG:32633", *SMALL[:4])
    assert "1 of 6 tiles, 0 encoded now, 1 from before" in part.out
    assert "6 tiles, 5 encoded now, 1 from before" in cli("index", raster, *SMALL[:4]).out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--area", "nowhere.gpkg"), "'nowhere.gpkg' is no file and no well-known text"),
        (("--area", "POLYGON ((0 0"), "no well-known text"),
        (("--area", "POLYGON ((0 0, 1 0, 1 1, 0 0))"), "The area lies outside"),
        (("--area-crs", "EPSG:4326"), "--area-crs goes with --area"),
        (("--area", "POLYGON ((0 0, 1 0, 1 1, 0 0))", "--area-crs", "EPSG:0"), "'EPSG:0' is no coordinate"),
        (("--stretch", "1"), "Stretch '1' is not understood"),
        (("--stretch", "0,1;0,1"), "cannot be used"),
        (("--min-score", "nan"), "Option min_score cannot be nan"),
    ],
)
def test_an_area_or_stretch_that_cannot_be_is_wrong_use(
    cli: Cli, raster: Path, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    outcome = cli("search", "meadow", raster, "--out", tmp_path / "o.gpkg", *options)
    assert outcome.status == 2
    assert problem in outcome.last_line
    assert outcome.err.count("\n") == 1


def test_a_given_stretch_is_another_index_and_its_picture(cli: Cli, raster: Path, tmp_path: Path) -> None:
    small = (*SMALL, "--out", tmp_path / "o.gpkg", "--overwrite", "--json")
    plain = json.loads(cli("search", "meadow", raster, "--picture", tmp_path / "plain.png", *small).out)
    dark = cli("search", "meadow", raster, "--picture", tmp_path / "dark.png", "--stretch", "0,1000", *small)
    assert dark.status == 0, dark.err
    assert json.loads(dark.out)["counts"]["encoded"] == 6
    assert (tmp_path / "dark.png").read_bytes() != (tmp_path / "plain.png").read_bytes()
    best = cli("search", "meadow", raster, "--min-score", str(plain["hits"][0]["score_global"]), *small)
    assert len(json.loads(best.out)["hits"]) == 1


def test_what_libraries_print_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with result_stream() as out:
        print("a library in Python")
        os.write(1, b"a library in C\n")
        subprocess.run(["echo", "a child"], check=True)
        print("the result", file=out)
    print("afterwards")
    captured = capfd.readouterr()
    assert captured.out == "the result\nafterwards\n"
    for line in ("a library in Python", "a library in C", "a child"):
        assert line in captured.err


def test_an_index_is_made_listed_and_removed(cli: Cli, raster: Path, cache: Path) -> None:
    made = json.loads(cli("index", raster, "--json", *SMALL[:4]).out)
    (entry,) = made["indexes"]
    assert (entry["tiles"], entry["encoded"], entry["reused"], entry["left_out"]) == (6, 6, 0, 0)
    again = cli("index", raster, *SMALL[:4])
    assert "0 encoded now, 6 from before" in again.out
    listed = json.loads(cli("index", "list", "--json").out)
    assert listed["folder"] == str(cache / "index")
    assert listed["free_bytes"] > 0
    (row,) = listed["indexes"]
    assert (row["key"], row["raster"], row["done"], row["tiles"]) == (entry["key"], str(raster), 6, 6)
    assert row["bytes"] == listed["bytes"] > 0
    assert row["stale"] is None
    table = cli("index", "list").out
    assert entry["key"][:12] in table
    assert "6/6" in table
    assert "free" in table
    removed = cli("index", "rm", entry["key"][:8])
    assert removed.status == 0
    assert "freed" in removed.out
    assert json.loads(cli("index", "list", "--json").out)["indexes"] == []


def test_indexes_are_removed_by_raster_and_when_stale(cli: Cli, raster: Path) -> None:
    for tile in ("64px", "32px"):
        cli("index", raster, "--tile", tile)
    assert json.loads(cli("index", "rm", "--stale", "--json").out)["removed"] == []
    os.utime(raster, ns=(0, 0))
    cli("index", raster, "--tile", "64px")
    assert "raster has changed" in cli("index", "list").out
    assert len(json.loads(cli("index", "rm", "--stale", "--json").out)["removed"]) == 2
    assert len(json.loads(cli("index", "rm", "--raster", raster, "--json").out)["removed"]) == 1
    assert cli("index", "rm", "--raster", raster).status == 2
    cli("index", raster, "--tile", "64px")
    assert len(json.loads(cli("index", "rm", "--all", "--json").out)["removed"]) == 1


def test_a_cache_of_ones_own(cli: Cli, raster: Path, tmp_path: Path, cache: Path) -> None:
    cli("index", raster, "--cache", tmp_path / "own", *SMALL[:4])
    assert len(list((tmp_path / "own" / "index").iterdir())) == 1
    assert not (cache / "index").exists()


def test_models_are_listed_with_the_default_marked(cli: Cli) -> None:
    table = cli("models", "list").out
    assert "rsicd-mini *" in table
    models = json.loads(cli("models", "list", "--json").out)
    assert models["default"] == "rsicd-mini"
    assert "remoteclip-vit-b-32" in [model["id"] for model in models["models"]]
    fetched = json.loads(cli("models", "fetch", "rsicd-mini", "--json").out)
    assert Path(fetched["file"]).is_file()
    assert len(fetched["sha256"]) == 64


def test_the_doctor_is_among_the_commands(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of its checks that load packages, the quickest: the others run in the doctor's own tests."""

    def folder_alone(*given: object) -> list[tuple[str, ...]]:
        return [job for job in jobs(*given) if job[0] == "index folder"]

    monkeypatch.setattr("engine.diagnose.doctor.jobs", folder_alone)
    outcome = cli("doctor", "--device", "warp", "--cache", "/proc")
    assert outcome.status == 1
    (bad,) = [line for line in outcome.out.splitlines() if line.startswith("BAD")]
    assert bad.startswith("BAD  index folder: ") and "/proc" in bad and "MPSCLIP_CACHE" in bad


def test_version_and_help_are_quick(cli: Cli) -> None:
    assert cli("--version").out == f"mpsclip {project_version()}\n"
    code = "import sys; from engine.cli.main import build_parser; build_parser();"
    code += "print(sorted({'torch', 'lancedb', 'rasterio', 'geopandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_eval_reports_all_six_recalls(cli: Cli, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "data" / "rsicd"
    rows = (source / "val.jsonl").read_text(encoding="utf-8").splitlines()[:12]
    (tmp_path / "val.jsonl").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "images").symlink_to(source / "images")
    report = json.loads(cli("eval", "rsicd", "--data", tmp_path, "--split", "val", "--json").out)
    assert (report["model"], report["split"]) == ("rsicd-mini", "val")
    assert report["i2t"].keys() == report["t2i"].keys() == {"R@1", "R@5", "R@10"}
    recalls = [*report["i2t"].values(), *report["t2i"].values()]
    assert report["Rsum"] == pytest.approx(sum(recalls), abs=1e-3)
    assert report["mR"] == pytest.approx(sum(recalls) / 6, abs=1e-3)
    assert report["mR_pessimistic"] <= report["mR"]
    table = cli("eval", "rsicd", "--data", tmp_path, "--split", "val")
    assert f"{report['mR']:.2f}" in table.out
    missing = cli("eval", "rsicd", "--data", tmp_path, "--split", "test")
    assert missing.status == 2
    assert "test.jsonl" in missing.last_line
