"""GroundingDINO as samgeo uses it, built without the hub and with current transformers.

Two parts of the package groundingdino do not fit transformers 5, and are replaced while the model is built: the
wrapper around BERT, and the loader that fetches BERT's weights, which GroundingDINO's own file holds as well.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.segment.samgeo.weights import BERT, DINO, DINO_SETTINGS

# Of the released file: the labels' embedding serves training only; position_ids is a constant of older transformers.
_IGNORED = {"label_enc.weight", "bert.embeddings.position_ids"}


class TextEncoder(nn.Module):
    """BERT that takes one attention mask a token pair: GroundingDINO keeps phrases of a caption apart with it.

    Stands in for ``groundingdino``'s ``BertModelWarper``, under the same parameter names.
    """

    def __init__(self, bert_model: Any) -> None:
        super().__init__()
        self.config = bert_model.config
        self.embeddings = bert_model.embeddings
        self.encoder = bert_model.encoder
        self.pooler = bert_model.pooler

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor, position_ids: Tensor
    ) -> dict[str, Tensor]:
        """Token ids ``(B, L)``, attention_mask bool ``(B, L, L)`` to ``last_hidden_state`` ``(B, L, E)``."""
        embedded = self.embeddings(input_ids=input_ids, position_ids=position_ids, token_type_ids=token_type_ids)
        additive = (1.0 - attention_mask[:, None].to(embedded.dtype)) * torch.finfo(embedded.dtype).min
        return {"last_hidden_state": self.encoder(embedded, attention_mask=additive)[0]}


def build_dino(folder: Path, device: torch.device) -> Any:
    """GroundingDINO (Swin-B, unless the folder's settings say otherwise) with the weights in the folder.

    To be called within ``contained``. The file is read as tensors only, and strictly.
    """
    model = dino_model(folder)
    content = torch.load(folder / DINO.needed[0], map_location="cpu", weights_only=True)
    state = {name.removeprefix("module."): tensor for name, tensor in content["model"].items()}
    lacking = model.load_state_dict(state, strict=False)
    unknown = set(lacking.unexpected_keys) - _IGNORED
    if lacking.missing_keys or unknown:
        raise ValueError(f"missing: {lacking.missing_keys[:3]}, unexpected: {sorted(unknown)[:3]}")
    return model.eval().to(device)


def dino_model(folder: Path) -> Any:
    """GroundingDINO as the folder's settings describe it, with random weights."""
    models = importlib.import_module("groundingdino.models")
    with _parts_for_current_transformers():
        return models.build_model(_settings(folder))


@contextmanager
def image_encoded_once(model: Any) -> Iterator[None]:
    """While entered, the first image's features serve every call: one image, several captions."""
    backbone = model.backbone
    encode = backbone.forward
    known: list[tuple[list[Any], list[Any]]] = []

    def forward(samples: Any) -> tuple[list[Any], list[Any]]:
        if not known:
            known.append(encode(samples))
        features, positions = known[0]
        return list(features), list(positions)  # the model appends to them

    backbone.forward = forward
    try:
        yield
    finally:
        del backbone.forward


def _settings(folder: Path) -> Any:
    """The package's own configuration of Swin-B, with the tokenizer in the folder."""
    config = importlib.import_module("groundingdino.config.GroundingDINO_SwinB_cfg")
    values = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    values |= {"use_checkpoint": False, "use_transformer_ckpt": False}  # they save memory in training only
    values["text_encoder_type"] = str(folder / BERT.path)
    own = folder / DINO_SETTINGS
    if own.is_file():
        values |= json.loads(own.read_text(encoding="utf-8"))
    return importlib.import_module("groundingdino.util.slconfig").SLConfig(values)


@contextmanager
def _parts_for_current_transformers() -> Iterator[None]:
    from transformers import BertConfig, BertModel

    def bert(folder: str) -> BertModel:
        return BertModel(BertConfig.from_json_file(str(Path(folder) / "config.json")))

    model: Any = importlib.import_module("groundingdino.models.GroundingDINO.groundingdino")
    wrapper, loader = model.BertModelWarper, model.get_tokenlizer.get_pretrained_language_model
    model.BertModelWarper, model.get_tokenlizer.get_pretrained_language_model = TextEncoder, bert
    try:
        yield
    finally:
        model.BertModelWarper, model.get_tokenlizer.get_pretrained_language_model = wrapper, loader
