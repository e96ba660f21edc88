"""BERT's pretraining samples: their shares against the paper, their form, and that they hang on nothing but their
number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuropil.batches.batching import Batches
from neuropil.corpora.pretraining import FOLLOWS, PretrainingSamples, mask_rule, open_pretraining_text
from neuropil.corpora.pretraining_text import documents_of, sentences_of
from neuropil.data.records import DataInfo
from neuropil.errors import InputError
from neuropil.sequences.pieces import Pieces
from neuropil.subwords.wordpiece import WordPiece

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CLS, SEP, MASK = 2, 3, 4
WORDS = [f"w{n}" for n in range(600)]
ENDS = [f"##e{n}" for n in range(400)]
INFO = DataInfo("text", "sequences", "pretraining", (0, 2))


def pieces() -> Pieces:
    return Pieces(WordPiece([*SPECIALS, *WORDS, *ENDS]), "wordpiece", shifted=False)


def samples(
    documents: int,
    sentences: int = 12,
    max_length: int = 128,
    *,
    whole_words: bool = False,
    most: int | None = None,
    next_sentence: bool = True,
) -> PretrainingSamples:
    """Documents of random tokens; those of document d have d mod 7 in their numbers, so that they are told apart."""
    draw, known = np.random.default_rng(0), pieces()
    made = [
        [5 + draw.integers(0, 142, draw.integers(5, 30)) * 7 + number % 7 for _ in range(sentences)]
        for number in range(documents)
    ]
    rule = mask_rule(known, 0.15, most, whole_words=whole_words)
    return PretrainingSamples(
        made, known, max_length, rule, INFO, [f"document {n}" for n in range(documents)], next_sentence=next_sentence
    )


def fetched(found: PretrainingSamples, seed: int = 0, epoch: int = 0, **options: Any) -> list[Any]:
    return list(Batches(found, batch_size=64, seed=seed, **options).epoch(epoch))


@pytest.mark.slow
def test_shares_are_those_of_the_paper() -> None:
    """Devlin et al., section 3.1: 15 % chosen; 80 % masked, 10 % random, 10 % kept; half of the segments follow."""
    found = samples(5200)
    free = chosen = masked = kept = changed = follow = count = tokens = 0
    for batch in fetched(found):
        ids, targets = batch.inputs[..., 0].numpy(), batch.targets[:, 1:].numpy()
        places = targets >= 0
        tokens += int((ids != 0).sum())
        free += int(((ids > MASK) | places).sum())
        chosen += int(places.sum())
        masked += int((ids[places] == MASK).sum())
        kept += int((ids[places] == targets[places]).sum())
        changed += int(((ids[places] != MASK) & (ids[places] != targets[places])).sum())
        follow += int((batch.targets[:, 0] == FOLLOWS).sum())
        count += len(ids)
        assert not np.isin(targets[places], [0, 1, CLS, SEP, MASK]).any()
        assert (ids[~places] != MASK).all()
    assert tokens > 1_000_000
    assert chosen / free == pytest.approx(0.15, abs=0.0015)
    assert masked / chosen == pytest.approx(0.8, abs=0.008)
    assert kept / chosen == pytest.approx(0.1, abs=0.01)
    assert changed / chosen == pytest.approx(0.1, abs=0.01)
    assert follow / count == pytest.approx(0.5, abs=0.01)


def test_samples_have_bert_s_form() -> None:
    found = samples(40, max_length=64)
    inputs, targets = found.fetch(np.arange(len(found)))
    assert inputs.shape[1] <= 64 and targets.shape == (len(found), 1 + inputs.shape[1])
    for row, target in zip(inputs, targets, strict=True):
        ids, segments = row[row[:, 0] != 0].T
        assert ids[0] == CLS and ids[-1] == SEP and (ids == SEP).sum() == 2
        middle = int(np.flatnonzero(ids == SEP)[0])
        assert (segments == (np.arange(len(ids)) > middle)).all() and 1 < middle < len(ids) - 2
        true = np.where(target[1 : 1 + len(ids)] >= 0, target[1 : 1 + len(ids)], ids)
        first, second = ({int(one - 5) % 7 for one in part} for part in (true[1:middle], true[middle + 1 : -1]))
        assert len(first) == len(second) == 1, "a segment is of one document"
        if target[0] == FOLLOWS:
            assert first == second
    same = [target[0] != FOLLOWS for target in targets]
    assert 0.3 < np.mean(same) < 0.7


def test_without_next_sentences_a_stretch_stands_as_it_is() -> None:
    found = samples(40, max_length=64, next_sentence=False)
    inputs, targets = found.fetch(np.arange(len(found)))
    assert inputs.shape[1] <= 64 and (targets[:, 0] == -100).all() and not inputs[..., 1].any()
    plain = samples(40, max_length=64).targets
    read = []
    for row, target in zip(inputs[..., 0], targets[:, 1:], strict=True):
        ids = np.where(target >= 0, target, row)[row != 0]
        assert ids[0] == CLS and ids[-1] == SEP and (ids == SEP).sum() == 1
        read.append(ids[1:-1])
    assert (np.concatenate(read) == plain).all(), "each token of the text, once and in its order"
    assert len(samples(1, next_sentence=False)), "one document is enough"
    assert found.lengths.max() <= 64
    known, rule = pieces(), mask_rule(pieces(), 0.15, None, whole_words=False)
    for count in range(2, 40):
        row = np.arange(5, 5 + count)
        one = PretrainingSamples([[row]], known, 12, rule, INFO, ["a"], next_sentence=False)
        assert one.lengths.max() <= 12 and one.fetch(np.arange(len(one)))[0].shape[1] <= 12
        assert one.lengths.sum() == count + 2 * len(one), "no token is lost"


def test_batches_hang_on_seed_epoch_and_number_alone() -> None:
    found = samples(60, max_length=48)
    plain = fetched(found)
    for other in (fetched(found), fetched(found, workers=3), fetched(samples(60, max_length=48))):
        for one, two in zip(plain, other, strict=True):
            assert (one.inputs.numpy() == two.inputs.numpy()).all()
            assert (one.targets.numpy() == two.targets.numpy()).all()
    later = list(Batches(found, batch_size=64, seed=0).epoch(0, start=1))
    assert all((a.inputs.numpy() == b.inputs.numpy()).all() for a, b in zip(plain[1:], later, strict=True))
    by_number = {int(n): row for batch in plain for n, row in zip(batch.indices, batch.targets[:, 0], strict=True)}
    for seed, epoch in ((1, 0), (0, 1)):
        changed = fetched(found, seed, epoch)
        labels = {int(n): row for batch in changed for n, row in zip(batch.indices, batch.targets[:, 0], strict=True)}
        assert labels.keys() == by_number.keys() and any(labels[n] != by_number[n] for n in labels)


def test_words_are_hidden_whole_and_no_more_than_wanted() -> None:
    found = samples(40, max_length=64, whole_words=True)
    goes_on = np.array([entry.startswith("##") for entry in pieces().entries])
    inputs, targets = found.fetch(np.arange(len(found)))
    seen = 0
    for row, target in zip(inputs, targets, strict=True):
        true = np.where(target[1:] >= 0, target[1:], row[:, 0])
        chosen = target[1:] >= 0
        wanted = 1 + 0.15 * (true > MASK).sum()
        assert 1 <= chosen.sum() <= wanted + 1
        words = np.cumsum(~(goes_on[true] & np.concatenate([[False], true[:-1] > MASK])))
        for word in np.unique(words[chosen]):
            whole = chosen[(words == word) & (true > MASK)]
            seen += len(whole) > 1
            assert whole.all() or chosen.sum() == whole.sum(), "all pieces, or a word longer than all that is wanted"
    assert seen > 20
    few = samples(40, max_length=64, most=3)
    assert (few.fetch(np.arange(len(few)))[1][:, 1:] >= 0).sum(1).max() == 3


TEXT = "\n\n".join("\n".join(f"Text {d} has sentence {n}." for n in range(6)) for d in range(12))


def test_documents_and_sentences_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "b.txt").write_text(
        TEXT.replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n"), encoding="utf-8"
    )
    options: dict[str, Any] = {"size": 80, "valid_fraction": 0.25, "max_length": 40}
    by_line, prose = (open_pretraining_text(root=str(tmp_path / name), **options) for name in ("a.txt", "b.txt"))
    assert "documents: 9 to train, 3 to validate" in by_line.info.notes[0]
    assert by_line.info.encoding["subwords"]["kind"] == "wordpiece" and by_line.info.target == "pretraining"
    again = open_pretraining_text(root=str(tmp_path / "b.txt"), sentences="prose", **options)
    assert len(by_line.train) == len(again.train) and (by_line.train.targets == again.train.targets).all()
    assert prose.info.encoding["vocabulary"] == by_line.info.encoding["vocabulary"]
    assert sentences_of("So (he said.) We go… Is it? 3.5 is it!") == ["So (he said.)", "We go…", "Is it?", "3.5 is it!"]
    assert documents_of([])[0] == []


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("One sentence. Two.", {}, "holds 1 document of two tokens or more, but next sentences .* put empty lines"),
        (TEXT, {"max_length": 4}, "max_length is 4 tokens, but a pair needs 5 or more, 3 of them for"),
        (TEXT, {"mask_share": 1.0}, "mask_share is 1.0; give a share above 0 and below 1"),
        (TEXT, {"most_masked": 0}, "most_masked is 0; give 1 or more"),
        (TEXT, {"subwords": "vocab.txt"}, r"holds no \[MASK\], which this needs; give subwords that have it"),
        (TEXT, {"subwords": "vocab.txt", "size": 90}, "size=90 is for subwords that are trained, but those of"),
        (TEXT, {"subwords": "vocab.txt", "lower": True}, "say themselves whether they are of small letters"),
        ("", {}, r"a\.txt is empty"),
        ("a\0b", {}, r"a\.txt, line 1: it holds a NUL byte"),
    ],
)
def test_refusals(text: str, options: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIALS[:4], "a", "b"]) + "\n", encoding="utf-8")
    if "subwords" in options:
        options = {**options, "subwords": str(tmp_path / "vocab.txt")}
    elif "size" not in options:
        options = {**options, "size": 80}
    with pytest.raises(InputError, match=words):
        open_pretraining_text(root=str(tmp_path / "a.txt"), **options)
