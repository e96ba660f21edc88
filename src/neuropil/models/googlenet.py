"""GoogLeNet: kernels of several sizes side by side, 22 layers deep on 7 million weights.

Source: Szegedy et al. 2015, "Going deeper with convolutions", table 1, figures 2(b) and 3, section 5; chapter,
"GoogLeNet". New against AlexNet: the inception module looks with 1x1, 3x3 and 5x5 windows and a pooling at once, behind
1x1 convolutions that keep the number of maps small; a mean in place of the large dense layers, which leaves 6.999
million weights, 11 % of AlexNet's; two auxiliary classifiers in the middle, whose losses, times 0.3, are added while
training so that gradients reach the lower layers.

Where we deviate: constants of the normalization and the rounding of poolings, which the paper leaves open, are Caffe's.
`form="torchvision"` is the graph of public weights: batch normalization in place of biases and local response
normalization, and 3x3 where the paper has 5x5; torchvision's own weights were trained on pictures normalized by mean
0.5 and deviation 0.5. Auxiliary classifiers average to 4x4 maps as torchvision's do, at any size; the paper's windows
of 5x5 every 3 places give as many at its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.contracts import WithAuxiliaries
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.normalization import LocalResponseNormalization
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.staged import Staged
from neuropil.registry import nearest

__all__ = ["GoogLeNet", "GoogLeNetForm", "Inception"]

GoogLeNetForm = Literal["paper", "torchvision"]


class Plan(NamedTuple):
    """A row of table 1: maps of 1x1; before and of 3x3; before and of 5x5; behind the pooling."""

    one: int
    before_three: int
    three: int
    before_five: int
    five: int
    pooled: int


PLAN = {
    "3a": Plan(64, 96, 128, 16, 32, 32), "3b": Plan(128, 128, 192, 32, 96, 64),
    "4a": Plan(192, 96, 208, 16, 48, 64), "4b": Plan(160, 112, 224, 24, 64, 64),
    "4c": Plan(128, 128, 256, 24, 64, 64), "4d": Plan(112, 144, 288, 32, 64, 64),
    "4e": Plan(256, 160, 320, 32, 128, 128),
    "5a": Plan(256, 160, 320, 32, 128, 128), "5b": Plan(384, 192, 384, 48, 128, 128),
}  # fmt: skip

AUXILIARY = {"inception4a": "aux1", "inception4d": "aux2"}
AUXILIARY_WEIGHT = 0.3
SIDE = 4


def make_layer(form: GoogLeNetForm, in_channels: int, maps: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution and ReLU, with batch normalization between in torchvision's form."""
    normalized = form == "torchvision"
    conv = Convolution2d(in_channels, maps, kernel, stride=stride, padding="same", bias=not normalized)
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv=conv)
    if normalized:
        layers["bn"] = nn.BatchNorm2d(maps, eps=0.001)
    layers["relu"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class Inception(nn.Module):
    """Four branches side by side, their maps joined.

    Shape:
        `[N, in_channels, H, W]` -> `[N, one + three + five + pooled, H, W]`.
    """

    def __init__(self, form: GoogLeNetForm, in_channels: int, plan: Plan) -> None:
        super().__init__()
        five = 5 if form == "paper" else 3
        self.branch1 = make_layer(form, in_channels, plan.one, 1)
        self.branch2 = nn.Sequential(
            make_layer(form, in_channels, plan.before_three, 1), make_layer(form, plan.before_three, plan.three, 3)
        )
        self.branch3 = nn.Sequential(
            make_layer(form, in_channels, plan.before_five, 1), make_layer(form, plan.before_five, plan.five, five)
        )
        self.branch4 = nn.Sequential(MaxPooling(3, 1, 1), make_layer(form, in_channels, plan.pooled, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Look four ways, join."""
        return torch.cat((self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)), 1)


class AuxiliaryHead(nn.Module):
    """A classifier in the middle of the network, for training only (section 5).

    Shape:
        `[N, in_channels, h, w]` -> `[N, num_classes]`.
    """

    fc2: nn.Module
    """Its last layer, which the network sets with its own."""

    def __init__(self, form: GoogLeNetForm, in_channels: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.conv = make_layer(form, in_channels, 128, 1)
        self.fc1 = nn.Linear(128 * SIDE**2, hidden)
        self.dropout = todays_dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Average to 4x4, mix, classify."""
        x = F.relu(self.fc1(self.conv(F.adaptive_avg_pool2d(x, SIDE)).flatten(1)))
        logits: Tensor = self.fc2(self.dropout(x))
        return logits


class GoogLeNet(Staged):
    """Three convolutions, nine inception modules, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, 31 pixels a side or more (15 with `torchvision`) -> `[N, num_classes]`; while
        training with auxiliary classifiers a `WithAuxiliaries`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out, and the auxiliary classifiers at rest.
        in_channels: 3 for colour pictures.
        form: `paper`, or `torchvision`, the graph of public weights.
        auxiliary: whether there are auxiliary classifiers; they change nothing outside training.
        dropout: share of the last maps left out while training; 0.4 in the paper, 0.2 in torchvision's.
        hidden: units of the auxiliary classifiers' dense layer.
        initialization: how the weights start.

    Raises:
        InputError: an unknown form, no hidden unit, a dropout outside [0, 1), or pictures that are too small.

    Example:
        >>> sum(p.numel() for p in GoogLeNet(auxiliary=False).parameters())
        6998552
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        form: GoogLeNetForm = "paper",
        auxiliary: bool = True,
        dropout: float = 0.4,
        hidden: int = 1024,
        initialization: InitializationName = "uniform",
    ) -> None:
        super().__init__()
        if form not in get_args(GoogLeNetForm):
            raise InputError(f"GoogLeNet has no form {form!r}; {nearest(form, get_args(GoogLeNetForm))}")
        if hidden < 1:
            raise InputError(f"hidden layers of {hidden} units were asked for; give at least 1")
        self.smallest_side = 15 if form == "torchvision" else 31
        self.initialization, self.hidden = initialization, hidden
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["conv1"] = make_layer(form, in_channels, 64, 7, 2)  # half the height and width
        layers["maxpool1"] = MaxPooling(3, 2, ceil_mode=True)  # a quarter
        if form == "paper":
            layers["norm1"] = LocalResponseNormalization(k=1.0, form="library")
        layers["conv2"], layers["conv3"] = make_layer(form, 64, 64, 1), make_layer(form, 64, 192, 3)
        if form == "paper":
            layers["norm2"] = LocalResponseNormalization(k=1.0, form="library")
        channels, ends, widths = 192, [len(layers)], [192]
        for name, plan in PLAN.items():
            if name in ("3a", "4a", "5a"):
                window = 2 if name == "5a" and form == "torchvision" else 3
                layers[f"maxpool{int(name[0]) - 1}"] = MaxPooling(window, 2, ceil_mode=True)
            layers[f"inception{name}"] = Inception(form, channels, plan)
            channels = plan.one + plan.three + plan.five + plan.pooled
            if name in ("3b", "4e", "5b"):
                ends.append(len(layers))
                widths.append(channels)
        self.layers, self.stage_ends, self.widths = nn.Sequential(layers), tuple(ends), tuple(widths)
        self.auxiliary = auxiliary and num_classes != 0
        if auxiliary:
            self.aux1, self.aux2 = (AuxiliaryHead(form, maps, hidden, 0.7) for maps in (512, 528))
        self.dropout = todays_dropout(dropout)
        initialize(self, initialization)
        self.fc: nn.Module
        self.reset_classifier(num_classes)

    def head(self, x: Tensor) -> Tensor:
        """`[N, 1024, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.fc(self.dropout(x.mean((2, 3))))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layers, the auxiliary classifiers' too, for fresh ones; 0 leaves them out."""
        first = next(self.parameters())
        for name in AUXILIARY.values():
            if (extra := getattr(self, name, None)) is not None:
                extra.fc2 = linear_head(self.hidden, num_classes, self.initialization, like=first)
        self.auxiliary = num_classes != 0 and hasattr(self, "aux1")
        self.fc = linear_head(self.widths[-1], num_classes, self.initialization, like=first)

    def forward(self, x: Tensor) -> Tensor | WithAuxiliaries:  # type: ignore[override]
        """Logits; while training with auxiliary classifiers theirs too."""
        if not (self.training and self.auxiliary):
            return super().forward(x)
        extras = []
        for name, layer in self.layers.named_children():
            x = layer(x)
            if name in AUXILIARY:
                extras.append(getattr(self, AUXILIARY[name])(x))
        return WithAuxiliaries(self.head(x), tuple(extras), AUXILIARY_WEIGHT)
