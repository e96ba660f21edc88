"""VGG: depth from nothing but 3x3 convolutions.

Source: Simonyan and Zisserman 2015, "Very deep convolutional networks for large-scale image recognition", table 1;
chapter, "VGGNet". New against AlexNet: two 3x3 see what one 5x5 sees, three what one 7x7 sees, with 27 C^2 weights in
place of 49 C^2 and more ReLUs between them; 16 and 19 layers became trainable.

Where we deviate: pictures of another size than 224x224 are brought to 7x7 maps by averaging, as in torchvision, whose
names of layers these are too (`layers` for its `features`). Batch normalization came later and is torchvision's.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.staged import Staged

__all__ = ["VGG", "VGG11", "VGG11BN", "VGG13", "VGG13BN", "VGG16", "VGG16BN", "VGG19", "VGG19BN"]

PLAN = {
    11: ((64,), (128,), (256, 256), (512, 512), (512, 512)),
    13: ((64, 64), (128, 128), (256, 256), (512, 512), (512, 512)),
    16: ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
    19: ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512, 512, 512, 512)),
}
"""Table 1, columns A, B, D and E: maps of the convolutions before each pooling."""

SIDE = 7
"""Of the maps that the first dense layer reads."""


class VGG(Staged):
    """Five stages of 3x3 convolutions, each ended by a pooling that halves the picture, and three dense layers.

    Shape:
        `[N, in_channels, H, W]`, 32 pixels a side or more -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        hidden: units of the two dense layers before the last.
        dropout: share of their outputs left out while training.
        initialization: how the weights start; `uniform` is Glorot's, which the paper found to need no pretraining of a
            shallower network.

    Raises:
        InputError: no hidden unit, a dropout outside [0, 1), or pictures that are too small.
    """

    usual_side: ClassVar[int] = 224
    smallest_side: ClassVar[int] = 32
    depth: ClassVar[int]
    batch_norm: ClassVar[bool] = False

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        hidden: int = 4096,
        dropout: float = 0.5,
        initialization: InitializationName = "uniform",
    ) -> None:
        super().__init__()
        if hidden < 1:
            raise InputError(f"hidden layers of {hidden} units were asked for; give at least 1")
        self.initialization, self.hidden = initialization, hidden
        layers: list[nn.Module] = []
        ends, channels = [], in_channels
        for stage in PLAN[self.depth]:
            for maps in stage:
                layers.append(Convolution2d(channels, maps, 3, padding="same"))
                if self.batch_norm:
                    layers.append(nn.BatchNorm2d(maps))
                layers.append(nn.ReLU(inplace=True))
                channels = maps
            layers.append(MaxPooling(2))  # half the height and width
            ends.append(len(layers))
        self.layers, self.stage_ends = nn.Sequential(*layers), tuple(ends)
        self.widths = tuple(stage[-1] for stage in PLAN[self.depth])
        self.classifier = nn.Sequential(
            nn.Linear(channels * SIDE**2, hidden),
            nn.ReLU(inplace=True),
            todays_dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            todays_dropout(dropout),
        )
        initialize(self, initialization)
        self.classifier.append(linear_head(hidden, num_classes, initialization))

    def head(self, x: Tensor) -> Tensor:
        """`[N, 512, h, w]` -> `[N, num_classes]`."""
        x = F.adaptive_avg_pool2d(x, SIDE) if tuple(x.shape[-2:]) != (SIDE, SIDE) else x
        logits: Tensor = self.classifier(x.flatten(1))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier[6] = linear_head(self.hidden, num_classes, self.initialization, like=first)


class VGG11(VGG):
    """Column A: 11 weighted layers."""

    depth = 11


class VGG13(VGG):
    """Column B: 13 weighted layers."""

    depth = 13


class VGG16(VGG):
    """Column D: 16 weighted layers."""

    depth = 16


class VGG19(VGG):
    """Column E: 19 weighted layers."""

    depth = 19


class VGG11BN(VGG11):
    """Column A with batch normalization before each ReLU of its maps."""

    batch_norm = True


class VGG13BN(VGG13):
    """Column B with batch normalization."""

    batch_norm = True


class VGG16BN(VGG16):
    """Column D with batch normalization."""

    batch_norm = True


class VGG19BN(VGG19):
    """Column E with batch normalization."""

    batch_norm = True
