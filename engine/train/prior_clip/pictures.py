"""Pictures that are looked at whole: those of val, and those whose scenes are learned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from engine.datasets.captioned_folder import CaptionedPicture, Damaged, DamagedSampleError, decode
from engine.train.runs.pictures import squared


def load_pictures(
    samples: Sequence[CaptionedPicture], side: int
) -> tuple[Tensor, list[CaptionedPicture], list[Damaged]]:
    """Decodes all of them.

    Args:
        samples: to be read.
        side: that each is brought to, pixels.

    Returns:
        uint8 ``(V, 3, side, side)``, the samples that these are, and the others with what is wrong with them.
    """
    pixels, kept, damaged = [], [], []
    for sample in samples:
        try:
            pixels.append(squared(decode(sample), side))
            kept.append(sample)
        except DamagedSampleError as error:
            damaged.append(Damaged(sample.name, str(error)))
    whole = np.stack(pixels) if pixels else np.zeros((0, side, side, 3), np.uint8)
    return torch.from_numpy(whole).permute(0, 3, 1, 2).contiguous(), kept, damaged
