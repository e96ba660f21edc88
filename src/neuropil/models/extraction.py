"""The classifiers that YOLO begins with: twenty convolutions, or seven.

Source: Redmon, Divvala, Girshick and Farhadi 2016, "You only look once: unified, real-time object detection", figure 3
and section 2.2 (the first twenty layers, pretrained on ImageNet with average pooling and one dense layer behind them);
darknet's `extraction.cfg`, whose last layer is a 1x1 convolution before the pooling, which is the same function.

New against GoogLeNet: one chain of 1x1 and 3x3 convolutions in place of inception modules, and leaky ReLU.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.activation import leaky_relu
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.staged import Staged

__all__ = ["Extraction", "ExtractionTiny", "darknet_block"]

Stage = tuple[tuple[int, int, int], ...]

PLAN: tuple[Stage, ...] = (
    ((64, 7, 2),),
    ((192, 3, 1),),
    ((128, 1, 1), (256, 3, 1), (256, 1, 1), (512, 3, 1)),
    (*((256, 1, 1), (512, 3, 1)) * 4, (512, 1, 1), (1024, 3, 1)),
    ((512, 1, 1), (1024, 3, 1)) * 2,
)  # fmt: skip
"""Figure 3, up to its twentieth convolution: maps, kernel and stride; every stage but the last ends in a pooling."""

TINY_PLAN: tuple[Stage, ...] = (
    ((16, 3, 1),), ((32, 3, 1),), ((64, 3, 1),), ((128, 3, 1),), ((256, 3, 1),), ((512, 3, 1),), ((1024, 3, 1),),
)  # fmt: skip
"""`yolov1-tiny.cfg`, up to its seventh convolution."""


def darknet_block(in_channels: int, maps: int, kernel: int, stride: int, batch_norm: bool) -> list[nn.Module]:
    """Convolution, normalisation where it is asked for, and leaky ReLU."""
    layers: list[nn.Module] = [
        Convolution2d(in_channels, maps, kernel, stride=stride, padding="same", bias=not batch_norm)
    ]
    if batch_norm:
        layers.append(nn.BatchNorm2d(maps, eps=1e-5, momentum=0.01))
    return [*layers, leaky_relu(0.1)]


class Extraction(Staged):
    """Five stages of convolutions, mean over the picture, one dense layer.

    Shape:
        `[N, in_channels, H, W]`, 32 pixels a side or more -> `[N, num_classes]`. Published for 224x224; YOLO reads
        448x448 with it.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        width: factor of all maps, 1 for the paper's.
        batch_norm: normalise behind each convolution, as darknet's networks of today do; the paper's do not.
        initialization: how the weights start.

    Raises:
        InputError: a width that leaves no map.

    Example:
        >>> sum(p.numel() for p in Extraction().parameters())
        23428136
    """

    usual_side: ClassVar[int] = 224
    smallest_side: ClassVar[int] = 32
    plan: ClassVar[tuple[Stage, ...]] = PLAN

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float = 1.0,
        batch_norm: bool = False,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if not width * min(maps for stage in self.plan for maps, *_ in stage) >= 1:
            raise InputError(f"a width of {width} leaves a convolution without a map; give more")
        self.initialization = initialization
        layers: list[nn.Module] = []
        ends, widths, channels = [], [], in_channels
        for number, stage in enumerate(self.plan):
            for maps, kernel, stride in stage:
                layers += darknet_block(channels, channels := int(maps * width), kernel, stride, batch_norm)
            if number + 1 < len(self.plan):
                layers.append(MaxPooling(2))  # half the height and width
            ends.append(len(layers))
            widths.append(channels)
        self.layers, self.stage_ends, self.widths = nn.Sequential(*layers), tuple(ends), tuple(widths)
        initialize(self, initialization)
        self.fc = linear_head(channels, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, 1024, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.fc = linear_head(self.widths[-1], num_classes, self.initialization, like=first)


class ExtractionTiny(Extraction):
    """Seven convolutions of 3x3, six of them with a pooling behind.

    Example:
        >>> sum(p.numel() for p in ExtractionTiny().parameters())
        7317384
    """

    plan = TINY_PLAN
    smallest_side = 64
