"""Plain text for language models: one long row of characters, words or subwords, read window after window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from neuropil.corpora.text_coding import TextCoder, Wanted, build_coder, coded
from neuropil.corpora.text_lines import (
    BETWEEN,
    Documents,
    chunks,
    content_hash,
    lines_in,
    marked,
    settled_documents,
)
from neuropil.corpora.token_files import (
    TokenFile,
    open_token_file,
    token_file_place,
    token_type,
    write_token_file,
)
from neuropil.corpora.windows import WindowSamples
from neuropil.data.archive import Archive
from neuropil.data.records import DataInfo, Splits
from neuropil.errors import InputError
from neuropil.sequences.division import by_part, in_order
from neuropil.sequences.pieces import AnyLevel, is_subwords, settled_lower
from neuropil.sequences.text_files import plain_name, read_text, text_store
from neuropil.sequences.tokens import composed
from neuropil.sequences.vocabulary import UNKNOWN

__all__ = ["coded_row", "is_text_name", "open_text"]

Array = np.ndarray[Any, Any]

NO_TEXT = (
    ".npz", ".npy", ".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".json", ".zip", ".pdf", ".xml",
    ".safetensors", ".onnx",
)  # fmt: skip
"""Ends of names that are no plain text."""

VERBS = {"train": "train", "valid": "validate", "test": "test"}


def is_text_name(name: str) -> bool:
    """Whether a file may hold plain text, by its name."""
    return not plain_name(name).lower().endswith(NO_TEXT)


def open_text(
    *, root: str, level: AnyLevel = "character", window: int = 64, order: Literal["auto", "text", "random"] = "auto",
    history: int = 0, documents: bool | Documents = False, token_file: str | None = None, encoding: str = "utf-8",
    lower: bool | None = None, subwords: str | None = None, size: int | None = None, least_count: int | None = None,
    most: int | None = None, leave_out: tuple[str, ...] = (), valid_fraction: float = 0.1, test_fraction: float = 0.1
) -> Splits:  # fmt: skip
    """Plain text, whose next character, word or subword a network learns to tell.

    Files whose names say `train`, `valid` and `test` are the parts; of others the last tenth is the test part, the
    tenth before it the validation part. At the levels `word` and `wordpiece` each line ends with a token of its own.

    Shape: inputs and targets int64 `[N, window]`; with documents inputs `[N, window, 2]`, each token's document beside
        it.

    Args:
        root: a text file, or a folder or zip file of some; gzipped ones too.
        level: `character`, `word`, `wordpiece` or `bpe`; subwords have their own ids.
        window: tokens a sample: so far back a gradient reaches.
        order: `text`: windows follow one another, and a recurrent network's state goes along; `random`: they come in
            a new order in each epoch, and begin at other places. `auto`: `random` for subwords and documents.
        history: tokens of each window to validate and to test on (but the first) that are only read, so that every
            token is judged with so many before it; for networks that read each window by itself.
        documents: attention shall not cross documents, which end with a file (`files`), at empty lines (`blocks`) or at
            `<|endoftext|>` (`token`); true: the one that the files look like. Each begins with an end token.
        token_file: keep the tokens in this file (or as `tokens.bin` in this folder), and read them through the memory
            map; for texts larger than memory.
        encoding: of the files.
        lower: read capital letters as small ones; left out: of `wordpiece` only.
        subwords: their file or folder (see `neuropil.sequences.pieces`); left out: they are trained.
        size: subwords that are trained; 8,000 where left out.
        least_count: rarer tokens of the training part are unknown; left out: 1 of characters, 2 of words. Of subwords:
            rarer pairs are not merged; left out: 2.
        most: entries of a vocabulary of words or characters at most.
        leave_out: patterns of file names that are not read.
        valid_fraction: share for validation, in [0, 1), where no file is for that.
        test_fraction: share for the test, likewise.

    Raises:
        InputError: a file that cannot be read or is empty, a part of fewer than two tokens, or a number out of its
            range.
    """
    notes: list[str] = []
    store, names = by_part(root, leave_out, is_text_name, notes)
    lower = settled_lower(lower, level, subwords)
    ends = settled_documents(documents, store, names.get("train") or names[None], encoding)
    by_chance = order == "random" or (order == "auto" and (is_subwords(level) or ends is not None))
    if history and not by_chance:
        raise InputError("history is for windows in random order; where they follow one another the state knows it all")
    saved: dict[str, Any] = {"reads": "text", "level": level, "lower": lower, "window": window, "encoding": encoding}
    saved |= {"history": history} if history else {}
    saved["documents"] = ends
    text = _Text(store, names, saved, (valid_fraction, test_fraction), large=token_file is not None)
    wanted = Wanted(subwords, size, least_count, most)
    found = _in_memory(text, wanted) if token_file is None else _in_file(text, wanted, token_file)
    return _splits(root, text, found, notes, by_chance=by_chance)


def _splits(root: str, text: _Text, found: _Found, notes: Sequence[str], *, by_chance: bool) -> Splits:
    """The parts as windows."""
    level, ends, window = text.saved["level"], text.saved["documents"], text.saved["window"]
    history = text.saved.get("history", 0)
    told = [
        *notes,
        "parts as the files say" if None not in text.names else "cut in the order of the text",
        *(() if ends is None else (f"documents end at {DOCUMENT_ENDS[ends]}",)),
        *_in_words(found.numbers, level),
        *found.notes,
    ]
    info = DataInfo(
        source=root, kind="sequences", target="next", input_shape=(0,) if ends is None else (0, 2), notes=tuple(told),
        encoding={**text.saved, **found.record},
    )  # fmt: skip
    made = {
        part: WindowSamples(
            numbers, window, info, starts=found.starts.get(part), continues=not by_chance,
            shifted=by_chance and part == "train", history=0 if part == "train" else history,
        )
        for part, numbers in found.numbers.items()
    }  # fmt: skip
    return Splits(made["train"], made.get("valid"), made.get("test"))


DOCUMENT_ENDS = {"files": "the ends of files", "blocks": "empty lines", "token": "<|endoftext|>"}


class _Found(NamedTuple):
    """The tokens of each part, where their documents begin, the record of the vocabulary, and sentences."""

    numbers: dict[str, Array]
    starts: dict[str, Array]
    record: dict[str, Any]
    notes: list[str]


class _Text:
    """The text of each part, to be read as often as is needed.

    Args:
        store: where the files lie.
        names: of each part.
        saved: how they are read.
        shares: to validate and to test on.
        large: read line by line, and keep nothing.
    """

    def __init__(
        self,
        store: Archive,
        names: Mapping[str | None, Sequence[str]],
        saved: Mapping[str, Any],
        shares: tuple[float, float],
        *,
        large: bool,
    ) -> None:
        self.store, self.names, self.saved, self.shares = store, names, saved, shares
        self._large = large
        self._kept: dict[str | None, list[str]] = {}
        self._cuts: tuple[int, int] | None = None

    def part(self, part: str) -> Iterator[str]:
        """The chunks of one part, with `BETWEEN` between documents; nothing where there is no such part."""
        return chunks(self._lines_of(part))

    def _lines_of(self, part: str) -> Iterable[str]:
        whole = None if None in self.names else "train"
        if part != "train" and part in self.names:
            return self._all(part)
        if self._cuts is None:
            length = sum(len(line) - line.count(BETWEEN) for line in self._all(whole))
            valid, test = self.shares
            self._cuts = in_order(
                length,
                0.0 if "valid" in self.names else valid,
                0.0 if "test" in self.names or whole == "train" else test,
            )
        valid_at, test_at = self._cuts
        begin, end = {"train": (0, valid_at), "valid": (valid_at, test_at), "test": (test_at, None)}[part]
        return _between(self._all(whole), begin, end, at_lines=self.saved["level"] != "character")

    def _all(self, part: str | None) -> Iterable[str]:
        """The lines of all files of a part."""
        if part in self._kept:
            return self._kept[part]
        lower, compose = bool(self.saved["lower"]), not is_subwords(self.saved["level"])
        lower = lower and compose  # subwords lower by themselves
        if self._large:
            files: Iterable[Iterable[str]] = (
                lines_in(self.store, name, self.saved["encoding"], compose=compose, lower=lower)
                for name in self.names[part]
            )
            return marked(files, self.saved["documents"])
        read: Callable[[str], Iterable[str]] = partial(self._read, compose=compose, lower=lower)
        self._kept[part] = list(marked(map(read, self.names[part]), self.saved["documents"]))
        return self._kept[part]

    def _read(self, name: str, *, compose: bool, lower: bool) -> Iterator[str]:
        for line in read_text(self.store, name, self.saved["encoding"]).lines:
            ready = composed(line) if compose else line
            yield f"{ready.lower() if lower else ready}\n"


def _between(lines: Iterable[str], begin: int, end: int | None, *, at_lines: bool) -> Iterator[str]:
    """What stands between two places of a text; only whole lines, each where it begins, if asked."""
    place = 0
    for line in lines:
        length = len(line) - line.count(BETWEEN)
        stop = place + length
        if at_lines or line == BETWEEN:
            if place >= begin and (end is None or place < end):
                yield line
        elif stop > begin and (end is None or place < end):
            yield line[max(0, begin - place) : None if end is None else max(0, end - place)]
        place = stop
        if end is not None and place >= end:
            return


def _in_memory(text: _Text, wanted: Wanted) -> _Found:
    """All tokens, in memory."""
    documents = text.saved["documents"] is not None
    train = (one for one in text.part("train") if one != BETWEEN)
    coder, told = build_coder(text.saved["level"], train, bool(text.saved["lower"]), wanted)
    numbers, starts = {}, {}
    for part in VERBS:
        row, begins = coded_row(text.part(part), coder, documents=documents)
        if len(row):
            numbers[part] = row
            if documents:
                starts[part] = begins
    return _Found(numbers, starts, coder.saved(), [told])


def coded_row(texts: Iterable[str], coder: TextCoder, *, documents: bool) -> tuple[Array, Array]:
    """Texts as one row of numbers, and where its documents begin.

    Shape: int32 `[n]`, int64 `[documents]`.
    """
    rows = list(coded(texts, coder, documents=documents))
    lengths = np.array([0, *(len(row) for row, _ in rows)], dtype=np.int64).cumsum()
    begins = [place for (_, begin), place in zip(rows, lengths[:-1].tolist(), strict=True) if begin]
    whole = np.concatenate([row for row, _ in rows]) if rows else np.empty(0, dtype=np.int32)
    return whole, np.array(begins, dtype=np.int64)


def _in_file(text: _Text, wanted: Wanted, given: str) -> _Found:
    """All tokens through the memory map, written first where they are not there."""
    place, saved = token_file_place(given), text.saved
    names = {part or "": list(of_part) for part, of_part in text.names.items()}
    facts = {
        "sources": content_hash(text.store, [name for of_part in names.values() for name in of_part]),
        "parts": {part: len(of_part) for part, of_part in names.items()},
        "reading": {name: saved[name] for name in ("level", "lower", "encoding", "documents")},
        "vocabulary": {**wanted._asdict(), "subwords": _hash_of(wanted.subwords)},
        "shares": list(text.shares),
    }
    found = open_token_file(place, facts)
    if isinstance(found, TokenFile):
        return _from_file(found, f"tokens are read from {str(place)!r}")
    _write(text, wanted, place, facts)
    again = open_token_file(place, facts)
    if isinstance(again, str):
        raise InputError(f"the token file {str(place)!r} was written, but {again}; give data.token_file= another place")
    return _from_file(again, f"tokens were written to {str(place)!r}, as {found}")


def _hash_of(subwords: str | None) -> str | None:
    """The SHA-256 of a vocabulary's files."""
    if subwords is None:
        return None
    store = text_store(subwords)
    return content_hash(store, [name for name in store.files if name.endswith((".txt", ".json", ".bpe", ".vocab"))])


