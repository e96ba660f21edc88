"""Estimators as scikit-learn knows them."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from neuropil import Classifier, Regressor
from neuropil.errors import InputError

X, y = load_iris(return_X_y=True)
XD, yd = load_diabetes(return_X_y=True)


def quick(**values: Any) -> Classifier:
    return Classifier("perceptron", **{"epochs": 8, "lr": 0.05, "speed": "plain", **values})


@pytest.fixture(scope="module")
def fitted() -> Classifier:
    return quick().fit(X, y)


def test_classifier(fitted: Classifier) -> None:
    chances = fitted.predict_proba(X)
    assert chances.shape == (150, 3)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(fitted.predict(X), fitted.classes_[chances.argmax(1)])
    assert fitted.score(X, y) == accuracy_score(y, fitted.predict(X)) > 0.85
    assert len(fitted.history_) == 8
    assert fitted.run_.folder.path.is_dir()


def test_labels_of_any_type_come_back() -> None:
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = quick(epochs=1).fit(X, names)
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert set(model.predict(X)) <= set(names)
    far = quick(epochs=1).fit(X, y * 10 - 7)
    assert far.classes_.tolist() == [-7, 3, 13]
    assert far.predict(X).dtype == y.dtype


@pytest.mark.parametrize("kind", [torch.tensor, pd.DataFrame, np.ndarray.tolist])
def test_the_same_from_tensors_frames_and_lists(kind: Any, fitted: Classifier) -> None:
    np.testing.assert_array_equal(quick().fit(kind(X), y.tolist()).predict(kind(X)), fitted.predict(X))


def test_regressor_predicts_in_the_units_of_y() -> None:
    model = Regressor("perceptron", epochs=15, lr=0.01, speed="plain").fit(XD, yd)
    assert model.predict(XD).shape == (442,)
    assert model.score(XD, yd) == pytest.approx(r2_score(yd, model.predict(XD)), abs=1e-9)
    assert model.score(XD, yd) > 0.4
    both = Regressor(epochs=1, speed="plain").fit(XD, np.c_[yd, -yd])
    assert both.predict(XD[:5]).shape == (5, 2)
    truth = np.c_[yd, -yd]
    assert both.score(XD, truth) == pytest.approx(r2_score(truth, both.predict(XD)), abs=1e-9)


@pytest.mark.slow
def test_scikit_learn_takes_them_for_its_own() -> None:
    assert is_classifier(quick())
    assert is_regressor(Regressor())
    model = quick()
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    scores = cross_val_score(make_pipeline(StandardScaler(), model), X, y, cv=3)
    assert scores.shape == (3,)
    assert scores.min() > 0.7
    found = GridSearchCV(quick(epochs=2), {"lr": [1e-6, 0.1]}, cv=2).fit(X, y)
    assert found.best_params_ == {"lr": 0.1}
    assert cross_val_score(Regressor(epochs=1, speed="plain"), XD, yd, cv=2).shape == (2,)


def test_fitted_or_not(fitted: Classifier) -> None:
    check_is_fitted(fitted)
    with pytest.raises(InputError, match=r"this Classifier is not fitted yet; call fit\(X, y\) first"):
        quick().predict(X)


def test_parameters() -> None:
    model = quick().set_params(lr=0.2, model="perceptron", valid_fraction=0.0)
    assert (model.get_params()["lr"], model.get_params()["valid_fraction"]) == (0.2, 0.0)
    assert repr(model) == "Classifier(valid_fraction=0.0, epochs=8, lr=0.2, speed='plain')"
    with pytest.raises(InputError, match="no key 'epoch'; did you mean 'epochs'"):
        model.set_params(epoch=3)


@pytest.mark.slow
def test_runs_are_kept_where_asked_for(tmp_path: Path) -> None:
    quick(epochs=1, runs=tmp_path).fit(X, y)
    assert (tmp_path / "classification" / "perceptron-1" / "report.html").is_file()


def test_a_temporary_run_goes_with_its_estimator() -> None:
    model = quick(epochs=1).fit(X, y)
    folder = model.run_.folder.path
    assert (folder / "results.json").is_file()
    del model
    gc.collect()
    assert not folder.exists()


def hole() -> np.ndarray:
    values = X.copy()
    values[2, 1] = np.nan
    return values


@pytest.mark.parametrize(
    ("fit", "piece"),
    [
        (lambda: quick().fit(X, y[:9]), "150 inputs but 9 targets"),
        (lambda: quick().fit(X, np.zeros(150)), "nothing to tell apart"),
        (lambda: quick().fit(X, np.eye(3)[y]), "give one class a sample"),
        (lambda: quick().fit(hole(), y), "row 2, column 1"),
        (lambda: quick().fit([["a", "b"]] * 20, [0, 1] * 10), "are texts; give numbers"),
        (lambda: quick(epoch=3).fit(X, y), "did you mean 'epochs'"),
        (lambda: Classifier("perceptro").fit(X, y), "did you mean 'perceptron'"),
        (lambda: Classifier("resnet20").fit(X, y), "takes pictures"),
        (lambda: Regressor().fit(XD, ["a"] * len(XD)), "use Classifier for classes"),
        (lambda: Regressor().fit(XD, np.full(len(XD), np.nan)), "is nan"),
    ],
)
def test_what_cannot_be_fitted(fit: Any, piece: str) -> None:
    with pytest.raises(InputError) as refusal:
        fit()
    assert piece in str(refusal.value)


def test_what_cannot_be_predicted(fitted: Classifier) -> None:
    with pytest.raises(InputError, match=r"shape \[2\], but this run takes \[4\]"):
        fitted.predict(X[:, :2])
    with pytest.raises(InputError, match="row 2, column 1"):
        fitted.predict(hole())
    assert fitted.predict(X[:0]).shape == (0,)


def test_a_line_of_layers_is_a_model() -> None:
    X, y = load_iris(return_X_y=True)
    model = Classifier("FC16 - ReLU - FC(SM)", epochs=30, lr=0.02, seed=0).fit(X, y)
    assert model.score(X, y) > 0.9
