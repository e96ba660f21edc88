"""ShuffleNet: 1x1 convolutions in groups, and a shuffle so that the groups hear of one another.

Source: Zhang, Zhou, Lin, Sun 2018, "ShuffleNet: an extremely efficient convolutional neural network for mobile
devices", figure 2 and table 1; chapter, "ShuffleNet" (spelt "SuffleNet" there). New against MobileNet: most of its cost
are the 1x1 convolutions, so these are grouped; channels are dealt out between them, or each group would stay by itself.

Where we deviate: nothing.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import AveragePooling, MaxPooling
from neuropil.nn.shuffled import ChannelShuffle
from neuropil.nn.staged import Staged

__all__ = ["ShuffleNetV1", "ShuffleUnit"]

PLAN = {1: (144, 288, 576), 2: (200, 400, 800), 3: (240, 480, 960), 4: (272, 544, 1088), 8: (384, 768, 1536)}
"""Table 1: maps of stages 2 to 4 by the number of groups, chosen so that all cost about 140 million multiply-adds."""

UNITS = (4, 8, 4)
STEM = 24
BOTTLENECK = 4
"""The inner layers have a quarter of a unit's output (section 3.2)."""


class ShuffleUnit(nn.Module):
    """Grouped 1x1, shuffle, 3x3 on each map alone, grouped 1x1: added to the input, at stride 2 joined with its means.

    Shape:
        `[N, in_channels, H, W]` -> `[N, out_channels, H / stride, W / stride]`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, groups: int, first_groups: int, inner: int
    ) -> None:
        super().__init__()
        found = out_channels if stride == 1 else out_channels - in_channels
        self.residual = nn.Sequential(
            OrderedDict(
                conv1=Convolution2d(in_channels, inner, 1, groups=first_groups, bias=False),
                bn1=nn.BatchNorm2d(inner),
                relu1=nn.ReLU(inplace=True),
                shuffle=ChannelShuffle(groups),
                conv2=Convolution2d(inner, inner, 3, stride=stride, padding="same", groups=inner, bias=False),
                bn2=nn.BatchNorm2d(inner),
                conv3=Convolution2d(inner, found, 1, groups=groups, bias=False),
                bn3=nn.BatchNorm2d(found),
            )
        )
        self.shortcut = None if stride == 1 else AveragePooling(3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add, or halve the picture and join."""
        found = self.residual(x)
        return F.relu(x + found if self.shortcut is None else torch.cat((self.shortcut(x), found), 1))


class ShuffleNetV1(Staged):
    """A 3x3 convolution, pooling, sixteen shuffle units in three stages, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        groups: of the 1x1 convolutions: 1, 2, 3, 4 or 8; more groups have more maps at the same cost.
        width: the paper's s: a factor of the maps of all stages, 0.25 to 2 there; rounded up to whole groups.
        initialization: how the weights start.

    Raises:
        InputError: a number of groups that table 1 does not have, or a width that is not above 0.

    Differs:
        The first 1x1 convolution of stage 2 has one group, as the paper has it: it reads only 24 maps.

    Example:
        >>> sum(p.numel() for p in ShuffleNetV1(groups=3).parameters())
        1865728
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        groups: Literal[1, 2, 3, 4, 8] = 3,
        width: float = 1.0,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if groups not in PLAN:
            raise InputError(f"{groups} groups were given; ShuffleNet was published with {', '.join(map(str, PLAN))}")
        if not width > 0:
            raise InputError(f"a width of {width} was given; it is a factor above 0, and 1 is the published network")
        self.initialization = initialization
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Sequential(
                Convolution2d(in_channels, STEM, 3, stride=2, padding="same", bias=False),
                nn.BatchNorm2d(STEM),
                nn.ReLU(inplace=True),
            ),
            pool1=MaxPooling(3, 2, 1),
        )  # a quarter of the height and width
        channels, widths = STEM, []
        for number, (published, depth) in enumerate(zip(PLAN[groups], UNITS, strict=True), start=2):
            maps = max(math.ceil(published * width / groups) * groups, channels + groups)
            inner = math.ceil(maps / BOTTLENECK / groups) * groups
            units = [ShuffleUnit(channels, maps, 2, groups, 1 if number == 2 else groups, inner)]
            units += [ShuffleUnit(maps, maps, 1, groups, groups, inner) for _ in range(depth - 1)]
            layers[f"stage{number}"] = nn.Sequential(*units)
            channels = maps
            widths.append(maps)
        self.layers, self.stage_ends, self.widths = nn.Sequential(layers), (3, 4, 5), tuple(widths)
        initialize(self, initialization)
        self.fc = linear_head(channels, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.fc = linear_head(self.widths[-1], num_classes, self.initialization, like=first)
