"""Short ways to write a recipe, and the cure of one: the same run without its fault."""

from __future__ import annotations

from typing import Any

from diagnosis.planting.training import Sections, Trained, train_recipe

__all__ = ["cured", "figure", "recipe"]


def recipe(
    data: Sections,
    model: str | Sections,
    rule: str = "adam",
    lr: float = 0.003,
    *,
    epochs: int = 10,
    batch: int = 32,
    **sections: Any,
) -> Sections:
    """The sections of a recipe; a section that is given adds to what is said by the others."""
    found: Sections = {
        "data": data,
        "model": {"name": model} if isinstance(model, str) else model,
        "optimizer": {"name": rule, "lr": lr},
        "batches": {"batch_size": batch},
        "training": {"epochs": epochs},
    }
    for name, values in sections.items():
        found[name] = {**found.get(name, {}), **values}
    return found


def cured(trained: Trained, **sections: Any) -> Trained:
    """The same run with some sections changed: values are laid over, `None` takes a section away."""
    kept = {name: trained.recipe.section(name) for name in trained.recipe.sections if name != "augment"}
    for name, values in sections.items():
        if values is None:
            kept.pop(name, None)
        else:
            kept[name] = {**kept.get(name, {}), **values}
            kept[name] = {key: value for key, value in kept[name].items() if value is not None}
    return train_recipe(kept, trained.room, "cured")


def figure(trained: Trained, part: str = "valid") -> float:
    """Accuracy, or R² of values, of the last weights."""
    scores = trained.score(part)
    return float(scores["accuracy"] if "accuracy" in scores else scores["r2"])
