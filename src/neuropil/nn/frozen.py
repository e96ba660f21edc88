"""Batch normalization whose stored statistics are used, and left alone, in training too."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from neuropil.errors import InputError
from neuropil.nn.normalization import BatchNormalization

__all__ = ["FrozenBatchNorm1d", "FrozenBatchNorm2d", "FrozenBatchNormalization", "freeze_statistics"]


class _Frozen(_BatchNorm):
    """Stays in evaluation mode, whatever the network around it does."""

    def train(self, mode: bool = True) -> Any:
        """Evaluation mode; scale and shift may still learn."""
        return super().train(False)


class FrozenBatchNorm1d(_Frozen, nn.BatchNorm1d):
    """`nn.BatchNorm1d` by its stored statistics, also while the network trains."""


class FrozenBatchNorm2d(_Frozen, nn.BatchNorm2d):
    """`nn.BatchNorm2d` by its stored statistics, also while the network trains.

    Source: the habit of fine-tuning on few pictures, whose own statistics are worse than those of the pictures that the
    weights were trained on (He et al. 2017, "Mask R-CNN", section 3.1).
    Formula: `y = gamma (x - mean) / sqrt(var + eps) + beta`, mean and var as they were loaded.

    Shape:
        `[N, C, H, W]` -> the same.

    Example:
        >>> import torch
        >>> FrozenBatchNorm2d(1, eps=0.0).train()(torch.full((1, 1, 1, 2), 3.0)).tolist()  # mean 0, variance 1
        [[[[3.0, 3.0]]]]
    """


class FrozenBatchNormalization(_Frozen, BatchNormalization):
    """The chapter's normalization by its stored statistics, also while the network trains."""


FROZEN: dict[type[nn.Module], type[_Frozen]] = {
    nn.BatchNorm1d: FrozenBatchNorm1d,
    nn.BatchNorm2d: FrozenBatchNorm2d,
    BatchNormalization: FrozenBatchNormalization,
}


def freeze_statistics(model: nn.Module) -> int:
    """Make every batch normalization of a network one whose statistics stay; nothing else about it changes.

    Returns:
        how many there were.

    Raises:
        InputError: a batch normalization of a kind that is not known here.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
        >>> freeze_statistics(net), type(net[1]).__name__
        (1, 'FrozenBatchNorm2d')
    """
    found = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    for layer in found:
        if not isinstance(layer, _Frozen):
            if type(layer) not in FROZEN:
                known = ", ".join(kind.__name__ for kind in FROZEN)
                raise InputError(f"the statistics of a {type(layer).__name__} cannot be frozen; those of {known} can")
            layer.__class__ = FROZEN[type(layer)]  # it differs in nothing but `train`
        layer.train(False)
    return len(found)
