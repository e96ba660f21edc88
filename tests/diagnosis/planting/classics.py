"""Questions that were asked in public, re-enacted: the same fault in a small run of ours.

Only what the question describes is taken over, no code. Title and address stand at each case:
where it was asked, or where a copy was read.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from diagnosis.planting import pictures, tables
from diagnosis.planting.faults_data import ended, passed_over
from diagnosis.planting.faults_gradients import Figures, saturated, vanished
from diagnosis.planting.faults_learning import overfitted, underfitted
from diagnosis.planting.looking import answers, dead_share
from diagnosis.planting.recipes import cured, figure, recipe
from diagnosis.planting.starts import begun_from, scaled
from diagnosis.planting.training import Case, Sections, Trained

__all__ = ["CASES"]


def skyrocketing(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.values(600, 5, seed=201))
    return recipe(data, {"name": "perceptron", "hidden": [64, 64], "activation": "tanh"}, "sgd", 1.5, epochs=8)


def ten_digits_one_sigmoid(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.digits(900, seed=202), task="regression")
    return recipe(data, "Flatten - FC64 - ReLU - FC - Sigmoid", "adam", 0.003)


def straight_line(room: Path) -> Sections:
    """One column foretells another; neither was scaled (ours scales targets by itself)."""
    draw = np.random.default_rng(203)
    x = draw.uniform(0, 3000, (400, 1)).astype(np.float32)
    y = 2.5 * x[:, 0] + 100 * draw.normal(size=400)
    data = tables.table(room / "data.csv", x, [f"{one:.2f}" for one in y], task="regression")
    return recipe(data, {"name": "perceptron", "hidden": []}, "sgd", 0.01, epochs=30, batches={"normalize": "none"})


def bias_only(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(1500, 2, 6, seed=204, spread=4.5, shares=[0.94, 0.06]))
    return recipe(data, {"name": "perceptron", "hidden": [8, 8, 8]}, "adam", 0.001, epochs=6)


def dying(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(600, 4, 10, seed=205))
    return recipe(data, {"name": "perceptron", "hidden": [40, 40]}, "sgd", 6.0)


def third_layer(room: Path) -> Sections:
    """The question's performance drops at the third layer of sigmoids; ours has six, so that nothing is left of it."""
    data = tables.write_npz(room / "data.npz", *tables.rings(800, seed=206))
    model = {"name": "perceptron", "hidden": [16] * 6, "activation": "sigmoid", "initialization": "glorot_normal"}
    return recipe(data, model, "sgd", 0.2, epochs=15)


def neurons_at_ends(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.rings(800, seed=207, classes=3))
    wanted = recipe(data, {"name": "perceptron", "hidden": [24], "activation": "sigmoid"}, "sgd", 0.5, epochs=15)
    return begun_from(wanted, room, scaled(300.0))


def xor(room: Path) -> Sections:
    draw = np.random.default_rng(208)
    corner = draw.integers(0, 2, (600, 2))
    x = corner + 0.15 * draw.normal(size=(600, 2))
    data = tables.write_npz(room / "data.npz", x.astype(np.float32), corner[:, 0] ^ corner[:, 1])
    return recipe(data, {"name": "perceptron", "hidden": []}, "adam", 0.02, epochs=25)


def relu_for_values(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.values(700, 5, seed=209))
    return recipe(data, "FC48 - Tanh - FC24 - Tanh - FC - ReLU", "adam", 0.005, epochs=15)


def test_loss_rises(room: Path) -> Sections:
    x, y = tables.kinds(300, 3, 5, seed=210, spread=2.4)
    noise = np.random.default_rng(210).normal(size=(300, 30)).astype(np.float32)
    data = tables.table(room / "data.csv", np.hstack([x, noise]), [f"kind{one}" for one in y])
    return recipe(
        data, {"name": "perceptron", "hidden": [128, 128, 128], "activation": "tanh"}, "adam", 0.002, epochs=40
    )


def diverged(trained: Trained) -> Figures:
    """The loss leaves that of an untrained network far behind, upwards; a tenth of the rate and less learns."""
    found = {
        "broke off": float(bool(trained.stopped)),
        "worst loss": max(trained.of("step", "loss")),
        "cured": figure(cured(trained, optimizer={"lr": 0.05}, training={"epochs": 30})),
    }
    assert found["worst loss"] > 5 and found["cured"] > 0.7, found
    return found


