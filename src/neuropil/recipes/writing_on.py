"""What a run of a language model writes behind a prompt, piece by piece."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from neuropil.errors import InputError
from neuropil.recipes.signature import DataSignature
from neuropil.recurrent.generation import Manner, write_on
from neuropil.registry import checked_options
from neuropil.sources.prompts import read_prompt

__all__ = ["Continuation", "continuation", "prompt_of"]


class Continuation(NamedTuple):
    """A text that is being written."""

    prompt: str
    pieces: Iterator[str]
    """What stands behind the prompt; each piece is whole characters, and is written when it is asked for."""
    notes: tuple[str, ...]
    """Sentences that the user should read."""


def prompt_of(word: str) -> str:
    """The prompt that a word of the command line stands for: itself, or for `-` what standard input holds.

    The line's end behind piped text is no part of the prompt.

    Raises:
        InputError: standard input is no UTF-8 text.
    """
    if word != "-":
        return word
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise InputError("standard input is no UTF-8 text; pipe the prompt in as UTF-8") from error


def continuation(model: nn.Module, signature: DataSignature, prompt: str, options: Mapping[str, Any]) -> Continuation:
    """Begin to write behind a prompt.

    Args:
        model: the trained network, in evaluation mode.
        signature: of its training data.
        prompt: the text to go on with.
        options: see `neuropil.recurrent.generation.Manner`.

    Raises:
        InputError: an option that is unknown or out of its range, a run of another kind, or a prompt that cannot be
            read: too long, or with characters that training never saw.
    """
    manner = Manner(**checked_options(Manner, options, where="writing on"))
    if not isinstance(prompt, str):
        raise InputError(f"a prompt is a text, but {prompt!r} was given")
    read = read_prompt(prompt, signature.info("the prompt"))
    if not callable(getattr(model, "begin", None)):
        raise InputError(f"{type(model).__name__} says what comes next but cannot write on; use model=language_model")
    device = next(model.parameters()).device
    pieces = write_on(
        model,  # type: ignore[arg-type]
        torch.tensor(read.numbers, dtype=torch.int64, device=device),
        manner,
        read.text_of,
        end=read.end,
        never=read.never,
    )
    return Continuation(prompt, pieces, read.notes)
