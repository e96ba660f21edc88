"""Texts that the plantings train on: sentences of made-up words, a few of which say what the text is about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["about", "write_tags", "write_texts"]

FILLERS = [f"{a}{b}" for a in ("ba", "do", "ke", "li", "mu", "na", "po", "ru", "so", "ti") for b in "lmnrst"]
TOPICS = [
    [f"{start}{end}" for end in ("ax", "ex", "ix", "ox", "ux", "yx")] for start in ("fr", "gl", "pl", "st", "tr", "br")
]


def about(
    count: int,
    *,
    seed: int,
    classes: int = 2,
    length: int = 12,
    telling: int = 3,
    at_begin: bool = False,
    wrong: float = 0.0,
    shares: list[float] | None = None,
) -> list[tuple[str, str]]:
    """Pairs of a label and a text.

    Args:
        count: of them.
        seed: of the draw.
        classes: topics, 2 to 6.
        length: words of a text.
        telling: words of it that belong to its topic.
        at_begin: whether these stand at its beginning, else anywhere.
        wrong: share of the telling words that belong to any topic.
        shares: of the classes.
    """
    draw = np.random.default_rng(seed)
    found = []
    for label in draw.choice(classes, size=count, p=shares).tolist():
        words = draw.choice(FILLERS, size=length).tolist()
        places = range(telling) if at_begin else draw.choice(length, size=telling, replace=False).tolist()
        for place in places:
            topic = int(draw.integers(classes)) if draw.random() < wrong else label
            words[place] = TOPICS[topic][int(draw.integers(len(TOPICS[0])))]
        found.append((f"topic{label}", " ".join(words)))
    return found


def write_texts(path: Path, texts: list[tuple[str, str]], **data: Any) -> dict[str, Any]:
    """A table of labels and texts, and how to open it."""
    path.write_text("".join(f"{label}\t{text}\n" for label, text in [("label", "text"), *texts]), encoding="utf-8")
    return {
        "source": "labelled_text",
        "root": str(path),
        "header": True,
        "text": "text",
        "label": "label",
        "valid_fraction": 0.2,
        "test_fraction": 0.2,
        **data,
    }


def write_tags(path: Path, count: int, *, seed: int, **data: Any) -> dict[str, Any]:
    """Sentences with a tag at every word: of the topic, or a filler; the word before decides between two of them."""
    draw = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        before = False
        for _ in range(int(draw.integers(5, 12))):
            telling = bool(draw.random() < 0.4)
            word = TOPICS[int(draw.integers(6))][int(draw.integers(6))] if telling else str(draw.choice(FILLERS))
            lines.append(f"{word}\t{('SECOND' if before else 'FIRST') if telling else 'OTHER'}")
            before = telling
        lines.append("")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"source": "tagged_text", "root": str(path), "valid_fraction": 0.2, "test_fraction": 0.2, **data}
