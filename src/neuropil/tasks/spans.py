"""Names in a text from the tags of its words: which words belong together, and how many were found."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["SpanCounts", "are_spans", "spans_of"]


def are_spans(classes: Sequence[str]) -> bool:
    """Whether tags say where names begin and go on: `O`, `B-...` and `I-...`, and nothing else.

    Example:
        >>> are_spans(["O", "B-PER", "I-PER"]), are_spans(["NOUN", "O"])
        (True, False)
    """
    return any(one.startswith("B-") for one in classes) and all(
        one == "O" or one.startswith(("B-", "I-")) for one in classes
    )


def spans_of(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """The kind of each name, its first word and the one behind its last.

    A name begins at `B-`, and at `I-` where no name of its kind goes on, as the script `conlleval` has it.

    Source: Ramshaw and Marcus 1995; Tjong Kim Sang and De Meulder 2003, section 2.3.

    Example:
        >>> sorted(spans_of(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"]))
        [('LOC', 3, 4), ('LOC', 4, 5), ('PER', 0, 2)]
    """
    found, kind, begin = set(), "", 0
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, now = tag.partition("-")
        if kind and (prefix == "B" or now != kind):
            found.add((kind, begin, place))
            kind = ""
        if now and not kind:
            kind, begin = now, place
    return found


class SpanCounts:
    """How many names were right, said and there; a name is right if its words and its kind are.

    Source: Tjong Kim Sang and De Meulder 2003, section 2.4.
    Formula: `F1 = 2 right / (said + there)`.
    """

    def __init__(self) -> None:
        self.right = self.said = self.there = 0

    def add(self, predicted: Sequence[str], truth: Sequence[str]) -> None:
        """Add the tags of one sentence."""
        said, there = spans_of(predicted), spans_of(truth)
        self.right += len(said & there)
        self.said += len(said)
        self.there += len(there)

    def scores(self) -> dict[str, float]:
        """`entity_precision`, `entity_recall`, `entity_f1`; 0 where there is nothing to divide by."""
        return {
            "entity_precision": self.right / max(1, self.said),
            "entity_recall": self.right / max(1, self.there),
            "entity_f1": 2 * self.right / max(1, self.said + self.there),
        }
