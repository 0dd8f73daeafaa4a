"""Where a language model answers: address, model, key, and how long it may take."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from engine.errors import UsageError

URL_VARIABLE = "MPSCLIP_LLM_URL"
MODEL_VARIABLE = "MPSCLIP_LLM_MODEL"
KEY_VARIABLE = "MPSCLIP_LLM_API_KEY"

_PATH = "/chat/completions"
_HEADER_TEXT = re.compile(r"[!-~]+")  # what may stand in a header without being quoted
_EXAMPLE = "Give the base URL of an OpenAI-compatible service, such as http://localhost:11434/v1."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible service and one of its models.

    Attributes:
        url: base URL without a slash at the end; ``/chat/completions`` comes after it.
        model: name by which the service knows the model.
        api_key: sent as a bearer token; in no message, log, cache or ``repr``. None: none is sent.
        timeout_s: for an answer, retries included, in seconds.
        attempts: at most, where the service is busy, failing or out of reach.
        backoff_s: pause after the first failed attempt, twice as long after each further one, in seconds.
    """

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0
    attempts: int = 3
    backoff_s: float = 0.5

    @classmethod
    def chosen(cls, url: str | None = None, model: str | None = None, api_key: str | None = None) -> Endpoint:
        """As given, else as the environment variables MPSCLIP_LLM_URL, MPSCLIP_LLM_MODEL and MPSCLIP_LLM_API_KEY say.

        Raises:
            UsageError: no URL or model, a URL that cannot be used, or a key that no service can have given.
        """
        url = url or os.environ.get(URL_VARIABLE)
        model = (model or os.environ.get(MODEL_VARIABLE) or "").strip()
        if not url:
            raise UsageError(
                "Keywords by a language model need its address.", f"{_EXAMPLE[:-1]} (--llm-url on the command line)."
            )
        if not model:
            raise UsageError(
                "Keywords by a language model need the model's name.",
                f"Name it ({MODEL_VARIABLE}, or --llm-model on the command line).",
            )
        return cls(_base_url(url), model, _api_key(api_key))

    @property
    def chat_url(self) -> str:
        return self.url + _PATH

    @property
    def is_local(self) -> bool:
        """Whether it is this machine, which no proxy leads to."""
        host = urlsplit(self.url).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def _base_url(url: str) -> str:
    url = url.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and url.isprintable()
    except ValueError:
        usable = False
    # What is refused may hold a password, so none of it is repeated.
    if not usable or re.search(r"\s", url):
        raise UsageError("The language model's address is no URL that can be used.", _EXAMPLE)
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            "The language model's address holds more than a host and a path.",
            f"Leave out user, password and what follows a question mark; a key belongs in {KEY_VARIABLE}.",
        )
    url = parts.scheme + url[len(parts.scheme) :]  # in lower case
    return url.rstrip("/").removesuffix(_PATH).rstrip("/")


def _api_key(given: str | None) -> str | None:
    key = (given or os.environ.get(KEY_VARIABLE, "")).strip()
    if key and not _HEADER_TEXT.fullmatch(key):
        raise UsageError(
            f"The key {'' if given else f'in {KEY_VARIABLE} '}has characters that no request can carry.",
            "Set it again, without spaces and line ends within.",
        )
    return key or None
