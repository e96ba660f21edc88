"""Faults of how and how much is learned: the rate, the size of the network, frozen weights, too small batches."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from diagnosis.planting import pictures, tables, texts
from diagnosis.planting.looking import falling
from diagnosis.planting.recipes import cured, figure, recipe
from diagnosis.planting.starts import begun_from, scaled
from diagnosis.planting.training import Case, Sections, Trained

__all__ = ["CASES"]

Figures = Mapping[str, float]


# --- the rate ----------------------------------------------------------------------------------------


def fast_perceptron(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 5, 10, seed=51, spread=1.6))
    return recipe(data, {"name": "perceptron", "hidden": [48, 48], "activation": "leaky_relu"}, "adam", 1.0)


def fast_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.shapes(600, seed=52))
    return recipe(data, "Conv12 - LeakyReLU - Pool - Conv16 - LeakyReLU - Pool - FC", "momentum", 1.0)


def fast_series(room: Path) -> Sections:
    draw = np.random.default_rng(53)
    wave = np.sin(np.arange(600) / 5) + 0.1 * draw.normal(size=600)
    return recipe(
        tables.series(room / "data.csv", {"wave": wave}),
        {"name": "forecaster", "cell": "gru", "width": 24},
        "rmsprop",
        0.5,
    )


def slow_perceptron(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 5, 10, seed=54))
    return recipe(data, {"name": "perceptron", "hidden": [48, 48]}, "sgd", 1e-5, epochs=20)


def slow_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.shapes(600, seed=55))
    return recipe(data, "Conv12 - ReLU - Pool - Conv16 - ReLU - Pool - FC48 - ReLU - FC", "adam", 5e-7)


def slow_texts(room: Path) -> Sections:
    data = texts.write_texts(room / "data.tsv", texts.about(500, seed=56, classes=3))
    model = {"name": "text_classifier", "width": 16, "embedding_width": 16, "dropout": 0.0}
    return recipe(data, model, "adamw", 1e-6, epochs=12)


def too_fast(trained: Trained, *, lr: float) -> Figures:
    """The loss is far above that of an untrained network somewhere after the beginning, or the run breaks off; a
    smaller rate learns."""
    found = {"broke off": float(bool(trained.stopped)), "cured": figure(cured(trained, optimizer={"lr": lr}))}
    if not trained.stopped:
        found |= {
            "result": figure(trained),
            "worst loss": max(trained.of("step", "loss")),
            "last loss": trained.of("epoch", "train_loss")[-1],
        }
        assert found["worst loss"] > 5 and found["result"] < found["cured"] - 0.08, found
    assert found["cured"] > 0.8, found
    return found


def too_slow(trained: Trained, *, lr: float, most: float) -> Figures:
    """The loss has hardly moved, steadily downwards; a larger rate learns."""
    curve = trained.of("epoch", "train_loss")
    found = {
        "lost of the loss": falling(curve),
        "result": figure(trained),
        "cured": figure(cured(trained, optimizer={"lr": lr})),
    }
    assert 0 < found["lost of the loss"] < most, found
    assert found["cured"] > 0.85 and found["result"] < found["cured"] - 0.25, found
    return found


# --- too much, too little ----------------------------------------------------------------------------


def memorised_table(room: Path) -> Sections:
    x, y = tables.kinds(240, 2, 4, seed=61, spread=2.6)
    noise = np.random.default_rng(61).normal(size=(240, 40)).astype(np.float32)
    data = tables.write_npz(room / "data.npz", np.hstack([x, noise]), y)
    return recipe(data, {"name": "perceptron", "hidden": [256, 256]}, "adam", 0.002, epochs=40)


def memorised_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.shapes(260, seed=62, noise=70))
    return recipe(data, "Conv16 - GELU - Pool - Conv32 - GELU - FC128 - GELU - FC", "adam", 0.003, epochs=30, batch=16)


def memorised_texts(room: Path) -> Sections:
    data = texts.write_texts(
        room / "data.tsv", texts.about(300, seed=63, length=20, telling=4, wrong=0.65), least_count=1
    )
    model = {"name": "text_classifier", "width": 64, "embedding_width": 64, "dropout": 0.0}
    return recipe(data, model, "adam", 0.01, epochs=15, batch=16)


def overfitted(trained: Trained) -> Figures:
    """The training part is known by heart, the validation loss has risen by half, and more than chance was learned."""
    curve = trained.of("epoch", "valid_loss")
    chance = 1 / len(trained.parts.signature.classes)
    found = {
        "train": figure(trained, "train"),
        "valid": figure(trained),
        "chance": chance,
        "lowest valid loss": min(curve),
        "last valid loss": curve[-1],
    }
    assert found["train"] > 0.97 and found["valid"] < found["train"] - 0.12, found
    assert found["last valid loss"] > 1.4 * found["lowest valid loss"], found
    assert max(trained.of("epoch", "valid_accuracy")) > chance + 0.15, found
    return found


def straight_table(room: Path) -> Sections:
    """Four kinds: one side of a plane or the other, and two inputs of the same sign or not."""
    x = np.random.default_rng(64).normal(size=(1200, 3)).astype(np.float32)
    y = 2 * (x[:, 0] > 0) + (x[:, 1] * x[:, 2] > 0)
    data = tables.write_npz(room / "data.npz", x, y.astype(np.int64))
    return recipe(data, {"name": "perceptron", "hidden": []}, "adam", 0.02, epochs=25)


def narrow_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.digits(1000, seed=65))
    return recipe(data, "Conv2 - ReLU - GlobalAvgPool - FC", "adam", 0.05, epochs=40)


def narrow_texts(room: Path) -> Sections:
    data = texts.write_texts(room / "data.tsv", texts.about(700, seed=66, classes=6))
    model = {
        "name": "text_classifier",
        "cell": "gru",
        "width": 1,
        "bidirectional": False,
        "embedding_width": 1,
        "pooling": "mean",
        "dropout": 0.0,
    }
    return recipe(data, model, "adam", 0.05, epochs=25)


def underfitted(trained: Trained, model: Sections) -> Figures:
    """Even the training part is poorly known, and learning has come to rest; a larger network learns it."""
    curve = trained.of("epoch", "train_loss")
    better = cured(trained, model=model)
    found = {
        "train": figure(trained, "train"),
        "valid": figure(trained),
        "moved at last": 1 - curve[-1] / curve[-4],
        "cured": figure(better),
        "cured train": figure(better, "train"),
    }
    assert abs(found["moved at last"]) < 0.04, found
    assert found["train"] < 0.75 and abs(found["train"] - found["valid"]) < 0.12, found
    assert found["cured"] > 0.85, found
    return found


# --- frozen ------------------------------------------------------------------------------------------


def frozen_perceptron(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.rings(700, seed=71, classes=4))
    wanted = recipe(data, {"name": "perceptron", "hidden": [12, 8, 8]}, "adam", 0.01, epochs=20)
    return begun_from(wanted, room, scaled(1.0), method="fine_tune", head_epochs=20)


def frozen_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.shapes(700, seed=72))
    wanted = recipe(data, "Conv6 - ReLU - Pool - Conv8 - ReLU - Pool - FC16 - ReLU - FC", "adam", 0.005)
    return begun_from(wanted, room, scaled(1.0), method="fine_tune", head_epochs=0, body_rate=1e-12)


def frozen_texts(room: Path) -> Sections:
    data = texts.write_texts(room / "data.tsv", texts.about(500, seed=73, classes=4))
    model = {"name": "text_classifier", "cell": "gru", "width": 12, "embedding_width": 12, "dropout": 0.0}
    wanted = recipe(data, model, "adam", 0.01, epochs=8)
    return begun_from(wanted, room, scaled(1.0), method="fine_tune", head_epochs=60)


def frozen(trained: Trained) -> Figures:
    """Below the classifier nothing has moved, though all was to be trained in the end; trained, it does better."""
    before, after = trained.weights_at_start(), trained.last().state_dict()
    moved = {name: float((after[name] - one).abs().max()) for name, one in before.items() if one.is_floating_point()}
    body = {name: one for name, one in moved.items() if not name.startswith("head")}
    assert trained.recipe.section("transfer")["method"] == "fine_tune"
    found = {
        "body moved": max(body.values()),
        "head moved": max(one for name, one in moved.items() if name not in body),
        "result": figure(trained),
        "cured": figure(cured(trained, transfer=None, model={"weights": None})),
    }
    assert found["body moved"] < 1e-6 < 1e-2 < found["head moved"], found
    assert found["result"] < found["cured"] - 0.1 and found["cured"] > 0.85, found
    return found


# --- batches -----------------------------------------------------------------------------------------


def pairs_of_rows(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(500, 5, 10, seed=81, spread=1.3))
    return recipe(
        data, {"name": "perceptron", "hidden": [48, 48, 48], "batch_norm": True}, "adam", 0.003, epochs=4, batch=2
    )


def pairs_of_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.shapes(500, seed=82))
    line = "Conv12 - ReLU - Pool - Conv16 - ReLU - GlobalAvgPool - FC48 - BN - ReLU - FC48 - BN - ReLU - FC"
    return recipe(data, line, "momentum", 0.01, epochs=4, batch=2)


def pairs_of_signals(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.signals(500, seed=83, length=32))
    line = "Conv16@7s4 - BN - ReLU - Conv24@5s4 - BN - ReLU - FC24 - BN - ReLU - FC"
    return recipe(data, line, "adam", 0.003, epochs=4, batch=2)


def too_few(trained: Trained) -> Figures:
    """A normalization of two samples gives 1 and -1, whatever they were; batches of 32 for as many steps do better."""
    steps = len(trained.parts.train) * 4
    layers = [one for one in trained.last().modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
    with torch.no_grad():
        given = (layers[-1].train()(torch.randn(2, layers[-1].num_features) * 3) - layers[-1].bias) / layers[-1].weight
    found = {
        "result": figure(trained),
        "train": figure(trained, "train"),
        "spread of what is normalized": float(given.abs().std()),
        "cured": figure(cured(trained, batches={"batch_size": 32}, training={"epochs": None, "steps": steps})),
    }
    assert found["spread of what is normalized"] < 0.05, found
    assert found["result"] < found["cured"] - 0.08 and math.isfinite(found["result"]), found
    return found


CASES = [
    Case("fast-perceptron", "2 layers, leaky ReLU, Adam at 1, table", fast_perceptron, partial(too_fast, lr=0.003),
         "learning_rate_too_high"),
    # it breaks off: on the way there weights and gradients grow without bound
    Case("fast-pictures", "2 convolutions, leaky ReLU, momentum at 1, shapes", fast_pictures,
         partial(too_fast, lr=0.02), "learning_rate_too_high", companions=("exploding_gradient",)),
    # such weights drive the gates to their ends
    Case("fast-series", "gated recurrent network, RMSProp at 0.5, series", fast_series, partial(too_fast, lr=0.003),
         "learning_rate_too_high", companions=("saturated_activation",)),
    Case("slow-perceptron", "2 layers, SGD at 0.00001, table", slow_perceptron, partial(too_slow, lr=0.05, most=0.05),
         "learning_rate_too_low"),
    Case("slow-pictures", "2 convolutions, Adam at 0.0000005, shapes", slow_pictures,
         partial(too_slow, lr=0.003, most=0.05), "learning_rate_too_low"),
    Case("slow-texts", "LSTM, AdamW at 0.000001, texts", slow_texts, partial(too_slow, lr=0.01, most=0.05),
         "learning_rate_too_low"),
    Case("overfitted-table", "256 + 256 units on 144 rows of 44 measures, 40 of them noise", memorised_table,
         overfitted, "overfitting"),
    Case("overfitted-pictures", "2 convolutions and 128 units on 156 noisy shapes", memorised_pictures, overfitted,
         "overfitting"),
    Case("overfitted-texts", "LSTM of 64 units on 180 texts of few telling words", memorised_texts, overfitted,
         "overfitting"),
    Case("underfitted-table", "linear model on four kinds, half of whose law is linear", straight_table,
         partial(underfitted, model={"hidden": [32, 32]}), "underfitting"),
    Case("underfitted-digits", "2 maps and a global mean, digits", narrow_pictures,
         partial(underfitted, model={"name": "Conv16 - ReLU - Pool - Conv16 - ReLU - FC"}), "underfitting"),
    Case("underfitted-texts", "recurrent network of one unit for six topics", narrow_texts,
         partial(underfitted, model={"width": 32, "embedding_width": 16, "pooling": "max"}), "underfitting"),
    Case("frozen-perceptron", "3 layers, fine-tuned for as many epochs as only the head learns, rings",
         frozen_perceptron, frozen, "frozen_parameters"),
    Case("frozen-pictures", "2 convolutions, fine-tuned at a trillionth of the rate, shapes", frozen_pictures, frozen,
         "frozen_parameters"),
    Case("frozen-texts", "gated recurrent network, fine-tuned, stopped before the body's turn, texts", frozen_texts,
         frozen, "frozen_parameters"),
    # where the two rows nearly agree, their tiny deviation divides the gradient: 27,000 was measured
    Case("pairs-perceptron", "3 layers of batch normalization over 2 rows, table", pairs_of_rows, too_few,
         "batch_too_small_for_norm", companions=("exploding_gradient",)),
    Case("pairs-pictures", "batch normalization over 2 vectors behind convolutions, shapes", pairs_of_pictures,
         too_few, "batch_too_small_for_norm"),
    Case("pairs-signals", "batch normalization over 2 waves", pairs_of_signals, too_few, "batch_too_small_for_norm"),
]  # fmt: skip
"""Three networks for each of six kinds."""
