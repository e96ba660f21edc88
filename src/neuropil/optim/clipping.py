"""Gradient clipping."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["clip_by_global_norm", "clip_by_value", "global_norm"]


def global_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The L2 norm of all gradients taken as one vector; 0 where there are none.

    Shape: a scalar.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return torch.zeros(())
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))


def clip_by_global_norm(parameters: Sequence[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients together so that their global norm is at most `max_norm`.

    Source: Pascanu, Mikolov & Bengio 2013, algorithm 1 (chapter: largest gradient value held).
    Formula: if |g| > theta: g <- theta * g / |g|.

    Args:
        parameters: whose `.grad` is changed in place.
        max_norm: theta, above 0; infinity only measures.

    Returns:
        The norm before clipping, a scalar tensor.

    Raises:
        InputError: `max_norm` is not above 0.

    Example:
        >>> w = torch.zeros(2, requires_grad=True)
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> float(clip_by_global_norm([w], 1.0)), [round(g, 3) for g in w.grad.tolist()]
        (5.0, [0.6, 0.8])
    """
    if not max_norm > 0:
        raise InputError(f"max_norm must be above 0, but {max_norm} was given")
    norm = global_norm(parameters)
    if math.isfinite(max_norm) and (value := norm.item()) > max_norm and math.isfinite(value):
        torch._foreach_mul_([p.grad for p in parameters if p.grad is not None], max_norm / value)
    return norm


def clip_by_value(parameters: Sequence[Tensor], limit: float) -> None:
    """Cut each gradient component to [-limit, limit], in place.

    Raises:
        InputError: `limit` is not above 0.
    """
    if not limit > 0:
        raise InputError(f"limit must be above 0, but {limit} was given")
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.clamp_(-limit, limit)
