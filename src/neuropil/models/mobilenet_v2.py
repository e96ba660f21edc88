"""MobileNetV2: inverted residuals with linear bottlenecks.

Source: Sandler, Howard, Zhu, Zhmoginov, Chen 2018, "MobileNetV2: inverted residuals and linear bottlenecks", table 2;
chapter, "MobileNet". New against MobileNet: the shortcut joins the narrow ends of a block, not its wide middle, and
nothing non-linear stands at a narrow end, where ReLU would lose what it cannot restore.

Where we deviate: nothing but the names, which are torchvision's (`layers` for its `features`); numbers of maps are
rounded to multiples of 8 as in the released code. `small_pictures` keeps the size in the first convolution and in the
first stage of stride 2, as is usual for pictures of 32 pixels (kuangliu's pytorch-cifar): 4x4 maps at the end, not 1x1.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.staged import Staged, whole_eights

__all__ = ["InvertedResidual", "MobileNetV2"]


class Plan(NamedTuple):
    """A row of table 2."""

    expansion: int
    maps: int
    blocks: int
    stride: int


PLAN = (
    (Plan(1, 16, 1, 1),),
    (Plan(6, 24, 2, 2),),
    (Plan(6, 32, 3, 2),),
    (Plan(6, 64, 4, 2), Plan(6, 96, 3, 1)),
    (Plan(6, 160, 3, 2), Plan(6, 320, 1, 1)),
)
"""By stages of one resolution; before them 32 maps of 3x3 at stride 2, behind them 1280 of 1x1."""

STEM, LAST = 32, 1280


def make_layer(in_channels: int, maps: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch normalization, ReLU6."""
    return nn.Sequential(
        Convolution2d(in_channels, maps, kernel, stride=stride, padding="same", groups=groups, bias=False),
        nn.BatchNorm2d(maps),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1x1 to many maps, 3x3 on each alone, 1x1 back to few, without a ReLU there; a shortcut where the shape stays.

    Shape:
        `[N, in_channels, H, W]` -> `[N, maps, H / stride, W / stride]`.
    """

    def __init__(self, in_channels: int, maps: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.shortcut = stride == 1 and in_channels == maps
        self.conv = nn.Sequential(
            *([make_layer(in_channels, wide, 1)] if expansion > 1 else []),
            make_layer(wide, wide, 3, stride, groups=wide),
            Convolution2d(wide, maps, 1, bias=False),
            nn.BatchNorm2d(maps),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Widen, look, narrow, add."""
        narrow: Tensor = self.conv(x)
        return x + narrow if self.shortcut else narrow


class MobileNetV2(Staged):
    """A 3x3 convolution, seventeen inverted residuals, a 1x1 convolution, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224 down to 96x96.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        width: a factor of every layer's maps, 0.35 to 1.4 in the paper; the last 1280 grow with it but do not shrink.
        dropout: share of the last maps left out while training.
        small_pictures: stride 1 in place of the first two strides of 2, for pictures of about 32 pixels.
        initialization: how the weights start.

    Raises:
        InputError: a width that is not above 0.

    Example:
        >>> sum(p.numel() for p in MobileNetV2().parameters())  # table 4: 3.4 million
        3504872
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.2,
        small_pictures: bool = False,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if not width > 0:
            raise InputError(f"a width of {width} was given; it is a factor above 0, and 1 is the published network")
        self.initialization = initialization
        channels = whole_eights(STEM * width)
        layers: list[nn.Module] = [make_layer(in_channels, channels, 3, stride=1 if small_pictures else 2)]
        ends, widths = [], []
        for stage in PLAN:
            for row in stage:
                maps = whole_eights(row.maps * width)
                stride = 1 if small_pictures and row is PLAN[1][0] else row.stride
                for place in range(row.blocks):
                    layers.append(InvertedResidual(channels, maps, stride if place == 0 else 1, row.expansion))
                    channels = maps
            ends.append(len(layers))
            widths.append(channels)
        widths[-1] = whole_eights(LAST * max(1.0, width))
        layers.append(make_layer(channels, widths[-1], 1))
        ends[-1] = len(layers)
        self.layers, self.stage_ends, self.widths = nn.Sequential(*layers), tuple(ends), tuple(widths)
        initialize(self, initialization)
        self.classifier = nn.Sequential(todays_dropout(dropout), linear_head(widths[-1], num_classes, initialization))

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier[1] = linear_head(self.widths[-1], num_classes, self.initialization, like=first)
