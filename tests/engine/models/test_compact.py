"""The compact dual encoder's parts: folding, tokenizer, quantisation."""

from __future__ import annotations

import pytest
import timm
import torch

from engine.models.compact.dual_encoder import CompactParts, DualEncoder
from engine.models.compact.image_tower import (
    BATCH_NORM_EPS,
    FEATURES,
    SIZES,
    ImageTower,
    fold_batch_norm,
    normalise_pixels,
)
from engine.models.compact.quantise import dequantise, quantise
from engine.models.compact.text_tower import TextTower, TextTowerConfig
from engine.models.compact.token_blocks import TokenBlocks
from engine.models.compact.tokenizer import build_tokenizer, prune_vocabulary, tokenize

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "##b", "tennis", "court", "##s", "pool", "zebra", "über"]


@pytest.mark.parametrize("size", SIZES)
def test_folding_batch_norm_leaves_the_features_as_they_were(size: str) -> None:
    torch.manual_seed(0)
    net = timm.create_model(size, pretrained=False, num_classes=0, bn_eps=BATCH_NORM_EPS).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        before = net.forward_features(images)
        fold_batch_norm(net)
        after = net.forward_features(images)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_image_towers_of_every_size_give_tokens_of_one_width() -> None:
    for size in SIZES:
        assert ImageTower(size).eval()(torch.zeros(1, 3, 64, 96)).shape == (1, FEATURES, 2, 3)
    with pytest.raises(ValueError, match="efficientnet_lite2"):
        ImageTower("efficientnet_b0")


def test_pixels_are_scaled_to_the_range_the_weights_were_trained_on() -> None:
    pixels = torch.tensor([0, 127, 255], dtype=torch.uint8)
    assert normalise_pixels(pixels).tolist() == [-127 / 128, 0.0, 1.0]


def test_padding_of_a_batch_does_not_change_a_text() -> None:
    torch.manual_seed(0)
    tower = TextTower(
        TextTowerConfig(len(VOCABULARY), positions=16, width=24, layers=2, heads=2, feed_forward=32)
    ).eval()
    tokenizer = build_tokenizer(VOCABULARY, 16)
    with torch.no_grad():
        alone = tower(*tokenize(tokenizer, ["tennis courts"]))
        beside = tower(*tokenize(tokenizer, ["tennis courts", "a b a b a pool a b"]))
    torch.testing.assert_close(alone[0], beside[0], rtol=1e-5, atol=1e-6)


def test_tokenizer_spells_a_cut_word_from_its_pieces() -> None:
    tokenizer = build_tokenizer(VOCABULARY, 16)
    assert tokenizer.encode("Tennis COURTS").tokens == ["[CLS]", "tennis", "court", "##s", "[SEP]"]
    assert tokenizer.encode("abb").tokens == ["[CLS]", "a", "##b", "##b", "[SEP]"]
    assert tokenizer.encode("qqq").tokens == ["[CLS]", "[UNK]", "[SEP]"]


def test_tokenizer_cuts_long_texts_at_the_last_position() -> None:
    ids, mask = tokenize(build_tokenizer(VOCABULARY, 8), ["pool " * 50])
    assert ids.shape == (1, 8)
    assert bool(mask.all())


def test_pruning_keeps_the_spelling_of_the_corpus_and_the_most_frequent_rest() -> None:
    kept = prune_vocabulary(VOCABULARY, ["zebra courts"], 11)
    assert set(kept) >= {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "zebra", "court", "##s", "a", "b", "##b"}
    assert kept[-1] == "zebra"
    assert "über" not in kept
    assert len(kept) == 11
    assert "tennis" in kept


def test_int8_error_is_at_most_half_a_step_of_its_row() -> None:
    weight = torch.randn(64, 96) * torch.logspace(-3, 3, 64)[:, None]
    stored = quantise({"w": weight, "b": torch.randn(5)})
    assert stored["w"].dtype == torch.int8
    assert stored["b"].dtype == torch.float32
    step = weight.abs().amax(1, keepdim=True) / 127
    assert bool(((dequantise(stored)["w"] - weight).abs() <= 0.5001 * step).all())


def test_quantised_state_has_the_same_names_and_shapes_again() -> None:
    state = DualEncoder(TextTowerConfig(50)).state_dict()
    again = dequantise(quantise(state))
    assert {k: v.shape for k, v in again.items()} == {k: v.shape for k, v in state.items()}


def test_embeddings_are_unit_vectors_and_patches_point_where_the_image_points() -> None:
    torch.manual_seed(0)
    net = DualEncoder(TextTowerConfig(50)).eval()
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        tokens = net.image_tower(images)
        whole, alone, mixed = net.pool(tokens), net.embed_tokens(images), net.project(tokens, context=0.5)
        all_context = net.project(tokens, context=1.0)
    assert alone.shape == mixed.shape == (2, 3, 3, 512)
    for embeddings in (whole, alone, mixed):
        torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(embeddings.shape[:-1]))
    assert bool(((mixed.mean((1, 2)) * whole).sum(-1) > 0.9).all())
    torch.testing.assert_close(all_context, whole[:, None, None].expand_as(all_context))


@pytest.mark.parametrize("bottleneck", [0, 16])
def test_fresh_token_blocks_are_the_identity_to_the_last_bit_on_any_grid(bottleneck: int) -> None:
    blocks = TokenBlocks(channels=40, width=32, layers=2, bottleneck=bottleneck)
    for height, width in ((3, 3), (2, 5)):
        tokens = torch.randn(2, 40, height, width)
        assert torch.equal(blocks(tokens), tokens)


def test_token_blocks_let_each_token_see_the_whole_tile_and_stay_in_place() -> None:
    torch.manual_seed(0)
    blocks = TokenBlocks(channels=24, width=32, layers=1, bottleneck=16).eval()
    torch.nn.init.normal_(blocks.up.weight)
    tokens = torch.randn(1, 24, 3, 4)
    changed = tokens.clone()
    changed[0, :, 2, 3] += torch.randn(24)
    with torch.no_grad():
        difference = (blocks(changed) - blocks(tokens))[0].norm(dim=0)
    assert bool((difference > 1e-4).all())
    assert int(difference.argmax()) == 2 * 4 + 3


def test_parts_add_their_own_weights_and_no_others() -> None:
    plain = DualEncoder(TextTowerConfig(50))
    torch.manual_seed(0)
    full = DualEncoder(TextTowerConfig(50), parts=CompactParts(views=3, token_blocks=1)).eval()
    new = full.state_dict().keys() - plain.state_dict().keys()
    assert {name.split(".")[0] for name in new} == {"token_blocks", "mpr_head"}
    assert plain.state_dict().keys() <= full.state_dict().keys()
    views = full.views(torch.nn.functional.normalize(torch.randn(2, 512), dim=1))
    assert views.shape == (3, 2, 512)
    torch.testing.assert_close(views.norm(dim=-1), torch.ones(3, 2))
