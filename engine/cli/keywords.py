"""Options that say who finds the keywords of a query."""

from __future__ import annotations

import argparse

from engine.text.extractors import ExtractorName


def add_keyword_options(parser: argparse.ArgumentParser) -> None:
    """``--keywords``, ``--llm-url`` and ``--llm-model``."""
    parser.add_argument("--keywords", choices=[name.value for name in ExtractorName], help="default: local")
    parser.add_argument("--llm-url", metavar="URL", help="OpenAI-compatible, such as http://localhost:11434/v1")
    parser.add_argument("--llm-model", metavar="NAME", help="of the language model; its key: MPSCLIP_LLM_API_KEY")
