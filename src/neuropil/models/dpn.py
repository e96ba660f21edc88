"""Dual path networks: ResNet's sum and DenseNet's joining side by side.

Source: Chen, Li, Xiao, Jin, Yan, Feng 2017, "Dual path networks", figure 2(d) and table 1; chapter, "DPN". New against
both: of what a block finds, one part is added to the maps that came in (features are used again, as in ResNet), the
other is joined to them (new features are explored, as in DenseNet); the two paths share the block's convolutions.

Where we deviate: nothing but the names, which are timm's (`layers` for its `features`); normalization's eps is 0.001,
and the last layer a 1x1 convolution of the means, as in the authors' weights.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d, PointwiseConvolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.staged import Staged

__all__ = ["DPN", "DPN68", "DPN92", "DPN98", "DPN107", "DPN131", "DualPathBlock"]

EPS = 0.001


class Plan(NamedTuple):
    """A column of table 1.

    Args:
        stem: maps of the first convolution.
        kernel: its side.
        wide: maps of the residual path in the first stage; each later stage has twice as many.
        inner: maps of a block's own convolutions there, in so many groups.
        groups: of the 3x3 convolutions.
        blocks: of the four stages.
        joined: maps that each block of a stage joins.
    """

    stem: int
    kernel: int
    wide: int
    inner: int
    groups: int
    blocks: tuple[int, int, int, int]
    joined: tuple[int, int, int, int]


PLAN = {
    68: Plan(10, 3, 64, 128, 32, (3, 4, 12, 3), (16, 32, 32, 64)),
    92: Plan(64, 7, 256, 96, 32, (3, 4, 20, 3), (16, 32, 24, 128)),
    98: Plan(96, 7, 256, 160, 40, (3, 6, 20, 3), (16, 32, 32, 128)),
    107: Plan(128, 7, 256, 200, 50, (4, 8, 20, 3), (20, 64, 64, 128)),
    131: Plan(128, 7, 256, 160, 40, (4, 8, 28, 3), (16, 32, 32, 128)),
}


class NormalizedConvolution(nn.Module):
    """BN - ReLU - convolution, as in pre-activated residual networks."""

    def __init__(self, in_channels: int, maps: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(in_channels, eps=EPS)
        self.conv = Convolution2d(in_channels, maps, kernel, stride=stride, padding="same", groups=groups, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in_channels, H, W]` -> `[N, maps, H / stride, W / stride]`."""
        out: Tensor = self.conv(F.relu(self.bn(x), inplace=True))
        return out


class DualPathBlock(nn.Module):
    """1x1, 3x3 in groups, 1x1; of the result `wide` maps are added and `joined` maps joined.

    Shape:
        `[N, wide + ..., H, W]` -> the same with `joined` more maps; the first block of a stage makes `wide + 3 joined`.
    """

    def __init__(
        self, in_channels: int, inner: int, wide: int, joined: int, groups: int, *, stride: int, first: bool
    ) -> None:
        super().__init__()
        self.wide = wide
        self.projection = f"c1x1_w_s{stride}" if first else None
        if self.projection is not None:
            self.add_module(self.projection, NormalizedConvolution(in_channels, wide + 2 * joined, 1, stride))
        self.c1x1_a = NormalizedConvolution(in_channels, inner, 1)
        self.c3x3_b = NormalizedConvolution(inner, inner, 3, stride, groups)
        self.c1x1_c = NormalizedConvolution(inner, wide + joined, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add the one part, join the other."""
        kept = x if self.projection is None else self.get_submodule(self.projection)(x)
        found = self.c1x1_c(self.c3x3_b(self.c1x1_a(x)))
        added = kept[:, : self.wide] + found[:, : self.wide]
        return torch.cat((added, kept[:, self.wide :], found[:, self.wide :]), 1)


class DPN(Staged):
    """Stem, four stages of dual path blocks, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        dropout: share of the last maps left out while training.
        initialization: how the weights start.
    """

    usual_side: ClassVar[int] = 224
    depth: ClassVar[int]

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.0,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        plan, self.initialization = PLAN[self.depth], initialization
        stem = Convolution2d(in_channels, plan.stem, plan.kernel, stride=2, padding="same", bias=False)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1_1=nn.Sequential(
                OrderedDict(conv=stem, bn=nn.BatchNorm2d(plan.stem, eps=EPS), relu=nn.ReLU(inplace=True))
            ),
            conv1_pool=MaxPooling(3, 2, 1),
        )  # a quarter of the height and width
        channels, ends, widths = plan.stem, [], []
        for number, (depth, joined) in enumerate(zip(plan.blocks, plan.joined, strict=True)):
            wide, inner = plan.wide << number, plan.inner << number
            for place in range(1, depth + 1):
                stride = 2 if place == 1 and number > 0 else 1
                layers[f"conv{number + 2}_{place}"] = DualPathBlock(
                    channels, inner, wide, joined, plan.groups, stride=stride, first=place == 1
                )
                channels = wide + 3 * joined if place == 1 else channels + joined
            ends.append(len(layers))
            widths.append(channels)
        layers["conv5_bn_ac"] = nn.Sequential(
            OrderedDict(bn=nn.BatchNorm2d(channels, eps=EPS), relu=nn.ReLU(inplace=True))
        )
        ends[-1] = len(layers)
        self.layers, self.stage_ends, self.widths = nn.Sequential(layers), tuple(ends), tuple(widths)
        self.dropout = todays_dropout(dropout)
        initialize(self, initialization)
        self.reset_classifier(num_classes)

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.classifier(self.dropout(x.mean((2, 3), keepdim=True)))
        return logits.flatten(1)

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer, a 1x1 convolution of the means, for a fresh one; 0 leaves it out."""
        if num_classes < 0:
            raise InputError(f"{num_classes} classes were asked for; give 1 or more, or 0 for no classifier")
        first = next(self.parameters())
        head = PointwiseConvolution2d(self.widths[-1], num_classes) if num_classes else nn.Identity()
        self.classifier = initialize(head, self.initialization).to(device=first.device, dtype=first.dtype)


class DPN68(DPN):
    """DPN-68, the small one."""

    depth = 68


class DPN92(DPN):
    """DPN-92, 32x3d."""

    depth = 92


class DPN98(DPN):
    """DPN-98, 40x4d."""

    depth = 98


class DPN107(DPN):
    """DPN-107, 50x4d."""

    depth = 107


class DPN131(DPN):
    """DPN-131, 40x4d."""

    depth = 131
