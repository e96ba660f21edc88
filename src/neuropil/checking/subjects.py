"""What checks look at: the samples that training would read, with their raw content beside them.

Everything comes from the readers of `sources`, `annotations`, `data` and `sequences`, under the options given, so that
parts, labels and what is left out are those of `train`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from neuropil.annotations.box_opening import picture_files, read_boxes
from neuropil.annotations.mask_opening import MaskRead, read_masks
from neuropil.annotations.records import Marked
from neuropil.checking.fingerprints import Fingerprints, take_fingerprints
from neuropil.checking.records import Place
from neuropil.data.archive import open_archive
from neuropil.data.faults import Fault
from neuropil.data.records import DataInfo, Samples, Splits
from neuropil.data.tables import headed_table, read_rows
from neuropil.data.tables_encoding import Table
from neuropil.sequences.division import divide, settle_parts
from neuropil.sequences.labelled import gather_texts
from neuropil.sequences.parallel_files import gather_pairs
from neuropil.sequences.tagged import Sentence, is_tagged_name, read_tagged

__all__ = ["Record", "Subject", "subject_of"]

Array = np.ndarray[Any, Any]

SIGN = "\x1f"
"""Between the words or sides of a record's content; no text holds it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One text: its words as they stand, or both sides of a pair.

    Args:
        place: where it is.
        sides: one text, or a sentence and its translation, or words joined by spaces.
        label: its class, or its tags joined; empty of pairs.
        sentence: words and tags with their lines, of tagged ones.
    """

    place: Place
    sides: tuple[str, ...]
    label: str = ""
    sentence: Sentence | None = None


@dataclass(slots=True, eq=False)
class Subject:
    """A set that is checked.

    Args:
        kind: of the source, as in `SOURCES`.
        options: of its opener, all of them.
        splits: the samples; `None` where the set cannot be opened.
        faults: what the readers noted.
        notes: for the reader of the report.
    """

    kind: str
    options: Mapping[str, Any]
    splits: Splits | None
    faults: Sequence[Fault]
    notes: list[str] = field(default_factory=list)
    cache: dict[Any, Any] = field(default_factory=dict)

    @property
    def info(self) -> DataInfo | None:
        """What is known of the samples."""
        return None if self.splits is None else self.splits.info

    @property
    def parts(self) -> dict[str, Samples]:
        """The samples of each part that exists."""
        found = {} if self.splits is None else {part: getattr(self.splits, part) for part in ("train", "valid", "test")}
        return {part: samples for part, samples in found.items() if samples is not None}

    @property
    def traits(self) -> frozenset[str]:
        """What checks may look at."""
        info = self.info
        if info is None:
            return frozenset(("every",))
        found = {"every"}
        if info.kind == "images" and info.target in ("classes", "boxes", "masks", "values"):
            found.add(info.target if info.target in ("boxes", "masks") else "pictures")
        if info.kind == "table":
            found.add("table")
        if info.target == "classes" and info.kind != "arrays":
            found.add("labelled")
        of_text = {"labelled_text": "texts", "parallel": "pairs", "tagged_text": "tags"}
        if self.kind in of_text:
            found.add(of_text[self.kind])
        return frozenset(found)

    @property
    def has_pictures(self) -> bool:
        """Whether there are pictures to be compared."""
        return bool(self.traits & {"pictures", "boxes", "masks"})

    def once(self, key: Any, make: Any) -> Any:
        """What `make` gives, made once."""
        if key not in self.cache:
            self.cache[key] = make()
        return self.cache[key]

    @property
    def places(self) -> list[Place]:
        """Every sample, part after part."""
        made: list[Place] = self.once("places", self._places)
        return made

    def _places(self) -> list[Place]:
        return [
            Place(part, self.short(samples.name(index)), index)
            for part, samples in self.parts.items()
            for index in range(len(samples))
        ]

    @property
    def labels(self) -> Array:
        """The class number of every sample, `[n]`; only where targets are classes."""
        made: Array = self.once(
            "labels", lambda: np.concatenate([np.asarray(one.targets).reshape(-1) for one in self.parts.values()])
        )
        return made

    @property
    def fingerprints(self) -> Fingerprints:
        """What is measured of every picture."""
        made: Fingerprints = self.once("fingerprints", lambda: take_fingerprints(list(self.parts.values())))
        return made

    @property
    def records(self) -> list[Record]:
        """Every text, pair or tagged sentence, part after part."""
        made: list[Record] = self.once("records", self._records)
        return made

    def _records(self) -> list[Record]:
        reader = {"labelled_text": _texts, "parallel": _pairs, "tagged_text": _sentences}.get(self.kind)
        if reader is None or self.splits is None:
            return []
        return [replace(one, place=replace(one.place, name=self.short(one.place.name))) for one in reader(self.options)]

    @property
    def table(self) -> Table | None:
        """A table's cells as they stand in the file."""
        made: Table | None = self.once("table", self._table)
        return made

    def _table(self) -> Table | None:
        if self.kind != "csv":
            return None
        root = str(self.options["root"])
        rows = read_rows(root, Path(root).read_bytes(), self.options["delimiter"])
        return headed_table(rows, self.options["header"])[0]

    @property
    def marked(self) -> list[tuple[Marked, str]]:
        """Annotations with the picture file of each that has one."""
        made: list[tuple[Marked, str]] = self.once("marked", self._marked)
        return made

    def _marked(self) -> list[tuple[Marked, str]]:
        store = open_archive(self.options["root"])
        files = picture_files(store)
        found = read_boxes(store, self.options["kind"])[1].pictures
        named = ((one, next((files[name] for name in one.pictures if name in files), None)) for one in found)
        return [(one, name) for one, name in named if name is not None]

    @property
    def masks(self) -> list[MaskRead]:
        """The values of every mask file."""
        made: list[MaskRead] = self.once("masks", lambda: read_masks(open_archive(self.options["root"]))[0])
        return made

    @property
    def by_name(self) -> dict[str, Place]:
        """The place of each sample's file."""
        made: dict[str, Place] = self.once("by name", lambda: {one.name: one for one in self.places})
        return made

    def short(self, where: str) -> str:
        """A place's name without the folder of the set, which stands above all findings."""
        return where.removeprefix(f"{self.options.get('root')}: ")


