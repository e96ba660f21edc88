"""Weights to begin from, as files: a fresh network of the recipe, changed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from diagnosis.planting.training import Sections, plain
from neuropil.recipes.assembly import assemble
from neuropil.recipes.recipe import Recipe

__all__ = ["begun_from", "biased", "scaled"]

Change = Callable[[dict[str, Tensor]], None]


def begun_from(sections: Sections, room: Path, change: Change, **transfer: Any) -> Sections:
    """The sections with a file of weights to begin from: the network's own draw, after a change.

    Args:
        sections: of the recipe.
        room: where the file goes.
        change: of the named tensors, in place.
        **transfer: the recipe's `[transfer]`; all weights learn where left out.
    """
    values = {key: value for key, value in plain(sections).items() if key != "transfer"}
    state = {name: one.clone() for name, one in assemble(Recipe().with_values(values)).model.state_dict().items()}
    with torch.no_grad():
        change(state)
    path = room / "start.safetensors"
    save_file(state, path)
    model = {**sections["model"], "weights": str(path)}
    return {**sections, "model": model, "transfer": transfer or {"method": "all"}}


def scaled(factor: float, *, part: str = "", but: str = "head") -> Change:
    """Multiply the weights (no biases) whose names hold `part`, but not those of `but`."""

    def change(state: dict[str, Tensor]) -> None:
        for name, one in state.items():
            if one.ndim > 1 and part in name and not (but and but in name):
                one.mul_(factor)

    return change


def biased(shift: float, part: str, share: float = 1.0) -> Change:
    """Shift the first biases of the layers whose names hold `part`: a share of them."""

    def change(state: dict[str, Tensor]) -> None:
        for name, one in state.items():
            if name.endswith("bias") and part in name:
                one[: round(share * len(one))] += shift

    return change
