"""Texts with a tag at every word: CoNLL-U, and files of one word and its tag a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuropil.data.archive import Archive
from neuropil.data.faults import refuse
from neuropil.data.records import DataInfo, Splits
from neuropil.errors import InputError
from neuropil.registry import nearest
from neuropil.sequences.division import divide, settle_parts, splits_of
from neuropil.sequences.ragged import IGNORED, Ragged, SequenceSamples
from neuropil.sequences.text_files import TextFile, plain_name, read_text
from neuropil.sequences.tokens import composed
from neuropil.sequences.vocabulary import Vocabulary

__all__ = ["Sentence", "is_tagged_name", "open_tagged", "read_tagged", "tagged_samples", "word_inputs"]

Array = np.ndarray[Any, Any]

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""The columns of CoNLL-U, in lower case."""

MAX_WORDS = 2_000
"""Words in one sentence at most; more are a file without empty lines."""

SUFFIXES = (".conllu", ".conll", ".tags", ".iob", ".bio", ".iob2", ".pos", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words and their tags.

    Args:
        words: one or more.
        tags: as many.
        where: the file, for messages.
        lines: of each word, counted from 1.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    where: str
    lines: tuple[int, ...]


def is_tagged_name(name: str) -> bool:
    """Whether a file may hold tagged text, by its name."""
    plain = plain_name(name).lower()
    return plain.endswith(SUFFIXES) or "." not in plain


def open_tagged(
    *,
    root: str,
    column: str | int | None = None,
    encoding: str = "utf-8",
    lower: bool = False,
    least_count: int = 2,
    most: int | None = None,
    character_length: int = 20,
    leave_out: tuple[str, ...] = (),
    valid_fraction: float = 0.1,
    test_fraction: float | None = None,
    split_seed: int = 0,
) -> Splits:
    """Sentences with a tag at every word: CoNLL-U files, or one word and its tag a line with empty lines between.

    Files whose names say `train`, `dev` (or `valid`, `val`) and `test` are the parts. Vocabulary and tags are those of
    the training part.

    Shape: inputs int64 `[N, T, 1 + character_length]`: the word's number, then its characters'; targets `[N, T]`.

    Args:
        root: a file, or a folder or zip file of some; gzipped ones too.
        column: of the tags: `upos`, `xpos` … of CoNLL-U, else a number from 1; left out: `upos`, or the last column.
        encoding: of the files.
        lower: words are looked up in small letters; their characters stay as they are.
        least_count: words that occur less often in the training part are unknown.
        most: words in the vocabulary at most.
        character_length: characters of a word that are given to the network, its first ones; 0: none.
        leave_out: patterns of file names that are not read.
        valid_fraction: share of the training sentences to validate on, where no file is for that.
        test_fraction: share to test on, likewise; left out: 0.1, or 0 where the files divide themselves.
        split_seed: of the draw.

    Raises:
        InputError: a file that cannot be read, a line without a tag or with too few columns, or a tag that the
            training part lacks; file and line are named.
    """
    notes: list[str] = []
    found = divide(
        root, leave_out, is_tagged_name, lambda store, name: read_tagged(store, name, column, encoding), notes
    )
    parts, sentence = settle_parts(
        found, unit="sentences", valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed
    )
    saved = {"lower": lower, "character_length": character_length, "column": column, "encoding": encoding}
    info = _described(root, parts["train"], saved, least_count, most, [*notes, sentence])
    return splits_of(parts, lambda sentences: tagged_samples(sentences, info))


def _described(
    root: str,
    train: Sequence[Sentence],
    saved: dict[str, Any],
    least_count: int,
    most: int | None,
    notes: Sequence[str],
) -> DataInfo:
    """What is known of the training sentences: their vocabularies and tags."""
    length = saved["character_length"]
    if length < 0:
        raise InputError(f"character_length is {length}; give 0 or more characters")
    words = Counter(_looked_up(word, saved["lower"]) for one in train for word in one.words)
    vocabulary = Vocabulary.build(words, least_count=least_count, most=most)
    characters = Vocabulary.of(character for one in train for word in one.words for character in word)
    classes = tuple(sorted({tag for one in train for tag in one.tags}))
    if len(classes) < 2:
        raise InputError(f"{root!r}: every word has the tag {classes[0]!r}; name another column with data.column=")
    return DataInfo(
        source=root,
        kind="sequences",
        target="tags",
        input_shape=(0, 1 + length),
        classes=classes,
        notes=(*notes, _in_words(vocabulary, characters, words)),
        encoding={
            "reads": "tagged",
            "level": "word",
            **saved,
            "vocabulary": list(vocabulary.entries),
            "characters": list(characters.entries),
        },
    )


def _in_words(vocabulary: Vocabulary, characters: Vocabulary, counts: Counter[str]) -> str:
    """A sentence about the vocabulary."""
    known = sum(count for word, count in counts.items() if word in vocabulary)
    share = 100 * known / max(1, counts.total())
    return f"vocabulary: {len(vocabulary):,} words ({share:.1f} % of the training text), {len(characters):,} characters"


def _looked_up(word: str, lower: bool) -> str:
    return word.lower() if lower else word


def tagged_samples(sentences: Sequence[Sentence], info: DataInfo) -> SequenceSamples:
    """Sentences as samples of a known vocabulary and known tags.

    Raises:
        InputError: a tag that training never saw; file and line are named.
    """
    numbers = {tag: number for number, tag in enumerate(info.classes)}
    targets = []
    for one in sentences:
        for tag, line in zip(one.tags, one.lines, strict=True):
            if tag not in numbers:
                refuse(
                    f"{one.where}, line {line}",
                    f"the tag {tag!r} does not occur in the training part, which has "
                    f"{', '.join(info.classes[:20])}; correct it, or train with it",
                )
        targets.append(np.array([numbers.get(tag, IGNORED) for tag in one.tags], dtype=np.int32))
    names = [f"{one.where}, line {one.lines[0]}" for one in sentences]
    inputs = word_inputs([one.words for one in sentences], info.encoding)
    return SequenceSamples(inputs, Ragged.of(targets), info, names, IGNORED)


def word_inputs(sentences: Sequence[Sequence[str]], encoding: Any) -> Ragged:
    """Words as numbers with their characters' numbers beside them.

    Shape: `[words in all, 1 + character_length]`.

    Args:
        sentences: words.
        encoding: of `DataInfo`: `vocabulary`, `characters`, `character_length`, `lower`.
    """
    vocabulary = Vocabulary.from_saved(encoding.get("vocabulary"), "vocabulary")
    characters = Vocabulary.from_saved(encoding.get("characters"), "characters")
    length, lower = int(encoding["character_length"]), bool(encoding["lower"])
    places: dict[str, int] = {}
    chosen = [places.setdefault(word, len(places)) for words in sentences for word in words]
    rows = np.zeros((len(places), 1 + length), dtype=np.int32)
    rows[:, 0] = vocabulary.encode([_looked_up(word, lower) for word in places])
    for row, word in enumerate(places):
        cut = word[:length]
        rows[row, 1 : 1 + len(cut)] = characters.encode(cut)
    lengths = np.array([len(words) for words in sentences], dtype=np.int64)
    return Ragged(rows[np.array(chosen, dtype=np.int64)], lengths)


def read_tagged(store: Archive, name: str, column: str | int | None = None, encoding: str = "utf-8") -> list[Sentence]:
    """The sentences of one file.

    Args:
        store: where the file lies.
        name: of the file.
        column: as of `open_tagged`.
        encoding: of the file.

    Raises:
        InputError: a line that cannot be used; it is named.
    """
    file = read_text(store, name, encoding)
    file.check_lines()
    split, token, tag, width = _layout(file, column)
    sentences: list[Sentence] = []
    words: list[tuple[str, str, int]] = []
    for number, line in enumerate([*file.lines, ""], 1):
        if not line.strip():
            if words:
                sentences.append(_sentence(file, words))
            words = []
            continue
        cells = split(line)
        if cells is None:
            continue
        if len(cells) != width:
            refuse(
                file.place(number),
                f"it has {len(cells)} column{'s' if len(cells) != 1 else ''}, but {width} are needed; "
                "correct this line",
            )
            continue
        if not cells[token] or not cells[tag] or (cells[tag] == "_" and width == len(COLUMNS)):
            refuse(file.place(number), f"there is no {'tag' if cells[token] else 'word'}; fill it in")
            continue
        words.append((composed(cells[token]), cells[tag], number))
    if not sentences:
        raise InputError(f"{file.where} holds no sentence; give words with their tags")
    return sentences


def _sentence(file: TextFile, words: Sequence[tuple[str, str, int]]) -> Sentence:
    if len(words) > MAX_WORDS:
        raise InputError(
            f"{file.place(words[0][2])}: a sentence of {len(words):,} words begins here, at most {MAX_WORDS:,} are "
            "read; put empty lines between the sentences"
        )
    texts, tags, lines = zip(*words, strict=True)
    return Sentence(texts, tags, file.where, lines)


Split = Callable[[str], list[str] | None]


def _layout(file: TextFile, column: str | int | None) -> tuple[Split, int, int, int]:
    """How a line is cut, where word and tag stand, and how many columns there are.

    Raises:
        InputError: no such column, or one column only.
    """
    full = ((n, one) for n, one in enumerate(file.lines, 1) if one.strip() and not _is_comment(one))
    number, first = next(full, (1, ""))
    if plain_name(file.name).lower().endswith(".conllu") or _is_conllu(first):
        name = "upos" if column is None else str(column).lower()
        if name not in COLUMNS:
            raise InputError(f"CoNLL-U has no column {column!r}; {nearest(name, COLUMNS)}")
        return _conllu_cells, 1, COLUMNS.index(name), len(COLUMNS)
    cells = _plain_cells(first) or []
    if not first:
        raise InputError(f"{file.where} holds comments only; give words with their tags")
    if len(cells) < 2:
        raise InputError(
            f"{file.place(number)}: it has one column only; give a word, a tab or space, and its tag in each line"
        )
    place = len(cells) if column is None else column
    if not str(place).isdecimal() or not 2 <= int(place) <= len(cells):
        raise InputError(f"{file.where} has {len(cells)} columns; give data.column a number from 2 to {len(cells)}")
    return _plain_cells, 0, int(place) - 1, len(cells)


def _is_comment(line: str) -> bool:
    return line.startswith(("# ", "#\t", "-DOCSTART-")) and len(line.split("\t")) != 2


def _is_conllu(line: str) -> bool:
    cells = line.split("\t")
    return len(cells) == len(COLUMNS) and cells[0].replace("-", "").replace(".", "").isdecimal()


def _conllu_cells(line: str) -> list[str] | None:
    """The cells of a word; nothing of comments, of several words written as one, and of words left unsaid."""
    if line.startswith("#"):
        return None
    cells = line.split("\t")
    return None if "-" in cells[0] or "." in cells[0] else [cell.strip() for cell in cells]


def _plain_cells(line: str) -> list[str] | None:
    if line.startswith("-DOCSTART-"):
        return None
    return [cell.strip() for cell in line.split("\t")] if "\t" in line else line.split()
