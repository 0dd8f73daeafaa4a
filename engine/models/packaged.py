"""The packaged model: a compact dual encoder trained by this project on RSICD train, which works offline at once.

Image tower EfficientNet-Lite (from ImageNet weights; the file names the size), text tower all-MiniLM-L6-v2, a linear
head each; the file says which parts of MPS-CLIP it has beside them. ``resources/models/rsicd-mini.md`` is its card:
data, licence, metrics and limits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, normalize

from engine.errors import ModelError
from engine.models.compact.dual_encoder import CompactParts, DualEncoder
from engine.models.compact.image_tower import normalise_pixels
from engine.models.compact.quantised_file import UNREADABLE, read_quantised
from engine.models.compact.text_tower import TextTowerConfig
from engine.models.compact.tokenizer import build_tokenizer, tokenize
from engine.models.compact.wordings import NO_WORDINGS, Wordings
from engine.models.contract import ModelIdentity, RetrievalModel, ScoreMode
from engine.models.precision import inference_dtype
from engine.types import UInt8Array

FORMAT = "mpsclip-compact-1"
TEXT_BATCH = 256
PATCH_CONTEXT = 0.2  # share of the tile's mean in a patch: lone tokens are noisy, much context blurs outlines


class PackagedModel(RetrievalModel):
    """:class:`RetrievalModel` over a :class:`DualEncoder`.

    Args:
        file: weights as ``engine.train.packaged.export`` writes them.
        identity: goes into the index key.
        image_size: side in pixels at which tiles are encoded; a patch is 32 of them, rounded up at the rim.
        device: where the model runs; the image tower in :func:`engine.models.precision.inference_dtype`.
        wordings: for words that it was not taught.

    Raises:
        ModelError: the file is damaged or of another format, or a tensor is missing or unexpected.
    """

    def __init__(
        self,
        file: Path,
        identity: ModelIdentity,
        image_size: int,
        device: torch.device,
        wordings: Wordings = NO_WORDINGS,
    ) -> None:
        vocabulary, text, embed_dim, parts, state = _read(file)
        self.identity, self.image_size, self.device, self.embed_dim = identity, image_size, device, embed_dim
        if parts.views:
            self.score_modes = tuple(ScoreMode)
        self._dtype, self._wordings = inference_dtype(device), wordings
        self.text_reading = wordings.digest
        self.tokenizer = build_tokenizer(vocabulary, text.positions)
        with torch.device("meta"):
            net = DualEncoder(text, embed_dim, parts=parts)
        expected = set(net.state_dict())
        if expected != set(state):
            raise ModelError(
                f"{file} does not fit the model: missing {sorted(expected - set(state))}, "
                f"unexpected {sorted(set(state) - expected)}.",
                "Reinstall the plugin, or train the file again with this version.",
                file=str(file),
            )
        net.load_state_dict(state, strict=True, assign=True)
        net.to(device).to(memory_format=torch.channels_last)
        self.net = net.eval().requires_grad_(False)

    def preprocess(self, images: UInt8Array | Tensor) -> Tensor:
        pixels = torch.from_numpy(images) if isinstance(images, np.ndarray) else images
        pixels = pixels.to(self.device).permute(0, 3, 1, 2)  # uint8 (B, 3, H, W), channels last in memory
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            size = (self.image_size, self.image_size)
            pixels = interpolate(pixels.to(torch.float32), size, mode="bilinear", antialias=True)
        return normalise_pixels(pixels)

    def encode_images(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.net.pool(self._tokens(images))

    def encode_patches(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            return self.net.project(self._tokens(images), PATCH_CONTEXT)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        readings = [self._wordings.read(text) for text in texts]
        embeddings = self._embed_texts([text for reading in readings for text in reading.texts])
        shares = torch.tensor([share for reading in readings for share in reading.shares], device=self.device)
        owners = torch.repeat_interleave(torch.tensor([len(reading.texts) for reading in readings], dtype=torch.int64))
        sums = torch.zeros(len(texts), self.embed_dim, device=self.device)
        return normalize(sums.index_add_(0, owners.to(self.device), shares[:, None] * embeddings), dim=-1)

    def words_read_as(self, text: str) -> dict[str, tuple[str, ...]]:
        return self._wordings.read(text).words

    def _embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts as they are to ``(B, E)``."""
        parts = []
        for start in range(0, len(texts), TEXT_BATCH):
            ids, mask = (each.to(self.device) for each in tokenize(self.tokenizer, texts[start : start + TEXT_BATCH]))
            with torch.inference_mode():
                parts.append(self._embed_pieces(ids, mask))
        return torch.cat(parts) if parts else torch.zeros(0, self.embed_dim, device=self.device)

    def _embed_pieces(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Word pieces ``(B, L)`` with their mask to ``(B, E)`` float32."""
        return self.net.embed_texts(ids, mask).float()

    def region_views(self, region_feature: Tensor) -> Tensor:
        if not self.net.parts.views:
            return super().region_views(region_feature)
        with torch.inference_mode():
            return self.net.views(region_feature.to(self.device))

    def _tokens(self, images: Tensor) -> Tensor:
        """The image tower, which is nearly all of the work, in the device's fast precision; its tokens in float32."""
        with torch.autocast(self.device.type, self._dtype, enabled=self._dtype is not torch.float32):
            tokens = self.net.tokens(images.to(self.device, memory_format=torch.channels_last))
        return tokens.float()


def load_packaged(
    file: Path, identity: ModelIdentity, image_size: int, device: torch.device, wordings: Wordings = NO_WORDINGS
) -> PackagedModel:
    """Loads the packaged weights; see :class:`PackagedModel`."""
    return PackagedModel(file, identity, image_size, device, wordings)


def _read(file: Path) -> tuple[list[str], TextTowerConfig, int, CompactParts, dict[str, Tensor]]:
    try:
        metadata, state = read_quantised(file, FORMAT, "Use weights that this version's training wrote.")
        vocabulary = metadata["vocabulary"].split("\n")
        sizes = json.loads(metadata["architecture"])
        text = TextTowerConfig(len(vocabulary), positions=sizes["positions"])
        embed_dim, parts = int(sizes["embed_dim"]), CompactParts(**sizes.get("parts", {}))
    except UNREADABLE as error:
        raise ModelError(f"{file} cannot be read as model weights: {error}.", "Reinstall the plugin.") from error
    return vocabulary, text, embed_dim, parts, state
