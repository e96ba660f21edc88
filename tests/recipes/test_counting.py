"""Weights and multiply-adds beside the papers' tables: each difference is explained, and the document says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from neuropil.models import MODELS
from neuropil.models.published import PUBLISHED, Published
from neuropil.recipes.counting import COUNT_COLUMNS, count_networks, count_rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "networks.md"

FAST = ("lenet*", "alexnet", "mobilenet_v1", "resnet20")


def unexplained(pattern: str) -> list[str]:
    """Numbers that are not the paper's as it rounds them, and have no note."""
    found = []
    for one in count_networks(pattern):
        if one.printed is None or one.printed.note:
            continue
        pairs = ((one.printed.weights, one.weights), (one.printed.multiply_adds, one.multiply_adds))
        found += [
            f"{one.network}: {ours:,} is not {text}"
            for text, ours in pairs
            if text and not Published.agrees(text, ours)
        ]
    return found


@pytest.mark.parametrize("pattern", FAST)
def test_every_difference_is_explained(pattern: str) -> None:
    assert unexplained(pattern) == []


@pytest.mark.proof
def test_every_difference_of_every_network_is_explained() -> None:
    assert unexplained("*") == []


@pytest.mark.slow
def test_a_note_is_there_only_where_something_differs() -> None:
    """Of the small networks; a note that explains nothing would hide a difference to come."""
    for pattern in FAST:
        for one in count_networks(pattern):
            if one.printed is not None and one.printed.note:
                pairs = ((one.printed.weights, one.weights), (one.printed.multiply_adds, one.multiply_adds))
                assert not all(Published.agrees(text, ours) for text, ours in pairs if text), one.network


def test_lines_name_networks_of_the_catalogue() -> None:
    assert {one.model for one in PUBLISHED} <= set(MODELS)


def document(pattern: str = "*") -> str:
    """The table as Markdown."""
    rows = [COUNT_COLUMNS, ("---", "---", "---:", "---:", "---:", "---:", "---"), *count_rows(count_networks(pattern))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


@pytest.mark.parametrize("pattern", FAST)
def test_lines_of_the_document_are_counted(pattern: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert set(document(pattern).splitlines()) <= set(text)


@pytest.mark.proof
def test_the_document_is_what_is_counted() -> None:
    """`python -c "from recipes.test_counting import document; print(document())"` in tests/ writes it anew."""
    assert document() in DOCUMENT.read_text(encoding="utf-8")
