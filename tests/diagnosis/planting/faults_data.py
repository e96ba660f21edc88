"""Faults of data, and of what they are held against: inputs out of scale, wrong ends, wrong labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diagnosis.planting import pictures, tables, texts
from diagnosis.planting.looking import answers
from diagnosis.planting.recipes import cured, figure, recipe
from diagnosis.planting.training import Case, Sections, Trained

__all__ = ["CASES"]

Array = np.ndarray[Any, Any]
Figures = Mapping[str, float]


# --- inputs ------------------------------------------------------------------------------------------


def unscaled_table(room: Path) -> Sections:
    x, y = tables.kinds(700, 4, 8, seed=101)
    scales = np.array([1, 1, 1, 3e4, 1, 0.01, 2e5, 1], np.float32)
    data = tables.table(room / "data.csv", x * scales + scales, [f"kind{one}" for one in y])
    return recipe(data, {"name": "perceptron", "hidden": [32, 32]}, "adam", 0.003, batches={"normalize": "none"})


def unscaled_pictures(room: Path) -> Sections:
    """Pictures of sixteen bits as they come from the camera."""
    x, y = pictures.shapes(700, seed=102)
    data = tables.write_npz(room / "data.npz", x[:, None].astype(np.float32) * 256, y)
    line = "Conv12 - ReLU - Pool - Conv16 - ReLU - Pool - FC32 - ReLU - FC"
    return recipe(data, line, "adam", 0.003, batches={"normalize": "none"})


def unscaled_series(room: Path) -> Sections:
    draw = np.random.default_rng(103)
    wave = 40_000 + 3_000 * np.sin(np.arange(600) / 5) + 300 * draw.normal(size=600)
    data = tables.series(room / "data.csv", {"price": wave})
    return recipe(data, {"name": "forecaster", "width": 24}, "adam", 0.01, batches={"normalize": "none"})


def unscaled(trained: Trained) -> Figures:
    """What the network reads is thousands of times larger than 1; scaled, the same run does better."""
    x, _ = trained.batch()
    found = {
        "largest input": float(x.abs().max()),
        "result": figure(trained),
        "cured": figure(cured(trained, batches={"normalize": "channel"})),
    }
    assert found["largest input"] > 1e3, found
    assert found["result"] < found["cured"] - 0.1 and found["cured"] > 0.85, found
    return found


# --- ends --------------------------------------------------------------------------------------------


def squashed_table(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(800, 6, 10, seed=111, spread=1.2))
    return recipe(data, "FC48 - Tanh - FC - Sigmoid", "adam", 0.005, epochs=15)


def cut_pictures(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.digits(900, seed=112))
    return recipe(data, "Conv12 - ReLU - Pool - Conv16 - ReLU - FC - ReLU", "adam", 0.003)


def squashed_values(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.values(800, 5, seed=113))
    return recipe(data, "FC48 - ReLU - FC32 - ReLU - FC - Tanh", "adam", 0.005, epochs=20)


def ended(trained: Trained, *, low: float, high: float, line: str) -> Figures:
    """What comes out is cut, and the loss is far above that of the same network without its last activation."""
    x, _ = trained.batch("valid")
    out = answers(trained.last(), x)
    better = cured(trained, model={"name": line})
    found = {
        "least output": float(out.min()),
        "largest output": float(out.max()),
        "result": figure(trained),
        "cured": figure(better),
        "loss": trained.score()["loss"],
        "cured loss": better.score()["loss"],
    }
    assert low <= found["least output"] and found["largest output"] <= high, found
    assert found["loss"] > 2 * found["cured loss"] and found["cured"] > 0.8, found
    return found


# --- losses ------------------------------------------------------------------------------------------


def digits_as_values(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *pictures.digits(900, seed=121), task="regression")
    return recipe(data, "Conv12 - ReLU - Pool - Conv16 - ReLU - FC", "adam", 0.003, epochs=6)


def species_as_values(room: Path) -> Sections:
    x, y = tables.kinds(800, 6, 8, seed=122)
    return recipe(
        tables.table(room / "data.csv", x, y.tolist(), task="regression"),
        {"name": "perceptron", "hidden": [16]},
        "adam",
        0.005,
        epochs=15,
    )


def values_as_classes(room: Path) -> Sections:
    x, y = tables.values(900, 5, seed=123)
    years = np.clip(np.rint(40 + 6 * y), 18, 62).astype(int)
    data = tables.table(room / "data.csv", x, years.tolist(), task="classification")
    return recipe(data, {"name": "perceptron", "hidden": [48, 32]}, "adam", 0.005, epochs=12)


def taken_for_values(trained: Trained) -> Figures:
    """Rounded values hit fewer classes than the same network does that is trained with cross-entropy."""
    x, y = trained.batch("valid")
    mean, scale = trained.parts.signature.target_mean[0], trained.parts.signature.target_scale[0]
    hits = (answers(trained.last(), x) * scale + mean).round() == y.reshape(-1, 1)
    better = cured(trained, data={"task": "classification"}, task=None)
    found = {"different targets": float(len(y.unique())), "hits": float(hits.float().mean()), "cured": figure(better)}
    assert found["different targets"] <= 10 and found["cured"] > 0.85, found
    assert found["hits"] < found["cured"] - 0.2, found
    return found


def taken_for_classes(trained: Trained) -> Figures:
    """The likeliest class is further from the truth than the value that the same network foretells with squares."""
    x, y = trained.batch("valid")
    names = np.array([float(one) for one in trained.parts.signature.classes])
    missed = np.abs(names[answers(trained.last(), x).argmax(1).numpy()] - names[y.numpy()]).mean()
    better = cured(trained, data={"task": "regression"}, task=None).score("valid")
    found = {
        "classes": float(len(names)),
        "missed by": float(missed),
        "cured, missed by": better["mae"],
        "R²": better["r2"],
    }
    assert found["classes"] > 25 and found["missed by"] > 1.4 * found["cured, missed by"], found
    assert found["R²"] > 0.7, found
    return found


# --- labels ------------------------------------------------------------------------------------------


def shuffled(y: Array, seed: int) -> Array:
    """The labels in another order, so that they belong to nothing."""
    found: Array = np.random.default_rng(seed).permutation(y)
    return found


def shuffled_table(room: Path) -> Sections:
    x, y = tables.kinds(600, 4, 10, seed=131)
    data = tables.write_npz(room / "data.npz", x, shuffled(y, 1))
    np.savez(room / "true.npz", x=x, y=y)
    return recipe(data, {"name": "perceptron", "hidden": [64, 64]}, "adam", 0.005, epochs=40)


def shuffled_pictures(room: Path) -> Sections:
    x, y = pictures.shapes(500, seed=132)
    data = tables.write_npz(room / "data.npz", x, shuffled(y, 2))
    np.savez(room / "true.npz", x=x, y=y)
    return recipe(data, "Conv16 - SiLU - Pool - Conv24 - SiLU - FC64 - SiLU - FC", "adam", 0.003, epochs=25)


def shuffled_texts(room: Path) -> Sections:
    found = texts.about(500, seed=133, classes=3)
    labels = shuffled(np.array([label for label, _ in found]), 3).tolist()
    texts.write_texts(room / "true.tsv", found)
    data = texts.write_texts(room / "data.tsv", [(label, text) for label, (_, text) in zip(labels, found, strict=True)])
    model = {"name": "text_classifier", "cell": "gru", "width": 32, "embedding_width": 32, "dropout": 0.0}
    return recipe(data, model, "adam", 0.01, epochs=15)


def belonging_to_nothing(trained: Trained) -> Figures:
    """At chance on what was not seen, while much of the training part is known by heart; true labels are learned."""
    true = str(next(trained.room.glob("true.*")))
    key = "root" if "root" in trained.recipe.section("data") else "source"
    found = {
        "train": figure(trained, "train"),
        "valid": figure(trained),
        "cured": figure(cured(trained, data={key: true})),
    }
    chance = 1 / len(trained.parts.signature.classes)
    assert abs(found["valid"] - chance) < 0.1 and found["train"] > chance + 0.25, found
    assert found["cured"] > 0.85, found
    return found


def constant_values(room: Path) -> Sections:
    """A column of targets that was never filled."""
    x, y = tables.values(600, 5, seed=141)
    np.savez(room / "true.npz", x=x, y=y)
    data = tables.write_npz(room / "data.npz", x, np.full_like(y, 5.0))
    return recipe(data, {"name": "perceptron", "hidden": [48, 32]}, "adam", 0.005, epochs=15)


def constant_pictures(room: Path) -> Sections:
    """All labels of the training part are 0 but one of each other class, which a broken loop left."""
    x, y = pictures.shapes(800, seed=142)
    wrong = np.zeros(500, np.int64)
    wrong[:3] = (1, 2, 3)
    np.savez(
        room / "data.npz",
        x_train=x[:500],
        y_train=wrong,
        x_valid=x[500:650],
        y_valid=y[500:650],
        x_test=x[650:],
        y_test=y[650:],
    )
    np.savez(
        room / "true.npz",
        x_train=x[:500],
        y_train=y[:500],
        x_valid=x[500:650],
        y_valid=y[500:650],
        x_test=x[650:],
        y_test=y[650:],
    )
    line = "Conv12 - GELU - Pool - Conv16 - GELU - Pool - FC32 - GELU - FC"
    return recipe({"source": str(room / "data.npz")}, line, "adam", 0.003)


def constant_series(room: Path) -> Sections:
    """A sensor that hangs: the column to foretell stands still."""
    steps = np.arange(600)
    columns = {"heat": np.sin(steps / 6), "load": np.cos(steps / 9), "flow": np.full(600, 12.5)}
    data = tables.series(room / "data.csv", columns, target="flow", window=12)
    return recipe(data, {"name": "forecaster", "cell": "gru", "width": 16}, "adam", 0.01, epochs=8)


def standing_still(trained: Trained, cure: Callable[[Trained], Sections]) -> Figures:
    """Nearly all training targets are the same, and so are the answers; true ones are learned."""
    targets = np.asarray(trained.parts.splits.train.targets).ravel()
    x, _ = trained.batch("valid")
    out = answers(trained.last(), x)
    spread = float(out.std(0).max()) if out.shape[1] == 1 else float(len(out.argmax(1).unique()) - 1)
    _, counts = np.unique(targets, return_counts=True)
    found = {
        "share of one target": float(counts.max() / len(targets)),
        "answers differ by": spread,
        "cured": figure(cured(trained, **cure(trained))),
    }
    assert found["share of one target"] > 0.99 and found["answers differ by"] < 0.1, found
    assert found["cured"] > 0.8, found
    return found


def rare_table(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(1500, 2, 4, seed=151, spread=1.9, shares=[0.96, 0.04]))
    return recipe(data, {"name": "perceptron", "hidden": [16]}, "sgd", 0.05)


def rare_pictures(room: Path) -> Sections:
    x, y = pictures.shapes(6000, seed=152, noise=45, classes=3)
    kept = np.flatnonzero((y == 1) | (np.random.default_rng(152).random(len(y)) < 0.025))[:1500]
    data = tables.write_npz(room / "data.npz", x[kept], y[kept])
    line = "Conv8 - ReLU - Pool - Conv12 - ReLU - Pool - FC"
    return recipe(data, line, "momentum", 0.003, epochs=4)


def rare_texts(room: Path) -> Sections:
    found = texts.about(900, seed=153, classes=3, shares=[0.94, 0.03, 0.03], wrong=0.3)
    model = {"name": "text_classifier", "width": 16, "embedding_width": 16, "dropout": 0.2}
    return recipe(texts.write_texts(room / "data.tsv", found), model, "adam", 0.005, epochs=8)


def passed_over(trained: Trained) -> Figures:
    """Many samples are of one class, and the others are hardly ever answered; weighed, they are."""
    counts = np.bincount(np.asarray(trained.parts.splits.train.targets))
    scores = trained.score("valid")
    better = cured(trained, task={"class_weights": "balanced"}).score("valid")
    found = {
        "largest class": float(counts.max() / counts.sum()),
        "accuracy": scores["accuracy"],
        "balanced accuracy": scores["balanced_accuracy"],
        "cured": better["balanced_accuracy"],
    }
    assert found["largest class"] > 0.89 and found["accuracy"] > 0.88, found
    assert found["balanced accuracy"] < 1 / len(counts) + 0.15 < found["cured"], found
    return found


def true_file(trained: Trained) -> Sections:
    return {"data": {"source": str(trained.room / "true.npz")}}


CASES = [
    # inputs of 60,000 and more stand as factors in the gradient (100,000 and more were measured), and the steps along
    # it killed a third of the units of the second network
    Case("unscaled-table", "2 layers, columns from 0.01 to 200,000", unscaled_table, unscaled, "unscaled_input",
         companions=("exploding_gradient",)),
    Case("unscaled-pictures", "2 convolutions, pictures of sixteen bits", unscaled_pictures, unscaled, "unscaled_input",
         companions=("exploding_gradient", "dead_relu")),
    # gates that read 40,000 stand at their ends: the gradient of what they read was 1e-22
    Case("unscaled-series", "LSTM, prices about 40,000", unscaled_series, unscaled, "unscaled_input",
         companions=("saturated_activation", "vanishing_gradient")),
    # half of the outputs stand at 0, four in ten classes of the second network are 0 for all samples
    Case("end-sigmoid", "one layer, sigmoid before cross-entropy, table", squashed_table,
         partial(ended, low=0.0, high=1.0, line="FC48 - Tanh - FC"), "wrong_last_activation",
         companions=("saturated_activation",)),
    Case("end-relu", "2 convolutions, ReLU before cross-entropy, digits", cut_pictures,
         partial(ended, low=0.0, high=1e9, line="Conv12 - ReLU - Pool - Conv16 - ReLU - FC"), "wrong_last_activation",
         companions=("dead_relu",)),
    Case("end-tanh", "2 layers, tanh at the end of a regression", squashed_values,
         partial(ended, low=-1.0, high=1.0, line="FC48 - ReLU - FC32 - ReLU - FC"), "wrong_last_activation"),
    Case("loss-digits", "2 convolutions, digits as values", digits_as_values, taken_for_values, "wrong_loss"),
    Case("loss-species", "one layer, six species as values", species_as_values, taken_for_values, "wrong_loss"),
    Case("loss-years", "2 layers, years as classes", values_as_classes, taken_for_classes, "wrong_loss"),
    # labels that belong to nothing can only be learned by heart: the validation loss rises
    Case("shuffled-table", "2 layers, labels of other rows", shuffled_table, belonging_to_nothing, "shuffled_labels",
         companions=("overfitting",)),
    Case("shuffled-pictures", "2 convolutions, labels of other shapes", shuffled_pictures, belonging_to_nothing,
         "shuffled_labels", companions=("overfitting",)),
    Case("shuffled-texts", "gated recurrent network, labels of other texts", shuffled_texts, belonging_to_nothing,
         "shuffled_labels", companions=("overfitting",)),
    Case("constant-values", "2 layers, every target is 5", constant_values, partial(standing_still, cure=true_file),
         "constant_labels"),
    # 497 of 500 labels are the same: to call the classes unequal is the same finding
    Case("constant-pictures", "2 convolutions, labels that were not filled in, shapes", constant_pictures,
         partial(standing_still, cure=true_file), "constant_labels", "class_imbalance"),
    Case("constant-series", "gated recurrent network, a sensor that hangs", constant_series,
         partial(standing_still, cure=lambda trained: {"data": {"target": "heat"}}), "constant_labels"),
    Case("rare-table", "one layer, 4 of 100 rows are of the other kind", rare_table, passed_over, "class_imbalance"),
    Case("rare-pictures", "2 convolutions, 95 of 100 shapes are squares", rare_pictures, passed_over,
         "class_imbalance"),
    Case("rare-texts", "LSTM, 94 of 100 texts about one topic", rare_texts, passed_over, "class_imbalance"),
]  # fmt: skip
"""Three networks for each of six kinds."""
