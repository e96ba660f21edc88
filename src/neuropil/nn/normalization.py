"""Normalization that torch does not have in the chapter's form. Layer, group and RMS normalization are torch's own."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["BatchNormForm", "BatchNormalization", "LocalResponseForm", "LocalResponseNormalization"]

BatchNormForm = Literal["chapter", "average", "paper", "torch"]
LocalResponseForm = Literal["paper", "library"]


class BatchNormalization(_BatchNorm):
    """Gives each channel mean 0 and deviation 1 over a mini-batch, then a learned scale and shift.

    Source: chapter, "Batch normalization"; Ioffe and Szegedy 2015, algorithms 1 and 2.
    Formula: `y = gamma (x - mu) / sqrt(var + eps) + beta`; training takes `mu` and `var` (with `1/m`) from the
    mini-batch, inference those stored. The forms differ in what is stored:

    | form | stored for inference | variance of a mini-batch of m values |
    |---|---|---|
    | chapter | `mu <- alpha mu + (1 - alpha) mu_B`, `var` likewise | `1/m`, as in training |
    | average | the average over all mini-batches | `1/m` |
    | paper | the average over all mini-batches | `1/(m - 1)` |
    | torch | `mu <- alpha mu + (1 - alpha) mu_B`, `var` likewise | `1/(m - 1)` |

    Shape:
        `[N, C]`, `[N, C, L]`, `[N, C, H, W]` or `[N, C, D, H, W]` -> the same; a channel's values are those of all
        samples and positions.

    Args:
        num_features: channels `C`.
        form: see the table.
        alpha: share that a moving average keeps at each mini-batch, 0 (the last mini-batch only) up to below 1; the
            chapter names 0.9, the default, and 0.99. The averages over all mini-batches take none.
        eps: keeps the root away from 0.

    Raises:
        InputError: an unknown form, `alpha` outside [0, 1) or beside an average that has none, a wrong number of
            channels or axes, or training on fewer than two values a channel: one value less its mean is always 0.

    Differs:
        Keras' `BatchNormalization(momentum=alpha)` is the chapter's form. `nn.BatchNorm2d(C, momentum=1 - alpha)` is
        form `torch`, and `momentum=None` is `paper`, as its `m` is the same in every mini-batch. Parameter names are
        torch's. That it works by less "internal covariate shift" is the paper's claim, which the chapter repeats;
        Santurkar et al. 2018 dispute it: they measured no less shift, and a smoother loss instead.

    Example:
        >>> layer = BatchNormalization(1)
        >>> layer(torch.tensor([[1.0], [3.0]])).flatten().tolist()
        [-0.9999949932098389, 0.9999949932098389]
        >>> layer.running_mean.item(), layer.running_var.item()  # 0.9 x 0 + 0.1 x 2, 0.9 x 1 + 0.1 x 1
        (0.20000000298023224, 1.0)
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self, num_features: int, form: BatchNormForm = "chapter", alpha: float | None = None, eps: float = 1e-5
    ) -> None:
        if form not in get_args(BatchNormForm):
            raise InputError(f"batch normalization has no form {form!r}; {nearest(form, get_args(BatchNormForm))}")
        moving = form in ("chapter", "torch")
        if alpha is not None and not moving:
            raise InputError(f"alpha = {alpha} was given to form {form!r}, which averages over all mini-batches alike")
        if alpha is not None and not 0 <= alpha < 1:
            raise InputError(f"alpha = {alpha} was given; it is the share that is kept, from 0 up to below 1")
        if num_features < 1:
            raise InputError(f"normalization of {num_features} channels was asked for; give at least 1")
        super().__init__(num_features, eps, 1 - (0.9 if alpha is None else alpha) if moving else None)
        self.form = form

    def forward(self, x: Tensor) -> Tensor:
        """Normalize; in training by the mini-batch, whose statistics are stored."""
        if not self.training or self.form in ("paper", "torch"):
            normalized: Tensor = super().forward(x)
            return normalized
        self._check_input_dim(x)
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        biased = 1 - 1 / (x.numel() // x.shape[1])
        variance = self.running_var / biased  # torch adds the mini-batch's with 1/(m - 1), which is as much too large
        y = F.batch_norm(x, self.running_mean, variance, self.weight, self.bias, True, share, self.eps)
        torch.mul(variance, biased, out=self.running_var)
        return y

    def _check_input_dim(self, x: Tensor) -> None:
        if not 2 <= x.ndim <= 5 or x.shape[1] != self.num_features:
            raise InputError(
                f"{list(x.shape)} was given to a normalization of {self.num_features} channels; "
                f"give [N, {self.num_features}] or [N, {self.num_features}, ...] with up to three further axes"
            )
        if self.training and x.numel() < 2 * self.num_features:
            raise InputError(
                f"{list(x.shape)} gives each channel {x.numel() // self.num_features} value, but batch normalization "
                "needs at least two while training; give larger batches (drop_last), or call eval()"
            )

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        alpha = "" if self.momentum is None else f", alpha={1 - self.momentum:g}"
        return f"{self.num_features}, form={self.form!r}{alpha}, eps={self.eps}"


class LocalResponseNormalization(nn.Module):
    """AlexNet's "Norm": divides each value by a power of what the channels around it hold at the same place.

    Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3; the chapter only names it ("AlexNet").
    Formula: `y_c = x_c / (k + alpha sum_j x_j^2)^beta`, `j` from `c - size // 2` to `c + size // 2` as far as there are
    channels; form `library` has `alpha / size`.

    Shape:
        `[N, C, ...]` -> the same.

    Args:
        size: channels in the sum, odd; the paper's `n`.
        alpha: weight of the sum, at least 0 (0 divides everything by `k^beta`).
        beta: the power.
        k: what an empty neighbourhood is divided by, to the power beta; above 0.
        form: whether alpha weighs the sum (`paper`) or the mean over `size` channels (`library`).

    Raises:
        InputError: an even or negative size, alpha below 0, k not above 0, or an input without channels.

    Differs:
        `torch.nn.LocalResponseNorm`, ONNX and Caffe are form `library`; all but Caffe take even sizes too, and
        disagree on which side is longer. Half precision is computed in float32 here, where squares do not overflow.

    Example:
        >>> layer = LocalResponseNormalization(3, alpha=1.0, beta=1.0, k=1.0)
        >>> layer(torch.tensor([[1.0, 2.0, 0.0, 3.0]])).tolist()  # 1 / (1 + 1 + 4), 2 / (1 + 1 + 4 + 0), ...
        [[0.1666666716337204, 0.3333333432674408, 0.0, 0.30000001192092896]]
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2.0,
        form: LocalResponseForm = "paper",
    ) -> None:
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise InputError(
                f"a neighbourhood of {size} channels was asked for; it is odd, with as many on either side"
            )
        if not (alpha >= 0 and k > 0):
            raise InputError(f"alpha = {alpha} and k = {k} were given; alpha is at least 0 and k above 0")
        self.size, self.alpha, self.beta, self.k, self.form = size, alpha, beta, k, form

    def forward(self, x: Tensor) -> Tensor:
        """Divide by the neighbourhood's power."""
        if x.ndim < 2:
            raise InputError(f"{list(x.shape)} has no channels; local response normalization takes [N, C, ...]")
        alpha = self.alpha if self.form == "paper" else self.alpha / self.size
        exact = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        if torch.compiler.is_compiling():  # a compiler fuses the chain rule itself
            y = exact * _inverse_power(self.k + alpha * _neighbours(exact * exact, self.size), self.beta)
        else:
            y = _LocalResponse.apply(exact, self.size, alpha, self.beta, self.k)  # type: ignore[no-untyped-call]
        return y.to(x.dtype)

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}, form={self.form!r}"


