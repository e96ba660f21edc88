"""Attention by layer and head: who looks at whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuropil.drawing.images import png_uri
from neuropil.drawing.svg import Picture, element, hover, text
from neuropil.errors import InputError
from neuropil.pictures.heat import heat_map, shades
from neuropil.pictures.page import Fold, Page

__all__ = ["Looks", "attention_page", "draw_attention", "draw_head", "looks_page"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Looks:
    """Attention of one kind in all layers that have it.

    Args:
        name: who looks at what.
        weights: `[layers, heads, T, S]`.
        queries: the T words that look.
        keys: the S words that are looked at.
    """

    name: str
    weights: Array
    queries: tuple[str, ...]
    keys: tuple[str, ...]


def draw_attention(weights: Array) -> Picture:
    """All heads at a glance: a row for each layer, a small map for each head, all by the same shades.

    Shape: `[layers, heads, T, S]`: of each of T places, the shares of S places that it looks at.

    Raises:
        InputError: not four axes, or an empty one.

    Example:
        >>> draw_attention(np.full((2, 3, 4, 4), 0.25)).label
        'attention: 2 layers, 3 heads'
    """
    found = _checked(weights)
    layers, heads, times, sources = found.shape
    top = float(found.max())
    side = max(44.0, min(110.0, 880 / heads))
    high = side * min(2.0, max(0.5, times / sources))
    parts = [text(0, 12, "head", class_="small quiet")]
    parts += [
        text(74 + (head + 0.5) * (side + 8) - 4, 12, str(head + 1), anchor="middle", class_="small quiet")
        for head in range(heads)
    ]
    for layer in range(layers):
        y = 22 + layer * (high + 8)
        parts.append(text(0, y + high / 2 + 4, f"layer {layer + 1}", class_="small"))
        for head in range(heads):
            box = {"x": 70 + head * (side + 8), "y": y, "width": side, "height": high}
            picture = png_uri(shades(found[layer, head], top))
            parts.append(
                element(
                    "image",
                    hover(f"layer {layer + 1}, head {head + 1}"),
                    href=picture,
                    preserveAspectRatio="none",
                    **box,
                )
            )
            parts.append(element("rect", class_="frame", pointer_events="none", **box))
    return Picture(
        "".join(parts), 74 + heads * (side + 8), 26 + layers * (high + 8), f"attention: {layers} layers, {heads} heads"
    )


def draw_head(
    weights: Array, queries: Sequence[str], keys: Sequence[str], title: str, largest: float | None = None
) -> Picture:
    """One head with its words: each row is a word that looks, each column one that is looked at.

    The full shade is the largest share, or the one that is given.

    Shape: `[T, S]`.

    Raises:
        InputError: words that do not fit.
    """
    cell = max(12.0, min(22.0, 900 / max(weights.shape)))
    return heat_map(weights, queries, keys, title=title, cell=cell, across="looks at", largest=largest)


def attention_page(
    weights: Array, queries: Sequence[str], keys: Sequence[str] | None = None, *, title: str = "attention"
) -> Page:
    """All heads at a glance, and each layer's heads with their words where a reader opens it.

    Shape: `[layers, heads, T, S]`.

    Args:
        weights: of a softmax, or any others.
        queries: the T words that look.
        keys: the S words that are looked at; the same where left out.
        title: the page's heading.

    Raises:
        InputError: shapes or words that do not fit.
    """
    looked_at = queries if keys is None else keys
    return looks_page([Looks("", _checked(weights), tuple(queries), tuple(looked_at))], title)


def looks_page(looks: Sequence[Looks], title: str, notes: Sequence[str] = ()) -> Page:
    """Attention of several kinds on one page, each at a glance and, by a click, word by word.

    Args:
        looks: of each kind; a name where there are several.
        title: the page's heading.
        notes: sentences above the pictures.

    Raises:
        InputError: shapes or words that do not fit.
    """
    pictures, folds, tops = [], [], []
    for kind, one in enumerate(looks):
        found = _checked(one.weights)
        pictures.append((one.name or None, draw_attention(found)))
        tops.append(float(found.max()))
        for layer in range(found.shape[0]):
            heads = [
                draw_head(head, one.queries, one.keys, f"layer {layer + 1}, head {number + 1}", tops[-1])
                for number, head in enumerate(found[layer])
            ]
            anchor = f"layer-{layer + 1}" if len(looks) == 1 else f"looks-{kind + 1}-layer-{layer + 1}"
            folds.append(_beside(heads, f"{one.name}, layer {layer + 1}".removeprefix(", "), anchor))
    told = (
        "A row is a word that looks, a column one that it looks at; the stronger, the larger the share: full blue is "
        f"{', '.join(f'{top:.2g}' for top in tops[:-1])}{' and ' if tops[1:] else ''}{tops[-1]:.2g}."
    )
    return Page(title, (*notes, told), tuple(pictures), tuple(folds))


def _beside(heads: Sequence[Picture], name: str, anchor: str) -> Fold:
    """The heads of one layer in rows of up to four."""
    wide, high = heads[0].width + 14, heads[0].height + 26
    columns = max(1, min(4, int(1400 // wide)))
    parts = []
    for place, one in enumerate(heads):
        row, column = divmod(place, columns)
        shift = f"translate({column * wide:.1f} {row * high + 16:.1f})"
        parts.append(text(column * wide, row * high + 12, one.label, class_="strong"))
        parts.append(element("g", one.body, transform=shift))
    rows = -(-len(heads) // columns)
    picture = Picture("".join(parts), wide * min(columns, len(heads)), high * rows, f"attention: {name}")
    count = "1 head" if len(heads) == 1 else f"{len(heads)} heads"
    return Fold(name, f"{count}, word by word", picture, anchor)


def _checked(weights: Array) -> Array:
    found = np.asarray(weights, dtype=np.float64)
    if found.ndim != 4 or 0 in found.shape:
        raise InputError(f"attention to draw must be [layers, heads, T, S], but {list(found.shape)} was given")
    return found
