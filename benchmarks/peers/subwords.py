"""The same sentences through ours and through `tokenizers`, on one thread."""

from __future__ import annotations

import gzip
import hashlib
import os
import statistics
import time
from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.records import Measurement
from benchmarks.shared_data import data_folder

__all__ = ["COMPETITORS", "sentences"]

ROUNDS = 5

LANGUAGES = {"english": "ud-english-ewt", "korean": "ud-korean-gsd"}

Encode = Callable[[list[str]], list[list[int]]]


def folder() -> Path:
    """Where the real data sets are."""
    found = data_folder()
    assert found is not None
    return found


def sentences(language: str) -> list[str]:
    """All sentences of the three parts, as they were written."""
    found = []
    for path in sorted((folder() / LANGUAGES[language]).glob("*.conllu.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            found += [line.removeprefix("# text = ").rstrip("\n") for line in file if line.startswith("# text = ")]
    return found


def _ours(name: str) -> Callable[[], Encode]:
    from neuropil.subwords import from_saved, read_subwords

    known = read_subwords(folder() / "vocab" / name)
    known.encode("é")  # the rules are made once a process, as the library's are when it is built
    saved = known.saved()

    def make() -> Encode:
        return from_saved(saved).encode_many

    return make


def _theirs(make_tokenizer: Callable[[Path], Any]) -> Callable[[], Encode]:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["RAYON_NUM_THREADS"] = "1"

    def make() -> Encode:
        tokenizer = make_tokenizer(folder() / "vocab")
        return lambda texts: [one.ids for one in tokenizer.encode_batch(texts, add_special_tokens=False)]

    return make


def _bert(vocabularies: Path) -> Any:
    from tokenizers import BertWordPieceTokenizer

    return BertWordPieceTokenizer(str(vocabularies / "bert-base-uncased-vocab.txt"), lowercase=True)


def _gpt2(vocabularies: Path) -> Any:
    from tokenizers import ByteLevelBPETokenizer

    return ByteLevelBPETokenizer(str(vocabularies / "gpt2-encoder.json"), str(vocabularies / "gpt2-vocab.bpe"))


def _digest(numbers: list[list[int]]) -> str:
    found = hashlib.sha256()
    for one in numbers:
        found.update(array("l", [*one, -1]).tobytes())
    return found.hexdigest()


def _measured(prepare: Callable[[], Callable[[], Encode]], seed: int) -> Measurement:
    figures: dict[str, float] = {}
    work: dict[str, Any] = {}
    make = prepare()
    for language in LANGUAGES:
        texts = sentences(language)
        seconds: list[list[float]] = []
        for _ in range(ROUNDS):
            encode = make()
            seconds.append([])
            for _ in range(2):
                begin = time.perf_counter()
                numbers = encode(texts)
                seconds[-1].append(time.perf_counter() - begin)
        for figure, column in zip(("first", "again"), zip(*seconds, strict=True), strict=True):
            figures[f"{language} {figure}"] = 1e3 * statistics.median(column)
        work[language] = [len(texts), sum(map(len, numbers)), _digest(numbers)]
    return Measurement(figures, work)


COMPETITORS: dict[str, Callable[[int], Measurement]] = {
    "wordpiece": partial(_measured, partial(_ours, "bert-base-uncased-vocab.txt")),
    "wordpiece-tokenizers": partial(_measured, partial(_theirs, _bert)),
    "bpe": partial(_measured, partial(_ours, "gpt2-encoder.json")),
    "bpe-tokenizers": partial(_measured, partial(_theirs, _gpt2)),
}
