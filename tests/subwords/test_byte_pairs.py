"""Byte-level byte-pair encoding: nothing is lost, and the numbers are those of `tokenizers`."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neuropil.errors import InputError
from neuropil.subwords import BytePairs, train_bpe
from neuropil.subwords.byte_level import BYTE_LETTERS
from neuropil.subwords.merging import SHORT, joined
from subwords.small_subwords import TEXT, byte_pairs
from subwords.test_basic import ODD

TEXTS = st.lists(st.sampled_from([*ODD, *TEXT.split(" "), " ", "<|endoftext|>", "<|end", "again", "ing"])).map(
    "".join
) | st.text(st.characters(exclude_categories=["Cs"]))


def library(words: BytePairs) -> Any:
    tokenizers = pytest.importorskip("tokenizers")
    theirs = tokenizers.ByteLevelBPETokenizer(
        {one: number for number, one in enumerate(words.entries)}, list(words.merges)
    )
    theirs.add_special_tokens(list(words.specials))
    return theirs


@pytest.fixture(scope="module")
def learned() -> tuple[BytePairs, Any]:
    words = train_bpe([TEXT], size=292)
    assert len(words) == 292
    return words, library(words)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(TEXTS)
@example("a\t \tb")
@example("a \x1c b")
@example(" a  <|endoftext|>  b ")
@example("a\n \nb")
def test_any_text_comes_back_and_has_the_librarys_numbers(learned: tuple[BytePairs, Any], text: str) -> None:
    words, theirs = learned
    expected = theirs.encode(text).ids
    assert words.encode(text) == expected
    assert words.encode_many([text, text]) == [expected, expected]  # also from the cache
    assert words.decode(expected) == text
    assert words.decode_bytes(expected) == text.encode()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 291)))
def test_broken_utf8_is_written_as_the_library_does(learned: tuple[BytePairs, Any], ids: list[int]) -> None:
    words, theirs = learned
    assert words.decode(ids) == theirs.decode(ids, skip_special_tokens=False)


def test_order_of_merges_decides() -> None:
    assert byte_pairs("a b", "b c").pieces("abc") == ["ab", "c"]
    assert byte_pairs("b c", "a b").pieces("abc") == ["a", "bc"]
    assert byte_pairs("a a").pieces("aaa") == ["aa", "a"]
    words = byte_pairs("l o", "lo w", "Ġ low", specials=("<|endoftext|>", "<pad>"))
    assert words.pieces("low low<|endoftext|>") == ["low", "Ġlow", "<|endoftext|>"]
    assert (words.pad, words.unknown, dict(words.specials)) == (1, None, {"<|endoftext|>": 0, "<pad>": 1})
    assert len(words) == 261 and repr(words) == "BytePairs(261 entries, 3 merges)"
    assert byte_pairs().pad is None


@pytest.mark.parametrize("seed", range(6))
def test_pairs_in_any_order(seed: int) -> None:
    """Also where a pair was learned before its halves, and in words so long that a queue is used."""
    draw = random.Random(seed)
    entries, merges = ["a", "b", "c"], {}
    for _ in range(40):
        pair = (draw.choice(entries), draw.choice(entries))
        if len(pair[0] + pair[1]) <= 8:
            merges[pair] = None
            entries.append(pair[0] + pair[1])
    shuffled = list(merges)
    draw.shuffle(shuffled)
    words = byte_pairs(*(f"{left} {right}" for left, right in shuffled))
    theirs = library(words)
    for length in [*range(1, 40), SHORT - 1, SHORT, SHORT + 1, SHORT + 40, 1000]:
        text = "".join(draw.choices("abc", k=length))
        assert words.encode(text) == theirs.encode(text).ids
        ids = [ord(one) - ord("a") for one in text]
        ranks = {(0, 1): 1, (1, 2): 0, (3, 0): 2, (4, 4): 3}
        made = [4, 3, 5, 6]
        assert joined(ids[:SHORT], ranks, made) == joined_by_hand(ids[:SHORT], ranks, made)


def joined_by_hand(found: list[int], ranks: dict[tuple[int, int], int], made: list[int]) -> list[int]:
    while True:
        places = [(ranks[pair], place) for place, pair in enumerate(pairwise(found)) if pair in ranks]
        if not places:
            return found
        rank, place = min(places)
        found = [*found[:place], made[rank], *found[place + 2 :]]


def test_a_word_of_a_hundred_thousand_letters_is_no_trap() -> None:
    words = byte_pairs("a a", "aa aa", "aaaa aaaa")
    begin = time.process_time()
    assert len(words.encode("a" * 100_000)) == 12_500
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    ("entries", "merges", "specials", "message"),
    [
        (BYTE_LETTERS[1:], [], (), r"the entry 'Ā' \(byte 0\) is missing; byte-level pieces need all 256 bytes"),
        (BYTE_LETTERS, [("a", "b")], (), "merge 0 joins 'a' and 'b', but 'ab' is no entry"),
        ((*BYTE_LETTERS, "ab"), [("a", "b"), ("a", "b")], (), "'a' and 'b' are merge 0 and merge 1"),
        ((*BYTE_LETTERS, "ab", "ab"), [], (), "'ab' is entry 256 and entry 257"),
        ((*BYTE_LETTERS, "漢", "漢a"), [("漢", "a")], (), "'漢' is not written in bytes"),
        (BYTE_LETTERS, [], ("<pad>",), "the special entry '<pad>' is not in the vocabulary"),
    ],
)
def test_broken_vocabularies_are_refused(
    entries: tuple[str, ...], merges: list[tuple[str, str]], specials: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        BytePairs(entries, merges, specials=specials)


def test_other_things_than_texts_and_numbers_are_refused() -> None:
    words = byte_pairs()
    with pytest.raises(InputError, match="many texts were asked for"):
        words.encode_many("a text")
    with pytest.raises(InputError, match="number 256 is no entry"):
        words.decode([0, 256])
    with pytest.raises(InputError, match="half a surrogate pair"):
        words.encode("a \udfff")
