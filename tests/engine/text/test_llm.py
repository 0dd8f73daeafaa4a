"""Keywords by a language model: a real server on the loopback address that answers well, badly, late or not at all."""

from __future__ import annotations

import json
import logging
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.text.contract import Keywords
from engine.text.llm import MAX_QUERY_CHARACTERS, LlmKeywordExtractor
from engine.text.llm_answer import Answer, AnswerError, believed, parse
from engine.text.llm_cache import AnswerCache
from engine.text.llm_client import MAX_ANSWER_BYTES
from engine.text.llm_endpoint import Endpoint
from engine.text.local import LocalKeywordExtractor
from engine.text.tokens import normalise_query
from tests.support.chat_server import (
    ChatServer,
    Reply,
    chat_server,
    finds,
    hangs_up,
    is_silent,
    says,
    sends,
    trickles,
)

LOCAL = LocalKeywordExtractor()
KEY = "sk-test-0123456789-not-a-real-one"  # pragma: allowlist secret
QUERY = "Two tennis courts beside a parking lot"
BY_RULES = Keywords(("tennis courts", "parking lot"), (), "two tennis courts beside a parking lot")
BY_MODEL = Keywords(("tennis courts",), (), "two tennis courts beside a parking lot")
FINDS = finds("tennis courts")


def extractor(
    url: str, notices: list[str] | None = None, cache: Path | None = None, **settings: float
) -> LlmKeywordExtractor:
    """``notices`` None: that there are none is what the test says."""
    endpoint = Endpoint(url, "small", KEY, timeout_s=60.0, backoff_s=0.001)
    endpoint = replace(endpoint, **settings)  # type: ignore[arg-type]  # of the right type each
    answers = AnswerCache(cache) if cache is not None else None
    return LlmKeywordExtractor(endpoint, LOCAL, answers, pytest.fail if notices is None else notices.append)


def falls_back(server: ChatServer, why: str, **settings: float) -> str:
    """Asks; holds that the local keywords come with one notice that matches ``why``; returns the notice."""
    notices: list[str] = []
    assert extractor(server.url, notices, **settings).extract(QUERY) == BY_RULES
    assert len(notices) == 1
    assert notices[0].startswith("Keywords by the local extractor: ")
    assert why in notices[0]
    assert "\n" not in notices[0]
    assert KEY not in notices[0]
    return notices[0]


def test_the_models_keywords_are_taken() -> None:
    with chat_server(FINDS) as server:
        assert extractor(server.url).extract(QUERY) == BY_MODEL
    assert server.paths == ["/v1/chat/completions"]
    [request] = server.requests
    assert request["model"] == "small"
    assert request["temperature"] == 0
    assert request["response_format"]["json_schema"]["schema"]["required"] == ["positives", "negatives"]
    assert request["messages"][-1] == {"role": "user", "content": normalise_query(QUERY)}
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent() -> None:
    with chat_server(FINDS) as server:
        LlmKeywordExtractor(Endpoint(server.url, "small", timeout_s=60.0), LOCAL, notice=pytest.fail).extract(QUERY)
    assert "Authorization" not in server.headers[0]


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with chat_server(FINDS) as server:
        assert extractor(server.url).extract(QUERY) == BY_MODEL


@pytest.mark.parametrize("proxy", ["nonsense://proxy:1", "socks5://proxy:1", "http://[::1"])
def test_a_proxy_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name.lower(), raising=False)
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    notices: list[str] = []
    assert extractor("http://service.invalid/v1", notices).extract(QUERY) == BY_RULES
    assert "http://service.invalid/v1 cannot be asked with this machine's network settings" in notices[0]
    assert "Check HTTP_PROXY" in notices[0]


def test_a_second_query_of_the_same_words_is_answered_from_disk(tmp_path: Path) -> None:
    with chat_server(FINDS) as server:
        assert extractor(server.url, cache=tmp_path / "a").extract(QUERY) == BY_MODEL
        assert extractor(server.url, cache=tmp_path / "a").extract(QUERY.upper()) == BY_MODEL
        assert len(server.requests) == 1
        other = LlmKeywordExtractor(
            Endpoint(server.url, "large", timeout_s=60.0), LOCAL, AnswerCache(tmp_path / "a"), pytest.fail
        )
        assert other.extract(QUERY) == BY_MODEL
        assert len(server.requests) == 2
    assert len(list((tmp_path / "a").iterdir())) == 2


