"""Places of boxes and wires by geometry: nothing overlaps, no wire crosses a box, every edge leads downwards."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest
import torch

from neuropil.errors import InputError
from neuropil.inspection.graph import trace_graph
from neuropil.inspection.small_examples import EXAMPLES
from neuropil.models import create_model
from neuropil.pictures.diagram import Block, Diagram, diagram
from neuropil.pictures.layered import layered, rank_nodes
from neuropil.pictures.network import draw_network
from neuropil.pictures.step import draw_step

Box = tuple[float, float, float, float]
Point = tuple[float, float]


def apart(one: Box, other: Box) -> bool:
    return (
        one[0] + one[2] < other[0] or other[0] + other[2] < one[0]
        or one[1] + one[3] < other[1] or other[1] + other[3] < one[1]
    )  # fmt: skip


def crosses(start: Point, end: Point, box: Box) -> bool:
    """Whether a straight piece, or the box around a bent one, reaches into a box (its frame left out)."""
    left, right = sorted((start[0], end[0]))
    top, bottom = sorted((start[1], end[1]))
    return (
        left < box[0] + box[2] - 0.5 and right > box[0] + 0.5 and top < box[1] + box[3] - 0.5 and bottom > box[1] + 0.5
    )


def check(drawn: Diagram) -> None:
    for one, other in combinations(drawn.boxes, 2):
        assert apart(one, other)
    for left, top, width, height in drawn.boxes:
        assert left >= 0 and top >= 0
        assert left + width <= drawn.picture.width and top + height <= drawn.picture.height
    for segments in drawn.paths.values():
        for points in segments:
            for start, end in pairwise(points):
                assert end[1] >= start[1] - 1e-6, "wires lead downwards"
                assert not any(crosses(start, end, box) for box in drawn.boxes)
    ends = {(a, b) for a in drawn.paths for b in targets(drawn, a)}
    assert ends == drawn.edges


def targets(drawn: Diagram, start: int) -> set[int]:
    """The boxes that a wire arrives at, found by where its pieces end, from the start on."""
    tops = {(round(x + w / 2, 3), round(y, 3)): place for place, (x, y, w, _) in enumerate(drawn.boxes)}
    found = set()
    for points in drawn.paths[start]:
        place = tops.get((round(points[-1][0], 3), round(points[-1][1], 3)))
        if place is not None:
            found.add(place)
    return found


def random_graph(seed: int) -> tuple[list[Block], set[tuple[int, int]]]:
    draw = random.Random(seed)
    count = draw.randint(2, 40)
    blocks = [Block("m" * draw.randint(1, 14), ("line",) * draw.randint(0, 3)) for _ in range(count)]
    edges = {(a, b) for b in range(1, count) for a in draw.sample(range(b), min(b, draw.randint(0, 3)))}
    return blocks, edges


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs(seed: int) -> None:
    blocks, edges = random_graph(seed)
    check(diagram(blocks, edges, "random"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_small_steps(name: str) -> None:
    check(draw_step(EXAMPLES[name].graph()))


@pytest.mark.parametrize("name", ["googlenet", "unet", "shufflenet_v2", "densenet121", "mobilenet_v3_small"])
@pytest.mark.slow
def test_networks(name: str) -> None:
    network = create_model(name)
    side = 572 if name == "unet" else 224
    graph = trace_graph(network, torch.zeros(1, 1 if name == "unet" else 3, side, side))
    check(draw_network(graph))
    check(draw_network(graph, depth=99))


def test_two_crossed_pairs_are_uncrossed() -> None:
    """A ladder whose rungs are given crossed can be drawn without a crossing (Sugiyama's purpose)."""
    layout = layered([(10, 10)] * 6, {(0, 5), (1, 4), (2, 3)})
    order = sorted(range(3), key=lambda item: layout.x[item])
    below = [{0: 5, 1: 4, 2: 3}[item] for item in order]
    assert [layout.x[item] for item in below] == sorted(layout.x[item] for item in below)


def test_ranks_are_longest_ways() -> None:
    """Of a diamond with a long side; a lone start stands just above what it feeds."""
    assert rank_nodes(5, {(0, 1), (1, 2), (0, 3), (2, 3), (4, 3)}) == [0, 1, 2, 3, 2]


def test_the_chain_stands_straight() -> None:
    layout = layered([(30, 10), (80, 10), (10, 10)], {(0, 1), (1, 2)})
    assert max(layout.x) - min(layout.x) < 1e-6


@pytest.mark.parametrize("edges", [{(0, 1), (1, 0)}, {(0, 1), (1, 2), (2, 1)}])
def test_circles_are_refused(edges: set[tuple[int, int]]) -> None:
    with pytest.raises(InputError, match="in a circle"):
        layered([(1, 1)] * 3, edges)


def test_the_check_sees_what_overlaps() -> None:
    drawn = diagram([Block("a"), Block("b"), Block("c")], {(0, 1), (0, 2)}, "three")
    moved = Diagram(drawn.picture, (drawn.boxes[0], drawn.boxes[1], drawn.boxes[1]), drawn.paths, drawn.edges)
    with pytest.raises(AssertionError):
        check(moved)
