"""The nine update rules by name, in the form that PyTorch computes, fused into one kernel where it has one.

Each builder takes parameters or parameter groups and options by their field-wide names, and gives an ordinary
`torch.optim.Optimizer`. `weight_decay` of every rule but AdamW is the L2 term lambda/2 * |w|^2 of the loss, added to the
gradient; AdamW's shrinks the weights apart from the gradient (Loshchilov & Hutter 2019).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, optim

from neuropil.errors import InputError

__all__ = ["adadelta", "adagrad", "adam", "adamax", "adamw", "gradient_descent", "momentum", "nag", "rmsprop"]

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]

FUSED_DEVICES = ("cpu", "cuda")


def gradient_descent(params: Parameters, *, lr: float = 0.01, weight_decay: float = 0.0) -> optim.Optimizer:
    """Gradient descent: w <- w - lr * g (chapter: weight learning, gradient descent)."""
    groups = _groups(params, lr=lr, weight_decay=weight_decay)
    return optim.SGD(groups, lr=lr, weight_decay=weight_decay, fused=_can_fuse(groups))


def momentum(
    params: Parameters, *, lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0
) -> optim.Optimizer:
    """Momentum: v <- momentum * v + g, w <- w - lr * v.

    Differs: the chapter puts the rate inside, v <- momentum * v + lr * g; the two are equal while the rate is constant.
    """
    groups = _groups(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
    return optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=_can_fuse(groups))


def nag(params: Parameters, *, lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0) -> optim.Optimizer:
    """Nesterov's accelerated gradient, rewritten for weights that stand at the look-ahead point.

    Differs: the chapter evaluates the gradient at w - momentum * v explicitly; this form shifts the weights instead.
    """
    groups = _groups(params, lr=lr, momentum=momentum, weight_decay=weight_decay)
    options = {"momentum": momentum, "weight_decay": weight_decay, "nesterov": True}
    if momentum == 0:
        raise InputError("nag needs a momentum above 0, but 0 was given; use sgd for none")
    return optim.SGD(groups, lr=lr, fused=_can_fuse(groups), **options)


def adagrad(params: Parameters, *, lr: float = 0.01, eps: float = 1e-10, weight_decay: float = 0.0) -> optim.Optimizer:
    """Adagrad (Duchi, Hazan & Singer 2011): w <- w - lr * g / (sqrt(sum of g^2) + eps).

    Differs: the chapter has eps inside the root.
    """
    groups = _groups(params, lr=lr, eps=eps, weight_decay=weight_decay)
    return optim.Adagrad(groups, lr=lr, eps=eps, weight_decay=weight_decay, fused=_can_fuse(groups))


def adadelta(
    params: Parameters, *, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> optim.Optimizer:
    """Adadelta (Zeiler 2012, algorithm 1)."""
    groups = _groups(params, lr=lr, eps=eps, rho=rho, weight_decay=weight_decay)
    return optim.Adadelta(groups, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, foreach=True)


def rmsprop(
    params: Parameters,
    *,
    lr: float = 1e-3,
    alpha: float = 0.9,
    eps: float = 1e-8,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
) -> optim.Optimizer:
    """RMSprop (Tieleman & Hinton 2012): the gradient over the root of its recent mean square."""
    groups = _groups(params, lr=lr, alpha=alpha, eps=eps, momentum=momentum, weight_decay=weight_decay)
    options = {"alpha": alpha, "eps": eps, "momentum": momentum, "weight_decay": weight_decay}
    return optim.RMSprop(groups, lr=lr, foreach=True, **options)


def adam(
    params: Parameters,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> optim.Optimizer:
    """Adam (Kingma & Ba 2015, algorithm 1), bias-corrected."""
    groups = _groups(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return optim.Adam(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=_can_fuse(groups))


def adamax(
    params: Parameters,
    *,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> optim.Optimizer:
    """AdaMax (Kingma & Ba 2015, algorithm 2)."""
    groups = _groups(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return optim.Adamax(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=True)


def adamw(
    params: Parameters,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019, algorithm 2): decay apart from the gradient.

    Differs: the chapter says "L2 norm and weight decay together"; the paper has the decay in place of the L2 term.
    """
    groups = _groups(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return optim.AdamW(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=_can_fuse(groups))


def _groups(params: Parameters, **options: Any) -> list[dict[str, Any]]:
    """Parameters as a list of groups, after the numbers were looked at."""
    for name, value in options.items():
        low, high = (0.0, 1.0) if name in ("momentum", "rho", "alpha", "betas") else (0.0, float("inf"))
        for one in value if isinstance(value, tuple) else (value,):
            if not low <= one < high:
                raise InputError(f"{name} must lie from {low:g} to below {high:g}, but {one!r} was given")
    entries: list[Any] = list(params)
    if not entries:
        raise InputError("the optimizer got no parameters; is everything frozen?")
    return [dict(e) for e in entries] if isinstance(entries[0], Mapping) else [{"params": entries}]


def _can_fuse(groups: list[dict[str, Any]]) -> bool:
    """Whether PyTorch's fused kernel takes all these parameters."""
    found: list[Tensor] = []
    for group in groups:
        group["params"] = list(group["params"])
        found += group["params"]
    return all(torch.is_floating_point(p) and p.device.type in FUSED_DEVICES for p in found)
