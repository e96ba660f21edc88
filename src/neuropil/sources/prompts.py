"""Texts for a trained language model to write on: into the numbers that it reads, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from neuropil.corpora.text_coding import TextCoder
from neuropil.data.records import DataInfo
from neuropil.errors import InputError
from neuropil.sequences.pieces import Pieces
from neuropil.sequences.text_files import MAX_LINE
from neuropil.sequences.tokens import composed, tokens_of
from neuropil.sequences.vocabulary import BOS, EOS, PAD, UNKNOWN, Vocabulary

__all__ = ["Prompt", "read_prompt"]

SHOWN = 8
"""Unknown characters or words that a sentence names at most."""

END_OF_TEXT = "<|endoftext|>"
"""How GPT-2's vocabulary calls the token between two texts."""


class Prompt(NamedTuple):
    """A text as a language model reads it, and how its answer becomes text."""

    numbers: tuple[int, ...]
    """Of the text's tokens, one at least."""
    text_of: Callable[[Sequence[int]], str]
    """Numbers as a text."""
    end: int | None
    """The token that ends a text; `None` where texts have no end."""
    never: tuple[int, ...]
    """Tokens that stand for no text."""
    notes: tuple[str, ...] = ()
    """Sentences that the user should read."""


def read_prompt(text: str, info: DataInfo) -> Prompt:
    """A text to go on with, read as the training text was.

    An empty one begins as a text does: behind the token between two texts (subwords), behind a line's end (words and
    characters).

    Args:
        text: of one line or more.
        info: what is known of the training data.

    Raises:
        InputError: data of another kind, a character that the run does not know, or a text too long for one sample.
    """
    saved = info.encoding
    if info.target != "next":
        raise InputError(
            f"a run whose targets are {info.target} does not write on; a prompt is for language models "
            "(model=language_model or model=gpt)"
        )
    if len(text) > MAX_LINE:
        raise InputError(f"the prompt has {len(text):,} characters, at most {MAX_LINE:,} are read; give its end alone")
    if "\0" in text:
        raise InputError("the prompt holds a NUL byte, which no text does; take it out")
    text = composed(text.lower() if saved.get("lower") and "subwords" not in saved else text)
    if "subwords" in saved:
        return _of_subwords(text, info)
    vocabulary = Vocabulary.from_saved(saved.get("vocabulary"), "vocabulary")
    if saved["level"] == "word":
        return _of_words(text, vocabulary)
    return _of_characters(text, vocabulary, documents=bool(saved.get("documents")))


def _of_subwords(text: str, info: DataInfo) -> Prompt:
    pieces = Pieces.from_saved(info.encoding)
    subwords, between, end = pieces.subwords, None, pieces.subwords.specials.get(END_OF_TEXT)
    text_of: Callable[[Sequence[int]], str] = subwords.decode
    if pieces.level == "wordpiece":
        between, end = pieces.special("[SEP]"), None
        text_of = partial(_lines, end=between, decode=subwords.decode)
    numbers = tuple(TextCoder.from_saved(info.encoding).numbers(text).tolist())
    begin = end if between is None else between
    if not numbers and begin is None:
        raise InputError("the prompt is empty, and this run knows no token to begin behind; give a word at least")
    if subwords.unknown is not None and subwords.unknown in numbers:
        raise InputError(f"the prompt {_short(text)!r} holds signs that this run does not know; write it without them")
    silent = {subwords.pad, subwords.unknown, *subwords.specials.values()} - {None, between, end}
    never = tuple(sorted(one for one in silent if one is not None))
    return Prompt(numbers or (begin or 0,), text_of, end, never)


def _of_words(text: str, vocabulary: Vocabulary) -> Prompt:
    rows = [tokens_of(line, "word") for line in text.split("\n")]
    unknown = list(dict.fromkeys(word for row in rows for word in row if word not in vocabulary))
    notes = (f"the run does not know the {_named('word', unknown)}; read as unknown",) if unknown else ()
    numbers: list[int] = []
    for row in rows:
        numbers += [*vocabulary.encode(row).tolist(), EOS]
    text_of = partial(_lines, end=EOS, decode=lambda ids: " ".join(vocabulary.decode(ids)))
    return Prompt(tuple(numbers[:-1]) or (EOS,), text_of, None, (PAD, UNKNOWN, BOS), notes)


def _lines(ids: Sequence[int], end: int, decode: Callable[[Sequence[int]], str]) -> str:
    """The text of each line, and a line feed for the token that ends one."""
    lines: list[list[int]] = [[]]
    for number in ids:
        if number == end:
            lines.append([])
        else:
            lines[-1].append(number)
    return "\n".join(decode(line) for line in lines)


def _of_characters(text: str, vocabulary: Vocabulary, *, documents: bool) -> Prompt:
    if not text and not documents and "\n" not in vocabulary:
        raise InputError("the prompt is empty, and this run knows no line's end to begin behind; give a character")
    if unknown := list(dict.fromkeys(one for one in text if one not in vocabulary)):
        raise InputError(
            f"this run never saw the {_named('character', unknown)} of the prompt, so it cannot go on behind "
            f"{'it' if len(unknown) == 1 else 'them'}; write the prompt without"
        )
    numbers = (EOS,) if documents and not text else tuple(vocabulary.encode(list(text or "\n")).tolist())
    never = (PAD, UNKNOWN, BOS) if documents else (PAD, UNKNOWN, BOS, EOS)
    end = EOS if documents else None
    return Prompt(numbers, lambda ids: "".join(vocabulary.decode(one for one in ids if one != EOS)), end, never)


def _named(noun: str, unknown: Sequence[str]) -> str:
    """`word 'a'`, or `words 'a', 'b' and 7 others`."""
    shown = ", ".join(map(repr, unknown[:SHOWN]))
    more = f" and {len(unknown) - SHOWN} others" if len(unknown) > SHOWN else ""
    return f"{noun}{'' if len(unknown) == 1 else 's'} {shown}{more}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