def subject_of(kind: str, options: Mapping[str, Any], splits: Splits | None, faults: Sequence[Fault]) -> Subject:
    """The subject of a set, with a note where little of its kind can be checked."""
    subject = Subject(kind, options, splits, tuple(dict.fromkeys(faults)))
    if splits is not None and subject.traits == {"every"}:
        subject.notes.append(f"of {kind!r} data only what cannot be read is looked for")
    return subject


def _texts(options: Mapping[str, Any]) -> list[Record]:
    keys = ("root", "form", "text", "label", "header", "encoding", "leave_out")
    found, _ = gather_texts(**{key: options[key] for key in keys}, notes=[])
    kept = {part: [one for one in texts if one.text] for part, texts in found.items()}
    parts, _ = settle_parts(kept, unit="texts", **_shares(options), labels=lambda one: one.label)
    return [
        Record(Place(part, one.where, index), (one.text,), one.label)
        for part, texts in parts.items()
        for index, one in enumerate(texts)
    ]


def _pairs(options: Mapping[str, Any]) -> list[Record]:
    keys = ("root", "translate_from", "translate_to", "encoding", "leave_out")
    found, _ = gather_pairs(**{key: options[key] for key in keys}, notes=[])
    parts, _ = settle_parts(found, unit="pairs", **_shares(options))
    return [
        Record(Place(part, one.where, index), (one.source, one.target))
        for part, pairs in parts.items()
        for index, one in enumerate(pairs)
    ]


def _sentences(options: Mapping[str, Any]) -> list[Record]:
    found = divide(
        options["root"],
        options["leave_out"],
        is_tagged_name,
        lambda store, name: read_tagged(store, name, options["column"], options["encoding"]),
        [],
    )
    parts, _ = settle_parts(found, unit="sentences", **_shares(options))
    return [
        Record(
            Place(part, f"{one.where}, line {one.lines[0]}", index), (" ".join(one.words),), SIGN.join(one.tags), one
        )
        for part, sentences in parts.items()
        for index, one in enumerate(sentences)
    ]


def _shares(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "valid_fraction": options["valid_fraction"],
        "test_fraction": options["test_fraction"],
        "seed": options["split_seed"],
    }
