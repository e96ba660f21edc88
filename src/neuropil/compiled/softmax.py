"""Rows of scores into weights that add up to 1, and back: bfloat16 in place, with fp32 within.

Of a row only its largest score and the share of that are kept, from which the weights are made again for the way back.

Source: Dao et al. 2022, "FlashAttention", appendix B.
Formula: `w_j = p e^(s_j - m)`, `p = 1 / sum_j e^(s_j - m)`; back, `g_j = w_j (d_j - sum_k w_k d_k)`.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuropil.compiled.arithmetic import narrowed, power_of_two, widened
from neuropil.compiled.threads import REORDERED, Loop, halves, share, singles

__all__ = ["softmax_back", "softmax_in_place"]

Bits = NDArray[np.uint16]
Singles = NDArray[np.float32]
_f = np.float32
_part = numba.njit(fastmath=REORDERED, error_model="numpy", inline="always")
BITS = _f(1 / math.log(2))


@_part
def _in_order(bits: np.uint16) -> np.int16:
    """A whole number that is larger where the bfloat16 is; the same again leads back."""
    k = np.int16(bits)
    return np.int16(k ^ ((k >> np.int16(15)) & np.int16(0x7FFF)))


@_part
def _largest(s: Bits) -> np.float32:
    top = np.int16(-32768)
    for j in range(len(s)):
        top = max(top, _in_order(s[j]))
    return widened(np.uint16(_in_order(np.uint16(top))))


@_part
def _beside(score: np.uint16, largest: np.float32) -> np.float32:
    """The exponential of a score's distance to the largest."""
    below = (widened(score) - largest) * BITS
    found = power_of_two(_f(-126) if below < _f(-126) else below)
    return _f(0) if below < _f(-126) else found


@_part
def _exponentials(s: Bits, largest: np.float32, found: Singles) -> np.float32:
    """And their sum."""
    total = _f(0)
    for j in range(len(s)):
        found[j] = _beside(s[j], largest)
        total += found[j]
    return total


@_part
def _scale(exponentials: Singles, factor: np.float32, s: Bits) -> None:
    for j in range(len(s)):
        s[j] = narrowed(exponentials[j] * factor)


@_part
def _weigh(s: Bits, largest: np.float32, factor: np.float32) -> None:
    for j in range(len(s)):
        s[j] = narrowed(_beside(s[j], largest) * factor)


@_part
def _back(w: Bits, d: Bits) -> None:
    mean = _f(0)
    for j in range(len(w)):
        mean += widened(w[j]) * widened(d[j])
    for j in range(len(w)):
        d[j] = narrowed(widened(w[j]) * (widened(d[j]) - mean))


@_part
def _clear(s: Bits) -> None:
    for j in range(len(s)):
        s[j] = 0


def _forwards(a: Any) -> None:
    rows, questions, places, seen_first, more = a[2], a[3], a[4], a[5], a[6]
    scores, sums = halves(a[0], rows * places), singles(a[1], 2 * rows)
    exponentials = np.empty(places, _f)
    begin, end = share(rows)
    for row in range(begin, end):
        seen = seen_first + more * (row % questions)
        s = scores[row * places : (row + 1) * places]
        largest = _largest(s[:seen])
        factor = _f(1) / _exponentials(s[:seen], largest, exponentials)
        sums[2 * row], sums[2 * row + 1] = largest, factor
        _scale(exponentials, factor, s[:seen])
        _clear(s[seen:])


def _backwards(a: Any) -> None:
    rows, questions, places, seen_first, more = a[3], a[4], a[5], a[6], a[7]
    scores, grads, sums = halves(a[0], rows * places), halves(a[1], rows * places), singles(a[2], 2 * rows)
    begin, end = share(rows)
    for row in range(begin, end):
        seen = seen_first + more * (row % questions)
        s, d = scores[row * places : (row + 1) * places], grads[row * places : (row + 1) * places]
        if a[2]:
            _weigh(s[:seen], sums[2 * row], sums[2 * row + 1])
            _clear(s[seen:])
        _back(s[:seen], d[:seen])
        _clear(d[seen:])


_FORWARDS, _BACKWARDS = Loop(_forwards, REORDERED), Loop(_backwards, REORDERED)


def _how(scores: Tensor, causal: bool) -> tuple[int, int, int, int, int]:
    count, questions, places = scores.shape
    return count * questions, questions, places, places - questions + 1 if causal else places, int(causal)


def softmax_in_place(scores: Tensor, *, causal: bool) -> Tensor:
    """Scores become weights; what is kept of each row is returned.

    Shape:
        bfloat16 `[B, t, S]` -> float32 `[B, t, 2]`.

    Args:
        scores: contiguous, on a processor.
        causal: the last question stands at the last place, and none sees a place behind its own.
    """
    sums = torch.empty(*scores.shape[:2], 2, dtype=torch.float32)
    _FORWARDS(scores, sums, *_how(scores, causal))
    return sums


def softmax_back(scores: Tensor, grad: Tensor, sums: Tensor | None, *, causal: bool) -> None:
    """Scores become weights again, and the weights' gradient that of the scores.

    Shape:
        bfloat16 `[B, t, S]` twice, float32 `[B, t, 2]`.

    Args:
        scores: contiguous, on a processor.
        grad: the same.
        sums: what forward gave; `None` where the scores are weights already.
        causal: as forward.
    """
    _BACKWARDS(scores, grad, 0 if sums is None else sums, *_how(scores, causal))
