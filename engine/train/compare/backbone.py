"""The two backbones of a comparison: published weights of which the last stages are trained, or the shipped file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from engine.models.compact.dual_encoder import DualEncoder
from engine.models.compact.image_tower import ImageTower
from engine.models.compact.split import FirstLayers, LastLayers, image_halves
from engine.models.compact.text_tower import TextTower, TextTowerConfig
from engine.models.compact.tokenizer import build_tokenizer, prune_vocabulary
from engine.train.packaged.base_weights import efficientnet, load_minilm, minilm_vocabulary

PUBLISHED, PACKAGED = "published", "packaged"
BACKBONES = (PUBLISHED, PACKAGED)
EMBED_DIM = 512


@dataclass(frozen=True, slots=True)
class Backbone:
    """Two towers, each in what stays (first) and what a run may train (last); all frozen here, for runs to copy.

    Attributes:
        name: one of BACKBONES.
        side: pixels of the square input.
        tokenizer: of the text tower.
        image_first: normalised pixels ``(B, 3, S, S)`` to ``(B, c, h, w)``, which is kept for each view.
        image_last: that to the tokens ``(B, 1280, h, w)``; the identity where the tower is wholly frozen.
        text_first: ids and mask ``(B, L)`` to the states ``(B, L, D)``, which are kept for each text.
        text_last: states and mask to the tower's last states; there, too.
        text_width: D.
        embed_dim: E of the heads.
        heads: weights of ``image_head``, ``text_head`` and ``log_scale``; None: a comparison trains them first.
        digest: of all weights.
    """

    name: str
    side: int
    tokenizer: Tokenizer
    image_first: nn.Module
    image_last: nn.Module
    text_first: nn.Module
    text_last: nn.Module
    text_width: int
    embed_dim: int
    heads: dict[str, Tensor] | None
    digest: str

    @property
    def trained(self) -> bool:
        """Whether runs train the last stages."""
        return self.name == PUBLISHED


def published(texts: list[str], vocabulary: int, side: int) -> Backbone:
    """EfficientNet-Lite0 with ImageNet weights and MiniLM, whose pieces are cut down to those that ``texts`` need.

    Raises:
        MissingDependencyError: the packages that carry the weights are missing.
    """
    pieces = prune_vocabulary(minilm_vocabulary(), texts, vocabulary)
    text_config = TextTowerConfig(len(pieces))
    image, text = ImageTower(), TextTower(text_config)
    image.load_state_dict(efficientnet())
    load_minilm(text, pieces)
    image_first, image_last = image_halves(image)
    kept = text_config.layers - 1
    tokenizer = build_tokenizer(pieces, text_config.positions)
    halves = (image_first, image_last, FirstLayers(text, kept), LastLayers(text, kept))
    return _backbone(PUBLISHED, side, tokenizer, halves, text_config.width, EMBED_DIM, None)


def packaged(net: DualEncoder, tokenizer: Tokenizer, side: int) -> Backbone:
    """The network of the packaged model, wholly frozen; its own token blocks, if it has any, belong to the tower."""
    layers = net.text_tower.config.layers
    state = net.state_dict()
    names = ("image_head.weight", "image_head.bias", "text_head.weight", "text_head.bias", "log_scale")
    halves = (
        nn.Sequential(net.image_tower, net.token_blocks),
        nn.Identity(),
        FirstLayers(net.text_tower, layers),
        LastLayers(net.text_tower, layers),
    )
    heads = {name: state[name].clone() for name in names}
    return _backbone(PACKAGED, side, tokenizer, halves, net.text_tower.config.width, net.image_head.out_features, heads)


def _backbone(
    name: str,
    side: int,
    tokenizer: Tokenizer,
    halves: tuple[nn.Module, nn.Module, nn.Module, nn.Module],
    text_width: int,
    embed_dim: int,
    heads: dict[str, Tensor] | None,
) -> Backbone:
    for half in halves:
        half.eval().requires_grad_(False)
        half.to(memory_format=torch.channels_last)
    digest = hashlib.sha256(tokenizer.to_str().encode())
    for half in halves:
        for key, value in sorted(half.state_dict().items()):
            digest.update(key.encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return Backbone(name, side, tokenizer, *halves, text_width, embed_dim, heads, digest.hexdigest())
