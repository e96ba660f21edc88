"""A row of tokens as samples: window after window."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuropil.data.order import uniforms
from neuropil.data.records import DataInfo
from neuropil.errors import InputError
from neuropil.sequences.ragged import IGNORED
from neuropil.sequences.vocabulary import PAD

__all__ = ["WindowSamples"]

Array = np.ndarray[Any, Any]


class WindowSamples:
    """A row of tokens as samples: window i holds the tokens i · window to (i + 1) · window - 1, and its targets are
    the tokens one further.

    Consecutive windows continue one another, so that batches can carry a network's state along (`continues`). Of the
    last window what lies beyond the text is 0, its targets -100. Where windows are `shifted`, each begins up to one
    window further, by a draw, and continues none. With documents each token has the number of its document beside it,
    counted from 1 in each window, 0 beyond the text.

    Shape: a fetch gives int64 `[N, window]` twice; with documents inputs `[N, window, 2]`.

    Args:
        numbers: the tokens, `[n]`, 2 or more; also a memory map.
        window: tokens a sample, 1 or more.
        info: what is known of the text.
        starts: where documents begin, rising; `None` where there are none.
        continues: windows are read as one text; not with documents.
        shifted: windows begin at other places in each epoch.
        history: tokens at the beginning of every window but the first that are only read, 0 or more and fewer than the
            window's: windows overlap by so many, and each token is judged once, with so many before it or more.

    Example:
        >>> info = DataInfo("text", "sequences", "next", (0,))
        >>> inputs, targets = WindowSamples(np.array([5, 6, 7, 8, 9, 5]), 3, info).fetch(np.array([0, 1]))
        >>> inputs.tolist(), targets.tolist()
        ([[5, 6, 7], [8, 9, 0]], [[6, 7, 8], [9, 5, -100]])
    """

    def __init__(
        self,
        numbers: Array,
        window: int,
        info: DataInfo,
        *,
        starts: Array | None = None,
        continues: bool = True,
        shifted: bool = False,
        history: int = 0,
    ) -> None:
        if window < 1:
            raise InputError(f"window is {window} tokens; give 1 or more")
        if not 0 <= history < window:
            raise InputError(
                f"history is {history} of a window's {window} tokens; give 0 or more, fewer than the window"
            )
        if len(numbers) < 2:
            raise InputError(f"a part of {info.source!r} has {len(numbers)} tokens; a language model needs 2 or more")
        self._numbers, self._window, self._info, self._starts = numbers, window, info, starts
        self._history, self._stride = history, window - history
        self.continues = continues and starts is None and not shifted and not history
        self.draws_by_index = shifted

    @property
    def info(self) -> DataInfo:
        """What is known of the text."""
        return self._info

    @property
    def targets(self) -> Array:
        """All tokens but the first, `[n - 1]`; of a memory map as it is, else int64."""
        following = self._numbers[1:]
        return following if isinstance(following, np.memmap) else following.astype(np.int64)

    def __len__(self) -> int:
        return 1 + max(0, -(-(len(self._numbers) - 1 - self._window) // self._stride))

    def name(self, index: int) -> str:
        """How to call one sample in a message."""
        return f"tokens from {index * self._stride + 1}"

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """Windows and the tokens that follow each of theirs.

        Args:
            indices: the windows' numbers.
            draws: `[N, 1 or more]` uniform numbers, by the first of which windows are shifted; left out: those of the
                first epoch, seed 0.
        """
        begins = np.asarray(indices, dtype=np.int64) * self._stride
        last = len(self._numbers) - 1
        if self.draws_by_index:
            if draws is None:
                draws = uniforms(np.asarray(indices), 1, seed=0, epoch=0, stream="samples")
            further = (draws[:, 0] * self._window).astype(np.int64)
            begins = np.maximum(0, np.minimum(begins + further, last - self._window))
        places = begins[:, None] + np.arange(self._window + 1)
        found = self._numbers[np.minimum(places, last)].astype(np.int64)
        beyond = places[:, 1:] > last
        inputs, targets = np.where(beyond, PAD, found[:, :-1]), np.where(beyond, IGNORED, found[:, 1:])
        targets[begins > 0, : self._history] = IGNORED
        if self._starts is None:
            return inputs, targets
        documents = np.searchsorted(self._starts, places[:, :-1], side="right")
        inside = np.where(beyond, 0, documents - documents[:, :1] + 1)
        return np.stack([inputs, inside], axis=2), targets
