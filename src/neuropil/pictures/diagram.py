"""Boxes with words in them and wires between them, as one `Picture`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from neuropil.drawing.svg import Picture, element, hover, short, text
from neuropil.drawing.wording import printable, text_width
from neuropil.pictures.layered import Layout, layered

__all__ = ["Block", "Diagram", "diagram"]

MARGIN, LINE, PAD = 14.0, 15.0, 9.0


@dataclass(frozen=True, slots=True)
class Block:
    """One box.

    Args:
        title: its first line, in bold.
        lines: further ones.
        colour: 1 to 6, one of the palette's; 0 has none, -1 no frame either.
        told: what is shown while the pointer rests on it.
        opens: the place on the page that a click leads to.
    """

    title: str
    lines: tuple[str, ...] = ()
    colour: int = 0
    told: str = ""
    opens: str = ""

    @property
    def size(self) -> tuple[float, float]:
        """Width and height that hold the words."""
        wide = max([text_width(printable(self.title), 14.4), *(text_width(printable(one), 11.4) for one in self.lines)])
        return wide + 2 * PAD, PAD * 1.4 + LINE * (1 + len(self.lines))


@dataclass(frozen=True, slots=True)
class Diagram:
    """A picture, and where in it everything lies.

    Args:
        picture: to be shown.
        boxes: left, top, width and height of each block.
        paths: for each block with an edge, the corners of its wire: one list of points a segment.
        edges: what was drawn.
    """

    picture: Picture
    boxes: tuple[tuple[float, float, float, float], ...]
    paths: dict[int, list[list[tuple[float, float]]]]
    edges: frozenset[tuple[int, int]]


def diagram(blocks: Sequence[Block], edges: Collection[tuple[int, int]], label: str) -> Diagram:
    """Draw blocks and what leads from one to another.

    Args:
        blocks: at least one.
        edges: pairs of places in `blocks`.
        label: what the picture shows, for readers who cannot see it.

    Raises:
        InputError: the edges run in a circle.

    Example:
        >>> drawn = diagram([Block("input"), Block("output")], {(0, 1)}, "two boxes")
        >>> drawn.boxes[0][1] < drawn.boxes[1][1]
        True
    """
    layout = layered([block.size for block in blocks], edges)
    boxes = tuple(_box(layout, place, block.size) for place, block in enumerate(blocks))
    paths = {start: [_points(layout, boxes, *one) for one in wire] for start, wire in layout.wires.items()}
    targets: defaultdict[int, list[int]] = defaultdict(list)
    for start, end in sorted(edges):
        targets[start].append(end)
    parts = []
    for start, segments in paths.items():
        named = ", ".join(blocks[end].title for end in targets[start])
        line = "".join(_curve(points) for points in segments)
        ends = " ".join(map(str, targets[start]))
        told = hover(f"{blocks[start].title} → {named}")
        parts.append(element("path", told, class_="wire", d=line, data_from=str(start), data_to=ends))
    tips = "".join(_tip(boxes[end]) for end in {end for _, end in edges})
    parts.append(element("path", class_="tip", d=tips) if tips else "")
    parts += [_drawn(block, box) for block, box in zip(blocks, boxes, strict=True)]
    picture = Picture("".join(parts), layout.width + 2 * MARGIN, layout.height + 2 * MARGIN, label)
    return Diagram(picture, boxes, paths, frozenset(edges))


def _box(layout: Layout, place: int, size: tuple[float, float]) -> tuple[float, float, float, float]:
    rank = layout.rank[place]
    middle = (layout.tops[rank] + layout.bottoms[rank]) / 2 + MARGIN
    return layout.x[place] - size[0] / 2 + MARGIN, middle - size[1] / 2, size[0], size[1]


def _points(
    layout: Layout, boxes: Sequence[tuple[float, float, float, float]], start: int, end: int
) -> list[tuple[float, float]]:
    """Down to the rank's lower edge, over to the next rank's upper edge, down to the box or through the rank."""
    low, high = layout.bottoms[layout.rank[start]] + MARGIN, layout.tops[layout.rank[end]] + MARGIN
    x, other = layout.x[start] + MARGIN, layout.x[end] + MARGIN
    begin = boxes[start][1] + boxes[start][3] if start < len(boxes) else low
    stop = boxes[end][1] if end < len(boxes) else layout.bottoms[layout.rank[end]] + MARGIN
    return [(x, begin), (x, low), (other, high), (other, stop)]


def _curve(points: Sequence[tuple[float, float]]) -> str:
    """The segment as a path: straight beside boxes, bent between the ranks."""
    (x, begin), (_, low), (other, high), (_, stop) = points
    middle = short((low + high) / 2)
    bend = f"C{short(x)} {middle} {short(other)} {middle} {short(other)} {short(high)}"
    straight = f"V{short(high)}"
    return f"M{short(x)} {short(begin)}V{short(low)}{bend if x != other else straight}V{short(stop)}"


def _tip(box: tuple[float, float, float, float]) -> str:
    x, y = box[0] + box[2] / 2, box[1]
    return f"M{short(x)} {short(y)}l-3.5 -6h7z"


def _drawn(block: Block, box: tuple[float, float, float, float]) -> str:
    left, top, width, height = box
    kind = f"block b{block.colour}" if block.colour > 0 else "block" if block.colour == 0 else "block bare"
    middle = left + width / 2
    frame = element("rect", class_=kind, x=left, y=top, width=width, height=height, rx=5)
    if block.opens:  # a second sheet behind says that there is more inside
        shade = {"x": left + 3, "y": top + 3, "width": width, "height": height, "rx": 5}
        frame = element("rect", class_=f"{kind} behind", **shade) + frame
    weight = "quiet" if block.colour < 0 else "strong"
    words = [text(middle, top + PAD * 0.7 + 11.5, block.title, anchor="middle", class_=weight)]
    for place, line in enumerate(block.lines, 1):
        words.append(text(middle, top + PAD * 0.7 + 11.5 + place * LINE, line, anchor="middle", class_="small quiet"))
    inside = (hover(block.told) if block.told else "") + frame + "".join(words)
    return element("a", inside, href=f"#{block.opens}") if block.opens else element("g", inside)
