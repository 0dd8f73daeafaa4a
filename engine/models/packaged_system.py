"""The packaged model with the parts of another system on it: PriorCLIP's (prior-mini), OSDPM's (osdpm-mini)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from engine.errors import ModelError
from engine.models.compact.image_tower import token_count
from engine.models.compact.parts_file import HEADS, read_parts
from engine.models.compact.split import FirstLayers
from engine.models.compact.system import CompactSystem
from engine.models.compact.wordings import NO_WORDINGS, Wordings
from engine.models.contract import ModelIdentity, ScoreMode
from engine.models.packaged import PATCH_CONTEXT, PackagedModel


class PackagedSystem(PackagedModel):
    """:class:`RetrievalModel` over the packaged towers, heads and hub terms and a :class:`CompactSystem`.

    Args:
        base: the packaged weights.
        parts: the system's file (:mod:`engine.models.compact.parts_file`).
        base_sha256: of ``base`` (hex).
        identity: goes into the index key; its weights' digest covers both files.
        image_size: of the packaged model.
        device: where the model runs.
        wordings: for words that the packaged model was not taught.

    Raises:
        ModelError: a file is damaged, or ``parts`` was trained on other packaged weights.
    """

    def __init__(
        self,
        base: Path,
        parts: Path,
        base_sha256: str,
        identity: ModelIdentity,
        image_size: int,
        device: torch.device,
        wordings: Wordings = NO_WORDINGS,
    ) -> None:
        super().__init__(base, identity, image_size, device, wordings)
        kinds, trained_on, state = read_parts(parts)
        if trained_on != base_sha256:
            raise ModelError(
                f"{parts} was trained on other packaged weights (sha256 {trained_on[:12]}…) than {base} has "
                f"({base_sha256[:12]}…).",
                "Install the project again, or train the parts anew: mpsclip train parts",
                file=str(parts),
            )
        text = self.net.text_tower
        grid = token_count(image_size)
        system = CompactSystem(kinds, self.embed_dim, text.config.width, grid=grid)
        own = self.net.state_dict()
        state |= {name: own[name].cpu() for name in HEADS}
        missing, surplus = sorted(set(system.state_dict()) - set(state)), sorted(set(state) - set(system.state_dict()))
        if missing or surplus:
            raise ModelError(
                f"{parts} does not fit the model: missing {missing}, unexpected {surplus}.",
                "Install the project again, or train the parts anew: mpsclip train parts",
                file=str(parts),
            )
        system.load_state_dict(state)
        self.system = system.to(device).eval().requires_grad_(False)
        self.score_modes = tuple(ScoreMode) if kinds.views else (ScoreMode.GLOBAL, ScoreMode.FUSED)
        self._states = FirstLayers(text, text.config.layers).eval()

    def encode_images(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            embeddings: Tensor = self.net.image_hubs(self.system.embed_images(self._tokens(images)))
            return embeddings

    def encode_patches(self, images: Tensor) -> Tensor:
        with torch.inference_mode():
            embeddings: Tensor = self.net.image_hubs(self.system.embed_tokens(self._tokens(images), PATCH_CONTEXT))
            return embeddings

    def _embed_pieces(self, ids: Tensor, mask: Tensor) -> Tensor:
        embeddings: Tensor = self.net.text_hubs(self.system.embed_texts(self._states(ids, mask).float(), mask))
        return embeddings

    def region_views(self, region_feature: Tensor) -> Tensor:
        if not self.system.parts.views:
            return super().region_views(region_feature)
        with torch.inference_mode():
            return self.system.views(region_feature.to(self.device))
