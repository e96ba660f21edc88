"""Residual networks with pre-activation: normalization and ReLU stand before each convolution, the shortcut is clear.

Source: He, Zhang, Ren, Sun 2016, "Identity mappings in deep residual networks", figure 1b, section 4.1 and appendix;
chapter, "ResNet". New against ResNet: nothing stands on the way from block to block but additions, so that gradients
pass through a hundred of them unchanged; a last normalization and ReLU stand behind all blocks.

Where we deviate: the bottleneck's stride stands at its 3x3 convolution, as in timm's weights (`resnetv2_*`), whose
basic blocks also need `form="timm"`; weights start by the chapter's He rule.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.staged import Staged

__all__ = [
    "PreActivationBlock",
    "ResNetV2",
    "ResNetV2_18",
    "ResNetV2_34",
    "ResNetV2_50",
    "ResNetV2_101",
    "ResNetV2_110",
    "ResNetV2_152",
    "ResNetV2_164",
]


class Plan(NamedTuple):
    """One network: blocks of each stage, whether they are bottlenecks, and whether pictures are large."""

    blocks: tuple[int, ...]
    bottleneck: bool
    large: bool


PLAN = {
    18: Plan((2, 2, 2, 2), False, True),
    34: Plan((3, 4, 6, 3), False, True),
    50: Plan((3, 4, 6, 3), True, True),
    101: Plan((3, 4, 23, 3), True, True),
    152: Plan((3, 8, 36, 3), True, True),
    110: Plan((18, 18, 18), False, False),
    164: Plan((18, 18, 18), True, False),
}
"""By the number of weighted layers; 110 and 164 are the paper's for CIFAR-10."""

Form = Literal["paper", "timm"]


class PreActivationBlock(nn.Module):
    """Two 3x3 convolutions, or 1x1, 3x3 and 1x1, each behind normalization and ReLU, and the shortcut around them.

    Shape:
        `[N, in_channels, H, W]` -> `[N, out_channels, H / stride, W / stride]`.

    Args:
        in_channels: of the input.
        width: channels of the 3x3 convolutions.
        stride: 2 halves the picture.
        bottleneck: three convolutions with four times `width` channels at the end, in place of two.
        activated: the shortcut begins behind the first ReLU; it always does where the block changes the shape.
    """

    def __init__(self, in_channels: int, width: int, stride: int, *, bottleneck: bool, activated: bool) -> None:
        super().__init__()
        out_channels = 4 * width if bottleneck else width
        sizes = [(in_channels, width, 3, stride), (width, width, 3, 1)]
        if bottleneck:
            sizes = [(in_channels, width, 1, 1), (width, width, 3, stride), (width, out_channels, 1, 1)]
        for number, (before, after, kernel, step) in enumerate(sizes, start=1):
            self.add_module(f"norm{number}", nn.BatchNorm2d(before))
            self.add_module(f"conv{number}", nn.Conv2d(before, after, kernel, step, padding=kernel // 2, bias=False))
        self.depth, self.out_channels = len(sizes), out_channels
        changes = stride != 1 or in_channels != out_channels
        self.downsample = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False) if changes else None
        self.activated = activated or changes

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions found; nothing follows the addition."""
        first = found = F.relu(self.get_submodule("norm1")(x))
        for number in range(1, self.depth + 1):
            if number > 1:
                found = F.relu(self.get_submodule(f"norm{number}")(found), inplace=True)
            found = self.get_submodule(f"conv{number}")(found)
        way = first if self.activated else x
        return found + (way if self.downsample is None else self.downsample(way))


class ResNetV2(Staged):
    """Stem, three or four stages of pre-activation blocks, normalization and ReLU, mean over the picture, one layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`.

    Args:
        num_classes: outputs; 0 leaves the last layer out, `None` is 1000, or 10 for networks of small pictures.
        in_channels: 3 for colour pictures.
        width: channels of the first stage; `None` is the paper's 64, or 16 for small pictures.
        form: where the very first block's shortcut begins, behind its ReLU (`paper`) or before (`timm`).
        initialization: how the weights start.

    Raises:
        InputError: a width below 1.

    Example:
        >>> sum(p.numel() for p in ResNetV2_50().parameters())  # timm's resnetv2_50
        25549352
    """

    usual_side: ClassVar[int] = 224

    layers_deep: ClassVar[int]

    def __init__(
        self,
        *,
        num_classes: int | None = None,
        in_channels: int = 3,
        width: int | None = None,
        form: Form = "paper",
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        plan = PLAN[self.layers_deep]
        width = (64 if plan.large else 16) if width is None else width
        if width < 1:
            raise InputError(f"a width of {width} was given; a residual network needs at least 1 channel")
        self.initialization = initialization
        kernel, stride = (7, 2) if plan.large else (3, 1)
        stem: list[nn.Module] = [nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2, bias=False)]
        if plan.large:
            stem.append(MaxPooling(3, 2, 1))
        parts: OrderedDict[str, nn.Module] = OrderedDict(stem=nn.Sequential(*stem))
        channels, widths = width, []
        for number, depth in enumerate(plan.blocks):
            blocks = nn.Sequential()
            for place in range(depth):
                block = PreActivationBlock(
                    channels,
                    width << number,
                    2 if number > 0 and place == 0 else 1,
                    bottleneck=plan.bottleneck,
                    activated=form == "paper" and number == place == 0,
                )
                blocks.append(block)
                channels = block.out_channels
            parts[f"stage{number}"] = blocks
            widths.append(channels)
        parts["norm"], parts["relu"] = nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        ends = [*range(2, len(widths) + 1), len(parts)]
        self.layers, self.stage_ends, self.widths = nn.Sequential(parts), tuple(ends), tuple(widths)
        initialize(self, initialization)
        wanted = (1000 if plan.large else 10) if num_classes is None else num_classes
        self.fc = linear_head(channels, wanted, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.fc = linear_head(self.widths[-1], num_classes, self.initialization, like=first)


class ResNetV2_18(ResNetV2):  # noqa: N801 - the number is part of the name
    """18 weighted layers."""

    layers_deep = 18


class ResNetV2_34(ResNetV2):  # noqa: N801
    """34 weighted layers."""

    layers_deep = 34


class ResNetV2_50(ResNetV2):  # noqa: N801
    """50 weighted layers."""

    layers_deep = 50


class ResNetV2_101(ResNetV2):  # noqa: N801
    """101 weighted layers."""

    layers_deep = 101


class ResNetV2_152(ResNetV2):  # noqa: N801
    """152 weighted layers."""

    layers_deep = 152


class ResNetV2_110(ResNetV2):  # noqa: N801
    """110 weighted layers, for pictures such as CIFAR-10's."""

    usual_side: ClassVar[int] = 32
    layers_deep = 110


class ResNetV2_164(ResNetV2):  # noqa: N801
    """164 weighted layers in bottlenecks, for pictures such as CIFAR-10's."""

    usual_side: ClassVar[int] = 32
    layers_deep = 164
