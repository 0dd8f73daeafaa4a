"""The loss of tokens: what lies where, learned from texts of whole images."""

from __future__ import annotations

from torch import Tensor

from engine.train.losses import multiple_instance_contrastive, text_to_image_contrastive


def dense_loss(
    tokens: Tensor, owners: Tensor, captions: Tensor, right: Tensor, nouns: Tensor, shown: Tensor, scale: float
) -> Tensor:
    """Tokens of mosaics against the texts of the images that they show.

    Args:
        tokens: embeddings ``(P, E)``.
        owners: int64 ``(P,)``, the image that each shows.
        captions: embeddings ``(T, E)``.
        right: float32 ``(B, T)``, how right each caption is for each image.
        nouns: embeddings ``(M, E)``.
        shown: bool ``(B, M)``, who shows each noun.
        scale: of similarities (1 / temperature).

    Returns:
        The loss, nats.
    """
    loss = text_to_image_contrastive(scale * captions @ tokens.T, right[owners].T)  # each token looks for its texts
    on_canvas = shown[owners]
    answerable = on_canvas.any(0)
    if bool(answerable.any()):
        logits = scale * tokens @ nouns[answerable].T
        loss = loss + multiple_instance_contrastive(logits, on_canvas[:, answerable])
    return loss
