"""From a network that says what may come next to whole sequences: greedy, by chance, and by beam search.

A network is asked through `step(ids, state) -> (logits, state)`, one token a row at a time, and its state can give the
rows of a choice: `state.select(indices)`. `N` sequences, `V` tokens, `B` beams a sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, Self, TypeVar

import torch
from torch import Generator, Tensor

from neuropil.errors import InputError

__all__ = ["Beams", "Decoded", "State", "beam", "check_narrowing", "greedy", "length_penalty", "narrowed", "sample"]

PAD, BEGIN, END = 0, 2, 3
"""Ids that every vocabulary has at these places."""


class State(Protocol):
    """What a network carries from token to token, a row for each sequence."""

    def select(self, indices: Tensor) -> Self:
        """The state whose row i is row `indices[i]` of this one."""
        ...


S = TypeVar("S", bound=State)
Step = Callable[[Tensor, S], tuple[Tensor, S]]
"""`ids [N], state -> (logits [N, V], state)`."""


class Decoded(NamedTuple):
    """Sequences as they were found, without the first token."""

    ids: Tensor
    """int64 `[N, T]`: up to and with the end token, then padding."""
    scores: Tensor
    """`[N]`: the logarithm of each sequence's probability."""


class Beams(NamedTuple):
    """The best sequences of a beam search, best first, without the first token."""

    ids: Tensor
    """int64 `[N, best, T]`: up to and with the end token, then padding."""
    scores: Tensor
    """`[N, best]`: the logarithm of the probability over the length penalty; -inf where there is no further one."""


def greedy(
    step: Step[S], state: S, start: Tensor, *, most: int, end: int = END, never: Sequence[int] = (PAD, BEGIN)
) -> Decoded:
    """The likeliest token at each step, whatever it leads to.

    Args:
        step: asks the network.
        state: before the first token.
        start: int64 `[N]`, the first token of each sequence, which is not part of the answer.
        most: tokens of a sequence at most, 1 or more.
        end: the token that ends a sequence.
        never: tokens that never come; the others share their probability.

    Raises:
        InputError: a number outside its range.

    Example:
        >>> class Memoryless:
        ...     def select(self, indices: Tensor) -> Memoryless:
        ...         return self
        >>> table = torch.eye(6).roll(1, 1)  # after token i comes token i + 1
        >>> start = torch.tensor([4, 0])
        >>> greedy(lambda ids, state: (table[ids], state), Memoryless(), start, most=3, end=5, never=()).ids
        tensor([[5, 0, 0],
                [1, 2, 3]])
    """
    return _walk(step, state, start, lambda logits: logits.argmax(1), most, end, never)


def sample(
    step: Step[S],
    state: S,
    start: Tensor,
    *,
    most: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: Generator | None = None,
    end: int = END,
    never: Sequence[int] = (PAD, BEGIN),
) -> Decoded:
    """Each token drawn by its probability; the scores are those of the network's own probabilities.

    Args:
        step: asks the network.
        state: before the first token.
        start: int64 `[N]`, the first token of each sequence, which is not part of the answer.
        most: tokens of a sequence at most, 1 or more.
        temperature: see `narrowed`.
        top_k: see `narrowed`.
        top_p: see `narrowed`.
        generator: the source of random numbers, on the device of the logits; torch's global one where left out.
        end: the token that ends a sequence.
        never: tokens that never come; the others share their probability.

    Raises:
        InputError: a number outside its range.
    """
    check_narrowing(temperature, top_k, top_p)

    def choose(logits: Tensor) -> Tensor:
        chances = narrowed(logits, temperature=temperature, top_k=top_k, top_p=top_p).softmax(1)
        return chances.multinomial(1, generator=generator)[:, 0]

    return _walk(step, state, start, choose, most, end, never)


