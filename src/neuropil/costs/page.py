"""All claims, or some, tried and put on one page."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from functools import partial

import torch

from neuropil.costs import CLAIMS
from neuropil.costs.claims import Claim
from neuropil.errors import InputError
from neuropil.inspection.racing import race
from neuropil.pictures.cost_lines import draw_costs
from neuropil.pictures.page import Page
from neuropil.registry import nearest

__all__ = ["claim_names", "cost_page", "cost_pictures", "rows_of", "try_claims"]

ROUNDS, SECONDS = 7, 1.5
"""At least so many rounds of times; further ones for so long."""
BUSY = 0.8
"""Share of a processor below which times say more of the others on the machine."""


def rows_of(name: str) -> tuple[int, ...]:
    """The chapter's techniques that a claim is about, by their numbers.

    Example:
        >>> rows_of("stacks")
        (56, 62)
    """
    return tuple(map(int, re.findall(r"\d+", CLAIMS.describe(name).partition(":")[0])))


def claim_names(only: str | Sequence[str] = ()) -> list[str]:
    """The names of claims that words choose, each once, in the chapter's order; without words: all.

    Args:
        only: names of claims, or numbers of techniques of the chapter; several may stand in a word, commas between.

    Raises:
        InputError: there is no such claim, or no claim about that technique.

    Example:
        >>> claim_names(["62,115", "stacks"])
        ['stacks', 'gates']
    """
    only = [only] if isinstance(only, str) else only
    words = [word.strip() for given in only for word in given.split(",") if word.strip()]
    if not words:
        if only:
            raise InputError(f"{' '.join(only)!r} names no claim; allowed: {', '.join(CLAIMS)}")
        return list(CLAIMS)
    chosen: set[str] = set()
    for word in words:
        found = [name for name in CLAIMS if name == word or (word.isdecimal() and int(word) in rows_of(name))]
        if not found and word.isdecimal():
            known = ", ".join(map(str, sorted({row for name in CLAIMS for row in rows_of(name)})))
            raise InputError(f"no claim here is about No. {word} of the chapter; there are some about Nos. {known}")
        if not found:
            raise InputError(f"there is no claim {word!r}; {nearest(word, CLAIMS)}")
        chosen.update(found)
    return [name for name in CLAIMS if name in chosen]


def try_claims(only: str | Sequence[str] = (), *, times: bool = True) -> tuple[Claim, ...]:
    """Try claims: everything is counted anew, from this library's own networks.

    Args:
        only: as in `claim_names`.
        times: whether to measure times, too, which takes about a minute and differs from run to run.

    Raises:
        InputError: there is no such claim.

    Example:
        >>> [claim.verdict for claim in try_claims(["stacks", "separable"], times=False)]
        ['holds', 'holds in part']
    """
    clock = partial(race, num_rounds=ROUNDS, seconds=SECONDS) if times else None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return tuple(CLAIMS.builder(name)(clock) for name in claim_names(only))


def cost_page(claims: Sequence[Claim]) -> Page:
    """The page of some claims."""
    words = {"holds": "borne out", "holds in part": "borne out in part", "wrong": "wrong"}
    counts = {told: sum(one.verdict == word for one in claims) for word, told in words.items()}
    verdicts = ", ".join(f"{count} {told}" for told, count in counts.items() if count)
    notes = [
        f"{len(claims)} claim{'s' * (len(claims) != 1)} of the chapter, tried: {verdicts}. Of each line, the upper bar "
        "is what the formula says, the lower one what was counted or measured here, on one scale from zero.",
    ]
    notes += _of_times(claims)
    notes.append("What the chapter says of accuracy and of learning is no cost, and not on this page.")
    pictures, told = [], []
    for one in claims:
        numbers = f"No{'s' * (len(one.rows) > 1)}. {', '.join(map(str, one.rows))}"
        pictures.append((f"{one.heading} ({numbers}): {one.verdict}", draw_costs(one.lines, f"{one.name}: {one.says}")))
        told.append((f"The chapter: {one.says}", f"Here: {one.told}"))
    return Page("What it costs: the chapter's claims", tuple(notes), tuple(pictures), told=tuple(told))


def _of_times(claims: Sequence[Claim]) -> list[str]:
    """What is to be known of the times, and a warning where the machine was busy; nothing without times."""
    timed = [line for one in claims for line in one.lines if line.unit == "seconds"]
    if not timed:
        return []
    threads = torch.get_num_threads()
    notes = [
        f"Times: medians, and the middle half, of {ROUNDS} rounds or more in turn, on {platform.machine()} with "
        f"{threads} thread{'s' * (threads > 1)}, PyTorch {torch.__version__}. Beside them stands what the counted work "
        "alone would make of the first one's time."
    ]
    least = min(line.processor_share for line in timed if line.processor_share is not None)
    if least < BUSY:
        notes.append(
            f"The machine was busy: at times this program had only {least:.0%} of a processor, and its times are those "
            "of a busy machine. Counts are not touched by that."
        )
    return notes


def cost_pictures(only: str | Sequence[str] = (), *, times: bool = True) -> Page:
    """Every claim of the chapter about weights, multiply-adds, memory and time: formula beside measurement.

    Args:
        only: names of claims (`neuropil.costs.CLAIMS`), or numbers of techniques; all where left out.
        times: whether to measure times, too; without them two pages are alike to the last sign.

    Raises:
        InputError: there is no such claim.

    Example:
        >>> page = cost_pictures(["gates"], times=False)
        >>> "Exactly 0.75 of an LSTM" in page.html
        True
    """
    return cost_page(try_claims(only, times=times))
