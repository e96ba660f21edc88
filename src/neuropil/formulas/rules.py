"""One step of each update rule. Source: chapter, "Weight update strategies", and the paper that each names.

The chapter shows Adadelta to AdamW only as pictures; those follow the papers. `lr` is the chapter's eta; what a rule
remembers goes in, 0 before the first step, and comes out after the weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["adadelta", "adagrad", "adam", "adamax", "adamw", "momentum", "nag", "rmsprop"]

Array = np.ndarray[Any, np.dtype[np.float64]]


def momentum(weight: Array, delta: Array, gradient: Array, lr: float, alpha: float = 0.9) -> tuple[Array, Array]:
    """`Delta <- alpha Delta + eta g`, `w <- w - Delta` (row 25; Polyak 1964, equation 9).

    Example:
        >>> momentum(np.array([1.0]), np.array([0.5]), np.array([2.0]), lr=0.25)
        (array([0.05]), array([0.95]))
    """
    delta = alpha * delta + lr * gradient
    return weight - delta, delta


def nag(
    weight: Array, delta: Array, gradient: Callable[[Array], Array], lr: float, alpha: float = 0.9
) -> tuple[Array, Array]:
    """`Delta <- alpha Delta + eta dE(w - alpha Delta)`, `w <- w - Delta` (row 26; Nesterov 1983).

    Example:
        >>> nag(np.array([1.0]), np.array([0.5]), lambda point: point, lr=1.0, alpha=0.5)  # at 1 - 0.25
        (array([0.]), array([1.]))
    """
    delta = alpha * delta + lr * gradient(weight - alpha * delta)
    return weight - delta, delta


def adagrad(weight: Array, total: Array, gradient: Array, lr: float, eps: float = 1e-8) -> tuple[Array, Array]:
    """`G <- G + g^2`, `w <- w - eta / sqrt(G + eps) g` (row 27; Duchi, Hazan & Singer 2011, figure 1).

    Example:
        >>> adagrad(np.array([1.0]), np.array([16.0]), np.array([3.0]), lr=1.0, eps=0.0)
        (array([0.4]), array([25.]))
    """
    total = total + gradient**2
    return weight - lr / np.sqrt(total + eps) * gradient, total


def adadelta(
    weight: Array, square: Array, moved: Array, gradient: Array, lr: float = 1.0, rho: float = 0.95, eps: float = 1e-6
) -> tuple[Array, Array, Array]:
    """`v <- rho v + (1 - rho) g^2`, `d = sqrt(s + eps) / sqrt(v + eps) g`, `s <- rho s + (1 - rho) d^2`, `w <- w - d`.

    That is row 28 by Zeiler 2012, algorithm 1, which has no `lr`: 1 here.

    Example:
        >>> zero = np.zeros(1)
        >>> [round(value.item(), 6) for value in adadelta(zero, zero, zero, np.ones(1), rho=0.5, eps=0.5)]
        [-0.707107, 0.5, 0.25]
    """
    square = rho * square + (1 - rho) * gradient**2
    step = np.sqrt(moved + eps) / np.sqrt(square + eps) * gradient
    return weight - lr * step, square, rho * moved + (1 - rho) * step**2


def rmsprop(
    weight: Array, square: Array, gradient: Array, lr: float, rho: float = 0.9, eps: float = 1e-8
) -> tuple[Array, Array]:
    """`v <- rho v + (1 - rho) g^2`, `w <- w - eta g / sqrt(v + eps)` (rows 29, 107; Tieleman & Hinton 2012, slide 29).

    Slip corrected: the root of the sum is not the learning rate; the rate is divided by it.

    Example:
        >>> rmsprop(np.array([1.0]), np.array([4.0]), np.array([4.0]), lr=1.0, rho=0.5, eps=6.0)
        (array([0.]), array([10.]))
    """
    square = rho * square + (1 - rho) * gradient**2
    return weight - lr * gradient / np.sqrt(square + eps), square


def adam(
    weight: Array, mean: Array, square: Array, gradient: Array, t: int, lr: float = 1e-3, beta1: float = 0.9,
    beta2: float = 0.999, eps: float = 1e-8,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """First and second moments, each over `1 - beta^t`; `w <- w - eta m' / (sqrt(v') + eps)` at step `t`, from 1.

    That is row 30 by Kingma & Ba 2015, algorithm 1.

    Example:
        >>> adam(np.zeros(1), np.zeros(1), np.zeros(1), np.array([-7.0]), t=1, lr=0.5)[0].round(6).item()
        0.5
    """
    mean = beta1 * mean + (1 - beta1) * gradient
    square = beta2 * square + (1 - beta2) * gradient**2
    step = mean / (1 - beta1**t) / (np.sqrt(square / (1 - beta2**t)) + eps)
    return weight - lr * step, mean, square


def adamax(
    weight: Array, mean: Array, largest: Array, gradient: Array, t: int, lr: float = 2e-3, beta1: float = 0.9,
    beta2: float = 0.999, eps: float = 1e-8,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """`u <- max(beta2 u, |g|)` in place of Adam's root; `w <- w - eta / (1 - beta1^t) m / (u + eps)`.

    That is row 31 by Kingma & Ba 2015, algorithm 2. Deviates: the paper has no `eps`, and 0 / 0 before any gradient.

    Example:
        >>> adamax(np.zeros(1), np.zeros(1), np.zeros(1), np.array([-7.0]), t=1, lr=0.5)[0].round(6).item()
        0.5
    """
    mean = beta1 * mean + (1 - beta1) * gradient
    largest = np.maximum(beta2 * largest, np.abs(gradient))
    return weight - lr / (1 - beta1**t) * mean / (largest + eps), mean, largest


def adamw(
    weight: Array, mean: Array, square: Array, gradient: Array, t: int, decay: float = 0.01, lr: float = 1e-3
) -> tuple[Array, Array, Array]:
    """`w <- w - eta lambda w`, then Adam's step (row 32; Loshchilov & Hutter 2019, algorithm 2).

    Slip corrected: the chapter has L2 and weight decay together; the paper decouples the decay from the gradient and
    has it instead of the L2 term.

    Example:
        >>> adamw(np.ones(1), np.zeros(1), np.zeros(1), np.zeros(1), t=1, decay=0.5, lr=0.5)[0].item()
        0.75
    """
    moved, mean, square = adam(weight, mean, square, gradient, t, lr)
    return moved - lr * decay * weight, mean, square
