"""BLEU against sacreBLEU."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from neuropil.errors import InputError
from neuropil.tasks.bleu import BleuCounts, corpus_bleu, tokenize_13a

LINES = [
    "The cat sat on the mat.", 'He said: "1,000 cats, 3.5 dogs."', "a-b 3-4 5- -6", "isn't it? (yes!) [no] {x} ~ ^ _ `",
    "x < y &amp; z &gt; 1 &quot;w&quot; &lt;b&gt;", "  two  spaces \t and a tab  ", "U.S.A. 1.5. .5 5.,6", "", " ",
    "Äpfel, Öl – und «Übel»… 漢字。", "word-\nbreak and\nnew line <skipped> there",
    "$5 #1 100% a/b c\\d e*f g+h i=j k@l",
    "<unk> &amp;quot; ;:", "trailing \n",
]  # fmt: skip


def corpus(seed: int, count: int, references: int) -> tuple[list[str], list[list[str]]]:
    """Sentences of few words, so that runs of them meet."""
    draw = random.Random(seed)
    words = ["the", "a", "cat", "dog", "sat", "on", "mat,", "ran.", "1,5", "isn't", "(so)", "well-known"]

    def sentence() -> str:
        return " ".join(draw.choices(words, k=draw.randrange(12)))

    found = [sentence() for _ in range(count)]
    return found, [[draw.choice([sentence(), one + " the", one]) for _ in range(references)] for one in found]


@pytest.mark.parametrize("line", LINES)
def test_lines_are_split_as_by_sacrebleu(line: str) -> None:
    peer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a")
    assert tokenize_13a(line) == peer.Tokenizer13a()(line.rstrip()).split()


def test_the_projects_own_prose_is_split_as_by_sacrebleu() -> None:
    peer = pytest.importorskip("sacrebleu.tokenizers.tokenizer_13a").Tokenizer13a()
    for line in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").splitlines():
        assert tokenize_13a(line) == peer(line.rstrip()).split()


@pytest.mark.parametrize(("count", "references"), [(1, 1), (2, 1), (30, 1), (30, 3)])
def test_scores_are_those_of_sacrebleu(count: int, references: int) -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    for seed in range(20):
        found, others = corpus(seed, count, references)
        peer = sacrebleu.corpus_bleu(found, [list(column) for column in zip(*others, strict=True)], force=True)
        ours = corpus_bleu(found, others)
        assert ours.score == pytest.approx(peer.score, abs=1e-9)
        assert list(ours.precisions) == pytest.approx(peer.precisions)
        assert (ours.length, ours.reference_length) == (peer.sys_len, peer.ref_len)
        assert ours.brevity_penalty == pytest.approx(peer.bp)


def test_the_papers_example_of_cheating() -> None:
    """Papineni et al. 2002, example 2: seven times "the" are worth two."""
    counts = BleuCounts()
    counts.add("the the the the the the the", ["The cat is on the mat.", "There is a cat on the mat."])
    assert (counts.right[0], counts.total[0]) == (1, 7)  # "The" is another word here, as in sacreBLEU
    counts = BleuCounts()
    counts.add("the the the the the the the", ["the cat is on the mat.", "there is a cat on the mat."])
    assert (counts.right[0], counts.total[0]) == (2, 7)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="2 translations were given, but references for 1"):
        corpus_bleu(["a", "b"], [["a"]])
    with pytest.raises(InputError, match="'a' has no reference"):
        corpus_bleu(["a"], [[]])
