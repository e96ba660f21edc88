"""Words in pieces: WordPiece and byte-level byte-pair encoding, their training and their files."""

from __future__ import annotations

from neuropil.subwords.byte_pairs import BytePairs
from neuropil.subwords.contracts import Subwords
from neuropil.subwords.opening import from_saved, read_subwords, write_subwords
from neuropil.subwords.training import train_bpe, train_wordpiece
from neuropil.subwords.wordpiece import WordPiece

__all__ = [
    "BytePairs",
    "Subwords",
    "WordPiece",
    "from_saved",
    "read_subwords",
    "train_bpe",
    "train_wordpiece",
    "write_subwords",
]
