"""What BERT's pretraining is worth: SST-2 after hidden words of the given texts, beside the same network without."""

from __future__ import annotations

import gzip
import re
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.running import start
from neuropil.recipes.train import Run, carry_out


def lines(path: Path, encoding: str = "utf-8") -> list[str]:
    return [line.strip() for line in path.read_text(encoding=encoding).split("\n") if line.strip()]


def letters(sentence: str) -> str:
    """What is left of it however it was cut into words."""
    shown = re.sub("-lrb-|-rrb-", "", sentence.lower())
    return re.sub(r"[^a-z0-9]", "", shown.encode("ascii", "ignore").decode())


def fours(sentence: str) -> set[tuple[str, ...]]:
    """Its words in fours."""
    words = re.findall(r"[a-z0-9']+", re.sub("-(lrb|rrb)-", " ", sentence.lower()))
    return {tuple(words[i : i + 4]) for i in range(len(words) - 3)}


def without_copies(sentences: list[str], held: list[str]) -> list[str]:
    """Those that are no held-out one, nor nearly: without three fours, or half of a held-out one's, in common."""
    same: set[str] = {letters(one) for one in held}
    found: dict[tuple[str, ...], set[int]] = defaultdict(set)
    for number, one in enumerate(held):
        for four in fours(one):
            found[four].add(number)
    kept = []
    for sentence in sentences:
        common = Counter(number for four in fours(sentence) for number in found.get(four, ()))
        number, count = common.most_common(1)[0] if common else (0, 0)
        near = count >= 3 or (count and count >= 0.5 * max(1, len(fours(held[number]))))
        if letters(sentence) not in same and not near:
            kept.append(sentence)
    return kept


@pytest.fixture
def texts(shared_data: Path, tmp_path: Path) -> Path:
    """Reviews without what SST-2 is judged by, and sentences of the web, each a document."""
    folder = tmp_path / "texts"
    folder.mkdir()
    held = [line[2:] for part in ("dev", "test") for line in lines(shared_data / "sst2" / f"stsa.binary.{part}")]
    reviews = [
        line for end in ("neg", "pos") for line in lines(shared_data / "rt-polarity" / f"rt-polarity.{end}", "latin-1")
    ]
    treebank = gzip.decompress((shared_data / "ud-english-ewt" / "en_ewt-ud-train.conllu.gz").read_bytes()).decode()
    web = re.findall("^# text = (.*)$", treebank, re.MULTILINE)
    for name, sentences in (("reviews", without_copies(reviews, held)), ("web", web)):
        (folder / f"{name}.txt").write_text("\n\n".join(sentences) + "\n", encoding="utf-8")
    return folder


def test_near_copies_are_found() -> None:
    held = ["it 's a film of quiet power , and one to see twice"]
    others = ["a film of quite another kind", "is it a film of quiet power ?", "one to see twice , and a bore"]
    copies = ["It's a film of quiet power, and one to see twice.", "the film of quiet power , and one to see twice !"]
    assert without_copies([*others, *copies], held) == others


def trained(name: str, runs: Path, **values: Any) -> Run:
    return carry_out(start(find_recipe(name).with_values(values), runs=runs), lambda report: None, pictures=False)


@pytest.mark.proof
def test_pretraining_is_worth_a_point(texts: Path, shared_data: Path, tmp_path: Path) -> None:
    gains = []
    for seed in range(3):
        how = {"data.next_sentence": False, "data.mask_share": 0.4, "data.max_length": 64, "batches.batch_size": 64}
        how |= {"optimizer.lr": 0.001, "training.epochs": 24}
        trained("bert-pretrain", tmp_path, **{"data.root": str(texts), "seed": seed, **how})
        pretrained = tmp_path / "pretraining" / f"bert-pretrain-{seed + 1}"
        labels = {"data.root": str(shared_data / "sst2"), "model.pooling": "mean", "seed": seed}
        vocabulary = str(pretrained / "huggingface" / "vocab.txt")
        after, without = (
            trained("bert-finetune-reviews", tmp_path, **labels, **{key: value}).results["test"]["accuracy"]
            for key, value in (("weights", str(pretrained)), ("data.subwords", vocabulary))
        )
        gains.append(after - without)
    assert statistics.mean(gains) >= 0.01, gains
