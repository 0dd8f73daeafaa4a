"""Re-ranking: regions of the query's keywords on the images that rank first without them, as a search does it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.evaluate.region_study import RegionStudy
from engine.evaluate.retrieval import Recalls, recalls
from engine.models.contract import ScoreMode
from engine.types import BoolArray, Float64Array, IntArray

BEHIND = 10.0  # more than two scores can differ: images that are not re-ranked follow the others, in their order


@dataclass(frozen=True, slots=True)
class Reranking:
    """Text to image, over Q captions.

    Attributes:
        chosen: numbers of the captions ``(Q,)``.
        top: images re-ranked for each.
        reachable: captions in percent whose image is among these: no re-ranking can find more.
        keywords: of a caption, on average.
        found: of the keywords looked for on an image, the share that was found.
        before: recalls of the global scores.
        after: recalls by mode.
        seconds: of a query by itself, segmented and embedded anew, on average; None: not timed.
        seconds_again: of a query whose regions are known.
    """

    chosen: IntArray
    top: int
    reachable: float
    keywords: float
    found: float
    before: Recalls
    after: dict[ScoreMode, Recalls]
    seconds: float | None
    seconds_again: float


@dataclass(frozen=True, slots=True)
class _Query:
    caption: int
    shortlist: list[int]
    keywords: tuple[str, ...]


def rerank(study: RegionStudy, captions: int, top: int, timed: int, seed: int) -> Reranking:
    """Recalls before and after the first ``top`` images of each caption are ranked again.

    Args:
        captions: how many; chosen at random by ``seed``, so that fewer are the beginning of more.
        timed: how many of them are first timed by themselves.
    """
    chosen = np.random.default_rng(seed).permutation(len(study.captions))[:captions]
    scores = (study.texts[chosen] @ study.embeddings.T).astype(np.float64)  # (Q, B)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    queries = [
        _Query(int(caption), first.tolist(), study.keywords(study.captions[int(caption)]))
        for caption, first in zip(chosen, order, strict=True)
    ]
    seconds = [_seconds(study, query) for query in queries[:timed]]
    wanted: defaultdict[int, list[str]] = defaultdict(list)
    for query in queries:
        for image in query.shortlist:
            wanted[image] += query.keywords
    study.find(wanted)
    start = time.perf_counter()
    ranked: dict[ScoreMode, Float64Array] = {mode: _reranked(study, mode, queries, scores) for mode in study.modes}
    again = (time.perf_counter() - start) / max(1, len(queries) * len(study.modes))
    relevant: BoolArray = study.owner[chosen][:, None] == np.arange(len(study.images))
    return Reranking(
        chosen=chosen,
        top=top,
        reachable=100.0 * float(np.mean(np.take_along_axis(relevant, order, 1).any(1))),
        keywords=float(np.mean([len(query.keywords) for query in queries])),
        found=_share_found(study, queries),
        before=recalls(scores, relevant),
        after={mode: recalls(new, relevant) for mode, new in ranked.items()},
        seconds=float(np.mean(seconds)) if seconds else None,
        seconds_again=again,
    )


def _reranked(study: RegionStudy, mode: ScoreMode, queries: Sequence[_Query], scores: Float64Array) -> Float64Array:
    out: Float64Array = scores - BEHIND
    for row, query in enumerate(queries):
        out[row, query.shortlist] = _scores(study, mode, query)
    return out


def _scores(study: RegionStudy, mode: ScoreMode, query: _Query) -> Float64Array:
    keywords = [query.keywords] * len(query.shortlist)
    return study.score(mode, query.shortlist, keywords, study.texts[[query.caption]])[:, 0].astype(np.float64)


def _seconds(study: RegionStudy, query: _Query) -> float:
    start = time.perf_counter()
    bank = study.new_bank()
    bank.fill(dict.fromkeys(query.shortlist, query.keywords))
    for mode in study.modes[:1]:
        study.score(mode, query.shortlist, [query.keywords] * len(query.shortlist), study.texts[[query.caption]], bank)
    return time.perf_counter() - start


def _share_found(study: RegionStudy, queries: Sequence[_Query]) -> float:
    """Over all keywords of all queries on all images of their shortlists."""
    found = looked = 0
    for query in queries:
        valid = study.bank.regions(query.shortlist, [query.keywords] * len(query.shortlist))[1]
        found += int(valid.sum())
        looked += len(query.keywords) * len(query.shortlist)
    return found / max(1, looked)
