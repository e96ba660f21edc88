"""How fast texts become numbers of pieces."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic
from benchmarks.shared_data import data_folder

__all__ = ["TOPIC", "missing"]


def missing() -> str | None:
    """Why there are no sentences and vocabularies, or `None`."""
    folder = data_folder()
    if folder is None or not all((folder / name).is_dir() for name in ("ud-english-ewt", "ud-korean-gsd", "vocab")):
        return "there are no sentences; set NEUROPIL_TEST_DATA to a folder with `ud-…` and `vocab` in it"
    return None


def _row(what: str, figure: str, target: float | None) -> Row:
    return Row(what=what, figure=figure, unit="ms", kind="peer / ours", better="high", target=target)


def _duel(kind: str, name: str, first: float | None, again: float) -> Duel:
    return Duel(
        ours=kind,
        peer=f"{kind}-tokenizers",
        rows=[
            _row(f"{name}, English, read for the first time", "english first", first),
            _row(f"{name}, English, read again", "english again", again),
            _row(f"{name}, Korean, read for the first time", "korean first", None),
            _row(f"{name}, Korean, read again", "korean again", None),
        ],
    )


TOPIC = Topic(
    name="subwords",
    title="Texts into subwords",
    notes=(
        "All sentences of UD English (16,622) and Korean (6,339), beside `encode_batch` of `tokenizers`, both on one "
        "thread, both up to lists of whole numbers; the numbers are compared in each run and are the same. BERT's "
        "uncased vocabulary and GPT-2's. The first time every word is new to both sides: each number is the median "
        "of 5, each with a tokenizer just made. Again: the same texts once more, as from the second epoch on; the "
        "library keeps words too.",
    ),
    duels=(_duel("wordpiece", "WordPiece", 3.0, 3.0), _duel("bpe", "Byte pairs", None, 3.0)),
    threads=False,
    missing=missing,
)
