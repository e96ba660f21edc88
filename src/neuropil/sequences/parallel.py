"""Parallel text: the same sentences in two languages, as numbers of words, characters or subwords."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from neuropil.data.records import DataInfo, Skipped, Splits
from neuropil.errors import InputError
from neuropil.sequences.division import Parts, settle_parts, splits_of
from neuropil.sequences.parallel_files import Pair, gather_pairs
from neuropil.sequences.pieces import AnyLevel, Pieces, is_subwords, pieces_of, settled_lower
from neuropil.sequences.ragged import Ragged, SequenceSamples
from neuropil.sequences.tokens import tokens_of
from neuropil.sequences.vocabulary import BOS, EOS, PAD, Vocabulary

__all__ = ["open_parallel", "pair_samples", "source_inputs", "written"]

Array = np.ndarray[Any, Any]

SIDES = ("", "target_")
"""How the record's names of source and target begin."""


def open_parallel(
    *, root: str, translate_from: str | int | None = None, translate_to: str | int | None = None,
    encoding: str = "utf-8", level: AnyLevel = "word", lower: bool | None = None, subwords: str | None = None,
    size: int | None = None, shared_vocabulary: bool | None = None, least_count: int = 2, most: int | None = None,
    max_length: int = 100, leave_out: tuple[str, ...] = (), valid_fraction: float = 0.1,
    test_fraction: float | None = None, split_seed: int = 0
) -> Splits:  # fmt: skip
    """Sentences and their translations: two files a part, line by line (`train.de`, `train.en`), or two columns.

    Files whose names say `train`, `dev` (or `valid`, `val`) and `test` are the parts. Vocabularies are those of the
    training part.

    Shape: inputs int64 `[N, S]`, ending in `<eos>`; targets `[N, T]`, from `<bos>` to `<eos>`; 0 where padded.

    Args:
        root: a folder or zip file of such files, or one table; gzipped ones too.
        translate_from: the end of the file names (`en`), or the column of a table, to translate from; left out: the
            first one.
        translate_to: likewise, to translate into; left out: the other one.
        encoding: of the files.
        level: `word`, `character`, `wordpiece` or `bpe`; subwords are numbered behind `<pad> <unk> <bos> <eos>`.
        lower: read capital letters as small ones; left out: of `wordpiece` only.
        subwords: their file or folder, for both languages; left out: they are trained.
        size: subwords of a vocabulary that is trained; 8,000 where left out.
        shared_vocabulary: one vocabulary for both languages; left out: of subwords only.
        least_count: rarer tokens of the training part are unknown; of subwords, rarer pairs are not merged.
        most: entries of each vocabulary of words or characters at most.
        max_length: tokens; training pairs with a longer side are left out and named.
        leave_out: patterns of file names that are not read, such as `test_2017*`.
        valid_fraction: share of the training pairs to validate on, where no files are for that.
        test_fraction: share to test on, likewise; left out: 0.1, or 0 where the files divide themselves.
        split_seed: of the draw.

    Raises:
        InputError: files that cannot be read, of different lengths, or with an empty line; file and line are named.
    """
    notes: list[str] = []
    found, ends = gather_pairs(root, translate_from, translate_to, encoding, leave_out, notes)
    parts, sentence = settle_parts(
        found, unit="pairs", valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed
    )
    saved: dict[str, Any] = {"level": level, "lower": settled_lower(lower, level, subwords), "ends": list(ends)}
    saved["encoding"] = encoding
    shared = is_subwords(level) if shared_vocabulary is None else shared_vocabulary
    return _splits(
        root, parts, saved, _Wanted(subwords, size, shared, least_count, most), max_length, [*notes, sentence]
    )


def _splits(
    root: str, parts: Parts[Pair], saved: dict[str, Any], wanted: _Wanted, max_length: int, notes: Sequence[str]
) -> Splits:
    """The parts as samples; vocabularies of words are those of the pairs that are short enough."""
    if max_length < 1:
        raise InputError(f"max_length is {max_length} tokens; give 1 or more")
    level = saved["level"]
    if is_subwords(level):
        told = _subwords(parts["train"], saved, wanted)
        code = _coder(saved)
        skipped = _without_long(root, parts, code, max_length)
    else:
        skipped = _without_long(root, parts, lambda pairs: [_tokens(one, saved) for one in pairs], max_length)
        told = _words(parts["train"], saved, wanted)
        code = _coder(saved)
    if skipped:
        told.append(f"{len(skipped):,} training pairs of more than {max_length} {level}s were left out, see `skipped`")
    info = DataInfo(
        source=root,
        kind="sequences",
        target="tokens",
        input_shape=(0,),
        notes=(*notes, *told),
        skipped=tuple(skipped),
        encoding={"reads": "parallel", **saved},
    )
    return splits_of(parts, lambda pairs: pair_samples(pairs, info, code))


class _Wanted(NamedTuple):
    """How vocabularies are come by."""

    subwords: str | None
    size: int | None
    shared: bool
    least_count: int
    most: int | None


Code = Callable[[Sequence[Pair]], Sequence[tuple[Any, Any]]]
"""Pairs as tokens or numbers, of each its source and its target."""