class _LocalResponse(torch.autograd.Function):
    """The formula with its gradient in one piece, which reads and writes memory a third as often as the chain rule."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        ctx.options = (size, alpha, beta, k)
        base = _neighbours(x * x, size).mul_(alpha).add_(k)
        ctx.save_for_backward(x, base)
        return x * _inverse_power(base, beta)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (size, alpha, beta, k), (x, base) = ctx.options, ctx.saved_tensors
        if torch.is_grad_enabled():  # a second derivative is wanted: it flows through the base too
            base = k + alpha * _neighbours(x * x, size)
        scaled = gradients[0] * _inverse_power(base, beta)
        return scaled - 2 * alpha * beta * x * _neighbours(scaled * x / base, size), None, None, None, None


def _neighbours(x: Tensor, size: int) -> Tensor:
    """For each channel the sum over it and `size // 2` channels on either side."""
    total = x.clone()
    for distance in range(1, min(size // 2, x.shape[1] - 1) + 1):
        total[:, distance:] += x[:, :-distance]
        total[:, :-distance] += x[:, distance:]
    return total


def _inverse_power(base: Tensor, beta: float) -> Tensor:
    """`base ** -beta`; the paper's 0.75 by two roots, which cost less."""
    if beta != 0.75:
        return base.pow(-beta)
    root = base.rsqrt()
    return root * root.sqrt()
