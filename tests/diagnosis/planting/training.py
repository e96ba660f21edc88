"""A case carried out: its recipe written down, trained by Neuropil, and opened again to be looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
import torch
from torch import Tensor, nn

from neuropil.errors import NeuropilError
from neuropil.recipes.assembly import Assembly, assemble
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.run import Run
from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out
from neuropil.training.evaluating import evaluate
from neuropil.training.run_folder import RunFolder

__all__ = ["Case", "Trained", "plain", "train_case", "train_recipe"]

Array = np.ndarray[Any, Any]
Sections = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One training run, and what is to be said of it.

    Args:
        name: of the case; a file name.
        network: what is trained on what, in words.
        make: writes data (and weights) into a folder; gives the recipe's sections.
        check: holds that the fault is there (or that the run is healthy), in plain torch; gives the figures.
        fault: the kind that was planted; `None` in a healthy run.
        also: another kind that names the same fault, where there is one.
        companions: kinds that this fault truly brings along; naming them is no mistake, and no hit.
        thread: the public question that the case re-enacts.
    """

    name: str
    network: str
    make: Callable[[Path], Sections]
    check: Callable[[Trained], Mapping[str, float]]
    fault: str | None = None
    also: str | None = None
    companions: tuple[str, ...] = ()
    thread: str = ""

    @property
    def accepted(self) -> set[str]:
        """The kinds that count as having found the fault."""
        return {kind for kind in (self.fault, self.also) if kind is not None}


@dataclass
class Trained:
    """What a run left behind.

    Args:
        folder: the run folder.
        room: the case's own folder, for further runs.
        recipe: what was trained.
        stopped: the sentence with which the run broke off, if it did.
    """

    folder: Path
    room: Path
    recipe: Recipe
    stopped: str = ""
    _parts: Assembly | None = field(default=None, repr=False)

    @property
    def history(self) -> list[dict[str, Any]]:
        """The log's rows."""
        return RunFolder(self.folder).history()

    def of(self, event: str, name: str) -> list[float]:
        """One column of the log's steps or epochs; what was not finite is left out."""
        rows = [row for row in self.history if row["event"] == event]
        return [row[name] for row in rows if row.get(name) is not None]

    @property
    def parts(self) -> Assembly:
        """Data and a fresh network, exactly as the run began."""
        if self._parts is None:
            self._parts = assemble(self.recipe)
        return self._parts

    def fresh(self) -> nn.Module:
        """The network as it was before the first step."""
        return assemble(self.recipe).model.eval()

    def weights_at_start(self) -> dict[str, Tensor]:
        """Its weights."""
        return dict(self.fresh().state_dict())

    def last(self) -> nn.Module:
        """The network after the last step."""
        return Run(self.folder, weights="last").model.eval()

    def batch(self, part: str = "train", most: int = 256) -> tuple[Tensor, Tensor]:
        """Some samples as the network gets them, and their targets."""
        batches = getattr(self.parts, part)
        found = [next(iter(batches.epoch(0)))]
        for one in batches.epoch(0):
            if sum(len(b.targets) for b in found) >= most or one.inputs.shape[1:] != found[0].inputs.shape[1:]:
                break
            found.append(one)
        return torch.cat([one.inputs for one in found]), torch.cat([one.targets for one in found])

    def score(self, part: str = "train", model: nn.Module | None = None) -> dict[str, float]:
        """Metrics of the last weights on a whole part, in evaluation mode."""
        scorer = evaluate(self.last() if model is None else model, self.parts.task, getattr(self.parts, part))
        return {} if scorer is None else scorer.compute()


def plain(sections: Sections) -> Sections:
    """Sections in the ordinary speed plan, which measures nothing."""
    return {"speed": {"mode": "plain"}, **sections}


def train_recipe(sections: Sections, room: Path, name: str) -> Trained:
    """Write a recipe, train it, and find its run folder, also where the run broke off."""
    room.mkdir(parents=True, exist_ok=True)
    path = room / f"{name}.toml"
    path.write_bytes(tomli_w.dumps({"name": name, **plain(sections)}).encode())
    recipe = Recipe.from_file(path)
    running = start(recipe, runs=room / "runs")
    trained = Trained(running.folder.path, room, recipe)
    try:
        carry_out(running, lambda report: None, pictures=False)
    except NeuropilError as error:
        trained.stopped = str(error)
    return trained


def train_case(case: Case, folder: Path) -> Trained:
    """Carry out a case in a folder of its own."""
    room = folder / case.name
    room.mkdir(parents=True)
    return train_recipe(case.make(room), room, case.name)
