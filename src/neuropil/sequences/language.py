"""Plain text for language models: one long row of words or characters, read window after window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.data.archive import Archive
from neuropil.data.records import DataInfo, Splits
from neuropil.errors import InputError
from neuropil.sequences.division import by_part, in_order
from neuropil.sequences.ragged import IGNORED
from neuropil.sequences.text_files import plain_name, read_text
from neuropil.sequences.tokens import Level, composed, tokens_of
from neuropil.sequences.vocabulary import EOS, PAD, UNKNOWN, Vocabulary

__all__ = ["WindowSamples", "is_text_name", "language_numbers", "open_text"]

Array = np.ndarray[Any, Any]

NO_TEXT = (
    ".npz", ".npy", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".json", ".zip", ".pdf", ".xml",
    ".safetensors", ".onnx",
)  # fmt: skip
"""Ends of names that are no plain text."""


class WindowSamples:
    """A row of tokens as samples: window i holds the tokens i · window to (i + 1) · window - 1, and its targets are
    the tokens one further.

    Consecutive windows continue one another, so that batches can carry a network's state along (`continues`). Of the
    last window what lies beyond the text is 0, its targets -100.

    Args:
        numbers: the tokens, `[n]`, 2 or more.
        window: tokens a sample, 1 or more.
        info: what is known of the text.

    Example:
        >>> info = DataInfo("text", "sequences", "next", (0,))
        >>> inputs, targets = WindowSamples(np.array([5, 6, 7, 8, 9, 5]), 3, info).fetch(np.array([0, 1]))
        >>> inputs.tolist(), targets.tolist()
        ([[5, 6, 7], [8, 9, 0]], [[6, 7, 8], [9, 5, -100]])
    """

    continues = True

    def __init__(self, numbers: Array, window: int, info: DataInfo) -> None:
        if window < 1:
            raise InputError(f"window is {window} tokens; give 1 or more")
        if len(numbers) < 2:
            raise InputError(f"a part of {info.source!r} has {len(numbers)} tokens; a language model needs 2 or more")
        self._numbers, self._window, self._info = numbers, window, info

    @property
    def info(self) -> DataInfo:
        """What is known of the text."""
        return self._info

    @property
    def targets(self) -> Array:
        """All tokens but the first, `[n - 1]`."""
        return self._numbers[1:].astype(np.int64)

    def __len__(self) -> int:
        return -(-(len(self._numbers) - 1) // self._window)

    def name(self, index: int) -> str:
        """How to call one sample in a message."""
        return f"tokens from {index * self._window + 1}"

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """Windows and the tokens that follow each of theirs, int64 `[N, window]`."""
        places = np.asarray(indices)[:, None] * self._window + np.arange(self._window + 1)
        last = len(self._numbers) - 1
        found = self._numbers[np.minimum(places, last)].astype(np.int64)
        beyond = places[:, 1:] > last
        return np.where(beyond, PAD, found[:, :-1]), np.where(beyond, IGNORED, found[:, 1:])


def is_text_name(name: str) -> bool:
    """Whether a file may hold plain text, by its name."""
    return not plain_name(name).lower().endswith(NO_TEXT)


def open_text(
    *,
    root: str,
    level: Level = "character",
    window: int = 64,
    encoding: str = "utf-8",
    lower: bool = False,
    least_count: int | None = None,
    most: int | None = None,
    leave_out: tuple[str, ...] = (),
    valid_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> Splits:
    """Plain text, whose next character or word a network learns to tell.

    Files whose names say `train`, `valid` and `test` are the parts; of others the last tenth is the test part, the
    tenth before it the validation part. At word level each line ends with `<eos>`.

    Shape: inputs and targets int64 `[N, window]`.

    Args:
        root: a text file, or a folder or zip file of some; gzipped ones too.
        level: `character` or `word`.
        window: tokens a sample: so far back a gradient reaches.
        encoding: of the files.
        lower: read capital letters as small ones.
        least_count: rarer tokens of the training part are unknown; left out: 1 of characters, 2 of words.
        most: entries of the vocabulary at most.
        leave_out: patterns of file names that are not read.
        valid_fraction: share for validation, in [0, 1), where no file is for that.
        test_fraction: share for the test, likewise.

    Raises:
        InputError: a file that cannot be read or is empty, a part of fewer than two tokens, or a number out of its
            range.
    """
    notes: list[str] = []
    store, names = by_part(root, leave_out, is_text_name, notes)
    texts = {part: _joined(store, of_part, encoding, lower) for part, of_part in names.items()}
    parts = _parts(texts, valid_fraction, test_fraction, at_lines=level == "word")
    least = least_count if least_count is not None else (1 if level == "character" else 2)
    vocabulary = Vocabulary.build(_counts(parts["train"], level), least_count=least, most=most)
    numbers = {part: language_numbers(text, level, vocabulary) for part, text in parts.items() if text}
    notes.append("parts as the files say" if None not in names else "cut in the order of the text")
    saved = {"reads": "text", "level": level, "lower": lower, "window": window, "encoding": encoding}
    info = DataInfo(
        source=root,
        kind="sequences",
        target="next",
        input_shape=(0,),
        notes=(*notes, *_in_words(numbers, level, len(vocabulary))),
        encoding={**saved, "vocabulary": list(vocabulary.entries)},
    )
    made = {part: WindowSamples(of_part, window, info) for part, of_part in numbers.items()}
    return Splits(made["train"], made.get("valid"), made.get("test"))


def _in_words(numbers: dict[str, Array], level: Level, entries: int) -> tuple[str, str]:
    """Sentences about the parts and the vocabulary."""
    shares = ", ".join(f"{len(of_part):,} to {VERBS[part]}" for part, of_part in numbers.items())
    unknown = int((numbers["train"] == UNKNOWN).sum())
    beside = f" ({unknown:,} of the training part are unknown)" if unknown else ""
    return f"{level}s: {shares}", f"vocabulary: {entries:,} {level}s{beside}"


VERBS = {"train": "train", "valid": "validate", "test": "test"}


def _joined(store: Archive, names: Sequence[str], encoding: str, lower: bool) -> str:
    texts = ("\n".join(read_text(store, name, encoding).lines) + "\n" for name in names)
    text = composed("".join(texts))
    return text.lower() if lower else text


def _parts(
    texts: dict[str | None, str], valid_fraction: float, test_fraction: float, *, at_lines: bool
) -> dict[str, str]:
    """The three texts; what has no file of its own is cut off the training text's end, of words at a line's end.

    Raises:
        InputError: nothing to train on.
    """
    whole = texts[None] if None in texts else texts["train"]
    valid_at, test_at = in_order(
        len(whole),
        0.0 if "valid" in texts else valid_fraction,
        0.0 if "test" in texts or None not in texts else test_fraction,
    )
    if at_lines and valid_at < len(whole):
        valid_at, test_at = (whole.find("\n", place - 1) + 1 or len(whole) for place in (valid_at, test_at))
    return {
        "train": whole[:valid_at],
        "valid": whole[valid_at:test_at] or texts.get("valid", ""),
        "test": whole[test_at:] or texts.get("test", ""),
    }


def _points(text: str) -> Array:
    """The Unicode numbers of a text's characters."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _counts(text: str, level: Level) -> dict[str, int]:
    if level == "word":
        return Counter(tokens_of(text, "word"))
    points, counts = np.unique(_points(text), return_counts=True)
    return {chr(point): count for point, count in zip(points.tolist(), counts.tolist(), strict=True)}


def language_numbers(text: str, level: Level, vocabulary: Vocabulary) -> Array:
    """A text as one row of numbers; at word level a line's end is `<eos>`.

    Shape: int32 `[n]`.
    """
    if level == "word":
        lines = text.removesuffix("\n").split("\n")
        rows = [np.append(vocabulary.encode(tokens_of(line, "word")), EOS) for line in lines]
        return np.concatenate(rows).astype(np.int32)
    points = _points(text)
    different, places = np.unique(points, return_inverse=True)
    table = vocabulary.encode([chr(point) for point in different.tolist()]).astype(np.int32)
    return np.asarray(table[places])
