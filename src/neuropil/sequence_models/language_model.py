"""What comes next: a recurrent language model.

Source: chapter, RNN, mapping (a): an output at every step; Mikolov et al. 2010; Zaremba, Sutskever and Vinyals 2014,
"Recurrent neural network regularization", section 4.1: dropout before, between and behind the layers, not in time. New
against models that count: everything before a word may matter, not the last two or three words alone.

Where we deviate: forget gates begin open; the tokens' vectors begin with variance 1 unless they are the output's, too
(with weights as small as the others, vectors of few numbers say next to nothing for long); one output matrix for words
in and out is an option (Press and Wolf 2017, Inan, Khosravi and Socher 2017).
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.linear import through
from neuropil.sequence_models.states import LayerState, WritingState
from neuropil.sequence_models.tokens import (
    CellName,
    Embedding,
    checked_ids,
    dropout_of_vectors,
    lengths_of,
    positive,
    recurrent,
)  # fmt: skip

__all__ = ["LanguageModel"]

PLAN = {"small": (200, 2, 0.0), "medium": (650, 2, 0.5), "large": (1500, 2, 0.65)}
"""Zaremba et al.: width, layers, dropout. The defaults here are the medium one's."""


class LanguageModel(nn.Module):
    """Word vectors, recurrent layers, and at each place a logit for every token that may come next.

    Shape:
        int64 `[N, T]`, and the state before -> logits `[N, T, num_tokens]`, and the state behind.

    Args:
        num_tokens: V, words or letters of the vocabulary.
        cell: of the recurrent layers.
        width: of each.
        num_layers: how many there are.
        embedding_width: of a token's vector; as wide as the layers where left out.
        tie: the vectors of the tokens are the weights of the output, too; where the widths differ, a linear layer
            without biases stands between.
        dropout: share of the values before, between and behind the recurrent layers left out while training.
        input_dropout: that share before the layers, where it is another: a letter's few numbers can spare less.
        variational: one choice of them for all tokens of a batch's row.

    Raises:
        InputError: a number out of its range; on call, ids or a state that do not fit.

    Example:
        >>> network = LanguageModel(num_tokens=50, width=8)
        >>> logits, state = network(torch.tensor([[4, 9, 7]]))
        >>> logits.shape, network(torch.tensor([[8]]), state)[0].shape
        (torch.Size([1, 3, 50]), torch.Size([1, 1, 50]))
    """

    in_shape: ClassVar[tuple[int, ...]] = (35,)

    def __init__(
        self,
        *,
        num_tokens: int,
        cell: CellName = "lstm",
        width: int = 650,
        num_layers: int = 2,
        embedding_width: int | None = None,
        tie: bool = False,
        dropout: float = 0.5,
        input_dropout: float | None = None,
        variational: bool = False,
    ) -> None:
        super().__init__()
        positive(width=width)
        embedding_width = width if embedding_width is None else embedding_width
        self.embedding = Embedding(num_tokens, embedding_width, bound=0.1 if tie else 3**0.5)
        self.before = dropout_of_vectors(dropout if input_dropout is None else input_dropout, variational)
        self.recurrent = recurrent(
            cell, embedding_width, width, num_layers=num_layers, dropout=dropout, variational=variational
        )
        self.behind = dropout_of_vectors(dropout, variational)
        self.widths = (embedding_width, width)
        between = tie and embedding_width != width
        self.between = nn.Linear(width, embedding_width, bias=False) if between else nn.Identity()
        self.head = nn.Linear(embedding_width if tie else width, num_tokens)
        with torch.no_grad():
            self.head.weight.uniform_(-0.1, 0.1)
            self.head.bias.zero_()
        if tie:
            self.head.weight = self.embedding.weight

    def features(self, ids: Tensor) -> list[Tensor]:
        """The tokens' vectors `[N, T, D]`, and what the recurrent layers make of them `[N, T, width]`."""
        vectors, outputs, _ = self._read(ids, None)
        return [vectors, outputs]

    def forward(self, ids: Tensor, state: LayerState | None = None) -> tuple[Tensor, LayerState]:
        """Logits `[N, T, num_tokens]` of what follows each token, and the state behind the last."""
        _, outputs, state = self._read(ids, state)
        return through(self.head, self.between(outputs)), state

    def _read(self, ids: Tensor, state: LayerState | None) -> tuple[Tensor, Tensor, LayerState]:
        ids = checked_ids(ids, 2, "[N, T]")
        vectors: Tensor = self.embedding(ids)  # [N, T, embedding_width]
        outputs, state = self.recurrent(self.before(vectors), state, lengths_of(ids))  # [N, T, width]
        return vectors, self.behind(outputs), state

    def begin(self, prompt: Tensor) -> WritingState:
        """What there is to remember behind a text, int64 `[N, T]`; nothing behind an empty one, T = 0.

        Raises:
            InputError: ids that do not fit.
        """
        if prompt.ndim == 2 and not prompt.shape[1] and len(prompt):
            width = self.recurrent.hidden_size
            nothing = self.head.bias.new_zeros(self.recurrent.num_layers, len(prompt), width)
            return WritingState(nothing if self.recurrent.parts == 1 else (nothing, nothing))
        return WritingState(self._read(prompt, None)[2])

    def step(self, ids: Tensor, state: WritingState) -> tuple[Tensor, WritingState]:
        """One token `[N]` further: logits `[N, num_tokens]` of the next."""
        if ids.ndim != 1:
            raise InputError(f"a step reads one token a sequence, [N], but {list(ids.shape)} was given")
        logits, layers = self(ids[:, None], state.layers)
        return logits[:, 0], WritingState(layers)
