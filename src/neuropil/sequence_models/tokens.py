"""What the networks of sequences share: ids in, their lengths and vectors, and how recurrent layers begin.

`N` sequences, `T` tokens, `D` features. Padding is id 0 and stands behind a sequence's end; nothing else says where a
sequence ends.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.nn.dropout import Dropout, SpatialDropout, todays_dropout
from neuropil.recurrent.cells import make_recurrent

__all__ = [
    "CellName", "Embedding", "checked_ids", "dropout_of_vectors", "lengths_of", "positive", "recurrent",
]  # fmt: skip

CellName = Literal["rnn", "lstm", "lstm_peephole", "gru"]


class Embedding(nn.Embedding):
    """A vector for each id; that of padding is 0 and does not learn from what is read.

    Source: Bengio et al. 2003, "A neural probabilistic language model", section 2.

    Shape:
        int64 `[N, ...]` -> `[N, ..., D]`.

    Args:
        num_tokens: ids from 0 to below it, 1 or more.
        width: D.
        bound: weights begin as `U(-bound, bound)`; left out, `sqrt(3 / D)`, by which a vector's values have variance
            1/D (Ma and Hovy 2016, section 3.1).
        padding: whether id 0 is padding; otherwise it is a token like all others.

    Raises:
        InputError: a count below 1; on call, no whole numbers, or an id that is not in the vocabulary.

    Example:
        >>> Embedding(10, 4)(torch.tensor([[7, 0]]))[0, 1].tolist()
        [0.0, 0.0, 0.0, 0.0]
    """

    def __init__(self, num_tokens: int, width: int, bound: float | None = None, *, padding: bool = True) -> None:
        positive(num_tokens=num_tokens, embedding_width=width)
        super().__init__(num_tokens, width, padding_idx=0 if padding else None)
        bound = (3 / width) ** 0.5 if bound is None else bound
        with torch.no_grad():
            self.weight.uniform_(-bound, bound)
            if padding:
                self.weight[0] = 0

    def forward(self, ids: Tensor) -> Tensor:
        """The vectors."""
        try:
            return F.embedding(ids, self.weight, self.padding_idx)
        except IndexError as error:
            raise InputError(
                f"id {int(ids.max())} was given to a network of {self.num_embeddings} tokens, 0 to "
                f"{self.num_embeddings - 1}; build it with the vocabulary that made the ids"
            ) from error


def checked_ids(x: Tensor, ndim: int, shape: str) -> Tensor:
    """Ids as int64.

    Raises:
        InputError: another number of axes, an axis without anything, or values that are no whole numbers.

    Example:
        >>> checked_ids(torch.zeros(1, 3), 2, "[N, T]")
        tensor([[0, 0, 0]])
    """
    if x.ndim != ndim or 0 in x.shape:
        raise InputError(f"this network reads ids {shape}, but {list(x.shape)} was given")
    if not x.is_floating_point():
        return x.long()
    ids = x.long()
    if x.device.type != "meta" and not torch.equal(ids.to(x.dtype), x):
        raise InputError(f"this network reads ids {shape}, but numbers with fractions were given")
    return ids


def lengths_of(ids: Tensor) -> Tensor | None:
    """How many tokens stand before the padding, `[N]`, at least 1; `None` where no sequence is padded.

    Example:
        >>> lengths_of(torch.tensor([[4, 5, 0], [6, 0, 0], [7, 1, 1]]))
        tensor([2, 1, 3])
        >>> lengths_of(torch.ones(2, 2))
    """
    if ids.device.type == "meta":
        return None
    there = ids != 0
    if bool(there[:, -1].all()):
        return None
    places = torch.arange(1, ids.shape[1] + 1, device=ids.device)
    return (there * places).amax(1).clamp(min=1)


def dropout_of_vectors(rate: float, variational: bool) -> Dropout:
    """Dropout for `[N, T, D]`; where it is variational, one choice for all steps of a sequence.

    Source: Gal and Ghahramani 2016, "A theoretically grounded application of dropout in recurrent neural networks".

    Raises:
        InputError: a rate outside [0, 1).
    """
    return _OneChoice(rate) if variational else todays_dropout(rate)


class _OneChoice(SpatialDropout):
    """A whole feature of a sequence, at all its steps."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


recurrent = partial(make_recurrent, forget_bias=1.0)
"""A recurrent layer that begins to remember: forget gates are open at first.

Source: Jozefowicz, Zaremba and Sutskever 2015, section 3.2; Gers, Schmidhuber and Cummins 2000.
"""


def positive(**counts: int) -> None:
    """Hold counts against 1.

    Raises:
        InputError: one of them is less.
    """
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} is {count}; give 1 or more")
