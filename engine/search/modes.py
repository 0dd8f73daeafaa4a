"""Which of the ways to score a refined hit a model has, and which one a search takes."""

from __future__ import annotations

import torch

from engine.config import ScoreName
from engine.errors import UsageError
from engine.models.contract import RetrievalModel, ScoreMode

_MODES = {
    ScoreName.GLOBAL: ScoreMode.GLOBAL,
    ScoreName.FUSED: ScoreMode.FUSED,
    ScoreName.MAX_VIEW: ScoreMode.MAX_VIEW,
}


def available_modes(model: RetrievalModel) -> tuple[ScoreMode, ...]:
    """The modes for which :meth:`RetrievalModel.score` has weights; :attr:`ScoreMode.GLOBAL` is always among them."""
    return tuple(mode for mode in ScoreMode if _has(model, mode))


def choose_mode(name: ScoreName, model: RetrievalModel) -> ScoreMode:
    """The mode for what the user asked for; ``auto`` is the model's own, chosen by validation.

    Raises:
        UsageError: the model has no weights for it.
    """
    if name is ScoreName.AUTO:
        return model.default_mode
    mode = _MODES[name]
    if not _has(model, mode):
        usable = [other.value for other, its in _MODES.items() if _has(model, its)]
        raise UsageError(
            f"{model.identity.model_id} has no perspective heads, so --score {name.value} is not available.",
            f"Choose one of: {', '.join([ScoreName.AUTO.value, *usable])}; or a model with perspective heads.",
            model=model.identity.model_id,
            score=name.value,
        )
    return mode


def _has(model: RetrievalModel, mode: ScoreMode) -> bool:
    row = torch.zeros(1, model.embed_dim, device=model.device)
    valid = torch.ones(1, 1, dtype=torch.bool, device=model.device)
    try:
        with torch.inference_mode():
            model.score(row, row, row[None], valid, mode)
    except ValueError:
        return False
    return True
