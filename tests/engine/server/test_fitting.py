"""Answers that are larger than a frame leave their hits to the file."""

from __future__ import annotations

import pytest

from engine.server.fitting import fitting
from engine.server.framing import MAX_FRAME, encode
from engine.server.messages import result
from engine.types import Json


def square(points: int) -> Json:
    return {"type": "Polygon", "coordinates": [[[400_000.123456789, 5_800_000.987654321]] * points]}


def report(hits: int, outlines: int = 8, points: int = 40) -> Json:
    """As of a search with so many hits and outlines in each."""
    region = {"keyword": "storage tank", "score": 0.75, "geometry": square(points)}
    hit = {"rank": 1, "score": 0.3, "geometry": square(5), "subregions": [region] * outlines}
    return {"query": "tanks", "hits": [hit] * hits, "counts": {"hits": hits, "subregions": hits * outlines}}


def test_a_search_with_very_many_hits_and_outlines_is_answered_without_them() -> None:
    large = report(hits=5000) | {"out": "/data/o.gpkg"}
    answer = fitting(large)
    assert answer == large | {"hits": [], "hits_left_out": True}
    assert answer["counts"] == {"hits": 5000, "subregions": 40_000}
    assert len(encode(result("an id of the client's", answer))) < MAX_FRAME


def test_an_answer_that_fits_keeps_its_hits() -> None:
    small = report(hits=50)
    assert fitting(small) == small | {"hits_left_out": False}


@pytest.mark.parametrize("room", [0, 1])
def test_the_limit_holds_with_what_is_around_the_answer(room: int) -> None:
    small = report(hits=3)
    size = len(encode(small | {"hits_left_out": False}).partition(b"\r\n\r\n")[2])
    answer = fitting(small, limit=size + 4096 - room)
    assert answer["hits_left_out"] == bool(room)


def test_a_batch_leaves_out_the_hits_of_all_its_queries() -> None:
    answer = fitting({"out": "/data/o.gpkg", "results": [report(2), report(3)]}, limit=8192)
    assert [(one["hits"], one["hits_left_out"], one["counts"]["hits"]) for one in answer["results"]] == [
        ([], True, 2),
        ([], True, 3),
    ]
