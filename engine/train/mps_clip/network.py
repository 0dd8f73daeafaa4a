"""The network of a run, and the one forward pass that a step makes."""

from __future__ import annotations

from torch import Tensor, nn

from engine.models.catalogue import Channels
from engine.models.clip_backbone import chosen_source
from engine.models.mps_clip.build import BuiltMpsClip, build_from_source
from engine.models.mps_clip.network import MpsClip
from engine.train.mps_clip.config import ModelSettings
from engine.train.objectives import training_region_feature
from engine.train.runs.pictures import standardise
from engine.train.seeds import Purpose, derived_seed
from engine.types import ProgressSink


def build_network(settings: ModelSettings, seed: int, progress: ProgressSink) -> BuiltMpsClip:
    """The network on the CPU with what is to be trained set to require gradients.

    Args:
        settings: architecture, backbone's weights and sizes.
        seed: of the run; random weights follow from it.
        progress: receives the progress of a download.

    Raises:
        UsageError: open_clip cannot build the architecture.
        ModelError: the weights are missing, damaged or do not fit.
    """
    source = chosen_source(settings.architecture, settings.weights, derived_seed(seed, Purpose.WEIGHTS), progress)
    built = build_from_source(
        source,
        bottleneck=settings.bottleneck,
        adapter_heads=settings.adapter_heads,
        views=settings.views,
        temperature=settings.temperature,
    )
    net = built.model
    if settings.train_backbone:
        net.requires_grad_(True)
        net.clip.logit_scale.requires_grad_(False)  # the objective takes it as the backbone has it
    else:
        net.requires_grad_(False)
        for parameter in net.new_parameters():
            parameter.requires_grad_(True)
    return built


class Embedder(nn.Module):
    """What a step computes on one device: data-parallel training needs it to be one module with one forward pass."""

    def __init__(self, net: MpsClip, mean: Channels, std: Channels) -> None:
        super().__init__()
        self.net = net
        self._mean, self._std = mean, std

    def forward(self, images: Tensor, masks: Tensor, valid: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The fields of a :class:`engine.train.mps_clip.data.Batch` to embeddings.

        Returns:
            Global images ``(B, E)``, texts ``(B, E)`` and views ``(K, B, E)``.
        """
        whole = self.net.embed_images(self.pixels(images)).whole
        texts = self.net.embed_texts(tokens).whole
        # The subimages: the picture as it was augmented, black outside each mask.
        cut = images[:, None] * masks[:, :, None]  # (B, n, 3, H, W)
        regions = self.net.embed_regions(self.pixels(cut), valid)
        return whole, texts, self.net.views(training_region_feature(regions, valid, whole))

    def pixels(self, images: Tensor) -> Tensor:
        """uint8 ``(…, 3, H, W)`` to the network's input."""
        return standardise(images, self._mean, self._std)
