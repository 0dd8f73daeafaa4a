"""What imagery shows at large: the vocabulary against which a keyword's relevance on a tile is measured."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from torch import Tensor

from engine.models.contract import RetrievalModel
from engine.segment.prompts import PromptEnsemble

# Land cover and places of every kind, one word for each, so that no keyword has many synonyms here.
BACKGROUND = (
    "airport", "bare land", "baseball field", "basketball court", "beach", "bridge", "buildings", "cars", "church",
    "city", "commercial area", "desert", "factory", "farmland", "football field", "forest", "grass", "harbor",
    "highway", "houses", "industrial area", "lake", "meadow", "mountain", "ocean", "park", "parking lot", "planes",
    "playground", "pond", "railway", "residential area", "river", "road", "school", "ships", "stadium", "storage tanks",
    "swimming pool", "tennis court", "trees", "viaduct",
)  # fmt: skip

_embeddings: WeakKeyDictionary[RetrievalModel, Tensor] = WeakKeyDictionary()


def background_embeddings(model: RetrievalModel) -> Tensor:
    """These words as prompt ensembles ``(42, E)``, L2-normalised float32 on the CPU; each model embeds them once."""
    if model not in _embeddings:
        _embeddings[model] = PromptEnsemble(model).embed(BACKGROUND)
    return _embeddings[model]
