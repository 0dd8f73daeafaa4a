"""Queries as vectors: what short phrases and sentences are scored by."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

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
    images = normalize(torch.randn(5, model.embed_dim, generator=torch.manual_seed(1)), dim=1)
    found = QueryVectors.of(asked("tennis court"), model).score(images.numpy())
    prompts = PromptEnsemble(model)
    cosines = images @ prompts.embed(["tennis court", *BACKGROUND]).T
    np.testing.assert_allclose(found, cosines[:, 0] - cosines[:, 1:].mean(1), atol=1e-5)


def test_a_sentence_is_scored_by_its_cosine() -> None:
    model = load_model("rsicd-mini", "cpu")
    text = "many planes are parked next to a long building"
    torch.testing.assert_close(QueryVectors.of(asked(text), model).texts, model.encode_texts([text]).float())


@pytest.mark.parametrize("negative", ["blue", "blue water beside a white roof"])
def test_negatives_are_on_the_scale_of_what_is_asked_for(negative: str) -> None:
    model = TintModel()
    prompts, common = PromptEnsemble(model), background_embeddings(model).mean(0)
    short = QueryVectors.of(asked("red roof", negative), model).texts
    torch.testing.assert_close(short, prompts.embed(["red roof", negative]) - common)
    sentence = QueryVectors.of(asked("a red roof beside a river", negative), model).texts
    torch.testing.assert_close(sentence, prompts.embed(["a red roof beside a river", negative]))


def test_a_tile_that_is_like_everything_does_not_stand_before_one_that_is_like_the_query() -> None:
    """One tile is nearer to the phrase by cosine, but as near to the words for everything."""
    model = load_model("rsicd-mini", "cpu")
    phrase, mean = PromptEnsemble(model).embed(["pond"])[0], normalize(background_embeddings(model).mean(0), dim=0)
    common = normalize(0.1 * phrase + mean, dim=0)
    basis = torch.linalg.qr(torch.stack([mean, phrase, torch.ones_like(mean)], 1)).Q.T  # (3, E), orthonormal
    own = basis[1] * torch.sign(basis[1] @ phrase)  # of the phrase what it has not in common with everything
    along = 0.9 * float(common @ phrase) / float(own @ phrase)
    assert along < 1
    fits = along * own + (1 - along**2) ** 0.5 * basis[2]
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
