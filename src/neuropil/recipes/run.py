"""A finished (or interrupted) run, opened again: predict on new files, evaluate on other data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.data.batching import Batches
from neuropil.data.normalization import to_float
from neuropil.data.opening import open_source
from neuropil.data.reading import open_labelled, read_inputs
from neuropil.data.records import Samples, Skipped
from neuropil.errors import CheckpointError, InputError
from neuropil.nn.contracts import Scorer, Task
from neuropil.recipes.assembly import build_network, build_task, evaluation_batches
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.signature import DataSignature
from neuropil.training.checkpoint import checkpoint_folders, load_checkpoint, newest_checkpoint
from neuropil.training.evaluating import evaluate, evaluation_mode
from neuropil.training.run_folder import RunFolder

__all__ = ["Prediction", "Run", "load_run"]

Which = Literal["best", "last"]

PREDICTION_BATCH = 256


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer: the sample's name and what the network says of it."""

    name: str
    answer: Mapping[str, Any]


class Run:
    """A run folder opened for use.

    Args:
        path: the folder that `train` named.
        weights: the `best` checkpoint on the validation part, or the `last` one.

    Raises:
        InputError: no run folder, or it is incomplete.
        CheckpointError: no checkpoint can be read.
    """

    def __init__(self, path: Path | str, *, weights: Which = "best") -> None:
        self.folder = RunFolder(path)
        self.recipe = Recipe.from_file(self.folder.path / "recipe.toml")
        signature = self.folder.path / "data.json"
        if not signature.exists():
            raise InputError(f"{str(path)!r} has no data.json, so it is not a run folder; give the one `train` named")
        text = signature.read_text(encoding="utf-8")
        self.signature = DataSignature.from_json(text, origin=str(signature))
        self.model, self.complaints = _trained_network(self.folder, self.recipe, self.signature, weights)
        self._own: tuple[str, Samples] | None = None
        self.task: Task = build_task(self.recipe, self.signature)

    @property
    def results(self) -> Mapping[str, Any]:
        """The figures of `results.json`; empty before the run has ended."""
        path = self.folder.path / "results.json"
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        return found

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`."""
        return self.folder.history()

    def outputs(self, inputs: Any) -> Tensor:
        """The network's raw outputs for raw inputs.

        Shape: inputs `[N, *input_shape]` (uint8 pictures or float rows, not yet normalised) -> `[N, K]`.

        Raises:
            InputError: samples of another shape.
        """
        raw = np.asarray(inputs.detach().cpu() if isinstance(inputs, Tensor) else inputs)
        if raw.dtype == np.float64:
            raw = raw.astype(np.float32)
        if raw.shape[1:] != self.signature.input_shape:
            raise InputError(
                f"one sample has the shape {list(raw.shape[1:])}, but this run takes {list(self.signature.input_shape)}"
            )
        normalize = self.signature.normalization
        found = []
        with evaluation_mode(self.model):
            for begin in range(0, len(raw), PREDICTION_BATCH):
                piece = raw[begin : begin + PREDICTION_BATCH]
                ready = to_float(piece) if normalize is None else normalize.apply(piece)
                found.append(self.model(torch.from_numpy(np.ascontiguousarray(ready))))
        return torch.cat(found) if found else torch.empty(0, self.signature.num_outputs)

    def predict(self, inputs: Any) -> list[Prediction]:
        """Readable answers for files, folders, `-` (standard input), or an array of samples.

        Raises:
            InputError: a file that is missing or cannot be read as this run's kind of data.
        """
        return self.predict_and_skip(inputs)[0]

    def predict_and_skip(self, inputs: Any) -> tuple[list[Prediction], Sequence[Skipped]]:
        """Like `predict`, with the files that could not be read."""
        names: Sequence[str]
        skipped: Sequence[Skipped] = ()
        if isinstance(inputs, str | Path):
            inputs = [inputs]
        if isinstance(inputs, list | tuple) and inputs and all(isinstance(one, str | Path) for one in inputs):
            read = read_inputs([str(one) for one in inputs], self.signature.info("prediction"))
            arrays, names, skipped = read.arrays, read.names, read.skipped
        else:
            arrays = inputs
            names = [f"sample {number}" for number in range(len(arrays))]
        answers = self.task.answer(self.outputs(arrays))
        return [Prediction(name, answer) for name, answer in zip(names, answers, strict=True)], skipped

    def evaluate(self, data: str | None = None) -> Scorer:
        """Score the test part of the run's own data (the validation part where there is none), or other labelled data.

        Args:
            data: a file or folder like the training data.

        Raises:
            InputError: the data cannot be read, or hold classes that the run does not know.
        """
        samples = self._own_samples()[1] if data is None else open_labelled(data, self.signature.info(data))
        batches: Batches | None = evaluation_batches(samples, self.signature.normalization)
        scorer = evaluate(self.model, self.task, batches) if batches is not None else None
        if scorer is None:
            raise InputError("there is nothing to evaluate on; give data=FOLDER")
        return scorer

    def own_part(self) -> str:
        """Which part of its own data the run is scored on: `test`, or `valid` or `train` where that is not there."""
        return self._own_samples()[0]

    def _own_samples(self) -> tuple[str, Samples]:
        if self._own is None:
            data = self.recipe.section("data")
            splits = open_source(data.pop("source"), data)
            parts = {"test": splits.test, "valid": splits.valid, "train": splits.train}
            self._own = next((name, part) for name, part in parts.items() if part is not None)
        return self._own


def load_run(path: Path | str, *, weights: Which = "best") -> Run:
    """Open a run folder for prediction and evaluation; see `Run`."""
    return Run(path, weights=weights)


def _trained_network(
    folder: RunFolder, recipe: Recipe, signature: DataSignature, weights: Which
) -> tuple[nn.Module, list[str]]:
    """The network with the weights asked for, and sentences about checkpoints passed over."""
    section = recipe.section("model")
    section.pop("weights", None)
    model = build_network(recipe.with_values({"model": section}), signature)
    tensors, complaints = _weights(folder, weights)
    names = set(model.state_dict())
    try:
        model.load_state_dict({name: tensor for name, tensor in tensors.items() if name in names})
    except RuntimeError as error:
        raise CheckpointError(f"the weights of {str(folder.path)!r} do not fit its recipe: {error}") from error
    return model.eval(), complaints


def _weights(folder: RunFolder, weights: Which) -> tuple[dict[str, Tensor], list[str]]:
    complaints: list[str] = []
    if weights == "best":
        for candidate in reversed(checkpoint_folders(folder.checkpoints, "best")):
            try:
                return load_checkpoint(candidate, only=["model"]).tensors["model"], complaints
            except CheckpointError as error:
                complaints.append(f"{error}; the one before it is used")
    checkpoint, more = newest_checkpoint(folder.checkpoints)
    if checkpoint is None:
        raise CheckpointError(f"{str(folder.path)!r} has no checkpoint yet; resume the run first")
    tensors = checkpoint.tensors.get("averaged", checkpoint.tensors["model"])
    return tensors, [*complaints, *more]
