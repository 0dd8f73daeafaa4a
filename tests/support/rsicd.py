"""A small generated data set in RSICD's layout: coloured grounds and the words for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 40, 40), "green": (50, 150, 60), "blue": (40, 70, 190), "grey": (128, 128, 128)}


def write_rsicd(folder: Path, counts: dict[str, int], side: int = 224) -> Path:
    """``counts`` images a split, colours in turn; five captions each, two of them equal; returns ``folder``."""
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        (folder / "images" / split).mkdir(parents=True)
        rows = []
        for i in range(count):
            name, colour = list(COLOURS.items())[i % len(COLOURS)]
            pixels = np.clip(np.array(colour) + rng.normal(0, 12, (side, side, 3)), 0, 255).astype(np.uint8)
            file = f"images/{split}/{name}_{i}.png"
            Image.fromarray(pixels).save(folder / file)
            captions = [f"{name} ground {i}", f"a {name} field", f"a {name} field", f"much {name}", f"{name} land"]
            row = {"image": file, "scene": name if i else None, "captions": captions}
            rows.append(row if split == "test" else row | {"paraphrases": [f"land that is {name}"]})
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder
