"""The network of a run: the last halves of the backbone's towers, and a system on them."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from engine.models.compact.image_tower import token_count
from engine.models.compact.system import CompactSystem
from engine.models.compact.system_parts import SystemParts
from engine.models.precision import inference_dtype
from engine.models.prior_clip.scene_prior import ScenePrior
from engine.train.compare.backbone import Backbone


class SystemNet(nn.Module):
    """What is kept of pictures and texts to embeddings ``(B, E)``.

    Only what a run may train has gradients: the parts always; heads and last halves with the published backbone. With
    the packaged one all that is there already stays, so that a run begins as the shipped model itself.

    Args:
        backbone: copied as far as it is trained.
        parts: of the system.
        heads: of its ``image_head``, ``text_head`` and ``log_scale``.
        prior: the scene classifier, with Spatial-PAE.
        device: of the network; what it computes in follows from it.
        feature_dropout: before the heads, where they are trained.
    """

    def __init__(
        self,
        backbone: Backbone,
        parts: SystemParts,
        heads: dict[str, Tensor],
        prior: ScenePrior | None,
        device: torch.device,
        feature_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.image_last, self.text_last = deepcopy(backbone.image_last), deepcopy(backbone.text_last)
        grid = token_count(backbone.side)
        width, dropout = backbone.text_width, feature_dropout if backbone.trained else 0.0
        self.system = CompactSystem(parts, backbone.embed_dim, width, grid=grid, feature_dropout=dropout)
        own = self.system.state_dict()
        self.system.load_state_dict(own | heads)
        if parts.spatial_pae:
            if prior is None:
                raise ValueError("Spatial-PAE needs the scene prior")
            self.system.scene_prior.load_state_dict(prior.state_dict())
        if backbone.trained:
            self.image_last.requires_grad_(True)
            self.text_last.requires_grad_(True)
        else:
            for name, parameter in self.system.named_parameters():
                if name in heads:
                    parameter.requires_grad_(False)
        self.precision = inference_dtype(device)
        if self.precision is torch.float16:  # its range wants scaled gradients; bfloat16 does not
            self.precision = torch.bfloat16
        self.system.precision = self.precision
        self.device = device
        self.to(device)

    def tokens(self, kept: Tensor) -> Tensor:
        """What is kept of a picture ``(B, c, h, w)`` to the tower's tokens ``(B, C, h, w)`` float32."""
        with self._fast():
            tokens: Tensor = self.image_last(kept)
        return tokens.float()

    def embed_images(self, kept: Tensor, pooled: Tensor) -> Tensor:
        """What is kept of a picture ``(B, c, h, w)`` and its pooled features ``(B, C)`` to ``(B, E)``."""
        return self.system.embed_images(self.tokens(kept), pooled)

    def embed_texts(self, states: Tensor, mask: Tensor) -> Tensor:
        """What is kept of a text, ``(B, L, D)`` with mask ``(B, L)``, to ``(B, E)``."""
        with self._fast():
            after = self.text_last(states, mask)
        return self.system.embed_texts(after.float(), mask)

    def trained_state(self) -> dict[str, Tensor]:
        """All weights that a run starts, trained or not: those of the last halves and of the system."""
        return {name: value.detach().cpu().contiguous() for name, value in self.state_dict().items()}

    def _fast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)


def count(module: nn.Module, *, trained: bool = False) -> int:
    """Parameters, all or those that are trained."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)
