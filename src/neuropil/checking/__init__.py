"""Looking for faults in data before the first step: a table of checks, one file a kind of data."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["APPLIES", "CHECKS"]

_CHECKS: dict[str, tuple[str, str, str]] = {
    "broken": ("every", "faults:broken", "files, lines and cells that cannot be read, or would be left out"),
    "encoding": ("every", "faults:encoding", "lines in another encoding, or decoded wrongly before (Ã¤ for ä)"),
    "sizes": (
        "pictures boxes masks",
        "pictures:sizes",
        "pictures of another size than most, or than their annotations",
    ),
    "duplicates": ("every", "copies:duplicates", "the same sample more than once in one part"),
    "near_duplicates": ("every", "copies:near_duplicates", "nearly the same sample more than once in one part"),
    "leakage": ("every", "copies:leakage", "the same, or nearly the same, sample in two parts"),
    "contradictions": ("labelled pairs tags", "copies:contradictions", "the same content with different labels"),
    "imbalance": ("labelled boxes masks", "classes:imbalance", "classes that are far rarer than others"),
    "labels": (
        "labelled boxes tags",
        "classes:labels",
        "class names that differ in writing only, parts without a class",
    ),
    "constant": (
        "pictures boxes masks table",
        "constant:constant",
        "blank pictures, masks of one class, constant columns",
    ),
    "inverted": ("pictures boxes masks", "pictures:inverted", "pictures whose dark and light are exchanged"),
    "outliers": (
        "pictures boxes masks table",
        "outliers:outliers",
        "samples far from all others in brightness or value",
    ),
    "boxes_outside": ("boxes", "boxes:outside", "boxes that lie outside of their picture, wholly or in part"),
    "box_shapes": ("boxes", "boxes:shapes", "boxes with hardly any area, or as large as the picture"),
    "doubled_boxes": ("boxes", "boxes:doubled", "two boxes at one place"),
    "mask_values": ("masks", "masks:values", "values that only few masks hold, and hardly anywhere"),
    "leaky_columns": ("table", "tables:leaky", "columns that say the target, and cells that lack in most rows"),
    "lengths": (
        "texts pairs tags",
        "texts:lengths",
        "texts far longer than others, that would be cut, or without a word",
    ),
    "untranslated": ("pairs", "pairs:untranslated", "sentences that were copied, or stand in the wrong language"),
    "swapped": ("pairs", "pairs:swapped", "pairs whose two sides are exchanged"),
    "misaligned": ("pairs", "pairs:misaligned", "pairs whose sides hardly belong together"),
    "rare_tags": ("tags", "tags:rare", "tags that are used once, or hardly ever"),
    "odd_tags": ("tags", "tags:odd", "a tag that its word has nowhere else, and spans that begin inside"),
}

CHECKS = Catalogue("check", {name: (f"neuropil.checking.{place}", line) for name, (_, place, line) in _CHECKS.items()})
"""Each takes a subject and gives findings; the other parameters are its options."""

APPLIES = {name: frozenset(kinds.split()) for name, (kinds, _, _) in _CHECKS.items()}
"""The traits of subjects that a check looks at; `every` for all."""
