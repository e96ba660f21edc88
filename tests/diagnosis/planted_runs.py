"""Small runs with one fault each, and healthy ones beside them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from safetensors.torch import save_file
from torch import Tensor

from neuropil.errors import NonFiniteError
from neuropil.recipes.assembly import assemble
from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out, read_recipe

Weights = dict[str, Tensor]
Plan = tuple[list[str], Callable[[Weights], None] | None]

COUNT, KINDS = 480, 3


def blobs(folder: Path, name: str, change: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]) -> str:
    """A table of three heaps of points, changed; as `data=PATH`."""
    draw = np.random.default_rng(3)
    labels = np.arange(COUNT) % KINDS
    centres = draw.normal(size=(KINDS, 6)) * 1.6
    inputs, targets = change(centres[labels] + draw.normal(size=(COUNT, 6)), labels)
    rows = [",".join([*(f"{value:.6g}" for value in row), str(one)]) for row, one in zip(inputs, targets, strict=True)]
    path = folder / f"{name}.csv"
    path.write_text("\n".join([",".join([*(f"c{n}" for n in range(inputs.shape[1])), "kind"]), *rows]) + "\n")
    return f"data={path}"


def named(labels: np.ndarray) -> np.ndarray:
    """Class names of class numbers."""
    return np.array(["ash", "elm", "oak"])[labels]


def plans(folder: Path) -> dict[str, Plan]:
    """Name -> the words of a recipe, and a change of its initial weights; a fault's name, or `healthy ...`."""
    draw = np.random.default_rng(5)
    good = blobs(folder, "good", lambda x, y: (x, named(y)))
    net = ["model=perceptron", "model.hidden=[24,24]", "epochs=8", "lr=0.003"]
    few = blobs(folder, "few", lambda x, y: (np.hstack([x, draw.normal(size=(len(x), 60))])[:90], named(y)[:90]))
    noisy = ["model=perceptron", "model.hidden=[200]", "epochs=80", "data.valid_fraction=0.4", "lr=0.01"]
    ring = blobs(folder, "ring", _ring)
    norm = ["model=perceptron", "model.hidden=[24]", "model.batch_norm=true", "batches.drop_last=true"]
    return {
        "healthy": ([*net, good], None),
        "healthy sigmoid": (["model=FC24 - Sigmoid - FC", good, "epochs=30", "lr=0.03"], None),
        "healthy tanh": (["model=FC24 - Tanh - FC24 - Tanh - FC", good, "epochs=8", "lr=0.003"], None),
        "healthy normed": ([*norm, good, "epochs=8", "batch_size=32", "lr=0.005"], None),
        "healthy after an epoch": (["model=perceptron", "data=digits", "epochs=1", "lr=0.003"], None),
        "vanishing_gradient": (["model=" + "FC20 - Sigmoid - " * 9 + "FC", good, "epochs=4"], None),
        "exploding_gradient": ([*net, good], _scaled(25)),
        "dead_relu": ([*net, good], _shifted(-40)),
        "saturated_activation": (["model=FC24 - Tanh - FC24 - Tanh - FC", good, "epochs=4"], _scaled(30)),
        "learning_rate_too_high": ([*net, good, "optimizer=sgd", "lr=30"], None),
        "learning_rate_too_low": ([*net, good, "lr=1e-7"], None),
        "overfitting": ([*noisy, few], None),
        "underfitting": (["model=perceptron", "model.hidden=[]", ring, "epochs=30", "lr=0.02"], None),
        "unscaled_input": ([*net, _far(folder), "batches.normalize=none"], None),
        "wrong_last_activation": (["model=FC24 - ReLU - FC - Sigmoid", good, "epochs=8", "lr=0.003"], None),
        "wrong_loss": ([*net, blobs(folder, "numbers", lambda x, y: (x, y)), "data.task=regression"], None),
        "shuffled_labels": ([*net, blobs(folder, "mixed", lambda x, y: (x, named(draw.permutation(y))))], None),
        "constant_labels": ([*net, blobs(folder, "same", _same)], None),
        "class_imbalance": ([*net, blobs(folder, "rare", _rare)], None),
        "frozen_parameters": (["model=perceptron", "model.hidden=[6,6]", good, "transfer=features"], _scaled(1)),
        "batch_too_small_for_norm": ([*norm, good, "epochs=2", "batch_size=2"], None),
    }  # fmt: skip


def run_of(folder: Path, name: str) -> Path:
    """Train one of them; the run folder."""
    words, change = plans(folder)[name]
    if change is not None:
        model = assemble(read_recipe([word for word in words if not word.startswith("transfer")])).model
        weights = {key: one.clone().contiguous() for key, one in model.state_dict().items()}
        change(weights)
        file = folder / f"{name}.safetensors"
        save_file(weights, str(file))
        words = [*words, f"weights={file}"]
        if not any(word.startswith("transfer") for word in words):
            words.append("transfer=all")
    recipe = read_recipe(words).with_values({"name": "planted", "speed.mode": "plain"})
    running = start(recipe, runs=folder / "runs" / name.replace(" ", "-"))
    with suppress(NonFiniteError):
        carry_out(running, lambda report: None, pictures=False)
    return running.folder.path


def _scaled(factor: float) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        for one in weights.values():
            if one.ndim > 1:
                one.mul_(factor)

    return change


def _shifted(by: float) -> Callable[[Weights], None]:
    def change(weights: Weights) -> None:
        for name, one in weights.items():
            if name.endswith("bias") and not name.startswith("head"):
                one.add_(by)

    return change


def _ring(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    points = x[:, :2] - x[:, :2].mean(axis=0)
    size = np.hypot(*points.T)
    return points, np.where(size > np.median(size), "out", "in")


def _far(folder: Path) -> str:
    size = np.array([1, 1, 1, 1, 1, 3000.0])
    return blobs(folder, "far", lambda x, y: (x * size + size, named(y)))


def _same(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    labels = np.full(len(x), "oak")
    labels[7] = "elm"
    return x, labels


def _rare(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = (y == 0) | ((y == 1) & (np.arange(len(y)) < 24))
    return x[kept], named(y)[kept]
