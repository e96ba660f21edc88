"""Weights out of a file, whatever its format; nothing in the file is ever run.

Source: formats of safetensors, PyTorch (`torch.save`, read with `weights_only=True` and never otherwise) and NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["DARKNET_SUFFIX", "LAYER_SUFFIXES", "SUFFIXES", "read_weights"]

SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".bin", ".npz")
"""Formats that hold tensors by name."""

LAYER_SUFFIXES = (".onnx", ".h5", ".keras")
"""Formats that hold them layer by layer, which `foreign_files` reads."""

DARKNET_SUFFIX = ".weights"
"""Numbers one after another, which `darknet` reads into a network that says what they are."""

ALLOWED = (*SUFFIXES, *LAYER_SUFFIXES, DARKNET_SUFFIX)

WRAPPERS = ("state_dict", "model_state_dict", "model", "weights")
"""Entries under which training programs keep the weights beside other things."""

PREFIXES = ("module.", "_orig_mod.")
"""What data-parallel training and `torch.compile` put before every name."""


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a weights file by name, on the CPU.

    A dictionary under `state_dict`, `model`, `model_state_dict` or `weights` is unwrapped, and a `module.` or
    `_orig_mod.` before every name is taken off.

    Args:
        path: a file that ends in one of `SUFFIXES`.

    Raises:
        InputError: no such file, another format, a damaged file, one that would run code, or one without tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"no weights file at {str(path)!r}; give the path of a {', '.join(ALLOWED)} file")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{str(path)!r} is no weights file that can be read; allowed endings are {', '.join(ALLOWED)}")
    try:
        content = _read(path, suffix)
    except Exception as error:  # a hostile file may raise anything; each is a refusal of that file, never a crash
        raise InputError(
            f"the weights file {str(path)!r} cannot be read ({_reason(error)}); get a fresh copy"
        ) from error
    weights = {str(name): value for name, value in _unwrapped(content).items() if isinstance(value, Tensor)}
    if not weights:
        raise InputError(f"the weights file {str(path)!r} holds no tensors by name; it needs a state dict")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights


def _read(path: Path, suffix: str) -> Any:
    if suffix == ".safetensors":
        return load_file(path)
    if suffix == ".npz":
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:  # np.load(path) leaks when it fails
            return {name: torch.from_numpy(np.array(arrays[name])) for name in arrays.files}
    return torch.load(path, map_location="cpu", weights_only=True)


def _unwrapped(content: Any) -> Mapping[Any, Any]:
    for name in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            return _unwrapped(content[name])
    return content if isinstance(content, Mapping) else {}


def _reason(error: Exception) -> str:
    """The first sentence of a foreign message, or the kind of error where there is none."""
    if "weights_only" in str(error) or "Weights only" in str(error):
        return "it is damaged, or asks for code to be run, which is never done"
    lines = str(error).strip().splitlines()
    return lines[0].split(". ")[0][:120] if lines else type(error).__name__
