"""Surface materials of the drawn scene and how rough each looks from above."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from engine.types import Float32Array


class Material(IntEnum):
    """What covers a pixel; the value indexes :data:`NOISE`."""

    GRASS = 0
    LAWN = 1
    CROP = 2
    SOIL = 3
    SAND = 4
    WATER = 5
    ASPHALT = 6
    CONCRETE = 7
    ROOF = 8
    METAL = 9
    TREE = 10
    PAINT = 11
    FOREST_FLOOR = 12


# Relative noise (standard deviation as a share of the albedo) at three scales: about 1.5, 6 and 26 pixels.
NOISE: Float32Array = np.zeros((len(Material), 3), dtype=np.float32)
NOISE[Material.GRASS] = (0.075, 0.050, 0.042)
NOISE[Material.LAWN] = (0.040, 0.030, 0.040)
NOISE[Material.CROP] = (0.045, 0.035, 0.050)
NOISE[Material.SOIL] = (0.055, 0.045, 0.045)
NOISE[Material.SAND] = (0.028, 0.025, 0.045)
NOISE[Material.WATER] = (0.040, 0.025, 0.035)
NOISE[Material.ASPHALT] = (0.032, 0.024, 0.034)
NOISE[Material.CONCRETE] = (0.024, 0.022, 0.026)
NOISE[Material.ROOF] = (0.050, 0.030, 0.020)
NOISE[Material.METAL] = (0.022, 0.016, 0.016)
NOISE[Material.TREE] = (0.110, 0.060, 0.080)
NOISE[Material.PAINT] = (0.025, 0.020, 0.030)
NOISE[Material.FOREST_FLOOR] = (0.120, 0.080, 0.080)

# Where a bush or tree may take root.
PLANTABLE = frozenset(
    {Material.GRASS, Material.LAWN, Material.CROP, Material.SOIL, Material.FOREST_FLOOR, Material.TREE}
)
