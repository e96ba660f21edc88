"""Which parameters are weights in the sense of a regulariser, and parameter groups by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import nn

from neuropil.errors import InputError

__all__ = ["Spared", "parameter_groups", "weights_of"]

Spared = Literal["bias", "normalization"]

ALL_SPARED: tuple[Spared, ...] = ("bias", "normalization")


def weights_of(model: nn.Module, spared: Sequence[Spared] = ALL_SPARED) -> list[nn.Parameter]:
    """Trainable parameters that a regulariser charges for, each once.

    Args:
        model: the network.
        spared: `bias` leaves out every parameter of fewer than two axes (biases, and other vectors and scalars such
            as the slopes of PReLU); `normalization` those of modules whose class name holds "Norm", of any shape.

    Raises:
        InputError: another word.
    """
    for word in spared:
        if word not in ALL_SPARED:
            raise InputError(f"no_decay_on knows {' and '.join(map(repr, ALL_SPARED))}, but {word!r} was given")
    found: dict[int, nn.Parameter] = {}
    for module in model.modules():
        of_norm = "Norm" in type(module).__name__
        for parameter in module.parameters(recurse=False):
            left_out = (of_norm and "normalization" in spared) or (
                not of_norm and parameter.ndim < 2 and "bias" in spared
            )
            if parameter.requires_grad and not left_out:
                found.setdefault(id(parameter), parameter)
    return list(found.values())


def parameter_groups(
    model: nn.Module,
    *,
    weight_decay: float = 0.0,
    no_decay_on: Sequence[Spared] = ALL_SPARED,
    shares: Mapping[str, float] | None = None,
) -> list[dict[str, Any]]:
    """Trainable parameters as groups for an update rule: those with weight decay, and those without.

    Args:
        model: frozen parameters are left out.
        weight_decay: of the weights, at least 0; for 0 there is one group, which makes the steps of small networks
            cheaper.
        no_decay_on: which parameters are spared, as in `weights_of`; an empty list for none.
        shares: of the learning rate, by the parameter's name, for those that learn more slowly; each share makes
            groups of its own, which say it under `share`.

    Raises:
        InputError: a negative decay, or nothing to train.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        >>> [(len(group["params"]), group["weight_decay"]) for group in parameter_groups(net, weight_decay=0.1)]
        [(1, 0.1), (3, 0.0)]
    """
    if not weight_decay >= 0:
        raise InputError(f"weight_decay must be at least 0, but {weight_decay} was given")
    decayed = {id(parameter) for parameter in weights_of(model, no_decay_on)} if weight_decay else set()
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        share, decays = (shares or {}).get(name, 1.0), id(parameter) in decayed
        group = groups.setdefault((-share, not decays), {"params": [], "weight_decay": weight_decay if decays else 0.0})
        group["params"].append(parameter)
        if shares:
            group["share"] = share
    if not groups:
        raise InputError("the network has no trainable parameter; unfreeze a part of it")
    return [groups[key] for key in sorted(groups)]
