"""Faults of what flows through a network: gradients that vanish or explode, units that are dead or saturated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from diagnosis.planting import pictures, tables, texts
from diagnosis.planting.looking import (
    dead_share,
    gradient_norms,
    gradients_over_time,
    ratio_below,
    saturated_share,
    worst_norm,
)
from diagnosis.planting.recipes import cured, figure, recipe
from diagnosis.planting.starts import begun_from, biased, scaled
from diagnosis.planting.training import Case, Sections, Trained

__all__ = ["CASES"]

Figures = Mapping[str, float]

USUAL_START: Sections = {"model": {"weights": None}, "transfer": None}
"""The cure of weights that were changed by hand."""


# --- vanishing ---------------------------------------------------------------------------------------


def deep_sigmoid(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 4, 10, seed=11))
    model = {"name": "perceptron", "hidden": [24] * 8, "activation": "sigmoid", "initialization": "glorot_normal"}
    return recipe(data, model, "sgd", 0.1, epochs=15)


SIGMOID_LINE = "Conv8 - Sigmoid - Pool - " + "Conv8 - Sigmoid - " * 6 + "Pool - FC32 - Sigmoid - FC"


def deep_sigmoid_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.shapes(600, seed=12))
    return recipe(data, {"name": SIGMOID_LINE, "initialization": "glorot_normal"}, "momentum", 0.02)


def long_memory(room: Path) -> Sections:
    data = texts.write_texts(room / "data.tsv", texts.about(500, seed=13, length=60, telling=3, at_begin=True))
    model = {
        "name": "text_classifier",
        "cell": "rnn",
        "width": 16,
        "embedding_width": 16,
        "bidirectional": False,
        "pooling": "last",
        "dropout": 0.0,
    }
    return recipe(data, model, "sgd", 0.05)


def vanished(trained: Trained, cure: Sections, *, chance: float) -> Figures:
    """At chance; the lowest layer gets next to nothing; the cure learns."""
    before, after = (ratio_below(gradient_norms(trained, one)) for one in (trained.fresh(), trained.last()))
    found = {
        "accuracy": figure(trained),
        "lowest/highest gradient": before,
        "at the end": after,
        "cured": figure(cured(trained, **cure)),
    }
    assert before < 1e-3 and after < 1e-3, found
    assert found["accuracy"] < chance + 0.12 and found["cured"] > 0.8, found
    return found


def forgotten(trained: Trained) -> Figures:
    """At chance; what stands at the beginning of a text gets next to no gradient; looking at all words learns."""
    over_time = gradients_over_time(trained, trained.last())
    found = {
        "accuracy": figure(trained),
        "first/last step's gradient": over_time[0] / over_time[-1],
        "cured": figure(cured(trained, model={"pooling": "max"}, optimizer={"name": "adam", "lr": 0.01})),
    }
    assert found["first/last step's gradient"] < 1e-6, found
    assert found["accuracy"] < 0.62 and found["cured"] > 0.9, found
    return found


# --- exploding ---------------------------------------------------------------------------------------


def loud_perceptron(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 3, 12, seed=21))
    wanted = recipe(data, {"name": "perceptron", "hidden": [48] * 8}, "sgd", 0.01, epochs=5)
    return begun_from(wanted, room, scaled(4.0))


def normalized_depth(room: Path) -> Sections:
    """Without shortcuts, batch normalization lets gradients grow by a fifth a layer and more (Yang et al. 2019)."""
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 4, 10, seed=24))
    model = {"name": "perceptron", "hidden": [32] * 50, "batch_norm": True}
    return recipe(data, model, "sgd", 0.05, epochs=6, batch=40)


def loud_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.digits(600))
    line = " - ".join(["Conv12 - ReLU"] * 6 + ["Pool", "FC"])
    return begun_from(recipe(data, line, "momentum", 0.01), room, scaled(5.0))


def chaotic_series(room: Path) -> Sections:
    """A vanilla recurrent network whose own matrix is far too large: small causes grow from step to step."""
    draw = np.random.default_rng(23)
    wave = np.sin(np.arange(500) / 4) + 0.1 * draw.normal(size=500)
    data = tables.series(room / "data.csv", {"wave": wave}, window=50)
    wanted = recipe(data, {"name": "forecaster", "cell": "rnn", "width": 48}, "sgd", 0.01, epochs=8)
    return begun_from(wanted, room, scaled(4.0, part="weight_hh"))


def exploded(trained: Trained, *, least: float, cure: Sections) -> Figures:
    """The fresh network's gradient is enormous; the run breaks off or learns nothing; a usual start learns."""
    norms = gradient_norms(trained, trained.fresh())
    found = {
        "fresh gradient": math.hypot(*norms.values()),
        "broke off": float(bool(trained.stopped)),
        "cured": figure(cured(trained, **cure)),
    }
    if not trained.stopped:
        found |= {"result": figure(trained), "worst in the log": worst_norm(trained)}
        assert found["result"] < found["cured"] - 0.15, found
    assert found["fresh gradient"] > least and found["cured"] > 0.8, found
    return found


