"""Small recipes and spaces that every test of the room uses."""

from __future__ import annotations

from neuropil.recipes.catalogue import find_recipe
from neuropil.recipes.recipe import Recipe

RULES = "optimizer=sgd,momentum,nag,adagrad,adadelta,rmsprop,adam,adamax,adamw"

SPACE = """
[optimizer]
name = ["sgd", "adam"]
lr = { low = 1e-3, high = 0.3, log = true, points = 3 }
[model]
hidden = [[8], [16]]
"""


def iris(*words: str) -> Recipe:
    """The built-in perceptron on the irises, three epochs, a fifth of the flowers set aside."""
    return find_recipe("iris-perceptron").with_overrides(["data.valid_fraction=0.2", "epochs=3", *words])
