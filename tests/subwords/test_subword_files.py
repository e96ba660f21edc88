"""Files of vocabularies: Hugging Face's libraries open ours, and we open theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuropil.errors import InputError
from neuropil.subwords import (
    BytePairs,
    WordPiece,
    from_saved,
    read_subwords,
    train_bpe,
    train_wordpiece,
    write_subwords,
)
from subwords.small_subwords import TEXT, byte_pairs, wordpiece

TEXTS = [TEXT, "", "Hello, my dog's cute!  Naïve\n\n 漢字 [MASK] x <|endoftext|> yes<pad>", "  Ünder\u0301 [SEP]"]

KINDS = {
    "wordpiece": lambda: wordpiece(),
    "cased": lambda: train_wordpiece([TEXT], size=150, lower=False),
    "other rules": lambda: wordpiece(strip_accents=False, chinese=False),
    "bpe": lambda: train_bpe([TEXT], size=400),
    "bpe without special entries": lambda: train_bpe([TEXT], size=400, specials=()),
    "bpe with padding": lambda: train_bpe([TEXT], size=400, specials=("<pad>", "<|endoftext|>")),
    "bytes": lambda: byte_pairs(),
}


@pytest.fixture(params=KINDS)
def words(request: pytest.FixtureRequest) -> WordPiece | BytePairs:
    return KINDS[request.param]()


def test_what_is_saved_opens_again(words: WordPiece | BytePairs, tmp_path: Path) -> None:
    again = from_saved(json.loads(json.dumps(words.saved())))
    assert again.saved() == words.saved()
    files = write_subwords(words, tmp_path / "new")
    assert {one.name for one in files} == {one.name for one in (tmp_path / "new").iterdir()}
    for path in [tmp_path / "new", *(one for one in files if one.name != "tokenizer_config.json")]:
        assert read_subwords(path).saved() == words.saved()


@pytest.mark.slow
def test_hugging_face_opens_ours(words: WordPiece | BytePairs, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    write_subwords(words, tmp_path)
    ours = words.encode_many(TEXTS)
    plain = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert [one.ids for one in plain.encode_batch(TEXTS, add_special_tokens=False)] == ours
    assert [plain.decode(one, skip_special_tokens=False) for one in ours] == [words.decode(one) for one in ours]
    own = transformers.BertTokenizerFast if isinstance(words, WordPiece) else transformers.GPT2TokenizerFast
    for kind in (own, transformers.AutoTokenizer):
        theirs = kind.from_pretrained(str(tmp_path))
        assert len(theirs) == len(words)
        assert theirs(TEXTS, add_special_tokens=False)["input_ids"] == ours
        assert theirs.pad_token_id == words.pad
    if "[SEP]" in words.specials:
        pair = theirs("again", "the critic")
        assert pair["input_ids"] == plain.encode("again", "the critic").ids
        assert pair["input_ids"][0] == words.specials["[CLS]"] and set(pair["token_type_ids"]) == {0, 1}
    theirs.save_pretrained(str(tmp_path / "theirs"))
    assert read_subwords(tmp_path / "theirs").saved() == words.saved()
    (tmp_path / "tokenizer.json").unlink()
    assert own.from_pretrained(str(tmp_path))(TEXTS, add_special_tokens=False)["input_ids"] == ours


def test_the_librarys_files_are_read(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    bert = tokenizers.BertWordPieceTokenizer()
    bert.train_from_iterator([TEXT], vocab_size=150, show_progress=False)
    bert.save_model(str(tmp_path))
    gpt = tokenizers.ByteLevelBPETokenizer()
    gpt.train_from_iterator([TEXT], vocab_size=400, special_tokens=["<|endoftext|>"], show_progress=False)
    gpt.save_model(str(tmp_path), "my")
    gpt.save(str(tmp_path / "gpt.json"))
    for path, theirs in (("vocab.txt", bert), ("my-vocab.json", gpt), ("my-merges.txt", gpt), ("gpt.json", gpt)):
        words = read_subwords(tmp_path / path)
        assert words.encode_many(TEXTS) == [one.ids for one in theirs.encode_batch(TEXTS, add_special_tokens=False)]


@pytest.mark.parametrize(("entry", "lower"), [("yes", True), ("Yes", False)])
def test_capital_letters_are_told_by_the_entries_or_beside_them(entry: str, lower: bool, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text(f"[PAD]\r\n[UNK]\r\n[unused0]\r\n{entry}\r\n", encoding="utf-8")
    words = read_subwords(tmp_path)
    assert isinstance(words, WordPiece) and words.lower is lower and words.entries[-1] == entry
    (tmp_path / "tokenizer_config.json").write_text(f'{{"do_lower_case": {str(not lower).lower()}}}', encoding="utf-8")
    words = read_subwords(tmp_path)
    assert isinstance(words, WordPiece) and words.lower is not lower


def test_a_public_file_with_its_oddities_is_read(tmp_path: Path) -> None:
    """As GPT-2's: merges as texts, the special entry `normalized`; and a special entry behind the vocabulary."""
    write_subwords(byte_pairs("a b", specials=("<|endoftext|>",)), tmp_path)
    found = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))
    found["model"]["merges"] = ["a b"]
    del found["model"]["type"], found["model"]["ignore_merges"], found["pre_tokenizer"]["use_regex"]
    found["added_tokens"][0]["normalized"] = True
    found["added_tokens"].append({"id": 258, "content": "<new>", "special": True})
    (tmp_path / "tokenizer.json").write_text(json.dumps(found), encoding="utf-8")
    words = read_subwords(tmp_path)
    assert words.encode("ab<new><|endoftext|>") == [257, 258, 0]


def test_other_subwords_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="object cannot be written; give WordPiece or BytePairs"):
        write_subwords(object(), tmp_path)  # type: ignore[arg-type]