@pytest.mark.parametrize("content", ["", "{", '{"positives": ["moon"], "negatives": []}', "[]", "\x00\xff"])
def test_a_damaged_cache_is_asked_for_again(tmp_path: Path, content: str) -> None:
    with chat_server(FINDS) as server:
        extractor(server.url, cache=tmp_path).extract(QUERY)
        [file] = tmp_path.iterdir()
        file.write_text(content, encoding="latin-1")
        assert extractor(server.url, cache=tmp_path).extract(QUERY) == BY_MODEL
        assert len(server.requests) == 2
        assert extractor(server.url, cache=tmp_path).extract(QUERY) == BY_MODEL
        assert len(server.requests) == 2


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with chat_server(FINDS) as server:
        assert extractor(server.url, cache=tmp_path / "file" / "keywords").extract(QUERY) == BY_MODEL


def test_neither_key_nor_query_is_in_the_cache(tmp_path: Path) -> None:
    with chat_server(FINDS) as server:
        extractor(server.url, cache=tmp_path).extract("two zebra tennis courts")
    [file] = tmp_path.iterdir()
    assert KEY not in file.read_text() and KEY not in file.name
    assert file.read_text() == '{"positives":["tennis courts"],"negatives":[]}'


def test_no_answer_that_was_not_believed_is_kept(tmp_path: Path) -> None:
    notices: list[str] = []
    with chat_server(says("no JSON"), FINDS) as server:
        assert extractor(server.url, notices, tmp_path).extract(QUERY) == BY_RULES
        assert list(tmp_path.iterdir()) == []
        assert extractor(server.url, notices, tmp_path).extract(QUERY) == BY_MODEL
    assert len(notices) == 1


@pytest.mark.parametrize("reply", [is_silent, trickles])
def test_a_slow_service_is_left_after_the_timeout_and_not_asked_again(reply: Reply) -> None:
    with chat_server(reply) as server:
        falls_back(
            server, "has not answered within 0.2 s. Check the language model's address (--llm-url)", timeout_s=0.2
        )
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "reply",
    [
        sends(200, "not JSON"),
        sends(200, ""),
        sends(200, b"\xff\xfe\x00"),
        sends(200, "[" * 100_000),
        sends(200, '{"choices": []}'),
        sends(200, '{"choices": [{"message": {"content": 7}}]}'),
        sends(200, '{"error": {"message": "model not found"}}'),
        sends(200, "data: {}\n\n", Content_Type="text/event-stream"),
        says(None),
    ],
)
def test_something_else_than_a_chat_completion_is_refused(reply: Reply) -> None:
    with chat_server(reply) as server:
        falls_back(server, "does not answer as OpenAI's chat completions do")


@pytest.mark.parametrize(
    "content",
    [
        "tennis courts, parking lot",
        "",
        '{"positives": ["tennis courts"], "negatives": []',
        '{"positives": ["tennis courts"]}',
        '{"positives": "tennis courts", "negatives": []}',
        '{"positives": [1], "negatives": []}',
        '{"positives": ["tennis courts"], "negatives": [], "notes": "none"}',
        '["tennis courts"]',
        "[" * 100_000,
        json.dumps({"positives": ["tennis courts"] * 65, "negatives": []}),
        json.dumps({"positives": ["x" * 201], "negatives": []}),
    ],
)
def test_an_answer_of_another_form_is_refused(content: str) -> None:
    with chat_server(says(content)) as server:
        falls_back(server, "The answer of small is not the JSON object that was asked for. Try another language model")


def test_a_huge_answer_is_not_read_to_the_end() -> None:
    with chat_server(sends(200, b" " * (40 * MAX_ANSWER_BYTES))) as server:
        falls_back(server, "sends more than 1 MB")
    assert len(server.requests) == 1


def test_a_compressed_answer_is_refused_unread() -> None:
    with chat_server(sends(200, b"\x1f\x8b" + bytes(100), Content_Encoding="gzip")) as server:
        falls_back(server, "does not answer as")
    assert server.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("failure", [sends(429, ""), sends(500, "oops"), sends(503, ""), hangs_up])
def test_a_busy_or_failing_service_is_asked_again(failure: Reply) -> None:
    with chat_server(failure, failure, FINDS) as server:
        assert extractor(server.url).extract(QUERY) == BY_MODEL
    assert len(server.requests) == 3


@pytest.mark.parametrize(("failure", "why"), [(sends(429, ""), "status 429"), (sends(500, ""), "status 500")])
def test_attempts_end(failure: Reply, why: str) -> None:
    with chat_server(failure) as server:
        falls_back(server, why, attempts=4)
    assert len(server.requests) == 4


def test_a_wait_that_a_service_asks_for_and_that_fits_the_time_is_kept() -> None:
    with chat_server(sends(429, "", Retry_After="1"), FINDS) as server:
        assert extractor(server.url).extract(QUERY) == BY_MODEL
    with chat_server(sends(429, "", Retry_After="3600"), FINDS) as server:
        falls_back(server, "status 429")
    assert len(server.requests) == 1