def _without_long(root: str, parts: Parts[Pair], code: Code, max_length: int) -> list[Skipped]:
    """Take long pairs out of the training part; gives what was taken.

    Raises:
        InputError: nothing is left.
    """
    train = parts["train"]
    fits = [max(map(len, row)) <= max_length for row in code(train)]
    parts["train"] = [one for one, short in zip(train, fits, strict=True) if short]
    if not parts["train"]:
        raise InputError(f"every pair of {root!r} is longer than {max_length} tokens; give a larger data.max_length")
    reason = f"it is longer than {max_length} tokens"
    return [Skipped(one.where, reason) for one, short in zip(train, fits, strict=True) if not short]


def _words(train: Sequence[Pair], saved: dict[str, Any], wanted: _Wanted) -> list[str]:
    """Two vocabularies of words or characters, put into `saved`; and a sentence about them."""
    for name, given in (("subwords", wanted.subwords), ("size", wanted.size)):
        if given is not None:
            raise InputError(f"{name}={given!r} is for subwords; say data.level=bpe or wordpiece with it")
    rows = [_tokens(one, saved) for one in train]
    counts = [Counter(token for row in rows for token in row[side]) for side in (0, 1)]
    if wanted.shared:
        counts = [counts[0] + counts[1]] * 2
    built = [Vocabulary.build(one, least_count=wanted.least_count, most=wanted.most) for one in counts]
    for prefix, vocabulary in zip(SIDES, built, strict=True):
        saved[f"{prefix}vocabulary"] = list(vocabulary.entries)
    ends, level = saved["ends"], saved["level"]
    return [f"from {ends[0]} ({len(built[0]):,} {level}s) to {ends[1]} ({len(built[1]):,})"]


def _subwords(train: Sequence[Pair], saved: dict[str, Any], wanted: _Wanted) -> list[str]:
    """Subwords of both languages, put into `saved`; and sentences about them."""
    if wanted.most is not None:
        raise InputError(f"most={wanted.most} is for words and characters; give data.size= for subwords")
    if wanted.subwords is not None and not wanted.shared:
        raise InputError("subwords that are read serve both languages; leave data.shared_vocabulary out")
    sides: tuple[list[str], list[str]] = ([one.source for one in train], [one.target for one in train])
    texts = [sides[0] + sides[1]] * 2 if wanted.shared else sides
    notes = []
    for prefix, of_side, end in zip(SIDES, texts, saved["ends"], strict=True):
        if wanted.shared and prefix:
            saved |= {f"{prefix}{name}": saved[name] for name in ("subwords", "vocabulary")}
            continue
        read = wanted.subwords is not None
        pieces, note = pieces_of(
            saved["level"], of_side, subwords=wanted.subwords, size=wanted.size, lower=saved["lower"], shifted=True,
            least_count=None if read else wanted.least_count,
        )  # fmt: skip
        saved |= pieces.saved(prefix)
        notes.append(note if wanted.shared else f"{end or 'a column'}: {note}")
    return [*notes, f"from {saved['ends'][0]} to {saved['ends'][1]}"]


def _tokens(pair: Pair, saved: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    level, lower = saved["level"], bool(saved["lower"])
    return tokens_of(pair.source, level, lower=lower), tokens_of(pair.target, level, lower=lower)


def _coder(saved: Mapping[str, Any]) -> Code:
    """How pairs become numbers, without begin and end."""
    if is_subwords(saved["level"]):
        first, second = (Pieces.from_saved(saved, prefix) for prefix in SIDES)
        return lambda pairs: list(
            zip(
                first.encode_many([one.source for one in pairs]),
                second.encode_many([one.target for one in pairs]),
                strict=True,
            )
        )
    source, target = (Vocabulary.from_saved(saved.get(name), name) for name in ("vocabulary", "target_vocabulary"))

    def of_words(pairs: Sequence[Pair]) -> list[tuple[Array, Array]]:
        rows = [_tokens(one, saved) for one in pairs]
        return [(source.encode(row[0]), target.encode(row[1])) for row in rows]

    return of_words


def pair_samples(pairs: Sequence[Pair], info: DataInfo, code: Code | None = None) -> SequenceSamples:
    """Pairs as samples of known vocabularies.

    Args:
        pairs: the sentences.
        info: what is known of the training data.
        code: how pairs become numbers, where that is at hand; else as `info` says.
    """
    rows = (code or _coder(info.encoding))(pairs)
    return SequenceSamples(
        Ragged.of([np.append(row[0], EOS) for row in rows]),
        Ragged.of([np.concatenate([[BOS], row[1], [EOS]]) for row in rows]),
        info,
        [one.where for one in pairs],
        PAD,
    )


def source_inputs(rows: Sequence[Sequence[str]], encoding: Mapping[str, Any]) -> Ragged:
    """Words or characters to be translated as numbers, `<eos>` at their ends."""
    vocabulary = Vocabulary.from_saved(encoding.get("vocabulary"), "vocabulary")
    return Ragged.of([np.append(vocabulary.encode(tokens), EOS) for tokens in rows])


def written(tokens: Sequence[str], vocabulary: Vocabulary) -> Array:
    """Tokens that a network shall write as numbers, from `<bos>` to `<eos>`."""
    return np.concatenate([[BOS], vocabulary.encode(tokens), [EOS]])
