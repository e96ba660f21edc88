"""Small vocabularies, and the same in the library's hands."""

from __future__ import annotations

from typing import Any

from neuropil.subwords import BytePairs, WordPiece
from neuropil.subwords.byte_level import BYTE_LETTERS
from neuropil.subwords.wordpiece import SPECIALS

TEXT = """It is not the critic who counts; the doer of deeds counts, who errs and comes short again and again.
Naïve façades, 한국어 문장, 漢字 and kana かな; the critics' deeds didn't count -- they'll err again, again, again!
"""

PIECES = [
    *SPECIALS, *"abcdefghinorstuw.,'[]", "##a", "##e", "##r", "##s", "##t", "##ing", "the", "th", "crit", "##ic",
    "##ics", "again", "##gain", "한", "##국", "\u1112", "##\u1161", "##\u11ab", "漢", "é", "σ", "##σ",
]  # fmt: skip


def wordpiece(**options: Any) -> WordPiece:
    return WordPiece(PIECES, **options)


def byte_pairs(*merges: str, specials: tuple[str, ...] = ()) -> BytePairs:
    pairs = [(left, right) for left, right in (one.split(" ") for one in merges)]
    made = dict.fromkeys(left + right for left, right in pairs)
    return BytePairs([*specials, *BYTE_LETTERS, *made], pairs, specials=specials)
