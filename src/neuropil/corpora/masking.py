"""Which tokens a masked language model must tell, and what stands in their place."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from neuropil.data.order import uniforms
from neuropil.errors import InputError
from neuropil.sequences.ragged import IGNORED

__all__ = ["MaskRule", "SampleDraws", "masked"]

Array = np.ndarray[Any, Any]


class SampleDraws:
    """As many uniform numbers as one sample needs, all of them a function of two.

    Args:
        key: two uniform numbers in [0, 1), in steps of 2^-53, that belong to the sample and the epoch.

    Example:
        >>> one, same = SampleDraws((0.25, 0.5)), SampleDraws((0.25, 0.5))
        >>> one.next() == same.next(), bool((one.take(3) == same.take(3)).all())
        (True, True)
    """

    def __init__(self, key: tuple[float, float]) -> None:
        words = np.array([int(one * 2.0**53) for one in key], dtype=np.uint64)
        self._bits = np.random.Philox(key=words, counter=np.zeros(4, dtype=np.uint64))

    def take(self, count: int) -> Array:
        """The next numbers in [0, 1), float64 `[count]`."""
        return np.asarray((self._bits.random_raw(count) >> np.uint64(11)) * 2.0**-53)

    def next(self) -> float:
        """The next number in [0, 1)."""
        return float(self.take(1)[0])

    def below(self, count: int) -> int:
        """One of 0 to `count` - 1."""
        return min(count - 1, int(self.next() * count))

    @staticmethod
    def keys(indices: Array, draws: Array | None) -> Array:
        """The keys of some samples: the first two draws of each; left out, those of the first epoch, seed 0."""
        return uniforms(indices, 2, seed=0, epoch=0, stream="samples") if draws is None else draws[:, :2]


class MaskRule(NamedTuple):
    """BERT's rule of masking.

    Source: Devlin et al. 2019, "BERT", section 3.1 and appendix A.1.

    Args:
        mask: the number of `[MASK]`.
        ordinary: the numbers of all entries that are not special: one of them stands in for a token.
        share: of tokens that are chosen, in (0, 1).
        most: tokens that are chosen in one sample at most; all where left out.
        whole_words: all pieces of a word are chosen together.
        goes_on: of each entry, whether it goes on with a word (`##...`), bool `[V]`.
    """

    mask: int
    ordinary: Array
    share: float
    most: int | None
    whole_words: bool
    goes_on: Array

    def check(self) -> None:
        """Hold the numbers against their range.

        Raises:
            InputError: one is outside.
        """
        if not 0 < self.share < 1:
            raise InputError(f"mask_share is {self.share}; give a share above 0 and below 1, such as 0.15")
        if self.most is not None and self.most < 1:
            raise InputError(f"most_masked is {self.most}; give 1 or more tokens, or leave it out")


MASKED, EXCHANGED = 0.8, 0.1
"""Of the chosen tokens: shares that become `[MASK]`, and any other token; the rest stays."""


def masked(ids: Array, free: Array, rule: MaskRule, draws: SampleDraws) -> tuple[Array, Array]:
    """Choose tokens and hide them: 80 % become `[MASK]`, 10 % any token, 10 % stay.

    As many are chosen as the share says, rounded up or down by chance so that it holds in the mean, one at least.

    Shape: ids int64 `[T]`, free bool `[T]` -> the changed ids, and the targets: the ids at chosen places, -100
        elsewhere.

    Differs:
        BERT's program counts `[CLS]` and `[SEP]` among the tokens whose share is taken, rounds to the nearest, and may
        put a special entry in a token's place.

    Args:
        ids: the tokens.
        free: where a token may be chosen: not at special ones.
        rule: how many, and by what they are replaced.
        draws: of this sample.
    """
    places = np.flatnonzero(free)
    changed, targets = ids.copy(), np.full(len(ids), IGNORED, dtype=np.int64)
    if not len(places):
        return changed, targets
    wanted = max(1, int(rule.share * len(places) + draws.next()))
    wanted = wanted if rule.most is None else min(wanted, rule.most)
    order = draws.take(len(places))
    if rule.whole_words:
        chosen = _whole_words(ids, places, wanted, order, rule)
    else:
        chosen = places[np.argsort(order, kind="stable")[:wanted]]
    chosen = np.sort(chosen)
    what, which = draws.take(len(chosen)), draws.take(len(chosen))
    targets[chosen] = ids[chosen]
    others = rule.ordinary[np.minimum((which * len(rule.ordinary)).astype(np.int64), len(rule.ordinary) - 1)]
    kept = np.where(what < MASKED + EXCHANGED, others, ids[chosen])
    changed[chosen] = np.where(what < MASKED, rule.mask, kept)
    return changed, targets


def _whole_words(ids: Array, places: Array, wanted: int, order: Array, rule: MaskRule) -> Array:
    """Pieces of words drawn one after another; a word that would be too much is passed over."""
    follows = rule.goes_on[ids[places]] & np.concatenate([[False], np.diff(places) == 1])
    words = np.split(places, np.flatnonzero(~follows)[1:])
    chosen: list[Array] = []
    count = 0
    for number in np.argsort(order[: len(words)], kind="stable").tolist():
        if count + len(words[number]) <= wanted:
            chosen.append(words[number])
            count += len(words[number])
    if not chosen:  # every word is longer: of the first one as many pieces as are wanted
        chosen = [words[int(np.argmin(order[: len(words)]))][:wanted]]
    return np.concatenate(chosen)
