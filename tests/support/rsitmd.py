"""A small generated data set in RSITMD's layout: coloured grounds and the words for them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.support.rsicd import COLOURS


def write_rsitmd(folder: Path, counts: dict[str, int], images: str = ".", side: int = 256) -> Path:
    """``counts`` images a split below ``folder/images``, colours in turn; train with one entry a caption; returns
    ``folder``."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in counts.items():
        (folder / images / split).mkdir(parents=True)
        rows = []
        for i in range(count):
            scene, colour = list(COLOURS.items())[i % len(COLOURS)]
            pixels = np.clip(np.array(colour) + rng.normal(0, 12, (side, side, 3)), 0, 255).astype(np.uint8)
            name = f"{split}/{scene}_{i}.tif"
            Image.fromarray(pixels).save(folder / images / name)
            texts = [f"{scene} ground {i}", f"a {scene} field", f"a {scene} field", f"much {scene}", f"{scene} land"]
            if split == "train":
                label = {"label_name": scene, "label": i % len(COLOURS)}
                rows += [{"caption": text, "image": name, "image_id": i, **label} for text in texts]
            else:
                rows.append({"image": name, "caption": texts})
        (folder / f"rsitmd_{split}.json").write_text(json.dumps(rows), encoding="utf-8")
    return folder
