"""Layers with a memory: the chapter's RNN, the LSTM with its peephole, the GRU.

What they share, shapes and options, stands in `neuropil.recurrent.layer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.recurrent.layer import Recurrent, at_end
from neuropil.recurrent.peephole import peephole_lstm
from neuropil.recurrent.steps import Peephole, ResetForm, gru_step, lstm_step, rnn_step
from neuropil.registry import nearest

__all__ = ["CELLS", "GRU", "LSTM", "VanillaRNN", "make_recurrent"]


class VanillaRNN(Recurrent):
    """The chapter's recurrent network: what was computed a step ago goes in again.

    Source: chapter, "RNN" (rows 91-98); Elman 1990.
    Formula: `h_t = tanh(x_t U + h_{t-1} W + b)`, or ReLU in place of tanh.

    Shape, Args, Raises: see `Recurrent`; `activation`: `tanh` or `relu`.

    Example:
        >>> outputs, state = VanillaRNN(3, 5)(torch.zeros(2, 7, 3))
        >>> tuple(outputs.shape), tuple(state.shape)
        ((2, 7, 5), (1, 2, 5))
    """

    def __init__(
        self,
        in_features: int,
        width: int,
        *,
        num_layers: int = 1,
        activation: Literal["tanh", "relu"] = "tanh",
        bidirectional: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        variational: bool = False,
        stepwise: bool = False,
    ) -> None:
        if activation not in ("tanh", "relu"):
            raise InputError(f"the activation is {activation!r}; a recurrent layer has tanh or relu")
        super().__init__(
            f"RNN_{activation.upper()}", in_features, width, num_layers, bidirectional=bidirectional, bias=bias,
            dropout=dropout, variational=variational, stepwise=stepwise,
        )  # fmt: skip
        self.activation = activation

    def _step(self, name: str) -> Callable[..., tuple[Tensor, ...]]:
        weight, bias = self._weight("weight_hh", name), self._bias("bias_hh", name)
        squash = torch.tanh if self.activation == "tanh" else torch.relu
        return lambda share, h: (rnn_step(share, h, weight, bias, squash),)


class LSTM(Recurrent):
    """Long short-term memory; by default the chapter's, whose output gate sees the cell.

    Source: chapter, "LSTM" (rows 111-113); Hochreiter and Schmidhuber 1997; Gers, Schraudolph and Schmidhuber 2002.
    Formula: see `neuropil.recurrent.steps.lstm_step`.

    Shape, Args, Raises: see `Recurrent`, and:

    Args:
        peephole: which gates see the cell: `output` (the chapter's), `none` (torch's LSTM), `all` (ONNX's),
            `full` (the output gate, through a matrix), `previous` (the output gate sees the cell of the step before).
        forget_bias: at the start, the sum of the forget gate's biases; left out: drawn as the others. 1 keeps the cell
            from fading at first (Jozefowicz, Zaremba and Sutskever 2015, section 3.2).
        proj_size: width of a projection of the output, as torch's; 0 for none.

    Differs:
        torch has no peephole; ONNX orders gates i, o, f, c.

    Example:
        >>> layer = LSTM(3, 5, peephole="output")
        >>> outputs, (h, c) = layer(torch.zeros(2, 7, 3), lengths=torch.tensor([7, 4]))
        >>> tuple(outputs.shape), tuple(c.shape), tuple(layer.peephole_l0.shape)
        ((2, 7, 5), (1, 2, 5), (5,))
    """

    parts = 2

    def __init__(
        self,
        in_features: int,
        width: int,
        *,
        num_layers: int = 1,
        peephole: Peephole = "output",
        forget_bias: float | None = None,
        bidirectional: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        variational: bool = False,
        stepwise: bool = False,
        proj_size: int = 0,
    ) -> None:
        if peephole not in get_args(Peephole):
            raise InputError(f"there is no peephole {peephole!r}; {nearest(peephole, get_args(Peephole))}")
        if forget_bias is not None and not bias:
            raise InputError("forget_bias is for a layer with biases; leave it out, or use bias=True")
        super().__init__(
            "LSTM", in_features, width, num_layers, bidirectional=bidirectional, bias=bias, dropout=dropout,
            variational=variational, stepwise=stepwise, proj_size=proj_size,
        )  # fmt: skip
        self.peephole = peephole
        shape = {"all": (3 * width,), "full": (width, width)}.get(peephole, (width,))
        for name in self._names() if peephole != "none" else ():
            own = nn.Parameter(torch.empty(shape))
            nn.init.uniform_(own, -1 / math.sqrt(width), 1 / math.sqrt(width))
            self.register_parameter("peephole" + name, own)
        for name in self._names() if forget_bias is not None else ():
            with torch.no_grad():
                self._weight("bias_ih", name)[width : 2 * width].fill_(forget_bias or 0.0)
                self._weight("bias_hh", name)[width : 2 * width].zero_()

    def _names(self) -> list[str]:
        backwards = ("", "_reverse") if self.bidirectional else ("",)
        return [f"_l{layer}{way}" for layer in range(self.num_layers) for way in backwards]

    def _asks_for_steps(self) -> bool:
        return self.peephole != "none"

    def _layer(
        self, x: Tensor, state: tuple[Tensor, ...], name: str, last: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.peephole == "none" or self.stepwise or self.proj_size or _needs_every_derivative():
            return super()._layer(x, state, name, last)
        weight_ih, weight_hh = self._weight("weight_ih", name), self._weight("weight_hh", name)
        bias = weight_hh.new_zeros(len(weight_hh))
        if self.bias:
            bias = self._weight("bias_ih", name) + self._weight("bias_hh", name)
        peephole = self._weight("peephole", name)
        h, c = peephole_lstm(x, (state[0], state[1]), weight_ih, weight_hh, bias, peephole, self.peephole, last)
        return h, (at_end(h, last), c)

    def _step(self, name: str) -> Callable[..., tuple[Tensor, ...]]:
        weight, bias = self._weight("weight_hh", name), self._bias("bias_hh", name)
        peephole = None if self.peephole == "none" else self._weight("peephole", name)
        projection = self._weight("weight_hr", name) if self.proj_size else None

        def step(share: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
            h, c = lstm_step(share, h, c, weight, bias, peephole, self.peephole)
            return h if projection is None else F.linear(h, projection), c

        return step


def _needs_every_derivative() -> bool:
    """Whether a transform or an export is at work that must see single operations."""
    return torch.compiler.is_exporting() or torch._C._are_functorch_transforms_active()


class GRU(Recurrent):
    """The gated recurrent unit: three products a step where the LSTM has four.

    Source: chapter, "GRU" (rows 114-115); Cho et al. 2014, "Learning phrase representations using RNN
    encoder-decoder".
    Formula: see `neuropil.recurrent.steps.gru_step`.

    Shape, Args, Raises: see `Recurrent`, and:

    Args:
        reset: whether the reset gate acts `after` the product with the state (torch's form), or `before` it (the
            paper's), which torch has no kernel for.

    Example:
        >>> weights = [sum(p.numel() for p in layer.parameters()) for layer in (GRU(3, 5), LSTM(3, 5, peephole="none"))]
        >>> weights[0] / weights[1]
        0.75
    """

    def __init__(
        self,
        in_features: int,
        width: int,
        *,
        num_layers: int = 1,
        reset: ResetForm = "after",
        bidirectional: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        variational: bool = False,
        stepwise: bool = False,
    ) -> None:
        if reset not in get_args(ResetForm):
            raise InputError(f"the reset gate acts 'after' or 'before' the product, not {reset!r}")
        super().__init__(
            "GRU", in_features, width, num_layers, bidirectional=bidirectional, bias=bias, dropout=dropout,
            variational=variational, stepwise=stepwise,
        )  # fmt: skip
        self.reset: ResetForm = reset

    def _asks_for_steps(self) -> bool:
        return self.reset == "before"

    def _step(self, name: str) -> Callable[..., tuple[Tensor, ...]]:
        weight, bias = self._weight("weight_hh", name), self._bias("bias_hh", name)
        return lambda share, h: (gru_step(share, h, weight, bias, self.reset),)


CELLS: dict[str, Callable[..., Recurrent]] = {
    "rnn": VanillaRNN,
    "lstm": partial(LSTM, peephole="none"),
    "lstm_peephole": partial(LSTM, peephole="output"),
    "gru": GRU,
}
"""What a network may remember with."""


def make_recurrent(
    cell: str,
    in_features: int,
    width: int,
    *,
    num_layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    variational: bool = False,
    forget_bias: float | None = None,
) -> Recurrent:
    """A recurrent layer by the name of its cell: `rnn`, `lstm`, `lstm_peephole` or `gru`; only an LSTM has a
    `forget_bias`, the others leave it be.

    Raises:
        InputError: there is no such cell; see also `Recurrent`.

    Example:
        >>> make_recurrent("gru", 3, 5, bidirectional=True).out_features
        10
    """
    if cell not in CELLS:
        raise InputError(f"there is no cell {cell!r}; {nearest(cell, CELLS)}")
    options: dict[str, Any] = {"bidirectional": bidirectional, "dropout": dropout, "variational": variational}
    if cell.startswith("lstm"):
        options["forget_bias"] = forget_bias
    return CELLS[cell](in_features, width, num_layers=num_layers, **options)
