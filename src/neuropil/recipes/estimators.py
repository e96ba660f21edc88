"""Estimators in the manner of scikit-learn: `fit`, `predict`, `predict_proba`, `score`, over the same recipes."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from neuropil.data.arrays import from_arrays
from neuropil.data.records import Splits
from neuropil.errors import InputError
from neuropil.models import model_options
from neuropil.recipes.in_memory import IN_MEMORY
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.run import Run
from neuropil.recipes.running import start
from neuropil.recipes.train import carry_out

__all__ = ["Classifier", "Regressor"]

Array = np.ndarray[Any, Any]


OWN = {"model": "perceptron", "runs": None, "valid_fraction": 0.1}
"""Parameters that are no values of a recipe, with their defaults."""


class _Estimator:
    """What both estimators share.

    Args:
        model: the network's name.
        runs: folder for the run folder; by default a temporary one without pictures, removed with the estimator.
        valid_fraction: part of the training data set aside to choose the best weights by; 0 for none.
        **values: values of the recipe by short name (`epochs=20`, `lr=0.01`) or section (`optimizer={"name": "sgd"}`).
    """

    _kind: ClassVar[str]

    def __init__(
        self, model: str = "perceptron", *, runs: Path | str | None = None, valid_fraction: float = 0.1, **values: Any
    ) -> None:
        self.model, self.runs, self.valid_fraction, self.values = model, runs, valid_fraction, values

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name, as scikit-learn's `clone` and searches ask for them."""
        del deep
        return {"model": self.model, "runs": self.runs, "valid_fraction": self.valid_fraction, **self.values}

    def set_params(self, **parameters: Any) -> Self:
        """Change parameters by name.

        Raises:
            InputError: no such parameter.
        """
        for name, value in parameters.items():
            if name in OWN:
                setattr(self, name, value)
            else:
                Recipe().with_values({name: value})
                self.values[name] = value
        return self

    def __repr__(self) -> str:
        shown = {name: value for name, value in self.get_params().items() if value != OWN.get(name)}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks for before it searches or cross-validates; only it calls this."""
        from sklearn.utils import ClassifierTags, RegressorTags, Tags, TargetTags

        classifies = self._kind == "classifier"
        return Tags(
            estimator_type=self._kind,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if classifies else None,
            regressor_tags=None if classifies else RegressorTags(),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return "_run" in self.__dict__

    @property
    def run_(self) -> Run:
        """The finished run.

        Raises:
            InputError: not fitted yet.
        """
        found = self.__dict__.get("_run")
        if not isinstance(found, Run):
            raise InputError(f"this {type(self).__name__} is not fitted yet; call fit(X, y) first")
        return found

    @property
    def history_(self) -> list[dict[str, Any]]:
        """One row an epoch: losses, metrics, learning rate."""
        return [row for row in self.run_.history if row["event"] == "epoch"]

    def _fit(self, splits: Splits) -> Self:
        where = self.runs
        if where is None:
            where = tempfile.mkdtemp(prefix="neuropil-")
            weakref.finalize(self, shutil.rmtree, where, ignore_errors=True)
        values = {"model": self.model, "data": IN_MEMORY, **self.values}
        recipe = Recipe(name=model_options(self.model, {})[0]).with_values(values)
        running = start(recipe, runs=where, splits=splits)
        self._run = carry_out(running, lambda report: None, pictures=self.runs is not None)
        return self

    def _outputs(self, X: Any) -> Any:
        return self.run_.outputs(_as_array(X))


class Classifier(_Estimator):
    """A classifier: `Classifier("perceptron", epochs=20).fit(X, y).predict(X)`."""

    _kind = "classifier"

    def fit(self, X: Any, y: Any) -> Self:
        """Train on samples `X` `[n, ...]` and labels `y` `[n]` of any type that sorts.

        Raises:
            InputError: lengths that differ, values that are not finite, a single class.
        """
        self.classes_, numbers = np.unique(np.asarray(y), return_inverse=True)
        names = tuple(str(one) for one in self.classes_.tolist())
        return self._fit(
            from_arrays(_as_array(X), numbers.astype(np.int64), classes=names, valid_fraction=self.valid_fraction)
        )

    def predict_proba(self, X: Any) -> Array:
        """Class probabilities `[n, K]`, columns as in `classes_`."""
        found: Array = self._outputs(X).float().softmax(1).numpy()
        return found

    def predict(self, X: Any) -> Array:
        """The most probable label of each sample."""
        chosen = self.predict_proba(X).argmax(1)
        found: Array = self.classes_[chosen]
        return found

    def score(self, X: Any, y: Any) -> float:
        """Accuracy."""
        return float((self.predict(X) == np.asarray(y)).mean())


class Regressor(_Estimator):
    """A regressor: `Regressor("perceptron", epochs=50).fit(X, y).score(X, y)`."""

    _kind = "regressor"

    def fit(self, X: Any, y: Any) -> Self:
        """Train on samples `X` `[n, ...]` and values `y` `[n]` or `[n, D]`.

        Raises:
            InputError: lengths that differ, or values that are not finite.
        """
        try:
            values = np.asarray(y, dtype=np.float32)
        except (ValueError, TypeError) as error:
            raise InputError(f"the targets of a Regressor are numbers ({error}); use Classifier for classes") from error
        self._flat = values.ndim == 1
        return self._fit(from_arrays(_as_array(X), values, valid_fraction=self.valid_fraction))

    def predict(self, X: Any) -> Array:
        """Values `[n]` or `[n, D]`, as `y` was."""
        rows = [list(answer.values()) for answer in self.run_.task.answer(self._outputs(X))]
        found = np.array(rows, dtype=np.float32)
        return found[:, 0] if self._flat else found

    def score(self, X: Any, y: Any) -> float:
        """R squared, the mean over values (scikit-learn's `r2_score`)."""
        truth = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        lost = ((truth - self.predict(X).reshape(truth.shape)) ** 2).sum(0)
        return float((1 - lost / ((truth - truth.mean(0)) ** 2).sum(0)).mean())


def _as_array(X: Any) -> Any:
    return X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)
