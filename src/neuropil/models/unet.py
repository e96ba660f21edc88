"""U-Net: down to what a picture shows, and up again to where.

Source: Ronneberger, Fischer and Brox 2015, "U-Net: convolutional networks for biomedical image segmentation", figure 1
and section 2; chapter, "U-Net". New against fully convolutional networks before it: as many maps on the way up as on
the way down, and each level of the way down handed across to its like on the way up.

Where we deviate: nothing by default (valid convolutions, crop, no normalisation: 572x572 -> 388x388). As people use it
today: `padding="same"`, which keeps the size, and `batch_norm`; or a network of the catalogue as the way down
(`UNetOver`). The paper names no rate for the dropout at the end of the way down; ours is a half.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models import build_model
from neuropil.nn.contracts import Network
from neuropil.nn.convolution import Convolution2d
from neuropil.nn.dropout import todays_dropout
from neuropil.nn.initialization import InitializationName, initialize
from neuropil.nn.padding import center_crop
from neuropil.nn.pooling import MaxPooling
from neuropil.nn.staged import keep_features
from neuropil.nn.transposed import TransposedConvolution2d

__all__ = ["UNet", "UNetOver"]

PLAN = (64, 128, 256, 512, 1024)
"""Figure 1: maps of each level, from the top down."""


def double_convolution(in_channels: int, maps: int, padding: Literal["valid", "same"], norm: bool) -> nn.Sequential:
    """Two convolutions of 3x3 with ReLU: a level of either way."""
    layers: list[nn.Module] = []
    for channels in (in_channels, maps):
        layers.append(Convolution2d(channels, maps, 3, padding=padding, bias=not norm))
        if norm:
            layers.append(nn.BatchNorm2d(maps))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class UpwardLevel(nn.Module):
    """Twice the size by a transposed convolution of half the maps, the level across joined, two convolutions.

    Shape:
        below `[N, 2 C, h, w]`, across `[N, A, H, W]` -> `[N, C, H', W']`.
    """

    def __init__(
        self, below: int, across: int, maps: int, padding: Literal["valid", "same"], norm: bool, scale: int = 2
    ) -> None:
        super().__init__()
        self.up = TransposedConvolution2d(below, maps, scale, stride=scale)
        self.convolutions = double_convolution(maps + across, maps, padding, norm)

    def forward(self, below: Tensor, across: Tensor | None) -> Tensor:
        """Join and convolve."""
        x: Tensor = self.up(below)
        if across is not None:
            x = torch.cat([center_crop(across, x.shape[-2:]), x], 1)
        out: Tensor = self.convolutions(x)
        return out


class UNet(nn.Module):
    """Levels down by pooling, levels up by transposed convolution, each joined with its like; a 1x1 convolution.

    Shape:
        `[N, in_channels, H, W]` -> `[N, num_classes, H', W']`, a logit a class for each picture element: 572x572 gives
        388x388 with valid convolutions, and any size that `fitting_side` knows; H' = H with `padding="same"`, where
        each side is a multiple of 16.

    Args:
        num_classes: K, the background included; 0 leaves the last layer out.
        in_channels: 1 for grey pictures.
        width: maps of the first level; each level below has twice as many.
        levels: how many there are, 2 or more.
        padding: `valid` as in the paper, or `same`.
        batch_norm: normalise behind each convolution.
        dropout: share of the two lowest levels' outputs left out while training.
        initialization: how the weights start; the paper's is He's.

    Raises:
        InputError: counts that are too small; on call, a picture whose sides do not fit, with the nearest that do.

    Example:
        >>> sum(p.numel() for p in UNet().parameters())
        31030658
    """

    usual_side: ClassVar[int] = 572

    def __init__(
        self,
        *,
        num_classes: int = 2,
        in_channels: int = 1,
        width: int = 64,
        levels: int = 5,
        padding: Literal["valid", "same"] = "valid",
        batch_norm: bool = False,
        dropout: float = 0.5,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if width < 1 or levels < 2:
            raise InputError(f"{width} maps and {levels} levels were asked for; give at least 1 and 2")
        self.padding, self.levels = padding, levels
        self.widths = tuple(width << level for level in range(levels))
        self.down = nn.ModuleList(
            double_convolution(above, maps, padding, batch_norm)
            for above, maps in pairwise((in_channels, *self.widths))
        )  # fmt: skip
        self.pool = MaxPooling(2)
        self.drop = todays_dropout(dropout)
        self.up = nn.ModuleList(
            UpwardLevel(below, maps, maps, padding, batch_norm) for maps, below in reversed([*pairwise(self.widths)])
        )
        initialize(self, initialization)
        self.last = _last_layer(width, num_classes)

    @property
    def stages(self) -> list[nn.Module]:
        """The levels of the way down; a pooling stands between two."""
        return list(self.down)

    def features(self, x: Tensor) -> list[Tensor]:
        """What each level of the way down gives, `[N, widths[i], h, w]`."""
        self._check(x.shape[-2:])
        found: list[Tensor] = []
        for number, level in enumerate(self.down):
            x = level(self.pool(x) if number else x)
            found.append(self.drop(x) if number >= self.levels - 2 else x)
            x = found[-1]
        return found

    def head(self, features: Sequence[Tensor]) -> Tensor:
        """The way up, `[N, num_classes, H', W']`."""
        x = features[-1]
        for level, across in zip(self.up, reversed(features[:-1]), strict=True):
            x = level(x, across)
        logits: Tensor = self.last(x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each picture element."""
        return self.head(self.features(x))

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out, and `forward` gives the maps that it would read."""
        self.last = _last_layer(self.widths[0], num_classes).to(next(self.parameters()))

    def fits(self, side: int) -> bool:
        """Whether a picture may be as high or wide: every pooling must meet an even number, and something be left."""
        lost = 4 if self.padding == "valid" else 0
        for _ in range(self.levels - 1):
            side -= lost
            if side < 2 or side % 2:
                return False
            side //= 2
        side -= lost
        for _ in range(self.levels - 1):
            side = 2 * side - lost
        return side >= 1

    def fitting_side(self, least: int) -> int:
        """The smallest side from `least` on that fits.

        Example:
            >>> UNet(width=1).fitting_side(570)
            572
        """
        while not self.fits(least):
            least += 1
        return least

    def output_side(self, side: int) -> int:
        """How many of a side's picture elements are predicted.

        Example:
            >>> UNet(width=1).output_side(572)
            388
        """
        lost = 4 if self.padding == "valid" else 0
        for _ in range(self.levels - 1):
            side = (side - lost) // 2
        side -= lost
        for _ in range(self.levels - 1):
            side = 2 * side - lost
        return side

    def _check(self, sides: Sequence[int]) -> None:
        if any(not self.fits(side) for side in sides):
            wanted = "x".join(str(self.fitting_side(side)) for side in sides)
            raise InputError(
                f"a picture of {sides[0]}x{sides[1]} does not fit this U-Net's {self.levels - 1} poolings; "
                f"pad it to {wanted}"
            )


class UNetOver(nn.Module):
    """The way up over a network of the catalogue as the way down, and up to the picture's own size.

    Shape:
        `[N, in_channels, H, W]` -> `[N, num_classes, H, W]`; sides must be multiples of the backbone's deepest stride.

    Args:
        num_classes: K, the background included; 0 leaves the last layer out.
        in_channels: 3 for colour pictures.
        backbone: a network that has features.
        backbone_options: for it.
        width: maps of the last level of the way up; each level below has twice as many.
        batch_norm: normalise behind each convolution of the way up.
        initialization: how the way up starts.

    Raises:
        InputError: counts below 1, a backbone without features; on call, a picture whose sides do not fit.

    Example:
        >>> UNetOver(backbone="resnet20", num_classes=3)(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 3, 32, 32])
    """

    usual_side: ClassVar[int] = 224

    def __init__(
        self,
        *,
        num_classes: int = 2,
        in_channels: int = 3,
        backbone: str = "resnet18",
        backbone_options: dict[str, Any] | None = None,
        width: int = 32,
        batch_norm: bool = True,
        initialization: InitializationName = "he",
    ) -> None:
        super().__init__()
        if width < 1:
            raise InputError(f"{width} maps were asked for; give at least 1")
        self.backbone = build_model(backbone, {"in_channels": in_channels, **(backbone_options or {})})
        if not isinstance(self.backbone, Network):
            raise InputError(f"{backbone!r} has no features to outline things by; take another backbone")
        self.backbone.reset_classifier(0)
        self.widths = tuple(self.backbone.widths)
        keep_features(self.backbone, len(self.widths))
        sides = _sides(self.backbone, in_channels)
        if any(wider % narrower for wider, narrower in pairwise((SIDE, *sides))):
            raise InputError(f"the maps of {backbone!r} are not whole times smaller from stage to stage; take another")
        self.strides = tuple(SIDE // side for side in sides)
        levels: list[nn.Module] = []
        below = self.widths[-1]
        for number in range(len(self.widths) - 1, 0, -1):
            maps, scale = width << number, self.strides[number] // self.strides[number - 1]
            levels.append(UpwardLevel(below, self.widths[number - 1], maps, "same", batch_norm, scale))
            below = maps
        if self.strides[0] > 1:
            levels.append(UpwardLevel(below, 0, width, "same", batch_norm, self.strides[0]))
            below = width
        self.up = nn.ModuleList(levels)
        initialize(self.up, initialization)
        self.maps = below
        self.last = _last_layer(below, num_classes)

    @property
    def stages(self) -> list[nn.Module]:
        """The backbone's."""
        return list(self.backbone.stages)  # type: ignore[arg-type]

    def features(self, x: Tensor) -> list[Tensor]:
        """What the backbone's stages give."""
        sides, deepest = x.shape[-2:], self.strides[-1]
        if any(side % deepest for side in sides):
            wanted = "x".join(str(self.fitting_side(side)) for side in sides)
            raise InputError(
                f"a picture of {sides[0]}x{sides[1]} does not fit this network, whose last maps are {deepest} times "
                f"smaller; pad it to {wanted}"
            )
        return cast(Network, self.backbone).features(x)

    def head(self, features: Sequence[Tensor]) -> Tensor:
        """The way up, `[N, num_classes, H, W]`."""
        x = features[-1]
        across: list[Tensor | None] = [*reversed(features[:-1]), None]
        for level, one in zip(self.up, across, strict=False):
            x = level(x, one)
        logits: Tensor = self.last(x)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Logits of each picture element."""
        return self.head(self.features(x))

    def reset_classifier(self, num_classes: int) -> None:
        """Exchange the last layer for a fresh one; 0 leaves it out, and `forward` gives the maps that it would read."""
        self.last = _last_layer(self.maps, num_classes).to(next(self.parameters()))

    def fitting_side(self, least: int) -> int:
        """The smallest side from `least` on that fits."""
        return -(-least // self.strides[-1]) * self.strides[-1]

    def output_side(self, side: int) -> int:
        """How many of a side's picture elements are predicted: all."""
        return side


def _last_layer(channels: int, num_classes: int) -> nn.Module:
    """The 1x1 convolution that gives a number a class, or nothing for no class."""
    if num_classes < 0:
        raise InputError(f"{num_classes} classes were asked for; give 1 or more, or 0 for no last layer")
    if not num_classes:
        return nn.Identity()
    last = Convolution2d(channels, num_classes, 1)
    initialize(last, "xavier")
    return last


SIDE = 256
"""Of the picture by which a backbone's strides are found."""


def _sides(backbone: nn.Module, in_channels: int) -> tuple[int, ...]:
    """Of each stage's maps."""
    was = backbone.training
    with torch.no_grad():
        found = cast(Network, backbone.eval()).features(torch.zeros(1, in_channels, SIDE, SIDE))
    backbone.train(was)
    return tuple(one.shape[-1] for one in found)
