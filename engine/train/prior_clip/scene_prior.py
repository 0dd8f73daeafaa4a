"""Training of the scene classifier whose features are PriorCLIP's prior (arXiv 2405.10160), on features cached before.

The source's classifier is a ResNet-50 trained on AID. This one is trained on scene labels of the training split alone,
on the pooled features of a tower that is not trained with it: a minute on one CPU thread. The weights at the end of the
budget are taken, whatever the validation split says of them; its labels serve for the accuracy that is reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from engine.errors import UsageError
from engine.models.prior_clip.scene_prior import ScenePrior
from engine.train.seeds import Purpose, derived_seed, seed_generators
from engine.types import Progress, ProgressSink, no_progress

WIDTH = 256
EPOCHS = 15
BATCH = 256
LEARNING_RATE = 1e-3  # falls to zero along half a cosine
WEIGHT_DECAY = 0.05
SMOOTHING = 0.1  # of the labels: RSICD's scenes overlap (dense and medium residential, square and center)
NO_SCENE = -1


def scene_names(scenes: Iterable[str | None]) -> list[str]:
    """The scenes that occur, sorted: a scene's label is its place here."""
    return sorted({scene for scene in scenes if scene is not None})


def scene_labels(scenes: Sequence[str | None], names: Sequence[str]) -> Tensor:
    """Scenes to labels, int64 ``(M,)``; -1 where there is none, or one that ``names`` does not have."""
    places = {name: place for place, name in enumerate(names)}
    return torch.tensor(
        [NO_SCENE if scene is None else places.get(scene, NO_SCENE) for scene in scenes], dtype=torch.int64
    )


def train_scene_prior(
    features: Tensor,
    labels: Tensor,
    val_features: Tensor,
    val_labels: Tensor,
    *,
    width: int = WIDTH,
    scenes: int | None = None,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    seed: int = 0,
    progress: ProgressSink = no_progress,
) -> tuple[ScenePrior, float]:
    """Trains the classifier on cached features and measures it on others.

    Args:
        features: pooled features ``(M, F)``, any floating point type; the training runs on their device.
        labels: int64 ``(M,)``, scenes from 0; negative ones are none, and their rows are left out.
        val_features: likewise ``(V, F)``, of images that are not in ``features``.
        val_labels: likewise ``(V,)``.
        width: of the prior.
        scenes: how many scenes there are; None: as many as the labels say.
        epochs: passes over the labelled images.
        batch: images a step.
        seed: of weights, order and dropout. The same seed gives the same weights; no random state outside changes.
        progress: told each epoch.

    Returns:
        The classifier, in evaluation mode, its parameters frozen; its accuracy on the labelled validation images, 0..1.

    Raises:
        UsageError: features and labels differ in number or width, a label is beyond ``scenes``, or a part has none.
        Cancelled: by ``progress``.
    """
    _check(features, labels, "training", features.shape[-1])
    _check(val_features, val_labels, "validation", features.shape[-1])
    most = int(torch.cat([labels.cpu(), val_labels.cpu()]).max()) + 1
    if scenes is not None and most > scenes:
        raise UsageError(
            f"A scene has the label {most - 1}, but there are {scenes} scenes.", "Count labels from 0.", scenes=scenes
        )
    device = features.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_generators(derived_seed(seed, Purpose.WEIGHTS), device)
        model = ScenePrior(features.shape[-1], width, scenes or most).to(device)
        _fit(model, features, labels.to(device), epochs, batch, seed, progress)
    model.eval().requires_grad_(False)
    return model, _accuracy(model, val_features.to(device), val_labels.to(device), batch)


def _fit(
    model: ScenePrior, features: Tensor, labels: Tensor, epochs: int, batch: int, seed: int, progress: ProgressSink
) -> None:
    labelled = (labels >= 0).nonzero()[:, 0]
    steps = epochs * -(-len(labelled) // batch)
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(epochs):
        random = torch.Generator().manual_seed(derived_seed(seed, Purpose.ORDER, epoch))
        order = torch.randperm(len(labelled), generator=random).to(labelled.device)
        total = 0.0
        for rows in torch.split(labelled[order], batch):
            _, logits = model(features[rows].float())
            loss = cross_entropy(logits, labels[rows], label_smoothing=SMOOTHING)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(rows)
        progress(Progress("scene prior", epoch + 1, epochs, f"loss {total / len(labelled):.3f}"))


@torch.no_grad()
def _accuracy(model: ScenePrior, features: Tensor, labels: Tensor, batch: int) -> float:
    found = torch.cat([model(part.float())[1].argmax(1) for part in torch.split(features, batch)])
    labelled = labels >= 0
    return float((found == labels)[labelled].double().mean())


def _check(features: Tensor, labels: Tensor, part: str, width: int) -> None:
    if features.ndim != 2 or features.shape[1] != width or labels.shape != (len(features),):
        raise UsageError(
            f"The {part} images have features {tuple(features.shape)} and labels {tuple(labels.shape)}.",
            f"Give features (images, {width}) and one label an image.",
        )
    if not bool((labels >= 0).any()):
        raise UsageError(f"No {part} image has a scene label.", "Give a data set that names the scenes of its images.")
