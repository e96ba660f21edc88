"""Samples of BERT's pretraining: two segments of text, some tokens hidden, and whether the second follows the first.

Source: Devlin et al. 2019, "BERT: Pre-training of deep bidirectional transformers", section 3.1 and appendix A.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neuropil.corpora.language import is_text_name
from neuropil.corpora.masking import MaskRule, SampleDraws, masked
from neuropil.corpora.pretraining_text import Document, SentenceForm, documents_of, read_documents
from neuropil.data.records import DataInfo, Splits
from neuropil.errors import InputError
from neuropil.sequences.division import divide, settle_parts, splits_of
from neuropil.sequences.marked import MARKS, check_room, marked_pair, marked_text, shared_room
from neuropil.sequences.pieces import Pieces, pieces_of, settled_lower
from neuropil.sequences.ragged import IGNORED

__all__ = ["FOLLOWS", "RANDOM", "PretrainingSamples", "mask_rule", "open_pretraining_text", "pretraining_samples"]

Array = np.ndarray[Any, Any]

FOLLOWS, RANDOM = 0, 1
"""The label of the second segment: it follows the first, or is from another document (as in Hugging Face's)."""

SHORT = 0.1
"""Share of samples that are made shorter by chance, so that short texts are met too."""


class PretrainingSamples:
    """Stretches of documents as samples; each epoch cuts, pairs and masks them anew.

    A document is divided once into stretches of whole sentences that fill a sample. What becomes of a stretch hangs on
    (seed, epoch, its number) alone: where it is cut in two, whether the second part is replaced by a place in another
    document (half of them), and which tokens are hidden.

    Without next sentences a stretch is one segment as it stands, as in Liu et al. 2019, "RoBERTa", section 4.2: for
    documents of one sentence, which have no next one.

    Shape: a fetch gives inputs int64 `[N, T, 2]`: ids and segments; targets `[N, 1 + T]`: 0 where the second segment
    follows, 1 where it does not, -100 where there is none, then the ids at the chosen places and -100 elsewhere.

    Differs:
        BERT's program draws the cuts of documents anew, too, writes each text ten times with other masks, and reads on
        behind a first segment whose second was replaced. Here every token is met once an epoch, and masks never repeat.

    Args:
        documents: the numbers of each sentence of each document, two documents or more.
        pieces: the subwords.
        max_length: tokens of a sample, marks among them.
        rule: of masking.
        info: what is known of the text.
        names: how to call each document.
        next_sentence: two segments a sample.

    Raises:
        InputError: one document only where next sentences are wanted, or none of two tokens.
    """

    draws_by_index = True

    def __init__(
        self,
        documents: Sequence[Sequence[Array]],
        pieces: Pieces,
        max_length: int,
        rule: MaskRule,
        info: DataInfo,
        names: Sequence[str],
        *,
        next_sentence: bool = True,
    ) -> None:
        self._info, self._names, self._rule, self._pairs = info, names, rule, next_sentence
        self._begin, self._end = pieces.special("[CLS]"), pieces.special("[SEP]")
        self._marks = MARKS["pair" if next_sentence else "text"]
        self._room = max_length - self._marks
        self._free = np.zeros(len(pieces), dtype=bool)
        self._free[rule.ordinary] = True
        sentences = [row for document in documents for row in document]
        self._values = np.concatenate(sentences).astype(np.int32) if sentences else np.empty(0, dtype=np.int32)
        ends = np.cumsum([0, *(len(row) for row in sentences)]).astype(np.int64)
        counts = np.cumsum([0, *(len(document) for document in documents)])
        self._bounds = [ends[a : b + 1] for a, b in zip(counts[:-1].tolist(), counts[1:].tolist(), strict=True)]
        spans = [
            (number, *one)
            for number, bounds in enumerate(self._bounds)
            for one in _stretches(bounds, self._room, longer=next_sentence)
        ]
        self._stretches = np.array(spans, dtype=np.int64).reshape(-1, 3)  # document, begin, end
        if not spans:
            raise InputError(f"a part of {info.source!r} holds no document of two tokens or more; give more text")
        if next_sentence and len({number for number, _, _ in spans}) < 2:
            raise InputError(
                f"a part of {info.source!r} holds {len(documents)} document{'s' * (len(documents) != 1)} of two tokens "
                "or more, but next sentences are drawn from another one; put empty lines between documents, or give "
                "more text (or next_sentence=false, or valid_fraction=0)"
            )
        self._full = np.unique(self._stretches[:, 0])

    @property
    def info(self) -> DataInfo:
        """What is known of the text."""
        return self._info

    @property
    def targets(self) -> Array:
        """The tokens of all documents, int64."""
        return self._values.astype(np.int64)

    @property
    def lengths(self) -> Array:
        """How long each sample is at most, `[n, 1]`."""
        return self._stretches[:, 2:] - self._stretches[:, 1:2] + self._marks

    def __len__(self) -> int:
        return len(self._stretches)

    def name(self, index: int) -> str:
        """How to call one sample in a message."""
        return f"{self._names[int(self._stretches[index, 0])]}, sample {index + 1}"

    def fetch(self, indices: Array, draws: Array | None = None) -> tuple[Array, Array]:
        """Samples as these draws make them.

        Args:
            indices: the samples' numbers.
            draws: `[N, 2 or more]` uniform numbers that belong to (seed, epoch, sample); left out: those of the first
                epoch, seed 0.
        """
        keys = SampleDraws.keys(np.asarray(indices), draws)
        made = [self._sample(int(one), SampleDraws((a, b))) for one, (a, b) in zip(indices, keys.tolist(), strict=True)]
        length = max((len(ids) for ids, _, _ in made), default=0)
        inputs = np.zeros((len(made), length, 2), dtype=np.int64)
        targets = np.full((len(made), 1 + length), IGNORED, dtype=np.int64)
        for row, (ids, hidden, label) in enumerate(made):
            inputs[row, : len(ids)] = ids
            targets[row, 0] = label
            targets[row, 1 : 1 + len(hidden)] = hidden
        return inputs, targets

    def _sample(self, index: int, draws: SampleDraws) -> tuple[Array, Array, int]:
        """One sample `[T, 2]`, its hidden tokens `[T]`, and the label of its second segment."""
        document, begin, end = self._stretches[index].tolist()
        if not self._pairs:
            return *self._masked(marked_text(self._values[begin:end], self._begin, self._end), draws), IGNORED
        middle = self._middle(document, begin, end, draws)
        room = self._room if draws.next() >= SHORT else 2 + draws.below(self._room - 1)
        first, second, label = self._values[begin:middle], self._values[middle:end], FOLLOWS
        if draws.next() < 0.5:
            label, second = RANDOM, self._elsewhere(document, max(1, room - len(first)), draws)
        keep, rest = shared_room(len(first), len(second), room)
        cut = draws.take(2) < 0.5  # at its begin or its end, as BERT's program does
        first = first[len(first) - keep :] if cut[0] else first[:keep]
        second = second[:rest]
        return *self._masked(marked_pair(first, second, self._begin, self._end), draws), label

    def _masked(self, sample: Array, draws: SampleDraws) -> tuple[Array, Array]:
        hidden, targets = masked(sample[:, 0], self._free[sample[:, 0]], self._rule, draws)
        sample[:, 0] = hidden
        return sample, targets

    def _middle(self, document: int, begin: int, end: int, draws: SampleDraws) -> int:
        """Where a stretch is cut in two: at the end of one of its sentences, or anywhere in a single one."""
        bounds = self._bounds[document]
        inside = bounds[(bounds > begin) & (bounds < end)]
        return int(inside[draws.below(len(inside))]) if len(inside) else begin + 1 + draws.below(end - begin - 1)

    def _elsewhere(self, document: int, room: int, draws: SampleDraws) -> Array:
        """Tokens of another document, from the begin of one of its sentences on."""
        own = int(np.searchsorted(self._full, document))
        other = int(self._full[(own + 1 + draws.below(len(self._full) - 1)) % len(self._full)])
        bounds = self._bounds[other]
        begin = int(bounds[draws.below(len(bounds) - 1)])
        return self._values[begin : min(begin + room, int(bounds[-1]))]


def _stretches(bounds: Array, room: int, *, longer: bool) -> list[tuple[int, int]]:
    """A document cut into stretches of whole sentences that fit a room; longer sentences are cut themselves.

    A token alone is no sample: it joins those before it where a stretch may be longer by it, else one of them joins it.

    Example:
        >>> _stretches(np.array([0, 4, 7, 9, 30]), 10, longer=True)
        [(0, 9), (9, 19), (19, 30)]
        >>> _stretches(np.array([0, 4, 7, 9, 30]), 10, longer=False)
        [(0, 9), (9, 19), (19, 28), (28, 30)]
    """
    found: list[tuple[int, int]] = []
    begin, last = int(bounds[0]), int(bounds[-1])
    while begin < last:
        fitting = bounds[(bounds > begin) & (bounds <= begin + room)]
        end = int(fitting[-1]) if len(fitting) else min(begin + room, last)
        if last - end == 1:
            end = last if longer else max(end - 1, begin + 2)
        found.append((begin, end))
        begin = end
    return [one for one in found if one[1] - one[0] > 1]


def mask_rule(pieces: Pieces, share: float, most: int | None, *, whole_words: bool) -> MaskRule:
    """The rule of masking for a vocabulary.

    Raises:
        InputError: it has no `[MASK]`, nothing but special entries, or a number is outside its range.
    """
    special = pieces.special_numbers
    ordinary = np.setdiff1d(np.arange(len(pieces)), special)
    if not len(ordinary):
        raise InputError("the vocabulary holds special entries only; give one that holds pieces of words")
    goes_on = np.array([entry.startswith("##") for entry in pieces.entries])
    rule = MaskRule(pieces.special("[MASK]"), ordinary, share, most, whole_words, goes_on)
    rule.check()
    return rule


def open_pretraining_text(
    *, root: str, max_length: int = 128, sentences: SentenceForm = "auto", encoding: str = "utf-8",
    lower: bool | None = None, subwords: str | None = None, size: int | None = None, least_count: int | None = None,
    mask_share: float = 0.15, most_masked: int | None = None, whole_words: bool = False,
    next_sentence: bool = True, leave_out: tuple[str, ...] = (), valid_fraction: float = 0.1,
    test_fraction: float = 0.0, split_seed: int = 0,
) -> Splits:  # fmt: skip
    """Plain text for BERT's two tasks: to tell hidden tokens, and whether one segment follows the other.

    Empty lines and files divide documents; a line is a sentence, or prose is cut into some (see
    `neuropil.corpora.pretraining_text`). Files whose names say `train`, `valid` and `test` are the parts; else
    documents are drawn for them.

    Shape: inputs int64 `[N, T, 2]`, targets `[N, 1 + T]`; see `PretrainingSamples`.

    Args:
        root: a text file, or a folder or zip file of some; gzipped ones too.
        max_length: tokens of a sample, `[CLS]` and both `[SEP]` among them, 5 or more.
        sentences: `lines`: a sentence a line; `prose`: they are cut; `auto`: by what most lines end in.
        encoding: of the files.
        lower: read capital letters as small ones; left out: yes.
        subwords: a vocab.txt or tokenizer.json of WordPiece, or the folder of one; left out: they are trained.
        size: subwords that are trained; 8,000 where left out.
        least_count: rarer pairs are not merged; 2 where left out.
        mask_share: of the tokens that are chosen to be told.
        most_masked: of them in one sample at most.
        whole_words: choose all pieces of a word together.
        next_sentence: two segments a sample; `False` for documents of one sentence, where hidden tokens alone are told.
        leave_out: patterns of file names that are not read.
        valid_fraction: share of the documents to validate on, where no file is for that.
        test_fraction: share to test on, likewise.
        split_seed: of the draw.

    Raises:
        InputError: a file that cannot be read or is empty, a vocabulary without `[MASK]`, one document only, or a
            number out of its range.
    """
    check_room(max_length, "pair" if next_sentence else "text")
    notes: list[str] = []
    found = _found(root, leave_out, encoding, sentences, notes)
    parts, sentence = settle_parts(
        found, unit="documents", valid_fraction=valid_fraction, test_fraction=test_fraction, seed=split_seed
    )
    lower = settled_lower(lower, "wordpiece", subwords)
    texts = (line for document in parts["train"] for line in document.sentences)
    pieces, told = pieces_of(
        "wordpiece", texts, subwords=subwords, size=size, lower=lower, shifted=False, least_count=least_count
    )
    saved = {
        "reads": "pretraining_text", "level": "wordpiece", "lower": lower, "max_length": max_length, "encoding":
        encoding,
        "sentences": sentences, "mask_share": mask_share, "most_masked": most_masked, "whole_words": whole_words,
        "next_sentence": next_sentence,
        **pieces.saved(),
    }  # fmt: skip
    info = DataInfo(
        source=root, kind="sequences", target="pretraining", input_shape=(0, 2), notes=(*notes, sentence, told),
        encoding=saved,
    )  # fmt: skip
    return splits_of(parts, lambda documents: pretraining_samples(documents, info, pieces))


def _found(
    root: str, leave_out: Sequence[str], encoding: str, form: SentenceForm, notes: list[str]
) -> dict[str | None, list[Document]]:
    """The documents of each part."""
    found = divide(
        root, leave_out, is_text_name, lambda store, name: read_documents(store, name, encoding, form), notes
    )
    for part, documents in found.items():
        found[part], said = documents_of(documents)
        notes += [said] if said else []
    return found


def pretraining_samples(
    documents: Sequence[Document], info: DataInfo, pieces: Pieces | None = None
) -> PretrainingSamples:
    """Documents as samples of a known vocabulary; see `PretrainingSamples`."""
    saved = info.encoding
    pieces = Pieces.from_saved(saved) if pieces is None else pieces
    rule = mask_rule(pieces, saved["mask_share"], saved["most_masked"], whole_words=bool(saved["whole_words"]))
    coded = [[row for row in pieces.encode_many(one.sentences) if len(row)] for one in documents]
    kept = [(rows, one.where) for rows, one in zip(coded, documents, strict=True) if rows]
    return PretrainingSamples(
        [rows for rows, _ in kept], pieces, int(saved["max_length"]), rule, info, [where for _, where in kept],
        next_sentence=bool(saved.get("next_sentence", True)),
    )  # fmt: skip
