"""Keywords of a query by a language model behind an OpenAI-compatible URL, with the local extractor as a fallback."""

from __future__ import annotations

import logging
from collections.abc import Callable

from engine.errors import KeywordServiceError
from engine.text.contract import KeywordExtractor, Keywords
from engine.text.llm_answer import Answer, AnswerError, believed, parse, request
from engine.text.llm_cache import AnswerCache
from engine.text.llm_client import complete
from engine.text.llm_endpoint import Endpoint
from engine.text.tokens import normalise_query

MAX_QUERY_CHARACTERS = 1000
_INSTEAD = "Keywords by the local extractor:"
_log = logging.getLogger(__name__)

Notice = Callable[[str], None]


class LlmKeywordExtractor:
    """Asks a language model for the keywords, and believes those that stand in the query.

    Only the query is sent, never imagery. Where no usable answer comes, the fallback's keywords are taken and
    ``notice`` is told why; a search never fails for want of a language model.

    Args:
        endpoint: the service and its model.
        fallback: answers in the model's place; what it refuses, such as an empty query, is refused without asking.
        cache: keeps answers that were believed; None: each query is asked anew.
        notice: receives one line whenever the fallback answers; by default a warning of this module's logger, which
            the command line prints on standard error.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        fallback: KeywordExtractor,
        cache: AnswerCache | None = None,
        notice: Notice = _log.warning,
    ) -> None:
        self._endpoint = endpoint
        self._fallback = fallback
        self._cache = cache
        self._notice = notice

    def extract(self, query: str) -> Keywords:
        """Keywords of a query, pieces of the normalised query.

        Raises:
            UsageError: for a query that the fallback refuses.
        """
        local = self._fallback.extract(query)
        text = normalise_query(query)
        if len(text) > MAX_QUERY_CHARACTERS:
            self._notice(
                f"Keywords by the local extractor: the query is longer than {MAX_QUERY_CHARACTERS} characters."
            )
            return local
        cached = self._cached(text, local)
        if cached is not None:
            return cached
        try:
            answer, keywords = self._ask(text, local)
        except KeywordServiceError as error:
            self._notice(f"{_INSTEAD} {error}")
            return local
        if self._cache is not None:
            self._cache.put(self._endpoint.url, self._endpoint.model, text, answer)
        return keywords

    def _cached(self, text: str, local: Keywords) -> Keywords | None:
        if self._cache is None:
            return None
        answer = self._cache.get(self._endpoint.url, self._endpoint.model, text)
        try:
            return believed(answer, text, local) if answer is not None else None
        except AnswerError:  # another version of this program believed it
            return None

    def _ask(self, text: str, local: Keywords) -> tuple[Answer, Keywords]:
        content = complete(self._endpoint, *request(text))
        try:
            answer = parse(content)
            return answer, believed(answer, text, local)
        except AnswerError as error:
            raise KeywordServiceError(
                f"The answer of {self._endpoint.model} {error}.",
                "Try another language model (--llm-model on the command line).",
                url=self._endpoint.url,
                model=self._endpoint.model,
            ) from error
