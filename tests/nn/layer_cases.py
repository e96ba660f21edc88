"""What the test of every layer needs to know of a layer, and the layers that there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["LayerCase", "all_cases", "build", "draw_input"]

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class LayerCase:
    """One layer with one choice of options.

    Args:
        name: unique among all cases.
        make: a fresh layer with random weights from torch's global generator.
        input_shape: without the batch axis; odd sizes are welcome.
        formula: float64 input with batch axis -> what the layer says in evaluation mode, by `neuropil.formulas`.
        training_formula: the same for training mode, where that differs and draws nothing.
        positive_input: inputs are drawn from 0 upwards.
        double_backward: whether second derivatives exist.
        batch_of_one: whether one sample may be trained on.
        random: whether training mode draws random numbers.
        any_size: whether all axes after the first (the channels) may be longer.
    """

    name: str
    make: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    formula: Callable[[nn.Module, Array], Array] | None = None
    training_formula: Callable[[nn.Module, Array], Array] | None = None
    positive_input: bool = False
    double_backward: bool = True
    batch_of_one: bool = True
    random: bool = False
    any_size: bool = True


def all_cases() -> list[LayerCase]:
    """The cases of every `cases_*.py` beside this file."""
    files = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
    return [case for file in files for case in import_module(f"nn.{file}").CASES]


def build(case: LayerCase, *, training: bool, dtype: torch.dtype = torch.float64, seed: int = 0) -> nn.Module:
    """The layer with the weights of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return case.make().to(dtype).train(training)


def draw_input(case: LayerCase, batch: int = 2, *, dtype: torch.dtype = torch.float64, longer: int = 0) -> Tensor:
    """Random samples; every axis after the channels `longer` than the case says."""
    channels, sizes = case.input_shape[:1], tuple(size + longer for size in case.input_shape[1:])
    x = torch.randn(batch, *channels, *sizes, dtype=dtype, generator=torch.Generator().manual_seed(1))
    return x.abs() if case.positive_input else x
