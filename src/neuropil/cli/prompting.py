"""The options of `neuropil predict RUN --prompt`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

__all__ = ["Prompting"]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Prompting:
    """How a language model goes on with a text.

    Parameters
    ----------
    prompt
        A text for a language model to go on with; - reads it from standard input.
    most
        Tokens that it writes at most, 200 where left out.
    greedy
        The likeliest token at each place, in place of a drawn one.
    temperature
        Below 1 what is drawn keeps to the likelier tokens, above 1 it strays; 1 where left out.
    top_k
        Draw among so many of the likeliest tokens.
    top_p
        Draw among the likeliest tokens that together have this probability.
    repetition_penalty
        Above 1 tokens that were said already become less likely; 1.2 is usual.
    stop
        Stop before this text; may be given several times.
    seed
        Of what is drawn: the same seed, the same text; 0 where left out.
    """

    prompt: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None
    most: int | None = None
    greedy: Annotated[bool | None, Parameter(negative="")] = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    stop: Annotated[tuple[str, ...] | None, Parameter(allow_leading_hyphen=True, negative="")] = None
    seed: int | None = None