def _write(text: _Text, wanted: Wanted, place: Any, facts: Mapping[str, Any]) -> None:
    saved = text.saved
    documents = saved["documents"] is not None
    train = (one for one in text.part("train") if one != BETWEEN)
    coder, told = build_coder(saved["level"], train, bool(saved["lower"]), wanted)
    with write_token_file(place, facts) as file:
        for part in VERBS:
            begins: list[int] = []
            rows = _counted(coded(text.part(part), coder, documents=documents), begins)
            file.add(part, token_type(len(coder.entries)), rows)
            file.add(f"starts of {part}", "<i8", [np.array(begins, dtype=np.int64)])
        file.add_record({**coder.saved(), "told": told})


def _counted(rows: Iterable[tuple[Array, bool]], begins: list[int]) -> Iterator[Array]:
    """The rows alone; where documents begin is put into `begins`."""
    place = 0
    for row, begin in rows:
        if begin:
            begins.append(place)
        place += len(row)
        yield row


def _from_file(file: TokenFile, note: str) -> _Found:
    record = file.record()
    told = str(record.pop("told"))
    numbers = {part: file.section(part) for part in VERBS}
    starts = {part: np.array(file.section(f"starts of {part}")) for part in VERBS}
    there = [part for part in VERBS if len(numbers[part])]
    return _Found(
        {part: numbers[part] for part in there},
        {part: starts[part] for part in there if len(starts[part])},
        record,
        [told, note],
    )


def _in_words(numbers: Mapping[str, Array], level: str) -> list[str]:
    """Sentences about the parts."""
    if "train" not in numbers:
        raise InputError("the training part holds no text; give more of it")
    shares = ", ".join(f"{len(of_part):,} to {VERBS[part]}" for part, of_part in numbers.items())
    train = numbers["train"]
    unit = "tokens" if is_subwords(level) else f"{level}s"
    found = [f"{unit}: {shares}"]
    if not is_subwords(level) and not isinstance(train, np.memmap) and (unknown := int((train == UNKNOWN).sum())):
        found.append(f"{unknown:,} {unit} of the training part are unknown")
    return found
