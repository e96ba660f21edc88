"""A text read from both sides at once: BERT's body.

Source: Devlin et al. 2018, "BERT: pre-training of deep bidirectional Transformers for language understanding", section
3; tiny to medium: Turc et al. 2019, "Well-read students learn better", table 1. New against GPT: each token sees those
behind it, too, so that it is learned from tokens that were hidden, not from the next one; and two texts are read
together, each with a vector that says which it is.

The state's names are those of Hugging Face's BertModel.

Linear layers, normalizations and activations see the tokens alone, without padding (but for a few tokens where that
makes their number recur); attention gathers sentences of similar lengths. What is exported or compiled computes the
padding, too.

Where we deviate: what stands behind a sentence's end is 0, in the published code it is something that means nothing;
the vector of padding begins as 0, as in Hugging Face's code.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from neuropil.attention.chance import QuickDropout
from neuropil.attention.heads import AttentionHeads, joined_linear
from neuropil.attention.positions import LearnedPositions, check_context
from neuropil.attention.stretches import Stretches, stretches_of_rows
from neuropil.compiled.sizes import recurring
from neuropil.errors import InputError
from neuropil.nn.initialization import truncated_normal
from neuropil.sequence_models.tokens import Embedding, checked_ids, positive

__all__ = ["Bert", "BertSize", "begin_as_bert", "bert_body"]

BertSize = Literal["tiny", "mini", "small", "medium", "base", "large"]

PLAN: dict[str, tuple[int, int, int]] = {
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "medium": (8, 512, 8),
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
}
"""Layers, width, heads. With the published vocabulary of 30,522 and the pooler: tiny 4,385,920 weights, mini
11,170,560, small 28,763,648, medium 41,373,184, base 109,482,240, large 335,141,888."""

EPS = 1e-12
"""Of the normalizations, as published."""


def begin_as_bert(module: nn.Module) -> None:
    """Weights begin as `N(0, 0.02^2)` cut at two deviations, biases and the vector of padding as 0.

    Source: Devlin et al. 2018, the published code.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Embedding):
            truncated_normal(layer.weight, 1, 1)
        if isinstance(layer, nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
        if isinstance(layer, nn.Embedding) and layer.padding_idx is not None:
            with torch.no_grad():
                layer.weight[layer.padding_idx] = 0


class Embeddings(nn.Module):
    """Vectors of tokens, positions and segments, added and normalized.

    Shape:
        ids, positions and segments, int64 `[...]` -> `[..., D]`.
    """

    def __init__(self, num_tokens: int, width: int, context: int, num_segments: int, dropout: float) -> None:
        super().__init__()
        self.word_embeddings = Embedding(num_tokens, width)
        self.position_embeddings = LearnedPositions(context, width)
        self.token_type_embeddings = nn.Embedding(num_segments, width)
        self.LayerNorm = nn.LayerNorm(width, EPS)
        self.dropout = QuickDropout(dropout)

    def forward(self, ids: Tensor, positions: Tensor, segments: Tensor | None) -> Tensor:
        """The vectors."""
        types = self.token_type_embeddings
        of_segments = types.weight[0] if segments is None else types(segments)
        found: Tensor = self.word_embeddings(ids) + of_segments + self.position_embeddings(positions)
        normed: Tensor = self.dropout(self.LayerNorm(found))
        return normed


class SelfAttention(AttentionHeads):
    """Questions, keys and values of the same tokens.

    Shape:
        `[N, T, D]`, or `[n, D]` with the stretches -> the same.
    """

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__(width, num_heads, dropout)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: Tensor, stretches: Stretches | None, mask: Tensor | None) -> Tensor:
        """What each token finds."""
        joined = joined_linear(x, (self.query, self.key, self.value))  # [..., 3 D]
        if stretches is not None:
            return self.mix_stretches(joined, stretches)
        return self.mix_joined(joined, mask=mask)


