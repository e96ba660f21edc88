"""Places for the boxes of a directed graph: in ranks from top to bottom, with few crossings and no overlap.

Source: Sugiyama, Tagawa and Toda 1981, "Methods for visual understanding of hierarchical system structures"; places by
least squares under least distances (Best and Chakravarti 1990, pool adjacent violators).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from neuropil.errors import InputError

__all__ = ["Layout", "layered", "rank_nodes"]

SWEEPS, PULLS, MORE_PULLS, FEW = 12, 16, 80, 300
BESIDE, BELOW, LANE = 20.0, 26.0, 9.0
"""Pixels between boxes of one rank, between ranks, and beside a wire that passes by."""

Segment = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands. Items are the boxes, then the places where wires pass a rank.

    Args:
        x: centre of each item.
        rank: of each item.
        tops: upper edge of each rank.
        bottoms: lower edge of each rank.
        wires: for each box with an edge, the segments of its wire: pairs of items in adjacent ranks.
        width: of the whole.
        height: of the whole.
    """

    x: tuple[float, ...]
    rank: tuple[int, ...]
    tops: tuple[float, ...]
    bottoms: tuple[float, ...]
    wires: dict[int, list[Segment]]
    width: float
    height: float


def layered(sizes: Sequence[tuple[float, float]], edges: Collection[tuple[int, int]]) -> Layout:
    """Lay out boxes so that every edge leads downwards.

    A box's edges leave as one wire that branches where they part. Between two ranks wires run freely; beside boxes they
    run straight down in lanes of their own, so that no wire crosses a box.

    Args:
        sizes: width and height of each box.
        edges: pairs of boxes.

    Raises:
        InputError: the edges run in a circle.

    Example:
        >>> layout = layered([(10, 10)] * 3, {(0, 1), (0, 2)})
        >>> layout.rank, layout.x[0] == (layout.x[1] + layout.x[2]) / 2
        ((0, 1, 1), True)
    """
    if not sizes:
        return Layout((), (), (), (), {}, 0.0, 0.0)
    rank = rank_nodes(len(sizes), edges)
    wires, rank = _wires(rank, edges)
    widths = [size[0] for size in sizes] + [LANE] * (len(rank) - len(sizes))
    ranks = _ordered(rank, [segment for wire in wires.values() for segment in wire])
    x = _places(ranks, widths, wires, len(sizes))
    left = min(x[i] - widths[i] / 2 for i in range(len(x)))
    right = max(x[i] + widths[i] / 2 for i in range(len(x)))
    tops, bottoms, y = [], [], 0.0
    for row in ranks:
        tall = max((sizes[item][1] for item in row if item < len(sizes)), default=0.0)
        crowded = min(60.0, 1.2 * sum(item < len(sizes) for item in row))
        tops.append(y)
        bottoms.append(y + tall)
        y += tall + BELOW + crowded
    return Layout(
        tuple(one - left for one in x), tuple(rank), tuple(tops), tuple(bottoms), wires, right - left, bottoms[-1]
    )


def rank_nodes(count: int, edges: Collection[tuple[int, int]]) -> list[int]:
    """The rank of each box: below all that lead to it; boxes that nothing leads to stand just above what they feed.

    Raises:
        InputError: the edges run in a circle.

    Example:
        >>> rank_nodes(4, {(0, 1), (1, 2), (3, 2)})
        [0, 1, 2, 1]
    """
    after: defaultdict[int, list[int]] = defaultdict(list)
    waits = [0] * count
    for start, end in edges:
        after[start].append(end)
        waits[end] += 1
    fed = list(waits)
    rank, ready, done = [0] * count, deque(i for i in range(count) if not waits[i]), 0
    while ready:
        node = ready.popleft()
        done += 1
        for other in after[node]:
            rank[other] = max(rank[other], rank[node] + 1)
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    if done < count:
        raise InputError("the edges run in a circle, so they cannot all lead downwards; leave one of them out")
    for node in range(count):
        if not fed[node] and after[node]:
            rank[node] = min(rank[other] for other in after[node]) - 1
    return rank


def _wires(rank: list[int], edges: Collection[tuple[int, int]]) -> tuple[dict[int, list[Segment]], list[int]]:
    """For each box one wire: a trunk through the ranks that it passes, with a branch to each target."""
    rank = list(rank)
    targets: defaultdict[int, list[int]] = defaultdict(list)
    for start, end in sorted(edges):
        targets[start].append(end)
    wires = {}
    for start, ends in targets.items():
        below = rank[start] + 1
        trunk, deepest = {rank[start]: start}, max(rank[end] for end in ends)
        segments = []
        for row in range(below, deepest):
            rank.append(row)
            trunk[row] = len(rank) - 1
            segments.append((trunk[row - 1], trunk[row]))
        wires[start] = segments + [(trunk[rank[end] - 1], end) for end in ends]
    return wires, rank


