"""Value noise by bicubic enlargement of random grids: quick at any size and reproducible from a generator."""

from __future__ import annotations

import numpy as np
from PIL import Image

from engine.types import Float32Array


def value_noise(height: int, width: int, cell: float, rng: np.random.Generator) -> Float32Array:
    """Smooth noise of unit standard deviation, (height, width) float32, with bumps about ``cell`` pixels wide."""
    rows, cols = int(height / cell) + 4, int(width / cell) + 4
    grid = Image.fromarray(rng.standard_normal((rows, cols)).astype(np.float32))
    dx, dy = rng.uniform(0, 1, 2)
    box = (1 + dx, 1 + dy, 1 + dx + width / cell, 1 + dy + height / cell)
    enlarged = np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC, box=box), dtype=np.float32)
    # Bicubic interpolation of white noise keeps about 70 % of its standard deviation.
    return np.asarray(enlarged * np.float32(1.4), dtype=np.float32)


def fractal_noise(
    height: int, width: int, cell: float, octaves: int, rng: np.random.Generator, gain: float = 0.55
) -> Float32Array:
    """Sum of ``octaves`` value noises, each of half the cell and ``gain`` times the strength, unit deviation."""
    total = np.zeros((height, width), dtype=np.float32)
    power, amplitude = 0.0, 1.0
    for octave in range(octaves):
        total += np.float32(amplitude) * value_noise(height, width, cell / 2**octave, rng)
        power += amplitude**2
        amplitude *= gain
    total /= np.float32(np.sqrt(power))
    return total
