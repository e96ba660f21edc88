"""Residual networks: each block adds what it has learned to what it was given.

Source: He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition", table 1 and section 4.2; chapter,
"ResNet". New against its predecessors: the shortcut around every two or three convolutions, so that a block that has
nothing to add learns zero, and gradients reach the first layer of 152.

Where we deviate: the bottleneck's stride stands at its 3x3 convolution as in torchvision's weights
(`downsample_at="1x1"` is the paper's); weights start by the chapter's He rule. Parameter names are torchvision's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import MaxPooling

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNet",
    "ResNet18",
    "ResNet20",
    "ResNet32",
    "ResNet34",
    "ResNet44",
    "ResNet50",
    "ResNet56",
    "ResNet101",
    "ResNet110",
    "ResNet152",
]

PLAN = {
    18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3),
    20: (3, 3, 3), 32: (5, 5, 5), 44: (7, 7, 7), 56: (9, 9, 9), 110: (18, 18, 18),
}  # fmt: skip
"""Blocks of each stage, by the number of weighted layers: table 1 (two or three a block), and 6n + 2 for CIFAR-10."""

Shortcut = Literal["A", "B"]
"""The paper's options where a block changes the shape: pad with zeros (A), or project by a 1x1 convolution (B)."""

DownsampleAt = Literal["1x1", "3x3"]


