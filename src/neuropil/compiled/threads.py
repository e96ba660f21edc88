"""Compiled loops on the threads that torch has.

Numba's own threads would share the cores with torch's, which wait there at full pace for their next work. So a loop is
given to torch's, through the library that made them: `GOMP_parallel` of GCC's OpenMP, which PyTorch for Linux brings.
Without that library this cannot be imported, and torch's operations do it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import torch
from numba.extending import intrinsic
from torch import Tensor

__all__ = ["FUSED", "REORDERED", "Loop", "halves", "share", "singles"]

_numba: Any = numba  # of whose functions few have types
_types = _numba.types

FUSED = {"contract"}
"""A product and a sum may be rounded once."""

REORDERED = FUSED | {"reassoc", "nsz"}
"""Sums of many numbers may be made in any order."""


def _openmp() -> ctypes.CDLL:
    """The library of torch's threads, which PyTorch for Linux brings.

    Raises:
        ImportError: there is none of GCC's.
    """
    torchs = Path(torch.__file__).parent
    for path in sorted((*(torchs / "lib").glob("libgomp*.so*"), *torchs.with_name("torch.libs").glob("libgomp*.so*"))):
        library = ctypes.CDLL(str(path))
        library.GOMP_parallel.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        library.GOMP_parallel.restype = None
        for name in ("omp_get_thread_num", "omp_get_num_threads"):
            getattr(library, name).argtypes, getattr(library, name).restype = (), ctypes.c_int
        return library
    raise ImportError("torch's threads are not of GCC's OpenMP here")


_LIBRARY = _openmp()
_number, _count = _LIBRARY.omp_get_thread_num, _LIBRARY.omp_get_num_threads


def _share(count: int) -> tuple[int, int]:
    return count * _number() // _count(), count * (_number() + 1) // _count()


share: Any = _numba.njit(_share)
"""In a loop: begin and end of this thread's share of so many. It is to be cut off first: a compiler does many numbers
of an array at once where the index runs from 0 up to its length.
"""


def _memory_of(kind: Any) -> Any:
    """For compiled code: so many numbers of a kind that begin at an address."""

    @intrinsic
    def pointer(context: Any, address: Any) -> Any:
        def code(generator: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], generator.get_value_type(signature.return_type))

        return _types.CPointer(kind)(_types.int64), code

    at: Any = pointer
    return _numba.njit(lambda address, count: _numba.carray(at(address), count))


halves, singles = _memory_of(_types.uint16), _memory_of(_types.float32)
"""In a loop: the 16 or 32 bits of so many numbers from an address on."""


class Loop:
    """A function that each thread calls for its share of the work; it is compiled when it is made.

    Args:
        work: gets an array of whole numbers, as they are given when the loop is called; a tensor becomes the address of
            its first number. It asks which share is its own.
        freedom: of its arithmetic, FUSED or REORDERED.
    """

    def __init__(self, work: Callable[[Any], None], freedom: set[str]) -> None:
        inlined = _numba.njit(work, inline="always")

        def entry(numbers: Any) -> None:
            inlined(_numba.carray(numbers, 8))

        signature = _types.void(_types.CPointer(_types.int64))
        self._entry = _numba.cfunc(signature, fastmath=freedom, error_model="numpy")(entry)

    def __call__(self, *arguments: Tensor | int) -> None:
        """Do the work; tensors must be contiguous, on a processor, and of the kind that `work` takes them for."""
        given = (one.data_ptr() if isinstance(one, Tensor) else one for one in arguments)
        numbers = (ctypes.c_int64 * 8)(*given)
        _LIBRARY.GOMP_parallel(self._entry.address, ctypes.addressof(numbers), torch.get_num_threads(), 0)
