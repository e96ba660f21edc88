"""Vocabularies learned from texts, by the library `tokenizers`; what it does is written out in `learning`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from neuropil.errors import InputError
from neuropil.subwords.basic import basic_words
from neuropil.subwords.byte_level import BYTE_LETTERS, byte_words, shown
from neuropil.subwords.byte_pairs import END_OF_TEXT, BytePairs
from neuropil.subwords.entries import special_pattern
from neuropil.subwords.learning import word_pieces
from neuropil.subwords.wordpiece import SPECIALS, WordPiece

__all__ = ["byte_word_counts", "train_bpe", "train_wordpiece", "wordpiece_counts"]

CHARACTERS = 1_000
"""Characters that a vocabulary of WordPiece holds at most, the most frequent ones, as where BERT's is trained anew."""

REPEATS = 1_000
"""Times that one line for the library repeats a word at most."""


def train_wordpiece(texts: Iterable[str], *, size: int, lower: bool = True, least_count: int = 2) -> WordPiece:
    """A vocabulary of WordPiece: special entries (`[PAD]` is 0), characters, and pieces that were joined.

    The same texts give the same entries in the same order, whatever the order of the texts.

    Source: see `neuropil.subwords.learning.learn_wordpiece`, which gives the same entries.

    Args:
        texts: any number, read once; special entries that they name are left out.
        size: entries at most; 30,000 in Devlin et al. 2019, section 3. Fewer come where no more pairs are frequent.
        lower: read capital letters as small ones and take accents off.
        least_count: pairs that occur less often are not joined.

    Raises:
        InputError: there is no word, `size` has no room for one character, or `tokenizers` is not installed.

    Differs:
        Characters are the most frequent 1,000, fewer where `size` has no room for them; words with others are unknown.
        The library's own trainer numbers `##` characters by chance, so that ties go one way or the other; here they
        are in order.

    Example:
        >>> train_wordpiece(["hug hug hug pug hugs"], size=16).entries[5:]
        ('g', 'h', 'p', 's', 'u', '##g', '##s', '##u', '##ug', 'hug')
    """
    words = _with_frequent_characters(wordpiece_counts(texts, lower=lower), size)
    forms = sorted({one for word in words for one in word})
    forms += sorted({piece for word in words for piece in word_pieces(word)[1:]})
    library = _library()
    learner = library.Tokenizer(library.models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = library.pre_tokenizers.CharDelimiterSplit(" ")
    trainer = library.trainers.WordPieceTrainer(
        vocab_size=size, min_frequency=least_count, show_progress=False, special_tokens=[*SPECIALS, *forms]
    )
    learner.train_from_iterator(_lines(words), trainer)
    numbers = learner.get_vocab()
    return WordPiece(sorted(numbers, key=numbers.__getitem__), lower=lower)


def train_bpe(
    texts: Iterable[str], *, size: int, least_count: int = 2, specials: Sequence[str] = (END_OF_TEXT,)
) -> BytePairs:
    """A vocabulary of byte-level pieces: special entries, the 256 bytes, and pieces that were joined.

    The same texts give the same entries and merges, whatever the order of the texts.

    Source: see `neuropil.subwords.learning.learn_byte_pairs`, which gives the same entries and merges.

    Args:
        texts: any number, read once; special entries that they name are left out.
        size: entries at most; 50,257 in Radford et al. 2019, section 2.3. Fewer come where no more pairs are frequent.
        least_count: pairs that occur less often are not joined.
        specials: entries that stand for no text, numbered from 0; `<pad>`, where it is one, fills up.

    Raises:
        InputError: there is no word, `size` is below 256 and the special entries, or `tokenizers` is not installed.

    Differs:
        GPT-2's special entry is its last, here special entries are the first, as where the library trains.

    Example:
        >>> words = train_bpe(["low low low lower newest"], size=260)
        >>> words.merges, words.specials["<|endoftext|>"]
        ((('l', 'o'), ('lo', 'w'), ('Ġ', 'low')), 0)
    """
    if size < len(BYTE_LETTERS) + len(specials):
        raise InputError(
            f"{size} entries have no room for 256 bytes and {len(specials)} special ones; give "
            f"{len(BYTE_LETTERS) + len(specials)} or more"
        )
    words = byte_word_counts(texts, specials)
    if not words:
        raise InputError("the texts hold no word to learn from; give texts")
    library = _library()
    learner = library.Tokenizer(library.models.BPE())
    learner.pre_tokenizer = library.pre_tokenizers.CharDelimiterSplit(" ")
    trainer = library.trainers.BpeTrainer(
        vocab_size=size, min_frequency=least_count, show_progress=False, special_tokens=list(specials),
        initial_alphabet=list(BYTE_LETTERS),
    )  # fmt: skip
    learner.train_from_iterator(_lines(words), trainer)
    numbers = learner.get_vocab()
    merges = [(left, right) for left, right in json.loads(learner.to_str())["model"]["merges"]]
    return BytePairs(sorted(numbers, key=numbers.__getitem__), merges, specials=specials)


def wordpiece_counts(texts: Iterable[str], *, lower: bool = True) -> Counter[str]:
    """How often each word occurs; special entries and words of more than 100 characters, which have no pieces, do not.

    Args:
        texts: any number.
        lower: read capital letters as small ones and take accents off.

    Example:
        >>> wordpiece_counts(["Yes, yes! [SEP]"])
        Counter({'yes': 2, ',': 1, '!': 1})
    """
    pattern = special_pattern(SPECIALS, dict.fromkeys(SPECIALS, 0))
    _check_many(texts)
    chunks = Counter(chunk for text in texts for chunk in text.replace("\n", " ").split(" "))
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        for part in pattern.split(chunk) if pattern else [chunk]:
            for word in basic_words(part, lower=lower) if part not in SPECIALS else ():
                words[word] += count if len(word) <= 100 else 0
    return +words


def byte_word_counts(texts: Iterable[str], specials: Sequence[str] = ()) -> Counter[str]:
    """How often each word occurs, written in bytes; special entries do not.

    Args:
        texts: any number.
        specials: entries that stand for no text.

    Raises:
        InputError: a special entry is empty, named twice or holds white space.

    Example:
        >>> byte_word_counts(["to be<|endoftext|>to"], ["<|endoftext|>"])
        Counter({'to': 2, 'Ġbe': 1})
    """
    pattern = special_pattern(specials, dict.fromkeys(specials, 0))
    words: Counter[str] = Counter()
    _check_many(texts)
    for text in texts:
        for part in pattern.split(text) if pattern else [text]:
            words.update(byte_words(part) if part not in specials else ())
    return Counter({shown(word): count for word, count in words.items()})


def _check_many(texts: Iterable[str]) -> None:
    if isinstance(texts, str):
        raise InputError("many texts were asked for and one was given; put it into a list")


def _with_frequent_characters(words: Counter[str], size: int) -> dict[str, int]:
    """The words of those characters, the most frequent first, whose forms (inside a word and not) have room."""
    if not words:
        raise InputError("the texts hold no word to learn from; give texts")
    characters: Counter[str] = Counter()
    forms: dict[str, set[str]] = {}
    for word, count in words.items():
        for one, form in zip(word, word_pieces(word), strict=True):
            characters[one] += count
            forms.setdefault(one, {one}).add(form)
    room, kept = size - len(SPECIALS), set()
    for one in sorted(characters, key=lambda one: (-characters[one], one))[:CHARACTERS]:
        room -= len(forms[one])
        if room < 0:
            break
        kept.add(one)
    found = {word: count for word, count in words.items() if kept.issuperset(word)}
    if not found:
        raise InputError(f"{size} entries have no room for the characters of any word; give 100 or more")
    return found


def _lines(words: dict[str, int]) -> Iterator[str]:
    """Each word as often as it occurs, with spaces between."""
    for word, count in words.items():
        for _ in range(count // REPEATS):
            yield " ".join([word] * REPEATS)
        if rest := count % REPEATS:
            yield " ".join([word] * rest)


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise InputError("subwords are learned by the package 'tokenizers', which is missing; install it") from error
    return tokenizers
