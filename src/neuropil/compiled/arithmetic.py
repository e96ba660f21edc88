"""What loops are made of: functions of one number in fp32 that a compiler can do for many at once, and bfloat16."""

from __future__ import annotations

import numba
import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

__all__ = ["exp", "narrowed", "power_of_two", "sigmoid", "tanh", "widened"]

_f = np.float32
_P0, _P1, _P2, _P3, _P4, _P5 = (_f(c) for c in Chebyshev.interpolate(np.exp2, 5, (0, 1)).convert(kind=Polynomial).coef)
_inlined = numba.njit(fastmath={"contract"}, error_model="numpy", inline="always")


@_inlined
def exp(x: np.float32) -> np.float32:
    """2^n e^r with |r| at most half of log 2, by the first eight terms (which leaves 1e-8 of it) and the bits of 2^n;
    one that a loop can do for many numbers at once.
    """
    x = _f(88) if x > _f(88) else x
    x = _f(-87) if x < _f(-87) else x
    n = np.floor(x * _f(1 / np.log(2)) + _f(0.5))
    r = (x - n * _f(0.693359375)) - n * _f(np.log(2) - 0.693359375)  # log 2 in two parts, the first of few bits
    e = _f(1 / 5040)
    for k in (720, 120, 24, 6, 2, 1, 1):
        e = e * r + _f(1 / k)
    return e * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@_inlined
def power_of_two(x: np.float32) -> np.float32:
    """2^x for x from -126 up to below 128, within 3e-7 of it: a polynomial of what is behind the point, and the whole
    part added to the bits of the exponent.
    """
    n = np.floor(x)
    r = x - n
    e = np.float32(((((_P5 * r + _P4) * r + _P3) * r + _P2) * r + _P1) * r + _P0)
    return np.int32(e.view(np.int32) + np.int32(np.int32(n) << np.int32(23))).view(np.float32)


@_inlined
def sigmoid(x: np.float32) -> np.float32:
    """`1 / (1 + e^-x)`."""
    return _f(1) / (_f(1) + exp(-x))


@_inlined
def tanh(x: np.float32) -> np.float32:
    """`2 sigmoid(2 x) - 1`."""
    return _f(2) * sigmoid(_f(2) * x) - _f(1)


@_inlined
def widened(bits: np.uint16) -> np.float32:
    """Bfloat16, which is the upper half of fp32."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@_inlined
def narrowed(x: np.float32) -> np.uint16:
    """To bfloat16, the nearest, of two the even one; what is no number stays so if it came from bfloat16."""
    bits = np.float32(x).view(np.uint32)
    return np.uint16((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))
