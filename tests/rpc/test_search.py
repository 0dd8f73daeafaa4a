"""The real engine with the packaged model: a client from its first request to the last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyogrio
import pytest

from engine.models.catalogue import DEFAULT_MODEL, catalogue
from engine.models.weights import local_file
from tests.support.chat_server import chat_server, finds
from tests.support.colour_model import ground
from tests.support.rasters import large_textured_raster, write_raster
from tests.support.rpc_client import RpcClient

KEY = "sk-0123456789abcdef"  # pragma: allowlist secret
SECOND = 2.5  # one is promised; the rest is for a busy test machine
OPTIONS = {"tile": "64px", "overlap": 0.0, "top": 6, "refine": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("Käse & Co")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[RpcClient]:
    if local_file(catalogue().get(DEFAULT_MODEL)) is None:
        pytest.skip("the packaged weights are not in resources/models")
    with RpcClient() as client:
        client.initialize(cache=str(folder / "cache"), log_level="debug")
        yield client
        client.result(client.send("shutdown"))
        assert client.wait() == 0
        assert client.garbage == b""
        assert KEY not in client.log()


@pytest.fixture(scope="module")
def raster(folder: Path) -> str:
    cells = [["moss", "water", "sand"], ["brick", "moss", "snow"]]
    return str(write_raster(folder / "große Karte.tif", ground(cells), photometric="RGB"))


def search(engine: RpcClient, raster: str, out: Path, **more: object) -> int:
    return engine.send("search", **{"query": "water", "rasters": [raster], "out": str(out), "options": OPTIONS, **more})


def of(engine: RpcClient, method: str, request: int) -> list[dict[str, Any]]:
    return [params for params in engine.said(method) if params["id"] == request]


def test_status_names_what_is_here_and_is_quick_once_torch_is_loaded(engine: RpcClient, folder: Path) -> None:
    first = engine.result(engine.send("status"))
    assert first["packages"]["torch"]
    assert first["device"] in [device["id"] for device in first["devices"]]
    assert first["default_model"] == DEFAULT_MODEL
    assert first["cache"] == str(folder / "cache")
    assert first["free_bytes"] > 0
    assert {"id": "relevance", "ready": True, "note": "the retrieval model alone"} in first["segmenters"]
    assert first["problems"] == []
    asked = time.monotonic()
    engine.result(engine.send("status"))
    assert time.monotonic() - asked < SECOND


def test_a_search_tells_hits_while_it_finds_them_and_writes_them(engine: RpcClient, raster: str, folder: Path) -> None:
    out = folder / "hits.gpkg"
    request = search(engine, raster, out)
    report = engine.result(request)
    assert report["out"] == str(out)
    assert report["crs"] == "EPSG:32633"
    assert (report["counts"]["tiles"], report["counts"]["hits"], report["counts"]["refined"]) == (6, 6, 2)
    assert report["counts"]["subregions"] == len(pyogrio.read_dataframe(out, layer="subregions"))
    assert not report["hits_left_out"]

    (shortlist,) = of(engine, "shortlist", request)
    assert shortlist["crs"] == "EPSG:32633"
    assert [hit["rank"] for hit in shortlist["hits"]] == [1, 2, 3, 4, 5, 6]
    assert [hit["refined"] for hit in shortlist["hits"]] == [False] * 6
    assert shortlist["hits"][0]["percentile"] == pytest.approx(100 * 5 / 6)
    refined = [params["hit"] for params in of(engine, "hit", request)]
    assert [(hit["tile_row"], hit["tile_col"]) for hit in refined] == [
        (hit["tile_row"], hit["tile_col"]) for hit in shortlist["hits"][:2]
    ]
    assert all(hit["refined"] for hit in refined)

    best = report["hits"][0]
    assert best["raster"] == raster
    assert best["pixels"] == [64 * best["tile_col"], 64 * best["tile_row"], 64, 64]
    x0, y1 = 400_000 + 32 * best["tile_col"], 5_800_000 - 32 * best["tile_row"]
    assert best["bounds"] == [x0, y1 - 32, x0 + 32, y1]
    assert best["geometry"]["type"] == "Polygon"
    assert sorted(best) == sorted(shortlist["hits"][0])
    assert len(pyogrio.read_dataframe(out, layer="hits")) == 6

    stages = list(dict.fromkeys(params["stage"] for params in of(engine, "progress", request)))
    assert stages == ["load", "index", "rank", "refine", "write"]
    for stage in stages:
        told = [params for params in of(engine, "progress", request) if params["stage"] == stage]
        assert told[0]["done"] == 0
        assert told[-1]["done"] == told[-1]["total"] > 0


def test_the_next_search_finds_the_model_loaded(engine: RpcClient, raster: str, folder: Path) -> None:
    request = search(engine, raster, folder / "again.gpkg", query="sand")
    assert engine.result(request)["counts"]["encoded"] == 0
    assert "load" not in [params["stage"] for params in of(engine, "progress", request)]
    assert engine.result(engine.send("status"))["loaded"] == [DEFAULT_MODEL]


def test_errors_of_a_user_have_their_codes(engine: RpcClient, raster: str, folder: Path) -> None:
    new, old = folder / "new.gpkg", folder / "old.gpkg"
    old.write_bytes(b"mine")
    assert engine.error(search(engine, raster, old))["code"] == -32050
    assert old.read_bytes() == b"mine"
    assert engine.error(search(engine, str(folder / "none.tif"), new))["code"] == -32020
    assert engine.error(search(engine, raster, new, options={"bands": [1, 2, 9]}))["code"] == -32021
    assert engine.error(search(engine, raster, new, options={"tiles": 3}))["code"] == -32010
    assert engine.error(search(engine, raster, new, query=" "))["code"] == -32010
    assert engine.error(search(engine, raster, new, model="clip-of-tomorrow"))["code"] == -32010
    assert engine.error(search(engine, raster, new, device="tpu"))["code"] == -32010
    assert engine.error(engine.send("models.fetch", model="clip-of-tomorrow"))["code"] == -32010
    assert not new.exists()
    assert "Traceback" not in str(engine.messages)


@pytest.mark.parametrize("method", ["search", "index.build"])
@pytest.mark.parametrize(
    ("options", "code", "problem"),
    [
        ({"area": {"wkt": "POLYGON ((0 0, 1 0, 1 1, 0 0))"}}, -32010, "lies outside"),
        ({"stretch": [[3, 1]]}, -32010, "lesser first"),
        ({"bands": [1, 2, 9]}, -32021, "band 9"),
    ],
)
def test_options_that_do_not_fit_the_raster_are_told_before_a_model_is_looked_for(
    engine: RpcClient, raster: str, folder: Path, method: str, options: dict[str, Any], code: int, problem: str
) -> None:
    params = {"rasters": [raster], "options": options, "model": "clip-of-tomorrow"}
    if method == "search":
        params |= {"query": "water", "out": str(folder / "never.gpkg")}
    error = engine.error(engine.send(method, **params))
    assert error["code"] == code
    assert problem in error["message"]


def test_a_batch_is_one_file_with_a_summary(engine: RpcClient, raster: str, folder: Path) -> None:
    out = folder / "batch.gpkg"
    request = engine.send("batch", queries=["water", "sand"], rasters=[raster], out=str(out), options=OPTIONS)
    answer = engine.result(request)
    assert answer["out"] == str(out)
    assert [found["query"] for found in answer["results"]] == ["water", "sand"]
    assert "geometry" not in answer["results"][0]["hits"][0]
    assert len(pyogrio.read_dataframe(out, layer="summary")) == 2


def test_indexes_are_listed_and_removed(engine: RpcClient, raster: str) -> None:
    built = engine.result(engine.send("index.build", rasters=[raster], options={"tile": "96px", "overlap": 0.0}))
    assert built["model"] == DEFAULT_MODEL
    (index,) = built["indexes"]
    assert (index["raster"], index["tiles"], index["encoded"]) == (raster, 4, 4)
    listed = engine.result(engine.send("index.list"))
    assert index["key"] in [entry["key"] for entry in listed["indexes"]]
    removed = engine.result(engine.send("index.remove", keys=[index["key"][:8]]))
    assert removed["removed"] == [index["key"]]
    assert index["key"] not in str(engine.result(engine.send("index.list"))["indexes"])
    assert engine.error(engine.send("index.remove"))["code"] == -32010
    assert engine.error(engine.send("index.remove", all=True, stale=True))["code"] == -32010


def test_the_key_of_a_language_model_reaches_it_and_no_log(engine: RpcClient, raster: str, folder: Path) -> None:
    with chat_server(finds("river", "beach")) as chat:
        keywords = {"extractor": "llm", "llm_url": chat.url, "llm_model": "m", "llm_api_key": KEY}
        request = search(engine, raster, folder / "llm.gpkg", query="a river and a beach", keywords=keywords)
        assert engine.result(request)["keywords"] == ["river", "beach"]
        assert chat.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in engine.log() + str(engine.messages)


def test_work_is_cancelled_at_its_next_batch_and_goes_on_from_there(engine: RpcClient, folder: Path) -> None:
    large = str(large_textured_raster(folder, 6000))
    options = {"tile": "100px", "overlap": 0.0, "batch_size": 8, "commit_seconds": 0.0}
    request = engine.send("index.build", rasters=[large], options=options)
    engine.wait_for(lambda m: m.get("params", {}).get("id") == request and m["params"].get("done", 0) >= 16)
    asked = time.monotonic()
    assert engine.result(engine.send("cancel", id=request)) == {"cancelled": True}
    assert time.monotonic() - asked < SECOND
    assert engine.result(engine.send("status"))["loaded"] == [DEFAULT_MODEL]
    assert engine.error(request)["code"] == -32800
    (entry,) = [one for one in engine.result(engine.send("index.list"))["indexes"] if one["raster"] == large]
    assert 16 <= entry["done"] < entry["tiles"] == 3600
    # The process has not been killed: the model is still there.
    assert engine.result(engine.send("status"))["loaded"] == [DEFAULT_MODEL]
