"""OSFCM, OSDPM's object semantic-aware feature clustering: image embeddings gather around the nouns of their captions.

The paper's words: "statistical analysis of the frequency of semantic nouns associated with object categories in
image-text pairs, extracting high-probability semantic priors for the corresponding images", which "guide the clustering
of image features that exhibit ambiguity in the cross-modal feature space, thereby reducing distribution overlap across
object categories". The reading:

- *Frequency*: an image's prior is the distribution of the category nouns in its captions
  (``NounTargets`` in engine/train/packaged/nouns.py counts them).
- *High-probability*: of an image's nouns those that are at least half as probable as its most probable one; the others
  are dropped and the rest is scaled to sum to one (:func:`high_probability`).
- *Cross-modal feature space*: a noun's cluster has its text embedding, the noun alone as a query, for prototype. The
  prototypes guide and are not moved: the loss sends no gradient to them.
- *Clustering*: cross entropy of the softmax over all prototypes against the prior. It draws an image to its nouns'
  prototypes and away from all others.
- *That exhibit ambiguity*: no image is chosen beforehand. The gradient is (softmax − prior), so an image that already
  lies in its cluster gets next to none, and one between clusters the most.
- Without captions the prior is the model's own prediction: a linear map of the embedding and a softmax, trained by
  ``noun_prior_divergence`` in engine/train/losses.py. In a search embeddings are compared as they are: the paper
  describes no step of it that would use the prior.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

HIGH = 0.5  # of the probability of an image's most probable noun


def high_probability(priors: Tensor, share: float = HIGH) -> Tensor:
    """The probable nouns alone.

    Args:
        priors: ``(B, N)``, each row a distribution, or all zero where nothing is known of the image.
        share: of a row's largest probability; a noun below it is dropped. 0 keeps all.

    Returns:
        ``(B, N)``, each row a distribution again; rows of zeros stay as they are.
    """
    kept = priors * (priors >= share * priors.amax(1, keepdim=True))
    total = kept.sum(1, keepdim=True)
    return kept / total.where(total > 0, 1.0)


def clustering_loss(
    images: Tensor, prototypes: Tensor, priors: Tensor, temperature: Tensor | float, share: float = HIGH
) -> Tensor:
    """Cross entropy between an image's probable nouns and its likeness to all prototypes.

    Args:
        images: embeddings ``(B, E)``, unit length.
        prototypes: text embeddings of the category nouns ``(N, E)``, unit length; they get no gradient.
        priors: ``(B, N)``, each row a distribution, or all zero where nothing is known of the image.
        temperature: of the softmax over prototypes.
        share: see :func:`high_probability`.

    Returns:
        Mean over the images that have a prior, in nats; 0 where none has. Images without one leave it unchanged.
    """
    logits = images @ prototypes.detach().T / temperature  # (B, N)
    known = priors.sum(1) > 0
    if not bool(known.any()):
        return 0.0 * logits.sum()
    return cross_entropy(logits[known], high_probability(priors[known], share))
