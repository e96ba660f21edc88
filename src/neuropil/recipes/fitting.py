"""Whether a network can do what the data ask of it, found out before the first step."""

from __future__ import annotations

from torch import nn

from neuropil.errors import InputError
from neuropil.recipes.signature import DataSignature

__all__ = ["check_fit"]


def check_fit(model: nn.Module, name: str, signature: DataSignature) -> None:
    """Refuse a softmax over values, and pictures that are too small.

    Raises:
        InputError: the first thing that does not fit.
    """
    if signature.target == "values" and getattr(model, "ends_in_softmax", False):
        raise InputError(
            "the line ends in SM, a softmax over classes, but these data's targets are values; leave SM out"
        )
    smallest, sides = getattr(model, "smallest_side", 1), signature.input_shape[1:]
    if sides and min(sides) < smallest:
        shape = "x".join(map(str, sides))
        raise InputError(
            f"{name!r} needs pictures of {smallest} pixels a side or more, but these are {shape}; "
            f"give data.size={smallest}"
        )
