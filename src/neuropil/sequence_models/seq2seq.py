"""A sentence in, another sentence out.

Source: chapter, RNN, mapping (b): output after the input has ended; Sutskever, Vinyals and Le 2014, "Sequence to
sequence learning with neural networks"; Bahdanau, Cho and Bengio 2015 and Luong, Pham and Manning 2015 for attention,
by which a long sentence need not fit into one vector.

Where we deviate: see `neuropil.sequence_models.writer`; Sutskever et al. read the sentence from its end and in one
direction, here it is read in both.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from neuropil.sequence_models.attention import AttentionName
from neuropil.sequence_models.states import WritingState
from neuropil.sequence_models.tokens import CellName, Embedding, checked_ids, dropout_of_vectors, lengths_of, recurrent
from neuropil.sequence_models.writer import Writer, first_of

__all__ = ["Seq2Seq"]


class Seq2Seq(nn.Module):
    """Recurrent layers that read, and recurrent layers that write, with attention between.

    Shape:
        source int64 `[N, S]`, and the target but its last token `[N, T]` -> logits `[N, T, num_target_tokens]` of the
        target but its first token. 0 behind the ends of both. Without a target: the logits of its first token, T = 1.

    Args:
        num_tokens: of the source's vocabulary.
        num_target_tokens: of the target's.
        cell: of the recurrent layers.
        width: of each; of each direction where the source is read in both.
        num_layers: layers that read, and as many that write.
        bidirectional: read the source in both directions.
        embedding_width: of a token's vector.
        attention: `additive` (Bahdanau), `dot` (Luong), or `none`: the last states are all that is known.
        input_feeding: with `dot`: what the logits read is read by the next step, too (Luong et al., section 3.3).
        dropout: share of the values before, between and behind the recurrent layers left out while training.
        variational: one choice of them for all tokens of a sentence.

    Raises:
        InputError: a number out of its range, or what does not go together; on call, ids that do not fit.

    Example:
        >>> network = Seq2Seq(num_tokens=9, num_target_tokens=7, width=8)
        >>> network(torch.tensor([[4, 5, 3]]), torch.tensor([[2, 6]])).shape
        torch.Size([1, 2, 7])
    """

    in_shape: ClassVar[tuple[int, ...]] = (25,)

    def __init__(
        self,
        *,
        num_tokens: int,
        num_target_tokens: int,
        cell: CellName = "lstm",
        width: int = 256,
        num_layers: int = 1,
        bidirectional: bool = True,
        embedding_width: int = 256,
        attention: AttentionName = "dot",
        input_feeding: bool = False,
        dropout: float = 0.3,
        variational: bool = False,
    ) -> None:
        super().__init__()
        self.embedding = Embedding(num_tokens, embedding_width)
        self.before, self.behind = (dropout_of_vectors(dropout, variational) for _ in range(2))
        self.recurrent = recurrent(
            cell, embedding_width, width, num_layers=num_layers, bidirectional=bidirectional, dropout=dropout,
            variational=variational,
        )  # fmt: skip
        read = self.recurrent.out_features
        self.writer = Writer(
            num_target_tokens, read, read, cell=cell, width=width, num_layers=num_layers,
            embedding_width=embedding_width, attention=attention, input_feeding=input_feeding, dropout=dropout,
            variational=variational,
        )  # fmt: skip

    def begin(self, source: Tensor) -> WritingState:
        """Read the source, int64 `[N, S]`: the state before the first token is written."""
        source = checked_ids(source, 2, "[N, S]")
        lengths = lengths_of(source)
        outputs, state = self.recurrent(self.before(self.embedding(source)), lengths=lengths)  # [N, S, read]
        directions = 2 if self.recurrent.bidirectional else 1
        summaries = [  # [layers, N, read]: directions of a layer side by side
            torch.cat([part[direction::directions] for direction in range(directions)], 2)
            for part in ((state,) if isinstance(state, Tensor) else state)
        ]
        places = torch.arange(source.shape[1], device=source.device)
        there = None if lengths is None else places < lengths[:, None]
        return self.writer.begin(summaries, self.behind(outputs), there)

    def forward(self, source: Tensor, target: Tensor | None = None) -> Tensor:
        """Logits `[N, T, num_target_tokens]` of what follows each token of the target."""
        logits: Tensor = self.writer(first_of(source) if target is None else target, self.begin(source))
        return logits

    def step(self, ids: Tensor, state: WritingState) -> tuple[Tensor, WritingState]:
        """One token `[N]` further: logits `[N, num_target_tokens]` of the next."""
        return self.writer.step(ids, state)

    def alignment(self, source: Tensor, target: Tensor) -> Tensor | None:
        """How much each token of the source was looked at for each that follows one of the target, `[N, T, S]`.

        `None` of a network without attention.
        """
        return self.writer.write(target, self.begin(source))[2]
