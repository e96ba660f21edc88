"""DenseNet: every layer reads what all layers before it found.

Source: Huang, Liu, van der Maaten, Weinberger 2017, "Densely connected convolutional networks", table 1 (DenseNet-BC);
for 161 their released code; Pleiss et al. 2017, "Memory-efficient implementation of DenseNets"; chapter, "DenseNet".
New against ResNet: outputs are joined, not added, so that each layer adds few maps (k, the growth rate) of its own;
each works as BN - ReLU - convolution.

Where we deviate: dropout, where it is asked for, stands behind each layer's 3x3 convolution as in torchvision, not
behind every convolution; names are torchvision's (`layers` for its `features`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import AveragePooling, MaxPooling
from neuropil.nn.staged import Staged

__all__ = ["DenseLayer", "DenseNet", "DenseNet121", "DenseNet161", "DenseNet169", "DenseNet201"]


class Plan(NamedTuple):
    """Table 1: layers of the four dense blocks, maps that each layer adds, maps of the stem."""

    blocks: tuple[int, int, int, int]
    growth: int
    stem: int


PLAN = {
    121: Plan((6, 12, 24, 16), 32, 64),
    169: Plan((6, 12, 32, 32), 32, 64),
    201: Plan((6, 12, 48, 32), 32, 64),
    161: Plan((6, 12, 36, 24), 48, 96),
}
BOTTLENECK = 4
"""A layer's 1x1 convolution makes so many times the growth rate (section 3, "bottleneck layers")."""


class DenseLayer(nn.Module):
    """BN - ReLU - 1x1 - BN - ReLU - 3x3: from all maps so far to `growth` new ones.

    Shape:
        a list of maps, `in_channels` in all, `[N, *, H, W]` -> `[N, growth, H, W]`.
    """

    def __init__(self, in_channels: int, growth: int, dropout: float, recompute: bool) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = Convolution2d(in_channels, BOTTLENECK * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(BOTTLENECK * growth)
        self.conv2 = Convolution2d(BOTTLENECK * growth, growth, 3, padding="same", bias=False)
        self.dropout, self.recompute = todays_dropout(dropout), recompute

    def bottleneck(self, *maps: Tensor) -> Tensor:
        """The 1x1 convolution of all maps so far: what is computed again where memory is short."""
        joined: Tensor = self.conv1(F.relu(self.norm1(torch.cat(maps, 1)), inplace=True))
        return joined

    def forward(self, maps: list[Tensor]) -> Tensor:
        """New maps."""
        if self.recompute and torch.is_grad_enabled():
            x: Tensor = checkpoint(self.bottleneck, *maps, use_reentrant=False, context_fn=self._contexts)
        else:
            x = self.bottleneck(*maps)
        x = self.conv2(F.relu(self.norm2(x), inplace=True))
        new: Tensor = self.dropout(x)
        return new

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Around the first run, and around the second: there the moving averages have seen the batch already."""
        return nullcontext(), _averages_kept(self.norm1)


@contextmanager
def _averages_kept(norm: nn.BatchNorm2d) -> Iterator[None]:
    momentum, counter = norm.momentum, norm.num_batches_tracked
    norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        norm.momentum, norm.num_batches_tracked = momentum, counter


class DenseBlock(nn.ModuleDict):
    """Dense layers, each of which reads the block's input and what all layers before it gave; all of it joined."""

    def __init__(self, depth: int, in_channels: int, growth: int, dropout: float, recompute: bool) -> None:
        super().__init__(
            {
                f"denselayer{number + 1}": DenseLayer(in_channels + number * growth, growth, dropout, recompute)
                for number in range(depth)
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in_channels, H, W]` -> `[N, in_channels + depth growth, H, W]`."""
        maps = [x]
        for layer in self.values():
            maps.append(layer(maps))
        return torch.cat(maps, 1)


def make_transition(in_channels: int, out_channels: int) -> nn.Sequential:
    """Between two blocks: half the maps (theta = 0.5), half the height and width."""
    return nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(in_channels),
            relu=nn.ReLU(inplace=True),
            conv=Convolution2d(in_channels, out_channels, 1, bias=False),
            pool=AveragePooling(2),
        )
    )


class DenseNet(Staged):
    """Stem, four dense blocks with transitions between them, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, 29 pixels a side or more -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        growth: maps that each layer adds; left out, the published number.
        dropout: share of each layer's new values left out while training; the paper's is 0.2 where it has no other
            augmentation, 0 on ImageNet.
        recompute: keep no bottleneck for the way back but compute it again, which takes far less memory and a little
            more time; numbers are the same, moving averages too.
        initialization: how the weights start; `he` is the paper's.

    Raises:
        InputError: a growth below 1, or pictures that are too small.

    Differs:
        torchvision's `memory_efficient` adds each batch to the moving averages twice.
    """

    usual_side: ClassVar[int] = 224
    smallest_side: ClassVar[int] = 29
    depth: ClassVar[int]

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        growth: int | None = None,
        dropout: float = 0.0,
        recompute: bool = False,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        plan = PLAN[self.depth]
        k = plan.growth if growth is None else growth
        if k < 1:
            raise InputError(f"a growth of {k} maps a layer was given; a dense network needs at least 1")
        self.initialization = initialization
        channels = plan.stem if growth is None else 2 * k  # the paper's stem: twice the growth
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=Convolution2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(channels),
            relu0=nn.ReLU(inplace=True),
            pool0=MaxPooling(3, 2, 1),
        )  # a quarter of the height and width
        ends, widths = [], []
        for number, depth in enumerate(plan.blocks, start=1):
            if number > 1:
                layers[f"transition{number - 1}"] = make_transition(channels, channels // 2)
                channels //= 2
            layers[f"denseblock{number}"] = DenseBlock(depth, channels, k, dropout, recompute)
            channels += depth * k
            ends.append(len(layers))
            widths.append(channels)
        layers["norm5"] = nn.BatchNorm2d(channels)
        ends[-1] = len(layers)
        self.layers, self.stage_ends, self.widths = nn.Sequential(layers), tuple(ends), tuple(widths)
        initialize(self, initialization)
        self.classifier = linear_head(channels, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.classifier(F.relu(x).mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier = linear_head(self.widths[-1], num_classes, self.initialization, like=first)


class DenseNet121(DenseNet):
    """121 weighted layers, growth 32."""

    depth = 121


class DenseNet161(DenseNet):
    """161 weighted layers, growth 48: of the released code, not of table 1."""

    depth = 161


class DenseNet169(DenseNet):
    """169 weighted layers, growth 32."""

    depth = 169


class DenseNet201(DenseNet):
    """201 weighted layers, growth 32."""

    depth = 201
