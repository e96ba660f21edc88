"""SENet: squeeze-and-excitation blocks in residual networks.

Source: Hu, Shen, Albanie, Sun, Wu 2018, "Squeeze-and-excitation networks", figure 3, table 1 and appendix (SENet-154);
Xie et al. 2017 for the grouped bottleneck of ResNeXt; chapter, "SENet". New against ResNet: each block's maps are
weighed by numbers that are found from the means of all of them, before the shortcut is added.

Where we deviate: strides and the stem's pooling are those of the authors' Caffe networks, as their public weights need;
the block of SE-ResNet-18 and -34, for which the authors published none, scales what its second convolution gives
(`squeeze_after="relu"` is what timm's weights were trained with).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor, nn

from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.squeeze import SqueezeExcitation
from neuropil.nn.staged import Staged

__all__ = [
    "SEBasicBlock",
    "SEBottleneck",
    "SENet",
    "SENet154",
    "SEResNeXt50",
    "SEResNeXt101",
    "SEResNet18",
    "SEResNet34",
    "SEResNet50",
    "SEResNet101",
    "SEResNet152",
]

REDUCTION = 16


class Plan(NamedTuple):
    """One network of table 1 or the appendix.

    Args:
        blocks: of the four stages.
        inner: maps of a block's 1x1 and 3x3 convolutions for each 64 that the stage counts; one number: a basic block.
        groups: of the 3x3 convolutions.
        stride_at: the convolution of a bottleneck that has its stride.
        deep: a stem of three 3x3 convolutions, 3x3 shortcuts where the picture is halved.
    """

    blocks: tuple[int, int, int, int]
    inner: tuple[int, ...]
    groups: int = 1
    stride_at: Literal[1, 2] = 1
    deep: bool = False


PLAN = {
    "se_resnet18": Plan((2, 2, 2, 2), (64,)),
    "se_resnet34": Plan((3, 4, 6, 3), (64,)),
    "se_resnet50": Plan((3, 4, 6, 3), (64, 64)),
    "se_resnet101": Plan((3, 4, 23, 3), (64, 64)),
    "se_resnet152": Plan((3, 8, 36, 3), (64, 64)),
    "se_resnext50": Plan((3, 4, 6, 3), (128, 128), 32, 2),
    "se_resnext101": Plan((3, 4, 23, 3), (128, 128), 32, 2),
    "senet154": Plan((3, 8, 36, 3), (128, 256), 64, 2, True),
}

SqueezeAfter = Literal["normalization", "relu"]


def make_shortcut(in_channels: int, out_channels: int, stride: int, kernel: int) -> nn.Module | None:
    """A projection where a block changes the shape."""
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        Convolution2d(in_channels, out_channels, kernel, stride=stride, padding="same", bias=False),
        nn.BatchNorm2d(out_channels),
    )


class SEBasicBlock(nn.Module):
    """Two 3x3 convolutions, squeeze and excitation, and the shortcut around all.

    Shape:
        `[N, in_channels, H, W]` -> `[N, width, H / stride, W / stride]`.
    """

    def __init__(self, in_channels: int, width: int, stride: int, squeeze_after: SqueezeAfter) -> None:
        super().__init__()
        self.squeeze_after = squeeze_after
        self.conv1 = Convolution2d(in_channels, width, 3, stride=stride, padding="same", bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = Convolution2d(width, width, 3, padding="same", bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.se_module = SqueezeExcitation(width, REDUCTION)
        self.downsample = make_shortcut(in_channels, width, stride, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the two convolutions found, each map scaled."""
        found = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if self.squeeze_after == "relu":
            found = self.relu(found)
        out: Tensor = self.relu(self.se_module(found) + (x if self.downsample is None else self.downsample(x)))
        return out


