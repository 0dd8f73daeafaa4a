"""What regions add to retrieval on RSICD, without the leak of caption-guided subimages.

A search engine does not know the captions of the images that it ranks. So subimages are cut by the keywords of the
query, on the images that rank first without them (:mod:`engine.evaluate.region_rerank`), or by a fixed vocabulary, on
all images (:mod:`engine.evaluate.region_gallery`). Cutting them by the images' own reference captions, as the released
evaluation of MPS-CLIP does, is measured only when asked for, and labelled.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.datasets.rsicd import read_split
from engine.evaluate.region_gallery import GalleryRegions, frequent_nouns, with_regions, without_regions
from engine.evaluate.region_rerank import Reranking, rerank
from engine.evaluate.region_study import RegionStudy
from engine.evaluate.retrieval import KS, Recalls, RetrievalReport
from engine.models.contract import RetrievalModel
from engine.segment.contract import Segmenter
from engine.text.contract import KeywordExtractor
from engine.types import Json, ProgressSink, no_progress

LEAK_NOTE = "subimages cut by the gallery images' own captions: leaks, and does not compare with a search"


@dataclass(frozen=True, slots=True)
class StudySettings:
    """What is measured.

    Attributes:
        captions: queries of the re-ranking; 0: no re-ranking.
        top: images re-ranked for each.
        vocabulary: words of the fixed vocabulary; 0: no vocabulary.
        caption_guided: measure the leaking way too.
        timed: queries, and images, that are timed by themselves.
        images: only the first so many of the split, to try things out; None: all.
        seed: of the choice of captions.
    """

    captions: int = 500
    top: int = 32
    vocabulary: int = 30
    caption_guided: bool = False
    timed: int = 5
    images: int | None = None
    seed: int = 0


def study_regions(
    model: RetrievalModel,
    segmenter: Segmenter,
    extractor: KeywordExtractor,
    data: Path,
    split: str,
    settings: StudySettings,
    progress: ProgressSink = no_progress,
) -> Json:
    """All that ``settings`` ask for, ready for JSON; recalls in percent, seconds of this machine.

    Each image is segmented once for each keyword that any part asks of it.

    Raises:
        UsageError: the folder does not hold the split, or, for the vocabulary, the train split.
    """
    started = time.perf_counter()
    words = frequent_nouns(extractor, read_split(data, "train"), settings.vocabulary) if settings.vocabulary else ()
    study = RegionStudy(model, segmenter, extractor, read_split(data, split)[: settings.images], progress)
    name = model.identity.model_id
    report: Json = {
        "model": name,
        "weights": model.identity.weights,
        "split": split,
        "images": len(study.images),
        "segmenter": segmenter.identity,
        "device": model.device.type,
        "threads": torch.get_num_threads(),
        "seconds_per_image_global": round(study.seconds_per_image, 4),
    }
    if settings.captions:
        report["rerank"] = _reranking(
            rerank(study, settings.captions, settings.top, settings.timed, settings.seed), settings.seed
        )
    if words or settings.caption_guided:
        report["without_regions"] = _recalls_both(without_regions(study, name, split))
    if words:
        found = with_regions(study, [words] * len(study.images), settings.timed, name, split)
        report["vocabulary"] = {"words": list(words)} | _gallery(found)
    if settings.caption_guided:
        own = [_distinct(study, image.captions) for image in study.images]
        found = with_regions(study, own, settings.timed, name, split)
        report["caption_guided_leaking"] = {"note": LEAK_NOTE} | _gallery(found)
    return report | {"seconds": round(time.perf_counter() - started, 1)}


def table_lines(report: Json) -> list[str]:
    """The report as lines for people."""
    lines = [f"{report['model']}, {report['split']}, {report['images']} images, {report['seconds']} s"]
    if found := report.get("rerank"):
        lines.append(f"re-ranking the first {found['top']} for {found['captions']} captions (text to image)")
        lines += [_line("before", found["before"]), *(_line(mode, row) for mode, row in found["after"].items())]
        lines.append(f"  {found['seconds_per_query']} s a query, {found['seconds_per_query_again']} s when known")
    if before := report.get("without_regions"):
        lines += ["whole gallery (text to image; mR of both directions)", _both("without regions", before)]
    for part, title in (("vocabulary", "vocabulary"), ("caption_guided_leaking", "caption-guided, LEAKS")):
        if found := report.get(part):
            lines += [_both(f"{title}, {mode}", row) for mode, row in found["after"].items()]
            lines.append(f"  {found['regions_per_image']} regions and {found['seconds_per_image']} s an image")
    return lines


def _distinct(study: RegionStudy, captions: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for caption in captions for word in study.keywords(caption)))


def _reranking(found: Reranking, seed: int) -> Json:
    return {
        "captions": len(found.chosen),
        "seed": seed,
        "top": found.top,
        "reachable": round(found.reachable, 2),
        "keywords_per_caption": round(found.keywords, 2),
        "share_of_keywords_found": round(found.found, 3),
        "before": _recalls(found.before),
        "after": {mode.value: _recalls(row) for mode, row in found.after.items()},
        "seconds_per_query": None if found.seconds is None else round(found.seconds, 3),
        "seconds_per_query_again": round(found.seconds_again, 4),
    }


def _gallery(found: GalleryRegions) -> Json:
    return {
        "regions_per_image": round(found.regions, 2),
        "after": {mode.value: _recalls_both(row) for mode, row in found.after.items()},
        "seconds_per_image": None if found.seconds is None else round(found.seconds, 3),
    }


def _recalls(found: Recalls) -> dict[str, float]:
    return {f"R@{k}": round(value, 2) for k, value in zip(KS, found.expected, strict=True)}


def _recalls_both(found: RetrievalReport) -> Json:
    return {"i2t": _recalls(found.i2t), "t2i": _recalls(found.t2i), "mR": round(found.mean_recall, 3)}


def _line(title: str, row: dict[str, float]) -> str:
    return f"  {title:<16}" + "".join(f"  {name} {value:6.2f}" for name, value in row.items())


def _both(title: str, row: Json) -> str:
    return f"{_line(title, row['t2i'])}  mR {row['mR']:.2f}"
