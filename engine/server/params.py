"""The parameters of each method, checked before anything is done (docs/protocol.md, "Requests")."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.config import IndexOptions
from engine.errors import UsageError
from engine.server.messages import InvalidParamsError, Request, UnknownMethodError

LogLevel = Literal["debug", "info", "warning", "error"]


class Params(BaseModel):
    """Parameters by name; unknown ones and wrong types are refused, never converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class NoParams(Params):
    """For methods that take none."""


class InitializeParams(Params):
    """``cache`` and ``log_level``: null for the engine's defaults; ``parent_pid``: null where nobody is watched."""

    protocol: int
    client: str = ""
    parent_pid: int | None = Field(default=None, gt=0)
    cache: str | None = None
    log_level: LogLevel | None = None


class CancelParams(Params):
    """Which request."""

    id: int | str


class FetchParams(Params):
    """Which model of the catalogue."""

    model: str


class IndexBuildParams(Params):
    """``options``: of :class:`engine.config.IndexOptions`."""

    rasters: list[str] = Field(min_length=1)
    options: dict[str, Any] | None = None
    model: str | None = None
    device: str | None = None


class IndexRemoveParams(Params):
    """One of them says what to remove."""

    keys: list[str] | None = Field(default=None, min_length=1)
    raster: str | None = None
    stale: bool = False
    all: bool = False


class KeywordParams(Params):
    """Who finds the keywords of a query; the key is in no log and no message."""

    extractor: Literal["local", "llm"] = "local"
    llm_url: str | None = None
    llm_model: str | None = None
    llm_api_key: str | None = Field(default=None, repr=False)


class _AnySearchParams(Params):
    """``options``: of :class:`engine.config.SearchOptions`."""

    rasters: list[str] = Field(min_length=1)
    out: str
    overwrite: bool = False
    options: dict[str, Any] | None = None
    model: str | None = None
    device: str | None = None
    keywords: KeywordParams | None = None
    segmenter_weights: str | None = None


class SearchParams(_AnySearchParams):
    """One query."""

    query: str


class BatchParams(_AnySearchParams):
    """Several queries."""

    queries: list[str] = Field(min_length=1)


METHODS: dict[str, type[Params]] = {
    "initialize": InitializeParams,
    "status": NoParams,
    "models.list": NoParams,
    "models.fetch": FetchParams,
    "index.list": NoParams,
    "index.build": IndexBuildParams,
    "index.remove": IndexRemoveParams,
    "search": SearchParams,
    "batch": BatchParams,
    "cancel": CancelParams,
    "shutdown": NoParams,
}

P = TypeVar("P", bound=Params)
O = TypeVar("O", bound=IndexOptions)  # noqa: E741  # the options of a method


def checked(request: Request) -> Params:
    """The parameters of a request.

    Raises:
        UnknownMethodError: the method is not one of :data:`METHODS`.
        InvalidParamsError: names the parameter, never its value, which may be a secret.
    """
    kind = METHODS.get(request.method)
    if kind is None:
        raise UnknownMethodError(
            f"There is no method {request.method!r}.",
            f"Known: {', '.join(METHODS)}.",
            request.id,
            method=request.method,
        )
    try:
        return kind.model_validate(request.params)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = ".".join(str(step) for step in first["loc"])
        known = f"It takes: {', '.join(kind.model_fields) or 'none'}."
        raise InvalidParamsError(
            f"Parameter {name} of {request.method} cannot be taken: {first['msg']}.",
            known,
            request.id,
            method=request.method,
            parameter=name,
        ) from None  # the original names the value


def checked_options(kind: type[O], given: dict[str, Any] | None) -> O:
    """Options of a search or an index.

    Raises:
        UsageError: an unknown option or a value that it cannot have.
    """
    values = given or {}
    unknown = sorted(values.keys() - kind.model_fields.keys())
    if unknown:
        raise UsageError(
            f"There is no option {unknown[0]!r}.", f"Known: {', '.join(kind.model_fields)}.", option=unknown[0]
        )
    return kind.checked(**values)
