"""Many runs of one recipe: comparisons of what is varied, and the search for good values."""

from __future__ import annotations

from neuropil.registry import Catalogue

__all__ = ["METHODS"]

METHODS = Catalogue(
    "search method",
    {
        "grid": ("neuropil.search.methods:Grid", "every combination once, in an order drawn from the seed"),
        "random": ("neuropil.search.methods:Random", "drawn from the given choices and ranges; no combination twice"),
        "greedy": ("neuropil.search.methods:Greedy", "one value at a time, the best kept, until nothing gets better"),
        "tpe": ("neuropil.search.tpe:Tpe", "drawn where good trials lie more densely than bad ones (Optuna)"),
        "evolution": (
            "neuropil.search.evolution:Evolution",
            "the best of a few of the latest trials, one value changed; the oldest die",
        ),
    },
)
"""How the values of the next trial are chosen: the chapter's three, the grid, Optuna's TPE, evolution."""
