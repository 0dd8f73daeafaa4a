"""What all runs of a seed begin with: heads trained on pooled features, and the scene prior."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, normalize

from engine.models.compact.image_tower import FEATURES
from engine.models.compact.system import INITIAL_LOGIT_SCALE
from engine.models.prior_clip.scene_prior import ScenePrior
from engine.train.compare.backbone import Backbone
from engine.train.compare.cache import ImageCache, TextCache
from engine.train.compare.config import CompareConfig
from engine.train.compare.data import CompareData
from engine.train.kept_files import read_tensors, write_tensors
from engine.train.losses import multi_positive_contrastive, same_group
from engine.train.prior_clip.scene_prior import train_scene_prior
from engine.train.seeds import Purpose, derived_seed, seed_generators
from engine.types import Progress, ProgressSink

HEAD_IMAGES = 1024  # a step
HEAD_RATE = 1e-3
HEAD_DROPOUT = 0.3  # heads that know their training images by heart are a bad start
PRIOR_WIDTH = 128
PRIOR_EPOCHS = 12  # each shows all views


@dataclass(frozen=True, slots=True)
class Start:
    """Heads by their names in :class:`CompactSystem`; the scene classifier, and its accuracy on val, 0..1."""

    heads: dict[str, Tensor]
    prior: ScenePrior
    accuracy: float


def make_start(
    seed: int,
    backbone: Backbone,
    data: CompareData,
    config: CompareConfig,
    train: ImageCache,
    texts: TextCache,
    val: ImageCache,
    file: Path,
    progress: ProgressSink,
) -> Start:
    """The start of a seed, from ``file`` where it was made with the same settings, else made and written there."""
    held = [
        [[image.path.name for image in split.images], split.texts, split.captions, split.scenes.tolist()]
        for split in (data.train, data.val)
    ]
    recipe = [config.head_steps, config.weight_decay, config.smallest_crop, config.jitter]
    content = [backbone.digest, backbone.side, len(train.maps), recipe, held, data.scene_names]
    settings = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    found = _read(file, settings, len(data.scene_names))
    if found is not None:
        return found
    heads = backbone.heads or train_heads(seed, backbone, data, config, train, texts, progress)
    prior, accuracy = train_scene_prior(
        torch.cat(train.pooled),
        data.train.scenes.repeat(len(train.pooled)),
        val.pooled[0],
        data.val.scenes,
        width=PRIOR_WIDTH,
        scenes=len(data.scene_names),
        epochs=PRIOR_EPOCHS,
        seed=seed,
        progress=progress,
    )
    kept = {f"heads.{name}": value.clone() for name, value in heads.items()}
    kept |= {f"prior.{name}": value.clone() for name, value in prior.state_dict().items()}
    write_tensors(file, kept, {"settings": settings, "accuracy": str(accuracy)})
    return Start(heads, prior, accuracy)


def train_heads(
    seed: int,
    backbone: Backbone,
    data: CompareData,
    config: CompareConfig,
    train: ImageCache,
    texts: TextCache,
    progress: ProgressSink,
) -> dict[str, Tensor]:
    """Heads and logit scale on the pooled features of the untrained towers, by the contrastive loss of plain."""
    seed_generators(derived_seed(seed, Purpose.WEIGHTS), torch.device("cpu"))
    random = torch.Generator().manual_seed(derived_seed(seed, Purpose.ORDER))
    heads = nn.ModuleDict(
        {
            "image_head": nn.Linear(FEATURES, backbone.embed_dim),
            "text_head": nn.Linear(backbone.text_width, backbone.embed_dim),
        }
    )
    log_scale = nn.Parameter(torch.tensor(INITIAL_LOGIT_SCALE).log())
    optimizer = torch.optim.AdamW([*heads.parameters(), log_scale], lr=HEAD_RATE, weight_decay=config.weight_decay)
    for step in range(config.head_steps):
        rows = torch.randperm(len(train), generator=random)[:HEAD_IMAGES]
        views = torch.randint(len(train.pooled), (len(rows),), generator=random)
        pooled = torch.stack([train.pooled[v][r] for r, v in zip(rows.tolist(), views.tolist(), strict=True)]).float()
        chosen = draw_captions(data, rows, random)
        images = normalize(heads["image_head"](dropout(pooled, HEAD_DROPOUT)), dim=-1)
        said = normalize(heads["text_head"](dropout(texts.pooled[chosen].float(), HEAD_DROPOUT)), dim=-1)
        same = data.train.same[chosen]
        loss = multi_positive_contrastive(log_scale.exp() * images @ said.T, same_group(same, same))
        optimizer.zero_grad()
        torch.autograd.backward([loss])
        optimizer.step()
        progress(Progress("heads", step + 1, config.head_steps, f"loss {loss.item():.3f}"))
    return {name: value.detach().clone() for name, value in heads.state_dict().items()} | {
        "log_scale": log_scale.detach().clone()
    }


def draw_captions(data: CompareData, rows: Tensor, random: torch.Generator) -> Tensor:
    """One caption of each training image ``rows`` ``(B,)``: int64 ``(B,)``, its place among the texts."""
    chances = torch.rand(len(rows), generator=random).tolist()
    pools = [data.train.captions[row] for row in rows.tolist()]
    return torch.tensor([pool[int(chance * len(pool))] for pool, chance in zip(pools, chances, strict=True)])


def _read(file: Path, settings: str, scenes: int) -> Start | None:
    found = read_tensors(file, settings)
    if found is None:
        return None
    kept, metadata = found
    prior = ScenePrior(FEATURES, PRIOR_WIDTH, scenes)
    prior.load_state_dict(_below("prior.", kept))
    return Start(_below("heads.", kept), prior.eval().requires_grad_(False), float(metadata["accuracy"]))


def _below(prefix: str, kept: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in kept.items() if name.startswith(prefix)}
