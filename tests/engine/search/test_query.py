"""Queries as vectors: what short phrases and sentences are scored by."""

from __future__ import annotations

import numpy as np
import torch

from engine.models.registry import load_model
from engine.search.query import QueryVectors
from engine.segment.background import BACKGROUND, background_embeddings
from engine.segment.prompts import PromptEnsemble
from engine.text.contract import Keywords
from tests.engine.segment.conftest import TintModel


def asked(text: str, *negatives: str) -> Keywords:
    return Keywords((text,), negatives, text)


def test_a_short_phrase_is_scored_against_what_imagery_shows_at_large() -> None:
    model = load_model("rsicd-mini", "cpu")
    images = torch.nn.functional.normalize(torch.randn(5, model.embed_dim, generator=torch.manual_seed(1)), dim=1)
    found = QueryVectors.of(asked("tennis court"), model).score(images.numpy())
    prompts = PromptEnsemble(model)
    cosines = images @ prompts.embed(["tennis court", *BACKGROUND]).T
    np.testing.assert_allclose(found, cosines[:, 0] - cosines[:, 1:].mean(1), atol=1e-5)


def test_a_sentence_is_scored_by_its_cosine() -> None:
    model = load_model("rsicd-mini", "cpu")
    text = "many planes are parked next to a long building"
    torch.testing.assert_close(QueryVectors.of(asked(text), model).texts, model.encode_texts([text]).float())


def test_each_text_of_a_query_by_its_own_length() -> None:
    model = TintModel()
    rows = QueryVectors.of(asked("a red roof beside a river", "blue"), model).texts
    alone = PromptEnsemble(model).embed(["a red roof beside a river", "blue"])
    torch.testing.assert_close(rows[0], alone[0])
    torch.testing.assert_close(rows[1], alone[1] - background_embeddings(model).mean(0))


def test_a_tile_that_is_like_everything_does_not_stand_before_one_that_is_like_the_query() -> None:
    """One tile is nearer to the phrase by cosine, but as near to the words for everything."""
    model = load_model("rsicd-mini", "cpu")
    phrase = PromptEnsemble(model).embed(["pond"])[0]
    mean = torch.nn.functional.normalize(background_embeddings(model).mean(0), dim=0)
    fits = phrase - 0.9 * (phrase @ mean) * mean
    common = torch.nn.functional.normalize(0.6 * phrase + mean, dim=0)
    fits = 0.9 * float(common @ phrase) / float(fits @ phrase) * fits
    images = torch.stack([common, fits])
    cosines = images @ phrase
    scores = QueryVectors.of(asked("pond"), model).score(images.numpy())
    assert cosines[0] > cosines[1]
    assert scores[0] < scores[1]


def test_common_words_are_embedded_once_a_model() -> None:
    model = TintModel()
    first = background_embeddings(model)
    embedded = len(model.encoded_texts)
    assert background_embeddings(model) is first
    assert len(model.encoded_texts) == embedded
