"""A line of text into words or characters.

Words are found by one regular expression: numbers with points or commas inside, runs of letters and digits of any
script (with apostrophes inside), and every other sign by itself. Korean so gives its space-separated words; where those
are too rare to be learned, characters (syllables) do better. Texts are first brought to Unicode's composed form (NFC),
so that a syllable or an accented letter is one character however it was typed.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

__all__ = ["Level", "composed", "tokens_of"]

Level = Literal["word", "character"]

WORD = re.compile(r"<unk>|\d+(?:[.,:]\d+)+|\w+(?:['’]\w+)*|[^\w\s]")


def composed(text: str) -> str:
    """The text in Unicode's composed form."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def tokens_of(text: str, level: Level, *, lower: bool = False) -> list[str]:
    """Words and punctuation, or every character (spaces too).

    Args:
        text: one line or more.
        level: `word` or `character`.
        lower: read capital letters as small ones.

    Example:
        >>> tokens_of("Don't pay 3.50, 정말 재밌다.", "word", lower=True)
        ["don't", 'pay', '3.50', ',', '정말', '재밌다', '.']
        >>> tokens_of("재밌다!", "character")
        ['재', '밌', '다', '!']
    """
    text = composed(text.lower() if lower else text)
    return WORD.findall(text) if level == "word" else list(text)
