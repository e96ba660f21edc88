"""Recipes as text, overrides, and the nearest right name."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuropil.errors import InputError
from neuropil.recipes.catalogue import find_recipe, list_recipes, recipe_titles
from neuropil.recipes.recipe import SECTIONS, SHORT, Recipe
from neuropil.recipes.train import read_recipe

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=12)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.one_of(st.booleans(), st.integers(-(2**62), 2**62), NUMBERS, WORDS)
VALUES = st.one_of(PLAIN, st.lists(st.integers(0, 999), max_size=4))
TABLES = st.dictionaries(NAMES, VALUES, min_size=1, max_size=3)
RECIPES = st.builds(
    Recipe,
    name=WORDS,
    title=WORDS,
    seed=st.integers(0, 2**62),
    sections=st.fixed_dictionaries(
        {},
        optional={
            **{name: TABLES for name in SECTIONS if name != "augment"},
            "augment": st.lists(TABLES, min_size=1, max_size=3),
        },
    ),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(RECIPES)
def test_written_and_read_again(recipe: Recipe) -> None:
    assert Recipe.from_toml(recipe.to_toml()) == recipe


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(RECIPES, st.dictionaries(st.sampled_from(["lr", "epochs", "batch_size", "model.width"]), st.integers(1, 9)))
def test_values_arrive_where_they_are_named_and_nowhere_else(recipe: Recipe, values: dict[str, int]) -> None:
    changed = recipe.with_values(values)
    for given_name, value in values.items():
        section, _, key = SHORT.get(given_name, given_name).partition(".")
        assert changed.section(section)[key] == value
    touched = {SHORT.get(name, name).partition(".")[0] for name in values}
    for name in set(SECTIONS) - touched - {"augment"}:
        assert changed.section(name) == recipe.section(name)
    assert changed.augment == recipe.augment
    assert (changed.name, changed.title, changed.seed) == (recipe.name, recipe.title, recipe.seed)


def test_changing_leaves_the_original_alone() -> None:
    first = find_recipe("iris-perceptron")
    text = first.to_toml()
    second = first.with_overrides(["lr=0.5", "model.hidden=[1]", "augment=flip"])
    second.section("model")["hidden"].append(9)
    assert first.to_toml() == text
    assert second.section("model")["hidden"] == [1]


def test_the_order_of_words_does_not_matter() -> None:
    words = ["lr=0.5", "optimizer=sgd", "optimizer.momentum=0.9", "epochs=3", "model=lenet5", "model.width=2", "data=x"]
    wanted = Recipe().with_overrides(words)
    assert all(Recipe().with_overrides(order) == wanted for order in itertools.permutations(words))
    assert wanted.section("optimizer") == {"name": "sgd", "lr": 0.5, "momentum": 0.9}


def test_another_part_begins_from_its_own_defaults() -> None:
    recipe = find_recipe("iris-perceptron")
    assert recipe.with_overrides(["model=lenet5"]).section("model") == {"name": "lenet5"}
    assert recipe.with_overrides(["model=perceptron"]).section("model") == recipe.section("model")
    assert recipe.with_values({"model": {"name": "lenet5", "activation": "relu"}}).section("model") == {
        "name": "lenet5",
        "activation": "relu",
    }


def test_epochs_and_steps_exclude_each_other() -> None:
    recipe = Recipe().with_overrides(["epochs=3"])
    assert recipe.with_overrides(["steps=7"]).section("training") == {"steps": 7}
    assert recipe.with_overrides(["steps=7"]).with_overrides(["epochs=2"]).section("training") == {"epochs": 2}


@pytest.mark.parametrize(
    ("word", "section", "value"),
    [
        ("lr=1e-3", "optimizer", {"lr": 1e-3}),
        ("model.hidden=[16, 8]", "model", {"hidden": [16, 8]}),
        ("strict=true", "data", {"strict": True}),
        ("speed=plain", "speed", {"mode": "plain"}),
        ("data=./some photos", "data", {"source": "./some photos"}),
        ("data=2024", "data", {"source": "2024"}),
        ("data='iris'", "data", {"source": "iris"}),
        ("root=1998-01-01", "data", {"root": "1998-01-01"}),
        ("weights=a=b.pt", "model", {"weights": "a=b.pt"}),
        ("target=3", "data", {"target": 3}),
        ("batch_size=full", "batches", {"batch_size": "full"}),
    ],
)
def test_words_of_a_command_line(word: str, section: str, value: dict[str, object]) -> None:
    assert Recipe().with_overrides([word]).section(section) == value


def test_augmentations_by_name() -> None:
    recipe = Recipe().with_overrides(["augment=flip,cutout"])
    assert recipe.augment == [{"name": "flip"}, {"name": "cutout"}]
    assert recipe.with_overrides(["augment.cutout.pixels=8"]).augment[1] == {"name": "cutout", "pixels": 8}
    assert recipe.with_overrides(["augment=[]"]).augment == []
    assert recipe.with_overrides(["augment.flip.x=1", "augment=flip"]).augment == [{"name": "flip", "x": 1}]


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("[data\n", "at line 1"),
        ("[modl]\n", "unknown key 'modl'; did you mean 'model'?"),
        ("model = 3", "'model' must be a table"),
        ("augment = 3", "must be a list of tables"),
        ("augment = [3]", "must be tables"),
        ("seed = -1", "'seed'"),
        ("seed = true", "'seed'"),
        ("name = 3", "'name' must be text"),
        ("a = " + "[" * 5000, "is not valid TOML"),
    ],
)
def test_refused_texts(text: str, piece: str) -> None:
    with pytest.raises(InputError) as refusal:
        Recipe.from_toml(text, origin="mine.toml")
    assert piece in str(refusal.value)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_misspelt_section_is_set_right(section: str) -> None:
    with pytest.raises(InputError, match=f"did you mean '{section}"):
        Recipe().with_overrides([f"{section[:-2] + section[-1]}.key=3"])


@pytest.mark.parametrize("name", list_recipes())
def test_a_misspelt_recipe_is_set_right(name: str) -> None:
    for wrong in (name[:-1], name.upper(), name.replace("-", "_")):
        with pytest.raises(InputError, match=f"did you mean '{name}'"):
            find_recipe(wrong)


@pytest.mark.parametrize("name", list_recipes())
def test_built_in_recipes_say_what_they_are(name: str) -> None:
    recipe = find_recipe(name)
    assert recipe.name == name
    assert recipe.title == recipe_titles()[name]
    assert len(recipe.title) > 20


def test_a_recipe_file_without_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.write_text(find_recipe("iris-perceptron").to_toml())
    assert find_recipe(str(path)) == find_recipe("iris-perceptron")


def test_values_alone_name_the_run_after_its_network() -> None:
    assert read_recipe(["model=lenet5", "data=digits"]).name == "lenet5"
    assert read_recipe(["model=lenet5", "data=digits", "name=mine"]).name == "mine"
