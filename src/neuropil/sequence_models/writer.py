"""The half that writes, of networks that translate or describe: token after token, looking back at what was read.

`N` sequences, `T` tokens written, `S` places read, of width `M`; `V` tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.linear import linear_head, through
from neuropil.sequence_models.attention import AttentionName, make_attention
from neuropil.sequence_models.states import LayerState, WritingState
from neuropil.sequence_models.tokens import (
    CellName,
    Embedding,
    checked_ids,
    dropout_of_vectors,
    positive,
    recurrent,
)  # fmt: skip

__all__ = ["Writer", "first_of"]

BEGIN = 2
"""The token that stands before the first."""


def first_of(read: Tensor) -> Tensor:
    """The begin token for each row of what is read, int64 `[N, 1]`."""
    return torch.full((len(read), 1), BEGIN, dtype=torch.int64, device=read.device)


class Writer(nn.Module):
    """Recurrent layers that write, by one of three plans.

    | attention | what the layers read | what the logits read |
    |---|---|---|
    | `none` | the last token | the layers' output |
    | `additive` | the last token, and the mean that the last state asks for | maxout of output, token and mean |
    | `dot` | the last token (and the last step's tanh) | tanh of output and the mean that the output asks for |

    Source: `none`: Sutskever, Vinyals and Le 2014; `additive`: Bahdanau, Cho and Bengio 2015, section 3.1 and appendix
    A.2.2; `dot`: Luong, Pham and Manning 2015, section 3.1, and 3.3 for what is fed on.

    Shape:
        int64 `[N, T]` and a state -> logits `[N, T, V]`.

    Args:
        num_tokens: V.
        summary_width: of what each layer's first state is made of.
        memory_width: M.
        cell: of the recurrent layers.
        width: of each, and of what the logits read.
        num_layers: how many there are.
        embedding_width: of a token's vector.
        attention: see above.
        input_feeding: with `dot`: the layers also read what the last step's logits read.
        dropout: share of the values before, between and behind the recurrent layers left out while training.
        variational: one choice of them for all tokens of a sequence.

    Raises:
        InputError: a number out of its range, or what does not go together; on call, ids that do not fit.

    Differs:
        Bahdanau et al.'s appendix lets the maxout read the state before the step; here it is the state behind it, as
        their equation 4 says. Every layer's first state is a linear map of its like in the encoder, and
        tanh of that; the LSTM's cell without tanh.
    """

    def __init__(
        self,
        num_tokens: int,
        summary_width: int,
        memory_width: int,
        *,
        cell: CellName,
        width: int,
        num_layers: int,
        embedding_width: int,
        attention: AttentionName,
        input_feeding: bool,
        dropout: float,
        variational: bool,
    ) -> None:
        super().__init__()
        positive(width=width)
        if input_feeding and attention != "dot":
            raise InputError(f"input_feeding goes with attention='dot', not with {attention!r}; leave it out")
        self.input_feeding, self.additive = input_feeding, attention == "additive"
        self.embedding = Embedding(num_tokens, embedding_width)
        self.before, self.behind = (dropout_of_vectors(dropout, variational) for _ in range(2))
        read = embedding_width + (memory_width if self.additive else width if input_feeding else 0)
        self.recurrent = recurrent(cell, read, width, num_layers=num_layers, dropout=dropout, variational=variational)
        parts = self.recurrent.parts
        self.starts = nn.ModuleList(nn.Linear(summary_width, width) for _ in range(parts * num_layers))
        self.attention = make_attention(attention, width, memory_width)
        self.join: nn.Module | None = None
        if self.additive:
            self.join = nn.Linear(width + embedding_width + memory_width, 2 * width)
        elif attention == "dot":
            self.join = nn.Linear(width + memory_width, width, bias=False)
        self.width = width
        self.head = linear_head(width, num_tokens, "glorot_normal")

    def begin(self, summaries: Sequence[Tensor], memory: Tensor, there: Tensor | None = None) -> WritingState:
        """The state before the first token.

        Args:
            summaries: what each layer's first state is made of, `[layers, N, summary_width]`, one a part of it.
            memory: `[N, S, M]`.
            there: which of it is no padding, bool `[N, S]`; all of it where left out.
        """
        layers = self.recurrent.num_layers
        firsts = [start(summaries[number // layers][number % layers]) for number, start in enumerate(self.starts)]
        h = torch.stack(firsts[:layers]).tanh()  # [layers, N, width]
        state: LayerState = h if self.recurrent.parts == 1 else (h, torch.stack(firsts[layers:]))
        if self.attention is None:
            return WritingState(state)
        fed = memory.new_zeros(len(memory), self.width) if self.input_feeding else None
        return WritingState(state, memory, self.attention.keys(memory), there, fed)

    def forward(self, ids: Tensor, state: WritingState) -> Tensor:
        """Logits `[N, T, V]` of what follows each token."""
        return self.write(ids, state)[0]

    def step(self, ids: Tensor, state: WritingState) -> tuple[Tensor, WritingState]:
        """One token `[N]` further: logits `[N, V]` of the next."""
        if ids.ndim != 1:
            raise InputError(f"a step reads one token a sequence, [N], but {list(ids.shape)} was given")
        logits, state, _ = self.write(ids[:, None], state)
        return logits[:, 0], state

    def write(self, ids: Tensor, state: WritingState) -> tuple[Tensor, WritingState, Tensor | None]:
        """Logits `[N, T, V]`, the state behind them, and which places were looked at, `[N, T, S]`, if any are."""
        ids = checked_ids(ids, 2, "[N, T]")
        vectors: Tensor = self.before(self.embedding(ids))  # [N, T, embedding_width]
        if self.additive or self.input_feeding:
            steps, weights = [], []
            for t in range(ids.shape[1]):
                read, state, looked = self._one(vectors[:, t : t + 1], state)
                steps.append(read)
                weights.append(looked)
            read = torch.cat(steps, 1)
            attended: Tensor | None = torch.cat(weights, 1)
        else:
            outputs, layers = self.recurrent(vectors, state.layers)  # [N, T, width]
            read, attended = self._joined(outputs, state)
            state = replace(state, layers=layers)
        logits = through(self.head, self.behind(read))
        return logits, state, attended

    def _one(self, vector: Tensor, state: WritingState) -> tuple[Tensor, WritingState, Tensor]:
        """One step, of which the next reads something: what the logits read `[N, 1, width]`, state, weights."""
        if self.additive:
            h = state.layers if isinstance(state.layers, Tensor) else state.layers[0]
            mean, looked = self._look(h[-1][:, None], state)
            output, layers = self.recurrent(torch.cat([vector, mean], 2), state.layers)
            pieces = self._join(torch.cat([output, vector, mean], 2))  # [N, 1, 2 width]
            read = pieces.view(len(pieces), 1, self.width, 2).amax(3)
            return read, replace(state, layers=layers), looked
        if state.fed is None:
            raise InputError("this state was not begun by a network with input_feeding; begin it anew")
        output, layers = self.recurrent(torch.cat([vector, state.fed[:, None]], 2), state.layers)
        mean, looked = self._look(output, state)
        read = self._join(torch.cat([mean, output], 2)).tanh()
        return read, replace(state, layers=layers, fed=read[:, 0]), looked

    def _joined(self, outputs: Tensor, state: WritingState) -> tuple[Tensor, Tensor | None]:
        """What the logits read, of all steps at once."""
        if self.attention is None:
            return outputs, None
        mean, looked = self._look(outputs, state)
        return self._join(torch.cat([mean, outputs], 2)).tanh(), looked

    def _look(self, query: Tensor, state: WritingState) -> tuple[Tensor, Tensor]:
        if self.attention is None or state.memory is None or state.keys is None:
            raise InputError("this state remembers nothing to look at; begin it with this network")
        found: tuple[Tensor, Tensor] = self.attention(query, state.memory, state.keys, state.there)
        return found

    def _join(self, x: Tensor) -> Tensor:
        joined: Tensor = x if self.join is None else self.join(x)
        return joined
