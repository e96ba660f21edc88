"""A finished (or interrupted) run, opened again: predict on new files, evaluate on other data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from neuropil.batches.batching import Batches
from neuropil.batches.normalization import to_float
from neuropil.data.arrays import array_samples
from neuropil.data.labels import as_array, finite
from neuropil.data.picture_files import read_each
from neuropil.data.records import Samples, Skipped
from neuropil.errors import CheckpointError, InputError
from neuropil.nn.contracts import Scorer, Task
from neuropil.nn.tiling import outline, outline_large
from neuropil.recipes.assembly import build_network, build_task, evaluation_batches, pieces
from neuropil.recipes.box_report import in_pixels, write_boxes
from neuropil.recipes.in_memory import refuse_in_memory
from neuropil.recipes.mask_report import at_own_size, write_masks
from neuropil.recipes.prediction import Prediction
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.signature import DataSignature
from neuropil.recipes.text_answers import WRITTEN, text_answers
from neuropil.recipes.writing_on import Continuation, continuation
from neuropil.sources.opening import open_source
from neuropil.sources.reading import open_labelled, read_inputs
from neuropil.training.checkpoint import checkpoint_folders, load_checkpoint, newest_checkpoint
from neuropil.training.checkpoint_average import newest_average
from neuropil.training.evaluating import evaluate, evaluation_mode
from neuropil.training.run_folder import RunFolder

__all__ = ["Prediction", "Run", "load_run"]

Which = Literal["best", "last", "average"]

LARGEST_WHOLE = 4_000_000
"""Elements of a picture above which it is outlined in tiles."""


class Run:
    """A run folder opened for use.

    Args:
        path: the folder that `train` named.
        weights: the `best` checkpoint on the validation part, the `last` one, or the `average` that
            `neuropil.training.checkpoint_average` made.

    Raises:
        InputError: no run folder, it is incomplete, or no average was made.
        CheckpointError: no checkpoint can be read.
    """

    def __init__(self, path: Path | str, *, weights: Which = "best") -> None:
        self.folder = RunFolder(path)
        self.recipe = recipe_of(self.folder)
        self.signature = DataSignature.from_json(_text_of(self.folder, "data.json"), origin=f"{str(path)!r}: data.json")
        self.model, self.complaints = _trained_network(self.folder, self.recipe, self.signature, weights)
        self._own: tuple[str, Samples] | None = None
        self.task: Task = build_task(self.recipe, self.signature)

    def __repr__(self) -> str:
        return f"Run({str(self.folder.path)!r}, {self.recipe.section('model').get('name')}, {self.task.name})"

    @property
    def results(self) -> Mapping[str, Any]:
        """The figures of `results.json`; empty before the run has ended.

        Raises:
            InputError: the file is damaged.
        """
        path = self.folder.path / "results.json"
        try:
            found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError) as error:
            raise InputError(f"{str(path)!r} is damaged ({error}); resume the run to write it again") from error
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
        found = list(self._raw_outputs(self._checked(inputs)))
        return torch.cat(found) if found else torch.empty(0, self.signature.num_outputs)

    def _checked(self, inputs: Any) -> Any:
        """Raw inputs as an array of the right shape."""
        raw = as_array(inputs, "the samples to predict on")
        shape = self.signature.input_shape
        if raw.shape == (0,):
            raw = raw.reshape(0, *shape)
        of_tokens = "vocabulary" in self.signature.encoding and raw.dtype.kind in "iu"
        if raw.dtype != np.uint8 and not of_tokens:
            raw = finite(raw, "the samples to predict on")
        fits = len(raw.shape) == len(shape) + 1
        if not fits or any(want not in (0, got) for want, got in zip(shape, raw.shape[1:], strict=True)):
            raise InputError(
                f"one sample has the shape {list(raw.shape[1:])}, but this run takes {list(shape)}; give [n, "
                f"{', '.join(map(str, shape))}]"
            )
        return raw

    def _raw_outputs(self, raw: Any) -> Iterator[Tensor]:
        """The network's outputs for samples that fit it, some at a time; very large pictures are outlined in tiles."""
        normalize, step = self.signature.normalization, pieces(raw.shape[1:], self.signature.target)
        run: Callable[[Tensor], Tensor] = self.model
        if self.signature.target == "masks":
            run = partial(outline_large if math.prod(raw.shape[-2:]) > LARGEST_WHOLE else outline, self.model)
        for begin in range(0, len(raw), step):
            piece = raw[begin : begin + step]
            ready = to_float(piece) if normalize is None else normalize.apply(piece)
            with evaluation_mode(self.model):
                found = run(torch.from_numpy(np.ascontiguousarray(ready)))
            yield found

    def _answers(self, raw: Any, tokens: Sequence[Sequence[str]] = ()) -> list[dict[str, Any]]:
        if self.signature.target in WRITTEN:
            normalize = self.signature.normalization
            ready = to_float(raw) if normalize is None else normalize.apply(raw)
            return text_answers(self.model, self.task, self.signature.target, ready, tokens)
        return [answer for outputs in self._raw_outputs(raw) for answer in self.task.answer(outputs)]

    def predict(self, inputs: Any) -> list[Prediction]:
        """Readable answers for files, folders, `-` (standard input), or an array of samples.

        Raises:
            InputError: a file that is missing or cannot be read as this run's kind of data.
        """
        return self.predict_and_skip(inputs)[0]

    def predict_and_skip(self, inputs: Any) -> tuple[list[Prediction], Sequence[Skipped]]:
        """Like `predict`, with the files that could not be read."""
        if isinstance(inputs, str | Path):
            inputs = [inputs]
        if isinstance(inputs, list | tuple) and inputs and all(isinstance(one, str | Path) for one in inputs):
            return self._predict_files([str(one) for one in inputs])
        answers = self._answers(self._checked(inputs))
        return [self._prediction(f"sample {number}", one) for number, one in enumerate(answers)], ()

    def _predict_files(self, paths: Sequence[str]) -> tuple[list[Prediction], Sequence[Skipped]]:
        """Answers for files; pictures to be outlined are taken one by one, at their own size if the run's were."""
        of_arrays = all(path.lower().endswith(".npz") for path in paths)
        if self.signature.target == "masks" and self.signature.encoding.get("own_size") and not of_arrays:
            predictions: list[Prediction] = []
            skipped: list[Skipped] = []
            for part in read_each(paths, self.signature.encoding):
                skipped += part.skipped
                found = zip(part.names, self._answers(part.arrays), part.sizes, strict=True)
                predictions += [self._prediction(*one) for one in found]
            return predictions, skipped
        read = read_inputs(paths, self.signature.info("prediction"))
        if not len(read.arrays):
            return [], read.skipped
        answers = self._answers(self._checked(read.arrays), read.tokens)
        sizes = read.sizes or [None] * len(answers)
        rows = zip(read.names, answers, sizes, strict=True)
        return [self._prediction(name, answer, size) for name, answer, size in rows], read.skipped

    def _prediction(self, name: str, answer: Mapping[str, Any], size: tuple[int, int] | None = None) -> Prediction:
        """An answer, its places in elements of the picture as it came: of its own size, or of the network's."""
        if self.signature.target == "boxes":
            _, height, width = self.signature.input_shape
            answer = in_pixels(answer, size or (height, width))
        elif self.signature.target == "masks" and size is not None:
            answer = {**answer, "mask": at_own_size(answer["mask"], size)}
        return Prediction(name, answer)

    def write_annotated(self, predictions: Sequence[Prediction], paths: Sequence[str], folder: Path) -> list[Path]:
        """Draw what was found into the pictures: boxes, with `predictions.json`, or masks. Gives the files.

        Raises:
            InputError: this run finds neither, or a file of that name is there already.
        """
        if self.signature.target == "boxes":
            return write_boxes(predictions, paths, self.signature.classes, folder)
        if self.signature.target == "masks":
            return write_masks(predictions, paths, folder)
        raise InputError(f"a run of {self.task.name} draws nothing into pictures; leave --out out")

    def write_on(self, prompt: str = "", **manner: Any) -> str:
        """What a language model writes behind a prompt; the prompt is not part of it.

        Args:
            prompt: the text to go on with; an empty one begins a text.
            **manner: `most`, `greedy`, `temperature`, `top_k`, `top_p`, `repetition_penalty`, `stop` and `seed`; see
                `neuropil.recurrent.generation.Manner`.

        Raises:
            InputError: this run writes no texts, a prompt that cannot be read, or an option out of its range.
        """
        return "".join(self.writing_on(prompt, **manner).pieces)

    def writing_on(self, prompt: str = "", **manner: Any) -> Continuation:
        """Like `write_on`, piece by piece as it is written."""
        return continuation(self.model, self.signature, prompt, manner)

    def evaluate(self, data: str | Path | tuple[Any, Any] | None = None) -> Scorer:
        """Score the test part of the run's own data (the validation part where there is none), or other labelled data.

        Args:
            data: a file or folder like the training data, or a pair (X, y).

        Raises:
            InputError: the data cannot be read, or hold classes that the run does not know.
        """
        samples: Samples
        if data is None:
            samples = self._own_samples()[1]
        elif isinstance(data, tuple):
            samples = array_samples(*data, source="data", like=self.signature.info("data"))
        else:
            samples = open_labelled(str(data), self.signature.info(str(data)))
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
            refuse_in_memory(self.recipe, "give the data to evaluate on")
            data = self.recipe.section("data")
            splits = open_source(data.pop("source"), data)
            parts = {"test": splits.test, "valid": splits.valid, "train": splits.train}
            self._own = next((name, part) for name, part in parts.items() if part is not None)
        return self._own


