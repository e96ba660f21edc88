"""MnasNet: a network for phones that a search found, with measured latency in its reward.

Source: Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le 2019, "MnasNet: platform-aware neural architecture search for
mobile", figure 7 (A1) and table 7 (B1, small); chapter, "MnasNet". New against MobileNetV2: each stage has its own
kernel, expansion and depth, and some weigh their maps (squeeze and excitation), as the search chose for the reward
`ACC (LAT / T)^w`.

Where we deviate: nothing but the names, which are timm's behind `layers`. A1 and small have squeeze and excitation, B1
has none; torchvision's `mnasnet1_0` is B1.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.staged import Staged, whole_eights

__all__ = ["MnasNet", "MnasNetA1", "MnasNetB1", "MnasNetSmall"]


class Plan(NamedTuple):
    """A row of figure 7: blocks, kernel, stride of the first, expansion, maps, squeeze and excitation."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    maps: int
    squeeze: bool


PLAN = {
    "a1": (
        Plan(2, 3, 2, 6, 24, False), Plan(3, 5, 2, 3, 40, True), Plan(4, 3, 2, 6, 80, False),
        Plan(2, 3, 1, 6, 112, True), Plan(3, 5, 2, 6, 160, True), Plan(1, 3, 1, 6, 320, False),
    ),
    "b1": (
        Plan(3, 3, 2, 3, 24, False), Plan(3, 5, 2, 3, 40, False), Plan(3, 5, 2, 6, 80, False),
        Plan(2, 3, 1, 6, 96, False), Plan(4, 5, 2, 6, 192, False), Plan(1, 3, 1, 6, 320, False),
    ),
    "small": (
        Plan(1, 3, 2, 3, 16, False), Plan(2, 3, 2, 6, 16, False), Plan(4, 5, 2, 6, 32, True),
        Plan(3, 3, 1, 6, 32, True), Plan(3, 5, 2, 6, 88, True), Plan(1, 3, 1, 6, 144, False),
    ),
}  # fmt: skip

STEM, FIRST = {"a1": 32, "b1": 32, "small": 8}, {"a1": 16, "b1": 16, "small": 8}
"""Maps of the first convolution, and of the depthwise separable block behind it."""

LAST = 1280


class SqueezeBlock(nn.Module):
    """Squeeze and excitation, within a quarter as wide as the block's input.

    Shape:
        `[N, channels, H, W]` -> the same.
    """

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv_reduce, self.conv_expand = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Squeeze, excite, scale."""
        inner = F.relu(self.conv_reduce(x.mean((2, 3), keepdim=True)), inplace=True)
        return x * torch.sigmoid(self.conv_expand(inner))


class SeparableBlock(nn.Module):
    """3x3 on each map alone, 1x1 to few without a ReLU behind it; a shortcut where the shape stays and one is wanted.

    Shape:
        `[N, in_channels, H, W]` -> `[N, maps, H, W]`.
    """

    def __init__(self, in_channels: int, maps: int, shortcut: bool) -> None:
        super().__init__()
        self.shortcut = shortcut and in_channels == maps
        self.conv_dw = Convolution2d(in_channels, in_channels, 3, padding="same", groups=in_channels, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv_pw = Convolution2d(in_channels, maps, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        """Look, mix."""
        found: Tensor = self.bn2(self.conv_pw(F.relu(self.bn1(self.conv_dw(x)), inplace=True)))
        return found + x if self.shortcut else found


class InvertedResidual(nn.Module):
    """1x1 to many maps, depthwise, squeeze and excitation where the plan has it, 1x1 to few; a shortcut if it fits.

    Shape:
        `[N, in_channels, H, W]` -> `[N, maps, H / stride, W / stride]`.
    """

    def __init__(self, in_channels: int, maps: int, stride: int, plan: Plan) -> None:
        super().__init__()
        wide = in_channels * plan.expansion
        self.shortcut = stride == 1 and in_channels == maps
        self.conv_pw = Convolution2d(in_channels, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv_dw = Convolution2d(wide, wide, plan.kernel, stride=stride, padding="same", groups=wide, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.se = SqueezeBlock(wide, in_channels // 4) if plan.squeeze else nn.Identity()
        self.conv_pwl = Convolution2d(wide, maps, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(maps)

    def forward(self, x: Tensor) -> Tensor:
        """Widen, look, weigh, narrow, add."""
        found = F.relu(self.bn1(self.conv_pw(x)), inplace=True)
        found = F.relu(self.bn2(self.conv_dw(found)), inplace=True)
        out: Tensor = self.bn3(self.conv_pwl(self.se(found)))
        return out + x if self.shortcut else out


class MnasNet(Staged):
    """A 3x3 convolution, a depthwise separable block, six stages of inverted residuals, a 1x1 convolution, one layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        width: a factor of every layer's maps but the last 1280, 0.35 to 1.4 in the paper.
        dropout: share of the last maps left out while training.
        initialization: how the weights start.

    Raises:
        InputError: a width that is not above 0.
    """

    usual_side: ClassVar[int] = 224
    variant: ClassVar[str]

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.2,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if not width > 0:
            raise InputError(f"a width of {width} was given; it is a factor above 0, and 1 is the published network")
        self.initialization = initialization
        stem, channels = whole_eights(STEM[self.variant] * width), whole_eights(FIRST[self.variant] * width)
        first = SeparableBlock(stem, channels, shortcut=self.variant == "small")
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv_stem=Convolution2d(in_channels, stem, 3, stride=2, padding="same", bias=False),
            bn1=nn.BatchNorm2d(stem),
            relu1=nn.ReLU(inplace=True),
            blocks0=nn.Sequential(first),
        )  # half the height and width
        ends, widths = [], []
        for number, plan in enumerate(PLAN[self.variant], start=1):
            if plan.stride == 2:
                ends.append(len(layers))
                widths.append(channels)
            maps, blocks = whole_eights(plan.maps * width), []
            for place in range(plan.blocks):
                blocks.append(InvertedResidual(channels, maps, plan.stride if place == 0 else 1, plan))
                channels = maps
            layers[f"blocks{number}"] = nn.Sequential(*blocks)
        layers["conv_head"] = Convolution2d(channels, LAST, 1, bias=False)
        layers["bn2"], layers["relu2"] = nn.BatchNorm2d(LAST), nn.ReLU(inplace=True)
        self.layers = nn.Sequential(layers)
        self.stage_ends, self.widths = (*ends, len(layers)), (*widths, LAST)
        self.dropout = todays_dropout(dropout)
        initialize(self, initialization)
        self.classifier = linear_head(LAST, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, 1280, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.classifier(self.dropout(x.mean((2, 3))))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier = linear_head(LAST, num_classes, self.initialization, like=first)


class MnasNetA1(MnasNet):
    """A1: 3.9 million weights, 312 million multiply-adds."""

    variant = "a1"


class MnasNetB1(MnasNet):
    """B1: 4.4 million weights, 315 million multiply-adds."""

    variant = "b1"


class MnasNetSmall(MnasNet):
    """The small one: 2.0 million weights."""

    variant = "small"