def narrowed(
    logits: Tensor, *, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Tensor:
    """Logits `[N, V]` to draw from: sharper or flatter, and -inf at tokens that are left out.

    Source: temperature: Ackley, Hinton and Sejnowski 1985; top-k: Fan, Lewis and Dauphin 2018, section 5.1; top-p
    (nucleus): Holtzman et al. 2020, section 3.1.

    Args:
        logits: `[N, V]`.
        temperature: divides the logits: above 0; towards 0 the likeliest token alone is left, 1 changes nothing.
        top_k: only the k likeliest tokens, and those as likely as the last of them; 1 or more.
        top_p: only the likeliest tokens that together reach this probability, above 0 up to 1; at least one.

    Raises:
        InputError: a number outside its range.

    Example:
        >>> narrowed(torch.tensor([[0.5, 0.3, 0.2]]).log(), top_p=0.7).softmax(1)
        tensor([[0.6250, 0.3750, 0.0000]])
    """
    check_narrowing(temperature, top_k, top_p)
    logits = logits / temperature
    if top_k is not None and top_k < logits.shape[1]:
        logits = logits.masked_fill(logits < logits.topk(top_k, 1).values[:, -1:], -math.inf)
    if top_p is not None and top_p < 1:
        chances, order = logits.softmax(1).sort(dim=1, descending=True, stable=True)
        before = chances.cumsum(1) - chances  # what the likelier ones already reach
        gone = before >= top_p
        gone[:, 0] = False
        logits = logits.masked_fill(torch.zeros_like(gone).scatter_(1, order, gone), -math.inf)
    return logits


def length_penalty(length: int, alpha: float) -> float:
    """What the logarithm of a sequence's probability is divided by, so that long ones stand a chance.

    Source: Wu et al. 2016, "Google's neural machine translation system", equation 14.
    Formula: `((5 + length) / 6) ** alpha`; the end token counts.

    Example:
        >>> length_penalty(1, 0.6), length_penalty(7, 0.0), round(length_penalty(7, 1.0), 6)
        (1.0, 1.0, 2.0)
    """
    return float(((5 + length) / 6) ** alpha)


def beam(
    step: Step[S],
    state: S,
    start: Tensor,
    *,
    width: int,
    most: int,
    alpha: float = 0.6,
    best: int = 1,
    end: int = END,
    never: Sequence[int] = (PAD, BEGIN),
) -> Beams:
    """The sequences of the best score among those that a beam of partial sequences leads to.

    At each step the `width` likeliest partial sequences of every row stay. A sequence is whole at its end token, or is
    cut off at `most` tokens; whole and cut ones are compared by their scores. The search ends when no partial sequence
    could still become better than the `best` whole ones.

    Source: Graves 2012, section 3.2, and Sutskever, Vinyals and Le 2014, section 3.2; the length penalty: Wu et al.
    2016, equation 14.

    Args:
        step: asks the network.
        state: before the first token.
        start: int64 `[N]`, the first token of each sequence, which is not part of the answer.
        width: B; 1 is nearly greedy (another sequence may end on the way), all sequences of a length are the truth.
        most: tokens of a sequence at most, 1 or more.
        alpha: of the length penalty, 0 (none) up.
        best: sequences that come back, 1 to `width`.
        end: the token that ends a sequence.
        never: tokens that never come; the others share their probability.

    Raises:
        InputError: a number outside its range.

    Differs:
        Wu et al. also prune candidates by their distance to the best one and reward coverage; here nothing is pruned
        but by the width. Candidates are the 2 B likeliest, so that B unfinished ones are left, as in tensor2tensor.

    Example:
        >>> class Memoryless:
        ...     def select(self, indices: Tensor) -> Memoryless:
        ...         return self
        >>> chances = torch.tensor([[0, 0.6, 0.4, 0], [0, 0.2, 0.2, 0.6], [0, 0, 0, 1.0], [0, 0, 0, 0]])
        >>> asked, start = lambda ids, state: (chances[ids].log(), state), torch.tensor([0])
        >>> found = beam(asked, Memoryless(), start, width=2, most=3, alpha=0.0, never=())  # 0.4 1.0 beats 0.6 0.6
        >>> found.ids.tolist(), round(found.scores.exp().item(), 4)
        ([[[2, 3]]], 0.4)
    """
    _check_counts(start, most)
    if width < 1 or not 1 <= best <= width:
        raise InputError(
            f"a beam of {width} that gives {best} was asked for; give 1 or more, and no more than its width"
        )
    if not 0 <= alpha < math.inf:
        raise InputError(f"alpha must be finite and at least 0, but {alpha} was given")
    with torch.no_grad():
        return _search(step, state, start, width, most, alpha, best, end, never)


def _search(
    step: Step[S], state: S, start: Tensor, width: int, most: int, alpha: float, best: int, end: int,
    never: Sequence[int],
) -> Beams:  # fmt: skip
    rows, device = len(start), start.device
    base = torch.arange(rows, device=device)[:, None] * width  # of each row's beams
    state = state.select(torch.arange(rows, device=device).repeat_interleave(width))
    last = start.repeat_interleave(width)
    alive_ids = torch.full((rows, width, most), PAD, dtype=torch.int64, device=device)
    whole_ids = alive_ids.clone()
    alive: Tensor | None = None
    for place in range(most):
        logits, state = step(last, state)
        chances = _log_chances(logits, never).view(rows, width, -1)
        if alive is None:  # all beams are one and the same yet
            alive = torch.full((rows, width), -math.inf, dtype=chances.dtype, device=device)
            alive[:, 0] = 0.0
            whole = torch.full_like(alive, -math.inf)
        tokens = chances.shape[2]
        sums = (alive[:, :, None] + chances).flatten(1)
        likeliest = sums.topk(min(2 * width, sums.shape[1]), 1)
        origin, token = likeliest.indices // tokens, likeliest.indices % tokens
        ids = alive_ids.gather(1, origin[:, :, None].expand(-1, -1, most)).clone()
        ids[:, :, place] = token
        ends = (token == end) | (place == most - 1)
        penalty = length_penalty(place + 1, alpha)
        whole, whole_ids, _ = _keep(
            torch.cat([whole, (likeliest.values / penalty).masked_fill(~ends, -math.inf)], 1),
            torch.cat([whole_ids, ids], 1), width,
        )  # fmt: skip
        alive, alive_ids, kept = _keep(likeliest.values.masked_fill(ends, -math.inf), ids, width)
        if bool((alive[:, 0] / length_penalty(most, alpha) <= whole[:, best - 1]).all()):
            break
        state = state.select((base + origin.gather(1, kept)).flatten())
        last = token.gather(1, kept).flatten()
    longest = int((whole_ids[:, :best] != PAD).any(1).any(0).sum()) if PAD in never else place + 1
    return Beams(whole_ids[:, :best, : max(1, longest)], whole[:, :best])


def _keep(scores: Tensor, ids: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best `width` of each row, with what they are and where they stood; filled up where there are fewer."""
    found = scores.topk(min(width, scores.shape[1]), 1)
    values, places = found.values, found.indices
    if (missing := width - values.shape[1]) > 0:
        values = torch.cat([values, values.new_full((len(values), missing), -math.inf)], 1)
        places = torch.cat([places, places[:, :1].expand(-1, missing)], 1)
    return values, ids.gather(1, places[:, :, None].expand(-1, -1, ids.shape[2])), places


def _walk(
    step: Step[S], state: S, start: Tensor, choose: Callable[[Tensor], Tensor], most: int, end: int,
    never: Sequence[int],
) -> Decoded:  # fmt: skip
    """Token after token until every sequence has its end."""
    _check_counts(start, most)
    last, found, scores = start, [], torch.zeros(len(start), device=start.device)
    over = torch.zeros_like(start, dtype=torch.bool)
    with torch.no_grad():
        for _ in range(most):
            logits, state = step(last, state)
            chances = _log_chances(logits, never)
            last = choose(chances)
            score = chances.gather(1, last[:, None])[:, 0]
            scores = scores.to(score) + score.masked_fill(over, 0.0)
            found.append(last.masked_fill(over, PAD))
            over = over | (last == end)
            if bool(over.all()):
                break
    return Decoded(torch.stack(found, 1), scores)


def _log_chances(logits: Tensor, never: Sequence[int]) -> Tensor:
    """Logarithms of the probabilities of those tokens that may come, in float32 at least."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    if never:
        logits = logits.index_fill(1, torch.tensor(never, device=logits.device), -math.inf)
    return logits.log_softmax(1)


def _check_counts(start: Tensor, most: int) -> None:
    if most < 1:
        raise InputError(f"sequences of at most {most} tokens were asked for; give 1 or more")
    if start.ndim != 1 or start.dtype is not torch.int64 or not len(start):
        raise InputError(
            f"the first tokens must be int64 [N], one for each sequence, but {list(start.shape)} of "
            f"{str(start.dtype).removeprefix('torch.')} was given"
        )


def check_narrowing(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Hold the numbers of `narrowed` against their ranges.

    Raises:
        InputError: one is outside of it.
    """
    if not 0 < temperature < math.inf:
        raise InputError(f"temperature must be above 0 and finite, but {temperature} was given; 'greedy' has none")
    if top_k is not None and top_k < 1:
        raise InputError(f"top_k must be 1 or more, but {top_k} was given")
    if top_p is not None and not 0 < top_p <= 1:
        raise InputError(f"top_p must be above 0 and at most 1, but {top_p} was given")
