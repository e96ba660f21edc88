"""Every network's weights and multiply-adds beside those that its paper prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from neuropil.inspection.summary import summarize
from neuropil.models import MODELS, SEQUENCES, create_model, usual_input_shape
from neuropil.models.published import PUBLISHED, Published

__all__ = ["COUNT_COLUMNS", "Counted", "count_networks", "count_rows"]

COUNT_COLUMNS = (
    "network",
    "input",
    "weights",
    "in the paper",
    "multiply-adds",
    "in the paper",
    "where, and why ours differ",
)

OPTIONS: dict[str, dict[str, Any]] = {
    "perceptron": {"in_features": 784},
    "line": {"line": "Conv6@5 - ReLU - Pool2 - FC10 - SM", "in_shape": (1, 28, 28)},
}
"""What networks need that have no size of their own."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One network, counted.

    Args:
        network: its name and the options that were given.
        input_shape: of one sample.
        weights: of it all.
        multiply_adds: for one sample.
        printed: what its paper says, if it says anything.
    """

    network: str
    input_shape: tuple[int, ...]
    weights: int
    multiply_adds: int
    printed: Published | None


def count_networks(pattern: str = "*") -> list[Counted]:
    """Count the networks whose names match, each line of a paper's table for itself; nothing is computed.

    Networks of sequences are left out: they are as large as a vocabulary.
    """
    found: list[Counted] = []
    for name in MODELS.names(pattern):
        if name in SEQUENCES:
            continue
        lines: list[Published | None] = [one for one in PUBLISHED if one.model == name]
        found += [_counted(name, line) for line in lines or [None]]
    return found


def _counted(name: str, line: Published | None) -> Counted:
    options = dict(line.options) if line is not None else OPTIONS.get(name, {})
    with torch.device("meta"):
        network = create_model(name, **options)
    shape = usual_input_shape(network)
    if line is not None:
        shape = (shape[0], line.side, line.side)
    counts = summarize(network, shape)
    words = [name, *(f"{key}={value}" for key, value in options.items() if name not in OPTIONS)]
    return Counted(" ".join(words), shape, counts.weights, counts.multiply_adds, line)


def count_rows(found: list[Counted], number: Callable[[int], str] = "{:,}".format) -> list[tuple[str, ...]]:
    """Rows under `COUNT_COLUMNS`."""
    return [
        (
            one.network,
            "x".join(map(str, one.input_shape)),
            number(one.weights),
            one.printed.weights if one.printed else "",
            number(one.multiply_adds),
            one.printed.multiply_adds if one.printed else "",
            "" if one.printed is None else "; ".join(filter(None, (one.printed.source, one.printed.note))),
        )
        for one in found
    ]
