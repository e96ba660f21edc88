"""AlexNet, the network that won ImageNet 2012 by ten points and began the present wave.

Source: Krizhevsky, Sutskever, Hinton 2012, "ImageNet classification with deep convolutional neural networks", section
3.5 and figure 2; Krizhevsky 2014, "One weird trick" (one tower); chapter, "AlexNet". New against LeNet-5: ReLU (which
the paper itself credits to Nair and Hinton 2010), dropout, local response normalization, overlapping pooling, and
training on two graphics cards, whose halves of layers 2, 4 and 5 see only their own card's maps: two groups.

Where we deviate: the second halves of the tower keep the first ones' order (Caffe's grouped convolution). The chapter
writes Pool - Norm, which is CaffeNet's order (`form="caffenet"`); the paper normalizes first. Pictures of another size
than the published one are brought to 6x6 maps by averaging, as in torchvision.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.normalization import LocalResponseNormalization
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.staged import Staged
from neuropil.registry import nearest

__all__ = ["AlexNet", "AlexNetForm"]

AlexNetForm = Literal["paper", "bvlc", "caffenet", "torchvision"]


class Maps(NamedTuple):
    """One convolution."""

    maps: int
    kernel: int
    stride: int
    padding: int
    groups: int


TWO_GROUPS = (
    Maps(96, 11, 4, 0, 1), Maps(256, 5, 1, 2, 2), Maps(384, 3, 1, 1, 1), Maps(384, 3, 1, 1, 2), Maps(256, 3, 1, 1, 2)
)  # fmt: skip
ONE_TOWER = (
    Maps(64, 11, 4, 2, 1), Maps(192, 5, 1, 2, 1), Maps(384, 3, 1, 1, 1), Maps(256, 3, 1, 1, 1), Maps(256, 3, 1, 1, 1)
)  # fmt: skip
POOLED, NORMALIZED = (1, 2, 5), (1, 2)
"""After which convolutions maps are pooled, and where the forms of two groups have local response normalization."""

SIDE = 6
"""Of the maps that the first dense layer reads."""


def make_norm(form: AlexNetForm) -> LocalResponseNormalization:
    """The paper's constants (section 3.3), or Caffe's, which divides alpha by the five channels and has k = 1."""
    return LocalResponseNormalization() if form == "paper" else LocalResponseNormalization(k=1.0, form="library")


class AlexNet(Staged):
    """Five convolutions and three dense layers.

    Shape:
        `[N, in_channels, H, W]`, 39 pixels a side or more (63 with `torchvision`) -> `[N, num_classes]`. Published for
        227x227 (224x224 with `form="torchvision"`; the paper says 224, whose maps of 54x54 need a last window that
        reaches over the edge to become 27x27 as it has them).

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        form: `paper` (two groups, normalization before pooling), `bvlc` (the same with the constants of Caffe's
            normalization, for its weights), `caffenet` (those, and normalization after pooling, the chapter's order)
            or `torchvision` (one tower without normalization, of 2014).
        hidden: units of the two dense layers before the last.
        dropout: share of units left out before or behind these layers while training.
        initialization: how the weights start; with `small_random` the paper's biases of 1 where it has them, so that
            ReLUs begin with values above 0.

    Raises:
        InputError: an unknown form, no hidden unit, a dropout outside [0, 1), or pictures that are too small.

    Differs:
        The paper halves the activations at inference; here those of training are doubled (see `Dropout`), which is the
        same network.

    Example:
        >>> with torch.device("meta"):
        ...     sum(p.numel() for p in AlexNet().parameters())
        60965224
    """

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        form: AlexNetForm = "paper",
        hidden: int = 4096,
        dropout: float = 0.5,
        initialization: InitializationName = "small_random",
    ) -> None:
        super().__init__()
        if form not in get_args(AlexNetForm):
            raise InputError(f"AlexNet has no form {form!r}; {nearest(form, get_args(AlexNetForm))}")
        self.smallest_side = 63 if form == "torchvision" else 39
        self.usual_side = 224 if form == "torchvision" else 227
        if hidden < 1:
            raise InputError(f"hidden layers of {hidden} units were asked for; give at least 1")
        self.initialization, self.hidden = initialization, hidden
        layers: list[nn.Module] = []
        ends, widths, channels = [], [], in_channels
        for number, plan in enumerate(ONE_TOWER if form == "torchvision" else TWO_GROUPS, start=1):
            layers += [
                Convolution2d(
                    channels, plan.maps, plan.kernel, stride=plan.stride, padding=plan.padding, groups=plan.groups
                ),
                nn.ReLU(inplace=True),
            ]
            channels = plan.maps
            norm: list[nn.Module] = [make_norm(form)] if number in NORMALIZED and form != "torchvision" else []
            ceil = form != "torchvision"
            pool: list[nn.Module] = [MaxPooling(3, 2, ceil_mode=ceil)] if number in POOLED else []
            # overlapping: windows of 3, 2 apart; the last may reach over the edge, as in Caffe
            layers += [*pool, *norm] if form == "caffenet" else [*norm, *pool]
            if number in POOLED:
                ends.append(len(layers))
                widths.append(channels)
        self.layers, self.stage_ends = nn.Sequential(*layers), tuple(ends)
        self.widths = tuple(widths)
        before, behind = ([todays_dropout(dropout)], []) if form == "torchvision" else ([], [todays_dropout(dropout)])
        self.classifier = nn.Sequential(
            *before,
            nn.Linear(channels * SIDE**2, hidden),
            nn.ReLU(inplace=True),
            todays_dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            *behind,
        )
        initialize(self, initialization)
        if initialization == "small_random":
            self._raise_biases()
        self.classifier.append(linear_head(hidden, num_classes, initialization))

    @torch.no_grad()
    def _raise_biases(self) -> None:
        """The paper's section 5: 1 in the second, fourth and fifth convolution and in the dense hidden layers."""
        weighted = [layer for layer in self.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
        for number in (2, 4, 5, 6, 7):
            nn.init.ones_(weighted[number - 1].bias)  # type: ignore[arg-type]

    def head(self, x: Tensor) -> Tensor:
        """`[N, 256, h, w]` -> `[N, num_classes]`."""
        x = F.adaptive_avg_pool2d(x, SIDE) if tuple(x.shape[-2:]) != (SIDE, SIDE) else x
        logits: Tensor = self.classifier(x.flatten(1))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier[6] = linear_head(self.hidden, num_classes, self.initialization, like=first)
