"""A sentence in, another sentence out, by attention alone: the Transformer.

Source: Vaswani et al. 2017, "Attention is all you need", sections 3 and 5.4, table 3. New against recurrent networks:
no state is handed from word to word, so that all words of a sentence are learned from at once, and each is one step
from every other. Normalization before the sublayers: Wang et al. 2019, Xiong et al. 2020.

Where we deviate: the size `small` is ours, for some ten thousand sentences. The paper does not say how weights begin:
matrices as Glorot's uniform, biases as 0, vectors of tokens as `N(0, 1/D)`, which times `sqrt(D)` are as large as the
positions, as in the published code (tensor2tensor). That code also has dropout within attention and the feed-forward
layer; here it is where section 5.4 says.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from neuropil.attention.blocks import DecoderBlock, EncoderBlock, FeedForwardActivation
from neuropil.attention.cache import KeyValueCache
from neuropil.attention.chance import QuickDropout
from neuropil.attention.masks import padding_mask
from neuropil.attention.positions import LearnedPositions, SinusoidalPositions, check_context
from neuropil.attention.recording import recording
from neuropil.errors import InputError
from neuropil.nn.linear import through
from neuropil.sequence_models.tokens import Embedding, checked_ids, positive
from neuropil.sequence_models.writer import first_of

__all__ = ["Transformer", "TransformerSize", "TransformerState"]

TransformerSize = Literal["small", "base", "big"]


class Plan(NamedTuple):
    """A published size."""

    num_layers: int
    width: int
    num_heads: int
    hidden: int
    dropout: float


PLAN = {
    "small": Plan(3, 256, 4, 1024, 0.3),
    "base": Plan(6, 512, 8, 2048, 0.1),
    "big": Plan(6, 1024, 16, 4096, 0.3),
}
"""Blocks that read and as many that write. With one vocabulary of 37,000 for all three matrices: base 63,119,496
weights (the paper's 65 M with more biases and about 38,000 tokens), big 214,282,376 (213 M)."""


@dataclass(frozen=True, slots=True)
class TransformerState:
    """What the half that writes knows.

    Args:
        remembered: each block's keys and values of what was read, `[N, H, S, d]`.
        there: which of it is no padding, bool `[N, 1, 1, S]`; `None` for all of it.
        caches: each block's keys and values of what was written.
    """

    remembered: tuple[tuple[Tensor, Tensor], ...]
    there: Tensor | None
    caches: tuple[KeyValueCache, ...]

    def select(self, indices: Tensor) -> TransformerState:
        """The state whose row i is row `indices[i]` of this one."""
        rows = tuple((key.index_select(0, indices), value.index_select(0, indices)) for key, value in self.remembered)
        there = None if self.there is None else self.there.index_select(0, indices)
        return TransformerState(rows, there, tuple(cache.select(indices) for cache in self.caches))


class Transformer(nn.Module):
    """Blocks that read, blocks that write and look at what was read.

    Shape:
        source int64 `[N, S]`, and the target but its last token `[N, T]` -> logits `[N, T, num_target_tokens]` of the
        target but its first token. 0 behind the ends of both. Without a target: the logits of its first token, T = 1.

    Args:
        num_tokens: of the source's vocabulary.
        num_target_tokens: of the target's.
        size: of a published network, see PLAN; each number can be overridden.
        num_layers: blocks that read, and as many that write.
        width: D.
        num_heads: of each attention.
        hidden: of the feed-forward layers.
        activation: of the feed-forward layers.
        dropout: share of the values left out while training: of vectors with their positions, and of what each sublayer
            finds.
        norm_first: normalize before the sublayers and at the end of both halves, not behind the sublayers.
        positions: `sinusoidal`, or `learned` up to the context.
        context: positions that can be learned; sinusoidal ones have no end.
        share: vectors of tokens that are the weights of the output, too: of the `target`, of `all` (one vocabulary for
            source and target, as in the paper), or `none`.

    Raises:
        InputError: a number out of its range, or vocabularies of different sizes that are to be shared; on call, ids
            that do not fit.

    Example:
        >>> network = Transformer(num_tokens=9, num_target_tokens=7, width=8, num_heads=2)
        >>> network(torch.tensor([[4, 5, 3]]), torch.tensor([[2, 6]])).shape
        torch.Size([1, 2, 7])
    """

    in_shape: tuple[int, ...]

    def __init__(
        self,
        *,
        num_tokens: int,
        num_target_tokens: int,
        size: TransformerSize = "small",
        num_layers: int | None = None,
        width: int | None = None,
        num_heads: int | None = None,
        hidden: int | None = None,
        activation: FeedForwardActivation = "relu",
        dropout: float | None = None,
        norm_first: bool = False,
        positions: Literal["sinusoidal", "learned"] = "sinusoidal",
        context: int = 512,
        share: Literal["none", "target", "all"] = "target",
    ) -> None:
        super().__init__()
        if size not in PLAN or share not in ("none", "target", "all") or positions not in ("sinusoidal", "learned"):
            raise InputError(
                f"size {size!r}, positions {positions!r} and share {share!r} were given; sizes are small, base and "
                "big, positions are sinusoidal or learned, and none, target or all are shared"
            )
        given: dict[str, Any] = {
            "num_layers": num_layers, "width": width, "num_heads": num_heads, "hidden": hidden, "dropout": dropout,
        }  # fmt: skip
        plan = PLAN[size]._replace(**{name: value for name, value in given.items() if value is not None})
        positive(num_layers=plan.num_layers, width=plan.width, hidden=plan.hidden, context=context)
        if share == "all" and num_tokens != num_target_tokens:
            raise InputError(
                f"share='all' was given, but the source has {num_tokens} tokens and the target {num_target_tokens}; "
                "make one vocabulary of both, or share the target's"
            )
        self.in_shape = (min(25, context),)
        self.context = context if positions == "learned" else None
        self.width, self.tied = plan.width, share != "none"
        self.source_embedding = Embedding(num_tokens, plan.width)
        self.target_embedding = self.source_embedding if share == "all" else Embedding(num_target_tokens, plan.width)
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=plan.width**-0.5)
            with torch.no_grad():
                embedding.weight[0] = 0
        self.source_positions, self.target_positions = (_positions(positions, context, plan.width) for _ in range(2))
        self.dropout = QuickDropout(plan.dropout)
        more: dict[str, Any] = {"activation": activation, "dropout": plan.dropout, "norm_first": norm_first}
        self.encoder = nn.ModuleList(
            EncoderBlock(plan.width, plan.num_heads, plan.hidden, **more) for _ in range(plan.num_layers)
        )
        self.decoder = nn.ModuleList(
            DecoderBlock(plan.width, plan.num_heads, plan.hidden, **more) for _ in range(plan.num_layers)
        )
        self.encoder_norm, self.decoder_norm = (
            nn.LayerNorm(plan.width) if norm_first else nn.Identity() for _ in range(2)
        )
        self.head = nn.Linear(plan.width, num_target_tokens)
        nn.init.zeros_(self.head.bias)
        if share == "none":
            nn.init.xavier_uniform_(self.head.weight)
        else:
            self.head.weight = self.target_embedding.weight

    def forward(self, source: Tensor, target: Tensor | None = None) -> Tensor:
        """Logits `[N, T, num_target_tokens]` of what follows each token of the target."""
        logits: Tensor = self.head(self.hidden(source, target))
        return logits

    def hidden(self, source: Tensor, target: Tensor | None = None) -> Tensor:
        """What the logits are read from, `[N, T, D]`."""
        memory, there = self.read(source)
        target = checked_ids(first_of(source) if target is None else target, 2, "[N, T]")
        if len(target) != len(memory):
            raise InputError(f"{len(memory)} sentences were given with {len(target)} targets; give one a sentence")
        x = self._vectors(target, self.target_embedding, self.target_positions, 0)  # [N, T, D]
        for block in self.decoder:
            x = block(x, memory, there)
        found: Tensor = self.decoder_norm(x)
        return found

    def output_matrix(self) -> tuple[Tensor, Tensor]:
        """What gives logits of `hidden`: weights `[V, D]`, and biases."""
        return self.head.weight, self.head.bias

    def read(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the source says `[N, S, D]`, and which of it is no padding, bool `[N, 1, 1, S]`."""
        source = checked_ids(source, 2, "[N, S]")
        there = source != 0
        everywhere = source.device.type != "meta" and not torch.compiler.is_compiling() and bool(there.all())
        mask = None if everywhere else padding_mask(there)
        x = self._vectors(source, self.source_embedding, self.source_positions, 0)
        for block in self.encoder:
            x = block(x, mask)
        return self.encoder_norm(x), mask

    def begin(self, source: Tensor) -> TransformerState:
        """Read the source, int64 `[N, S]`: the state before the first token is written."""
        memory, there = self.read(source)
        remembered = tuple(block.memory_attention.remembered(memory) for block in self._writing())
        return TransformerState(remembered, there, tuple(KeyValueCache(self.context) for _ in self.decoder))

    def step(self, ids: Tensor, state: TransformerState) -> tuple[Tensor, TransformerState]:
        """One token `[N]` further: logits `[N, num_target_tokens]` of the next."""
        if ids.ndim != 1:
            raise InputError(f"a step reads one token a sequence, [N], but {list(ids.shape)} was given")
        ids = checked_ids(ids[:, None], 2, "[N]")
        x = self._vectors(ids, self.target_embedding, self.target_positions, state.caches[0].length)
        caches = []
        for block, cache, remembered in zip(self._writing(), state.caches, state.remembered, strict=True):
            x, cache = block.step(x, cache, remembered, state.there)
            caches.append(cache)
        logits = through(self.head, self.decoder_norm(x))
        return logits[:, 0], TransformerState(state.remembered, state.there, tuple(caches))

    def alignment(self, source: Tensor, target: Tensor) -> Tensor:
        """How much each token of the source was looked at for each that follows one of the target, `[N, T, S]`.

        The mean over the heads of the last block that writes.
        """
        with recording(self) as found:
            self.hidden(source, target)
        return found[f"decoder.{len(self.decoder) - 1}.memory_attention"].mean(1)

    def _writing(self) -> list[DecoderBlock]:
        return [block for block in self.decoder if isinstance(block, DecoderBlock)]

    def _vectors(self, ids: Tensor, embedding: nn.Module, positions: nn.Module, first: int) -> Tensor:
        """Vectors of tokens times `sqrt(D)`, with their positions (section 3.4)."""
        if self.context is not None:
            check_context(first + ids.shape[1], self.context)
        found: Tensor = self.dropout(embedding(ids) * math.sqrt(self.width) + positions(ids.shape[1], first))
        return found


def _positions(kind: str, context: int, width: int) -> nn.Module:
    return SinusoidalPositions(width) if kind == "sinusoidal" else LearnedPositions(context, width)
