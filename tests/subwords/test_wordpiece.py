"""WordPiece: the longest pieces, as in `tokenizers`."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neuropil.errors import InputError
from neuropil.subwords import WordPiece
from neuropil.subwords.basic import basic_words
from neuropil.subwords.caching import Cache
from neuropil.subwords.wordpiece import SPECIALS, longest_pieces
from subwords.small_subwords import PIECES, wordpiece
from subwords.test_basic import KOREAN, ODD, RULES

TEXTS = st.lists(
    st.sampled_from([*ODD, *PIECES, "again", "critics", "thing", "[MASK]", "[SEP]", "[cls]", "한국", "the "])
).map("".join) | st.text(st.characters(exclude_categories=["Cs"]))


def test_examples_of_the_paper() -> None:
    words = WordPiece(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing"])
    assert words.pieces("unwanted running") == ["un", "##want", "##ed", "runn", "##ing"]
    assert words.pieces("unwantedX running") == ["[UNK]", "runn", "##ing"]
    assert words.pieces("") == []
    assert (words.pad, words.unknown, dict(words.specials)) == (0, 1, dict(zip(SPECIALS, range(4), strict=False)))
    assert len(words) == 11 and repr(words) == "WordPiece(11 entries, lower case)"


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.sampled_from(RULES))
@example("[MASK]again[SEP] [MASK", (True, None, True))
@example("a" * 101 + " " + "a" * 100, (True, None, True))
def test_numbers_of_any_text(text: str, rules: tuple[bool, bool | None, bool]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    lower, accents, chinese = rules
    theirs = tokenizers.BertWordPieceTokenizer(
        {one: number for number, one in enumerate(PIECES)}, lowercase=lower, strip_accents=accents,
        handle_chinese_chars=chinese,
    )  # fmt: skip
    ours = wordpiece(lower=lower, strip_accents=accents, chinese=chinese)
    expected = theirs.encode(text, add_special_tokens=False).ids
    assert ours.encode(text) == expected
    assert ours.encode_many([text, text]) == [expected, expected]  # also from the cache


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, len(PIECES) - 1)))
def test_text_of_any_numbers(ids: list[int]) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.BertWordPieceTokenizer({one: number for number, one in enumerate(PIECES)})
    assert wordpiece().decode(ids) == theirs.decode(ids, skip_special_tokens=False)


@settings(max_examples=200, deadline=None)
@given(st.text("abcdeginrst한\u1112\u1161é", min_size=1, max_size=12))
def test_the_short_way_is_the_readable_one(word: str) -> None:
    words = wordpiece(strip_accents=False)
    pieces = longest_pieces(word, {one: number for number, one in enumerate(PIECES)})
    assert words.pieces(word) == (["[UNK]"] if pieces is None else pieces)


LETTERS = [chr(one) for one in (*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A8, 0x11B0), 0x11BC)]
"""Letters of Hangul: some ends of syllables are missing."""

HANGUL = [*SPECIALS, *LETTERS, *(f"##{one}" for one in LETTERS), "##\u1175\u11ab", "\u1112\u1161", "a", "##b"]
"""Most letters are pieces by themselves only, some begin longer ones."""


@settings(max_examples=300, deadline=None)
@given(KOREAN | st.text("가하힌각닭강안ab,. ", max_size=12))
def test_korean_words_fall_into_letters(text: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    numbers = {one: number for number, one in enumerate(HANGUL)}
    ours, theirs = WordPiece(HANGUL), tokenizers.BertWordPieceTokenizer(numbers)
    assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids
    words = [longest_pieces(word, numbers) or ["[UNK]"] for word in basic_words(text)]
    assert ours.pieces(text) == [piece for word in words for piece in word]


def test_special_entries_of_letters_are_found_inside_words() -> None:
    words = WordPiece(["[PAD]", "[UNK]", "a", "##b", "unused1"], specials=["[PAD]", "unused1"])
    assert words.encode("aunused1a ab unused1") == [2, 4, 2, 2, 3, 4]


def test_what_was_seen_is_bounded() -> None:
    asked: list[str] = []
    cache = Cache(lambda key: (asked.append(key) or len(key),), entries=2)  # type: ignore[func-returns-value]
    assert [cache[key] for key in ("a", "a", "b", "c", "a", "x" * 100, "x" * 100)] == [(1,)] * 5 + [(100,)] * 2
    assert asked == ["a", "b", "c", "a", "x" * 100, "x" * 100]
    assert len(cache) == 2


@pytest.mark.parametrize(
    ("entries", "options", "message"),
    [
        (["[UNK]", "[PAD]"], {}, r"\[PAD\] is number 1; a vocabulary of WordPiece begins with it"),
        (["a", "[UNK]"], {}, r"\[PAD\] is missing"),
        (["[PAD]", "a"], {}, r"\[UNK\] is missing"),
        (["[PAD]", "[UNK]", "a", "a"], {}, "'a' is entry 2 and entry 3; name each entry once"),
        (["[PAD]", "[UNK]", ""], {}, "entry 2 is ''"),
        (["[PAD]", "[UNK]", "a\nb"], {}, "entry 2 is 'a"),
        (["[PAD]", "[UNK]", 7], {}, "entry 2 is 7; write the entries of a vocabulary as texts"),
        (["[PAD]", "[UNK]"], {"longest": 0}, "words of at most 0 characters were asked for"),
        (["[PAD]", "[UNK]"], {"specials": ["[CLS]"]}, r"the special entry '\[CLS\]' is not in the vocabulary"),
        (["[PAD]", "[UNK]", "a b"], {"specials": ["a b"]}, "the special entry 'a b' is empty, named twice or holds"),
    ],
)
def test_broken_vocabularies_are_refused(entries: list[str], options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WordPiece(entries, **options)  # type: ignore[arg-type]


def test_other_things_than_texts_and_numbers_are_refused() -> None:
    words = wordpiece()
    with pytest.raises(InputError, match="many texts were asked for and one was given"):
        words.encode_many("a text")
    with pytest.raises(InputError, match="text 1 is a int; give texts"):
        words.encode_many(["a", 1])  # type: ignore[list-item]
    for wrong in (-1, len(words)):
        with pytest.raises(InputError, match=f"number {wrong} is no entry; the vocabulary has those from 0 to"):
            words.decode([wrong])
