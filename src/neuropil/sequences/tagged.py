"""Texts with a tag at every word: CoNLL-U, and files of one word and its tag a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from neuropil.data.archive import Archive
from neuropil.data.faults import refuse
from neuropil.data.in_memory import Described
from neuropil.data.records import DataInfo, Splits
from neuropil.errors import InputError
from neuropil.registry import nearest
from neuropil.sequences.division import divide, settle_parts, splits_of
from neuropil.sequences.pieces import Pieces, SubwordLevel, is_subwords, pieces_of, settled_lower
from neuropil.sequences.ragged import IGNORED, Ragged, SequenceSamples
from neuropil.sequences.tagged_pieces import piece_tags, word_pieces
from neuropil.sequences.text_files import TextFile, plain_name, read_text
from neuropil.sequences.tokens import composed
from neuropil.sequences.vocabulary import Vocabulary

__all__ = ["Sentence", "is_tagged_name", "open_tagged", "read_tagged", "tagged_samples", "word_inputs"]

Array = np.ndarray[Any, Any]

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""The columns of CoNLL-U, in lower case."""

MAX_PIECES = 512
"""Subwords in one sentence, where it is not said: as many as BERT has positions."""

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
    *, root: str, column: str | int | None = None, encoding: str = "utf-8",
    level: Literal["word"] | SubwordLevel = "word", lower: bool | None = None, subwords: str | None = None,
    size: int | None = None, least_count: int | None = None, most: int | None = None,
    character_length: int | None = None, max_length: int | None = None, leave_out: tuple[str, ...] = (),
    valid_fraction: float = 0.1, test_fraction: float | None = None, split_seed: int = 0
) -> Splits:  # fmt: skip
    """Sentences with a tag at every word: CoNLL-U files, or one word and its tag a line with empty lines between.

    Files whose names say `train`, `dev` (or `valid`, `val`) and `test` are the parts. Vocabulary and tags are those of
    the training part.

    Shape: inputs int64 `[N, T, 1 + character_length]`: the word's number, then its characters'; targets `[N, T]`. Of
    subwords `[N, T]` at level `wordpiece`, `[CLS]` first and `[SEP]` last, and `[N, T, 1]` at level `bpe`; a word's tag
    stands at its first piece, -100 at the others.

    Args:
        root: a file, or a folder or zip file of some; gzipped ones too.
        column: of the tags: `upos`, `xpos` … of CoNLL-U, else a number from 1; left out: `upos`, or the last column.
        encoding: of the files.
        level: `word`, `wordpiece` or `bpe`.
        lower: words are looked up in small letters, their characters stay as they are; left out: of `wordpiece` only.
        subwords: their file or folder (see `neuropil.sequences.pieces`); left out: they are trained.
        size: subwords that are trained; 8,000 where left out.
        least_count: words that occur less often in the training part are unknown; of subwords, rarer pairs are not
            merged; 2 where left out.
        most: words in the vocabulary at most.
        character_length: characters of a word beside words, its first ones; 0: none; 20 where left out.
        max_length: subwords of a sentence at most, 512 where left out; words behind them are not read.
        leave_out: patterns of file names that are not read.
        valid_fraction: share of the training sentences to validate on, where no file is for that.
        test_fraction: share to test on, likewise; left out: 0.1, or 0 where the files divide themselves.
        split_seed: of the draw.

    Raises:
        InputError: a file that cannot be read, a line without a tag or with too few columns, or a tag that the
            training part lacks; file and line are named.
    """
    notes: list[str] = []
    read = partial(read_tagged, column=column, encoding=encoding)
    parts, sentence = settle_parts(
        divide(root, leave_out, is_tagged_name, read, notes), unit="sentences", valid_fraction=valid_fraction,
        test_fraction=test_fraction, seed=split_seed,
    )  # fmt: skip
    saved: dict[str, Any] = {"level": level, "column": column, "encoding": encoding}
    if is_subwords(level):
        _refuse(f"is for level=word, but level={level} was given", most=most, character_length=character_length)
        saved |= {"lower": settled_lower(lower, level, subwords), "max_length": _or(max_length, MAX_PIECES)}
        texts = (" ".join(one.words) for one in parts["train"])
        pieces, told = pieces_of(
            level, texts, subwords=subwords, size=size, lower=saved["lower"], shifted=level == "bpe",
            least_count=least_count,
        )  # fmt: skip
        saved |= pieces.saved()
    else:
        _refuse("is for data.level=wordpiece or bpe", subwords=subwords, size=size, max_length=max_length)
        saved |= {"lower": bool(lower), "character_length": _or(character_length, 20)}
        told = _vocabularies(parts["train"], saved, _or(least_count, 2), most)
    info = _described(root, parts["train"], saved, [*notes, sentence, told])
    return _with_cuts_told(splits_of(parts, lambda sentences: tagged_samples(sentences, info)), parts["train"])