def exploded_in_time(trained: Trained) -> Figures:
    """The gradient grows from the last step back to the first; a usual start learns."""
    over_time = gradients_over_time(trained, trained.fresh())
    found = {"first/last step's gradient": over_time[0] / over_time[-1]}
    assert found["first/last step's gradient"] > 1e3, found
    return {**found, **exploded(trained, least=1e3, cure={**USUAL_START, "optimizer": {"name": "adam", "lr": 0.01}})}


# --- dead --------------------------------------------------------------------------------------------


def silenced_perceptron(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 5, 10, seed=31))
    wanted = recipe(data, {"name": "perceptron", "hidden": [48, 32]}, "adam", 0.003)
    return begun_from(wanted, room, biased(-40.0, "stages.0", share=0.9))


def silenced_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.shapes(600, seed=32))
    line = "Conv12 - ReLU - Pool - Conv16 - ReLU - Pool - FC32 - ReLU - FC"
    return begun_from(recipe(data, line, "rmsprop", 0.001), room, biased(-40.0, "conv2", share=1.0))


def silenced_signals(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.signals(600, seed=33))
    line = "Conv16@7 - ReLU - Pool2 - Conv24@5 - ReLU - GlobalAvgPool - FC32 - ReLU - FC"
    return begun_from(recipe(data, line, "adam", 0.003), room, biased(-40.0, "fc1", share=0.94))


def dead(trained: Trained, *, least: float) -> Figures:
    """Units of a layer are 0 for every sample, at the beginning and at the end; without the shift it learns more."""
    x, _ = trained.batch(most=512)
    found = {
        "dead at first": dead_share(trained.fresh(), x),
        "dead at last": dead_share(trained.last(), x),
        "accuracy": figure(trained),
        "cured": figure(cured(trained, **USUAL_START)),
    }
    assert found["dead at first"] >= least and found["dead at last"] >= least, found
    assert found["accuracy"] < found["cured"] - 0.05 and found["cured"] > 0.85, found
    return found


# --- saturated ---------------------------------------------------------------------------------------


def saturated_perceptron(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 5, 10, seed=41, spread=1.6))
    wanted = recipe(data, {"name": "perceptron", "hidden": [48, 48], "activation": "tanh"}, "sgd", 0.02)
    return begun_from(wanted, room, scaled(40.0))


def saturated_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.digits(800))
    line = "Conv12 - Sigmoid - Pool - Conv16 - Sigmoid - FC"
    return begun_from(recipe(data, line, "adam", 0.005, epochs=15), room, biased(14.0, "conv"))


def saturated_series(room: Path) -> Sections:
    draw = np.random.default_rng(43)
    wave = np.sin(np.arange(600) / 5) + 0.1 * draw.normal(size=600)
    data = tables.series(
        room / "data.csv", {"wave": wave, "slow": np.cos(np.arange(600) / 40)}, target="wave", window=16
    )
    wanted = recipe(data, {"name": "forecaster", "cell": "rnn", "width": 24}, "sgd", 0.01)
    return begun_from(wanted, room, scaled(80.0, part="weight_ih"))


