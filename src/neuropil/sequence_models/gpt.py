"""What comes next, by attention to all that came before: GPT-1 and GPT-2.

Source: Radford et al. 2018, "Improving language understanding by generative pre-training", section 4.1 (GPT-1); Radford
et al. 2019, "Language models are unsupervised multitask learners", section 2.3 and table 2 (GPT-2); nano: Karpathy's
nanoGPT, its network for the letters of Shakespeare. New against a recurrent language model: every earlier token is one
step away, and a whole text is learned from at once. New in GPT-2: normalization before the sublayers and once more at
the end, and projections into the sum that begin smaller the more of them there are.

The state's names are those of Hugging Face's GPT-2 for both; its linear weights there are transposed.

Where we deviate: positions of GPT-2 begin as `N(0, 0.02^2)` like everything else, as in Hugging Face's code, in the
published one as `N(0, 0.01^2)`; widths are in PLAN, and GPT-1's extra losses for tasks are left to tasks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from neuropil.attention.cache import KeyValueCache
from neuropil.attention.chance import QuickDropout
from neuropil.attention.heads import AttentionHeads
from neuropil.attention.positions import LearnedPositions, check_context
from neuropil.attention.stretches import Stretches, stretches_of_documents
from neuropil.errors import InputError
from neuropil.nn.activation import TanhGELU
from neuropil.nn.linear import through
from neuropil.sequence_models.tokens import Embedding, checked_ids, positive

__all__ = ["GPT", "GPTSize", "GPTState"]

GPTSize = Literal["nano", "gpt1", "gpt2", "gpt2_medium", "gpt2_large", "gpt2_xl"]

PLAN: dict[str, tuple[int, int, int, int, float]] = {
    "nano": (6, 384, 6, 256, 0.2),
    "gpt1": (12, 768, 12, 512, 0.1),
    "gpt2": (12, 768, 12, 1024, 0.1),
    "gpt2_medium": (24, 1024, 16, 1024, 0.1),
    "gpt2_large": (36, 1280, 20, 1024, 0.1),
    "gpt2_xl": (48, 1600, 25, 1024, 0.1),
}
"""Layers, width, heads, context, dropout. With their vocabularies of 40,478 and 50,257: gpt1 116,534,784 weights, gpt2
124,439,808, gpt2_medium 354,823,168, gpt2_large 774,030,080, gpt2_xl 1,557,611,200."""

DEVIATION = 0.02
"""Of every weight at the beginning, GPT-1 section 4.1."""


@dataclass(frozen=True, slots=True)
class GPTState:
    """What a GPT remembers of the tokens so far.

    Args:
        caches: each layer's keys and values.
    """

    caches: tuple[KeyValueCache, ...]

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return self.caches[0].length

    def select(self, indices: Tensor) -> GPTState:
        """The state whose row i is row `indices[i]` of this one."""
        return GPTState(tuple(cache.select(indices) for cache in self.caches))


class CausalAttention(AttentionHeads):
    """Attention of each token to itself and those before it.

    Shape:
        `[N, T, D]` -> the same.
    """

    def __init__(self, width: int, num_heads: int, dropout: float, bias: bool) -> None:
        super().__init__(width, num_heads, dropout)
        self.c_attn = nn.Linear(width, 3 * width, bias)
        self.c_proj = nn.Linear(width, width, bias)
        self.behind = QuickDropout(dropout)

    def forward(
        self, x: Tensor, stretches: Stretches | None, cache: KeyValueCache | None
    ) -> tuple[Tensor, KeyValueCache | None]:
        """What each token finds, and what is remembered where a cache was given."""
        joined = through(self.c_attn, x)  # [N, T, 3 D]
        if stretches is not None:
            found = self.mix_stretches(joined.flatten(0, 1), stretches, causal=True).view_as(x)
        elif cache is not None:
            query, key, value = map(self.split, joined.chunk(3, 2))
            cache, key, value = cache.extended(key, value)
            found = self.mix(query, key, value, causal=True)
        else:
            found = self.mix_joined(joined, causal=True)
        return self.behind(through(self.c_proj, found)), cache


class GPTFeedForward(nn.Module):
    """Two linear layers with a GELU between, by tanh.

    Shape:
        `[N, T, D]` -> the same.
    """

    def __init__(self, width: int, hidden: int, dropout: float, bias: bool) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden, bias)
        self.act = TanhGELU()
        self.c_proj = nn.Linear(hidden, width, bias)
        self.behind = QuickDropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Both layers."""
        found: Tensor = self.behind(through(self.c_proj, self.act(through(self.c_fc, x))))
        return found