def one_for_all(trained: Trained) -> Figures:
    """All answers lie within a deviation above the mean, ten digits in one number: hardly any is right."""
    x, y = trained.batch("valid")
    out = answers(trained.last(), x)
    mean, scale = trained.parts.signature.target_mean[0], trained.parts.signature.target_scale[0]
    better = cured(trained, data={"task": "classification"}, task=None, model={"name": "Flatten - FC64 - ReLU - FC"})
    found = {
        "least output": float(out.min()),
        "largest output": float(out.max()),
        "hits": float(((out * scale + mean).round() == y.reshape(-1, 1)).float().mean()),
        "cured": figure(better),
    }
    assert found["least output"] >= 0 and found["largest output"] <= 1, found
    assert found["hits"] < 0.45 and found["cured"] > 0.9, found
    return found


def blown_up(trained: Trained) -> Figures:
    """The run breaks off at once; by standardised inputs it learns the line."""
    x, _ = trained.batch()
    found = {
        "largest input": float(x.max()),
        "broke off": float(bool(trained.stopped)),
        "cured": figure(cured(trained, batches={"normalize": "channel"})),
    }
    assert found["broke off"] and found["largest input"] > 1000 and found["cured"] > 0.95, found
    return found


def died(trained: Trained) -> Figures:
    """Nearly all units were alive, and are no more; a smaller rate learns."""
    x, _ = trained.batch()
    found = {
        "dead at first": dead_share(trained.fresh(), x),
        "dead at last": dead_share(trained.last(), x),
        "accuracy": figure(trained),
        "cured": figure(cured(trained, optimizer={"lr": 0.1})),
    }
    assert found["dead at first"] < 0.2 and found["dead at last"] > 0.95, found
    assert found["accuracy"] < 0.4 and found["cured"] > 0.9, found
    return found


CASES = [
    Case("so-skyrocket", "2 tanh layers, regression, SGD at 1.5", skyrocketing, diverged, "learning_rate_too_high",
         # such steps drive the tanh units to their ends, and the gradient to infinity
         companions=("saturated_activation", "exploding_gradient"),
         thread="Why is learning rate causing my neural network's weights to skyrocket? "
                "(datascience.stackexchange.com/questions/15962)"),
    Case("so-one-sigmoid", "ten digits, one sigmoid", ten_digits_one_sigmoid, one_for_all, "wrong_last_activation",
         # the question has both: a sigmoid where ten outputs belong, and a loss that is not for ten classes
         also="wrong_loss", companions=("saturated_activation",),  # of the only output, again
         thread="Too low accuracy on MNIST dataset using a neural network "
                "(datascience.stackexchange.com/questions/38604)"),
    Case("so-straight-line", "linear regression, inputs up to 3,000, SGD", straight_line, blown_up, "unscaled_input",
         # a rate thousands of times smaller would not break off: said of the same fault from its other side
         also="learning_rate_too_high", companions=("exploding_gradient",),
         thread="Simple Linear Regression in Keras (stats.stackexchange.com/questions/284189)"),
    Case("so-bias-only", "3 layers of 8 units, 6 of 100 rows of the other kind", bias_only, passed_over,
         "class_imbalance",
         thread="Why MLP only learns bias for unbalanced binary classification? "
                "(datascience.stackexchange.com/questions/19283)"),
    Case("so-dying", "2 ReLU layers, SGD at 6", dying, died, "dead_relu",
         # the rate is what kills them, as the question says
         also="learning_rate_too_high", companions=("vanishing_gradient",),
         thread='What is the "dying ReLU" problem in neural networks? (read at queryfor.com)'),
    Case("so-third-layer", "6 sigmoid layers, rings", third_layer,
         partial(vanished, chance=0.5, cure={"model": {"activation": "relu", "initialization": "he"}}),
         "vanishing_gradient", thread="Neural Network architecture design (stackoverflow.com/questions/20009078)"),
    Case("so-neurons-at-ends", "one sigmoid layer whose units are at 0 or 1", neurons_at_ends,
         partial(saturated, kind=nn.Sigmoid, worse=0.1), "saturated_activation",
         thread="How to deal with dead neuron in neural network training? (stats.stackexchange.com/questions/265453)"),
    Case("so-xor", "XOR without a hidden layer", xor, partial(underfitted, model={"hidden": [16]}), "underfitting",
         thread="Why does my neural network to solve the XOR problem always output 0.5? "
                "(ai.stackexchange.com/questions/27010)"),
    Case("so-relu-values", "ReLU at the end of a regression", relu_for_values,
         partial(ended, low=0.0, high=1e9, line="FC48 - Tanh - FC24 - Tanh - FC"), "wrong_last_activation",
         thread="Are ReLU a very bad choice as last layer for regression? (read at math.techqa.club, 4483706)"),
    Case("so-test-loss", "3 tanh layers on 180 rows", test_loss_rises, overfitted, "overfitting",
         thread="My test loss is increasing but train loss is decreasing for Neural Network. What should i do? "
                "(read at thepinehillsnews.com)"),
]  # fmt: skip
"""Ten of them."""
