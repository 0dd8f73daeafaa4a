from __future__ import annotations

import json

import pytest

from engine.config import IndexOptions, SearchOptions
from engine.errors import BandError, Cancelled, UsageError
from engine.server.messages import Request, RequestError, error_json, parse, traceback_of
from engine.server.params import checked, checked_options

SECRET = "sk-0123456789"  # pragma: allowlist secret


def refused(body: bytes) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(body)
    return caught.value


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff\xfe", b'{"jsonrpc": NaN}', b"[" * 100_000, b'{"id": 1' + b"0" * 5000 + b"}"],
    ids=["empty", "cut off", "no UTF-8", "NaN", "deep", "a number of 5001 digits"],
)
def test_what_is_no_json_is_a_parse_error_without_an_id(body: bytes) -> None:
    error = refused(body)
    assert (error.code, error.id) == (-32700, None)


@pytest.mark.parametrize(
    ("message", "code", "request_id"),
    [
        ([{"jsonrpc": "2.0", "id": 1, "method": "status"}], -32600, None),
        ([], -32600, None),
        ("status", -32600, None),
        ({"id": 1, "method": "status"}, -32600, 1),
        ({"jsonrpc": "1.0", "id": "a", "method": "status"}, -32600, "a"),
        ({"jsonrpc": "2.0", "id": 1}, -32600, 1),
        ({"jsonrpc": "2.0", "id": 1, "method": 3}, -32600, 1),
        ({"jsonrpc": "2.0", "id": None, "method": "status"}, -32600, None),
        ({"jsonrpc": "2.0", "id": True, "method": "status"}, -32600, None),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "status"}, -32600, None),
        ({"jsonrpc": "2.0", "id": 1, "method": "status", "params": [1]}, -32602, 1),
    ],
)
def test_what_is_no_request_is_refused_with_its_id_where_it_has_one(
    message: object, code: int, request_id: object
) -> None:
    error = refused(json.dumps(message).encode())
    assert (error.code, error.id) == (code, request_id)


def test_notifications_and_answers_are_passed_over() -> None:
    assert parse(b'{"jsonrpc": "2.0", "method": "status"}') is None
    assert parse(b'{"jsonrpc": "2.0", "id": 1, "result": {}}') is None
    assert parse(b'{"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "x"}}') is None


def test_params_may_be_left_out() -> None:
    assert parse(b'{"jsonrpc": "2.0", "id": "x", "method": "status"}') == Request("x", "status", {})


@pytest.mark.parametrize(
    ("method", "params", "names"),
    [
        ("status", {"verbose": True}, "verbose"),
        ("models.fetch", {}, "model"),
        ("models.fetch", {"model": 3}, "model"),
        ("cancel", {"id": True}, "id"),
        ("search", {"query": "a", "rasters": "a.tif", "out": "o.gpkg"}, "rasters"),
        ("search", {"query": "a", "rasters": [], "out": "o.gpkg"}, "rasters"),
        ("search", {"query": "a", "rasters": ["a.tif"], "out": "o.gpkg", "overwrite": "yes"}, "overwrite"),
        ("initialize", {"protocol": 1, "log_level": "loud"}, "log_level"),
        ("initialize", {"protocol": "1"}, "protocol"),
    ],
)
def test_parameters_that_are_unknown_missing_or_of_a_wrong_type_are_named(
    method: str, params: dict[str, object], names: str
) -> None:
    with pytest.raises(RequestError, match=names) as caught:
        checked(Request(1, method, params))
    assert caught.value.code == -32602
    assert caught.value.id == 1


def test_a_refused_key_is_not_repeated() -> None:
    keywords = {"extractor": "llm", "llm_api_key": [SECRET]}
    request = Request(1, "search", {"query": "a", "rasters": ["a"], "out": "o", "keywords": keywords})
    with pytest.raises(RequestError, match="llm_api_key") as caught:
        checked(request)
    assert SECRET not in json.dumps(error_json(caught.value)) + traceback_of(caught.value)


def test_a_key_is_not_shown_with_its_parameters() -> None:
    keywords = {"extractor": "llm", "llm_api_key": SECRET}
    params = checked(Request(1, "search", {"query": "a", "rasters": ["a"], "out": "o", "keywords": keywords}))
    assert SECRET not in repr(params)


def test_an_unknown_method_is_answered_with_the_known_ones() -> None:
    with pytest.raises(RequestError, match="Known: initialize, status") as caught:
        checked(Request(1, "serach", {}))
    assert caught.value.code == -32601


@pytest.mark.parametrize("name", ["tiles", "cls", "self"])
def test_an_unknown_option_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match=f"no option '{name}'.*Known: tile"):
        checked_options(SearchOptions, {name: 1})


def test_options_left_out_or_null_take_their_defaults() -> None:
    assert checked_options(IndexOptions, None) == IndexOptions()
    assert checked_options(SearchOptions, {"top": None, "tile": "64px"}) == SearchOptions(tile="64px")


def test_an_error_tells_problem_remedy_and_values() -> None:
    assert error_json(BandError("There is no band 4.", "Choose 1 to 3.", band=4)) == {
        "code": -32021,
        "message": "There is no band 4. Choose 1 to 3.",
        "data": {"problem": "There is no band 4.", "remedy": "Choose 1 to 3.", "band": 4},
    }
    assert error_json(Cancelled())["code"] == -32800


def test_a_defect_tells_no_traceback() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        1 // 0  # noqa: B018
    told = error_json(caught.value)
    assert told["code"] == -32603
    assert "log" in told["data"]["remedy"]
    assert "Traceback" not in json.dumps(told)
    assert "Traceback" in traceback_of(caught.value)


def test_memory_that_runs_out_is_no_defect() -> None:
    assert error_json(MemoryError())["code"] == -32000
