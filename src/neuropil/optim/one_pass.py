"""A rule's whole step in one pass over memory, compiled from the rule's equation by the system's C compiler.

PyTorch goes through memory once for each operation of a rule that it has no fused kernel for; on a processor memory is
all that a step costs. Here a rule states its equation as a line of C, which is compiled in about 0.2 s, once a process,
into a private folder that is removed at once. Tensors stay where they are: the kernel gets their addresses.

Each weight is computed by itself and without fused multiply-add, so that the numbers do not hang on the count of
threads. Where there is no compiler, or it fails in any way, there is no kernel.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

__all__ = ["Equation", "Kernel", "kernel_for"]

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fPIC", "-shared")
COMPILING_SECONDS = 60.0
"""A compiler that has not finished by then is given up."""

DECAY = "weight_decay"
"""The strength of the L2 term, a number of every equation."""

TYPES = {torch.float32: "float", torch.float64: "double"}

HEAD = r"""
#include <tgmath.h>

#define PIECE 131072  /* values that a thread takes at a time */

typedef long long integer;
typedef struct { integer tensors, total, next; const integer *sizes; void *const *places; const double *numbers; } Work;
typedef void Parallel(void (*)(void *), void *, unsigned, unsigned);
"""

BODY = r"""
static void REAL_work(void *given)
{
    Work *work = given;
    NUMBERS
    for (integer begin; (begin = __atomic_fetch_add(&work->next, PIECE, __ATOMIC_RELAXED)) < work->total;) {
        integer end = begin + PIECE < work->total ? begin + PIECE : work->total, passed = 0;
        for (integer t = 0; passed < end; passed += work->sizes[t], t++) {
            integer first = begin > passed ? begin - passed : 0;
            integer last = end - passed < work->sizes[t] ? end - passed : work->sizes[t];
            PLACES
            for (integer i = first; i < last; i++) {
                LOAD
                EQUATION
                STORE
            }
        }
    }
}

void REAL_step(Parallel *parallel, unsigned threads, integer tensors, const integer *sizes, void *const *places,
               const double *numbers)
{
    Work work = {tensors, 0, 0, sizes, places, numbers};
    for (integer t = 0; t < tensors; t++)
        work.total += sizes[t];
    if (parallel)
        parallel(REAL_work, &work, threads, 0);
    else
        REAL_work(&work);
}
"""


@dataclass(frozen=True, slots=True)
class Equation:
    """One step of one weight.

    Args:
        slots: what the rule keeps for each weight.
        numbers: what is the same for all weights of a step, besides the weight decay.
        text: statements of C over the weight `w`, its gradient `g` with the decay in it, the slots and the numbers;
            `real` is the weights' type.
    """

    slots: tuple[str, ...]
    numbers: tuple[str, ...]
    text: str

    def source(self) -> str:
        """The kernel's source, for each type of weights."""
        arrays, numbers = ("w", "g", *self.slots), (DECAY, *self.numbers)
        parts = {
            "NUMBERS": [f"const REAL {name} = work->numbers[{n}];" for n, name in enumerate(numbers)],
            "PLACES": [
                f"REAL *restrict {name}_ = work->places[{n} * work->tensors + t];" for n, name in enumerate(arrays)
            ],
            "LOAD": [*(f"REAL {name} = {name}_[i];" for name in arrays), f"g += {DECAY} * w;"],
            "EQUATION": [self.text.replace("real", "REAL")],
            "STORE": [f"{name}_[i] = {name};" for name in arrays if name != "g"],
        }
        body = BODY
        for mark, lines in parts.items():
            body = body.replace(mark, " ".join(lines))
        return HEAD + "".join(body.replace("REAL", name) for name in TYPES.values())


class Kernel:
    """A compiled equation.

    Args:
        equation: what it computes.
        library: where it is.
    """

    def __init__(self, equation: Equation, library: ctypes.CDLL) -> None:
        self.equation, self._parallel = equation, _threads_of_torch()
        self._steps = {}
        for dtype, name in TYPES.items():
            step = getattr(library, f"{name}_step")
            step.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_longlong, *3 * [ctypes.c_void_p]]
            step.restype = None
            self._steps[dtype] = step

    def __call__(
        self, dtype: torch.dtype, sizes: Sequence[int], places: Sequence[int], numbers: Mapping[str, float]
    ) -> None:
        """Take a step in place.

        Args:
            dtype: of all tensors.
            sizes: elements of each weight.
            places: addresses of the weights, then of their gradients, then of the tensors of each slot; all dense, on
                the processor, those of one weight in one layout.
            numbers: by their names in the equation, and the weight decay.
        """
        values = [numbers[name] for name in (DECAY, *self.equation.numbers)]
        lists = (array("q", sizes), array("Q", places), array("d", values))
        addresses = [one.buffer_info()[0] for one in lists]
        self._steps[dtype](self._parallel, torch.get_num_threads(), len(sizes), *addresses)


@cache
def kernel_for(equation: Equation) -> Kernel | None:
    """The compiled equation, the same object each time; `None` where it cannot be compiled here."""
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    try:
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            source, library = Path(folder) / "step.c", Path(folder) / "step.so"
            source.write_text(equation.source(), encoding="utf-8")
            words = [compiler, *FLAGS, "-o", str(library), str(source), "-lm"]
            subprocess.run(words, check=True, capture_output=True, timeout=COMPILING_SECONDS)
            return Kernel(equation, ctypes.CDLL(str(library)))
    except (OSError, subprocess.SubprocessError, AttributeError):
        return None


def _threads_of_torch() -> ctypes.c_void_p | None:
    """OpenMP's way to run a function on the threads that PyTorch has; other threads would fight with them for cores.

    The symbol is looked for in what PyTorch has loaded; `None`, where it has no OpenMP, is one thread.
    """
    try:
        return ctypes.cast(ctypes.CDLL(torch._C.__file__).GOMP_parallel, ctypes.c_void_p)
    except (OSError, AttributeError):
        return None
