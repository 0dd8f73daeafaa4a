"""What is measured of a network: recalls, overlap of categories, speed."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor, nn

from engine.errors import UsageError
from engine.evaluate.overlap import category_overlap
from engine.evaluate.retrieval import RetrievalReport, evaluate_embeddings
from engine.train.compare.cache import ImageCache, TextCache
from engine.train.compare.data import Split
from engine.train.compare.net import SystemNet
from engine.types import Float32Array

AT_ONCE = 128
TILES = 32


@torch.no_grad()
def embed(net: SystemNet, images: ImageCache, texts: TextCache) -> tuple[Float32Array, Float32Array]:
    """Embeddings of the first view of all images ``(I, E)`` and of all texts ``(T, E)``; evaluation mode after it."""
    net.eval()
    of_images, device = [], net.device
    for rows in torch.split(torch.arange(len(images)), AT_ONCE):
        maps, pooled = images.draw(rows, torch.zeros_like(rows))
        of_images.append(net.embed_images(maps.to(device), pooled.to(device)).cpu())
    order = texts.lengths.argsort(stable=True)  # of like length in one call
    of_texts = torch.empty(len(texts), of_images[0].shape[1])
    for rows in torch.split(order, 2 * AT_ONCE):
        states, mask = texts.draw(rows)
        of_texts[rows] = net.embed_texts(states.to(device), mask.to(device)).cpu()
    return torch.cat(of_images).numpy(), of_texts.numpy()


def measure(net: SystemNet, split: Split, images: ImageCache, texts: TextCache) -> tuple[RetrievalReport, float | None]:
    """Recalls on a split, and the overlap of its categories; None where no scene has two images."""
    of_images, of_texts = embed(net, images, texts)
    said = of_texts[split.of_captions.numpy()]
    report = evaluate_embeddings(of_images, said, split.owners, "compare", split.name)
    try:
        return report, category_overlap(of_images, split.scenes.numpy())
    except UsageError:
        return report, None


@torch.inference_mode()
def tiles_a_second(first: nn.Module, prior_last: nn.Module | None, net: SystemNet, side: int, seconds: float) -> float:
    """Speed from normalised pixels to embeddings, the best of as many batches of 32 as fit into ``seconds``.

    Args:
        first: the frozen half of the image tower.
        prior_last: its last half as the scene prior knows it, where the network's own was trained since.
        net: measured, in evaluation mode.
        side: of the tiles, pixels.
        seconds: at least one batch is measured, after one that is not.
    """
    pixels = torch.rand(TILES, 3, side, side).to(net.device, memory_format=torch.channels_last)
    best, started = float("inf"), time.perf_counter()
    rounds = 0
    while rounds < 2 or time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        with torch.autocast(net.device.type, net.precision, enabled=net.precision is not torch.float32):
            kept = first(pixels)
            tokens: Tensor = kept if prior_last is None else prior_last(kept)
        pooled = tokens.float().mean((2, 3))
        np.asarray(net.embed_images(kept, pooled).cpu())
        rounds += 1
        if rounds > 1:
            best = min(best, time.perf_counter() - begun)
    return TILES / best
