"""One text written on, token by token, and handed out in whole characters as it grows.

A network is asked as in `decoding`: `begin(prompt [1, T]) -> state`, `step(ids [1], state) -> (logits [1, V], state)`.
One that has a `context` reads so many tokens at most; where they are used up, the later half of them is read anew and
the writing goes on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from neuropil.errors import InputError
from neuropil.recurrent.decoding import check_narrowing, narrowed

__all__ = ["Manner", "WholeText", "Writes", "less_repeated", "tokens_behind", "until_stop", "write_on"]


class Writes(Protocol):
    """What a network offers that can write on."""

    def begin(self, prompt: Tensor) -> Any:
        """The state behind a text, int64 `[N, T]`; of an empty one, T = 0, that before any text."""
        ...

    def step(self, ids: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One token `[N]` further: logits `[N, V]` of the next."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a text is written on.

    Args:
        most: tokens at most, 1 or more.
        greedy: the likeliest token at each place; nothing is drawn.
        temperature: see `neuropil.recurrent.decoding.narrowed`.
        top_k: see there.
        top_p: see there.
        repetition_penalty: see `less_repeated`; 1 changes nothing.
        stop: the text ends before the first of these strings that it would hold.
        seed: of what is drawn; the same seed gives the same text.

    Raises:
        InputError: a number out of its range, an empty string to stop at, or a choice among tokens beside `greedy`.
    """

    most: int = 200
    greedy: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.most < 1:
            raise InputError(f"a text of at most {self.most} tokens was asked for; give 1 or more")
        check_narrowing(self.temperature, self.top_k, self.top_p)
        _check_penalty(self.repetition_penalty)
        if self.greedy and (self.temperature != 1 or self.top_k is not None or self.top_p is not None):
            raise InputError(
                "greedy always takes the likeliest token, so temperature, top_k and top_p would do nothing; leave "
                "them out, or leave greedy out"
            )
        if not isinstance(self.stop, tuple | list) or not all(isinstance(one, str) and one for one in self.stop):
            raise InputError(f"stop is a list of texts, none of them empty, but {self.stop!r} was given")
        if not 0 <= self.seed < 1 << 63:
            raise InputError(f"a seed is a whole number from 0 to 2**63 - 1, but {self.seed} was given")


def less_repeated(logits: Tensor, said: Tensor, penalty: float) -> Tensor:
    """Logits in which tokens that were said already are less likely.

    Source:
        Keskar et al. 2019, "CTRL: a conditional transformer language model for controllable generation", section 4.1.

    Formula:
        z_i / penalty where token i was said and z_i is above 0, z_i times penalty where it was said and z_i is below;
        the others stay.

    Shape: logits `[N, V]`, said int64 `[N, T]` -> `[N, V]`.

    Args:
        logits: as the network gives them.
        said: the tokens of each row so far, the prompt's too.
        penalty: above 0; 1 changes nothing, the paper takes 1.2.

    Raises:
        InputError: a penalty out of its range.

    Differs:
        The paper divides every logit, which makes a said token of a negative one more likely; negative ones are
        multiplied here, as in the authors' later code and elsewhere.

    Example:
        >>> less_repeated(torch.tensor([[2.0, -2.0, 1.0]]), torch.tensor([[0, 1, 1]]), 2.0)
        tensor([[ 1., -4.,  1.]])
    """
    _check_penalty(penalty)
    if penalty == 1 or not said.shape[1]:
        return logits
    found = logits.gather(1, said)
    return logits.scatter(1, said, torch.where(found < 0, found * penalty, found / penalty))


def _check_penalty(penalty: float) -> None:
    if not 0 < penalty < math.inf:
        raise InputError(
            f"repetition_penalty must be above 0 and finite, but {penalty} was given; 1 is none, 1.2 is usual"
        )


def tokens_behind(
    network: Writes, prompt: Tensor, manner: Manner, *, end: int | None = None, never: Sequence[int] = ()
) -> Iterator[int]:
    """The tokens behind a prompt, one after another; the end token is not among them.

    Repeated tokens are made less likely first, then come temperature, top-k and top-p, as in `transformers`.

    Args:
        network: in evaluation mode.
        prompt: int64 `[T]`, one token or more.
        manner: how to choose; its `stop` is for texts, see `write_on`.
        end: the token that ends a text.
        never: tokens that never come; the others share their probability.

    Raises:
        InputError: an empty prompt, or one that is longer than the network's context.
    """
    if prompt.ndim != 1 or not len(prompt):
        raise InputError(f"a prompt is ids [T], one at least, but {list(prompt.shape)} was given")
    context = getattr(network, "context", None)
    if context is not None and len(prompt) > context:
        raise InputError(
            f"the prompt has {len(prompt):,} tokens, but this network reads {context:,} at most; give a shorter one"
        )
    return _tokens(network, prompt, manner, context, end, list(never))


