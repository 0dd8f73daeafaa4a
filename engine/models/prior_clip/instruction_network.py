"""PriorCLIP in the open domain around an open_clip model: its image tower, read by the scene prior of each image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn.functional import normalize

from engine.errors import ModelError
from engine.models.checkpoint import StateDict, require_fit
from engine.models.prior_clip.instruction import (
    TOKENS_BEFORE_PATCHES,
    attach_instruction,
    given_prior,
    is_instruction_key,
)
from engine.models.prior_clip.scene_prior import ScenePrior

TEMPERATURE = 0.07
_OBSERVER = "observer."


class PriorClip(nn.Module):
    """A CLIP whose images are read by an instruction token that comes from a scene prior.

    The source takes the prior from a ResNet-50 that was trained on AID. Here a small classifier (:class:`ScenePrior`)
    stands on the pooled, projected features of the backbone's own image tower as it was before any training of ours:
    the *observer*, a frozen copy. However the tower is trained afterwards, the prior of an image stays the same.

    Without a scene prior this is the CLIP alone: what the first stage, on coarse pairs without scenes, may train.

    Args:
        clip: open_clip's model, taken over: the instruction is attached to it.
        observer: a copy of the backbone's own image tower; None without ``scene``.
        scene: trained; None: no instruction.
        temperature: τ of the contrastive and of the attribution loss at the start; both are trained.

    Raises:
        ValueError: one of ``observer`` and ``scene`` without the other.
    """

    def __init__(
        self, clip: CLIP, observer: nn.Module | None, scene: ScenePrior | None, temperature: float = TEMPERATURE
    ) -> None:
        super().__init__()
        if (observer is None) != (scene is None):
            raise ValueError("A scene prior and the tower that it looks through belong together.")
        self.clip: Any = clip
        self.embed_dim = int(clip.visual.proj.shape[1])
        self.observer = None if observer is None else observer.requires_grad_(False).eval()
        self.scene = None if scene is None else scene.requires_grad_(False).eval()
        if scene is not None:
            attach_instruction(clip.visual, scene.hidden.out_features)
        self.temp = nn.Parameter(torch.tensor(float(temperature)))
        self.temp2 = nn.Parameter(torch.tensor(float(temperature)))

    def train(self, mode: bool = True) -> PriorClip:
        """Sets the mode of what is trained; observer and scene prior stay as in a search."""
        super().train(mode)
        for part in (self.observer, self.scene):
            if part is not None:
                part.eval()
        return self

    @torch.no_grad()
    def prior(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)`` float32, preprocessed, to their priors ``(B, P)``.

        Raises:
            ValueError: the model has no scene prior.
        """
        if self.observer is None or self.scene is None:
            raise ValueError("This model has no scene prior.")
        prior: Tensor = self.scene(observe(self.observer, images))[0]
        return prior

    def embed_images(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images ``(B, 3, H, W)`` float32, preprocessed, to embeddings, float32 of unit length.

        Returns:
            Of the whole ``(B, E)``: what ends at y's position, projected; of the patches ``(B, N, E)``, row by row:
            theirs, taken through the same last norm and projection.
        """
        if self.scene is None:
            found, before = self._tokens(images), TOKENS_BEFORE_PATCHES - 1
        else:
            with given_prior(self.prior(images)):
                found, before = self._tokens(images), TOKENS_BEFORE_PATCHES
        # open_clip takes its one class token off; of an instructed sequence that is y.
        patches = found["image_intermediates"][-1][:, before - 1 :] @ self.clip.visual.proj
        return _unit(found["image_features"]), _unit(patches)

    def embed_texts(self, tokens: Tensor) -> Tensor:
        """Token ids ``(B, L)`` int64 to embeddings ``(B, E)``, float32 of unit length."""
        return _unit(self.clip.encode_text(tokens))

    def trained_state_dict(self, *, whole: bool) -> StateDict:
        """What a file of this model holds: all but the observer, which is the backbone's.

        Args:
            whole: with the CLIP, because it was trained too; else its instruction alone.
        """
        return {
            name: value
            for name, value in self.state_dict().items()
            if not name.startswith(_OBSERVER) and (whole or not name.startswith("clip.") or is_instruction_key(name))
        }

    def load_trained_state_dict(self, state: StateDict, path: Path, *, whole: bool) -> None:
        """Loads what :meth:`trained_state_dict` gave, strictly.

        Raises:
            ModelError: a tensor is missing, unexpected or of another shape; the message names it.
        """
        require_fit(self.trained_state_dict(whole=whole), state, path)
        self.load_state_dict(state, strict=False)  # what is left out was compared above

    def _tokens(self, images: Tensor) -> dict[str, Any]:
        found: dict[str, Any] = self.clip.visual.forward_intermediates(
            images, indices=1, normalize_intermediates=True, output_fmt="NLC"
        )
        return found


@torch.no_grad()
def observe(observer: nn.Module, images: Tensor) -> Tensor:
    """The features that a scene prior stands on: what the tower returns, pooled and projected, ``(B, E)`` float32."""
    features: Tensor = observer(images)
    return features.float()


def clip_of(state: StateDict, path: Path) -> StateDict:
    """The CLIP in what :meth:`PriorClip.trained_state_dict` gave, without an instruction.

    Raises:
        ModelError: there is none in it.
    """
    found = {
        name.removeprefix("clip."): value
        for name, value in state.items()
        if name.startswith("clip.") and not is_instruction_key(name)
    }
    if not found:
        raise ModelError(
            f"{path} holds no CLIP: only its instruction was trained.",
            "Start from a stage that trained the backbone (model.train_backbone = true).",
            path=str(path),
        )
    return found


def _unit(features: Tensor) -> Tensor:
    return normalize(features.float(), dim=-1)
