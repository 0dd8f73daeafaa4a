"""Prompt ensembles: the mean over wordings, remembered."""

from __future__ import annotations

import torch

from engine.segment.prompts import PromptEnsemble
from tests.engine.segment.conftest import TintModel


def test_a_short_noun_is_the_normalised_mean_of_three_wordings(model: TintModel) -> None:
    found = PromptEnsemble(model).embed(["roof"])
    wordings = ["roof", "there is a roof", "an aerial image of roof"]
    assert model.encoded_texts == wordings
    mean = model.encode_texts(wordings).mean(0)
    torch.testing.assert_close(found[0], mean / mean.norm())


def test_a_phrase_is_embedded_as_it_is(model: TintModel) -> None:
    PromptEnsemble(model).embed(["red roofs beside a river"])
    assert model.encoded_texts == ["red roofs beside a river"]


def test_keywords_are_encoded_once_and_come_back_in_order(model: TintModel) -> None:
    prompts = PromptEnsemble(model, ["{}"])
    first = prompts.embed(["red", "blue", "red"])
    assert model.encoded_texts == ["red", "blue"]
    assert torch.equal(first[0], first[2])
    assert torch.equal(prompts.embed(["blue", "red"]), first[[1, 0]])
    assert model.encoded_texts == ["red", "blue"]


def test_no_keywords_give_no_rows(model: TintModel) -> None:
    assert PromptEnsemble(model).embed([]).shape == (0, model.embed_dim)