def _tokens(
    network: Writes, prompt: Tensor, manner: Manner, context: int | None, end: int | None, never: list[int]
) -> Iterator[int]:
    generator = Generator(prompt.device).manual_seed(manner.seed)
    said = prompt[None]
    state, read = None, 0
    for _ in range(manner.most):
        with torch.inference_mode():
            if state is None or read == context:
                recent = said if state is None else said[:, -max(1, read // 2) :]
                state, read = network.begin(recent[:, :-1]), recent.shape[1] - 1
            logits, state = network.step(said[:, -1], state)
            read += 1
            token = _chosen(logits, said, manner, never, generator)
            if token == end:
                return
            said = torch.cat([said, said.new_tensor([[token]])], 1)
        yield token


def _chosen(logits: Tensor, said: Tensor, manner: Manner, never: list[int], generator: Generator) -> int:
    """The next token of one text."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logits = less_repeated(logits, said, manner.repetition_penalty)
    if never:
        logits = logits.index_fill(1, torch.tensor(never, device=logits.device), -math.inf)
    if manner.greedy:
        return int(logits.argmax(1))
    logits = narrowed(logits, temperature=manner.temperature, top_k=manner.top_k, top_p=manner.top_p)
    return int(logits.softmax(1).multinomial(1, generator=generator))


class WholeText:
    """Tokens into text as they come, held back where a character is not whole yet.

    Args:
        text_of: ids as a text. Bytes that make no character are U+FFFD in it.
        before: ids in front, which are in no answer; they decide what stands between them and the first new one.

    Example:
        >>> piece = {0: b"ga", 1: bytes([0xC3]), 2: bytes([0xA9])}
        >>> whole = WholeText(lambda ids: b"".join(piece[one] for one in ids).decode(errors="replace"))
        >>> [whole.add(one) for one in (0, 1, 2)], whole.rest()
        (['ga', '', 'é'], '')
    """

    def __init__(self, text_of: Callable[[Sequence[int]], str], before: Sequence[int] = ()) -> None:
        self._text_of = text_of
        self._shown = list(before)  # ids whose text was handed out, as many as the next ones may lean on
        self._held: list[int] = []

    def add(self, token: int) -> str:
        """What one more token makes of the text; empty where that is no whole character yet."""
        self._held.append(token)
        return self._new(whole=True)

    def rest(self) -> str:
        """What is still held back."""
        return self._new(whole=False) if self._held else ""

    def _new(self, *, whole: bool) -> str:
        text = self._text_of([*self._shown, *self._held])
        if whole and text.endswith("\ufffd"):
            return ""
        new = text[len(self._text_of(self._shown)) :] if self._shown else text
        self._shown, self._held = self._held, []
        return new


def until_stop(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    r"""Pieces of a text up to the first of some strings, which may lie across several of them.

    What could be the beginning of such a string is held back until it is none.

    Args:
        pieces: of the text.
        stop: strings; none of them comes back, nor what is behind it.

    Example:
        >>> list(until_stop(["To be", " or\n", "\nnot"], ["\n\n"]))
        ['To be', ' or']
    """
    held = ""
    for piece in pieces:
        held += piece
        places = [place for one in stop if (place := held.find(one)) >= 0]
        if places:
            if min(places):
                yield held[: min(places)]
            return
        keep = max((_begun(held, one) for one in stop), default=0)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held


def _begun(text: str, stop: str) -> int:
    """How many of a text's last characters are the first ones of a string."""
    most = min(len(text), len(stop) - 1)
    return next((count for count in range(most, 0, -1) if text.endswith(stop[:count])), 0)


def write_on(
    network: Writes,
    prompt: Tensor,
    manner: Manner,
    text_of: Callable[[Sequence[int]], str],
    *,
    end: int | None = None,
    never: Sequence[int] = (),
) -> Iterator[str]:
    """The text behind a prompt, piece by piece as it is written.

    Args:
        network: in evaluation mode.
        prompt: int64 `[T]`, one token or more.
        manner: how to choose, and when to stop.
        text_of: ids as a text.
        end: the token that ends a text.
        never: tokens that never come.

    Raises:
        InputError: an empty prompt, or one that is longer than the network's context.
    """
    tokens = tokens_behind(network, prompt, manner, end=end, never=never)
    return until_stop(_pieces(tokens, WholeText(text_of, prompt[-1:].tolist())), manner.stop)


def _pieces(tokens: Iterator[int], whole: WholeText) -> Iterator[str]:
    for token in tokens:
        if piece := whole.add(token):
            yield piece
    if rest := whole.rest():
        yield rest
