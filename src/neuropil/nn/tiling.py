"""Pictures of any size through networks that outline: mirrored borders, and tiles that overlap.

Source: Ronneberger, Fischer and Brox 2015, "U-Net", section 2 and figure 2 (the overlap-tile strategy).
"""

from __future__ import annotations

from typing import Protocol, cast

import torch
from torch import Tensor, nn

from neuropil.errors import InputError

__all__ = ["Outlined", "Outlining", "mirrored", "outline", "outline_in_tiles", "outline_large"]


TILE, MARGIN = 1024, 192
"""Multiples of 64, so that the poolings of up to seven levels fall alike in every tile."""


class Outlining(Protocol):
    """What a network that gives a number for each picture element says of the sizes that it takes."""

    def fitting_side(self, least: int) -> int:
        """The smallest side from `least` on that fits."""
        ...

    def output_side(self, side: int) -> int:
        """How many of a side's picture elements are predicted, those in the middle."""
        ...


def mirrored(x: Tensor, left: int, right: int, top: int, bottom: int) -> Tensor:
    """A picture with mirrored borders, also wider ones than itself.

    Shape: `[N, C, H, W]` -> `[N, C, top + H + bottom, left + W + right]`.

    Example:
        >>> mirrored(torch.tensor([[[[1.0, 2.0, 3.0]]]]), 4, 1, 0, 0).flatten().tolist()
        [1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0, 2.0]
    """
    for axis, before, after in ((3, left, right), (2, top, bottom)):
        side = x.shape[axis]
        place = torch.arange(-before, side + after, device=x.device)
        if side == 1:
            place = torch.zeros_like(place)
        else:
            place = place.remainder(2 * side - 2)
            place = torch.where(place >= side, 2 * side - 2 - place, place)
        x = x.index_select(axis, place) if before or after else x
    return x


def _side_for(network: Outlining, wanted: int) -> int:
    """The smallest side whose output covers as much."""
    side = network.fitting_side(wanted)
    while network.output_side(side) < wanted:
        side = network.fitting_side(side + 1)
    return side


def outline(network: nn.Module, x: Tensor) -> Tensor:
    """Numbers for every element of a picture of any size: its borders are mirrored until it fits, and cut off again.

    Shape: `[N, C, H, W]` -> `[N, K, H, W]`.

    Args:
        network: an `Outlining` network; another gets the picture as it is.
        x: pictures.
    """
    if not hasattr(network, "fitting_side"):
        return cast(Tensor, network(x))
    says = cast(Outlining, network)  # compiled ones too, which pass attributes through
    sides = x.shape[-2:]
    needed = [_side_for(says, side) for side in sides]
    extra = [(side - own, says.output_side(side) - own) for side, own in zip(needed, sides, strict=True)]
    # the output lies in the middle of the input: what is cut off before it is half of what the network loses
    (high, over_high), (wide, over_wide) = extra
    top, left = (high - over_high) // 2, (wide - over_wide) // 2
    found: Tensor = network(mirrored(x, left, wide - left, top, high - top))
    return found[..., : sides[0], : sides[1]]


def outline_in_tiles(network: nn.Module, x: Tensor, tile: int, *, margin: int = 0) -> Tensor:
    """The same in tiles, for pictures that are too large for memory.

    Shape: `[N, C, H, W]` -> `[N, K, H, W]`.

    Args:
        network: an `Outlining` network.
        x: pictures.
        tile: side of what each run predicts; a multiple of the network's pooling, so that all tiles fall alike.
        margin: what each run sees around its tile beyond what the network itself loses; 0 for valid convolutions, for
            others what a place sees, as a multiple of the pooling.

    Raises:
        InputError: a network that does not say its sizes, or a tile below 1.
    """
    if not hasattr(network, "fitting_side"):
        raise InputError(f"{type(network).__name__} does not say what sizes it takes; run the whole picture")
    if tile < 1 or margin < 0:
        raise InputError(f"tiles of {tile} with a margin of {margin} were asked for; give 1 or more, and 0 or more")
    says = cast(Outlining, network)
    side = _side_for(says, tile + 2 * margin)
    lost = (side - says.output_side(side)) // 2
    height, width = x.shape[-2:]
    around = lost + margin
    whole = mirrored(x, around, around + side, around, around + side)
    rows = []
    for top in range(0, height, tile):
        row = [
            cast(Tensor, network(whole[..., top : top + side, left : left + side]))[
                ..., margin : margin + tile, margin : margin + tile
            ]
            for left in range(0, width, tile)
        ]
        rows.append(torch.cat(row, -1))
    return torch.cat(rows, -2)[..., :height, :width]


def outline_large(network: nn.Module, x: Tensor) -> Tensor:
    """In tiles of 1024: exact where the network loses its borders itself, else with 192 elements seen around each tile.

    Shape: `[N, C, H, W]` -> `[N, K, H, W]`.
    """
    if not hasattr(network, "fitting_side"):
        return outline(network, x)
    says = cast(Outlining, network)
    side = says.fitting_side(TILE)
    return outline_in_tiles(network, x, TILE, margin=MARGIN if says.output_side(side) == side else 0)


class Outlined(nn.Module):
    """A network with `outline` around it: any size in, a number a class for each element out.

    Shape: `[N, C, H, W]` -> `[N, K, H, W]`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """See `outline`."""
        return outline(self.network, x)
