"""The last layer of a network, which users exchange for their own classes."""

from __future__ import annotations

from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.initialization import initialize

__all__ = ["linear_head"]


def linear_head(in_features: int, num_classes: int, scheme: str, like: Tensor | None = None) -> nn.Module:
    """A fresh linear classifier, or none: with 0 classes the features pass through unchanged.

    Args:
        in_features: width of what it reads.
        num_classes: outputs; 0 for no classifier.
        scheme: a name in `neuropil.nn.INITIALIZATIONS`.
        like: a tensor whose device and dtype the new layer takes.

    Raises:
        InputError: a negative number of classes.

    Example:
        >>> linear_head(64, 10, "he")
        Linear(in_features=64, out_features=10, bias=True)
    """
    if num_classes < 0:
        raise InputError(f"{num_classes} classes were asked for; give 1 or more, or 0 for no classifier")
    if num_classes == 0:
        return nn.Identity()
    head = initialize(nn.Linear(in_features, num_classes), scheme)
    return head if like is None else head.to(device=like.device, dtype=like.dtype)
