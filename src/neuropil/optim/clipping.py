"""Gradient clipping: by the norm of all gradients together, or each number by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["clip_by_global_norm", "clip_by_value", "global_norm"]


def global_norm(parameters: Sequence[Tensor]) -> Tensor:
    """The L2 norm of all gradients taken as one vector; 0 where there are none.

    Shape:
        a 0-d tensor; in float32 where the gradients are in half precision.
    """
    return _norm_of([p.grad for p in parameters if p.grad is not None])


@torch.no_grad()
def _norm_of(gradients: list[Tensor]) -> Tensor:
    if not gradients:
        return torch.zeros(())
    precision = torch.float32 if gradients[0].element_size() < 4 else None
    norms = torch.stack(torch._foreach_norm(gradients, 2, precision))
    norm: Tensor = torch.linalg.vector_norm(norms)
    return norm


def clip_by_global_norm(parameters: Sequence[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients together so that their global norm is at most `max_norm`.

    Waits for the device once. Gradients within the limit are left as they are to the last bit; so are gradients
    whose norm is no finite number, which the caller sees from what is returned.

    Source:
        Chapter, gradient clipping; Pascanu, Mikolov & Bengio 2013, algorithm 1.

    Formula:
        if ‖g‖ > θ: g ← θ g / ‖g‖.

    Args:
        parameters: whose `.grad` is changed in place.
        max_norm: θ, above 0; infinity only measures.

    Returns:
        The norm before clipping, a 0-d tensor.

    Raises:
        InputError: `max_norm` is not above 0.

    Differs:
        torch scales by θ / (‖g‖ + 1e-6), and in each step, also by 1. Keras's `clipnorm` goes by each tensor's own
        norm; its `global_clipnorm` is this.

    Example:
        >>> w = torch.zeros(2, requires_grad=True)
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> float(clip_by_global_norm([w], 1.0)), [round(g, 3) for g in w.grad.tolist()]
        (5.0, [0.6, 0.8])
    """
    if not max_norm > 0:
        raise InputError(f"max_norm must be above 0, but {max_norm} was given")
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = _norm_of(gradients)
    if max_norm < math.inf and max_norm < (value := norm.item()) < math.inf:
        with torch.no_grad():
            torch._foreach_mul_(gradients, max_norm / value)
    return norm


def clip_by_value(parameters: Sequence[Tensor], limit: float) -> None:
    """Cut each number of each gradient to [-limit, limit], in place; this turns the gradient where it cuts.

    Args:
        parameters: whose `.grad` is changed.
        limit: above 0.

    Raises:
        InputError: `limit` is not above 0.

    Differs:
        Not from `torch.nn.utils.clip_grad_value_` and Keras's `clipvalue`.

    Example:
        >>> w = torch.zeros(2, requires_grad=True)
        >>> w.grad = torch.tensor([3.0, -0.5])
        >>> clip_by_value([w], 1.0)
        >>> w.grad.tolist()
        [1.0, -0.5]
    """
    if not limit > 0:
        raise InputError(f"limit must be above 0, but {limit} was given")
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.clamp_(-limit, limit)
