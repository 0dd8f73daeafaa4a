"""Embeddings of earlier batches."""

from __future__ import annotations

import torch

from engine.train.packaged.queue import EmbeddingQueue


def test_the_oldest_pairs_go_first_and_no_gradient_stays() -> None:
    queue = EmbeddingQueue(3, 2, torch.device("cpu"))
    assert len(queue) == 0
    for i in range(3):
        rows = torch.full((2, 2), float(i), requires_grad=True)
        queue.push(rows, rows + 10, [f"{i}a", f"{i}b"])
    assert queue.wordings == ["1b", "2a", "2b"]
    assert queue.images[:, 0].tolist() == [1.0, 2.0, 2.0]
    assert queue.texts[:, 0].tolist() == [11.0, 12.0, 12.0]
    assert not queue.images.requires_grad
    assert not queue.texts.requires_grad
