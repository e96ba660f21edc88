"""Byte-pair encoding: neighbouring pieces joined, pair by pair, in the order in which training learned the pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

__all__ = ["joined"]

SHORT = 200
"""Pieces of a word that are joined by looking at all of them at each step; longer words need a queue."""

Pair = tuple[int, int]


def joined(word: Sequence[int], ranks: Mapping[Pair, int], made: Sequence[int]) -> list[int]:
    """A word's pieces after all pairs are joined that may be: always the pair learned first, the leftmost of such.

    Source: Sennrich, Haddow and Birch 2016, "Neural machine translation of rare words with subword units", section
    3.2, algorithm 1; Radford et al. 2019, section 2.2.

    Args:
        word: numbers of its pieces, at first its bytes.
        ranks: of each pair, 0 for the one learned first.
        made: number of the piece that the pair of each rank becomes.

    Differs:
        GPT-2's own code joins every pair of a rank before it looks for another. The two differ only where a pair was
        learned before one of its halves; this is the order of `tokenizers`.

    Example:
        >>> joined([0, 0, 1, 0], {(0, 1): 0, (0, 2): 1}, [2, 3])  # a a b a, of ab and then a ab
        [3, 0]
    """
    if len(word) > SHORT:
        return _joined_by_queue(word, ranks, made)
    found, never = list(word), len(made)
    of_pairs = [ranks.get(pair, never) for pair in pairwise(found)]
    while of_pairs and (rank := min(of_pairs)) < never:
        place = of_pairs.index(rank)
        found[place : place + 2] = [made[rank]]
        del of_pairs[place]
        if place:
            of_pairs[place - 1] = ranks.get((found[place - 1], found[place]), never)
        if place < len(of_pairs):
            of_pairs[place] = ranks.get((found[place], found[place + 1]), never)
    return found


def _joined_by_queue(word: Sequence[int], ranks: Mapping[Pair, int], made: Sequence[int]) -> list[int]:
    """The same in `n log n` steps: each piece knows its neighbours, and a queue the pairs, the first to join on top."""
    found, size = list(word), len(word)
    after, before = list(range(1, size + 1)), list(range(-1, size - 1))
    queue = [(ranks[pair], place) for place, pair in enumerate(pairwise(found)) if pair in ranks]
    heapify(queue)
    while queue:
        rank, left = heappop(queue)
        right = after[left]
        if found[left] < 0 or right == size or ranks.get((found[left], found[right])) != rank:
            continue  # one of the two has been joined to another since
        found[left], found[right] = made[rank], -1
        after[left] = after[right]
        if after[left] < size:
            before[after[left]] = left
        for place in (before[left], left):
            if place >= 0 and after[place] < size:
                pair = (found[place], found[after[place]])
                if pair in ranks:
                    heappush(queue, (ranks[pair], place))
    return [one for one in found if one >= 0]