class Output(nn.Module):
    """A linear layer, added to what the sublayer read, and normalized."""

    def __init__(self, in_width: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(in_width, width)
        self.LayerNorm = nn.LayerNorm(width, EPS)
        self.dropout = QuickDropout(dropout)

    def forward(self, found: Tensor, x: Tensor) -> Tensor:
        """`norm(x + dropout(W found + b))`."""
        result: Tensor = self.LayerNorm(x + self.dropout(self.dense(found)))
        return result


class Layer(nn.Module):
    """Attention and a feed-forward layer with GELU, normalized behind each.

    Shape:
        as `SelfAttention`.
    """

    def __init__(self, width: int, num_heads: int, hidden: int, dropout: float, weight_dropout: float) -> None:
        super().__init__()
        self.attention = nn.ModuleDict(
            {"self": SelfAttention(width, num_heads, weight_dropout), "output": Output(width, width, dropout)}
        )
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, hidden), "activation": nn.GELU()})
        self.output = Output(hidden, width, dropout)

    def forward(self, x: Tensor, stretches: Stretches | None, mask: Tensor | None) -> Tensor:
        """Both sublayers."""
        x = self.attention["output"](self.attention["self"](x, stretches, mask), x)
        inner = self.intermediate["activation"](self.intermediate["dense"](x))
        found: Tensor = self.output(inner, x)
        return found