def recipe_of(folder: RunFolder) -> Recipe:
    """The resolved recipe in a run folder.

    Raises:
        InputError: there is none, or it is damaged.
    """
    return Recipe.from_toml(_text_of(folder, "recipe.toml"), origin=f"{str(folder.path)!r}: recipe.toml")


def _text_of(folder: RunFolder, name: str) -> str:
    try:
        return (folder.path / name).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        where = str(folder.path)
        raise InputError(f"{where!r} has no {name}, so it is not a run folder; give the one `train` named") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} of the run {str(folder.path)!r} cannot be read ({error}); put it back") from error


def load_run(path: Path | str, *, weights: Which = "best") -> Run:
    """Open a run folder for prediction and evaluation; see `Run`."""
    return Run(path, weights=weights)


def _trained_network(
    folder: RunFolder, recipe: Recipe, signature: DataSignature, weights: Which
) -> tuple[nn.Module, list[str]]:
    """The network with the weights asked for, and sentences about checkpoints passed over."""
    model = build_network(recipe, signature)
    tensors, complaints = _weights(folder, weights)
    names = set(model.state_dict())
    try:
        model.load_state_dict({name: tensor for name, tensor in tensors.items() if name in names})
    except RuntimeError as error:
        raise CheckpointError(f"the weights of {str(folder.path)!r} do not fit its recipe: {error}") from error
    return model.eval(), complaints


def _weights(folder: RunFolder, weights: Which) -> tuple[dict[str, Tensor], list[str]]:
    complaints: list[str] = []
    if weights == "average":
        return newest_average(folder.checkpoints).weights(), complaints
    if weights == "best":
        for candidate in reversed(checkpoint_folders(folder.checkpoints, "best")):
            try:
                return load_checkpoint(candidate, only=["model"]).weights(), complaints
            except CheckpointError as error:
                complaints.append(f"{error}; another one is used")
    checkpoint, more = newest_checkpoint(folder.checkpoints)
    if checkpoint is None:
        raise CheckpointError(f"{str(folder.path)!r} has no checkpoint yet; resume the run first")
    return checkpoint.weights(), [*complaints, *more]
