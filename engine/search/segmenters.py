"""From the name of a segmenter to one that is ready."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.config import SegmenterName
from engine.models.contract import RetrievalModel
from engine.segment.contract import Segmenter
from engine.segment.samgeo.readiness import NEEDS, Readiness, readiness

BEST_FIRST = (SegmenterName.SAMGEO3, SegmenterName.LANGSAM, SegmenterName.RELEVANCE_SAM)
"""What ``auto`` looks for: SAM 3 is one model for the whole task, LangSAM the paper's two, the hybrid knows only what
the retrieval model knows."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A segmenter, and what to tell the user where it is not SamGeo's (else empty)."""

    name: SegmenterName
    note: str = ""


def check_segmenter(name: SegmenterName, weights: Path | None = None) -> None:
    """Refuses a segmenter whose packages or weights are missing: milliseconds, nothing is imported or fetched.

    Args:
        name: as asked for; what needs nothing, and ``auto``, always pass.
        weights: folder of the SamGeo segmenters' weights; None: the usual one.

    Raises:
        MissingDependencyError: packages are missing; the message names the command that installs them.
        ModelError: weights are missing; the message names the command that fetches them.
        UsageError: the folder does not exist.
    """
    if name.value in NEEDS:
        found = readiness(name.value, weights)
        if not found.ready:
            raise found.error()


def make_segmenter(name: SegmenterName, model: RetrievalModel, weights: Path | None = None) -> Segmenter | None:
    """The segmenter for a model, on the model's device; None for :attr:`SegmenterName.NONE`.

    Args:
        name: which; ``auto`` is settled by :func:`choose_segmenter`.
        model: what the relevance segmenter looks through.
        weights: folder of the SamGeo segmenters' weights; None: the usual one.

    Raises:
        EngineError: as :func:`check_segmenter`.
    """
    if name is SegmenterName.NONE:
        return None
    if name is SegmenterName.AUTO:
        name = choose_segmenter(model, weights).name
    check_segmenter(name, weights)
    from engine.segment.relevance import RelevanceSegmenter

    if name is SegmenterName.RELEVANCE:
        return RelevanceSegmenter(model)
    return _samgeo(readiness(name.value, weights), model)


def choose_segmenter(model: RetrievalModel, weights: Path | None = None) -> Choice:
    """What ``auto`` stands for: on CUDA the first of :data:`BEST_FIRST` whose packages and weights are here, else
    ``relevance``. The SamGeo segmenters take seconds to a minute a tile on a CPU, so there they wait to be asked for.
    """
    ready = [name for name in BEST_FIRST if readiness(name.value, weights).ready]
    if model.device.type == "cuda" and ready:
        return Choice(ready[0])
    if ready:
        best = ready[0].value
        return Choice(
            SegmenterName.RELEVANCE, f"outlines by relevance; {best} is here, but slow without CUDA: --segmenter {best}"
        )
    return Choice(
        SegmenterName.RELEVANCE, "outlines by relevance; what SamGeo's would need is said by: mpsclip segmenters list"
    )


def _samgeo(found: Readiness, model: RetrievalModel) -> Segmenter:
    if found.name == SegmenterName.SAMGEO3:
        from engine.segment.samgeo.sam3 import SamGeo3Segmenter

        return SamGeo3Segmenter(found.folder, model.device)
    if found.sam is None:
        raise AssertionError("a ready segmenter of this kind has a SAM")
    if found.name == SegmenterName.LANGSAM:
        from engine.segment.samgeo.langsam import LangSamSegmenter

        return LangSamSegmenter(found.folder, found.sam, model.device)
    from engine.segment.relevance import RelevanceSegmenter
    from engine.segment.samgeo.relevance_sam import RelevanceSamSegmenter

    return RelevanceSamSegmenter(RelevanceSegmenter(model), found.folder, found.sam, model.device)
