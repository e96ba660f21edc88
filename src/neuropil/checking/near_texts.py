"""Texts that are nearly the same: sets of words, MinHash in bands, and each candidate compared.

Source: Broder 1997, "On the resemblance and containment of documents".
"""

from __future__ import annotations

import unicodedata
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from neuropil.sequences.tokens import tokens_of

__all__ = ["likeness", "near_texts", "normalised"]

Array = np.ndarray[Any, Any]

ROWS, BANDS = 5, 20
"""Texts of which 82 of 100 different words are common agree in a band with probability 0.9999, of 50: 0.47."""

LEAST_WORDS = 4
"""Shorter texts are alike by chance; they are cut into triples of letters where they are long enough for that."""

LEAST_COMMON = 0.6
"""Likeness of words below which letters are not compared."""

LEAST_AGREEING = 0.5
"""Share of a signature's places, an estimate of common words over all, below which no pair is compared."""

MOST_IN_BUCKET = 50
CHUNK = 50_000


def normalised(text: str) -> str:
    """A text without capitals, punctuation and doubled spaces, in one form of Unicode.

    Example:
        >>> normalised("  Two  DOGS, playing! ")
        'two dogs playing'
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    words = (word for word in tokens_of(plain, "word") if any(sign.isalnum() for sign in word))
    return " ".join(words) or " ".join(plain.split())


def near_texts(texts: Sequence[tuple[str, ...]], least_likeness: float) -> list[tuple[int, int]]:
    """Pairs of texts that are alike, the smaller number first; see `likeness`.

    Args:
        texts: normalised, each of one or more sides.
        least_likeness: from 0 to 1.
    """
    bags = [_bag(sides) for sides in texts]
    wanted = [place for place, bag in enumerate(bags) if bag]
    if len(wanted) < 2:
        return []
    signature = _signatures([bags[place] for place in wanted])
    words = {place: _words(texts[place]) for place in wanted}
    triples: dict[int, frozenset[str]] = {}
    found = []
    for first, second in _candidates(signature).tolist():
        one, other = sorted((wanted[first], wanted[second]))
        common = _dice(words[one], words[other])
        if LEAST_COMMON <= common < least_likeness:
            for place in (one, other):
                if place not in triples:
                    triples[place] = _triples(texts[place])
            common = max(common, _dice(triples[one], triples[other]))
        if common >= least_likeness:
            found.append((one, other))
    return sorted(found)


def _candidates(signature: Array) -> Array:
    """Pairs that agree in a band and in many places of the signature, `[m, 2]`, each once."""
    count = len(signature)
    codes = [np.empty(0, dtype=np.int64)]
    for band in range(BANDS):
        rows = np.ascontiguousarray(signature[:, band * ROWS : (band + 1) * ROWS])
        key = np.unique(rows.view([("", rows.dtype)] * ROWS).ravel(), return_inverse=True)[1]
        order = np.argsort(key, kind="stable")
        ends = np.searchsorted(key[order], key[order], side="right")
        many = np.minimum(ends - np.arange(count) - 1, MOST_IN_BUCKET)
        first = np.repeat(np.arange(count), many)
        second = first + 1 + np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        low, high = np.minimum(order[first], order[second]), np.maximum(order[first], order[second])
        codes.append(np.unique(low * count + high))
    every = np.unique(np.concatenate(codes))
    pairs = np.stack([every // count, every % count], axis=1)
    kept = []
    for at in range(0, len(pairs), CHUNK):
        some = pairs[at : at + CHUNK]
        agreeing = (signature[some[:, 0]] == signature[some[:, 1]]).mean(1)
        kept.append(some[agreeing >= LEAST_AGREEING])
    return np.concatenate(kept) if kept else pairs


def likeness(first: tuple[str, ...], second: tuple[str, ...]) -> float:
    """Twice what two texts have in common over what both have: of words, or of letter triples where that is more.

    Source: Dice 1945, "Measures of the amount of ecologic association between species".

    Example:
        >>> likeness(("a dog runs fast",), ("a dog runs fast today",))
        0.8888888888888888
    """
    words = _dice(_words(first), _words(second))
    if words < LEAST_COMMON:
        return words
    return max(words, _dice(_triples(first), _triples(second)))


def _dice(first: frozenset[str], second: frozenset[str]) -> float:
    both = len(first) + len(second)
    return 2 * len(first & second) / both if both else 0.0


def _numbered(pieces: Iterable[str]) -> frozenset[str]:
    """Pieces of a text, each use of one counted on its own."""
    uses: dict[str, int] = {}
    found = []
    for piece in pieces:
        uses[piece] = again = uses.get(piece, 0) + 1
        found.append(f"{again}{piece}")
    return frozenset(found)


def _words(sides: tuple[str, ...]) -> frozenset[str]:
    return _numbered(f"{place}{word}" for place, side in enumerate(sides) for word in side.split())


def _triples(sides: tuple[str, ...]) -> frozenset[str]:
    padded = (f" {side} " for side in sides)
    return _numbered(f"{n}{one[at : at + 3]}" for n, one in enumerate(padded) for at in range(len(one) - 2))


def _bag(sides: tuple[str, ...]) -> list[int]:
    """What a text is hashed by: its words, numbered where they come again, or letter triples; none of short ones."""
    words = _words(sides)
    if len(words) < LEAST_WORDS * len(sides):
        words = _triples(sides)
        if len(words) < 3 * LEAST_WORDS * len(sides):
            return []
    return [zlib.crc32(word.encode()) for word in words]


def _signatures(bags: Sequence[list[int]]) -> Array:
    """MinHash signatures, uint64 `[n, 100]`.

    Source: Dietzfelbinger et al. 1997, "A reliable randomized algorithm for the closest-pair problem": the upper half
    of a product modulo 2^64.
    """
    generator = np.random.Generator(np.random.Philox(key=7))
    factors = generator.integers(1 << 62, 1 << 63, ROWS * BANDS, dtype=np.uint64) | np.uint64(1)
    shifts = generator.integers(0, 1 << 63, ROWS * BANDS, dtype=np.uint64)
    values = np.array([one for bag in bags for one in bag], dtype=np.uint64)
    sizes = np.array([len(bag) for bag in bags])
    begins = np.cumsum(sizes) - sizes
    columns = [
        np.minimum.reduceat((values * factor + shift) >> np.uint64(32), begins)  # products wrap around
        for factor, shift in zip(factors, shifts, strict=True)
    ]
    return np.stack(columns, axis=1)
