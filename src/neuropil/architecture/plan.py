"""What an architecture search is asked for: a search plan whose trials are networks of blocks, shortly trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from neuropil.architecture.space import Architecture
from neuropil.errors import InputError
from neuropil.recipes.assembly import check_recipe
from neuropil.recipes.recipe import Recipe
from neuropil.search.found import SearchPlan
from neuropil.search.trials import Trial

__all__ = ["ArchitecturePlan", "architecture_plan"]

NETWORK = "searched"


@dataclass(frozen=True, slots=True)
class ArchitecturePlan(SearchPlan):
    """See `SearchPlan`; `architecture_plan` makes one.

    Args:
        architecture: space, reward, and how long trials are trained.
    """

    architecture: Architecture = field(default_factory=Architecture)

    def check(self) -> None:
        """Hold all of it against what is allowed; nothing is read.

        Raises:
            InputError: the first thing that is wrong.
        """
        super(ArchitecturePlan, self).check()
        if self.halving:
            raise InputError("--halving compares accuracies alone, without latency; leave it out")
        for words in self.architecture.references:
            check_recipe(self.reference(words))

    def _refused(self, path: str, value: Any) -> str:
        return ""  # the architecture checked its values

    def start(self) -> dict[str, Any]:
        """The base."""
        return self.architecture.start()

    def blocks(self, trial: Trial) -> str:
        """A trial's network as `model.blocks` takes it."""
        return self.architecture.line(trial.values)

    def in_words(self, trial: Trial) -> str:
        """Its blocks."""
        return self.blocks(trial)

    def chosen(self, trial: Trial) -> Recipe:
        """The recipe with the trial's network; its epochs and data are the recipe's own."""
        return self.recipe.with_values({"model.blocks": self.blocks(trial)})

    def recipe_of(self, trial: Trial) -> Recipe:
        """The trial's network, shortly trained."""
        return self._shortly(self.chosen(trial)).with_values({"name": f"trial-{trial.number:04d}"})

    def reference(self, words: str) -> Recipe:
        """A network to stand beside, trained as trials are.

        Raises:
            InputError: the words are not a network's name and `key=value`.
        """
        name, *options = words.split()
        changed = self.recipe.with_values({"model": {"name": name}})
        return self._shortly(changed.with_overrides([f"model.{option}" for option in options]))

    def _shortly(self, recipe: Recipe) -> Recipe:
        epochs = self.architecture.epochs
        return recipe.with_values(
            {
                "training.epochs": epochs,
                "training.evaluate_every_epochs": epochs,
                "batches.train_fraction": self.architecture.train_fraction,
            }
        )

    def document(self) -> dict[str, Any]:
        """With the architecture's values."""
        kept = {key: list(one) if isinstance(one, tuple) else one for key, one in asdict(self.architecture).items()}
        return {**super(ArchitecturePlan, self).document(), "architecture": kept}


def architecture_plan(
    recipe: Recipe, architecture: Architecture | None = None, *, method: str = "evolution", seed: int = 0,
    halving: bool = False,
) -> ArchitecturePlan:  # fmt: skip
    """An architecture search of a recipe, whatever network it named.

    Example:
        >>> plan = architecture_plan(Recipe().with_overrides(["model=lenet5", "data=digits"]))
        >>> plan.recipe.section("model")["name"], plan.method
        ('searched', 'evolution')
    """
    found = architecture or Architecture()
    own = recipe.section("model")
    network = {**(own if own.get("name") == NETWORK else {}), "name": NETWORK, "blocks": found.base}
    return ArchitecturePlan(recipe.with_values({"model": network}), found.choices(), method, seed, halving, found)
