"""Dropout in the chapter's form, in its paper's and in today's."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError

__all__ = ["Dropout", "DropoutForm", "DropoutPer", "SpatialDropout", "todays_dropout"]

DropoutForm = Literal["chapter", "srivastava", "inverted"]
DropoutPer = Literal["batch", "sample", "epoch"]


class Dropout(nn.Module):
    """Leaves out a random choice of nodes while training; inference uses the whole network.

    Source: chapter, "Dropout"; Srivastava et al. 2014, sections 4 and 10.
    Formula: `y = m x` with `m ~ Bernoulli(1 - rate)`, one draw a node; the forms differ in the scale only:

    | form | training | inference |
    |---|---|---|
    | chapter | `m x` | `x` |
    | srivastava | `m x` | `(1 - rate) x` |
    | inverted | `m x / (1 - rate)` | `x` |

    Shape:
        `[N, D]` or `[N, C, ...]` -> the same. A node is one value of a sample, so its axis is all but the first.

    Args:
        rate: the share of nodes left out, 0 (none) up to but not including 1; the chapter's is 0.2.
        form: who makes up for the missing nodes. The chapter's code does not: what follows sees sums that are
            `1 / (1 - rate)` times larger in inference than in training.
        per: when new nodes are chosen: for each mini-batch (one choice for all its samples), each sample, or each epoch
            (whoever trains calls `start_epoch`).

    Raises:
        InputError: a rate outside [0, 1).

    Differs:
        `torch.nn.Dropout(p)` is `Dropout(p, form="inverted", per="sample")`, to the bit. The chapter marks the nodes of
        one sample or batch; its unscaled form is the default of this class only, networks here use the inverted one.

    Example:
        >>> x = torch.ones(2, 5)
        >>> Dropout(0.2, form="srivastava").eval()(x)[0].tolist()[0]  # the mean of what training saw
        0.800000011920929
        >>> a, b = Dropout(0.5)(x)  # one choice for the whole mini-batch
        >>> torch.equal(a, b)
        True
    """

    epoch_seed: Tensor

    def __init__(self, rate: float = 0.2, form: DropoutForm = "chapter", per: DropoutPer = "batch") -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise InputError(f"a dropout rate of {rate} was given; it is a share of nodes, from 0 up to below 1")
        self.rate, self.form, self.per = rate, form, per
        if per == "epoch":  # saved with the weights, so that a resumed run leaves out the same nodes
            self.register_buffer("epoch_seed", torch.empty((), dtype=torch.int64))
            self.start_epoch()

    def start_epoch(self) -> None:
        """Choose new nodes for the epoch that begins; of no effect unless `per` is `epoch`."""
        if self.per == "epoch":
            self.epoch_seed.fill_(int(torch.randint(2**62, ())))

    def forward(self, x: Tensor) -> Tensor:
        """Leave out nodes (training) or scale as the form asks (inference)."""
        keep = 1 - self.rate
        if not self.training:
            return x * keep if self.form == "srivastava" else x
        if self.rate == 0:
            return x
        if self.form == "inverted" and self.per == "sample":
            return self._drop_as_torch(x)
        kept = x * self._mask(x, keep)
        return kept / keep if self.form == "inverted" else kept

    def _drop_as_torch(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.rate)

    def _mask(self, x: Tensor, keep: float) -> Tensor:
        generator = None
        if self.per == "epoch":
            generator = Generator(x.device).manual_seed(int(self.epoch_seed))
        samples = x.shape[:1] if self.per == "sample" else (1,)
        shape = (*samples, *self._node_shape(x))
        return torch.empty(shape, device=x.device, dtype=x.dtype).bernoulli_(keep, generator=generator)

    def _node_shape(self, x: Tensor) -> tuple[int, ...]:
        return tuple(x.shape[1:])

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"{self.rate}, form={self.form!r}, per={self.per!r}"


def todays_dropout(rate: float) -> Dropout:
    """Dropout as networks since about 2015 have it: each sample's own nodes, scaled up while training.

    Raises:
        InputError: a rate outside [0, 1).

    Example:
        >>> todays_dropout(0.5)
        Dropout(0.5, form='inverted', per='sample')
    """
    return Dropout(rate, "inverted", per="sample")


class SpatialDropout(Dropout):
    """Leaves out whole maps, because a single value of a map is much like its neighbours, which would give it away.

    Source: Tompson et al. 2015, "Efficient object localization using convolutional networks", section 3.2.
    Formula: as `Dropout`, with one draw a map.

    Shape:
        `[N, C, L]`, `[N, C, H, W]` or `[N, C, D, H, W]` -> the same.

    Args:
        rate: the share of maps left out, 0 (none) up to but not including 1.
        form: see `Dropout`; the inverted one unless another is asked for.
        per: see `Dropout`; new maps for each sample unless asked otherwise, as in the paper.

    Raises:
        InputError: a rate outside [0, 1), or an input without maps.

    Differs:
        `torch.nn.Dropout1d`, `Dropout2d` and `Dropout3d` are this with its defaults, to the bit, and Keras'
        `SpatialDropout1D` to `3D` in distribution.

    Example:
        >>> maps = SpatialDropout(0.5)(torch.ones(8, 4, 3, 3))
        >>> sorted(set(maps.mean(dim=(2, 3)).flatten().tolist()))
        [0.0, 2.0]
    """

    def __init__(self, rate: float = 0.2, form: DropoutForm = "inverted", per: DropoutPer = "sample") -> None:
        super().__init__(rate, form, per)

    def forward(self, x: Tensor) -> Tensor:
        """Leave out maps (training) or scale as the form asks (inference)."""
        if x.ndim < 3:
            raise InputError(
                f"{list(x.shape)} has no maps to leave out; give [N, C, L] or [N, C, H, W], or use Dropout"
            )
        return super().forward(x)

    def _drop_as_torch(self, x: Tensor) -> Tensor:
        dropped: Tensor = torch.feature_dropout(x, self.rate, True)
        return dropped

    def _node_shape(self, x: Tensor) -> tuple[int, ...]:
        return (x.shape[1], *(1,) * (x.ndim - 2))
