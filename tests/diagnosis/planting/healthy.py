"""Runs without a fault: rules, networks and data of many kinds, each of which reaches what it should."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from diagnosis.planting import pictures, tables, texts
from diagnosis.planting.looking import dead_share, gradient_norms
from diagnosis.planting.recipes import figure, recipe
from diagnosis.planting.training import Case, Sections, Trained, train_recipe

__all__ = ["CASES"]


def sound(trained: Trained, least: float) -> dict[str, float]:
    """It reaches the figure on the test part, has not risen again, and its gradients and units are alive."""
    part = "test" if trained.parts.test is not None else "valid"
    curve = trained.of("epoch", "valid_loss") or trained.of("epoch", "train_loss")
    norms = list(gradient_norms(trained, trained.last()).values())
    x, _ = trained.batch()
    found = {
        "result": figure(trained, part),
        "train": figure(trained, "train"),
        "last/lowest loss": curve[-1] / min(curve),
        "least/largest gradient": min(norms) / max(norms),
    }
    if any("ReLU" in str(type(one)) for one in trained.last().modules()):
        found["dead"] = dead_share(trained.last(), x)
        assert found["dead"] < 0.15, found
    assert not trained.stopped and found["result"] >= least, found
    assert found["last/lowest loss"] < 1.12, found
    assert found["train"] - found["result"] < 0.1, found
    return found


# --- tables ------------------------------------------------------------------------------------------


def irises(room: Path) -> Sections:
    return recipe(
        {"source": "iris", "valid_fraction": 0.0},
        {"name": "perceptron", "hidden": [16]},
        "adam",
        0.01,
        epochs=60,
        batch=16,
        schedule={"name": "cosine"},
    )


def wines(room: Path) -> Sections:
    return recipe(
        {"source": "wine", "valid_fraction": 0.2, "split_seed": 1},
        {"name": "perceptron", "hidden": [16], "activation": "tanh"},
        "sgd",
        0.05,
        epochs=30,
        batch=16,
    )


def tumours(room: Path) -> Sections:
    return recipe(
        {"source": "breast_cancer", "valid_fraction": 0.2},
        {"name": "perceptron", "hidden": [24], "dropout": 0.2},
        "nag",
        0.01,
        epochs=10,
    )


def separated_rings(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.rings(900, seed=301, classes=3))
    return recipe(data, {"name": "perceptron", "hidden": [32, 32], "activation": "gelu"}, "adamw", 0.01, epochs=15)


def many_rows(room: Path) -> Sections:
    """Much data, few epochs."""
    data = tables.write_npz(room / "data.npz", *tables.kinds(12_000, 8, 20, seed=302, spread=1.4))
    return recipe(data, {"name": "perceptron", "hidden": [64, 32]}, "rmsprop", 0.002, epochs=3, batch=128)


def categories(room: Path) -> Sections:
    """A CSV file of named kinds, columns of very different units, scaled as usual."""
    x, y = tables.kinds(700, 4, 8, seed=303)
    data = tables.table(room / "data.csv", x * np.array([1, 1, 1, 3e4, 1, 0.01, 2e5, 1]), [f"kind{one}" for one in y])
    return recipe(data, {"name": "perceptron", "hidden": [32]}, "adamax", 0.01, epochs=15)


def normalized_rows(room: Path) -> Sections:
    """Batch normalization over batches of 32."""
    data = tables.write_npz(room / "data.npz", *tables.kinds(1000, 5, 10, seed=304))
    return recipe(
        data, {"name": "perceptron", "hidden": [48, 48], "batch_norm": True}, "momentum", 0.01, epochs=8, batch=32
    )


def weighed(room: Path) -> Sections:
    """Nine of ten rows are of one kind, and the loss weighs the others."""
    x, y = tables.kinds(1500, 2, 6, seed=305, spread=1.2, shares=[0.9, 0.1])
    return recipe(
        tables.write_npz(room / "data.npz", x, y),
        {"name": "perceptron", "hidden": [16]},
        "adam",
        0.005,
        epochs=12,
        task={"class_weights": "balanced"},
    )


def sixty_forty(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.kinds(900, 2, 6, seed=306, spread=1.5, shares=[0.6, 0.4]))
    return recipe(data, {"name": "perceptron", "hidden": [16], "activation": "silu"}, "adagrad", 0.05, epochs=12)


def some_wrong_labels(room: Path) -> Sections:
    """One label in twenty is wrong, in all parts alike."""
    x, y = tables.kinds(2000, 4, 10, seed=307)
    draw = np.random.default_rng(307)
    y = np.where(draw.random(2000) < 0.05, (y + draw.integers(1, 4, 2000)) % 4, y)
    return recipe(
        tables.write_npz(room / "data.npz", x, y), {"name": "perceptron", "hidden": [16]}, "adam", 0.003, epochs=12
    )


def curve_of_values(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.values(2500, 4, seed=308, noise=0.3))
    return recipe(data, {"name": "perceptron", "hidden": [64, 32]}, "adamw", 0.003, epochs=15)


def noisy_line(room: Path) -> Sections:
    """A linear model of a linear law: a third of the variance is noise, and no more than R² = 0.67 is to be had."""
    draw = np.random.default_rng(309)
    x = draw.normal(size=(2000, 6))
    y = x @ np.array([1, -0.5, 0.5, 0, 0, 0.7]) + draw.normal(size=2000)
    data = tables.table(room / "data.csv", x, [f"{one:.4f}" for one in y], task="regression")
    return recipe(data, {"name": "perceptron", "hidden": []}, "sgd", 0.02, epochs=8)


# --- pictures ----------------------------------------------------------------------------------------


def read_digits(room: Path) -> Sections:
    line = "Conv16 - ReLU - Pool - Conv32 - ReLU - Pool - Drop0.3 - FC"
    return recipe({"source": "digits", "valid_fraction": 0.2}, line, "adam", 0.004, epochs=8)


def seen_shapes(room: Path) -> Sections:
    """Convolutions with batch normalization over 32 pictures."""
    data = tables.write_npz(room / "data.npz", *pictures.shapes(1500, seed=311))
    line = "Conv12 - BN - ReLU - Pool - Conv24 - BN - ReLU - Pool - Drop0.2 - FC"
    return recipe(data, line, "momentum", 0.02, epochs=8, schedule={"name": "cosine"})


def seen_waves(room: Path) -> Sections:
    data = tables.write_npz(room / "data.npz", *tables.signals(1500, seed=312, noise=0.3))
    line = "Conv16@7 - ReLU - Pool2 - Conv24@5 - ReLU - GlobalAvgPool - FC"
    return recipe(data, line, "adam", 0.005, epochs=12)


SMALL_LINE = "Conv12 - ReLU - Pool - Conv24 - ReLU - Pool - FC"


def kept_features(room: Path) -> Sections:
    """Trained on digits 0 to 9; then, on purpose, only a new classifier learns, for five digits of another hand."""
    x, y = pictures.digits(seed=313)
    first = recipe(tables.write_npz(room / "first.npz", x[:1000], y[:1000]), SMALL_LINE, "adam", 0.003, epochs=8)
    before = train_recipe(first, room / "first", "first")
    weights = next((before.folder / "checkpoints").glob("*best*/model.safetensors"))
    few = y[1000:] < 5
    data = tables.write_npz(room / "data.npz", x[1000:][few], y[1000:][few])
    return recipe(
        data, {"name": SMALL_LINE, "weights": str(weights)}, "adam", 0.01, epochs=10, transfer={"method": "features"}
    )


# --- texts and series --------------------------------------------------------------------------------


def sorted_texts(room: Path) -> Sections:
    data = texts.write_texts(room / "data.tsv", texts.about(800, seed=321, classes=3))
    model = {"name": "text_classifier", "width": 24, "embedding_width": 16, "dropout": 0.2}
    return recipe(data, model, "adam", 0.01, epochs=6)


def tagged_words(room: Path) -> Sections:
    data = texts.write_tags(room / "data.conll", 300, seed=322)
    model = {"name": "tagger", "width": 32, "embedding_width": 16, "dropout": 0.1}
    return recipe(data, model, "adam", 0.01, epochs=7, batch=16)


def foretold_wave(room: Path) -> Sections:
    draw = np.random.default_rng(323)
    wave = np.sin(np.arange(900) / 5) + 0.1 * draw.normal(size=900)
    return recipe(
        tables.series(room / "data.csv", {"wave": wave}), {"name": "forecaster", "width": 24}, "adam", 0.005, epochs=12
    )


def foretold_prices(room: Path) -> Sections:
    """Prices about 40,000, scaled as usual, with gradients held to a norm of 1."""
    draw = np.random.default_rng(324)
    steps = np.arange(900)
    columns = {"price": 40_000 + 3_000 * np.sin(steps / 8) + 200 * draw.normal(size=900), "season": np.cos(steps / 30)}
    return recipe(
        tables.series(room / "data.csv", columns, target="price", window=16),
        {"name": "forecaster", "cell": "gru", "width": 24},
        "rmsprop",
        0.003,
        epochs=10,
        training={"clip_norm": 1.0},
    )


CASES = [
    Case("fine-irises", "one layer, Adam, cosine, no validation part", irises, partial(sound, least=0.93)),
    Case("fine-wines", "one tanh layer, SGD, 107 rows", wines, partial(sound, least=0.93)),
    Case("fine-tumours", "one layer, dropout, Nesterov", tumours, partial(sound, least=0.93)),
    Case("fine-rings", "2 GELU layers, AdamW", separated_rings, partial(sound, least=0.97)),
    Case("fine-many-rows", "2 layers, RMSProp, 7,200 rows, 3 epochs", many_rows, partial(sound, least=0.9)),
    Case("fine-categories", "one layer, AdaMax, units from 0.01 to 200,000, scaled", categories,
         partial(sound, least=0.95)),
    Case("fine-normalized", "2 layers of batch normalization, batches of 32, momentum", normalized_rows,
         partial(sound, least=0.95)),
    Case("fine-weighed", "90:10, class weights", weighed, partial(sound, least=0.93)),
    Case("fine-sixty-forty", "60:40, SiLU, AdaGrad", sixty_forty, partial(sound, least=0.9)),
    Case("fine-wrong-labels", "5 of 100 labels wrong", some_wrong_labels, partial(sound, least=0.9)),
    Case("fine-values", "2 layers, regression", curve_of_values, partial(sound, least=0.85)),
    Case("fine-noisy-line", "linear regression, a third of it noise", noisy_line, partial(sound, least=0.55)),
    Case("fine-digits", "2 convolutions, dropout", read_digits, partial(sound, least=0.94)),
    Case("fine-shapes", "2 convolutions, batch normalization, momentum", seen_shapes, partial(sound, least=0.95)),
    Case("fine-waves", "2 convolutions over one axis", seen_waves, partial(sound, least=0.95)),
    Case("fine-kept-features", "loaded and frozen on purpose, a new classifier", kept_features,
         partial(sound, least=0.93)),
    Case("fine-texts", "LSTM, dropout", sorted_texts, partial(sound, least=0.95)),
    Case("fine-tags", "tagger of words and letters", tagged_words, partial(sound, least=0.95)),
    Case("fine-wave", "LSTM forecaster", foretold_wave, partial(sound, least=0.93)),
    Case("fine-prices", "gated forecaster, RMSProp, clipping", foretold_prices, partial(sound, least=0.9)),
]  # fmt: skip
"""Twenty of them."""
