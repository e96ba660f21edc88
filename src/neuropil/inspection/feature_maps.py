"""What each layer makes of one picture, and which part of the picture one value of a layer sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.registry import nearest

__all__ = ["LayerMaps", "Sight", "feature_maps", "sight_of"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class LayerMaps:
    """The maps that a layer gave for one picture.

    Args:
        layer: its path in the network.
        kind: its class.
        maps: `[C, H, W]`.
    """

    layer: str
    kind: str
    maps: Array


@dataclass(frozen=True, slots=True)
class Sight:
    """The part of a picture that one value of a layer sees.

    Args:
        layer: its path in the network.
        place: row and column of the value in the layer's maps.
        maps: rows and columns of these maps.
        box: first row, first column, last row and last column of what it sees, the last ones excluded.
        influence: `[H, W]`: size of the gradient of the value by each place of the picture, the mean over noise.
    """

    layer: str
    place: tuple[int, int]
    maps: tuple[int, int]
    box: tuple[int, int, int, int]
    influence: Array


def feature_maps(model: nn.Module, x: Tensor, layers: Sequence[str] | None = None) -> tuple[LayerMaps, ...]:
    """What layers give for one picture, in the order of their calls.

    Source: chapter, "Feature maps" (row 39).

    Shape: x `[1, C, H, W]`.

    Args:
        model: taken in evaluation mode.
        x: one picture.
        layers: paths of modules; all that have no modules inside where left out.

    Raises:
        InputError: not one picture, or no such layer.

    Example:
        >>> [one.maps.shape for one in feature_maps(nn.Sequential(nn.Conv2d(1, 2, 3)), torch.zeros(1, 1, 5, 5))]
        [(2, 3, 3)]
    """
    _one_picture(x)
    found = []
    with _listening(model, layers) as heard, torch.no_grad():
        model(x)
        for name, output in heard:
            kind = type(model.get_submodule(name)).__name__
            found.append(LayerMaps(name, kind, output[0].detach().clone().numpy(force=True)))
    return tuple(found)


def sight_of(model: nn.Module, x: Tensor, layer: str, place: tuple[int, int] | None = None, draws: int = 8) -> Sight:
    """The part of a picture on which one value of a layer (summed over its channels) hangs.

    Found by gradients for random pictures, since a picture itself leaves out what poolings and ReLUs happen to drop.

    Source: chapter, "VGGNet" (row 56); Luo et al. 2016, "Understanding the effective receptive field".

    Args:
        model: taken in evaluation mode.
        x: one picture `[1, C, H, W]`; of it only the shape is used.
        layer: path of a module that gives maps.
        place: row and column in its maps; the middle where left out.
        draws: random pictures.

    Raises:
        InputError: no such layer, it gives no maps, or a place outside them.

    Example:
        >>> sight_of(nn.Sequential(nn.Conv2d(1, 2, 3)), torch.zeros(1, 1, 9, 9), "0", (2, 4)).box
        (2, 4, 5, 7)
    """
    _one_picture(x)
    noise = torch.randn(draws, *x.shape[1:], generator=torch.Generator().manual_seed(0)).to(x)
    given = noise.requires_grad_()
    with _listening(model, [layer]) as heard, torch.enable_grad():
        model(given)
    if not heard:
        raise InputError(f"layer {layer!r} gives no maps [N, C, H, W]; name a convolution or a pooling")
    maps = heard[0][1]
    rows, columns = maps.shape[2:]
    row, column = (rows // 2, columns // 2) if place is None else place
    if not (0 <= row < rows and 0 <= column < columns):
        raise InputError(f"the maps of {layer!r} are {rows}x{columns}, so they have no place {row}, {column}")
    mixed = (maps[:, :, row, column] * torch.rand(maps.shape[1], generator=torch.Generator().manual_seed(1))).sum()
    (gradient,) = torch.autograd.grad(mixed, given)
    influence = gradient.abs().sum(1).mean(0)
    touched = influence > 0
    if not touched.any():
        return Sight(layer, (row, column), (rows, columns), (0, 0, 0, 0), influence.numpy(force=True))
    down, across = touched.any(1).nonzero().flatten(), touched.any(0).nonzero().flatten()
    box = (int(down[0]), int(across[0]), int(down[-1]) + 1, int(across[-1]) + 1)
    return Sight(layer, (row, column), (rows, columns), box, influence.numpy(force=True))


def _one_picture(x: Tensor) -> None:
    if x.ndim != 4 or x.shape[0] != 1:
        raise InputError(f"one picture is [1, C, H, W], but {list(x.shape)} was given")


@contextmanager
def _listening(model: nn.Module, layers: Sequence[str] | None) -> Iterator[list[tuple[str, Tensor]]]:
    """What layers give as maps is appended, in evaluation mode; hooks and modes are put back at the end."""
    modules = {name: module for name, module in model.named_modules() if name}
    leaves = [name for name, module in modules.items() if not any(True for _ in module.children())]
    for name in layers or ():
        if name not in modules:
            raise InputError(f"the network has no layer {name!r}; {nearest(name, modules)}")
    heard: list[tuple[str, Tensor]] = []
    hooks = []
    for name in leaves if layers is None else layers:

        def keep(module: nn.Module, inputs: Any, output: Any, name: str = name) -> Any:
            if isinstance(output, Tensor) and output.ndim == 4:
                heard.append((name, output))
                return output.clone()  # a layer behind may overwrite what it gets
            return None

        hooks.append(modules[name].register_forward_hook(keep))
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield heard
    finally:
        for handle in hooks:
            handle.remove()
        for module, training in modes:
            module.training = training
