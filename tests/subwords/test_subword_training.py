"""Vocabularies learned from texts: by the library, and by the page that shows how."""

from __future__ import annotations

import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.errors import InputError
from neuropil.subwords import train_bpe, train_wordpiece
from neuropil.subwords.learning import learn_byte_pairs, learn_wordpiece
from neuropil.subwords.training import byte_word_counts, wordpiece_counts
from neuropil.subwords.wordpiece import SPECIALS
from subwords.small_subwords import TEXT

tokenizers = pytest.importorskip("tokenizers")

CORPORA = st.lists(st.text("aab bcé한.", min_size=1), min_size=1, max_size=8).filter(
    lambda texts: any(one.strip() for one in texts)
)


def test_sennrichs_example() -> None:
    """Algorithm 1 of the paper: low, lower, newest, widest; its first pairs are e s, es t and then l o."""
    merges = learn_byte_pairs({"low": 5, "lower": 2, "newest": 6, "widest": 3}, size=300).merges
    assert merges[:4] == [("e", "s"), ("es", "t"), ("l", "o"), ("lo", "w")]


@settings(max_examples=60, deadline=None)
@given(CORPORA, st.integers(1, 3), st.integers(0, 40))
def test_the_page_learns_what_the_library_does(texts: list[str], least: int, more: int) -> None:
    """All entries in order, ties included: of pairs as frequent the one whose pieces are older."""
    words = train_wordpiece(texts, size=20 + more, least_count=least)
    shown = learn_wordpiece(wordpiece_counts(texts), size=20 + more, least_count=least, specials=SPECIALS)
    assert list(words.entries) == shown.entries
    pairs = train_bpe(texts, size=257 + more, least_count=least)
    shown = learn_byte_pairs(byte_word_counts(texts), size=257 + more, least_count=least, specials=("<|endoftext|>",))
    assert (list(pairs.entries), list(pairs.merges)) == (shown.entries, shown.merges)


def test_real_words_are_learned_alike() -> None:
    words = train_wordpiece([TEXT], size=180)
    assert list(words.entries) == learn_wordpiece(wordpiece_counts([TEXT]), size=180, specials=SPECIALS).entries
    assert words.entries[:5] == SPECIALS and "again" in words.entries
    assert train_wordpiece(reversed(TEXT.split("\n")), size=180).entries == words.entries
    assert [words.decode(words.encode(one)) for one in ("again", "the deed")] == ["again", "the deed"]


def test_byte_pairs_are_those_of_the_librarys_own_trainer() -> None:
    theirs = tokenizers.ByteLevelBPETokenizer()
    theirs.train_from_iterator([TEXT] * 3, vocab_size=400, special_tokens=["<|endoftext|>"], show_progress=False)
    words = train_bpe([TEXT] * 3, size=400)
    assert {one: number for number, one in enumerate(words.entries)} == theirs.get_vocab()
    assert words.encode(TEXT) == theirs.encode(TEXT).ids


def test_pieces_are_those_of_the_librarys_own_trainer_where_none_are_tied() -> None:
    """The library numbers `##` characters by chance, so only pairs of different counts are joined for sure."""
    text = " ".join(word for word, count in {"hugs": 64, "pug": 32, "bun": 16, "pun": 8}.items() for _ in range(count))
    theirs = tokenizers.BertWordPieceTokenizer()
    theirs.train_from_iterator([text], vocab_size=19, show_progress=False, special_tokens=list(SPECIALS))
    assert set(train_wordpiece([text], size=19).entries) == set(theirs.get_vocab())


def test_capital_letters_and_special_names() -> None:
    cased = train_wordpiece(["Yes YES yes Ünï [SEP] [SEP]"], size=60, lower=False, least_count=1)
    assert "Y" in cased.entries and "Ü" in cased.entries and cased.pieces("[SEP]") == ["[SEP]"] and not cased.lower
    assert "[" not in cased.entries
    assert wordpiece_counts(["Yes YES " + "x" * 101]) == Counter({"yes": 2})
    twice = train_bpe(["a<pad>a"], size=258, specials=("<pad>", "<|endoftext|>"))
    assert (twice.pad, twice.specials["<|endoftext|>"], len(twice)) == (0, 1, 258)
    assert len(train_bpe(["a b"], size=9999, specials=())) == 256


def test_rare_characters_make_room() -> None:
    words = train_wordpiece(["ab ab ab 漢 字"], size=5 + 3)
    assert words.entries[5:] == ("a", "b", "##b")
    assert words.pieces("ab 漢") == ["a", "##b", "[UNK]"]


@pytest.mark.parametrize("train", [train_wordpiece, train_bpe])
def test_no_words_and_no_room_are_refused(train, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="the texts hold no word to learn from"):
        train([""], size=1000)
    with pytest.raises(InputError, match="many texts were asked for and one was given"):
        train("one text", size=1000)
    with pytest.raises(InputError, match=r"\d+ entries have no room for"):
        train(["a text"], size=5)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match="by the package 'tokenizers', which is missing; install it"):
        train(["a text"], size=1000)