def saturated(trained: Trained, kind: type[nn.Module], *, worse: float) -> Figures:
    """Most values stand at the activation's ends, at the beginning and at the end; a usual start does better."""
    x, _ = trained.batch()
    found = {
        "at the ends at first": saturated_share(trained.fresh(), x, kind),
        "at last": saturated_share(trained.last(), x, kind),
        "result": figure(trained),
        "cured": figure(cured(trained, **USUAL_START)),
    }
    assert found["at the ends at first"] > 0.8 and found["at last"] > 0.7, found
    assert found["result"] < found["cured"] - worse, found
    return found


CASES = [
    Case("vanishing-perceptron", "8 sigmoid layers on a table", deep_sigmoid,
         partial(vanished, chance=0.25, cure={"model": {"activation": "relu", "initialization": "he"}}),
         "vanishing_gradient"),
    Case("vanishing-pictures", "7 convolutions with sigmoids on shapes", deep_sigmoid_pictures,
         partial(vanished, chance=0.25, cure={"model": {"name": SIGMOID_LINE.replace("Sigmoid", "ReLU"),
                                                        "initialization": "he"}}),
         "vanishing_gradient"),
    Case("vanishing-memory", "vanilla recurrent network, the telling words 57 steps back", long_memory, forgotten,
         "vanishing_gradient"),
    # a step along such a gradient is too large at any usual rate: where the run broke off, that is true as well
    Case("exploding-perceptron", "8 ReLU layers, weights four times He's", loud_perceptron,
         partial(exploded, least=1e3, cure={**USUAL_START, "training": {"epochs": 20}}), "exploding_gradient",
         companions=("learning_rate_too_high",)),
    Case("exploding-pictures", "6 convolutions, weights five times He's, digits", loud_pictures,
         partial(exploded, least=1e3, cure={**USUAL_START, "optimizer": {"name": "adam", "lr": 0.003}}),
         "exploding_gradient", companions=("learning_rate_too_high",)),
    Case("exploding-normalized", "50 layers of batch normalization and ReLU, table", normalized_depth,
         partial(exploded, least=1e3, cure={"model": {"hidden": [32] * 3}}), "exploding_gradient"),
    # its tanh units are at their ends, or it would not be chaotic
    Case("exploding-series", "vanilla recurrent network over 50 steps, its matrix four times too large", chaotic_series,
         exploded_in_time, "exploding_gradient", companions=("saturated_activation",)),
    Case("dead-perceptron", "9 of 10 units of the first layer below zero, table", silenced_perceptron,
         partial(dead, least=0.89), "dead_relu"),
    # all maps of a layer are 0: nothing comes through to what lies below
    Case("dead-pictures", "every map of the second convolution below zero, shapes", silenced_pictures,
         partial(dead, least=1.0), "dead_relu", companions=("vanishing_gradient",)),
    # the other two die as well
    Case("dead-signals", "30 of 32 units before the last layer below zero, waves", silenced_signals,
         partial(dead, least=0.9), "dead_relu", companions=("vanishing_gradient",)),
    Case("saturated-perceptron", "2 tanh layers, weights 40 times He's, table", saturated_perceptron,
         partial(saturated, kind=nn.Tanh, worse=0.05), "saturated_activation"),
    # a saturated layer lets next to no gradient through
    Case("saturated-pictures", "2 convolutions, sigmoids pushed to 1, digits", saturated_pictures,
         partial(saturated, kind=nn.Sigmoid, worse=0.3), "saturated_activation", companions=("vanishing_gradient",)),
    Case("saturated-series", "vanilla recurrent network, states at -1 and 1", saturated_series,
         partial(saturated, kind=nn.RNNBase, worse=0.1), "saturated_activation"),
]  # fmt: skip
"""Three networks for each of four kinds."""
