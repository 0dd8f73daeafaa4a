"""Keyword embeddings as the mean over several wordings (prompt ensembling: Radford et al., arXiv 2103.00020, 3.1.4)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from engine.models.contract import RetrievalModel

TEMPLATES = ("{}", "there is a {}", "an aerial image of {}")
LONGEST_KEYWORD = 3  # words; a phrase says enough by itself
_REMEMBERED = 4096


def is_short(text: str) -> bool:
    """Whether a text is a keyword or short phrase, as people search for, and no sentence."""
    return len(text.split()) <= LONGEST_KEYWORD


class PromptEnsemble:
    """Embeds keywords and remembers the embeddings (the least recently used are forgotten first)."""

    def __init__(self, model: RetrievalModel, templates: Sequence[str] = TEMPLATES) -> None:
        self._model = model
        self._templates = tuple(templates)
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    def embed(self, keywords: Sequence[str]) -> Tensor:
        """Keywords to ``(K, E)`` float32 on the CPU, L2-normalised; all that are new go through the model at once."""
        if not keywords:
            return torch.zeros(0, self._model.embed_dim)
        self._learn([keyword for keyword in dict.fromkeys(keywords) if keyword not in self._known])
        for keyword in keywords:
            self._known.move_to_end(keyword)
        rows = torch.stack([self._known[keyword] for keyword in keywords])
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return rows

    def wordings(self, keyword: str) -> list[str]:
        """The texts whose mean stands for the keyword."""
        return [template.format(keyword) for template in self._templates] if is_short(keyword) else [keyword]

    @torch.inference_mode()
    def _learn(self, keywords: Sequence[str]) -> None:
        if not keywords:
            return
        wordings = [self.wordings(keyword) for keyword in keywords]
        embeddings = self._model.encode_texts([text for texts in wordings for text in texts]).float().cpu()
        parts = torch.split(embeddings, [len(texts) for texts in wordings])
        self._known.update((k, normalize(part.mean(0), dim=0)) for k, part in zip(keywords, parts, strict=True))
