"""A network's summary as the rows of a table."""

from __future__ import annotations

from typing import NamedTuple

from neuropil.inspection.summary import Summary

__all__ = ["LayerTable", "layer_rows", "layer_table", "shape_words"]

COLUMNS = ("layer", "kind", "output", "sees", "weights", "multiply-adds", "bytes")

SEES, BYTES = "sees: cells of the input behind one value", "bytes: of the layer's output, which training keeps"


class LayerTable(NamedTuple):
    """Column heads, rows, and what the heads mean."""

    columns: tuple[str, ...]
    rows: list[tuple[object, ...]]
    note: str


def shape_words(shape: tuple[int, ...] | None) -> str:
    """A shape in few letters; none is empty.

    Example:
        >>> shape_words((3, 224, 224)), shape_words(None)
        ('3x224x224', '')
    """
    return "" if shape is None else "x".join(map(str, shape))


def layer_table(found: Summary) -> LayerTable:
    """The rows under their heads; without the column of what values see where there are no maps."""
    rows = layer_rows(found)
    if any(layer.receptive_field is not None for layer in found.layers):
        return LayerTable(COLUMNS, rows, f"{SEES}; {BYTES}.")
    kept = [place for place, column in enumerate(COLUMNS) if column != "sees"]
    return LayerTable(
        tuple(COLUMNS[place] for place in kept), [tuple(row[p] for p in kept) for row in rows], f"{BYTES}."
    )


def layer_rows(found: Summary) -> list[tuple[object, ...]]:
    """One row a layer, and one of totals, under `COLUMNS`."""
    rows: list[tuple[object, ...]] = [
        (
            layer.name,
            layer.kind,
            shape_words(layer.output_shape),
            shape_words(layer.receptive_field),
            layer.weights,
            layer.multiply_adds,
            layer.activation_bytes,
        )
        for layer in found.layers
    ]
    resting = found.weights - sum(layer.weights for layer in found.layers)
    if resting:  # auxiliary classifiers, for example
        rows.append(("not called", "", "", "", resting, 0, 0))
    return [*rows, ("total", "", "", "", found.weights, found.multiply_adds, found.activation_bytes)]
