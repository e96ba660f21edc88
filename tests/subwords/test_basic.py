"""BERT's basic tokenizer and GPT-2's words, held against `tokenizers`, character by character."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.errors import InputError
from neuropil.subwords.basic import basic_words
from neuropil.subwords.byte_level import BYTE_LETTERS, byte_words, shown
from neuropil.subwords.characters import MARKS, PUNCTUATION, character_class, is_wide

tokenizers = pytest.importorskip("tokenizers")

GIVEN_OUT = [*range(0xD800), *range(0xE000, 0x40000), *range(0xDFF00, 0xE1000), *range(0xEFF00, 0xF0100), 0x10FFFD]

EVERY = [chr(one) for one in GIVEN_OUT]
"""All code points, but of those that Unicode has not given out, or has for private use, only some."""

Words = Callable[[str], list[str]]

ODD = [
    *"aAbΣςİßéñ.,'#[]< \t\n\r\x00\x0b\x0c\x1c\x1f\x85\xa0\u2028\u200b\u3000\ufffd한漢が١½Ⅷ𝄞😀",
    "\u0301", "\u0316", "\u0345", "\u0f71\u0f72", "\u1ac5\u0316", "\u0b55\u0316\u3099", "\U00010d50", "\ua7cb",
    "\U00011938", "'s", "'LL", "'ve", "  ", "   ", " \n ", "un", "##able",
]  # fmt: skip

KOREAN = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3) | st.characters(max_codepoint=0x7F))

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.lists(st.sampled_from(ODD)).map("".join) | KOREAN

RULES = list(itertools.product([True, False], [None, True, False], [True, False]))


def theirs(lower: bool, strip_accents: bool | None, chinese: bool) -> Words:
    normalizer = tokenizers.normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=chinese, strip_accents=strip_accents, lowercase=lower
    )
    cut = tokenizers.pre_tokenizers.BertPreTokenizer()
    return lambda text: [word for word, _ in cut.pre_tokenize_str(normalizer.normalize_str(text))]


def their_words(text: str) -> list[str]:
    cut = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    return [word for word, _ in cut.pre_tokenize_str(text)]


def test_examples() -> None:
    assert basic_words(" \tHeLLo!how  \n Are yoU?  ") == ["hello", "!", "how", "are", "you", "?"]
    assert basic_words(" \tHeLLo!how  \n Are yoU?  ", lower=False) == ["HeLLo", "!", "how", "Are", "yoU", "?"]
    assert basic_words("ah\u535a\u63a8zz", lower=False) == ["ah", "\u535a", "\u63a8", "zz"]
    assert basic_words("H\u00e9llo", strip_accents=False) == ["h\u00e9llo"]
    assert basic_words("") == basic_words("\u200b\x00") == []
    assert basic_words("ΣΑΣ", strip_accents=False) == ["σασ"]


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(RULES))
def test_words_of_any_text(text: str, rules: tuple[bool, bool | None, bool]) -> None:
    lower, accents, chinese = rules
    assert basic_words(text, lower=lower, strip_accents=accents, chinese=chinese) == theirs(*rules)(text)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_byte_words_of_any_text(text: str) -> None:
    words = byte_words(text)
    assert "".join(words) == text
    assert [shown(word) for word in words] == their_words(text)


@pytest.mark.slow
@pytest.mark.parametrize("rules", [(True, None, True), (False, None, False), (True, False, True)])
def test_every_character_is_of_the_same_class(rules: tuple[bool, bool | None, bool]) -> None:
    lower, accents, chinese = rules
    other = differing(
        lambda text: basic_words(text, lower=lower, strip_accents=accents, chinese=chinese), theirs(*rules), "a{0}Bc"
    )
    assert not other


@pytest.mark.slow
def test_every_character_is_of_the_same_class_to_gpt2() -> None:
    assert not differing(lambda text: [shown(word) for word in byte_words(text)], their_words, "a{0}1{0} {0}.{0}")


def differing(ours: Words, cut: Words, form: str) -> list[str]:
    """Characters that are cut otherwise in a text of that form; many are asked at once, as no rule crosses a space."""
    found = []
    for begin in range(0, len(EVERY), 64):
        texts = [form.format(one) for one in EVERY[begin : begin + 64]]
        if ours(" ".join(texts)) != cut(" ".join(texts)):
            found += [ascii(text) for text in texts if ours(text) != cut(text)] or [f"{begin} and some that follow"]
    return found


def test_bytes_are_those_of_the_library() -> None:
    assert sorted(BYTE_LETTERS) == sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    assert len(set(BYTE_LETTERS)) == 256
    assert shown(" é\n") == "ĠÃ©Ċ"


def test_tables_are_what_they_say() -> None:
    """Python's own tables agree wherever Unicode has not changed its mind since."""
    marks, dots = re.compile(f"[{character_class(MARKS)}]"), re.compile(f"[{character_class(PUNCTUATION)}]")
    for one in EVERY[:0x3000]:
        if marks.match(one):
            assert unicodedata.category(one) in ("Mn", "Mc"), hex(ord(one))
        if dots.match(one) and not one.isascii():
            assert unicodedata.category(one)[0] in "PS", hex(ord(one))
    assert not is_wide("") and not is_wide("\uffff") and is_wide("\U00010000")


def test_half_a_surrogate_pair_has_no_bytes() -> None:
    with pytest.raises(InputError, match=r"character 1 of the text is half a surrogate pair \(U\+D800\)"):
        shown("a\ud800")
