"""EfficientNet-Lite as a token map (Tan and Le, arXiv 1905.11946; the Lite variants of 2020 have no squeeze-excite).

BatchNorm is folded into the convolutions: the tower is fine-tuned with small batches, where frozen statistics train
more steadily, and a folded tower is faster on a CPU.
"""

from __future__ import annotations

from itertools import pairwise

import timm
import torch
from timm.layers.drop import DropPath
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

PIXEL_MEAN = 127.0
PIXEL_SCALE = 128.0
FEATURES = 1280  # of every size
SIZES = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
SMALLEST = SIZES[0]
STRIDE = 32  # input pixels a token
BATCH_NORM_EPS = 1e-3


class ImageTower(nn.Module):
    """``(B, 3, H, W)`` scaled by (x - 127) / 128 to a token map ``(B, 1280, H/32, W/32)``, BatchNorm folded;
    sizes are rounded up.

    Args:
        size: one of SIZES, by timm's name.
    """

    def __init__(self, size: str = SMALLEST) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"{size} is none of {', '.join(SIZES)}")
        self.net = timm.create_model(size, pretrained=False, num_classes=0, bn_eps=BATCH_NORM_EPS)
        fold_batch_norm(self.net)

    def forward(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.net.forward_features(images)  # type: ignore[operator]
        return tokens

    def drop_paths(self, rate: float) -> None:
        """Stochastic depth in training (Huang et al., arXiv 1603.09382), from 0 in the first block to ``rate``."""
        blocks = [block for stage in self.net.get_submodule("blocks").children() for block in stage.children()]
        for place, block in enumerate(blocks):
            block.drop_path = DropPath(rate * place / (len(blocks) - 1))

    def frozen_prefix(self, stages: int) -> list[nn.Module]:
        """The stem and the first ``stages`` stages, which fine-tuning leaves as they are."""
        return [self.net.get_submodule("conv_stem"), *list(self.net.get_submodule("blocks").children())[:stages]]


def fold_batch_norm(net: nn.Module) -> None:
    """Replaces each (convolution, BatchNorm) pair of a timm EfficientNet by one convolution, in place.

    timm's ``BatchNormAct2d`` carries the activation; what stays in its place is the activation alone.
    """
    layers = _walk(net)
    for (owner, place, convolution), (parent, name, norm) in pairwise(layers):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(owner, place, _folded(convolution, norm))
            setattr(parent, name, getattr(norm, "act", nn.Identity()))


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution for both. Without values (on the meta device), it only gets the place of its bias: arithmetic
    that computes nothing would be most of the time of loading a model."""
    if not convolution.weight.is_meta:
        return fuse_conv_bn_eval(convolution.eval(), norm.eval())
    if convolution.bias is None:
        convolution.bias = nn.Parameter(torch.empty(convolution.out_channels, device=convolution.weight.device))
    return convolution


def _walk(net: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """Convolutions and norms with their parents, in the order in which timm registers (and runs) them."""
    found: list[tuple[nn.Module, str, nn.Module]] = []
    for parent in net.modules():
        for name, child in parent.named_children():
            if isinstance(child, (nn.Conv2d, nn.BatchNorm2d)):
                found.append((parent, name, child))
    return found


def token_count(side: int) -> int:
    """Tokens of a square image: a side that is no multiple of STRIDE has one more row and column."""
    return (-(-side // STRIDE)) ** 2


def normalise_pixels(images: Tensor) -> Tensor:
    """uint8 or float pixels in 0..255 to the tower's input range."""
    return (images.to(torch.float32) - PIXEL_MEAN) / PIXEL_SCALE
