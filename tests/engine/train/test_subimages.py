"""Subimages that the model cuts itself."""

from __future__ import annotations

import torch

from engine.train.packaged.subimages import BLACK, drawn_nouns, subimages


def test_what_answers_to_the_noun_stays_and_the_rest_is_black() -> None:
    images = torch.rand(2, 3, 64, 64)
    tokens = torch.zeros(2, 4, 4, 2)
    tokens[..., 0] = 1.0
    tokens[0, :2, :2] = torch.tensor([0.0, 1.0])  # image 0 shows the noun in its upper left quarter
    tokens[1, 3] = torch.tensor([0.0, 1.0])  # image 1 in its lowest row
    cut = subimages(images, tokens, torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    torch.testing.assert_close(cut[0, :, :24, :24], images[0, :, :24, :24])
    torch.testing.assert_close(cut[1, :, 56:], images[1, :, 56:])
    assert bool((cut[0, :, 40:] == BLACK).all())
    assert bool((cut[1, :, :40] == BLACK).all())


def test_each_image_draws_a_noun_that_it_shows_and_all_of_them_in_time() -> None:
    shown = torch.tensor([[True, False, True], [False, False, False], [False, True, False]])
    seen = set()
    for seed in range(20):
        columns, named = drawn_nouns(shown, torch.Generator().manual_seed(seed))
        assert named.tolist() == [True, False, True]
        assert int(columns[2]) == 1
        seen.add(int(columns[0]))
    assert seen == {0, 2}
