"""LeNet-5, the network that read handwritten digits in 1998.

Source: LeCun, Bottou, Bengio, Haffner 1998, "Gradient-based learning applied to document recognition", section II.B and
appendix A; chapter, "LeNet". New against its predecessors: trainable subsampling, and a table that connects only some
maps of S2 to each map of C3, which breaks the symmetry and spares weights.

Where we deviate: the activation is the chapter's sigmoid (`activation="scaled_tanh"` is the paper's); the last layer is
linear, which is what the chapter's softmax reads (`output="rbf"` measures distances to fixed codes as the paper does);
between sigmoids, subsampling starts as the sum about its middle (see `make_subsampling`);
pictures of 24 to 31 pixels are framed to 32 with their own border, which for MNIST is the paper's empty margin.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.activation import ActivationName, make_activation
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.linear import linear_head
from neuropil.nn.normalization import BatchNormalization
from neuropil.nn.pooling import TrainableSubsampling

__all__ = ["LeNet5", "LeNet5Modern"]

PLAN = {"C1": 6, "S2": 6, "C3": 16, "S4": 16, "C5": 120, "F6": 84}
"""Maps or units of each layer: 28x28, 14x14, 10x10, 5x5, 1x1; weights 156, 12, 1516, 32, 48120, 10164 = 60,000."""

C3_TABLE = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5),
    (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)  # fmt: skip
"""The paper's table I: the maps of S2 that each map of C3 reads."""

SIDE = 32
SMALLEST = 24


class Frame(nn.Module):
    """Brings pictures of 24 to 31 pixels a side to 32 by repeating their border. `[N, C, H, W]` -> `[N, C, 32, 32]`."""

    def forward(self, x: Tensor) -> Tensor:
        """Repeat the border where the picture is too small."""
        height, width = x.shape[-2:]
        if not (SMALLEST <= height <= SIDE and SMALLEST <= width <= SIDE):
            raise InputError(
                f"pictures of {height}x{width} were given to LeNet-5, which reads {SIDE}x{SIDE} "
                f"({SMALLEST} or more are framed); resize them to {SIDE}x{SIDE}"
            )
        top, left = (SIDE - height) // 2, (SIDE - width) // 2
        if height == width == SIDE:
            return x
        return F.pad(x, (left, SIDE - width - left, top, SIDE - height - top), mode="replicate")


class TableConvolution(nn.Module):
    """A convolution in which each output map reads, and has weights for, only the input maps that a table names.

    Shape:
        `[N, C, H, W]` -> `[N, len(table), H - kernel + 1, W - kernel + 1]`.

    Args:
        table: for each output map, the input maps it reads.
        kernel: side of the window.
    """

    places: Tensor

    def __init__(self, table: tuple[tuple[int, ...], ...], kernel: int) -> None:
        super().__init__()
        self.table, self.kernel = table, kernel
        self.in_channels = 1 + max(max(row) for row in table)
        places = [out * self.in_channels + source for out, row in enumerate(table) for source in row]
        self.register_buffer("places", torch.tensor(places), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(places), kernel, kernel))
        self.bias: nn.Parameter = nn.Parameter(torch.zeros(len(table)))

    def weight_fans(self) -> list[tuple[Tensor, int, int]]:
        """The kernels of each output map with the connections into and out of its units."""
        rows = torch.split(self.weight, [len(row) for row in self.table])
        readers = len(self.places) // self.in_channels
        return [(row, len(row) * self.kernel**2, readers * self.kernel**2) for row in rows]

    def biases(self) -> list[Tensor]:
        """One a map."""
        return [self.bias]

    def multiply_adds(self, output_shape: tuple[int, ...]) -> int:
        """Multiply-adds of one call: the table's connections, although torch computes the dense ones."""
        return self.weight.numel() * output_shape[-1] * output_shape[-2]

    def forward(self, x: Tensor) -> Tensor:
        """Spread the kernels into a dense weight whose other places are zero, and convolve."""
        dense = self.weight.new_zeros(len(self.table) * self.in_channels, self.kernel, self.kernel)
        dense = dense.index_copy(0, self.places, self.weight)
        return F.conv2d(x, dense.view(len(self.table), self.in_channels, self.kernel, self.kernel), self.bias)


