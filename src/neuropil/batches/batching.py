"""Batches of samples: batch k of epoch e is a function of (samples, seed, e, k) alone, for any number of workers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from neuropil.batches.augmentation import Augmentation
from neuropil.batches.bucketing import bucketed, by_length, lanes
from neuropil.batches.normalization import Normalization, to_float
from neuropil.data.order import checked_seed, permutation, uniforms
from neuropil.data.records import Batch, Samples
from neuropil.errors import InputError

__all__ = ["Batches"]

Array = np.ndarray[Any, Any]

CHUNK_BYTES = 4 << 20
"""Small batches are made together, up to this many bytes of inputs, and handed out as views."""

SAMPLE_DRAWS = 4
"""Uniform numbers for each sample that is made anew in each epoch."""

ALIGNMENT_BYTES = 64
"""Where a batch's memory begins: at a multiple of this, as PyTorch's own allocations do."""


class Batches:
    """Batches of one part of the data, shuffled by (seed, epoch), augmented by (seed, epoch, position).

    An epoch has ceil(N / batch size) batches (the last may be smaller), or floor(N / batch size) with `drop_last`
    (chapter: iterations = N / batch size). A batch size of 1 is the chapter's stochastic update, one of N or more
    its batch update. No global random state is read or changed.

    Shape:
        inputs `[N, ...]`: uint8 becomes float32, in [0, 1] or normalised; other kinds keep their values.
        targets int64 `[N]`; float32 `[N, D]`; float32 `[N, K]` where an augmentation mixes samples.

    Args:
        samples: what to draw from.
        batch_size: samples in a batch, 1 or more.
        seed: of the order, 0 to 2^64 - 1.
        shuffle: a new order each epoch; else the samples' own.
        workers: threads that read and augment ahead; 0: the caller's own. The batches are the same for any number.
        drop_last: leave out the last batch where it is smaller.
        augment: random changes of the inputs, for training.
        normalize: statistics of the training part.
        num_classes: K, for augmentations that mix samples; read from the samples' class names where left out.
        prefetch: batches (or groups of small ones) that each worker makes ahead, 1 or more.

    Raises:
        InputError: a number out of its range, no samples, or `drop_last` that would leave no batch.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        workers: int = 0,
        drop_last: bool = False,
        augment: Augmentation | None = None,
        normalize: Normalization | None = None,
        num_classes: int | None = None,
        prefetch: int = 2,
    ) -> None:
        for name, value, least in (("batch size", batch_size, 1), ("workers", workers, 0), ("prefetch", prefetch, 1)):
            if value < least:
                raise InputError(f"{name} is {value}; give {least} or more")
        count = len(samples)
        if not count:
            raise InputError(f"{samples.info.source!r} has no samples, so no batch can be made of them")
        if drop_last and batch_size > count:
            raise InputError(
                f"drop_last leaves nothing: the batch size is {batch_size} but there are only {count} samples; "
                f"give a batch size of at most {count} or keep the last batch"
            )
        self.samples = samples
        self.batch_size = batch_size
        self.seed = checked_seed(seed)
        self.shuffle = shuffle
        self.workers = workers
        self.drop_last = drop_last
        self.augment = augment
        self.normalize = normalize
        self.num_classes = num_classes or len(samples.info.classes) or None
        self.prefetch = prefetch

    def __len__(self) -> int:
        """Batches in one epoch: ceil(N / batch size), or floor with `drop_last`."""
        count = len(self.samples)
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from batch number `start` on; no earlier batch is made to get there.

        Closing or dropping the iterator stops its workers; an exception in a worker is raised here.

        Args:
            epoch: 0 or more.
            start: 0 to the number of batches.

        Raises:
            InputError: a start outside the epoch, or a negative epoch.
        """
        if epoch < 0:
            raise InputError(f"the epoch is {epoch}; epochs count from 0")
        if not 0 <= start <= len(self):
            raise InputError(f"batch {start} is outside the epoch; it has {len(self)} batches")
        return self._epoch(epoch, start)

    def _epoch(self, epoch: int, start: int) -> Iterator[Batch]:
        count = len(self.samples)
        order = self._order(count, epoch)[: len(self) * self.batch_size]
        step = self.batch_size * self._together()
        begin = start * self.batch_size
        begins = iter(range(begin, len(order), step))
        if not self.workers:
            for first in begins:
                yield from self._make(order, first, first + step, epoch)
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="neuropil-batches")
        waiting: deque[Future[list[Batch]]] = deque()
        try:
            for first in begins:
                waiting.append(pool.submit(self._make, order, first, first + step, epoch))
                if len(waiting) > self.workers * self.prefetch:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _order(self, count: int, epoch: int) -> Array:
        """The samples of an epoch, batch after batch."""
        lengths = self._lengths()
        if getattr(self.samples, "continues", False):
            return lanes(count, self.batch_size)
        if lengths is not None and self.shuffle:
            return bucketed(lengths, self.batch_size, seed=self.seed, epoch=epoch)
        if lengths is not None:
            return by_length(lengths)
        return permutation(count, seed=self.seed, epoch=epoch) if self.shuffle else np.arange(count, dtype=np.int64)

    def _lengths(self) -> Array | None:
        """How long each sample is, where that differs."""
        lengths: Array | None = getattr(self.samples, "lengths", None)
        return lengths

    def _together(self) -> int:
        """How many batches are made at once: one where its padding would hang on the others made with it."""
        if self.augment is not None and self.augment.mixes:
            return 1
        shape = self.samples.info.input_shape
        if self._lengths() is not None or getattr(self.samples, "continues", False) or 0 in shape:
            return 1
        batch_bytes = 4 * self.batch_size * max(1, math.prod(self.samples.info.input_shape))
        return max(1, CHUNK_BYTES // batch_bytes)

    def _make(self, order: Array, begin: int, end: int, epoch: int) -> list[Batch]:
        """The batches of the positions `begin` to `end`."""
        indices = order[begin:end]
        positions = np.arange(begin, begin + len(indices), dtype=np.int64)
        crops = None
        if self.augment is not None and getattr(self.samples, "crops_while_decoding", False):
            crops = self.augment.decoding_draws(positions, epoch)
        draws = crops
        if getattr(self.samples, "draws_by_index", False):  # the sample's own, wherever in the epoch it comes
            draws = uniforms(indices, SAMPLE_DRAWS, seed=self.seed, epoch=epoch, stream="samples")
        inputs, targets = self.samples.fetch(indices, draws)
        if self.augment is not None:
            inputs, targets = self.augment.apply(
                inputs, targets, positions, epoch, self.num_classes, cropped=crops is not None
            )
        inputs = to_float(inputs) if self.normalize is None else self.normalize.apply(inputs)
        size = self.batch_size
        return [
            Batch(one, answer, indices[first : first + size])
            for one, answer, first in zip(
                _split(inputs, size),
                _split(targets, size),
                range(0, len(indices), size),
                strict=True,
            )
        ]


def _split(values: Array, size: int) -> list[torch.Tensor]:
    """Tensors of `size` samples each on the array's own memory, where that may be written to and is aligned.

    Matrix kernels round differently by the alignment of their inputs, and that would depend on where the allocator
    put the array and on which batch a resumed run began with; so every batch begins at a multiple of 64 bytes.
    """
    whole = torch.from_numpy(values if values.flags.writeable else values.copy())
    pieces: tuple[torch.Tensor, ...] = whole.split(size)  # type: ignore[no-untyped-call]
    return [piece if piece.data_ptr() % ALIGNMENT_BYTES == 0 else piece.clone() for piece in pieces]
