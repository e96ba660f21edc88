"""The other way to feed back: what was said a step ago goes in again, in place of what was thought."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["JordanRNN"]

OutputName = Literal["softmax", "tanh", "sigmoid", "linear"]

_SQUASH: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": lambda values: values.softmax(-1),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "linear": lambda values: values,
}


class JordanRNN(nn.Module):
    """A recurrent network whose outputs are fed back.

    Source: chapter, "RNN", structure (row 93: hidden or output values are fed back); Jordan 1986, "Serial order".
    Formula: `h_t = tanh(x_t U + y_{t-1} W + b)`, `y_t = f(h_t V + c)`.

    Shape:
        x `[N, T, D]` -> outputs `[N, T, K]` before `f`, and the last `y`, `[N, K]`.

    Args:
        in_features: D.
        width: hidden units.
        out_features: K.
        output: f, through which outputs are fed back: `softmax` for classes, `linear`, `tanh` or `sigmoid` for values.
        teacher_forcing: feed back the wanted outputs, where they are given, in place of the network's own.

    Raises:
        InputError: a number below 1, an unknown output; on call, shapes that do not fit.

    Example:
        >>> outputs, last = JordanRNN(3, 5, 2)(torch.zeros(4, 7, 3))
        >>> tuple(outputs.shape), tuple(last.shape), round(last[0].sum().item(), 6)
        ((4, 7, 2), (4, 2), 1.0)
    """

    def __init__(
        self,
        in_features: int,
        width: int,
        out_features: int,
        *,
        output: OutputName = "softmax",
        teacher_forcing: bool = False,
    ) -> None:
        super().__init__()
        for name, value in (("in_features", in_features), ("width", width), ("out_features", out_features)):
            if value < 1:
                raise InputError(f"{name} is {value}; a recurrent network needs 1 or more")
        if output not in get_args(OutputName):
            raise InputError(f"there is no output {output!r}; {nearest(output, get_args(OutputName))}")
        self.in_features, self.out_features, self.output = in_features, out_features, output
        self.teacher_forcing = teacher_forcing
        self.inputs = nn.Linear(in_features, width)
        self.feedback = nn.Linear(out_features, width, bias=False)
        self.outputs = nn.Linear(width, out_features)

    def forward(self, x: Tensor, state: Tensor | None = None, wanted: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """All steps.

        Args:
            x: sequences.
            state: the `y` before the first step; zeros where left out.
            wanted: `[N, T, K]`, for teacher forcing.

        Raises:
            InputError: shapes that do not fit.
        """
        if x.ndim != 3 or x.shape[2] != self.in_features or not x.shape[1]:
            raise InputError(f"a recurrent network reads [N, T, {self.in_features}], but {list(x.shape)} came")
        last = x.new_zeros(len(x), self.out_features) if state is None else state
        for what, given, shape in (
            ("state", last, [len(x), self.out_features]),
            ("wanted outputs", wanted, [*x.shape[:2], self.out_features]),
        ):
            if given is not None and list(given.shape) != shape:
                raise InputError(f"the {what} must be {shape}, but {list(given.shape)} came")
        said = []
        for t, share in enumerate(self.inputs(x).unbind(1)):
            said.append(self.outputs(torch.tanh(share + self.feedback(last))))
            forced = self.teacher_forcing and self.training and wanted is not None
            last = wanted[:, t] if forced and wanted is not None else _SQUASH[self.output](said[-1])
        return torch.stack(said, 1), last
