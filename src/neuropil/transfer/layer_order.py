"""Weights of files that name layers in a way of their own: matched by the layers' kind and order, shapes held.

ONNX graphs and Keras files say which layer a weight belongs to, not what PyTorch would call it. So the first
convolution of the file goes to the convolution that our network calls first, and so on, for each kind by itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from neuropil.errors import InputError

__all__ = ["FileLayer", "LayerKind", "named_by_order"]

LayerKind = Literal["convolution", "depthwise convolution", "normalization", "fully connected layer"]

KINDS: tuple[LayerKind, ...] = get_args(LayerKind)


@dataclass(frozen=True, slots=True)
class FileLayer:
    """One layer of a file, its arrays as PyTorch lays them out.

    Args:
        name: in the file.
        kind: what it computes.
        parts: `weight`, `bias`, `running_mean`, `running_var`, those that are there.
        eps: of a normalization: what is added to its variance.
        rows_last: the layer reads maps as one row with the channels last, as TensorFlow flattens them.
    """

    name: str
    kind: LayerKind
    parts: Mapping[str, Tensor]
    eps: float = 1e-5
    rows_last: bool = False


class _Own(NamedTuple):
    """A layer of our network, and the last maps `(C, H, W)` in front of it, empty where there were none."""

    name: str
    layer: nn.Module
    kind: LayerKind
    maps: tuple[int, ...]


def named_by_order(model: nn.Module, layers: Sequence[FileLayer], where: str) -> dict[str, Tensor]:
    """A file's weights under the names of our network.

    Convolutions that have the normalization behind them folded in give it their bias; a file whose classifier is a
    1x1 convolution gives it to the fully connected layer that is left.

    Args:
        model: whose layers are called in the order in which it computes.
        layers: of the file, in its order.
        where: the file, for messages.

    Raises:
        InputError: another number of layers of one kind, or shapes that differ: the first place where they do.
    """
    own = _called(model)
    given = _classifier_as_layer(list(layers), own)
    folded = not any(one.kind == "normalization" for one in given)
    found: dict[str, Tensor] = {}
    for kind in KINDS:
        ours = [one for one in own if one.kind == kind]
        theirs = [one for one in given if one.kind == kind]
        if folded and kind == "normalization":
            continue
        if len(ours) != len(theirs):
            raise InputError(
                f"{where!r} does not fit {type(model).__name__}: it has {len(theirs)} layers of the kind {kind}, the "
                f"network {len(ours)}; convert it to the network that it was saved from"
            )
        for place, (one, other) in enumerate(zip(ours, theirs, strict=True), start=1):
            _match(model, one, other, place, where, found)
    if folded:
        _fold_back(own, found)
    return found


def _match(model: nn.Module, one: _Own, other: FileLayer, place: int, where: str, found: dict[str, Tensor]) -> None:
    """The parts of one layer under our names."""
    for part, value in other.parts.items():
        target = getattr(one.layer, part, None)
        if part == "weight" and target is not None:
            if other.rows_last:
                value = _channels_first(value, one.maps)
            if value.numel() == target.numel() and value.ndim != target.ndim:
                value = value.reshape(target.shape)  # 1x1 kernels and rows of a matrix are the same numbers
        if target is not None and value.shape != target.shape:
            raise InputError(
                f"{where!r} does not fit {type(model).__name__}: its {one.kind} number {place}, {other.name!r}, has a "
                f"{part} of {_words(value)}, but {one.name!r} of the network needs {_words(target)}"
            )
        if part == "running_var" and isinstance(one.layer, _BatchNorm):
            value = value + (other.eps - one.layer.eps)
        found[f"{one.name}.{part}"] = value.contiguous()
    bias = getattr(one.layer, "bias", None)
    if bias is not None and "bias" not in other.parts:  # exporters leave out a bias of zeros
        found[f"{one.name}.bias"] = torch.zeros(bias.shape)


def _channels_first(matrix: Tensor, maps: tuple[int, ...]) -> Tensor:
    """A matrix that reads all of some maps as a row of [H, W, C] as one that reads [C, H, W]; others as they are."""
    outputs, inputs = matrix.shape
    if not maps or inputs != math.prod(maps):
        return matrix
    return matrix.reshape(outputs, -1, maps[0]).transpose(1, 2).reshape(outputs, inputs)


def _classifier_as_layer(layers: list[FileLayer], own: Sequence[_Own]) -> list[FileLayer]:
    """The file's last 1x1 convolution as a fully connected layer, where the network has one more of those."""

    def count(kind: LayerKind, among: Iterable[FileLayer | _Own]) -> int:
        return sum(one.kind == kind for one in among)

    last = next((one for one in reversed(layers) if one.kind == "convolution"), None)
    dense: LayerKind = "fully connected layer"
    convolution: LayerKind = "convolution"
    if (
        last is None
        or count(dense, own) != count(dense, layers) + 1
        or count(convolution, own) != count(convolution, layers) - 1
        or last.parts["weight"].shape[2:].numel() != 1
    ):
        return layers
    return [replace(one, kind=dense) if one is last else one for one in layers]


def _fold_back(own: Sequence[_Own], found: dict[str, Tensor]) -> None:
    """Biases of convolutions that have none here belong to the normalization that is called next."""
    waiting: Tensor | None = None
    for one in own:
        bias = f"{one.name}.bias"
        if one.kind == "normalization":
            if waiting is not None:
                found[bias], waiting = waiting, None
        elif bias in found and getattr(one.layer, "bias", None) is None:
            waiting = found.pop(bias)


def _called(model: nn.Module) -> list[_Own]:
    """The layers with weights in the order in which the network calls them; nothing is computed."""
    names = {layer: name for name, layer in model.named_modules()}
    found: dict[str, _Own] = {}
    maps: tuple[int, ...] = ()

    def note(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal maps
        kind = _kind_of(layer)
        if kind is not None:
            found.setdefault(names[layer], _Own(names[layer], layer, kind, maps))
        if isinstance(output, Tensor) and (output.ndim == 4 or isinstance(layer, nn.Linear)):
            maps = tuple(output.shape[1:]) if output.ndim == 4 else ()

    hooks = [layer.register_forward_hook(note) for layer in model.modules()]
    modes = [(module, module.training) for module in model.modules()]
    try:
        _run(model.eval())
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes:
            module.training = training
    return list(found.values())


def _run(model: nn.Module) -> None:
    """One picture through the network, on torch's meta device."""
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    placeholders = {name: tensor.to("meta") for name, tensor in state.items()}
    channels = next((layer.in_channels for layer in model.modules() if isinstance(layer, nn.Conv2d)), None)
    shape = getattr(model, "in_shape", None)
    if shape is None and channels is not None:
        side = getattr(model, "usual_side", 224)
        shape = (channels, side, side)
    if shape is None:
        shape = (next(model.parameters()).shape[1],)
    with torch.no_grad():
        functional_call(model, placeholders, (torch.zeros(1, *shape, device="meta"),))


def _kind_of(layer: nn.Module) -> LayerKind | None:
    if isinstance(layer, nn.Conv2d):
        return "depthwise convolution" if 1 < layer.groups == layer.in_channels else "convolution"
    if isinstance(layer, _BatchNorm):
        return "normalization"
    return "fully connected layer" if isinstance(layer, nn.Linear) else None


def _words(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a single number"
