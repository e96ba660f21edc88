"""Text in one row at every level, in memory and through the memory map; documents; and what is wrong with files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuropil.batches.batching import Batches
from neuropil.corpora.language import open_text
from neuropil.corpora.text_coding import TextCoder, coded
from neuropil.corpora.text_lines import chunks
from neuropil.corpora.token_files import open_token_file, token_type, write_token_file
from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.sequences.pieces import Pieces
from neuropil.subwords.opening import write_subwords
from neuropil.subwords.training import train_bpe

TEXT = "So it goes, and on it goes.\n  Well, is it?\n\nA second text begins here.\nIt ends, too.\n\n" * 12

LEVELS: dict[str, dict[str, Any]] = {
    "character": {},
    "word": {"least_count": 1},
    "wordpiece": {"size": 60},
    "bpe": {"size": 300},
}


def opened(folder: Path, **options: Any) -> Splits:
    return open_text(root=str(folder / "a.txt"), **{"window": 8, **options})


def rows(splits: Splits) -> list[tuple[list[Any], list[Any]]]:
    parts = [one for one in (splits.train, splits.valid, splits.test) if one is not None]
    return [tuple(one.tolist() for one in part.fetch(np.arange(len(part)))) for part in parts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("documents", [False, "blocks"])
def test_a_token_file_holds_what_memory_would(level: str, documents: Any, folder: Path) -> None:
    options = {"level": level, "documents": documents, **LEVELS[level]}
    plain = opened(folder, **options)
    first, second = (opened(folder, token_file=str(folder / "kept.bin"), **options) for _ in range(2))
    assert rows(plain) == rows(first) == rows(second)
    assert first.info.encoding == second.info.encoding == plain.info.encoding
    assert "tokens were written" in first.info.notes[-1] and "tokens are read" in second.info.notes[-1]
    assert isinstance(second.train.targets, np.memmap) and second.train.targets.dtype == np.uint16
    assert [one.name for one in folder.iterdir() if one.suffix == ".tmp"] == []


def test_a_stale_or_damaged_file_is_written_again_and_a_foreign_one_is_left(folder: Path) -> None:
    place = folder / "kept" / "tokens.bin"
    opened(folder, token_file=f"{folder / 'kept'}/")
    assert place.is_file()

    def told(**options: Any) -> str:
        return opened(folder, token_file=str(place), **options).info.notes[-1]

    assert "tokens are read" in told()
    assert "as it was of other reading" in told(level="word", least_count=1)
    (folder / "a.txt").write_text(f"{TEXT}More.\n", encoding="utf-8")
    assert "as it was of other sources" in told(level="word", least_count=1)
    content = place.read_bytes()
    place.write_bytes(content[:-40])
    assert "as it was cut short" in told(level="word", least_count=1)
    place.write_bytes(content[:30] + b"?" + content[31:])
    assert "as its head was damaged" in told(level="word", least_count=1)
    place.write_bytes(b"something else")
    with pytest.raises(InputError, match="is no token file, and is left as it is; name another place"):
        told()
    assert place.read_bytes() == b"something else"


def test_half_a_file_never_counts(tmp_path: Path) -> None:
    place = tmp_path / "tokens.bin"
    with pytest.raises(KeyboardInterrupt), write_token_file(place, {"sources": "a"}) as file:
        file.add("train", "<u2", [np.arange(5)])
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == [] and open_token_file(place, {"sources": "a"}) == "there was none"


def test_numbers_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "tokens.bin"
    with (
        pytest.raises(InputError, match="the number 70,000 does not fit a token file of 16 bits, 0 to 65,535"),
        write_token_file(place, {}) as file,
    ):
        file.add("train", "<u2", [np.array([3, 70_000])])
    assert not place.exists()
    assert token_type(1 << 16) == "<u2" and token_type(1 << 20) == "<u4"
    with pytest.raises(InputError, match="does not fit 32 bits"):
        token_type((1 << 32) + 1)
    with pytest.raises(InputError, match="cannot be written"), write_token_file(Path("/proc/x/tokens.bin"), {}):
        pass


def test_pieces_of_a_text_are_those_of_the_whole_wherever_it_is_cut() -> None:
    words = random.Random(0)
    parts = ["so ", "it  ", "goes", ".", "\n", "\n\n", " \n", "\t", "한국", "don't"]
    text = "".join(words.choice(parts) for _ in range(4000))
    pieces = Pieces(train_bpe([text], size=320), "bpe", shifted=False)
    coder = TextCoder("bpe", pieces=pieces)
    for size in (1, 7, 100):
        cut = chunks(text.splitlines(keepends=True), size=size)
        row = np.concatenate([one for one, _ in coded(cut, coder, documents=False)])
        assert row.tolist() == pieces.encode(text).tolist()


def test_documents_do_not_mix(folder: Path, tmp_path: Path) -> None:
    for how, text, count in (
        ("blocks", "a b\nc\n\nd e f\n \ng\n", 3),
        ("token", "a b\nc<|endoftext|>d e f\n<|endoftext|>\ng\n", 3),
    ):
        (tmp_path / "d.txt").write_text(text, encoding="utf-8")
        options: dict[str, Any] = {"valid_fraction": 0.0, "test_fraction": 0.0, "window": 30, "order": "text"}
        for documents in (how, True):
            splits = open_text(root=str(tmp_path / "d.txt"), **{**options, "documents": documents})
            assert splits.info.input_shape == (0, 2) and splits.info.encoding["documents"] == how
            (inputs,), (targets,) = splits.train.fetch(np.array([0]))
            ids, numbers = inputs.T
            entries = splits.info.encoding["vocabulary"]
            assert numbers.max() == count and (np.diff(numbers[: len(ids[ids > 0])]) >= 0).all()
            starts = np.flatnonzero(np.diff(numbers, prepend=0) > 0)
            assert [entries[ids[one]] for one in starts] == ["<eos>"] * count
            said = "".join(entries[one] for one in ids[numbers == 2])
            assert said.strip() in ("<eos>d e f", "<eos>d e f\n")
            assert (targets[numbers == 0] == -100).all() and not splits.train.continues  # type: ignore[attr-defined]
    (tmp_path / "many").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "many" / name).write_text("so it goes\n" * 5, encoding="utf-8")
    assert open_text(root=str(tmp_path / "many"), documents=True).info.encoding["documents"] == "files"
    with pytest.raises(InputError, match=r"holds no <\|endoftext\|>"):
        vocabulary = tmp_path / "gpt"
        vocabulary.mkdir()
        write_subwords(train_bpe([TEXT], size=300, specials=()), vocabulary)
        open_text(root=str(tmp_path / "d.txt"), level="bpe", documents="token", subwords=str(vocabulary))


def test_windows_by_chance_cover_the_text_and_repeat_with_the_seed(folder: Path) -> None:
    splits = opened(folder, level="bpe", size=300)
    assert not splits.train.continues and splits.valid is not None  # type: ignore[attr-defined]
    text = splits.train.targets
    batches = {seed: list(Batches(splits.train, batch_size=4, seed=seed).epoch(1)) for seed in (0, 1)}
    again = list(Batches(splits.train, batch_size=4, seed=0, workers=2).epoch(1))
    assert all((a.inputs == b.inputs).all() for a, b in zip(batches[0], again, strict=True))
    assert any((a.inputs != b.inputs).any() for a, b in zip(batches[0], batches[1], strict=True))
    for batch in batches[0]:
        for row, index in zip(batch.targets.numpy(), batch.indices.tolist(), strict=True):
            near = [text[place : place + 8].tolist() for place in range(max(0, 8 * (index - 1)), 8 * (index + 2))]
            assert row.tolist() in near, "a window of the text, near its place"
    assert sorted(int(one) for batch in batches[0] for one in batch.indices) == list(range(len(splits.train)))
    fixed = list(Batches(splits.valid, batch_size=4, seed=0, shuffle=False).epoch(0))
    assert fixed[0].inputs.flatten()[1:9].tolist() == fixed[0].targets.flatten()[:8].tolist()


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"", {"token_file": "t.bin"}, r"a\.txt is empty"),
        (b"a\nb\xff\n", {"token_file": "t.bin"}, r"a\.txt, line 2: this is not UTF-8 text"),
        (b"a\nb\nc\0\n", {"token_file": "t.bin"}, r"a\.txt, line 3: it holds a NUL byte"),
        (b"a b c\n" * 9, {"size": 300}, "size=300 is for subwords; say data.level=bpe or wordpiece"),
        (b"a b c\n" * 9, {"level": "bpe", "most": 300}, "most=300 is for words and characters; give data.size="),
        (b"a b c\n" * 9, {"level": "bpe", "size": 20}, "20 entries have no room for 256 bytes"),
        (b"a b c\n" * 9, {"level": "bpe", "subwords": "nowhere"}, "nowhere"),
        (b"a b c\n" * 9, {"level": "bpe", "subwords": "vocab.json"}, "merges"),
        (b"a b c\n" * 9, {"level": "bpe", "subwords": "vocab.txt"}, "kind 'wordpiece', but level=bpe was asked"),
    ],
)
def test_refusals(content: bytes, options: dict[str, Any], words: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    (tmp_path / "vocab.json").write_text('{"a": 0}', encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n", encoding="utf-8")
    placed: dict[str, Any] = {
        name: str(tmp_path / one) if name in ("token_file", "subwords") else one for name, one in options.items()
    }
    with pytest.raises(InputError, match=words):
        open_text(root=str(tmp_path / "a.txt"), **placed)
    assert not (tmp_path / "t.bin").exists()
