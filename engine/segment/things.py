"""Things that stand on a ground of one kind: planes on an apron, tanks on gravel, boats on water, cars on asphalt.

They are smaller than what a map of relevance, or a coarse superpixel, can tell apart. What can is colour: within the
outline that the map gives, the ground is what most pixels look like, and the things are what does not, apart from
their shadows.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.color import rgb2lab
from skimage.filters import threshold_otsu
from skimage.measure import regionprops
from torch import from_numpy
from torch.nn.functional import interpolate

from engine.text.words import singular
from engine.types import BoolArray, Float32Array, IntArray, UInt8Array

# Heads of phrases; compounds are looked up by their last word.
THINGS = frozenset((
    "aeroplane", "aircraft", "airliner", "airplane", "automobile", "barge", "battleship", "biplane", "boat", "bus",
    "canoe", "car", "catamaran", "ferry", "freighter", "helicopter", "jet", "jetliner", "kayak", "lorry", "minibus",
    "motorboat", "plane", "sailboat", "seaplane", "ship", "silo", "speedboat", "tank", "tanker", "truck", "van",
    "vehicle", "vessel", "warship", "yacht",
))  # fmt: skip
NO_THINGS = frozenset((
    "blood vessel", "cable car", "inclined plane", "sedimentation tank", "septic tank", "settling tank", "water jet",
))  # fmt: skip
# Chosen on six drawn scenes; around them nothing is sharp (docs/evaluation.md). Who changes them raises VERSION in
# engine/segment/relevance.py.
BLUR = 1.0  # deviation of the Gaussian that takes the noise, pixels
AROUND = 0.3  # half the side of the window whose median is the ground, in shares of the image's longer side
DIFFERENCE = 4.0  # distance in CIELAB from the ground below which nothing stands out
SHADOW = 6.0  # what is darker than the ground is shadow where a* and b* differ by less
SMALLEST = 0.0006  # share of the image below which a part is dropped
LONGEST = 8.0  # longer parts, in their widths, are markings, kerbs or moles; cargo ships are up to eight
FILLING, COMPACT = 0.15, 0.85  # share of the image, and of its hull, above which one thing fills it
_GRID = 8  # places along an axis at which the ground's colour is looked up
_FEWEST = 64  # pixels that a colour of the ground is the median of


def is_thing(keyword: str) -> bool:
    """Whether a keyword names such things, in singular or plural."""
    words = singular(keyword.lower()).split()
    return bool(words) and words[-1] in THINGS and " ".join(words[-2:]) not in NO_THINGS


def standing_out(image: UInt8Array, mask: BoolArray) -> BoolArray:
    """What differs from its ground within a mask ``(H, W)``, not empty, of an RGB image ``(H, W, 3)``; the mask itself
    where nothing does.
    """
    smooth = ndimage.gaussian_filter(image.astype(np.float32), (BLUR, BLUR, 0))
    colours = rgb2lab(smooth / 255).astype(np.float32)
    everywhere = np.median(colours[mask], axis=0)
    found = _unlike(colours, everywhere, mask)
    if not _one_fills(found):
        found = _unlike(colours, _ground(colours, mask, everywhere), mask)
    found = ndimage.binary_closing(np.pad(ndimage.binary_opening(found), 4), iterations=2)[4:-4, 4:-4]
    parts = _parts(mask & ndimage.binary_fill_holes(found))
    kept = [
        part.label
        for part in regionprops(parts)  # type: ignore[no-untyped-call]
        if part.area >= SMALLEST * mask.size and part.axis_major_length <= LONGEST * max(1.0, part.axis_minor_length)
    ]
    return np.asarray(np.isin(parts, kept), np.bool_) if kept else mask


def _unlike(colours: Float32Array, ground: Float32Array, mask: BoolArray) -> BoolArray:
    """Where CIELAB colours ``(H, W, 3)`` differ within the mask from their ground ``(H, W, 3)`` or ``(3,)``, and are
    not its shadow."""
    apart = colours - ground
    darker, tint = -apart[..., 0], np.abs(apart[..., 1:]).max(-1)
    distance = np.linalg.norm(apart, axis=-1)
    distance[(darker > 0) & (tint < np.maximum(SHADOW, darker / 2))] = 0
    split = float(threshold_otsu(distance[mask]))  # type: ignore[no-untyped-call]
    return np.asarray(mask & (distance > max(DIFFERENCE, split)), np.bool_)


def _one_fills(found: BoolArray) -> bool:
    """Whether one thing is so large that the ground around it is to be had from the whole mask only: a compact part
    that is not the ground of another side of the tile.
    """
    parts = _parts(found)
    if not parts.any():
        return False
    largest = max(regionprops(parts), key=lambda part: part.area)  # type: ignore[no-untyped-call]
    top, left, bottom, right = largest.bbox
    sides = (top == 0) + (left == 0) + (bottom == found.shape[0]) + (right == found.shape[1])
    return bool(largest.area > FILLING * found.size and largest.solidity > COMPACT and sides <= 1)


def _ground(colours: Float32Array, mask: BoolArray, everywhere: Float32Array) -> Float32Array:
    """The colour of the ground at every pixel ``(H, W, 3)``: medians of the mask's pixels, on a coarse grid;
    ``everywhere`` ``(3,)`` where it has few."""
    height, width = mask.shape
    around = round(AROUND * max(mask.shape))
    grid = np.empty((_GRID, _GRID, 3), np.float32)
    for row in range(_GRID):
        for col in range(_GRID):
            y, x = round((row + 0.5) / _GRID * height), round((col + 0.5) / _GRID * width)
            window = slice(max(0, y - around), y + around), slice(max(0, x - around), x + around)
            inside = mask[window]
            grid[row, col] = np.median(colours[window][inside], axis=0) if inside.sum() >= _FEWEST else everywhere
    spread = interpolate(from_numpy(grid).permute(2, 0, 1)[None], (height, width), mode="bilinear")
    return np.asarray(spread[0].permute(1, 2, 0).numpy(), np.float32)


def _parts(mask: BoolArray) -> IntArray:
    parts, _ = ndimage.label(mask)
    return np.asarray(parts)