def _ordered(rank: Sequence[int], segments: Sequence[Segment]) -> list[list[int]]:
    """The items of each rank from left to right: the best of some sweeps by the mean place of neighbours."""
    above: defaultdict[int, list[int]] = defaultdict(list)
    below: defaultdict[int, list[int]] = defaultdict(list)
    for start, end in segments:
        below[start].append(end)
        above[end].append(start)
    ranks: list[list[int]] = [[] for _ in range(max(rank) + 1)]
    seen: set[int] = set()
    for first in range(len(rank)):  # depth first: what hangs together begins together
        waiting = [first]
        while waiting:
            item = waiting.pop()
            if item not in seen:
                seen.add(item)
                ranks[rank[item]].append(item)
                waiting += reversed(below[item])
    best, fewest = [list(row) for row in ranks], _crossings(ranks, below)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        neighbours = above if down else below
        for row in range(1, len(ranks)) if down else range(len(ranks) - 2, -1, -1):
            fixed = {item: place for place, item in enumerate(ranks[row - 1 if down else row + 1])}
            ranks[row] = _by_mean(ranks[row], neighbours, fixed)
        if (count := _crossings(ranks, below)) < fewest:
            best, fewest = [list(row) for row in ranks], count
    return best


def _by_mean(row: list[int], neighbours: dict[int, list[int]], fixed: dict[int, int]) -> list[int]:
    """The row sorted by the mean place of each item's neighbours; items without any keep their place."""
    wish = {}
    for place, item in enumerate(row):
        places = [fixed[one] for one in neighbours[item]]
        wish[item] = sum(places) / len(places) if places else float(place)
    return sorted(row, key=lambda item: wish[item])


def _crossings(ranks: Sequence[Sequence[int]], below: dict[int, list[int]]) -> int:
    """How many pairs of segments cross."""
    count = 0
    for upper, lower in pairwise(ranks):
        place = {item: number for number, item in enumerate(lower)}
        ends: list[int] = []
        for item in upper:
            mine = sorted(place[one] for one in below[item])
            for end in mine:
                count += len(ends) - bisect_right(ends, end)
            for end in mine:
                insort(ends, end)
    return count


def _places(
    ranks: Sequence[Sequence[int]], widths: Sequence[float], wires: dict[int, list[Segment]], boxes: int
) -> list[float]:
    """Centres that lie near those of their neighbours and keep their distances."""
    links: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for wire in wires.values():
        for start, end in wire:
            stiff = 8.0 if start >= boxes and end >= boxes else 2.0 if start >= boxes or end >= boxes else 1.0
            links[start].append((end, stiff))
            links[end].append((start, stiff))
    x = [0.0] * len(widths)
    for row in ranks:
        at = 0.0
        for item in row:
            x[item] = at + widths[item] / 2
            at += widths[item] + BESIDE
        for item in row:
            x[item] -= (at - BESIDE) / 2
    for pull in range(MORE_PULLS if len(widths) <= FEW else PULLS):
        for row in ranks if pull % 2 == 0 else reversed(ranks):
            wish, weight = [], []
            for item in row:
                stiff = sum(one for _, one in links[item])
                wish.append(sum(x[other] * one for other, one in links[item]) / stiff if stiff else x[item])
                weight.append(stiff or 0.1)
            for item, place in zip(row, _apart(wish, weight, [widths[item] for item in row]), strict=True):
                x[item] = place
    return x


def _apart(wish: Sequence[float], weight: Sequence[float], widths: Sequence[float]) -> list[float]:
    """The places nearest to those wished for (by weighted squares) at which neighbours keep their distance."""
    offsets = [0.0]
    for left, right in pairwise(widths):
        gap = BESIDE if left > LANE and right > LANE else LANE
        offsets.append(offsets[-1] + (left + right) / 2 + gap)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for place, heavy, offset in zip(wish, weight, offsets, strict=True):
        mean, total, count = place - offset, heavy, 1
        while pools and pools[-1][0] > mean:
            before, mass, many = pools.pop()
            mean, total, count = (mean * total + before * mass) / (total + mass), total + mass, count + many
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]
