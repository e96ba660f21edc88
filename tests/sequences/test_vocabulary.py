"""Vocabularies and tokens: what goes in comes out again, cut-offs, Korean."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.errors import InputError
from neuropil.sequences.tokens import tokens_of
from neuropil.sequences.vocabulary import PAD, SPECIALS, UNKNOWN, Vocabulary

TOKENS = st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(TOKENS)
def test_known_tokens_come_back_and_numbers_fall_with_counts(tokens: list[str]) -> None:
    vocabulary = Vocabulary.of(tokens)
    usual = [token for token in tokens if token not in SPECIALS]
    assert vocabulary.decode(vocabulary.encode(usual).tolist()) == usual
    counts = Counter(usual)
    ordered = vocabulary.entries[len(SPECIALS) :]
    assert [counts[one] for one in ordered] == sorted(counts.values(), reverse=True)
    assert Vocabulary.of(reversed(tokens)).entries == vocabulary.entries
    assert Vocabulary.from_saved(list(vocabulary.entries), "vocabulary").entries == vocabulary.entries


@settings(max_examples=40, deadline=None)
@given(TOKENS, st.integers(1, 3), st.integers(1, 5))
def test_cut_offs(tokens: list[str], least_count: int, most: int) -> None:
    vocabulary = Vocabulary.of(tokens, least_count=least_count, most=most)
    counts = Counter(tokens)
    assert len(vocabulary) <= len(SPECIALS) + most
    numbers = vocabulary.encode(tokens)
    assert numbers.min() >= UNKNOWN  # no token is ever padding
    for token, number in zip(tokens, numbers.tolist(), strict=True):
        assert (number == UNKNOWN) == (token not in vocabulary)
        assert number == UNKNOWN or counts[token] >= least_count


def test_a_text_cannot_forge_special_entries() -> None:
    vocabulary = Vocabulary.of(["<pad>", "<eos>", "a"])
    assert vocabulary.entries == (*SPECIALS, "a")
    assert vocabulary.encode(["<pad>", "<bos>", "a", "?"]).tolist() == [UNKNOWN, UNKNOWN, 4, UNKNOWN]
    assert PAD not in vocabulary.encode(["<pad>"])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Vocabulary(["a"]), "begins with <pad>"),
        (lambda: Vocabulary([*SPECIALS, "a", "a"]), "'a' twice"),
        (lambda: Vocabulary([*SPECIALS, 3]), "texts only"),  # type: ignore[list-item]
        (lambda: Vocabulary.of("a", least_count=0), "least_count is 0"),
        (lambda: Vocabulary.of("a", most=0), "most is 0"),
        (lambda: Vocabulary.of("a").decode([5]), "number 5 is outside"),
        (lambda: Vocabulary.from_saved(None, "characters"), "no 'characters'"),
    ],
)
def test_refusals(make: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()  # type: ignore[operator]


def test_korean_typed_in_parts_is_the_same_text() -> None:
    whole = "아주 재밌다!"
    parts = unicodedata.normalize("NFD", whole)
    assert parts != whole
    for level in ("word", "character"):
        assert tokens_of(parts, level) == tokens_of(whole, level)  # type: ignore[arg-type]
    assert tokens_of(whole, "word") == ["아주", "재밌다", "!"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_no_sign_is_lost(text: str) -> None:
    """Words and punctuation hold everything but spaces, in order."""
    composed = unicodedata.normalize("NFC", text)
    assert "".join(tokens_of(text, "word")) == "".join(composed.split())
    assert "".join(tokens_of(text, "character")) == composed
