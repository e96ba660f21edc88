"""MobileNetV3: inverted residuals that a search has arranged, with squeeze and excitation and hard-swish.

Source: Howard et al. 2019, "Searching for MobileNetV3", tables 1 and 2, section 5; chapter, "MobileNet" (its third
version). New against MobileNetV2: kernels, widths and activations a block as a search found them; the maps of many
blocks are weighed (squeeze and excitation); sigmoid and swish in straight pieces; a cheaper last stage.

Where we deviate: nothing but the names, which are torchvision's (`layers` for its `features`), and its eps of 0.001.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.activation import HardSigmoid
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.staged import Staged, whole_eights

__all__ = ["MobileNetV3", "MobileNetV3Large", "MobileNetV3Small"]


class Plan(NamedTuple):
    """A row of table 1 or 2: kernel, expanded maps, maps, squeeze and excitation, hard-swish, stride."""

    kernel: int
    expanded: int
    maps: int
    squeeze: bool
    swish: bool
    stride: int


PLAN = {
    "large": (
        Plan(3, 16, 16, False, False, 1),
        Plan(3, 64, 24, False, False, 2), Plan(3, 72, 24, False, False, 1),
        Plan(5, 72, 40, True, False, 2), Plan(5, 120, 40, True, False, 1), Plan(5, 120, 40, True, False, 1),
        Plan(3, 240, 80, False, True, 2), Plan(3, 200, 80, False, True, 1), Plan(3, 184, 80, False, True, 1),
        Plan(3, 184, 80, False, True, 1), Plan(3, 480, 112, True, True, 1), Plan(3, 672, 112, True, True, 1),
        Plan(5, 672, 160, True, True, 2), Plan(5, 960, 160, True, True, 1), Plan(5, 960, 160, True, True, 1),
    ),
    "small": (
        Plan(3, 16, 16, True, False, 2),
        Plan(3, 72, 24, False, False, 2), Plan(3, 88, 24, False, False, 1),
        Plan(5, 96, 40, True, True, 2), Plan(5, 240, 40, True, True, 1), Plan(5, 240, 40, True, True, 1),
        Plan(5, 120, 48, True, True, 1), Plan(5, 144, 48, True, True, 1),
        Plan(5, 288, 96, True, True, 2), Plan(5, 576, 96, True, True, 1), Plan(5, 576, 96, True, True, 1),
    ),
}  # fmt: skip

STEM, LAST = 16, {"large": 1280, "small": 1024}
EPS, MOMENTUM = 0.001, 0.01


def make_layer(
    in_channels: int, maps: int, kernel: int, *, stride: int = 1, groups: int = 1, activation: nn.Module | None = None
) -> nn.Sequential:
    """Convolution, batch normalization, activation."""
    return nn.Sequential(
        Convolution2d(in_channels, maps, kernel, stride=stride, padding="same", groups=groups, bias=False),
        nn.BatchNorm2d(maps, eps=EPS, momentum=MOMENTUM),
        *([] if activation is None else [activation]),
    )


class HardSqueezeExcitation(nn.Module):
    """Squeeze and excitation with a hard sigmoid, a quarter as wide within (section 5.3).

    Shape:
        `[N, channels, H, W]` -> the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = whole_eights(channels // 4)
        self.fc1, self.fc2 = nn.Conv2d(channels, inner, 1), nn.Conv2d(inner, channels, 1)
        self.squash = HardSigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Squeeze, excite, scale."""
        scale: Tensor = self.squash(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)), inplace=True)))
        return scale * x


class InvertedResidual(nn.Module):
    """1x1 to many maps, depthwise, squeeze and excitation, 1x1 to few; a shortcut where the shape stays.

    Shape:
        `[N, in_channels, H, W]` -> `[N, maps, H / stride, W / stride]`.
    """

    def __init__(self, in_channels: int, plan: Plan, width: float) -> None:
        super().__init__()
        expanded, maps = whole_eights(plan.expanded * width), whole_eights(plan.maps * width)
        self.shortcut = plan.stride == 1 and in_channels == maps

        def activation() -> nn.Module:
            return nn.Hardswish(inplace=True) if plan.swish else nn.ReLU(inplace=True)

        layers: list[nn.Module] = []
        if expanded != in_channels:
            layers.append(make_layer(in_channels, expanded, 1, activation=activation()))
        layers.append(
            make_layer(expanded, expanded, plan.kernel, stride=plan.stride, groups=expanded, activation=activation())
        )
        if plan.squeeze:
            layers.append(HardSqueezeExcitation(expanded))
        layers.append(make_layer(expanded, maps, 1))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Widen, look, weigh, narrow, add."""
        found: Tensor = self.block(x)
        return found + x if self.shortcut else found


class MobileNetV3(Staged):
    """A 3x3 convolution, inverted residuals, a 1x1 convolution, mean over the picture, two dense layers.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        width: a factor of every layer's maps, 0.35 to 1.25 in the paper.
        dropout: share of the last hidden units left out while training.
        initialization: how the weights start.

    Raises:
        InputError: a width that is not above 0.
    """

    usual_side: ClassVar[int] = 224
    size: ClassVar[str]

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: float = 1.0,
        dropout: float = 0.2,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if not width > 0:
            raise InputError(f"a width of {width} was given; it is a factor above 0, and 1 is the published network")
        self.initialization = initialization
        channels = whole_eights(STEM * width)
        layers: list[nn.Module] = [
            make_layer(in_channels, channels, 3, stride=2, activation=nn.Hardswish(inplace=True))
        ]
        ends, widths = [], []
        for row in PLAN[self.size]:
            if row.stride == 2:
                ends.append(len(layers))
                widths.append(channels)
            layers.append(InvertedResidual(channels, row, width))
            channels = whole_eights(row.maps * width)
        layers.append(make_layer(channels, 6 * channels, 1, activation=nn.Hardswish(inplace=True)))
        self.layers = nn.Sequential(*layers)
        self.stage_ends, self.widths = (*ends, len(layers)), (*widths, 6 * channels)
        self.hidden = whole_eights(LAST[self.size] * width)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, self.hidden), nn.Hardswish(inplace=True), todays_dropout(dropout)
        )
        initialize(self, initialization)
        self.classifier.append(linear_head(self.hidden, num_classes, initialization))

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.classifier[3] = linear_head(self.hidden, num_classes, self.initialization, like=first)


class MobileNetV3Large(MobileNetV3):
    """Table 1: 5.4 million weights, 219 million multiply-adds."""

    size = "large"


class MobileNetV3Small(MobileNetV3):
    """Table 2: 2.5 million weights, 56 million multiply-adds."""

    size = "small"
