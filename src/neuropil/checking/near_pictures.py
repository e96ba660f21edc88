"""Pictures that are nearly the same: a hash of 64 bits, looked up in bands, and each candidate compared.

The bits are signs of the set's own 64 strongest patterns (principal components of the small views, each cut at its
median), so that they are balanced whatever the pictures show; digits on black make most fixed hashes useless. Each
band is also looked up with its two least certain bits turned around (multi-probe search: Lv et al. 2007). Candidates
are compared picture element by picture element, after brightness and contrast are brought together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["difference", "near_pairs"]

Array = np.ndarray[Any, Any]

BITS = 64
LEARNED_FROM = 8_000
"""Pictures, evenly chosen, that the patterns are computed from."""

WEAKEST = 1e-5
"""Strength of a pattern, as a share of the strongest, below which it is noise."""

ALL_PAIRS = 600
"""Of fewer pictures every two are candidates."""

MOST_IN_BUCKET = 400
"""Of buckets with more pictures than that, only so many are looked at."""

LEAST_COSINE = 0.975
"""In the space of the patterns: candidates below are not compared element by element."""

LEAST_SPREAD = 2.0
"""Standard deviation below which a picture is blank, and like every other blank one."""

GAIN = (0.5, 2.0)
SMOOTHED = {24: 2, 12: 1}
"""Shorter side -> how often views are smoothed before they are compared: what a resize blurs must not count."""

CHUNK = 20_000


def near_pairs(views: Array, spread: Array, most_difference: float) -> Array:
    """Pairs of pictures that differ by no more than brightness, contrast, recompression or a small resize.

    Shape: views uint8 `[n, h, w]`, spread `[n]` -> int64 `[m, 2]`, the smaller number first.

    Args:
        views: small and grey.
        spread: standard deviation of each picture; blank ones are left out.
        most_difference: see `difference`.
    """
    usable = np.flatnonzero(spread >= LEAST_SPREAD)
    if len(usable) < 2:
        return np.empty((0, 2), dtype=np.int64)
    projected = _projected(views[usable])
    pairs = _candidates(projected)
    unit = projected / np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), 1e-6)
    kept = []
    for at in range(0, len(pairs), CHUNK):
        some = pairs[at : at + CHUNK]
        alike = (unit[some[:, 0]] * unit[some[:, 1]]).sum(1)
        some = usable[some[alike >= LEAST_COSINE]]
        kept.append(some[difference(views[some[:, 0]], views[some[:, 1]]) <= most_difference])
    found = np.concatenate(kept) if kept else np.empty((0, 2), dtype=np.int64)
    return np.sort(found, axis=1)


def difference(first: Array, second: Array) -> Array:
    """How far two pictures are apart at the place where they differ most, as a share of the span of their shades,
    after the first is brought to the second's brightness and contrast; infinite beyond a gain of one half to two.

    Shape: uint8 `[m, h, w]` each -> float32 `[m]`.

    Example:
        >>> one = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
        >>> difference(one, one + 9).tolist(), bool(difference(one, one.transpose(0, 2, 1))[0] > 0.5)
        ([0.0], True)
    """
    if not len(first):
        return np.empty(0, dtype=np.float32)
    one, other = _smoothed(first), _smoothed(second)
    one -= one.mean((1, 2), keepdims=True)
    other -= other.mean((1, 2), keepdims=True)
    gain = (one * other).sum((1, 2)) / np.maximum((one * one).sum((1, 2)), 1e-6)
    span = np.maximum(other.max((1, 2)) - other.min((1, 2)), 16.0)
    apart = np.abs(gain[:, None, None] * one - other).max((1, 2)) / span
    return np.where((gain >= GAIN[0]) & (gain <= GAIN[1]), apart, np.inf).astype(np.float32)


def _smoothed(views: Array) -> Array:
    """Smoothed by 1-2-1 along both axes, float32."""
    result: Array = views.astype(np.float32)
    times = next((times for side, times in SMOOTHED.items() if min(views.shape[1:]) >= side), 0)
    for _ in range(times):
        down = np.pad(result, ((0, 0), (1, 1), (0, 0)), mode="edge")
        result = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]) / 4
        right = np.pad(result, ((0, 0), (0, 0), (1, 1)), mode="edge")
        result = (right[:, :, :-2] + 2 * right[:, :, 1:-1] + right[:, :, 2:]) / 4
    return result


def _projected(views: Array) -> Array:
    """Each picture, smoothed and brought to one contrast, in the set's strongest patterns: float32 `[n, <= 64]`."""
    count = len(views)
    coarse = np.concatenate([_coarse(views[at : at + CHUNK]) for at in range(0, count, CHUNK)])
    some = coarse[np.linspace(0, count - 1, min(count, LEARNED_FROM)).astype(np.int64)]
    some = some - coarse.mean(0)
    strength, patterns = np.linalg.eigh((some.T @ some).astype(np.float64))
    strong = max(1, int((strength > WEAKEST * strength[-1]).sum()))
    return np.asarray(coarse @ patterns[:, ::-1][:, : min(BITS, strong)].astype(np.float32))


def _coarse(views: Array) -> Array:
    """Smoothed, every second element, of mean 0 and length 1: `[n, d]`."""
    smooth = _smoothed(views)
    if min(smooth.shape[1:]) >= 16:
        smooth = smooth[:, ::2, ::2]
    flat = smooth.reshape(len(views), -1)
    flat = flat - flat.mean(1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))


def _candidates(projected: Array) -> Array:
    """Pairs whose hashes agree in a band, or would but for its two least certain bits: `[m, 2]`, each once."""
    count, width = projected.shape
    if count < ALL_PAIRS:
        return np.stack(np.triu_indices(count, 1), axis=1)
    margins = projected - np.median(projected, axis=0)
    size = int(np.clip(np.ceil(np.log2(max(count, 2))), 4, 16))
    bands = max(1, width // size)
    codes = []
    for band in range(bands):
        of_band = margins[:, band::bands][:, :size]
        powers = 1 << np.arange(of_band.shape[1], dtype=np.int64)
        base = (of_band > 0) @ powers
        weak = np.argsort(np.abs(of_band), axis=1)[:, :2]
        flips = [powers[weak[:, place]] for place in range(weak.shape[1])]
        probes = [base, *(base ^ flip for flip in flips)]
        if len(flips) == 2:
            probes.append(base ^ flips[0] ^ flips[1])
        found = np.unique(np.concatenate([_agreeing(base, probe, count) for probe in probes]))
        codes.append(found)
    every = np.unique(np.concatenate(codes))
    return np.stack([every // count, every % count], axis=1)


def _agreeing(base: Array, probe: Array, count: int) -> Array:
    """Pairs `first * count + second`, first < second, of which one's probe is the other's base."""
    order = np.argsort(base, kind="stable")
    keys = base[order]
    begin, end = np.searchsorted(keys, probe, "left"), np.searchsorted(keys, probe, "right")
    many = np.minimum(end - begin, MOST_IN_BUCKET)
    first = np.repeat(np.arange(count), many)
    inside = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    second = order[np.repeat(begin, many) + inside]
    low, high = np.minimum(first, second), np.maximum(first, second)
    return np.asarray((low * count + high)[low != high])
