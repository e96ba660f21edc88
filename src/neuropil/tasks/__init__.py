"""What a network is for: loss, metrics, readable answer."""

from neuropil.registry import Catalogue

__all__ = ["TASKS"]

TASKS = Catalogue(
    "task",
    {
        "classification": ("neuropil.tasks.classification:Classification", "one class out of several"),
        "regression": ("neuropil.tasks.regression:Regression", "one or more numbers"),
    },
)
