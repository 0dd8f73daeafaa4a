"""Answers of language models on disk: one small file a query, without the query in it."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from engine.text.llm_answer import PROMPT_VERSION, Answer


class AnswerCache:
    """Answers by service, model, prompt and query.

    A file that is damaged counts as none, and one that cannot be written is asked for again next time: neither stops a
    search.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, url: str, model: str, query: str) -> Answer | None:
        """The answer that was put there, None where there is none that can be read."""
        try:
            return Answer.model_validate_json(self._file(url, model, query).read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, url: str, model: str, query: str, answer: Answer) -> None:
        """Keeps an answer, whole or not at all."""
        file = self._file(url, model, query)
        temporary = file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(answer.model_dump_json(), encoding="utf-8")
            temporary.replace(file)

    def _file(self, url: str, model: str, query: str) -> Path:
        name = json.dumps([PROMPT_VERSION, url, model, query])
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
