"""Keys and values that need not be computed again: what a network that writes remembers of each layer."""

from __future__ import annotations

import torch
from torch import Tensor

from neuropil.errors import InputError

__all__ = ["KeyValueCache"]

FIRST = 64
"""Places that a cache begins with; where they are filled, it doubles."""


class _Store:
    """Room for keys and values, of which the first `filled` places are taken."""

    def __init__(self, keys: Tensor, values: Tensor, filled: int) -> None:
        self.keys, self.values, self.filled = keys, values, filled


class KeyValueCache:
    """The keys and values of the places read so far; a row for each sequence.

    A cache does not change: `extended` gives another one. Both share their memory as long as nothing else was written
    behind the first, so that a step costs no copy of what came before.

    Args:
        most: places that there will be at most; room is never made for more. No limit where left out.

    Example:
        >>> one = torch.ones(2, 1, 3, 4)  # [N, H, T, d]
        >>> cache, keys, values = KeyValueCache().extended(one, one)
        >>> later, keys, values = cache.extended(one, one)
        >>> cache.length, later.length, keys.shape
        (3, 6, torch.Size([2, 1, 6, 4]))
        >>> later.select(torch.tensor([1, 1, 0])).length
        6
    """

    __slots__ = ("_store", "length", "most")

    def __init__(self, most: int | None = None) -> None:
        if most is not None and most < 1:
            raise InputError(f"a cache of at most {most} places was asked for; give 1 or more")
        self.most = most
        self.length = 0
        self._store: _Store | None = None

    def extended(self, keys: Tensor, values: Tensor) -> tuple[KeyValueCache, Tensor, Tensor]:
        """The cache with some more places behind, and all its keys and values `[N, H, S, d]`.

        Args:
            keys: of the new places, `[N, H, T, d]`.
            values: of the new places.

        Raises:
            InputError: more places than there may be, or other sequences than before.
        """
        length = self.length + keys.shape[2]
        if self.most is not None and length > self.most:
            raise InputError(f"a cache of at most {self.most} places was to hold {length}; begin again with fewer")
        store = self._store
        if store is not None and (store.keys.shape[:2] != keys.shape[:2] or store.keys.shape[3] != keys.shape[3]):
            raise InputError(
                f"keys of {list(keys.shape)} were given to a cache of {list(store.keys.shape)}; give each step as many "
                "sequences as it began with, or choose among them by select"
            )
        if keys.requires_grad and torch.is_grad_enabled():  # nothing is overwritten that a gradient may ask for
            if store is not None:
                keys = torch.cat([store.keys[:, :, : self.length], keys], 2)
                values = torch.cat([store.values[:, :, : self.length], values], 2)
            return self._with(_Store(keys, values, length), length), keys, values
        if store is None or store.filled != self.length or length > store.keys.shape[2]:
            store = self._roomier(keys, values, length)
        store.keys[:, :, self.length : length] = keys
        store.values[:, :, self.length : length] = values
        store.filled = length
        return self._with(store, length), store.keys[:, :, :length], store.values[:, :, :length]

    def select(self, indices: Tensor) -> KeyValueCache:
        """The cache whose row i is row `indices[i]` of this one."""
        if self._store is None:
            return self
        room = self._store.keys.shape[2]
        keys, values = self._store.keys, self._store.values
        store = _Store(_rows(keys, indices, self.length, room), _rows(values, indices, self.length, room), self.length)
        return self._with(store, self.length)

    def _with(self, store: _Store, length: int) -> KeyValueCache:
        found = KeyValueCache(self.most)
        found._store, found.length = store, length
        return found

    def _roomier(self, keys: Tensor, values: Tensor, length: int) -> _Store:
        """Room for at least `length` places, with what there is."""
        room = FIRST
        while room < length:
            room *= 2
        room = room if self.most is None else max(length, min(room, self.most))
        made = [one.new_empty(*one.shape[:2], room, one.shape[3]) for one in (keys, values)]
        if self._store is not None:
            made[0][:, :, : self.length] = self._store.keys[:, :, : self.length]
            made[1][:, :, : self.length] = self._store.values[:, :, : self.length]
        return _Store(made[0], made[1], self.length)


def _rows(x: Tensor, indices: Tensor, length: int, room: int) -> Tensor:
    if x.requires_grad:
        return x[:, :, :length].index_select(0, indices)
    found = x.new_empty(len(indices), x.shape[1], room, x.shape[3])
    torch.index_select(x[:, :, :length], 0, indices, out=found[:, :, :length])
    return found
