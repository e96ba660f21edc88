"""The nine update rules by name; each builder gives an ordinary `torch.optim.Optimizer`.

`form` says whose formula: `chapter` (the default) the chapter's, in its corrected form, `torch` PyTorch's. They differ
for momentum, NAG, Adagrad, RMSprop and AdaMax, as `Differs:` says there; for gradient descent, Adadelta, Adam and AdamW
they are one, and `form` may be given all the same, so that it can be set without asking which rule it is for. Where
PyTorch has a kernel that does the whole step at once (fused), that one runs.

`weight_decay` is L2 for every rule but AdamW: the term λ/2 |w|² of the loss, added to the gradient as λw, so that
what the rule does to gradients (sums, roots) happens to it too. AdamW's is decoupled: w shrinks by ηλw, apart from the
gradient. A group's own `weight_decay` goes before the one given here.

PyTorch has no fused kernel for the chapter's forms, nor for Adadelta, RMSprop and AdaMax in any form. There `compiled`
says how a step is run on a processor: compiled into one pass over memory (`True`), by lists of tensors (`False`), or
(`None`) compiled where there are a million weights or more and a C compiler. Compiling takes about 0.2 s at the first
step and saves milliseconds a step. Both give the same numbers but for the last digits; those of compiled steps do not
hang on the count of threads. A saved state remembers the choice, so that a resumed run keeps every bit.

Every rule takes parameters or parameter groups, and refuses sparse gradients.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, optim

from neuropil.errors import InputError
from neuropil.optim import chapter, torch_forms
from neuropil.optim.elementwise import refuse_sparse

__all__ = ["adadelta", "adagrad", "adam", "adamax", "adamw", "gradient_descent", "momentum", "nag", "rmsprop"]

Parameters = Iterable[Tensor] | Iterable[Mapping[str, Any]]
Form = Literal["chapter", "torch"]

FUSED_DEVICES = ("cpu", "cuda")
BELOW_ONE = ("momentum", "rho", "betas")


def gradient_descent(
    params: Parameters, *, lr: float = 0.01, weight_decay: float = 0.0, form: Form = "chapter"
) -> optim.Optimizer:
    """Gradient descent: w ← w - ηg (chapter, gradient descent; Cauchy 1847).

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        weight_decay: λ of the L2 term, at least 0.
        form: both are the same rule.

    Raises:
        InputError: a number outside its range, or no parameters.
    """
    groups = _groups(params, form, lr=lr, weight_decay=weight_decay)
    return _dense(optim.SGD(groups, lr=lr, weight_decay=weight_decay, fused=_can_fuse(groups)))


def momentum(
    params: Parameters,
    *,
    lr: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    form: Form = "chapter",
    compiled: bool | None = None,
) -> optim.Optimizer:
    """Momentum: Δ ← αΔ + ηg, w ← w - Δ (chapter; Polyak 1964).

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        momentum: α, 0 for none up to 1 (excluded).
        weight_decay: λ of the L2 term, at least 0.
        form: whose formula.
        compiled: how a step is run, as the module says; only with the chapter's form, as PyTorch's is fused.

    Raises:
        InputError: a number outside its range, no parameters, or `compiled` with PyTorch's form.

    Differs:
        torch: v ← αv + g, w ← w - ηv; another path once η changes.
    """
    groups = _groups(params, form, lr=lr, momentum=momentum, weight_decay=weight_decay)
    if form == "chapter":
        return chapter.Momentum(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, compiled=compiled)
    fused = _can_fuse(groups, compiled)
    return _dense(optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused))


def nag(
    params: Parameters,
    *,
    lr: float = 0.01,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    form: Form = "chapter",
    compiled: bool | None = None,
) -> optim.Optimizer:
    """Nesterov's accelerated gradient: Δ ← αΔ + η∇E(w - αΔ), w ← w - Δ (chapter; Nesterov 1983).

    Between steps the parameters hold the look-ahead point w - αΔ, in both forms; `chapter.NesterovMomentum` says why,
    and its `at_weights` shows w.

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        momentum: α, above 0 and below 1.
        weight_decay: λ of the L2 term, at least 0.
        form: whose formula.
        compiled: how a step is run, as the module says; only with the chapter's form, as PyTorch's is fused.

    Raises:
        InputError: a number outside its range, no parameters, or `compiled` with PyTorch's form.

    Differs:
        torch: v ← αv + g, w ← w - η(g + αv); another path once η changes.
    """
    groups = _groups(params, form, lr=lr, momentum=momentum, weight_decay=weight_decay)
    if momentum == 0:
        raise InputError("nag needs a momentum above 0, but 0 was given; use gradient_descent for none")
    if form == "chapter":
        return chapter.NesterovMomentum(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, compiled=compiled)
    fused = _can_fuse(groups, compiled)
    return _dense(optim.SGD(groups, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=True, fused=fused))


def adagrad(
    params: Parameters,
    *,
    lr: float = 0.01,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    form: Form = "chapter",
    compiled: bool | None = None,
) -> optim.Optimizer:
    """Adagrad: G ← G + g², w ← w - ηg / √(G + ε) (chapter; Duchi, Hazan & Singer 2011).

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        eps: ε, above 0; inside the root it counts as its root.
        weight_decay: λ of the L2 term, at least 0.
        form: whose formula.
        compiled: how a step is run, as the module says; only with the chapter's form, as PyTorch's is fused.

    Raises:
        InputError: a number outside its range, no parameters, or `compiled` with PyTorch's form.

    Differs:
        torch: w ← w - ηg / (√G + ε).
    """
    groups = _groups(params, form, lr=lr, eps=eps, weight_decay=weight_decay)
    if form == "chapter":
        return chapter.Adagrad(groups, lr=lr, eps=eps, weight_decay=weight_decay, compiled=compiled)
    return _dense(optim.Adagrad(groups, lr=lr, eps=eps, weight_decay=weight_decay, fused=_can_fuse(groups, compiled)))


def adadelta(
    params: Parameters,
    *,
    lr: float = 1.0,
    rho: float = 0.95,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    form: Form = "chapter",
    compiled: bool | None = None,
) -> optim.Optimizer:
    """Adadelta: gradients over the root of their recent squares, times that of past steps (Zeiler 2012, algorithm 1).

    v ← ρv + (1 - ρ)g², δ = g √(s + ε) / √(v + ε), s ← ρs + (1 - ρ)δ², w ← w - ηδ. The chapter shows it only as a
    picture; the paper has no η, which is 1 here.

    Args:
        params: parameters or groups of them.
        lr: η, at least 0; 1 is the paper.
        rho: ρ, 0 up to 1 (excluded): how much of the past is kept.
        eps: ε, above 0; the size of the first steps.
        weight_decay: λ of the L2 term, at least 0.
        form: both are the same rule.
        compiled: how a step is run, as the module says.

    Raises:
        InputError: a number outside its range, or no parameters.
    """
    groups = _groups(params, form, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
    return torch_forms.Adadelta(groups, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, compiled=compiled)


def rmsprop(
    params: Parameters,
    *,
    lr: float = 1e-3,
    rho: float = 0.9,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    form: Form = "chapter",
    compiled: bool | None = None,
) -> optim.Optimizer:
    """RMSprop: v ← ρv + (1 - ρ)g², w ← w - ηg / √(v + ε) (Tieleman & Hinton 2012, lecture 6.5).

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        rho: ρ, 0 up to 1 (excluded): how much of the past is kept; torch calls it alpha.
        eps: ε, above 0; inside the root it counts as its root.
        weight_decay: λ of the L2 term, at least 0.
        form: whose formula.
        compiled: how a step is run, as the module says.

    Raises:
        InputError: a number outside its range, or no parameters.

    Differs:
        torch: w ← w - ηg / (√v + ε). The chapter shows the rule only as a picture.
    """
    groups = _groups(params, form, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
    if form == "chapter":
        return chapter.RMSprop(groups, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, compiled=compiled)
    return torch_forms.TorchRMSprop(groups, lr=lr, alpha=rho, eps=eps, weight_decay=weight_decay, compiled=compiled)


def adam(
    params: Parameters,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    form: Form = "chapter",
) -> optim.Optimizer:
    """Adam: first and second moments, both corrected for their start at 0 (Kingma & Ba 2015, algorithm 1).

    m ← β₁m + (1 - β₁)g, v ← β₂v + (1 - β₂)g², w ← w - η m̂ / (√v̂ + ε) with m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ).
    The chapter shows it only as a picture.

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        betas: β₁ and β₂, each 0 up to 1 (excluded): how much of the past is kept.
        eps: ε, above 0.
        weight_decay: λ of the L2 term, at least 0; adamw has it decoupled.
        form: both are the same rule.

    Raises:
        InputError: a number outside its range, or no parameters.

    Differs:
        Keras adds ε before the second correction (the paper's ε̂, end of section 2).
    """
    groups = _groups(params, form, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    fused = _can_fuse(groups)
    return _dense(optim.Adam(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused))


def adamax(
    params: Parameters,
    *,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    form: Form = "chapter",
    compiled: bool | None = None,
) -> optim.Optimizer:
    """AdaMax: m as in Adam, u ← max(β₂u, |g|), w ← w - η m̂ / (u + ε) (Kingma & Ba 2015, algorithm 2).

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        betas: β₁ and β₂, each 0 up to 1 (excluded).
        eps: ε, above 0; the paper has none.
        weight_decay: λ of the L2 term, at least 0.
        form: whose formula.
        compiled: how a step is run, as the module says.

    Raises:
        InputError: a number outside its range, or no parameters.

    Differs:
        torch: u ← max(β₂u, |g| + ε). The chapter shows the rule only as a picture.
    """
    groups = _groups(params, form, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    rule = chapter.Adamax if form == "chapter" else torch_forms.TorchAdamax
    return rule(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, compiled=compiled)


def adamw(
    params: Parameters,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    form: Form = "chapter",
) -> optim.Optimizer:
    """AdamW: w ← w - ηλw, then a step of Adam (Loshchilov & Hutter 2019, algorithm 2).

    The chapter says "Adam applying L2 norm and weight decay together"; the paper, followed here, has the decoupled
    decay instead of the L2 term.

    Args:
        params: parameters or groups of them.
        lr: η, at least 0.
        betas: β₁ and β₂, each 0 up to 1 (excluded).
        eps: ε, above 0.
        weight_decay: λ of the decoupled decay, at least 0.
        form: both are the same rule.

    Raises:
        InputError: a number outside its range, or no parameters.

    Differs:
        The paper multiplies λ by the schedule's factor but not by the base rate; here, as in torch and Keras, by η,
        which is both.
    """
    groups = _groups(params, form, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    fused = _can_fuse(groups)
    return _dense(optim.AdamW(groups, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused))


def _groups(params: Parameters, form: str, **options: Any) -> list[dict[str, Any]]:
    """Parameters as a list of groups, after everything given was looked at."""
    if form not in ("chapter", "torch"):
        raise InputError(f"form must be 'chapter' or 'torch', but {form!r} was given")
    for name, value in options.items():
        for one in value if isinstance(value, tuple) else (value,):
            _check(name, one)
    entries: list[Any] = list(params)
    groups = [dict(e) for e in entries] if entries and isinstance(entries[0], Mapping) else [{"params": entries}]
    for group in groups:
        group["params"] = list(group["params"])
    weights = _weights(groups)
    if not weights:
        raise InputError("the rule was given no parameters; are all of them frozen?")
    if not all(weight.is_floating_point() for weight in weights):
        raise InputError("the rule was given a parameter that is no real number; leave it out or use .float()")
    return groups


def _check(name: str, value: float) -> None:
    limit = 1.0 if name in BELOW_ONE else math.inf
    if not 0 <= value < limit or (name == "eps" and value == 0):
        least = "above 0" if name == "eps" else "at least 0"
        most = " and below 1" if name in BELOW_ONE else ""
        raise InputError(f"{name} must be {least}{most}, but {value} was given")


def _weights(groups: list[dict[str, Any]]) -> list[Tensor]:
    return [weight for group in groups for weight in group["params"]]


def _can_fuse(groups: list[dict[str, Any]], compiled: bool | None = None) -> bool:
    """Whether PyTorch's fused kernels take all these parameters."""
    if compiled is not None:
        raise InputError(f"compiled={compiled} was given with form='torch', whose step PyTorch runs; leave it out")
    return all(weight.device.type in FUSED_DEVICES for weight in _weights(groups))


def _dense(optimizer: optim.Optimizer) -> optim.Optimizer:
    """The same optimizer, refusing sparse gradients in words; fused kernels refuse them too, so there once will do."""
    strided, fused, looked = torch.strided, optimizer.defaults["fused"], False

    def look(optimizer: optim.Optimizer, *_: Any) -> None:
        nonlocal looked
        if looked and fused:
            return
        for group in optimizer.param_groups:
            for weight in group["params"]:
                if weight.grad is not None and weight.grad.layout is not strided:
                    refuse_sparse(weight)
        looked = True

    optimizer.register_step_pre_hook(look)
    return optimizer
