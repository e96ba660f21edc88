"""Which parameters are weights in the sense of a regulariser, and groups by it."""

from __future__ import annotations

from typing import Any

from torch import nn

__all__ = ["parameter_groups", "weights_of"]


def weights_of(model: nn.Module) -> list[nn.Parameter]:
    """Trainable parameters that multiply inputs: of two or more axes; biases and normalisation have one."""
    return [p for p in model.parameters() if p.requires_grad and p.dim() >= 2]


def parameter_groups(model: nn.Module, *, weight_decay: float = 0.0) -> list[dict[str, Any]]:
    """Trainable parameters in groups: weights with decay, biases and normalisation without.

    Args:
        model: frozen parameters are left out.
        weight_decay: of the weights; one group for all where it is 0.
    """
    if weight_decay == 0:
        return [{"params": [p for p in model.parameters() if p.requires_grad], "weight_decay": 0.0}]
    weights = weights_of(model)
    known = set(map(id, weights))
    others = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]
