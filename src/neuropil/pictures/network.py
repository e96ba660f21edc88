"""A network as blocks with shapes; what is large folds into groups, by module path, that open by a click."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, replace

from neuropil.drawing.svg import Picture
from neuropil.drawing.wording import number
from neuropil.errors import InputError
from neuropil.inspection.graph import Graph, Node
from neuropil.pictures.diagram import Block, Diagram, diagram
from neuropil.pictures.page import Fold, Page

__all__ = ["draw_network", "network_page"]

MANY = 44
"""Blocks above which a picture folds deeper groups."""

COLOURS = (
    (("conv",), 1), (("linear", "embedding", "multihead", "attention"), 2), (("pool", "subsampl"), 3),
    (("norm",), 4), (("rnn", "lstm", "gru"), 5), (("relu", "sigmoid", "tanh", "swish", "elu", "softmax"), 6),
)  # fmt: skip
WORDS = {
    "add": "+", "mul": "×", "sub": "−", "div": "÷", "cat": "join", "view": "reshape", "mm": "matrix product",
    "bmm": "matrix products", "addmm": "matrix product, +", "t": "turn", "transpose": "turn", "permute": "turn",
    "constant_pad_nd": "pad", "split": "part", "slice": "part", "select": "part", "clone": "copy", "to_copy": "convert",
}  # fmt: skip

Identity = tuple[Hashable, ...]


def draw_network(graph: Graph, *, depth: int | None = None) -> Diagram:
    """The whole network in one picture.

    Args:
        graph: of `trace_graph`.
        depth: names of a module path that are told apart; groups below are one block. Left out, the most at which
            about forty blocks are seen; a large one shows everything.

    Raises:
        InputError: a depth below 1.

    Example:
        >>> graph = Graph("Net", (Node((), "input"), Node(("fc",), "Linear"), Node((), "output")), frozenset({(0, 1)}))
        >>> draw_network(graph).edges
        frozenset({(0, 1)})
    """
    if depth is not None and depth < 1:
        raise InputError(f"a picture shows groups to a depth of 1 or more, but {depth} was given")
    everything = range(len(graph.nodes))
    view = _view(graph, everything, 0, depth)
    return _drawn(graph, view, f"{graph.model}: blocks and what feeds what", linked=False)


def network_page(graph: Graph, title: str, notes: Iterable[str] = ()) -> Page:
    """The network as a page: a picture, and below it each group that it folds, opened by a click on its block."""
    view = _view(graph, range(len(graph.nodes)), 0, None)
    picture = _drawn(graph, view, f"{title}: blocks and what feeds what").picture
    return Page(title, tuple(notes), ((None, picture),), folds=_folds(graph, view))


@dataclass(frozen=True, slots=True)
class _View:
    """Some nodes at some depth: the groups and single nodes that are seen, in order, and the depth."""

    seen: tuple[Identity, ...]
    members: dict[Identity, list[int]]
    edges: frozenset[tuple[int, int]]
    depth: int

    def folded(self) -> list[Identity]:
        return [one for one in self.seen if len(self.members[one]) > 1]


def _identity(node: Node, place: int, depth: int, opened: frozenset[Identity]) -> Identity:
    """What a node is seen as: its group at this depth, one level on where that was opened, or itself."""
    inside = len(node.path) if node.operation else len(node.path) - 1
    while depth <= inside:
        group: Identity = (*node.path[:depth], node.turns[:depth])
        if group not in opened:
            return group
        depth += 1
    return (place,)


def _view(graph: Graph, places: Iterable[int], start: int, depth: int | None) -> _View:
    """The nodes folded: at a given depth, or at the greatest that shows no more than `MANY` blocks."""
    chosen = list(places)
    deepest = max((len(graph.nodes[place].path) for place in chosen), default=0) + 1
    if depth is not None:
        return _folded(graph, chosen, depth)
    best = None
    for level in range(start + 1, deepest + 1):
        view = _folded(graph, chosen, level)
        if best is not None and len(view.seen) > MANY:
            break
        best = view
    return best if best is not None else _folded(graph, chosen, start + 1)


def _folded(graph: Graph, places: list[int], depth: int) -> _View:
    """Groups that would feed one another in a circle are opened, until nothing does."""
    opened: frozenset[Identity] = frozenset()
    while True:
        members: dict[Identity, list[int]] = defaultdict(list)
        for place in places:
            members[_identity(graph.nodes[place], place, depth, opened)].append(place)
        single = {one: (group[0],) if len(group) == 1 else one for one, group in members.items()}
        members = {single[one]: group for one, group in members.items()}
        seen = tuple(members)
        at = {place: number for number, one in enumerate(seen) for place in members[one]}
        edges = frozenset((at[a], at[b]) for a, b in graph.edges if a in at and b in at and at[a] != at[b])
        circling = [seen[number] for number in _circling(len(seen), edges) if len(members[seen[number]]) > 1]
        if not circling:
            return _View(seen, dict(members), edges, depth)
        opened |= frozenset(circling)


def _circling(count: int, edges: frozenset[tuple[int, int]]) -> set[int]:
    """The places that lie on a circle: what is left when all that nothing leads to, or that leads nowhere, is taken."""
    left, going = set(range(count)), True
    while going:
        fed = {b for a, b in edges if a in left and b in left}
        feeding = {a for a, b in edges if a in left and b in left}
        kept = left & fed & feeding
        going, left = kept != left, kept
    return left


def _block(graph: Graph, view: _View, one: Identity) -> Block:
    members = view.members[one]
    nodes = [graph.nodes[place] for place in members]
    weights = sum(node.weights for node in nodes)
    if len(nodes) == 1:
        node = nodes[0]
        what = WORDS.get(node.kind, node.kind.replace("_", " "))
        lines = [_size(node.shape)] if node.operation or not node.path else [what, _size(node.shape)]
        lines += [f"{number(weights, 9)} weights"] if weights else []
        title = what if node.operation or not node.path else ".".join(node.path)
        title += f" ({node.call + 1})" if node.call and not node.operation else ""
        return Block(title, tuple(filter(None, lines)), _colour(node), f"{node.name}: {node.kind}")
    *path, turns = one
    calls = sum(not node.operation for node in nodes)
    turn = turns[-1] if isinstance(turns, tuple) and turns else 0
    title = ".".join(map(str, path)) + (f" ({turn + 1})" if turn else "")
    kinds = Counter(node.kind for node in nodes if not node.operation)
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    lines = [f"{calls} layers" if calls != 1 else "1 layer", _size(_given(graph, members))]
    lines += [f"{number(weights, 9)} weights"] if weights else []
    return Block(title, tuple(filter(None, lines)), 0, told, _anchor(one))


def _given(graph: Graph, members: list[int]) -> tuple[int, ...]:
    """The shape of what a group gives to others."""
    inside = set(members)
    giving = [a for a, b in graph.edges if a in inside and b not in inside]
    return graph.nodes[max(giving)].shape if giving else ()


def _colour(node: Node) -> int:
    word = node.kind.lower()
    return 0 if node.operation else next((colour for names, colour in COLOURS if any(n in word for n in names)), 0)


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _anchor(one: Identity) -> str:
    *path, turns = one
    return "-".join(["in", *map(str, path), *(map(str, turns) if isinstance(turns, tuple) and any(turns) else ())])


def _drawn(graph: Graph, view: _View, label: str, linked: bool = True) -> Diagram:
    blocks = [_block(graph, view, one) for one in view.seen]
    return diagram(blocks if linked else [replace(one, opens="") for one in blocks], view.edges, label)


def _folds(graph: Graph, view: _View) -> tuple[Fold, ...]:
    """What each group of a view has inside, drawn with what feeds it and what it feeds."""
    found = []
    for one in view.folded():
        inner = _view(graph, view.members[one], view.depth, None)
        picture = _with_neighbours(graph, inner, set(view.members[one]), _block(graph, view, one).title)
        block = _block(graph, view, one)
        found.append(Fold(block.title, ", ".join(block.lines), picture, _anchor(one), _folds(graph, inner)))
    return tuple(found)


def _with_neighbours(graph: Graph, view: _View, inside: set[int], title: str) -> Picture:
    """A group's inside between quiet boxes that name what stands before and behind it."""
    at = {place: number for number, one in enumerate(view.seen) for place in view.members[one]}
    blocks = [_block(graph, view, one) for one in view.seen]
    edges = set(view.edges)
    before = sorted({a for a, b in graph.edges if b in inside and a not in inside})
    for source in before:
        blocks.append(Block(f"from {graph.nodes[source].name}", (), -1))
        edges |= {(len(blocks) - 1, at[b]) for a, b in graph.edges if a == source and b in inside}
    leaving = sorted({at[a] for a, b in graph.edges if a in inside and b not in inside})
    if leaving:
        behind = [graph.nodes[b].name for a, b in sorted(graph.edges) if a in inside and b not in inside]
        named = behind[0] if len(set(behind)) == 1 else f"{behind[0]} and others"
        blocks.append(Block(f"to {named}", (), -1))
        edges |= {(number, len(blocks) - 1) for number in leaving}
    return diagram(blocks, edges, f"inside {title}").picture