class ZeroPaddedShortcut(nn.Module):
    """Option A: every `stride`-th pixel, with maps of zeros before and behind. No weights."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        extra = out_channels - in_channels
        self.stride, self.padding = stride, (0, 0, 0, 0, extra // 2, extra - extra // 2)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in, H, W]` -> `[N, out, H / stride, W / stride]`."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], self.padding)


def make_shortcut(in_channels: int, out_channels: int, stride: int, option: Shortcut) -> nn.Module | None:
    """The way around a block; nothing where its input already has the shape of its output."""
    if stride == 1 and in_channels == out_channels:
        return None
    if option == "A":
        return ZeroPaddedShortcut(in_channels, out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the shortcut around them: `relu(x + F(x))`.

    Shape:
        `[N, in_channels, H, W]` -> `[N, width, H / stride, W / stride]`.
    """

    def __init__(self, in_channels: int, width: int, stride: int, *, shortcut: Shortcut) -> None:
        super().__init__()
        self.out_channels = width
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = make_shortcut(in_channels, self.out_channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions found."""
        residual = self.relu(self.bn1(self.conv1(x)))
        residual = self.bn2(self.conv2(residual))
        out: Tensor = self.relu(residual + (x if self.downsample is None else self.downsample(x)))
        return out


class Bottleneck(nn.Module):
    """1x1 to few channels, 3x3 there, 1x1 back to four times as many; the shortcut around all three.

    Shape:
        `[N, in_channels, H, W]` -> `[N, 4 width, H / stride, W / stride]`.
    """

    def __init__(
        self, in_channels: int, width: int, stride: int, *, shortcut: Shortcut, downsample_at: DownsampleAt
    ) -> None:
        super().__init__()
        self.out_channels = 4 * width
        first, second = (stride, 1) if downsample_at == "1x1" else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, second, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, self.out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = make_shortcut(in_channels, self.out_channels, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the three convolutions found."""
        residual = self.relu(self.bn1(self.conv1(x)))
        residual = self.relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        out: Tensor = self.relu(residual + (x if self.downsample is None else self.downsample(x)))
        return out


class ResNet(nn.Module):
    """Stem, three or four stages of residual blocks, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, any size -> `[N, num_classes]`. Published for 224x224 and, small, for 32x32.

    Args:
        layers: weighted layers, a key of `PLAN`.
        make_block: a block from its input's channels, its width and its stride.
        large: whether the stem is that of large pictures, which makes them four times smaller before the first stage.
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        width: channels of the first stage; each later stage has twice as many as the one before.
        initialization: how the weights start.

    Raises:
        InputError: a width below 1.
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        layers: int,
        make_block: Callable[[int, int, int], BasicBlock | Bottleneck],
        *,
        large: bool,
        num_classes: int,
        in_channels: int,
        width: int,
        initialization: InitializationName,
    ) -> None:
        super().__init__()
        if width < 1:
            raise InputError(f"a width of {width} was given; a residual network needs at least 1 channel")
        self.initialization = initialization
        kernel, stride = (7, 2) if large else (3, 1)
        self.conv1 = nn.Conv2d(in_channels, width, kernel, stride, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = MaxPooling(3, 2, 1) if large else nn.Identity()

        channels, widths = width, []
        for number, depth in enumerate(PLAN[layers]):
            blocks: list[nn.Module] = []
            for place in range(depth):
                block = make_block(channels, width << number, 2 if number > 0 and place == 0 else 1)
                blocks.append(block)
                channels = block.out_channels
            self.add_module(f"layer{number + 1}", nn.Sequential(*blocks))
            widths.append(channels)
        self.widths = tuple(widths)
        initialize(self, initialization)
        self.fc = linear_head(channels, num_classes, initialization)

    @property
    def stages(self) -> list[nn.Module]:
        """The stages, shallow to deep; their first blocks halve the picture, except in the first stage."""
        return [self.get_submodule(f"layer{number + 1}") for number in range(len(self.widths))]

    def stem(self, x: Tensor) -> Tensor:
        """`[N, in_channels, H, W]` -> `[N, width, H / 4, W / 4]`, or `[N, width, H, W]` for small pictures."""
        out: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return out

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        self.fc = linear_head(self.widths[-1], num_classes, self.initialization, like=self.conv1.weight)

    def features(self, x: Tensor) -> list[Tensor]:
        """The outputs of the stages, `[N, widths[i], h, w]`."""
        x = self.stem(x)
        return [x := stage(x) for stage in self.stages]

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, num_classes]`."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return self.head(x)


class BasicResNet(ResNet):
    """A residual network of basic blocks for pictures of about 224x224.

    Args:
        num_classes, in_channels, width, initialization: as `ResNet`.
        shortcut: where a block changes the shape, pad with zeros (`A`) or project (`B`).

    Example:
        >>> sum(p.numel() for p in ResNet18().parameters())
        11689512
    """

    layers: ClassVar[int]

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: int = 64,
        shortcut: Shortcut = "B",
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__(
            self.layers, partial(BasicBlock, shortcut=shortcut), large=True,
            num_classes=num_classes, in_channels=in_channels, width=width, initialization=initialization,
        )  # fmt: skip


class BottleneckResNet(ResNet):
    """A residual network of bottlenecks for pictures of about 224x224.

    Args:
        num_classes, in_channels, width, initialization: as `ResNet`.
        shortcut: where a block changes the shape, pad with zeros (`A`) or project (`B`).
        downsample_at: the convolution that has a block's stride; `1x1` is the paper's, public weights need `3x3`.

    Example:
        >>> sum(p.numel() for p in ResNet50().parameters())
        25557032
    """

    layers: ClassVar[int]

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        width: int = 64,
        shortcut: Shortcut = "B",
        downsample_at: DownsampleAt = "3x3",
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__(
            self.layers, partial(Bottleneck, shortcut=shortcut, downsample_at=downsample_at), large=True,
            num_classes=num_classes, in_channels=in_channels, width=width, initialization=initialization,
        )  # fmt: skip


class SmallResNet(ResNet):
    """A residual network for small pictures such as CIFAR-10's 32x32 (section 4.2).

    Args:
        num_classes, in_channels, width, initialization: as `ResNet`.
        shortcut: where a block changes the shape, pad with zeros (`A`, the paper's choice here) or project (`B`).

    Example:
        >>> sum(p.numel() for p in ResNet20().parameters())  # the paper's 0.27 million
        269722
    """

    usual_side: ClassVar[int] = 32

    layers: ClassVar[int]

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        width: int = 16,
        shortcut: Shortcut = "A",
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__(
            self.layers, partial(BasicBlock, shortcut=shortcut), large=False,
            num_classes=num_classes, in_channels=in_channels, width=width, initialization=initialization,
        )  # fmt: skip


class ResNet18(BasicResNet):
    """18 weighted layers."""

    layers = 18


class ResNet34(BasicResNet):
    """34 weighted layers."""

    layers = 34


class ResNet50(BottleneckResNet):
    """50 weighted layers."""

    layers = 50


class ResNet101(BottleneckResNet):
    """101 weighted layers."""

    layers = 101


class ResNet152(BottleneckResNet):
    """152 weighted layers."""

    layers = 152


class ResNet20(SmallResNet):
    """20 weighted layers."""

    layers = 20


class ResNet32(SmallResNet):
    """32 weighted layers."""

    layers = 32


class ResNet44(SmallResNet):
    """44 weighted layers."""

    layers = 44


class ResNet56(SmallResNet):
    """56 weighted layers."""

    layers = 56


class ResNet110(SmallResNet):
    """110 weighted layers."""

    layers = 110
