"""Outlines from the retrieval model alone: similarity of patches and keywords, sharpened on image structure.

Per tile: patch embeddings of enlarged windows (:mod:`engine.segment.dense`), once for all keywords; per keyword:
cosine with the keyword's prompts, mean over coarse superpixels, spread among superpixels that look alike
(:mod:`engine.segment.diffusion`), cut in two halves (:mod:`engine.segment.halves`), small parts and holes removed.
Where the halves differ little the keyword is everywhere, and the whole tile is its outline; those of a place made of
different things (:mod:`engine.segment.places`) may differ more. Of things that stand on a ground, planes or tanks, what
differs from that ground is outlined within (:mod:`engine.segment.things`).

Cosines of different keywords do not compare, so each tile's are standardised against those of a fixed vocabulary
(:mod:`engine.segment.background`) on the same tile: z = (cosine - mean) / deviation, over all words and patches. The
shape of the map is that of the cosine; what z adds is a common scale for "is it there at all" and "is it everywhere".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate

from engine.models.contract import RetrievalModel
from engine.segment.alignment import patch_offset
from engine.segment.background import background_embeddings
from engine.segment.contract import Segment
from engine.segment.dense import dense_features
from engine.segment.diffusion import affinities, diffused
from engine.segment.halves import otsu_cut
from engine.segment.places import is_place
from engine.segment.prompts import TEMPLATES, PromptEnsemble
from engine.segment.superpixels import superpixel_means, superpixels
from engine.segment.things import is_thing, standing_out
from engine.types import BoolArray, Float32Array, IntArray, UInt8Array

VERSION = 5  # of the method: raise it where equal settings give other masks
_TILES_PER_BATCH = 8


@dataclass(frozen=True, slots=True)
class RelevanceSettings:
    """What the masks depend on besides the model.

    The defaults were chosen on tiles of four drawn scenes with the packaged model; around them nothing is sharp
    (docs/evaluation.md).

    Attributes:
        zoom: side of the tile in sides of a window.
        windows: along each axis; 5 at zoom 2 put half a cell between those of neighbours.
        presence: z that the maximum must reach for the keyword to be there at all.
        contrast: difference in mean z of the two halves below which the keyword is everywhere.
        place_contrast: the same for words for places.
        certain: mean z within the mask at which the score is 1; the score falls linearly to 0 at z = 0.
        least_deviation: smallest deviation of cosines to divide by.
        superpixels: their number on a tile.
        compactness: SLIC's weight of nearness against colour.
        colour: distance in CIELAB at which superpixels look alike no more.
        reach: how far they look for others like them, in shares of the longer side.
        shared: share of a superpixel's relevance that comes from those like it.
        smallest_part: share of the tile below which a part, or a gap, is removed.
        largest_hole: share of the tile up to which a hole is filled.
        working_side: longest side in pixels at which structure is computed; larger tiles are shrunk for it.
    """

    zoom: float = 2.0
    windows: int = 5
    presence: float = 0.5
    contrast: float = 0.4
    place_contrast: float = 1.5
    certain: float = 3.0
    least_deviation: float = 0.02
    superpixels: int = 100
    compactness: float = 10.0
    colour: float = 5.0
    reach: float = 0.3
    shared: float = 0.9
    smallest_part: float = 0.002
    largest_hole: float = 0.2
    working_side: int = 224


class RelevanceSegmenter:
    """:class:`engine.segment.contract.Segmenter` that needs no weights beyond the retrieval model's."""

    def __init__(self, model: RetrievalModel, settings: RelevanceSettings | None = None) -> None:
        self._model = model
        self._settings = settings or RelevanceSettings()
        self._prompts = PromptEnsemble(model)
        self._offset: tuple[float, float] | None = None
        values = ",".join(f"{value:g}" for value in astuple(self._settings))
        texts = "/".join([*TEMPLATES, model.text_reading] if model.text_reading else TEMPLATES)
        self.identity = f"relevance-{VERSION}({values};{texts})"

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        """See the contract; tiles of equal size are encoded together. A tile's result depends on the tile alone."""
        return [[segment for segment, _ in found] for found in self.segment_with_maps(tiles, keywords)]

    def segment_with_maps(
        self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]
    ) -> list[list[tuple[Segment, Float32Array]]]:
        """As :meth:`segment`, each segment with its keyword's z ``(h, w)`` at the resolution of the structure."""
        found: list[list[tuple[Segment, Float32Array]]] = [[] for _ in tiles]
        for batch in _batches(tiles, keywords):
            features = self._features(np.stack([tiles[i] for i in batch]))
            for i, feature in zip(batch, features, strict=True):
                found[i] = self._segment(tiles[i], feature, keywords[i])
        return found

    def relevance(self, features: Tensor, keywords: Sequence[str]) -> Tensor:
        """Patch embeddings of one tile ``(h, w, E)`` to the z of each keyword ``(K, h, w)``."""
        background = features @ background_embeddings(self._model).T
        deviation = background.std().clamp_min(self._settings.least_deviation)
        return ((features @ self._prompts.embed(keywords).T - background.mean()) / deviation).permute(2, 0, 1)

    def _features(self, tiles: UInt8Array) -> Tensor:
        if self._offset is None:
            self._offset = patch_offset(self._model)
        return dense_features(self._model, tiles, self._settings.zoom, self._settings.windows, self._offset)

    def _segment(
        self, tile: UInt8Array, features: Tensor, keywords: Sequence[str]
    ) -> list[tuple[Segment, Float32Array]]:
        settings = self._settings
        image = _shrunk(tile, settings.working_side)
        labels = superpixels(image, settings.superpixels, settings.compactness)
        alike = affinities(image, labels, settings.colour, settings.reach)
        coarse = self.relevance(features, keywords)[None]  # (1, K, h, w)
        maps = interpolate(coarse, image.shape[:2], mode="bilinear", align_corners=False)[0].numpy()
        found = []
        for keyword, values in zip(keywords, maps, strict=True):
            contrast = settings.place_contrast if is_place(keyword) else settings.contrast
            mask = relevant_area(values, labels, alike, settings, contrast)
            if mask.any():
                if is_thing(keyword):
                    mask = standing_out(image, mask)
                score = min(1.0, max(0.0, float(values[mask].mean()) / settings.certain))
                found.append((Segment(keyword, _enlarged(mask, tile.shape[0], tile.shape[1]), score), values))
        return found


