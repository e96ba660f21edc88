"""ShuffleNetV2: half the channels pass by, the others are worked on, and both are shuffled.

Source: Ma, Zhang, Zheng, Sun 2018, "ShuffleNet V2: practical guidelines for efficient CNN architecture design", figure
3 and table 5; chapter, "ShuffleNet". New against version 1: measured speed, not counted multiply-adds, decides, so that
1x1 convolutions are whole again, layers are equally wide, and halves are joined in place of sums.

Where we deviate: nothing but the names, which are torchvision's behind `layers`.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.shuffled import interleave_channels
from neuropil.nn.staged import Staged

__all__ = ["ShuffleNetV2", "SplitUnit"]

PLAN = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
"""Table 5: maps of stages 2 to 4 and of the last 1x1 convolution, by width."""

UNITS = (4, 8, 4)
STEM = 24


def pointwise(in_channels: int, maps: int) -> list[nn.Module]:
    """1x1 convolution, batch normalization, ReLU."""
    return [Convolution2d(in_channels, maps, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU(inplace=True)]


def depthwise(maps: int, stride: int) -> list[nn.Module]:
    """3x3 convolution on each map alone, batch normalization."""
    layer = Convolution2d(maps, maps, 3, stride=stride, padding="same", groups=maps, bias=False)
    return [layer, nn.BatchNorm2d(maps)]


class SplitUnit(nn.Module):
    """At stride 1, half the channels are worked on; at stride 2 all of them, twice, which doubles their number.

    Shape:
        `[N, in_channels, H, W]` -> `[N, out_channels, H / stride, W / stride]`.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.stride = stride
        self.branch1 = nn.Sequential(*depthwise(in_channels, 2), *pointwise(in_channels, half)) if stride == 2 else None
        read = in_channels if stride == 2 else half
        self.branch2 = nn.Sequential(*pointwise(read, half), *depthwise(half, stride), *pointwise(half, half))

    def forward(self, x: Tensor) -> Tensor:
        """Split or double, join, shuffle."""
        passing, worked = x.chunk(2, 1) if self.branch1 is None else (self.branch1(x), x)
        return interleave_channels(passing, self.branch2(worked))


class ShuffleNetV2(Staged):
    """A 3x3 convolution, pooling, sixteen units in three stages, a 1x1 convolution, mean, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        width: 0.5, 1, 1.5 or 2, a column of table 5.
        initialization: how the weights start.

    Raises:
        InputError: a width that table 5 does not have.

    Example:
        >>> sum(p.numel() for p in ShuffleNetV2().parameters())  # table 8: 2.3 million
        2278604
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float = 1.0,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if width not in PLAN:
            raise InputError(f"a width of {width} was given; ShuffleNetV2 was published in {', '.join(map(str, PLAN))}")
        *stages, last = PLAN[width]
        self.initialization = initialization
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Sequential(
                Convolution2d(in_channels, STEM, 3, stride=2, padding="same", bias=False),
                nn.BatchNorm2d(STEM),
                nn.ReLU(inplace=True),
            ),
            maxpool=MaxPooling(3, 2, 1),
        )  # a quarter of the height and width
        channels = STEM
        for number, (maps, depth) in enumerate(zip(stages, UNITS, strict=True), start=2):
            units = [SplitUnit(channels, maps, 2), *(SplitUnit(maps, maps, 1) for _ in range(depth - 1))]
            layers[f"stage{number}"] = nn.Sequential(*units)
            channels = maps
        layers["conv5"] = nn.Sequential(*pointwise(channels, last))
        self.layers, self.stage_ends, self.widths = nn.Sequential(layers), (3, 4, 6), (*stages[:2], last)
        initialize(self, initialization)
        self.fc = linear_head(last, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.fc = linear_head(self.widths[-1], num_classes, self.initialization, like=first)
