"""Weights from a file into a network: all of them, or a sentence that says why not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from neuropil.errors import InputError
from neuropil.transfer.darknet import darknet_tensors
from neuropil.transfer.foreign_files import read_layers
from neuropil.transfer.keys import translated
from neuropil.transfer.layer_order import named_by_order
from neuropil.transfer.layout_tensors import is_body, of_our_network
from neuropil.transfer.layouts import read_layout
from neuropil.transfer.reading import DARKNET_SUFFIX, LAYER_SUFFIXES, read_weights

__all__ = ["LoadReport", "load_weights"]

ORDER = "the kind and order of the layers"

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


def load_weights(model: nn.Module, path: Path | str, *, strict: bool | Literal["body"] = True) -> LoadReport:
    """Copy the weights of a file into a network, translating their names where a key table knows them.

    The network is changed only when nothing stands against it; a refusal leaves it as it was.

    Args:
        model: takes the weights, each on its own device and in its own dtype.
        path: a file that `read_weights`, `read_layers` or `darknet_tensors` reads, or a folder as Hugging Face writes
            it.
        strict: refuse a file that does not fill the network exactly; `body` a folder that does not fill the body
            exactly: its head is loaded where it is the network's. Otherwise load what fits by name and shape (a
            network with a new classifier) and report the rest.

    Returns:
        what was loaded and what was not.

    Raises:
        InputError: an unreadable file, the first mismatch (strict), or nothing at all that fits.
    """
    own = model.state_dict()
    weights, table = _under_our_names(model, Path(path))
    shared = [name for name in own if name in weights]
    fitting = [name for name in shared if _fits(weights[name], own[name])]
    report = LoadReport(
        path=str(path),
        table=table,
        matched=tuple(fitting),
        missing=tuple(name for name in own if name not in weights and not name.endswith(COUNTER)),
        unexpected=tuple(name for name in weights if name not in own),
        mismatched=tuple(
            (name, tuple(weights[name].shape), tuple(own[name].shape)) for name in shared if name not in set(fitting)
        ),
    )
    against = _of_body(report) if strict == "body" else report
    if not report.matched or (strict and not against.complete):
        report = against if report.matched else report
        raise InputError(_refusal(report, type(model).__name__, own, weights))
    with torch.no_grad():
        for name in report.matched:
            own[name].copy_(weights[name])
    return report


def _of_body(report: LoadReport) -> LoadReport:
    """What a report says of the body alone."""
    return replace(
        report,
        missing=tuple(filter(is_body, report.missing)),
        unexpected=tuple(filter(is_body, report.unexpected)),
        mismatched=tuple(one for one in report.mismatched if is_body(one[0])),
    )


def _under_our_names(model: nn.Module, path: Path) -> tuple[dict[str, Tensor], str]:
    """The file's tensors by our names, and how they were found."""
    if path.is_dir():
        layout = read_layout(path)
        return of_our_network(layout, model), f"Hugging Face's names of {layout.architecture}"
    if path.is_file() and path.suffix.lower() in LAYER_SUFFIXES:
        weights, how = named_by_order(model, read_layers(path), str(path)), ORDER
    elif path.is_file() and path.suffix.lower() == DARKNET_SUFFIX:
        weights, how = darknet_tensors(model, path)[1], "darknet's order of layers"
    else:
        weights, table = translated(read_weights(path), model.state_dict())
        how = table.name
    return _unfolded(model, weights), how


def _unfolded(model: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Normalizations that were folded into the convolutions before them, as ones that only add their shift.

    Of such a normalization the file has the shift alone. Mean 0, variance 1 - eps and scale 1 leave the rest as it is.
    """
    found = dict(weights)
    for name, layer in model.named_modules():
        parts = {part: f"{name}.{part}" for part in ("weight", "running_mean", "running_var")}
        shift = weights.get(f"{name}.bias")
        if isinstance(layer, _BatchNorm) and shift is not None and not weights.keys() & set(parts.values()):
            one = torch.ones_like(shift)
            found |= {parts["weight"]: one, parts["running_mean"]: 0 * one, parts["running_var"]: one - layer.eps}
    return found


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
