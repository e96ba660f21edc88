"""What is measured of every picture, in one pass: a digest, a small grey view, brightness, spread, shades."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuropil.data.folder import PictureSamples
from neuropil.data.in_memory import Described
from neuropil.data.records import Samples

__all__ = ["SHADES", "SIDE", "Fingerprints", "take_fingerprints"]

Array = np.ndarray[Any, Any]

SIDE = 32
"""Longest side of the small views."""

DECODED_SIDE = 96
"""Side to which files are decoded where training's views are not in memory."""

CHUNK_BYTES = 8 << 20
SHADES = 16
GREY = np.array([77, 150, 29], dtype=np.uint32)
"""Red, green and blue in 256 parts of brightness (ITU-R BT.601)."""


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Measures of `n` pictures.

    Args:
        digests: of their values, 16 bytes each.
        views: small and grey, uint8 `[n, h, w]`.
        mean: brightness, `[n]`, 0 to 255.
        spread: standard deviation, `[n]`.
        span: brightest less darkest, `[n]`.
        shades: share of each of 16 shades, `[n, 16]`.
    """

    digests: list[bytes]
    views: Array
    mean: Array
    spread: Array
    span: Array
    shades: Array


def take_fingerprints(parts: Sequence[Samples]) -> Fingerprints:
    """Measure the pictures of all parts, one after the other.

    Raises:
        InputError: a file has been damaged or removed since it was opened.
    """
    jobs: list[tuple[Samples, Array]] = []
    for part in parts:
        samples = _small(part)
        one = int(np.prod(samples.fetch(np.array([0]))[0].shape))
        step = max(1, CHUNK_BYTES // max(1, one))
        jobs += [(samples, np.arange(at, min(at + step, len(samples)))) for at in range(0, len(samples), step)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="neuropil-checks") as pool:
        measured = list(pool.map(lambda job: _measured(job[0].fetch(job[1])[0]), jobs))
    return Fingerprints(
        [digest for one in measured for digest in one.digests],
        np.concatenate([one.views for one in measured]),
        np.concatenate([one.mean for one in measured]),
        np.concatenate([one.spread for one in measured]),
        np.concatenate([one.span for one in measured]),
        np.concatenate([one.shades for one in measured]),
    )


def _small(samples: Samples) -> Samples:
    """The same samples, decoded no larger than needed."""
    inner = samples
    while isinstance(inner, Described):
        inner = inner.samples
    return inner.reduced(DECODED_SIDE) if isinstance(inner, PictureSamples) else samples


def _measured(images: Array) -> Fingerprints:
    """Measures of one chunk, uint8 `[n, C, H, W]`."""
    count = len(images)
    digests = [hashlib.blake2b(one, digest_size=16).digest() for one in np.ascontiguousarray(images)]
    grey = images[:, 0] if images.shape[1] != 3 else _grey(images)
    flat = grey.reshape(count, -1)
    shade = (flat >> 4).astype(np.int64) + SHADES * np.arange(count)[:, None]
    shades = np.bincount(shade.ravel(), minlength=count * SHADES).reshape(count, SHADES) / flat.shape[1]
    return Fingerprints(
        digests,
        _reduced(grey),
        flat.mean(1),
        flat.std(1, dtype=np.float32),
        flat.max(1).astype(np.int64) - flat.min(1),
        shades.astype(np.float32),
    )


def _grey(images: Array) -> Array:
    total = images[:, 0] * GREY[0]
    total += images[:, 1] * GREY[1]
    total += images[:, 2] * GREY[2]
    return np.asarray(total >> 8, dtype=np.uint8)


def _reduced(grey: Array) -> Array:
    """Small views: each element the mean of what it covers, uint8 `[n, h, w]`; small pictures stay as they are."""
    height, width = grey.shape[1:]
    if max(height, width) <= SIDE:
        return np.array(grey)
    down, right = _covering(height, min(height, SIDE)), _covering(width, min(width, SIDE))
    small = np.matmul(np.matmul(down, grey.astype(np.float32)), right.T)
    return np.asarray(np.rint(small), dtype=np.uint8)


def _covering(old: int, new: int) -> Array:
    """How much of each of `old` elements each of `new` ones covers, `[new, old]`, rows of sum 1."""
    edges = np.arange(new + 1) * old / new
    begin = np.maximum(edges[:-1, None], np.arange(old))
    end = np.minimum(edges[1:, None], np.arange(1, old + 1))
    return np.asarray(np.clip(end - begin, 0, None) * new / old, dtype=np.float32)
