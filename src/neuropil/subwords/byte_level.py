"""Texts as visible bytes, and the words that GPT-2 cuts them into before any pieces are joined."""

from __future__ import annotations

import re
from functools import cache

from neuropil.errors import InputError
from neuropil.subwords.characters import LETTERS, NUMBERS, SPACES, character_class, is_wide

__all__ = ["BYTE_LETTERS", "LETTER_BYTES", "byte_words", "shown", "utf8"]


def _byte_letters() -> tuple[str, ...]:
    visible = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    hidden = [one for one in range(256) if one not in visible]
    return tuple(chr(one) if one in visible else chr(256 + hidden.index(one)) for one in range(256))


BYTE_LETTERS = _byte_letters()
"""A visible character for each byte: its own where it has one, the next from 256 on where not (a space is Ġ)."""

LETTER_BYTES = {letter: number for number, letter in enumerate(BYTE_LETTERS)}


def shown(text: str) -> str:
    r"""A text's UTF-8 bytes, each as a visible character.

    Source: Radford et al. 2019, "Language models are unsupervised multitask learners", section 2.2;
    `bytes_to_unicode` of the code that came with it.

    Raises:
        InputError: half a surrogate pair, which is no text.

    Example:
        >>> shown(" é\n")
        'ĠÃ©Ċ'
    """
    return "".join([BYTE_LETTERS[one] for one in utf8(text)])


def utf8(text: str) -> bytes:
    r"""A text's bytes.

    Raises:
        InputError: half a surrogate pair, which is no text.

    Example:
        >>> utf8("é")
        b'\xc3\xa9'
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        half = ord(text[error.start])
        raise InputError(
            f"character {error.start} of the text is half a surrogate pair (U+{half:04X}), which has no bytes; "
            "read the file as UTF-8, or replace it"
        ) from None


def byte_words(text: str) -> list[str]:
    r"""A text cut so that letters, numbers, other marks and white space stand apart; nothing is lost.

    A space before a word belongs to it. Of more white space the last character goes with the next word if it is a
    space, else it stands alone. English endings (`'s 't 're 've 'm 'll 'd`, in small letters) stand apart.

    Source: Radford et al. 2019, section 2.2, and the pattern of the code that came with it.

    Formula: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

    Differs:
        Classes of characters are those of Unicode 16, as in `tokenizers`, on every version of Python.

    Example:
        >>> byte_words("It's  2019: a year!\n")
        ['It', "'s", ' ', ' 2019', ':', ' a', ' year', '!', '\n']
    """
    words: list[str] = _word_pattern(is_wide(text)).findall(text)
    return words


@cache
def _word_pattern(wide: bool) -> re.Pattern[str]:
    r"""The formula above without `\p`, made when it is first needed."""
    letters, numbers = (character_class(table, wide=wide) for table in (LETTERS, NUMBERS))
    spaces = character_class(SPACES, wide=wide)
    return re.compile(
        f"'(?:[stmd]|re|ve|ll)| ?[{letters}]+| ?[{numbers}]+| ?[^{spaces}{letters}{numbers}]+"
        f"|[{spaces}]+(?![^{spaces}])|[{spaces}]+"
    )
