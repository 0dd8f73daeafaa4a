"""What one model's run over a split of captioned images gives: recalls, also by scene, and the images' embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.evaluate.retrieval import KS, Queries, RetrievalReport, query_embeddings
from engine.models.contract import ModelIdentity
from engine.types import Float32Array, Float64Array, IntArray, Json


@dataclass(frozen=True, slots=True)
class SceneRecalls:
    """Recalls of one scene's images and of their captions as queries in the whole split, percent.

    Attributes:
        scene: its name; None: images of which the data set names none.
        images: how many.
        i2t: R@1, R@5, R@10 of its images, expected under random ties.
        t2i: of its captions.
    """

    scene: str | None
    images: int
    i2t: tuple[float, ...]
    t2i: tuple[float, ...]

    @property
    def both(self) -> tuple[float, ...]:
        """Mean of both directions at each k."""
        return tuple((a + b) / 2 for a, b in zip(self.i2t, self.t2i, strict=True))

    @property
    def mean_recall(self) -> float:
        """Mean of all six."""
        return sum(self.both) / len(KS)

    def to_json(self) -> Json:
        def named(values: tuple[float, ...]) -> dict[str, float]:
            return {f"R@{k}": round(v, 4) for k, v in zip(KS, values, strict=True)}

        return {
            "scene": self.scene,
            "images": self.images,
            "i2t": named(self.i2t),
            "t2i": named(self.t2i),
            "mean": named(self.both),
            "mR": round(self.mean_recall, 4),
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """One model on one split.

    Attributes:
        report: the recalls.
        identity: what was measured.
        scenes: recalls by scene, in alphabetical order; images without one come last.
        image_means: what each image adds to mR, percent ``(B,)``.
        embeddings: of the images, float32 ``(B, E)``.
        labels: the scene of each image.
        captions: how many queries in words.
    """

    report: RetrievalReport
    identity: ModelIdentity
    scenes: tuple[SceneRecalls, ...]
    image_means: Float64Array
    embeddings: Float32Array
    labels: tuple[str | None, ...]
    captions: int

    @property
    def error(self) -> float:
        """Standard error of mR, percent: how much it would vary with other images of the same kind."""
        return standard_error(self.image_means)

    def to_json(self) -> Json:
        return {
            **self.report.to_json(),
            "mR_standard_error": round(self.error, 4),
            "images": len(self.labels),
            "captions": self.captions,
            "architecture": self.identity.architecture,
            "weights": self.identity.weights,
            "scenes": [scene.to_json() for scene in self.scenes],
        }


def measure_embeddings(
    images: Float32Array,
    texts: Float32Array,
    image_of_text: IntArray,
    labels: Sequence[str | None],
    identity: ModelIdentity,
    split: str,
) -> Measured:
    """All figures from embeddings; arguments as :func:`engine.evaluate.retrieval.query_embeddings` has them.

    Args:
        labels: the scene of each image, or None.
        identity: of the model.
        split: its name.
    """
    queries = query_embeddings(images, texts, image_of_text)
    return Measured(
        queries.report(identity.model_id, split),
        identity,
        recalls_by_scene(queries, labels),
        queries.image_means(),
        images,
        tuple(labels),
        len(texts),
    )


def told_apart(measured: Sequence[Measured], given: Sequence[str]) -> tuple[Measured, ...]:
    """The same, those of one name called as they were given: every run's file is ``best.safetensors``.

    Args:
        measured: in the order asked for.
        given: what each was asked for by; there may be more.
    """
    often = Counter(entry.report.model for entry in measured)
    return tuple(
        entry if often[entry.report.model] == 1 else replace(entry, report=replace(entry.report, model=name))
        for entry, name in zip(measured, given, strict=False)
    )


def recalls_by_scene(queries: Queries, labels: Sequence[str | None]) -> tuple[SceneRecalls, ...]:
    """Of each scene among the labels of the images; those without one last, if there are any."""
    out = []
    for scene in sorted(set(labels), key=lambda name: (name is None, name or "")):
        mine = np.array([label == scene for label in labels])
        i2t, t2i = queries.of_images(mine)
        out.append(SceneRecalls(scene, int(mine.sum()), i2t.expected, t2i.expected))
    return tuple(out)


def standard_error(values: Float64Array) -> float:
    """Of the mean of ``(B,)``; 0 where B is 1."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
