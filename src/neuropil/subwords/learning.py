"""How pieces are learned, to read: count neighbouring pieces, join the most frequent two, and again.

The same as `neuropil.subwords.training` in a page, and slow: all is counted anew for each piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

from neuropil.subwords.byte_level import BYTE_LETTERS
from neuropil.subwords.wordpiece import CONTINUES

__all__ = ["Learned", "learn_byte_pairs", "learn_wordpiece", "word_pieces"]


class Learned(NamedTuple):
    """What a vocabulary is made of."""

    entries: list[str]
    merges: list[tuple[str, str]]


def learn_wordpiece(
    words: Mapping[str, int], *, size: int, least_count: int = 2, specials: tuple[str, ...] = ()
) -> Learned:
    """Pieces of words, at first their characters, of which those inside a word begin with `##`.

    Source: Schuster and Nakajima 2012, "Japanese and Korean voice search", section 3.1; the pairs by their counts:
    Sennrich, Haddow and Birch 2016, algorithm 1.

    Args:
        words: how often each word occurs.
        size: entries at most; no pair is joined where the characters are as many.
        least_count: pairs that occur less often are not joined.
        specials: entries that come first.

    Differs:
        Schuster and Nakajima join the pair that makes the text likeliest, and BERT's own trainer was never published;
        here, as in `tokenizers`, it is the most frequent pair. Of pairs as frequent, the one whose left piece, then
        whose right piece, came into the vocabulary first.

    Example:
        >>> learn_wordpiece({"hug": 10, "pug": 5, "hugs": 5}, size=9).entries
        ['g', 'h', 'p', 's', 'u', '##g', '##s', '##u', '##ug']
    """
    cut = {word: word_pieces(word) for word in words}
    entries = [*specials, *sorted({one for word in words for one in word})]
    entries += sorted({piece for pieces in cut.values() for piece in pieces[1:]})
    return _learned({cut[word]: count for word, count in words.items()}, entries, size, least_count, _without_prefix)


def learn_byte_pairs(
    words: Mapping[str, int], *, size: int, least_count: int = 2, specials: tuple[str, ...] = ()
) -> Learned:
    """Pieces of bytes, at first the 256 bytes themselves.

    Source: Sennrich, Haddow and Birch 2016, section 3.2, algorithm 1; bytes: Radford et al. 2019, section 2.2.

    Args:
        words: how often each word occurs, as `neuropil.subwords.byte_level.shown` writes it.
        size: entries at most, the 256 bytes and special ones among them.
        least_count: pairs that occur less often are not joined.
        specials: entries that come first.

    Differs:
        Of pairs as frequent, the one whose left piece, then whose right piece, came into the vocabulary first, as in
        `tokenizers`; Sennrich et al. leave it open.

    Example:
        >>> learn_byte_pairs({"low": 5, "lower": 2, "newest": 6, "widest": 3}, size=260).merges
        [('e', 's'), ('es', 't'), ('l', 'o'), ('lo', 'w')]
    """
    entries = [*specials, *sorted(BYTE_LETTERS)]
    return _learned({tuple(word): count for word, count in words.items()}, entries, size, least_count, str.__add__)


def word_pieces(word: str) -> tuple[str, ...]:
    """The characters of a word, as pieces.

    Example:
        >>> word_pieces("hug")
        ('h', '##u', '##g')
    """
    return (*word[:1], *(CONTINUES + one for one in word[1:]))


def _without_prefix(left: str, right: str) -> str:
    return left + right.removeprefix(CONTINUES)


def _learned(
    words: dict[tuple[str, ...], int],
    entries: list[str],
    size: int,
    least_count: int,
    join: Callable[[str, str], str],
) -> Learned:
    """Join the most frequent pair until there are `size` entries, or no pair is frequent enough."""
    numbers = {one: number for number, one in enumerate(entries)}
    merges = []
    while len(numbers) < size:
        counts: Counter[tuple[str, str]] = Counter()
        for pieces, count in words.items():
            for pair in pairwise(pieces):
                counts[pair] += count
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], numbers[pair[0]], numbers[pair[1]]))
        if counts[best] < max(1, least_count):
            break
        made = join(*best)
        numbers.setdefault(made, len(numbers))
        merges.append(best)
        words = {_with(pieces, best, made): count for pieces, count in words.items()}
    return Learned(list(numbers), merges)


def _with(pieces: tuple[str, ...], pair: tuple[str, str], made: str) -> tuple[str, ...]:
    """The pieces of a word after a pair is joined everywhere, from the left."""
    found: list[str] = []
    place = 0
    while place < len(pieces):
        if pieces[place : place + 2] == pair:
            found.append(made)
            place += 2
        else:
            found.append(pieces[place])
            place += 1
    return tuple(found)