def test_nobody_there_is_told_with_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    notices: list[str] = []
    assert extractor(url, notices).extract(QUERY) == BY_RULES
    [notice] = notices
    assert f"{url} cannot be reached: " in notice
    assert "Check the language model's address (--llm-url)" in notice


@pytest.mark.parametrize("status", [400, 422])
def test_a_service_that_knows_no_response_format_is_asked_without(status: int) -> None:
    with chat_server(sends(status, '{"error": "unknown field response_format"}'), FINDS) as server:
        assert extractor(server.url).extract(QUERY) == BY_MODEL
    assert set(server.requests[0]) == {"model", "messages", "temperature", "response_format"}
    assert set(server.requests[1]) == {"model", "messages"}


def test_what_a_service_says_of_a_refusal_is_told_in_one_clean_line() -> None:
    with chat_server(sends(404, f"model 'small' not found\n\x1b[31m {KEY} " + "x" * 500)) as server:
        notice = falls_back(server, "answers with status 404: model 'small' not found [31m ... xxx")
    assert "\x1b" not in notice
    assert len(notice) < 400
    with chat_server(sends(400, "bad")) as server:
        falls_back(server, "answers with status 400: bad")
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_without_what_the_service_says(status: int) -> None:
    with chat_server(sends(status, f"wrong key {KEY[:12]}")) as server:
        notice = falls_back(server, f"refuses the key (status {status}). Set the right one in MPSCLIP_LLM_API_KEY.")
    assert KEY[:12] not in notice


def test_a_redirection_is_not_followed() -> None:
    with chat_server(FINDS) as target, chat_server(sends(307, "", Location=f"{target.url}/chat/completions")) as server:
        falls_back(server, "answers with status 307")
    assert target.requests == []


def test_the_key_is_in_no_log_error_or_repr(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint = Endpoint("http://127.0.0.1:1/v1", "small", KEY, attempts=1)
    LlmKeywordExtractor(endpoint, LOCAL).extract(QUERY)
    with chat_server(FINDS, sends(401, KEY)) as server:
        for _ in range(2):
            LlmKeywordExtractor(replace(endpoint, url=server.url), LOCAL).extract(QUERY)
    notes = [record for record in caplog.records if record.name == "engine.text.llm"]
    assert [record.levelname for record in notes] == ["WARNING", "WARNING"]
    assert len(caplog.records) > len(notes)
    assert KEY not in caplog.text
    assert KEY not in repr(endpoint)


def test_what_the_local_extractor_refuses_is_not_sent() -> None:
    with chat_server(FINDS) as server:
        for query in ("", "  ", "no trees", "-pool"):
            with pytest.raises(UsageError):
                extractor(server.url).extract(query)
        notices: list[str] = []
        long = "pond " * MAX_QUERY_CHARACTERS
        assert extractor(server.url, notices).extract(long).positives == ("pond",)
    assert "longer than 1000 characters" in notices[0]
    assert server.requests == []


def test_a_query_in_no_valid_encoding_is_sent_all_the_same() -> None:
    with chat_server(finds("pond")) as server:
        assert extractor(server.url).extract("pond \udcff").positives == ("pond",)
    assert server.requests[0]["messages"][-1]["content"] == "pond \udcff"


@pytest.mark.parametrize(
    ("query", "answer", "keywords"),
    [
        # order, wording and repetitions are the query's
        ("a lake and trees", (["trees", "lake"], []), Keywords(("lake", "trees"), (), "a lake and trees")),
        ("Storage Tanks", (["Storage  TANKS"], []), Keywords(("storage tanks",), (), "storage tanks")),
        ("storage tanks", (["storage tank"], []), Keywords(("storage tanks",), (), "storage tanks")),
        ("a tree by trees", (["trees", "tree"], []), Keywords(("tree",), (), "a tree by trees")),
        # what is not in the query is dropped: other words, parts of words
        ("a sports car", (["car", "vehicle", "port", ""], []), Keywords(("car",), (), "a sports car")),
        # no nouns: the whole query
        ("dense residential", ([], []), Keywords(("dense residential",), (), "dense residential")),
        # what is ruled out
        ("a pier without boats", (["pier"], ["boats"]), Keywords(("pier",), ("boats",), "a pier")),
        ("court -pool", (["court"], ["pool"]), Keywords(("court",), ("pool",), "court")),
        ('"red roof" -"parking lot"', (["roof"], ["parking lot"]), Keywords(("roof",), ("parking lot",), "red roof")),
        ("a pier, all boats gone", (["pier"], ["boats"]), Keywords(("pier",), ("boats",), "pier")),
    ],
)
def test_what_is_believed(query: str, answer: tuple[list[str], list[str]], keywords: Keywords) -> None:
    found = believed(Answer(positives=answer[0], negatives=answer[1]), query, LOCAL.extract(query))
    assert found == keywords


@pytest.mark.parametrize(
    ("query", "answer", "why"),
    [
        ("a lake", (["moon"], []), "not in the query"),
        ("a lake and boats", (["lake", "boat"], ["boats"]), "both wants and rules out"),
        ("court -pool", (["court"], []), "minus sign"),
        ("court -pool", (["court", "pool"], []), "minus sign"),
        ("a lake, no boats", ([], ["lake"]), "rules out everything"),
    ],
)
def test_what_is_not_believed(query: str, answer: tuple[list[str], list[str]], why: str) -> None:
    with pytest.raises(AnswerError, match=why):
        believed(Answer(positives=answer[0], negatives=answer[1]), query, LOCAL.extract(query))


@pytest.mark.parametrize(
    "content",
    [
        '\n {"positives": ["pond"], "negatives": []} \n',
        '```json\n{"positives": ["pond"], "negatives": []}\n```',
        '```\n{"positives": ["pond"], "negatives": []}```',
        '<think>A pond {"a": 1}.</think>\n\n{"positives": ["pond"], "negatives": []}',
        '<think></think>```json\n{"negatives": [], "positives": ["pond"]}\n```',
    ],
)
def test_thoughts_and_a_code_fence_around_the_answer_are_taken_off(content: str) -> None:
    assert parse(content) == Answer(positives=["pond"], negatives=[])


_PIECES = st.sampled_from(
    ["tennis courts", "pool", "no", "without", "-", "-pool", ",", "and", "red", '"', "trees", "a"]
)


@settings(deadline=None)
@given(
    st.lists(_PIECES, max_size=8).map(" ".join) | st.text(max_size=30),
    st.lists(_PIECES | st.text(max_size=5), max_size=4),
    st.lists(_PIECES | st.text(max_size=5), max_size=3),
)
def test_whatever_a_model_answers_keywords_are_pieces_of_the_query(
    query: str, positives: list[str], negatives: list[str]
) -> None:
    try:
        found = believed(Answer(positives=positives, negatives=negatives), query, LOCAL.extract(query))
    except (AnswerError, UsageError):
        return
    text = normalise_query(query)
    assert found.positives and found.positive_text
    assert all(word in text for word in {*found.positives, *found.negatives} - {found.positive_text})


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("http://localhost:11434/v1", "http://localhost:11434/v1"),
        (" HTTPS://example.org/v1/ ", "https://example.org/v1"),
        ("http://[::1]:8080/v1/chat/completions", "http://[::1]:8080/v1"),
    ],
)
def test_an_address_is_taken_with_or_without_its_end(url: str, base: str) -> None:
    assert Endpoint.chosen(url, "small").url == base


