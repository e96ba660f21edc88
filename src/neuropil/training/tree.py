"""Nested state taken apart into tensors (for safetensors) and plain JSON values, and put together again.

`unpack(pack(state))` gives the state back exactly: floats by their shortest exact text, tuples as tuples, whole-number
keys as whole numbers, tensors bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from neuropil.errors import CheckpointError

__all__ = ["pack", "unpack"]


def pack(state: Any, tensors: dict[str, Tensor], place: str = "state") -> Any:
    """Plain JSON values for `state`, its tensors moved into `tensors` under the name of their place.

    Args:
        state: dictionaries, lists, tuples, tensors, numbers, text, `None`, nested in any way.
        tensors: filled in.
        place: the name that stands before each tensor's own.

    Raises:
        CheckpointError: a value or a key of another type.
    """
    if isinstance(state, Tensor):
        while place in tensors:  # {"a.b": ...} beside {"a": {"b": ...}}
            place += "~"
        tensors[place] = state.detach().contiguous()
        return {"$tensor": place}
    if isinstance(state, Mapping):
        for key in state:
            if not (key is None or isinstance(key, bool | int | float | str)):
                raise CheckpointError(
                    f"{place} has the key {key!r}, which a checkpoint cannot hold; use text or numbers"
                )
        pairs = [[key, pack(value, tensors, f"{place}.{key}")] for key, value in state.items()]
        plain = all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs)
        return dict(pairs) if plain else {"$pairs": pairs}
    if isinstance(state, list | tuple):
        values = [pack(value, tensors, f"{place}.{number}") for number, value in enumerate(state)]
        return {"$tuple": values} if isinstance(state, tuple) else values
    if state is None or isinstance(state, bool | int | float | str):
        return state
    raise CheckpointError(
        f"{place} is a {type(state).__name__}, which a checkpoint cannot hold; use numbers or tensors"
    )


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The state that `pack` took apart.

    Raises:
        CheckpointError: a tensor that the state names is missing.

    Example:
        >>> import torch
        >>> store: dict[str, Tensor] = {}
        >>> packed = pack({0: (torch.ones(2), 0.1)}, store)
        >>> unpack(packed, store)
        {0: (tensor([1., 1.]), 0.1)}
    """
    if isinstance(packed, list):
        return [unpack(value, tensors) for value in packed]
    if not isinstance(packed, dict):
        return packed
    if "$tensor" in packed:
        name = packed["$tensor"]
        if name not in tensors:
            raise CheckpointError(f"the checkpoint names a tensor {name!r} that its files do not hold")
        return tensors[name]
    if "$tuple" in packed:
        return tuple(unpack(value, tensors) for value in packed["$tuple"])
    pairs = packed["$pairs"] if "$pairs" in packed else packed.items()
    return {key: unpack(value, tensors) for key, value in pairs}
