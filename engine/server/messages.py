"""JSON-RPC 2.0: what a client's frame says, and the three kinds of message that go to it."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

from engine.errors import Cancelled, EngineError
from engine.types import Json

CANCELLED = -32800
INTERNAL = -32603
RequestId = int | str


class RequestError(EngineError):
    """A request that cannot be understood or is not allowed; ``id`` is None where it could not be read."""

    def __init__(self, problem: str, remedy: str, request_id: RequestId | None = None, **data: Any) -> None:
        super().__init__(problem, remedy, **data)
        self.id = request_id


class ParseError(RequestError):
    """The frame holds no JSON."""

    code: ClassVar[int] = -32700


class InvalidRequestError(RequestError):
    """The JSON is no request, or the request is not allowed now."""

    code: ClassVar[int] = -32600


class UnknownMethodError(RequestError):
    """There is no such method."""

    code: ClassVar[int] = -32601


class InvalidParamsError(RequestError):
    """Parameters are missing, unknown or of a wrong type."""

    code: ClassVar[int] = -32602


class NotInitializedError(RequestError):
    """Something came before ``initialize``."""

    code: ClassVar[int] = -32002


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ``id`` is unique among those that are not answered yet."""

    id: RequestId
    method: str
    params: Json


def parse(body: bytes) -> Request | None:
    """The request in a frame; None for a notification or an answer, to neither of which anything is said.

    Raises:
        ParseError, InvalidRequestError, InvalidParamsError: what is wrong with it.
    """
    try:
        message = json.loads(body.decode("utf-8"), parse_constant=_not_finite)
    except (ValueError, RecursionError) as error:
        raise ParseError(f"The frame holds no JSON ({_first_line(error)}).", "Send UTF-8 JSON.") from error
    if isinstance(message, list):
        raise InvalidRequestError("Batches of requests are not answered.", "Send each request in a frame of its own.")
    if not isinstance(message, dict):
        raise InvalidRequestError("The frame holds no JSON object.", "Send a JSON-RPC 2.0 request.")
    if "method" not in message and ("result" in message or "error" in message):
        return None
    return _request(message)


def _request(message: dict[str, Any]) -> Request | None:
    request_id = message.get("id")
    known = request_id if _is_id(request_id) else None
    if message.get("jsonrpc") != "2.0":
        raise InvalidRequestError("'jsonrpc' is not \"2.0\".", "Send JSON-RPC 2.0.", known)
    method, params = message.get("method"), message.get("params", {})
    if not isinstance(method, str):
        raise InvalidRequestError("'method' is no string.", "Name a method.", known)
    if "id" not in message:
        return None
    if known is None:
        raise InvalidRequestError("'id' is neither a whole number nor a string.", "Give each request its own id.")
    if not isinstance(params, dict):
        raise InvalidParamsError("'params' is no object.", "Send parameters by name.", known, method=method)
    return Request(known, method, params)


def result(request_id: RequestId, value: Json | None) -> Json:
    """The answer to a request that was done."""
    return {"jsonrpc": "2.0", "id": request_id, "result": value}


def failure(request_id: RequestId | None, error: Json) -> Json:
    """The answer to a request that was not."""
    return {"jsonrpc": "2.0", "id": request_id, "error": error}


def notification(method: str, params: Json) -> Json:
    """What is told without being asked."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def error_json(error: BaseException) -> Json:
    """An exception as the ``error`` of an answer. One that is not an :class:`EngineError` is a defect: it tells its
    type and first line only, and its traceback belongs in the log (:func:`traceback_of`).
    """
    if isinstance(error, Cancelled):
        return _error(CANCELLED, error.problem, error.remedy)
    if isinstance(error, EngineError):
        return _error(error.code, error.problem, error.remedy, **error.data)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return _error(
            EngineError.code,
            f"Memory ran out ({_first_line(error)}).",
            "Close other programs, choose a smaller model or a smaller batch_size, or compute on the CPU.",
        )
    name = type(error).__name__
    return _error(
        INTERNAL,
        f"Something went wrong that the engine did not expect: {name}: {_first_line(error)}.",
        "See the log for details, and report it with the log if it happens again.",
        type=name,
    )


def is_expected(error: BaseException) -> bool:
    """Whether an exception explains itself, so that no traceback is worth logging."""
    return isinstance(error, EngineError)


def traceback_of(error: BaseException) -> str:
    """For the log."""
    return "".join(traceback.format_exception(error)).rstrip()


def _error(code: int, problem: str, remedy: str, **data: Any) -> Json:
    text = f"{problem} {remedy}".strip()
    return {"code": code, "message": text, "data": {**data, "problem": problem, "remedy": remedy}}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no message"


def _is_id(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")