def make_subsampling(maps: int, activation: ActivationName) -> TrainableSubsampling:
    """S2 or S4 at its start: the mean of a block; between sigmoids, the sum of a block less the 2 around which it lies.

    Means of four values near 1/2, squashed by a sigmoid once more, hardly differ from one another: begun so, the
    chapter's network was still at chance after 20,000 pictures of MNIST, where this start has 86 % right.
    """
    if activation == "sigmoid":
        return TrainableSubsampling(maps, coefficient=1.0, bias=-2.0)
    return TrainableSubsampling(maps)


class CodeDistance(nn.Module):
    """The paper's output: minus the squared distance of F6 to a fixed code of -1 and +1 for each class.

    Formula: `y_k = -sum_j (x_j - w_kj)^2`: equation 7 with the sign turned, so that the nearest class has the largest.

    Differs:
        The paper's codes are 7x12 pictures of the characters, given as a figure only; ours are random, but the same
        in every network.
    """

    codes: Tensor

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        coins = torch.randint(2, (num_classes, in_features), generator=torch.Generator().manual_seed(1998))
        self.register_buffer("codes", coins.mul(2).sub(1).float())

    def forward(self, x: Tensor) -> Tensor:
        """`[N, in_features]` -> `[N, num_classes]`."""
        return -(x[:, None] - self.codes).square().sum(-1)


