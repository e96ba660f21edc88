"""Neuropil: a chapter of deep learning as working software.

    import neuropil
    run = neuropil.train("digits-lenet5", epochs=5)
    run.predict("three.png")

Names are looked up when they are first used, so that importing the package loads neither PyTorch nor NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = [
    "Classifier",
    "NeuropilError",
    "Recipe",
    "Regressor",
    "__version__",
    "cost_pictures",
    "create_model",
    "diagnose",
    "list_models",
    "list_recipes",
    "load_run",
    "network_pictures",
    "resume_run",
    "run_pictures",
    "step_pictures",
    "summarize",
    "tensor_loader",
    "train",
]

if TYPE_CHECKING:
    from neuropil.batches.loading import tensor_loader
    from neuropil.costs.page import cost_pictures
    from neuropil.diagnosis.diagnosing import diagnose
    from neuropil.errors import NeuropilError
    from neuropil.gallery.building import network_pictures, step_pictures
    from neuropil.gallery.runs import run_pictures
    from neuropil.inspection.summary import summarize
    from neuropil.models import list_models
    from neuropil.recipes.catalogue import list_recipes
    from neuropil.recipes.creating import create_model
    from neuropil.recipes.estimators import Classifier, Regressor
    from neuropil.recipes.recipe import Recipe
    from neuropil.recipes.run import load_run
    from neuropil.recipes.train import resume_run, train

_PLACES = {
    "Classifier": "neuropil.recipes.estimators",
    "NeuropilError": "neuropil.errors",
    "Recipe": "neuropil.recipes.recipe",
    "Regressor": "neuropil.recipes.estimators",
    "cost_pictures": "neuropil.costs.page",
    "create_model": "neuropil.recipes.creating",
    "diagnose": "neuropil.diagnosis.diagnosing",
    "list_models": "neuropil.models",
    "list_recipes": "neuropil.recipes.catalogue",
    "load_run": "neuropil.recipes.run",
    "network_pictures": "neuropil.gallery.building",
    "resume_run": "neuropil.recipes.train",
    "run_pictures": "neuropil.gallery.runs",
    "step_pictures": "neuropil.gallery.building",
    "summarize": "neuropil.inspection.summary",
    "tensor_loader": "neuropil.batches.loading",
    "train": "neuropil.recipes.train",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'neuropil' has no attribute {name!r}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