class SEBottleneck(nn.Module):
    """1x1, 3x3 (in groups) and 1x1 convolution, squeeze and excitation, and the shortcut around all.

    Shape:
        `[N, in_channels, H, W]` -> `[N, 4 width, H / stride, W / stride]`.
    """

    def __init__(self, in_channels: int, width: int, stride: int, plan: Plan) -> None:
        super().__init__()
        first, second = (width * maps // 64 for maps in plan.inner)
        before, at = (stride, 1) if plan.stride_at == 1 else (1, stride)
        self.conv1 = Convolution2d(in_channels, first, 1, stride=before, bias=False)
        self.bn1 = nn.BatchNorm2d(first)
        self.conv2 = Convolution2d(first, second, 3, stride=at, padding="same", groups=plan.groups, bias=False)
        self.bn2 = nn.BatchNorm2d(second)
        self.conv3 = Convolution2d(second, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.se_module = SqueezeExcitation(4 * width, REDUCTION)
        kernel = 3 if plan.deep and stride > 1 else 1
        self.downsample = make_shortcut(in_channels, 4 * width, stride, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Add what the three convolutions found, each map scaled."""
        found = self.relu(self.bn1(self.conv1(x)))
        found = self.relu(self.bn2(self.conv2(found)))
        found = self.se_module(self.bn3(self.conv3(found)))
        out: Tensor = self.relu(found + (x if self.downsample is None else self.downsample(x)))
        return out


def make_stem(in_channels: int, deep: bool) -> nn.Sequential:
    """A 7x7 convolution to 64 maps, or three 3x3 to 128; half the height and width."""
    sizes = [(in_channels, 64, 2), (64, 64, 1), (64, 128, 1)] if deep else [(in_channels, 64, 2)]
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, (before, after, stride) in enumerate(sizes, start=1):
        kernel = 3 if deep else 7
        layers[f"conv{number}"] = Convolution2d(before, after, kernel, stride=stride, padding="same", bias=False)
        layers[f"bn{number}"] = nn.BatchNorm2d(after)
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


class SENet(Staged):
    """Stem, pooling, four stages of blocks, mean over the picture, one linear layer.

    Shape:
        `[N, in_channels, H, W]`, 3 pixels a side or more -> `[N, num_classes]`. Published for 224x224.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        squeeze_after: in basic blocks, scale what the second convolution's normalization gives (the paper's place, as
            in bottlenecks) or what the ReLU behind it gives; bottlenecks always have the first.
        dropout: share of the last maps left out while training; SENet-154's is 0.2.
        initialization: how the weights start.
    """

    usual_side: ClassVar[int] = 224
    smallest_side: ClassVar[int] = 3
    plan: ClassVar[str]
    published_dropout: ClassVar[float] = 0.0

    def __init__(
        self,
        *,
        num_classes: int = 1000,
        in_channels: int = 3,
        squeeze_after: SqueezeAfter = "normalization",
        dropout: float | None = None,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        plan, self.initialization = PLAN[self.plan], initialization
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            layer0=make_stem(in_channels, plan.deep), pool0=MaxPooling(3, 2, ceil_mode=True)
        )  # a quarter of the height and width
        channels, widths = 128 if plan.deep else 64, []
        for number, depth in enumerate(plan.blocks):
            blocks: list[nn.Module] = []
            for place in range(depth):
                width, stride = 64 << number, 2 if number > 0 and place == 0 else 1
                if len(plan.inner) == 1:
                    blocks.append(SEBasicBlock(channels, width, stride, squeeze_after))
                    channels = width
                else:
                    blocks.append(SEBottleneck(channels, width, stride, plan))
                    channels = 4 * width
            layers[f"layer{number + 1}"] = nn.Sequential(*blocks)
            widths.append(channels)
        self.layers, self.stage_ends, self.widths = nn.Sequential(layers), (3, 4, 5, 6), tuple(widths)
        self.dropout = todays_dropout(self.published_dropout if dropout is None else dropout)
        initialize(self, initialization)
        self.last_linear = linear_head(channels, num_classes, initialization)

    def head(self, x: Tensor) -> Tensor:
        """`[N, channels, h, w]` -> `[N, num_classes]`."""
        logits: Tensor = self.last_linear(self.dropout(x.mean((2, 3))))
        return logits

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        self.last_linear = linear_head(self.widths[-1], num_classes, self.initialization, like=first)


class SEResNet18(SENet):
    """SE-ResNet-18."""

    plan = "se_resnet18"


class SEResNet34(SENet):
    """SE-ResNet-34."""

    plan = "se_resnet34"


class SEResNet50(SENet):
    """SE-ResNet-50."""

    plan = "se_resnet50"


class SEResNet101(SENet):
    """SE-ResNet-101."""

    plan = "se_resnet101"


class SEResNet152(SENet):
    """SE-ResNet-152."""

    plan = "se_resnet152"


class SEResNeXt50(SENet):
    """SE-ResNeXt-50, 32x4d."""

    plan = "se_resnext50"


class SEResNeXt101(SENet):
    """SE-ResNeXt-101, 32x4d."""

    plan = "se_resnext101"


class SENet154(SENet):
    """SENet-154, which won ImageNet 2017."""

    plan = "senet154"
    published_dropout = 0.2
