"""Scores and findings in words that a person understands."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import PurePath

from qgis.PyQt.QtCore import QLocale

from qgis_mpsclip.i18n import tr
from qgis_mpsclip.results.hits import Hit
from qgis_mpsclip.results.review import ACCEPTED, REJECTED, Review

MOST_DECIMALS = 4


def percent(value: float) -> str:
    """A percentile with as many decimals as tell it from 100: 99.8, 99.95, 99.998; rounded down, never up to 100."""
    decimals = 1
    while decimals < MOST_DECIMALS and 100 - 10.0**-decimals < value < 100:
        decimals += 1
    floored = math.floor(value * 10**decimals + 1e-6) / 10**decimals
    return QLocale().toString(floored, "f", decimals)


def score_texts(hit: Hit) -> tuple[str, ...]:
    """How good a hit is, in several lengths, the longest first."""
    if hit.percentile is None:
        return (tr("score {score}").format(score=QLocale().toString(hit.score, "f", 3)),)
    value = percent(hit.percentile)
    return (
        tr("better than {percent} % of tiles").format(percent=value),
        tr("better than {percent} %").format(percent=value),
        tr("beats {percent} %").format(percent=value),
        tr("{percent} %").format(percent=value),
    )


def keywords_text(hit: Hit) -> str:
    """The keywords found on a hit, or why there are none."""
    if hit.keywords:
        return ", ".join(word if count == 1 else f"{word} ×{count}" for word, count in hit.keywords.items())
    return tr("nothing outlined") if hit.refined else tr("not outlined")


def summary_text(shown: int, total: int, reviews: Iterable[Review], more: Iterable[str]) -> str:
    """How many hits there are and what was said of them; lines break between statements only. Empty without hits.

    Args:
        shown: how many the list shows.
        total: how many there are.
        more: further statements.
    """
    if not total:
        return ""
    words = tr("{total} hits") if shown == total else tr("{shown} of {total} hits")
    verdicts = [review.verdict for review in reviews]
    parts = [words.format(shown=shown, total=total)]
    for verdict, words in ((ACCEPTED, tr("{count} accepted")), (REJECTED, tr("{count} rejected"))):
        if verdict in verdicts:
            parts.append(words.format(count=verdicts.count(verdict)))
    return " · ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in [*parts, *more])


def raster_name(raster: str) -> str:
    """The file's name without its folder."""
    return PurePath(raster).name or raster


def tooltip(hit: Hit, note: str) -> str:
    """Everything about a hit, as lines of plain text."""
    number = QLocale()
    lines = [
        tr("Rank {rank}: {score}").format(rank=hit.rank, score=score_texts(hit)[0]),
        tr("Likeness of the tile to the query: {score}").format(score=number.toString(hit.score_global, "f", 4)),
    ]
    if hit.score_regions is not None:
        regions = number.toString(hit.score_regions, "f", 4)
        lines.append(tr("Likeness of the outlines to the query: {score}").format(score=regions))
    lines.append(tr("Score it is ranked by: {score}").format(score=number.toString(hit.score, "f", 4)))
    lines.append(tr("Found: {keywords}").format(keywords=keywords_text(hit)))
    lines.append(
        tr("{raster}, tile row {row}, column {column}").format(
            raster=raster_name(hit.raster), row=hit.tile_row, column=hit.tile_col
        )
    )
    if note:
        lines.append(tr("Note: {note}").format(note=note))
    return "\n".join(lines)
