"""What of the network is trained, and the one forward pass that a step makes."""

from __future__ import annotations

from torch import Tensor, nn

from engine.models.catalogue import Channels
from engine.models.prior_clip.instruction import is_instruction_key
from engine.models.prior_clip.instruction_network import PriorClip
from engine.train.prior_clip.config import PriorConfig
from engine.train.runs.pictures import standardise

SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE = 0.01, 0.5


def choose_trained(net: PriorClip, config: PriorConfig) -> list[nn.Parameter]:
    """Lets the settings' parts require gradients, and nothing else.

    CLIP's own logit scale stays as it is: the objective has temperatures of its own.

    Returns:
        What is new to the backbone: the instruction and the temperatures.
    """
    net.requires_grad_(False)
    for name, parameter in net.clip.named_parameters():
        trained = config.model.train_backbone and not name.startswith("logit_")
        parameter.requires_grad_(trained or is_instruction_key(name))
    net.temp.requires_grad_(True)
    # Without its loss it would wait for a gradient in vain, which data-parallel training does not bear.
    net.temp2.requires_grad_(config.objective.attribution > 0)
    instruction = [parameter for name, parameter in net.clip.named_parameters() if is_instruction_key(name)]
    return [*instruction, net.temp, net.temp2]


class Embedder(nn.Module):
    """What a step computes on one device: data-parallel training needs it to be one module with one forward pass."""

    def __init__(self, net: PriorClip, mean: Channels, std: Channels) -> None:
        super().__init__()
        self.net = net
        self._mean, self._std = mean, std

    def forward(self, images: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 ``(B, 3, S, S)`` and token ids ``(B, L)`` to embeddings ``(B, E)`` of both."""
        return self.net.embed_images(self.pixels(images))[0], self.net.embed_texts(tokens)

    def pixels(self, images: Tensor) -> Tensor:
        """uint8 ``(…, 3, S, S)`` to the network's input."""
        return standardise(images, self._mean, self._std)
