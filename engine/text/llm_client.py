"""One question to an OpenAI-compatible service, with retries, and limits on time and size."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field, ValidationError

from engine.errors import KeywordServiceError
from engine.text.llm_endpoint import KEY_VARIABLE, Endpoint
from engine.types import Json

if TYPE_CHECKING:
    import httpx2

MAX_ANSWER_BYTES = 1 << 20
_OK, _BAD_REQUEST, _UNPROCESSABLE, _TOO_MANY, _SERVER_ERROR = 200, 400, 422, 429, 500
_UNAUTHORISED = (401, 403)
_QUOTED_CHARACTERS = 200  # of what a service says about a refusal


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]


class _Retry(Exception):
    """The service may answer if it is asked again."""

    def __init__(self, error: KeywordServiceError, wait_s: float | None = None) -> None:
        self.error = error
        self.wait_s = wait_s
        super().__init__()


def complete(endpoint: Endpoint, messages: list[Json], extras: Mapping[str, object]) -> str:
    """The text of the model's answer.

    Args:
        messages: the conversation, each with ``role`` and ``content``.
        extras: further fields of the request, such as ``response_format``. A service that refuses the request with
            them is asked once more without.

    Raises:
        KeywordServiceError: it cannot be reached, takes too long, refuses, or answers something else.
    """
    plain: Json = {"model": endpoint.model, "messages": messages}
    body = {**plain, **extras}
    wait_s = endpoint.backoff_s
    attempt = 1
    with _client(endpoint) as client:
        deadline = time.monotonic() + endpoint.timeout_s
        while True:
            try:
                status, payload = _post(client, endpoint, body, deadline)
            except _Retry as failure:
                pause = max(wait_s, failure.wait_s or 0.0)
                if attempt >= endpoint.attempts or time.monotonic() + pause >= deadline:
                    raise failure.error from failure.__cause__
                time.sleep(pause)
                attempt += 1
                wait_s *= 2
                continue
            if status == _OK:
                return _content(endpoint, payload)
            if status not in (_BAD_REQUEST, _UNPROCESSABLE) or body is plain:
                raise _refused(endpoint, status, payload)
            body = plain


def _client(endpoint: Endpoint) -> httpx2.Client:
    import httpx2

    try:
        # Reading all certificates takes half a second, and only https needs them.
        verify = True if endpoint.url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Nothing on the way to this machine is a proxy's business.
        return httpx2.Client(verify=verify, trust_env=not endpoint.is_local, follow_redirects=False)
    except (ValueError, OSError, ImportError, httpx2.InvalidURL) as error:
        raise _failed(
            endpoint,
            f"cannot be asked with this machine's network settings ({type(error).__name__})",
            "Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE.",
        ) from error


def _post(client: httpx2.Client, endpoint: Endpoint, body: Json, deadline: float) -> tuple[int, bytes]:
    """Status and body of one answer; busy and failing services, and broken connections, raise :class:`_Retry`."""
    import httpx2

    headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
    content = json.dumps(body).encode("ascii")  # escaped, so that a query in no valid encoding passes too
    if endpoint.api_key is not None:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    try:
        timeout = httpx2.Timeout(max(0.001, deadline - time.monotonic()))
        with client.stream("POST", endpoint.chat_url, content=content, headers=headers, timeout=timeout) as response:
            status = response.status_code
            if status == _TOO_MANY or status >= _SERVER_ERROR:
                raise _Retry(_refused(endpoint, status, b""), _retry_after(response.headers))
            payload = bytearray()
            for chunk in response.iter_raw():
                payload += chunk
                if len(payload) > MAX_ANSWER_BYTES:
                    raise _failed(endpoint, f"sends more than {MAX_ANSWER_BYTES >> 20} MB")
                if time.monotonic() > deadline:
                    raise _too_slow(endpoint)
            return status, bytes(payload)
    except httpx2.TimeoutException as error:
        raise _too_slow(endpoint) from error  # a model that is too slow now will be when it is asked again
    except httpx2.RequestError as error:
        raise _Retry(_failed(endpoint, f"cannot be reached: {_quoted(endpoint, str(error))}")) from error


def _content(endpoint: Endpoint, payload: bytes) -> str:
    try:
        return _Completion.model_validate_json(payload).choices[0].message.content
    except ValidationError:
        # The validation's own words would repeat the answer.
        raise _failed(endpoint, "does not answer as OpenAI's chat completions do") from None


def _refused(endpoint: Endpoint, status: int, payload: bytes) -> KeywordServiceError:
    if status in _UNAUTHORISED:
        # What a service says here may repeat the key.
        return _failed(endpoint, f"refuses the key (status {status})", f"Set the right one in {KEY_VARIABLE}.")
    said = _quoted(endpoint, payload.decode("utf-8", "replace"))
    return _failed(endpoint, f"answers with status {status}" + (f": {said}" if said else ""))


def _quoted(endpoint: Endpoint, text: str) -> str:
    """The beginning of what another program says, in one line, without the key."""
    if endpoint.api_key is not None:
        text = text.replace(endpoint.api_key, "...")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_QUOTED_CHARACTERS]


def _too_slow(endpoint: Endpoint) -> KeywordServiceError:
    return _failed(endpoint, f"has not answered within {endpoint.timeout_s:g} s")


def _failed(
    endpoint: Endpoint,
    what: str,
    remedy: str = "Check the language model's address (--llm-url) and name (--llm-model).",
) -> KeywordServiceError:
    return KeywordServiceError(f"{endpoint.url} {what}.", remedy, url=endpoint.url, model=endpoint.model)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait; None where it names none (a date is not read)."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isascii() and value.isdigit() else None
