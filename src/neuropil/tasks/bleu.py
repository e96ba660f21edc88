"""BLEU: how much of a translation stands in the references, run by run of words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from neuropil.errors import InputError

__all__ = ["Bleu", "BleuCounts", "corpus_bleu", "tokenize_13a"]

LONGEST = 4
"""Words in a run at most."""

ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}

RULES = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),  # signs, but for ' , - and .
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def tokenize_13a(line: str) -> list[str]:
    """A line as the script `mteval-v13a.pl` of the WMT evaluations splits it.

    Source: Post 2018, "A call for clarity in reporting BLEU scores", section 2.

    Example:
        >>> tokenize_13a('He said: "1,000 cats, 3.5 dogs."')
        ['He', 'said', ':', '"', '1,000', 'cats', ',', '3.5', 'dogs', '.', '"']
    """
    line = line.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in ENTITIES.items():
        line = line.replace(entity, sign)
    line = f" {line} "
    for pattern, by in RULES:
        line = pattern.sub(by, line)
    return line.split()


@dataclass(frozen=True, slots=True)
class Bleu:
    """A score and what it is made of.

    Args:
        score: 0 to 100.
        precisions: of runs of 1, 2, 3 and 4 words, 0 to 100, smoothed.
        brevity_penalty: 0 to 1.
        length: words of the translations.
        reference_length: words of the references, of each sentence the one nearest in length.
    """

    score: float
    precisions: tuple[float, ...]
    brevity_penalty: float
    length: int
    reference_length: int


class BleuCounts:
    """The counts of a corpus, sentence by sentence.

    Source: Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation", section 2.
    Formula: `min(1, exp(1 - r / c)) exp(mean_n log p_n)`: c and r the words of translations and references, p_n the
    share of runs of n words that stand in a reference, each counted at most as often as there. Where no run of a length
    does, p_n counts as 1/2, 1/4, ... of one run (`exp` smoothing, as in `mteval-v13a.pl`).

    Differs:
        The same as `sacrebleu.corpus_bleu` with its defaults.
    """

    def __init__(self) -> None:
        self.right, self.total = [0] * LONGEST, [0] * LONGEST
        self.length = self.reference_length = 0

    def add(self, translation: str, references: Sequence[str]) -> None:
        """Add one sentence.

        Raises:
            InputError: there is no reference.
        """
        if not references:
            raise InputError(f"{translation!r} has no reference to be held against; give at least one")
        words, others = tokenize_13a(translation), [tokenize_13a(one) for one in references]
        self.length += len(words)
        self.reference_length += min((abs(len(one) - len(words)), len(one)) for one in others)[1]
        for run in range(1, LONGEST + 1):
            found = _runs(words, run)
            allowed: Counter[tuple[str, ...]] = Counter()
            for one in others:
                allowed |= _runs(one, run)
            self.right[run - 1] += (found & allowed).total()
            self.total[run - 1] += found.total()

    def score(self) -> Bleu:
        """Of all sentences so far; 0 where no word is right, or no sentence has four words."""
        short = self.length < self.reference_length
        penalty = 1.0
        if short:
            penalty = math.exp(1 - self.reference_length / self.length) if self.length else 0.0
        precisions, share = [0.0] * LONGEST, 1.0
        if not any(self.right):
            return Bleu(0.0, tuple(precisions), penalty, self.length, self.reference_length)
        for place, (right, total) in enumerate(zip(self.right, self.total, strict=True)):
            if not total:
                break
            if not right:
                share /= 2
            precisions[place] = 100 * (right or share) / total
        score = 0.0
        if all(precisions):
            score = penalty * math.exp(sum(map(math.log, precisions)) / LONGEST)
        return Bleu(score, tuple(precisions), penalty, self.length, self.reference_length)


def _runs(words: Sequence[str], run: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[place : place + run]) for place in range(len(words) - run + 1))


def corpus_bleu(translations: Sequence[str], references: Sequence[Sequence[str]]) -> Bleu:
    """BLEU of a corpus.

    Args:
        translations: one text a sentence.
        references: for each of them one or more.

    Raises:
        InputError: their numbers differ, or a sentence has no reference.

    Example:
        >>> round(corpus_bleu(["the cat sat on the mat"], [["the cat sat on a mat"]]).score, 2)
        53.73
    """
    if len(translations) != len(references):
        raise InputError(f"{len(translations)} translations were given, but references for {len(references)}")
    counts = BleuCounts()
    for translation, others in zip(translations, references, strict=True):
        counts.add(translation, others)
    return counts.score()
