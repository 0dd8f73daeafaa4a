"""From planes to pixels: shadows from the height map, hill-shaded crowns, noise per material, blur, sensor, haze."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from engine.demo.scene.canvas import Canvas, Sun
from engine.demo.scene.materials import NOISE, Material
from engine.demo.scene.noise import value_noise
from engine.types import Float32Array, UInt8Array

_STRIP = 512
_HALO = 8
_SHADOW_LIGHT = np.array([0.42, 0.46, 0.54], dtype=np.float32)  # sky light is bluish
_SCALES = (1.5, 6.0, 26.0)


def cast_shadows(height: Float32Array, sun: Sun, reach: int = 128) -> Float32Array:
    """Shade (H, W) float32, 0 lit to 1 in full shadow, of a height map in pixels.

    A pixel lies in shadow where, for some distance t towards the sun, height(t) − t·tan(elevation) exceeds its own. The
    maximum over t is built by doubling: eight single steps, then shifts of 8, 16, … pixels, exact because all are
    multiples of one whole-pixel vector.
    """
    fall = float(np.tan(sun.elevation))
    dx, dy = np.cos(sun.azimuth), np.sin(sun.azimuth)
    top = height.copy()
    for t in range(1, 8):
        _raise_from(top, height, round(t * dx), round(t * dy), t * fall)
    step_x, step_y = round(8 * dx), round(8 * dy)
    length = 8
    while length < reach:
        _raise_from(top, top.copy(), step_x, step_y, float(np.hypot(step_x, step_y)) * fall)
        step_x, step_y, length = 2 * step_x, 2 * step_y, 2 * length
    shade = np.clip((top - height - 0.4) / 1.2, 0, 1, out=top)
    softened: Float32Array = ndimage.uniform_filter(shade, 2, output=np.float32)
    return softened


def _raise_from(top: Float32Array, source: Float32Array, dx: int, dy: int, drop: float) -> None:
    """top(x, y) = max(top(x, y), source(x + dx, y + dy) − drop), in place, where both exist."""
    h, w = top.shape
    here = (slice(max(0, -dy), h - max(0, dy)), slice(max(0, -dx), w - max(0, dx)))
    there = (slice(max(0, dy), h - max(0, -dy)), slice(max(0, dx), w - max(0, -dx)))
    np.maximum(top[here], source[there] - np.float32(drop), out=top[here])


def render(canvas: Canvas, rng: np.random.Generator) -> UInt8Array:
    """The finished picture (H, W, 3) uint8. Works in strips, so the working memory does not grow with the scene."""
    size = canvas.size
    shade = cast_shadows(canvas.height, canvas.sun)
    # Fine noise repeats every 1024 pixels: far beyond what the eye connects at these scales.
    side = min(size, 1024)
    tiles = [value_noise(side, side, scale, rng) for scale in _SCALES]
    cast = np.array([1.0, 1.0, 1.0], dtype=np.float32) + rng.normal(0, 0.012, 3).astype(np.float32)
    haze = float(rng.uniform(0.02, 0.05))
    picture = np.empty((size, size, 3), dtype=np.uint8)
    sun_x, sun_y, _ = canvas.sun.vector
    for start in range(0, size, _STRIP):
        lo, hi = max(0, start - _HALO), min(size, start + _STRIP + _HALO)
        rows = slice(lo, hi)
        material = canvas.material[rows]
        light = np.ones(material.shape, dtype=np.float32)
        for channel, tile in enumerate(tiles):
            repeat = np.take(np.tile(tile, (1, -(-size // side)))[:, :size], np.arange(lo, hi) % side, axis=0)
            light += NOISE[:, channel][material] * repeat
        grad_y, grad_x = np.gradient(canvas.height[rows])
        relief = np.clip(-(grad_x * sun_x + grad_y * sun_y) * np.float32(0.42), -0.55, 0.55)
        light += np.where(material == Material.TREE, relief, np.float32(0))
        color = canvas.albedo[rows] * light[..., None]
        color *= 1 + shade[rows][..., None] * (_SHADOW_LIGHT - 1)
        for band in range(3):
            color[..., band] = ndimage.gaussian_filter(color[..., band], 0.65, truncate=3)
        color = color * cast * np.float32(1 - haze) + np.array([168, 180, 190], dtype=np.float32) * np.float32(haze)
        color += rng.normal(0, 2.0, color.shape[:2]).astype(np.float32)[..., None]
        inner = color[start - lo : start - lo + min(_STRIP, size - start)]
        picture[start : start + len(inner)] = np.clip(inner + 0.5, 0, 255).astype(np.uint8)
    return picture
