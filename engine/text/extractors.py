"""Which keyword extractor a search uses."""

from __future__ import annotations

from pathlib import Path

from engine.config import cache_folder
from engine.errors import UsageError
from engine.text.contract import KeywordExtractor
from engine.text.local import LocalKeywordExtractor
from engine.types import TextEnum


class ExtractorName(TextEnum):
    """Who finds the keywords: rules on this machine, or a language model behind a URL."""

    LOCAL = "local"
    LLM = "llm"


def make_extractor(
    name: str | None = None,
    url: str | None = None,
    model: str | None = None,
    cache: Path | None = None,
    api_key: str | None = None,
) -> KeywordExtractor:
    """The extractor of that name; None: the local one.

    Args:
        name: one of :class:`ExtractorName`.
        url, model, api_key: of the language model; None: as :meth:`engine.text.llm_endpoint.Endpoint.chosen` finds
            them.
        cache: the cache folder; None: as :func:`engine.config.cache_folder` finds it.

    Raises:
        UsageError: a language model without an address or name, or these without a language model.
    """
    if ExtractorName(name or ExtractorName.LOCAL) is ExtractorName.LOCAL:
        if url or model:
            raise UsageError("--llm-url and --llm-model say which language model to ask.", "Add --keywords llm.")
        return LocalKeywordExtractor()
    from engine.text.llm import LlmKeywordExtractor
    from engine.text.llm_cache import AnswerCache
    from engine.text.llm_endpoint import Endpoint

    answers = AnswerCache(cache_folder(cache) / "keywords")
    return LlmKeywordExtractor(Endpoint.chosen(url, model, api_key), LocalKeywordExtractor(), answers)
