"""What a language model is asked, and what of its answer is believed."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.text.contract import Keywords
from engine.text.tokens import TokenKind, normalise_query, tokenise, unquoted
from engine.text.words import distinct_keywords, singular
from engine.types import Json

PROMPT_VERSION = 1  # part of the cache's key: a new prompt gives new answers

_INSTRUCTIONS = """\
You find the keywords of a query that is used to search aerial and satellite images.
Keywords are the nouns and noun compounds that name things one could outline in such an image: "parking lot", "tennis
courts", "residential area". Copy each one from the query exactly as it stands there, singular or plural, in lower case,
in order of appearance. Leave out colours, sizes, shapes, numbers, articles, and words of amount and place such as
"many", "row", "piece", "side" and "middle". Keep words that say what kind of thing it is, such as "residential" and
"storage".
What the query rules out with words such as "no", "not", "without" and "except", or with a minus sign directly before
it, goes into "negatives". All other keywords go into "positives".
Answer with one JSON object and nothing else: {"positives": [strings], "negatives": [strings]}"""
_EXAMPLES: tuple[tuple[str, list[str], list[str]], ...] = (
    ("many white storage tanks beside a curved river", ["storage tanks", "river"], []),
    ("tennis court -pool", ["tennis court"], ["pool"]),
    ("a parking lot with a few cars, but no trees or buildings", ["parking lot", "cars"], ["trees", "buildings"]),
)
_THOUGHTS = ("<think>", "</think>")
_FENCE = "```"
_WORDS = {"type": "array", "items": {"type": "string"}}
# Written out, since services accept only part of what pydantic would say.
_SCHEMA = {
    "type": "object",
    "properties": {"positives": _WORDS, "negatives": _WORDS},
    "required": ["positives", "negatives"],
    "additionalProperties": False,
}


class Answer(BaseModel):
    """Keywords as a model names them, and as the cache keeps them; nothing but these two lists is accepted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    positives: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=64)]
    negatives: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=64)]


class AnswerError(ValueError):
    """An answer that cannot be used; says why, without repeating it."""


def request(query: str) -> tuple[list[Json], dict[str, Any]]:
    """The conversation that asks for a query's keywords, and the fields that hold a service to the answer's form."""
    messages: list[Json] = [{"role": "system", "content": _INSTRUCTIONS}]
    for example, positives, negatives in _EXAMPLES:
        answer = json.dumps({"positives": positives, "negatives": negatives})
        messages += [{"role": "user", "content": example}, {"role": "assistant", "content": answer}]
    messages.append({"role": "user", "content": query})
    schema = {"name": "keywords", "strict": True, "schema": _SCHEMA}
    return messages, {"temperature": 0, "response_format": {"type": "json_schema", "json_schema": schema}}


def parse(content: str) -> Answer:
    """The answer in what a model wrote: a JSON object, after its thoughts and within a code fence where it has them.

    Raises:
        AnswerError: it is not the object that was asked for.
    """
    text = content.strip()
    if text.startswith(_THOUGHTS[0]):
        text = text.partition(_THOUGHTS[1])[2].strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE):
        text = text.removeprefix(_FENCE).removesuffix(_FENCE).removeprefix("json")
    try:
        return Answer.model_validate_json(text)
    except ValidationError:
        raise AnswerError("is not the JSON object that was asked for") from None


def believed(answer: Answer, query: str, local: Keywords) -> Keywords:
    """The answer as keywords of the query; what does not stand in the query is dropped.

    Args:
        answer: of the model.
        query: as the user wrote it.
        local: what the local extractor finds in it: its ``positive_text`` is taken where both rule out the same.

    Raises:
        AnswerError: nothing is left, something is both wanted and ruled out, or what stands after a minus sign is not
            ruled out.
    """
    text = normalise_query(query)
    positives, negatives = _in_query(answer.positives, text), _in_query(answer.negatives, text)
    if answer.positives and not positives:
        raise AnswerError("names keywords that are not in the query")
    ruled_out = {singular(keyword) for keyword in negatives}
    if ruled_out & {singular(keyword) for keyword in positives}:
        raise AnswerError("both wants and rules out the same thing")
    tokens = tokenise(text)
    after_minus = [b.text for a, b in pairwise(tokens) if a.kind is TokenKind.MINUS]
    if not all(any(_find(word, keyword) for keyword in negatives) for word in after_minus):
        raise AnswerError("does not rule out what stands after a minus sign")
    if not negatives:
        positive_text = unquoted(text, tokens).strip()
    elif ruled_out == {singular(keyword) for keyword in local.negatives}:
        positive_text = local.positive_text
    else:
        positive_text = ", ".join(positives)
    if not positive_text:
        raise AnswerError("rules out everything")
    return Keywords(positives or (positive_text,), negatives, positive_text)


def _in_query(keywords: list[str], text: str) -> tuple[str, ...]:
    """Those that stand in the normalised query, in its wording and order."""
    found = [place for keyword in keywords if (place := _find(normalise_query(keyword), text))]
    return distinct_keywords(place.group() for place in sorted(found, key=lambda place: place.start()))


def _find(keyword: str, text: str) -> re.Match[str] | None:
    """Where whole words of ``text`` are the keyword, in singular or plural."""
    if not keyword:
        return None
    *before, last = keyword.split(" ")
    for match in re.finditer(rf"(?<!\w){re.escape(' '.join([*before, '']))}(?P<last>\w[\w'’-]*)", text):
        if match["last"] == last or singular(match["last"]) == singular(last):
            return match
    return None
