"""BERT's basic tokenizer: a text into words and marks of punctuation, before they are cut into pieces."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from neuropil.subwords.characters import (
    CHINESE,
    LATER_CAPITALS,
    MARKS,
    MOVING,
    PUNCTUATION,
    REMOVED,
    SPACES,
    character_class,
    decomposed,
    is_wide,
)

__all__ = ["basic_words"]


def basic_words(text: str, *, lower: bool = True, strip_accents: bool | None = None, chinese: bool = True) -> list[str]:
    """A text's words and marks, in order.

    Control characters go; Chinese characters stand apart; accents go; capital letters become small ones; then the text
    is cut at white space and around every mark of punctuation.

    Source: Devlin et al. 2019, "BERT", section 3, and `BasicTokenizer` of the code that came with it.

    Args:
        text: any.
        lower: capital letters as small ones.
        strip_accents: take accents off their letters; left out: where letters become small, as the paper's code does.
        chinese: set each Chinese character apart.

    Differs:
        Order and Unicode tables are those of `tokenizers`, see `neuropil.subwords.characters`: accents go before
        letters become small (Devlin et al.: after), and a Σ at the end of a word becomes σ as everywhere (Python's ς).
        Hangul falls into its letters where accents go, as there: the decomposition takes both apart.

    Example:
        >>> basic_words("Élan vital, 漢字!"), basic_words("Élan", lower=False)
        (['elan', 'vital', ',', '漢', '字', '!'], ['Élan'])
    """
    if text.isascii() and text.isprintable():  # most texts; no other rule applies
        return ASCII_WORDS.findall(text.lower() if lower else text)
    strip_accents = lower if strip_accents is None else strip_accents
    if HANGUL.fullmatch(text):  # most Korean ones; of the other rules, only that Hangul falls into its letters
        text = decomposed(text) if strip_accents else text
        return HANGUL_WORDS.findall(text.lower() if lower else text)
    patterns = _patterns(is_wide(text))
    text = patterns.removed.sub("", text)
    if chinese:
        text = patterns.chinese.sub(r" \g<0> ", text)
    if strip_accents:
        text = patterns.moving.sub(lambda run: decomposed(run[0]), text)
        text = patterns.marks.sub("", text)
    if lower:
        text = patterns.later.sub(lambda capital: chr(LATER_CAPITALS[ord(capital[0])]), text.replace("Σ", "σ")).lower()
    return patterns.words.findall(text)


ASCII_WORDS = re.compile("[0-9A-Za-z]+|[^0-9A-Za-z ]")

HANGUL = re.compile("[ -~\uac00-\ud7a3]+")
"""Syllables of Hangul, and what of ASCII can be printed."""

HANGUL_WORDS = re.compile("[0-9A-Za-z\u1100-\u11ff\uac00-\ud7a3]+|[^0-9A-Za-z\u1100-\u11ff\uac00-\ud7a3 ]")
"""Words of those; Hangul as syllables or, fallen apart, as letters."""


class _Patterns(NamedTuple):
    removed: re.Pattern[str]
    chinese: re.Pattern[str]
    moving: re.Pattern[str]
    marks: re.Pattern[str]
    later: re.Pattern[str]
    words: re.Pattern[str]


@cache
def _patterns(wide: bool) -> _Patterns:
    """The rules as regular expressions, made when they are first needed."""

    def inside(*tables: str) -> str:
        return character_class(*tables, wide=wide)

    return _Patterns(
        removed=re.compile(f"[{inside(REMOVED)}]+"),
        chinese=re.compile(f"[{inside(CHINESE)}]"),
        moving=re.compile(f"[{inside(MOVING)}]+"),
        marks=re.compile(f"[{inside(MARKS)}]+"),
        later=re.compile(f"[{inside(' '.join(f'{one:x}' for one in LATER_CAPITALS))}]"),
        words=re.compile(f"[{inside(PUNCTUATION)}]|[^{inside(PUNCTUATION, SPACES)}]+"),
    )
