"""What recurrent layers share: any depth, both directions, sequences of different lengths.

Weights have torch's names and layout, so that a state of `torch.nn.RNN`, `LSTM` or `GRU` loads as it is. Where the
definition is torch's, torch's kernels compute it. `N` sequences, `T` steps, `D` features, `H` units, `L` layers, `S`
directions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from neuropil.errors import InputError
from neuropil.recurrent.steps import over_time

__all__ = ["Recurrent", "at_end"]

State = Tensor | tuple[Tensor, Tensor]

KERNELS: dict[str, Callable[..., Any]] = {
    "RNN_TANH": torch.rnn_tanh, "RNN_RELU": torch.rnn_relu, "LSTM": torch.lstm, "GRU": torch.gru,
}  # fmt: skip


class Recurrent(nn.RNNBase, ABC):
    """What the three layers share: shapes, lengths, directions, dropout. Not built itself.

    Shape:
        x `[N, T, D]` -> outputs `[N, T, S H]`, and the state after each sequence's last step, `[L S, N, H]` each; the
        LSTM's is a pair (h, c).

    Args:
        in_features: D.
        width: H.
        num_layers: L; each reads the outputs of the one below.
        bidirectional: a second layer beside each reads from the end; outputs stand side by side.
        bias: whether sums have one.
        dropout: share of the outputs of each layer but the last that are dropped while training.
        variational: one choice of what is dropped for all steps of a sequence (Gal and Ghahramani 2016, section 4,
            between layers) in place of one for each step.
        stepwise: compute by single steps, which has all derivatives and all transforms of `torch.func`, but is slow.
        proj_size: LSTM only: width of a projection of its output, 0 for none.

    Raises:
        InputError: a number out of its range; on call, a batch, state or lengths that do not fit.
    """

    parts = 1
    """Tensors in the state."""

    def __init__(
        self,
        mode: str,
        in_features: int,
        width: int,
        num_layers: int,
        *,
        bidirectional: bool,
        bias: bool,
        dropout: float,
        variational: bool,
        stepwise: bool,
        proj_size: int = 0,
    ) -> None:
        for name, value in (("in_features", in_features), ("width", width), ("num_layers", num_layers)):
            if value < 1:
                raise InputError(f"{name} is {value}; a recurrent layer needs 1 or more")
        if not 0 <= dropout < 1:
            raise InputError(f"dropout is {dropout}; give a share from 0 to below 1")
        if not 0 <= proj_size < width:
            raise InputError(f"proj_size is {proj_size}; give 0 for no projection, or less than the width {width}")
        between = dropout if num_layers > 1 else 0.0
        super().__init__(
            mode, in_features, width, num_layers, bias, batch_first=True, dropout=between,
            bidirectional=bidirectional, proj_size=proj_size,
        )  # fmt: skip
        self.variational, self.stepwise = variational, stepwise

    @property
    def out_features(self) -> int:
        """Width of the outputs: S H."""
        return (self.proj_size or self.hidden_size) * (2 if self.bidirectional else 1)

    def forward(self, x: Tensor, state: State | None = None, lengths: Tensor | None = None) -> tuple[Tensor, State]:
        """All steps of all sequences.

        Args:
            x: sequences, filled up behind their ends.
            state: before the first step; zeros where left out.
            lengths: int64 `[N]`, 1 to T; all T where left out. Outputs behind a sequence's end are 0.

        Raises:
            InputError: shapes that do not fit, or a length outside 1 to T.
        """
        if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
            found: tuple[Tensor, State] = self._uncompiled(x, state, lengths)
            return found
        return self._all_steps(x, state, lengths)

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _uncompiled(self, x: Tensor, state: State | None, lengths: Tensor | None) -> Any:
        """Beside what is compiled: the kernels are as fast as they are, and a loop over steps would be unrolled."""
        return self._all_steps(x, state, lengths)

    def _all_steps(self, x: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        if x.ndim != 3 or x.shape[2] != self.input_size or not x.shape[1]:
            raise InputError(f"a recurrent layer reads [N, T, {self.input_size}], but {list(x.shape)} came")
        if lengths is not None:
            lengths = self._checked(lengths, x)
        parts = self._start(x) if state is None else self._own(state, x)
        if self._is_torchs(x):
            return self._by_torch(x, parts, lengths)
        outputs, parts = self._by_layers(x, parts, lengths)
        return outputs, self._handed(parts)

    # --- what comes in ---------------------------------------------------------------------------

    def _checked(self, lengths: Tensor, x: Tensor) -> Tensor | None:
        """The lengths, or none where all sequences are as long as the batch."""
        if lengths.shape != x.shape[:1] or lengths.is_floating_point():
            raise InputError(f"lengths must be whole numbers [{len(x)}], but {list(lengths.shape)} came")
        if not torch.compiler.is_compiling():
            least, most = (int(one) for one in lengths.aminmax()) if len(lengths) else (x.shape[1], x.shape[1])
            if least < 1 or most > x.shape[1]:
                raise InputError(f"a length lies outside 1 to {x.shape[1]}, the steps of the batch")
            if least == x.shape[1]:
                return None
        return lengths.long()

    def _sizes(self) -> list[int]:
        """Width of each tensor of the state."""
        return [self.proj_size or self.hidden_size, self.hidden_size][: self.parts]

    def _start(self, x: Tensor) -> tuple[Tensor, ...]:
        rows = self.num_layers * (2 if self.bidirectional else 1)
        return tuple(x.new_zeros(rows, len(x), size) for size in self._sizes())

    def _own(self, state: State, x: Tensor) -> tuple[Tensor, ...]:
        parts = (state,) if isinstance(state, Tensor) else tuple(state)
        wanted = [list(part.shape) for part in self._start(x)]
        if [list(part.shape) for part in parts] != wanted:
            came = [list(part.shape) for part in parts]
            raise InputError(f"the state of this layer for {len(x)} sequences is {wanted}, but {came} came")
        return parts

    # --- computing -------------------------------------------------------------------------------

    def _is_torchs(self, x: Tensor) -> bool:
        """Whether this definition is one that torch has a kernel for; for projections it has none on a processor."""
        if self.proj_size and x.device.type == "cpu":
            return False
        return not (self.stepwise or self._asks_for_steps() or (self.variational and self.dropout))

    def _asks_for_steps(self) -> bool:
        return False

    def _by_torch(self, x: Tensor, state: tuple[Tensor, ...], lengths: Tensor | None) -> tuple[Tensor, State]:
        """By torch's kernels, shortest sequences last where lengths differ."""
        kernel = KERNELS[self.mode]
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if lengths is None:
            outputs, *after = kernel(x, self._handed(state), self._flat_weights, *options, True)
            return outputs, self._handed(tuple(after))
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        begin = self._handed(tuple(part[:, packed.sorted_indices] for part in state))
        data, *after = kernel(packed.data, packed.batch_sizes, begin, self._flat_weights, *options)
        outputs, _ = pad_packed_sequence(packed._replace(data=data), batch_first=True, total_length=x.shape[1])
        return outputs, self._handed(tuple(part[:, packed.unsorted_indices] for part in after))

    def _handed(self, parts: tuple[Tensor, ...]) -> Any:
        """A state as callers know it: one tensor, or the LSTM's pair."""
        return parts[0] if self.parts == 1 else parts

    def _by_layers(
        self, x: Tensor, state: tuple[Tensor, ...], lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Layer by layer, direction by direction, time first."""
        x = x.transpose(0, 1)
        times = torch.arange(x.shape[0], device=x.device)[:, None]
        back = times.flip(0) if lengths is None else torch.where(times < lengths, lengths - 1 - times, times)
        inside = None if lengths is None else (times < lengths)[..., None]
        last = None if lengths is None else lengths - 1
        after: list[tuple[Tensor, ...]] = []
        for layer in range(self.num_layers):
            beside = []
            for reverse in range(2 if self.bidirectional else 1):
                begin = tuple(part[len(after)] for part in state)
                given = _reordered(x, back) if reverse else x
                found, end = self._layer(given, begin, f"_l{layer}{'_reverse' if reverse else ''}", last)
                found = found if inside is None else found * inside
                beside.append(_reordered(found, back) if reverse else found)
                after.append(end)
            x = torch.cat(beside, -1) if len(beside) > 1 else beside[0]
            if layer + 1 < self.num_layers and self.dropout and self.training:
                shape = (1, *x.shape[1:]) if self.variational else x.shape
                x = x * F.dropout(x.new_ones(shape), self.dropout)
        return x.transpose(0, 1), tuple(torch.stack(part) for part in zip(*after, strict=True))

    def _layer(
        self, x: Tensor, state: tuple[Tensor, ...], name: str, last: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One layer in one direction: x `[T, N, D]` -> outputs `[T, N, H]`, and the state at each sequence's end."""
        shares = F.linear(x, self._weight("weight_ih", name), self._bias("bias_ih", name))
        seen = list(over_time(self._step(name), shares, state))
        return seen[0], tuple(at_end(one, last) for one in seen)

    @abstractmethod
    def _step(self, name: str) -> Callable[..., tuple[Tensor, ...]]:
        """The step of one layer, `(share, *state) -> state`."""

    def _weight(self, kind: str, name: str) -> Tensor:
        weight: Tensor = getattr(self, kind + name)
        return weight

    def _bias(self, kind: str, name: str) -> Tensor | None:
        return self._weight(kind, name) if self.bias else None


def _reordered(x: Tensor, order: Tensor) -> Tensor:
    """`[T, N, D]` with each sequence's steps in another order; order `[T, 1]` or `[T, N]`."""
    return x.gather(0, order[..., None].expand(-1, x.shape[1], x.shape[2]))


def at_end(seen: Tensor, last: Tensor | None) -> Tensor:
    """What stands at each sequence's last step: `[T, N, H]` -> `[N, H]`."""
    return seen[-1] if last is None else seen.gather(0, last[None, :, None].expand(1, -1, seen.shape[2]))[0]