def _or(given: int | None, usual: int) -> int:
    """A number that was given, else the usual one."""
    return usual if given is None else given


def _with_cuts_told(splits: Splits, train: Sequence[Sentence]) -> Splits:
    """The parts, with a sentence about training words that found no room."""
    if not (lost := sum(len(one.words) for one in train) - len(splits.train.targets)):
        return splits
    length = splits.info.encoding["max_length"]
    note = (
        f"{lost:,} training words stand behind the first {length} tokens of their sentence; data.max_length= keeps more"
    )
    info = replace(splits.info, notes=(*splits.info.notes, note))
    valid, test = (None if part is None else Described(part, info) for part in (splits.valid, splits.test))
    return Splits(Described(splits.train, info), valid, test)


def _refuse(reason: str, **options: Any) -> None:
    """Refuse options of the other levels.

    Raises:
        InputError: one was given.
    """
    for name, given in options.items():
        if given is not None:
            raise InputError(f"{name}={given} {reason}; leave it out, or give the other level")


def _vocabularies(train: Sequence[Sentence], saved: dict[str, Any], least_count: int, most: int | None) -> str:
    """Words and characters of the training sentences, put into `saved`; and a sentence about them."""
    if (length := saved["character_length"]) < 0:
        raise InputError(f"character_length is {length}; give 0 or more characters")
    words = Counter(_looked_up(word, saved["lower"]) for one in train for word in one.words)
    vocabulary = Vocabulary.build(words, least_count=least_count, most=most)
    characters = Vocabulary.of(character for one in train for word in one.words for character in word)
    saved |= {"vocabulary": list(vocabulary.entries), "characters": list(characters.entries)}
    return _in_words(vocabulary, characters, words)


def _described(root: str, train: Sequence[Sentence], saved: dict[str, Any], notes: Sequence[str]) -> DataInfo:
    """What is known of the training sentences: how they are read, and their tags."""
    classes = tuple(sorted({tag for one in train for tag in one.tags}))
    if len(classes) < 2:
        raise InputError(f"{root!r}: every word has the tag {classes[0]!r}; name another column with data.column=")
    shapes = {"word": (0, 1 + saved.get("character_length", 0)), "wordpiece": (0,), "bpe": (0, 1)}
    return DataInfo(
        source=root,
        kind="sequences",
        target="tags",
        input_shape=shapes[saved["level"]],
        classes=classes,
        notes=tuple(notes),
        encoding={"reads": "tagged", **saved},
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
    words = [one.words for one in sentences]
    if is_subwords(info.encoding["level"]):
        places = word_pieces(words, Pieces.from_saved(info.encoding), int(info.encoding["max_length"]))
        return SequenceSamples(places.inputs, piece_tags(targets, places), info, names, IGNORED)
    return SequenceSamples(word_inputs(words, info.encoding), Ragged.of(targets), info, names, IGNORED)


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
