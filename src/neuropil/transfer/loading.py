"""Weights from a file into a network: all of them, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.transfer.keys import translated
from neuropil.transfer.reading import read_weights

__all__ = ["LoadReport", "load_weights"]

COUNTER = "num_batches_tracked"
"""Batch normalization's counter, which files from before torch 0.4.1 lack; it keeps its value then."""


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of each weight.

    Args:
        path: the file.
        table: the names by which it was read.
        matched: names that were loaded.
        missing: names of the network for which the file has nothing.
        unexpected: names of the file for which the network has no place.
        mismatched: names that both have, with the file's shape and the network's.
    """

    path: str
    table: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    @property
    def complete(self) -> bool:
        """Whether every weight of the network came from the file and none was left over."""
        return not (self.missing or self.unexpected or self.mismatched)


def load_weights(model: nn.Module, path: Path | str, *, strict: bool = True) -> LoadReport:
    """Copy the weights of a file into a network, translating their names where a key table knows them.

    The network is changed only when nothing stands against it; a refusal leaves it as it was.

    Args:
        model: takes the weights, each on its own device and in its own dtype.
        path: a file that `read_weights` reads.
        strict: refuse a file that does not fill the network exactly. Otherwise load what fits by name and shape (a
            network with a new classifier) and report the rest.

    Returns:
        what was loaded and what was not.

    Raises:
        InputError: an unreadable file, the first mismatch (strict), or nothing at all that fits.
    """
    own = model.state_dict()
    weights, table = translated(read_weights(path), own)
    shared = [name for name in own if name in weights]
    fitting = [name for name in shared if _fits(weights[name], own[name])]
    report = LoadReport(
        path=str(path),
        table=table.name,
        matched=tuple(fitting),
        missing=tuple(name for name in own if name not in weights and not name.endswith(COUNTER)),
        unexpected=tuple(name for name in weights if name not in own),
        mismatched=tuple(
            (name, tuple(weights[name].shape), tuple(own[name].shape)) for name in shared if name not in set(fitting)
        ),
    )
    if not report.matched or (strict and not report.complete):
        raise InputError(_refusal(report, type(model).__name__, own, weights))
    with torch.no_grad():
        for name in report.matched:
            own[name].copy_(weights[name])
    return report


def _fits(given: Tensor, place: Tensor) -> bool:
    return given.shape == place.shape and given.is_floating_point() == place.is_floating_point()


def _refusal(report: LoadReport, network: str, own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """One sentence with the first mismatch."""
    start = f"the weights in {report.path!r} do not fit {network}: "
    if not report.matched:
        return f"{start}they have none of its {len(own)} names in the right shape, such as {next(iter(own), '')!r}"
    advice = "give the file of this very network, or load what fits with strict=False"
    if report.mismatched:
        name, theirs, ours = report.mismatched[0]
        given, wanted = f"{_shape(theirs)} {weights[name].dtype}", f"{_shape(ours)} {own[name].dtype}"
        return f"{start}{name!r} is {given} in the file but {wanted} in the network; {advice}"
    if report.missing:
        return f"{start}{report.missing[0]!r} is not in the file ({len(report.missing)} missing); {advice}"
    return (
        f"{start}the network has no place for {report.unexpected[0]!r} ({len(report.unexpected)} left over); {advice}"
    )


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single"
