"""MobileNet: a network for phones, of depthwise separable convolutions.

Source: Howard et al. 2017, "MobileNets: efficient convolutional neural networks for mobile vision applications",
table 1 and section 3; chapter, "MobileNet". New against VGG: each 3x3 convolution looks at one map alone, and a 1x1
convolution mixes the maps behind it, both with batch normalization and ReLU; two numbers, width and resolution, trade
accuracy for cost, which is `D_K^2 M D_F^2 + M N D_F^2` a block in place of `D_K^2 M N D_F^2`.

Where we deviate: zeros stand on both sides as in PyTorch; weights that were trained in TensorFlow need
`padding="same_tensorflow"` and `activation="relu6"`, which its released code has in place of ReLU.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.separable import DepthwiseSeparableConvolution2d
from neuropil.nn.staged import Staged

__all__ = ["MobileNetV1"]

PLAN = (
    ((64, 1),),
    ((128, 2), (128, 1)),
    ((256, 2), (256, 1)),
    ((512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    ((1024, 2), (1024, 1)),
)
"""Table 1: maps and stride of each block, by stages of one resolution; before them 32 maps of 3x3 at stride 2.

The table's last block has stride 2 too, which its own output size of 7x7 contradicts: 1 is meant.
"""

STEM = 32


class MobileNetV1(Staged):
    """A 3x3 convolution, thirteen depthwise separable blocks, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224 down to 128x128.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        width: the paper's alpha: a share of every layer's maps, 1, 0.75, 0.5 or 0.25 there.
        padding: of the 3x3 convolutions, `same` or `same_tensorflow`.
        activation: `relu`, the paper's, or `relu6`, which public weights were trained with.
        dropout: share of the last maps left out while training; the released code's 0.001 is as good as none.
        initialization: how the weights start.

    Raises:
        InputError: a width that leaves no map.

    Example:
        >>> sum(p.numel() for p in MobileNetV1().parameters())  # table 8: 4.2 million
        4231976
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float = 1.0,
        padding: Literal["same", "same_tensorflow"] = "same",
        activation: Literal["relu", "relu6"] = "relu",
        dropout: float = 0.0,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if int(STEM * width) < 1:
            raise InputError(f"a width of {width} was given, which leaves no map of {STEM}; 1 is the paper's largest")
        self.initialization = initialization
        channels = int(STEM * width)
        layers: list[nn.Module] = [
            nn.Sequential(
                Convolution2d(in_channels, channels, 3, stride=2, padding=padding, bias=False),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True) if activation == "relu" else nn.ReLU6(inplace=True),
            )
        ]
        ends, widths = [], []
        for stage in PLAN:
            for maps, stride in stage:
                wanted = int(maps * width)
                layers.append(
                    DepthwiseSeparableConvolution2d(
                        channels, wanted, stride=stride, padding=padding, activation=activation
                    )
                )
                channels = wanted
            ends.append(len(layers))
            widths.append(channels)
        self.layers, self.stage_ends, self.widths = nn.Sequential(*layers), tuple(ends), tuple(widths)
        self.dropout = todays_dropout(dropout)
        initialize(self, initialization)
        self.classifier = linear_head(channels, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.classifier(self.dropout(x.mean((2, 3))))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier = linear_head(self.widths[-1], num_classes, self.initialization, like=first)