class GPTBlock(nn.Module):
    """Attention and a feed-forward layer, each added to what it read.

    Formula: GPT-2 `x + sublayer(norm(x))`; GPT-1 `norm(x + sublayer(x))`.

    Shape:
        `[N, T, D]` -> the same.
    """

    def __init__(self, width: int, num_heads: int, hidden: int, dropout: float, norm_first: bool, bias: bool) -> None:
        super().__init__()
        self.norm_first = norm_first
        self.ln_1 = nn.LayerNorm(width, bias=bias)
        self.attn = CausalAttention(width, num_heads, dropout, bias)
        self.ln_2 = nn.LayerNorm(width, bias=bias)
        self.mlp = GPTFeedForward(width, hidden, dropout, bias)

    def forward(
        self, x: Tensor, stretches: Stretches | None, cache: KeyValueCache | None
    ) -> tuple[Tensor, KeyValueCache | None]:
        """Both sublayers, and what attention remembers."""
        if self.norm_first:
            found, cache = self.attn(self.ln_1(x), stretches, cache)
            x = x + found
            return x + self.mlp(self.ln_2(x)), cache
        found, cache = self.attn(x, stretches, cache)
        x = self.ln_1(x + found)
        return self.ln_2(x + self.mlp(x)), cache


class GPT(nn.Module):
    """Vectors of tokens and positions, blocks of causal attention, and a logit for every token that may come next.

    Shape:
        int64 `[N, T]`, or `[N, T, 2]` with the number of each token's document beside it -> logits
        `[N, T, num_tokens]`, and the state behind where one was given, otherwise `None`.

    Args:
        num_tokens: V.
        size: layers, width, heads, context and dropout of a published network, see PLAN; each can be overridden.
        context: tokens that are read at most, the text so far included.
        num_layers: blocks.
        width: D.
        num_heads: of each attention.
        hidden: of the feed-forward layers, 4 D if left out.
        dropout: share of the values left out while training: of the vectors, the weights of attention and what each
            sublayer finds.
        norm_first: normalize before the sublayers and at the end (GPT-2), or behind the sublayers (GPT-1).
        bias: of the linear layers and normalizations; nanoGPT has none, and then the state is not Hugging Face's.
        tie: the vectors of the tokens are the weights of the output, too.

    Raises:
        InputError: a number out of its range; on call, ids that do not fit, or more tokens than the context.

    Differs:
        No id is padding: as no token sees what comes behind it, what stands behind a text's end cannot matter.

    Example:
        >>> network = GPT(num_tokens=50, width=16, num_heads=2, num_layers=2).eval()
        >>> network(torch.tensor([[4, 9, 7]]))[0].shape
        torch.Size([1, 3, 50])
        >>> state = network.begin(torch.tensor([[4, 9]]))
        >>> network.step(torch.tensor([7]), state)[0].shape
        torch.Size([1, 50])
    """

    in_shape: tuple[int, ...]

    def __init__(
        self,
        *,
        num_tokens: int,
        size: GPTSize = "nano",
        context: int | None = None,
        num_layers: int | None = None,
        width: int | None = None,
        num_heads: int | None = None,
        hidden: int | None = None,
        dropout: float | None = None,
        norm_first: bool | None = None,
        bias: bool = True,
        tie: bool = True,
    ) -> None:
        super().__init__()
        if size not in PLAN:
            raise InputError(f"there is no GPT of size {size!r}; allowed: {', '.join(PLAN)}")
        planned = PLAN[size]
        layers = planned[0] if num_layers is None else num_layers
        width = planned[1] if width is None else width
        heads = planned[2] if num_heads is None else num_heads
        self.context = planned[3] if context is None else context
        rate = planned[4] if dropout is None else dropout
        hidden = 4 * width if hidden is None else hidden
        self.norm_first = size != "gpt1" if norm_first is None else norm_first
        positive(context=self.context, num_layers=layers, width=width, hidden=hidden)
        self.in_shape = (min(64, self.context),)
        self.tied, self.widths = tie, (width,) * (layers + 1)
        self.transformer = nn.ModuleDict(
            {
                "wte": Embedding(num_tokens, width, padding=False),
                "wpe": LearnedPositions(self.context, width, DEVIATION),
                "drop": QuickDropout(rate),
                "h": nn.ModuleList(
                    GPTBlock(width, heads, hidden, rate, self.norm_first, bias) for _ in range(layers)
                ),
            }
        )  # fmt: skip
        if self.norm_first:
            self.transformer["ln_f"] = nn.LayerNorm(width, bias=bias)
        self.lm_head = nn.Linear(width, num_tokens, bias=False)
        if tie:
            self.lm_head.weight = cast(Embedding, self.transformer["wte"]).weight
        self._begin_weights(layers)

    def _begin_weights(self, layers: int) -> None:
        for name, weight in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(weight)
            elif weight.ndim == 2:
                shrunk = self.norm_first and name.endswith("c_proj.weight")
                nn.init.normal_(weight, std=DEVIATION / math.sqrt(2 * layers) if shrunk else DEVIATION)

    def forward(
        self, ids: Tensor, state: GPTState | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, GPTState | None]:
        """Logits `[N, T, num_tokens]` of what follows each token; the state behind the last where one was given.

        Args:
            ids: of the tokens, with their documents beside them or without.
            state: before the first of them, from `begin` or from here.
            documents: whole numbers `[N, T]`: tokens of other documents are not seen, and positions begin anew.
        """
        found, state = self.hidden(ids, state, documents=documents)
        return through(self.lm_head, found), state

    def hidden(
        self, ids: Tensor, state: GPTState | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, GPTState | None]:
        """What the logits are read from, `[N, T, D]`, and the state; see `forward`."""
        found, state = self._read(ids, state, documents)
        return found[-1], state

    def features(self, ids: Tensor) -> list[Tensor]:
        """The vectors of tokens and positions, and what each block makes of them, the last normalized: `[N, T, D]`."""
        return self._read(ids, None, None, every=True)[0]

    def output_matrix(self) -> tuple[Tensor, None]:
        """What gives logits of `hidden`: weights `[V, D]`, and no biases."""
        return self.lm_head.weight, None

    def begin(self, prompt: Tensor) -> GPTState:
        """What there is to remember behind a text, int64 `[N, T]`; nothing behind an empty one, T = 0.

        Raises:
            InputError: ids that do not fit, or a text longer than the context.
        """
        state = GPTState(tuple(KeyValueCache(self.context) for _ in self._blocks()))
        if prompt.ndim == 2 and not prompt.shape[1] and len(prompt):
            return state
        found = self._read(prompt, state, None)[1]
        return state if found is None else found

    def step(self, ids: Tensor, state: GPTState) -> tuple[Tensor, GPTState]:
        """One token `[N]` further: logits `[N, num_tokens]` of the next.

        Raises:
            InputError: no `[N]`, or the context is full.
        """
        if ids.ndim != 1:
            raise InputError(f"a step reads one token a sequence, [N], but {list(ids.shape)} was given")
        logits, further = self(ids[:, None], state)
        return logits[:, 0], further

    def _read(
        self, ids: Tensor, state: GPTState | None, documents: Tensor | None, *, every: bool = False
    ) -> tuple[list[Tensor], GPTState | None]:
        if ids.ndim == 3 and ids.shape[2] == 2 and documents is None:
            pairs = checked_ids(ids, 3, "[N, T, 2]")
            ids, documents = pairs[..., 0], pairs[..., 1]
        ids = checked_ids(ids, 2, "[N, T] or [N, T, 2]")
        first = 0 if state is None else state.length
        check_context(first + ids.shape[1], self.context)
        wpe, stretches = self.transformer["wpe"], None
        if documents is None:
            positions = wpe(ids.shape[1], first)  # [T, D]
        else:
            stretches = self._stretches(ids, state, documents)
            positions = wpe(_within(documents))  # [N, T, D]
        x: Tensor = self.transformer["drop"](self.transformer["wte"](ids) + positions)
        found, caches = [x], []
        for number, block in enumerate(self._blocks()):
            x, cache = block(x, stretches, None if state is None else state.caches[number])
            caches.append(cache)
            if every:
                found.append(x)
        if self.norm_first:
            x = self.transformer["ln_f"](x)
        return [*(found[:-1] if every else []), x], None if state is None else GPTState(tuple(caches))

    def _blocks(self) -> nn.ModuleList:
        return cast(nn.ModuleList, self.transformer["h"])

    def _stretches(self, ids: Tensor, state: GPTState | None, documents: Tensor) -> Stretches:
        if state is not None:
            raise InputError("documents and a state were given; documents in a row begin anew, so leave one out")
        if documents.shape != ids.shape:
            raise InputError(f"ids are {list(ids.shape)} but their documents {list(documents.shape)}; give both one")
        return stretches_of_documents(documents)


def _within(documents: Tensor) -> Tensor:
    """Each token's place in its document."""
    column = torch.arange(documents.shape[1], device=documents.device).expand_as(documents)
    first = torch.zeros_like(column)
    first[:, 1:] = torch.where(documents[:, 1:] != documents[:, :-1], column[:, 1:], 0)
    return column - first.cummax(1).values