@pytest.mark.parametrize(
    "url",
    ["localhost:11434", "ftp://host/v1", "http://", "http://host:99999/v1", "http://[::1/v1", "http://a b/v1", "x"],
)
def test_an_address_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="no URL that can be used"):
        Endpoint.chosen(url, "small")


@pytest.mark.parametrize("url", [f"http://me:{KEY}@host/v1", f"http://host/v1?key={KEY}", "http://host/v1#x"])
def test_an_address_with_secrets_is_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(UsageError, match="MPSCLIP_LLM_API_KEY") as caught:
        Endpoint.chosen(url, "small")
    assert KEY not in str(caught.value) and KEY not in repr(caught.value.data)


def test_address_model_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MPSCLIP_LLM_URL", "MPSCLIP_LLM_MODEL", "MPSCLIP_LLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="need its address"):
        Endpoint.chosen()
    monkeypatch.setenv("MPSCLIP_LLM_URL", "http://host/v1")
    with pytest.raises(UsageError, match="need the model's name"):
        Endpoint.chosen()
    monkeypatch.setenv("MPSCLIP_LLM_MODEL", "small")
    assert Endpoint.chosen() == Endpoint("http://host/v1", "small", None)
    monkeypatch.setenv("MPSCLIP_LLM_API_KEY", f" {KEY}\n")
    assert Endpoint.chosen("http://other/v1", "large") == Endpoint("http://other/v1", "large", KEY)
    monkeypatch.setenv("MPSCLIP_LLM_API_KEY", f"{KEY}\r\nX: y")
    with pytest.raises(UsageError, match="characters that no request can carry") as caught:
        Endpoint.chosen()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "local"),
    [("http://localhost:1/v1", True), ("http://127.0.0.1/v1", True), ("http://[::1]/v1", True), ("http://h/v1", False)],
)
def test_this_machine_is_known_by_its_names(url: str, local: bool) -> None:
    assert Endpoint(url, "small").is_local is local
