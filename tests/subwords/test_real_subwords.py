"""BERT's and GPT-2's own vocabularies on real texts: the numbers of Hugging Face's tokenizers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from neuropil.subwords import BytePairs, WordPiece, read_subwords

LANGUAGES = {"english": "ud-english-ewt", "korean": "ud-korean-gsd"}


@pytest.fixture(scope="module")
def vocabularies(shared_data: Path) -> tuple[WordPiece, BytePairs]:
    bert, gpt = (
        read_subwords(shared_data / "vocab" / name) for name in ("bert-base-uncased-vocab.txt", "gpt2-vocab.bpe")
    )
    assert isinstance(bert, WordPiece) and isinstance(gpt, BytePairs)
    return bert, gpt


def test_vocabularies_are_what_they_are_known_for(vocabularies: tuple[WordPiece, BytePairs]) -> None:
    bert, gpt = vocabularies
    assert bert.lower and len(bert) == 30_522
    assert dict(bert.specials) == {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
    assert len(gpt) == 50_257 and len(gpt.merges) == 50_000 and dict(gpt.specials) == {"<|endoftext|>": 50_256}
    assert gpt.encode("Hello world") == [15496, 995]
    assert bert.encode("Hello world") == [7592, 2088]


def test_recorded_cases(vocabularies: tuple[WordPiece, BytePairs], shared_data: Path) -> None:
    """What `tokenizers` gave when it was asked once."""
    bert, gpt = vocabularies
    with gzip.open(shared_data / "vocab" / "tokenisation_cases.json.gz", "rt", encoding="utf-8") as file:
        cases: dict[str, Any] = json.load(file)
    assert len(cases["single"]) == 314 and len(cases["pairs"]) == 40
    for case in cases["single"]:
        assert bert.encode(case["text"]) == case["bert"]["ids"], case
        assert bert.pieces(case["text"]) == case["bert"]["tokens"], case
        assert gpt.encode(case["text"]) == case["gpt2"]["ids"], case
        assert gpt.decode(case["gpt2"]["ids"]) == case["text"]
    for case in cases["pairs"]:
        a, b = bert.pieces(case["a"]), bert.pieces(case["b"])
        assert ["[CLS]", *a, "[SEP]", *b, "[SEP]"] == case["tokens"], case


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_sentences(vocabularies: tuple[WordPiece, BytePairs], shared_data: Path, language: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    texts = []
    for path in sorted((shared_data / LANGUAGES[language]).glob("*.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            texts += [line[len("# text = ") : -1] for line in file if line.startswith("# text = ")]
    assert len(texts) == {"english": 16_622, "korean": 6_339}[language]
    bert, gpt = vocabularies
    folder = shared_data / "vocab"
    theirs = tokenizers.BertWordPieceTokenizer(str(folder / "bert-base-uncased-vocab.txt"), lowercase=True)
    assert bert.encode_many(texts) == [one.ids for one in theirs.encode_batch(texts, add_special_tokens=False)]
    theirs = tokenizers.ByteLevelBPETokenizer(str(folder / "gpt2-encoder.json"), str(folder / "gpt2-vocab.bpe"))
    numbers = gpt.encode_many(texts)
    assert numbers == [one.ids for one in theirs.encode_batch(texts)]
    assert [gpt.decode(one) for one in numbers] == texts
    whole = "\n".join(texts[:2000])
    assert gpt.encode(whole) == theirs.encode(whole).ids
