"""The topics by name."""

from __future__ import annotations

from importlib import import_module

from benchmarks.records import Topic

__all__ = ["TOPICS", "topic"]

TOPICS = (
    "startup", "step", "augment", "mnist", "pooling", "separable", "rules", "networks", "photos", "boxes", "recurrent",
    "subwords", "transformers", "warnings",
)  # fmt: skip


def topic(name: str) -> Topic:
    """One topic.

    Raises:
        ValueError: no such topic.
    """
    if name not in TOPICS:
        raise ValueError(f"there is no topic {name!r}; the topics are {', '.join(TOPICS)}")
    found: Topic = import_module(f"benchmarks.topics.{name}").TOPIC
    return found