def relevant_area(
    values: Float32Array, labels: IntArray, alike: Float32Array, settings: RelevanceSettings, least_contrast: float
) -> BoolArray:
    """The mask ``(H, W)`` of a relevance map in z ``(H, W)`` on superpixels ``(H, W)``; empty where nothing is there,
    everything where it is everywhere, which is where the halves differ by less than ``least_contrast``. ``alike``: the
    superpixels' affinities ``(S, S)``.
    """
    means = superpixel_means(values, labels)
    if float(means.max()) < settings.presence:
        return np.zeros(labels.shape, np.bool_)
    means = diffused(means, alike, settings.shared)
    cut, contrast = otsu_cut(means, np.bincount(labels.ravel()))
    if contrast < least_contrast:
        return np.ones(labels.shape, np.bool_)
    smallest = max(1, round(settings.smallest_part * labels.size))
    mask = _without_small_parts((means >= cut)[labels], smallest)
    return _filled(~_without_small_parts(~mask, smallest), settings.largest_hole * labels.size)


def _filled(mask: BoolArray, largest: float) -> BoolArray:
    """The mask with its holes, up to this many pixels: what a thing encloses is mostly its own (a track's pitch)."""
    holes, _ = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    fill = np.bincount(holes.ravel()) <= largest
    fill[0] = False
    return np.asarray(mask | fill[holes], np.bool_)


def _without_small_parts(mask: BoolArray, smallest: int) -> BoolArray:
    parts, _ = ndimage.label(mask)
    keep = np.bincount(parts.ravel()) >= smallest
    keep[0] = False
    return np.asarray(keep[parts], np.bool_)


def _batches(tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[int]]:
    """Indices of tiles that have keywords, by equal size, in parts that bound the memory."""
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for i, (tile, words) in enumerate(zip(tiles, keywords, strict=True)):
        if words:
            by_shape.setdefault(tile.shape, []).append(i)
    return [
        group[first : first + _TILES_PER_BATCH]
        for group in by_shape.values()
        for first in range(0, len(group), _TILES_PER_BATCH)
    ]


def _shrunk(tile: UInt8Array, longest: int) -> UInt8Array:
    scale = longest / max(tile.shape[:2])
    if scale >= 1:
        return tile
    size = (max(1, round(tile.shape[0] * scale)), max(1, round(tile.shape[1] * scale)))
    pixels = torch.from_numpy(tile).permute(2, 0, 1)[None].float()
    small = interpolate(pixels, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    return small.round().clamp(0, 255).to(torch.uint8).numpy()


def _enlarged(mask: BoolArray, height: int, width: int) -> BoolArray:
    if mask.shape == (height, width):
        return mask
    cover = torch.from_numpy(mask.astype(np.float32))[None, None]
    return np.asarray(interpolate(cover, (height, width), mode="bilinear")[0, 0].numpy() >= 0.5, np.bool_)
