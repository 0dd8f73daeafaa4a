"""From what a user writes after ``--score`` to a way of scoring refined hits that the model has."""

from __future__ import annotations

from engine.config import ScoreName
from engine.errors import UsageError
from engine.models.contract import RetrievalModel, ScoreMode

_MODES = {
    ScoreName.GLOBAL: ScoreMode.GLOBAL,
    ScoreName.FUSED: ScoreMode.FUSED,
    ScoreName.MAX_VIEW: ScoreMode.MAX_VIEW,
}


def choose_mode(name: ScoreName, model: RetrievalModel) -> ScoreMode:
    """The mode for what the user asked for; ``auto`` is the model's own, chosen by validation.

    Raises:
        UsageError: the model has no weights for it.
    """
    if name is ScoreName.AUTO:
        return model.default_mode
    mode = _MODES[name]
    if mode not in model.score_modes:
        usable = [other.value for other, its in _MODES.items() if its in model.score_modes]
        raise UsageError(
            f"{model.identity.model_id} has no perspective heads, so the score {name.value} is not available.",
            f"Choose one of: {', '.join([ScoreName.AUTO.value, *usable])}; or a model with perspective heads.",
            model=model.identity.model_id,
            score=name.value,
        )
    return mode
