"""One step of each recurrent cell, as the chapter writes it: the readable reference of every faster form.

A step takes the input's share of the sums, `W_ih x_t + b_ih`, which is one product for all times, and the state.
`N` sequences, `H` units; gates are stacked as in torch: LSTM i, f, g, o, GRU r, z, n.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Peephole", "ResetForm", "gru_step", "lstm_step", "over_time", "rnn_step"]

Peephole = Literal["none", "output", "all", "full", "previous"]
ResetForm = Literal["after", "before"]


def rnn_step(
    share: Tensor, h: Tensor, weight: Tensor, bias: Tensor | None, activation: Callable[[Tensor], Tensor] = torch.tanh
) -> Tensor:
    """The chapter's RNN.

    Source: chapter, "RNN", forward code (rows 91, 98); Elman 1990.
    Formula: `h_t = tanh(x_t U + h_{t-1} W + b)`.

    Shape: share `[N, H]`, h `[N, H]`, weight `[H, H]` -> `[N, H]`.
    """
    return activation(share + F.linear(h, weight, bias))


def lstm_step(
    share: Tensor,
    h: Tensor,
    c: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    peephole: Tensor | None = None,
    kind: Peephole = "none",
) -> tuple[Tensor, Tensor]:
    """Long short-term memory, with the peepholes that are asked for.

    Source: chapter, "LSTM" (row 112); Hochreiter and Schmidhuber 1997; peepholes: Gers, Schraudolph and Schmidhuber
    2002, "Learning precise timing with LSTM recurrent networks", section 3.
    Formula: `i = s(..), f = s(..), g = tanh(..), c_t = f c_{t-1} + i g, o = s(.. + V c_t), h_t = o tanh(c_t)`.

    Shape: share `[N, 4 H]`, h and c `[N, H]`, weight `[4 H, H]` -> h and c `[N, H]`.

    Args:
        share: of the input.
        h: the last output.
        c: the last cell.
        weight: for the last output.
        bias: beside that weight.
        peephole: `[H]` for `output` and `previous`, `[3 H]` (i, f, o) for `all`, `[H, H]` for `full`.
        kind: `none`: no gate sees the cell, as in torch; `output`: the output gate sees `c_t`; `all`: input and forget
            gate see `c_{t-1}` too (ONNX); `full`: the output gate sees `c_t` through a matrix; `previous`: it sees
            `c_{t-1}`, as the chapter's line has it.
    """
    i, f, g, o = (share + F.linear(h, weight, bias)).chunk(4, -1)
    if kind == "all" and peephole is not None:
        of_i, of_f, peephole = peephole.chunk(3)
        i, f = i + of_i * c, f + of_f * c
    seen = c
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    if kind == "full" and peephole is not None:
        o = o + F.linear(c, peephole)
    elif peephole is not None:
        o = o + peephole * (seen if kind == "previous" else c)
    return o.sigmoid() * c.tanh(), c


def gru_step(share: Tensor, h: Tensor, weight: Tensor, bias: Tensor | None, reset: ResetForm = "after") -> Tensor:
    """The gated recurrent unit, in either of its two forms.

    Source: chapter, "GRU" (row 114); Cho et al. 2014, "Learning phrase representations", equations 5-8 (`before`); the
    first version of that paper and cuDNN (`after`).
    Formula: `r = s(..), z = s(..), n = tanh(W x + r (U h + b))` or `tanh(W x + U (r h) + b)`, `h_t = (1 - z) n + z h`.

    Shape: share `[N, 3 H]`, h `[N, H]`, weight `[3 H, H]` -> `[N, H]`.

    Args:
        share: of the input.
        h: the last output.
        weight: for the last output.
        bias: beside that weight.
        reset: whether the reset gate acts `after` the product with the weight, as in torch, or `before` it.
    """
    if reset == "after":
        of_r, of_z, of_n = share.chunk(3, -1)
        r, z, n = F.linear(h, weight, bias).chunk(3, -1)
        r, z = (of_r + r).sigmoid(), (of_z + z).sigmoid()
        n = (of_n + r * n).tanh()
        return (1 - z) * n + z * h
    width = h.shape[-1]
    gates = share[:, : 2 * width] + F.linear(h, weight[: 2 * width], None if bias is None else bias[: 2 * width])
    r, z = gates.sigmoid().chunk(2, -1)
    n = share[:, 2 * width :] + F.linear(r * h, weight[2 * width :], None if bias is None else bias[2 * width :])
    return (1 - z) * n.tanh() + z * h


def over_time(step: Callable[..., tuple[Tensor, ...]], shares: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """A step repeated over all times.

    Shape: shares `[T, N, G]`, each state `[N, H]` -> each state at all times, `[T, N, H]`.
    """
    seen = []
    for share in shares.unbind(0):
        state = step(share, *state)
        seen.append(state)
    return tuple(torch.stack(one) for one in zip(*seen, strict=True))