class LeNet5(nn.Module):
    """LeNet-5 as the paper and the chapter have it: Conv-Pool-Conv-Pool-Conv-FC-FC on 32x32 pictures.

    Shape:
        `[N, in_channels, 32, 32]` (24 to 31 pixels are framed) -> `[N, num_classes]`.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 1 for grey pictures.
        activation: `sigmoid` (chapter) or `scaled_tanh` (paper), after every layer but the last, subsampling included.
        output: `linear`, or `rbf` for distances to fixed codes of +-1, which needs `scaled_tanh`.
        initialization: `uniform` (chapter) or `lenet` (paper).

    Raises:
        InputError: pictures of another size, or `rbf` with an activation that cannot reach its codes.

    Example:
        >>> sum(p.numel() for p in LeNet5(output="rbf", activation="scaled_tanh").parameters())  # the paper's count
        60000
    """

    usual_side: ClassVar[int] = 32

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: ActivationName = "sigmoid",
        output: Literal["linear", "rbf"] = "linear",
        initialization: InitializationName = "uniform",
    ) -> None:
        super().__init__()
        if output == "rbf" and activation != "scaled_tanh":
            raise InputError(
                f"output='rbf' was asked for with activation={activation!r}, which cannot reach its codes of +-1; "
                "use activation='scaled_tanh'"
            )
        self.widths = (PLAN["S2"], PLAN["S4"], PLAN["C5"])
        self.output, self.initialization = output, initialization

        def stage(**layers: nn.Module) -> nn.Sequential:
            squashed = [
                ((name, layer), (f"{name}_squash", make_activation(activation))) for name, layer in layers.items()
            ]
            return nn.Sequential(OrderedDict(one for pair in squashed for one in pair))

        self.stem = Frame()  # [N, in_channels, 32, 32]
        self.stages = nn.ModuleList(
            [
                stage(
                    c1=nn.Conv2d(in_channels, PLAN["C1"], 5), s2=make_subsampling(PLAN["S2"], activation)
                ),  # [N, 6, 14, 14]
                stage(c3=TableConvolution(C3_TABLE, 5), s4=make_subsampling(PLAN["S4"], activation)),  # [N, 16, 5, 5]
                stage(c5=nn.Conv2d(PLAN["S4"], PLAN["C5"], 5)),  # [N, 120, 1, 1]
            ]
        )
        self.head = nn.Sequential(nn.Flatten(1), stage(f6=nn.Linear(PLAN["C5"], PLAN["F6"])))  # [N, 84]
        initialize(self, initialization)
        self.head.add_module("output", self._output(num_classes))

    def _output(self, num_classes: int, like: Tensor | None = None) -> nn.Module:
        if self.output == "rbf" and num_classes > 0:
            codes = CodeDistance(PLAN["F6"], num_classes)
            return codes if like is None else codes.to(device=like.device, dtype=like.dtype)
        return linear_head(PLAN["F6"], num_classes, self.initialization, like)

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        self.head.add_module("output", self._output(num_classes, like=next(self.parameters())))

    def features(self, x: Tensor) -> list[Tensor]:
        """What S2, S4 and C5 give: 6x14x14, 16x5x5, 120x1x1."""
        x = self.stem(x)
        return [x := stage(x) for stage in self.stages]

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, num_classes]`."""
        logits: Tensor = self.head(self.features(x)[-1])
        return logits


class LeNet5Modern(nn.Module):
    """LeNet-5 as it is drawn today: ReLU, max pooling, every map connected to every other.

    Shape:
        `[N, in_channels, 32, 32]` (24 to 31 pixels are framed) -> `[N, num_classes]`.

    Args:
        num_classes: outputs; 0 leaves the last layer out.
        in_channels: 1 for grey pictures.
        width: multiplies the channels of all layers: 1 gives the paper's 6, 16, 120, 84.
        batch_norm: normalise over the mini-batch before each ReLU, behind the pooling, where there is a quarter of the
            values; trains in far fewer steps.
        initialization: how the weights start.

    Raises:
        InputError: pictures of another size, or a width below 1.

    Example:
        >>> sum(p.numel() for p in LeNet5Modern().parameters())
        61706
    """

    usual_side: ClassVar[int] = 32

    def __init__(
        self,
        *,
        num_classes: int = 10,
        in_channels: int = 1,
        width: int = 1,
        batch_norm: bool = False,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if width < 1:
            raise InputError(f"a width of {width} was given; 1 is the paper's, larger ones multiply its channels")
        c1, c3, c5, f6 = (PLAN[layer] * width for layer in ("C1", "C3", "C5", "F6"))
        self.widths, self.initialization = (c1, c3, c5), initialization

        def normalized(maps: int) -> list[nn.Module]:
            return [BatchNormalization(maps)] if batch_norm else []

        def convolution(inputs: int, maps: int, *pooling: nn.Module) -> nn.Sequential:
            layer = nn.Conv2d(inputs, maps, 5, bias=not batch_norm)
            return nn.Sequential(layer, *pooling, *normalized(maps), nn.ReLU(inplace=True))

        self.stem = Frame()  # [N, in_channels, 32, 32]
        self.stages = nn.ModuleList(
            [
                convolution(in_channels, c1, nn.MaxPool2d(2)),  # [N, c1, 14, 14]
                convolution(c1, c3, nn.MaxPool2d(2)),  # [N, c3, 5, 5]
                convolution(c3, c5),  # [N, c5, 1, 1]
            ]
        )
        dense = nn.Linear(c5, f6, bias=not batch_norm)
        self.head = nn.Sequential(nn.Flatten(1), dense, *normalized(f6), nn.ReLU(inplace=True))  # [N, f6]
        initialize(self, initialization)
        self.head.add_module("output", linear_head(f6, num_classes, initialization))

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out."""
        first = next(self.parameters())
        width = PLAN["F6"] * self.widths[0] // PLAN["C1"]
        self.head.add_module("output", linear_head(width, num_classes, self.initialization, like=first))

    def features(self, x: Tensor) -> list[Tensor]:
        """The outputs of the three convolution stages."""
        x = self.stem(x)
        return [x := stage(x) for stage in self.stages]

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[N, num_classes]`."""
        logits: Tensor = self.head(self.features(x)[-1])
        return logits