class Bert(nn.Module):
    """Vectors, and blocks of attention to both sides.

    Shape:
        int64 `[N, T]`, or `[N, T, 2]` with each token's segment beside it; id 0 is padding -> `[N, T, D]`, 0 at it.

    Args:
        num_tokens: of the vocabulary.
        size: layers, width and heads of a published network, see PLAN; each can be overridden.
        num_layers: blocks.
        width: D.
        num_heads: of each attention.
        hidden: of the feed-forward layers, 4 D if left out.
        context: tokens that are read at most.
        num_segments: texts that are read together.
        dropout: share of the values left out while training: of the vectors, the weights of attention and what each
            sublayer finds.
        pooling: whether there is a pooler.

    Raises:
        InputError: a number out of its range; on call, ids or segments that do not fit, or too many.

    Example:
        >>> body = Bert(num_tokens=50, size="tiny").eval()
        >>> hidden = body(torch.tensor([[2, 9, 7, 3], [2, 8, 3, 0]]))
        >>> hidden.shape, body.pool(hidden).shape, hidden[1, 3].any().item()
        (torch.Size([2, 4, 128]), torch.Size([2, 128]), False)
    """

    in_shape: tuple[int, ...]

    def __init__(
        self,
        *,
        num_tokens: int,
        size: BertSize = "mini",
        num_layers: int | None = None,
        width: int | None = None,
        num_heads: int | None = None,
        hidden: int | None = None,
        context: int = 512,
        num_segments: int = 2,
        dropout: float = 0.1,
        pooling: bool = True,
    ) -> None:
        super().__init__()
        if size not in PLAN:
            raise InputError(f"there is no BERT of size {size!r}; allowed: {', '.join(PLAN)}")
        planned = PLAN[size]
        layers = planned[0] if num_layers is None else num_layers
        width = planned[1] if width is None else width
        heads = planned[2] if num_heads is None else num_heads
        hidden = 4 * width if hidden is None else hidden
        positive(num_layers=layers, width=width, hidden=hidden, context=context, num_segments=num_segments)
        self.in_shape = (min(128, context),)
        self.context, self.num_segments, self.widths = context, num_segments, (width,) * (layers + 1)
        self.embeddings = Embeddings(num_tokens, width, context, num_segments, dropout)
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList(Layer(width, heads, hidden, dropout, dropout) for _ in range(layers))}
        )
        self.pooler = nn.ModuleDict({"dense": nn.Linear(width, width), "activation": nn.Tanh()}) if pooling else None
        begin_as_bert(self)

    def forward(self, inputs: Tensor) -> Tensor:
        """What each token means where it stands."""
        return self._read(inputs, every=False)[-1]

    def features(self, inputs: Tensor) -> list[Tensor]:
        """The vectors, and what each block makes of them."""
        return self._read(inputs, every=True)

    def pool(self, hidden: Tensor) -> Tensor:
        """One vector `[N, D]` of each text: what its first token means, through a layer of its own.

        Formula: `tanh(W h_0 + b)`.

        Raises:
            InputError: a body without a pooler.
        """
        if self.pooler is None:
            raise InputError("this body has no pooler; build it with pooling=True")
        pooled: Tensor = self.pooler["activation"](self.pooler["dense"](hidden[:, 0]))
        return pooled

    def _read(self, inputs: Tensor, *, every: bool) -> list[Tensor]:
        ids, segments = self._ids(inputs)
        there = ids != 0
        columns = torch.arange(ids.shape[1], device=ids.device)
        if torch.compiler.is_compiling() or ids.device.type == "meta":
            x = self.embeddings(ids, columns, segments)
            found = self._through(x, None, there[:, None, None], every)
            return [one * there[..., None] for one in found]
        if bool(there.all()):
            return self._through(self.embeddings(ids, columns, segments), None, None, every)
        count, rows = int(there.sum()), len(ids)
        short = recurring(count, ids.device) - count
        if short and not self._recorded():
            ids, segments, there = _with_more(ids, segments, there, short)
        stretches = stretches_of_rows(there)
        of_segments = None if segments is None else segments[there]
        x = self.embeddings(ids[there], stretches.column, of_segments)  # [n, D]
        found = self._through(x, stretches, None, every)
        at = (stretches.row[:count], stretches.column[:count])
        return [one.new_zeros(rows, ids.shape[1], one.shape[1]).index_put(at, one[:count]) for one in found]

    def _recorded(self) -> bool:
        """Whether somebody keeps the weights of attention, who is to see this batch's alone."""
        attentions = (layer.attention["self"] for layer in cast("list[Layer]", self.encoder["layer"]))
        return any(cast(SelfAttention, one).recorder is not None for one in attentions)

    def _through(self, x: Tensor, stretches: Stretches | None, mask: Tensor | None, every: bool) -> list[Tensor]:
        found = [x]
        for layer in cast(nn.ModuleList, self.encoder["layer"]):
            x = layer(x, stretches, mask)
            found = [*found, x] if every else [x]
        return found

    def _ids(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        segments = None
        if inputs.ndim == 3 and inputs.shape[2] == 2:
            pairs = checked_ids(inputs, 3, "[N, T, 2]")
            inputs, segments = pairs[..., 0], pairs[..., 1]
            compiling = torch.compiler.is_compiling() or inputs.device.type == "meta"
            if not compiling and not 0 <= int(segments.min()) <= int(segments.max()) < self.num_segments:
                raise InputError(
                    f"segments are numbers from 0 to {self.num_segments - 1}, but {int(segments.min())} to "
                    f"{int(segments.max())} were given; build the network with more num_segments, or give them anew"
                )
        ids = checked_ids(inputs, 2, "[N, T] or [N, T, 2]")
        check_context(ids.shape[1], self.context)
        return ids, segments


def _with_more(ids: Tensor, segments: Tensor | None, there: Tensor, short: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """With rows behind the others that hold so many more tokens; nobody looks at what becomes of them."""
    steps = ids.shape[1]
    more = -(-short // steps)
    added = (torch.arange(more * steps, device=ids.device) < short).view(more, steps)
    nothing = ids.new_zeros(more, steps)
    segments = None if segments is None else torch.cat([segments, nothing])
    return torch.cat([ids, nothing]), segments, torch.cat([there, added])


def bert_body(
    num_tokens: int, size: BertSize, num_layers: int | None, width: int | None, num_heads: int | None,
    hidden: int | None, context: int, dropout: float, *, pooling: bool,
) -> Bert:  # fmt: skip
    """The body of a network with a head, which passes its own options on."""
    return Bert(
        num_tokens=num_tokens, size=size, num_layers=num_layers, width=width, num_heads=num_heads, hidden=hidden,
        context=context, dropout=dropout, pooling=pooling,
    )  # fmt: skip
