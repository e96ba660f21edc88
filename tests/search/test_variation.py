"""What is varied, read from words."""

from __future__ import annotations

import pytest

from neuropil.errors import InputError
from neuropil.search.variation import cells_of, read_axis
from search.workshop import iris


def test_all_combinations_with_all_seeds() -> None:
    axes = [read_axis("optimizer=sgd,adam"), read_axis("model.hidden=[8],[16,16]")]
    cells = cells_of(iris(), axes, seeds=3)
    assert len(cells) == len({cell.recipe.name for cell in cells}) == 12
    assert [cell.recipe.seed for cell in cells[:3]] == [0, 1, 2]
    assert cells[-1].label == "adam, [16,16]"
    assert cells[-1].recipe.section("model")["hidden"] == [16, 16]
    assert cells[-1].recipe.section("optimizer") == {"name": "adam", "lr": 0.01}


def test_a_run_has_the_same_name_as_long_as_its_recipe_is_the_same() -> None:
    axes = [read_axis("optimizer=sgd,adam")]
    few = {cell.recipe.name for cell in cells_of(iris(), axes, seeds=2)}
    assert few < {cell.recipe.name for cell in cells_of(iris(), axes, seeds=3)}
    assert few == {cell.recipe.name for cell in cells_of(iris().with_values({"name": "other"}), axes, seeds=2)}
    assert not few & {cell.recipe.name for cell in cells_of(iris("epochs=4"), axes, seeds=2)}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("optimizer", "write PATH=VALUE,VALUE"),
        ("optimizer=sgd,", "write PATH=VALUE,VALUE"),
        ("optimizer=sgd,adam,sgd", "takes the value sgd twice"),
        ("seed=1,2", "repeat runs with --seeds"),
        ("name=a,b", "changes nothing in a run"),
    ],
)
def test_words_that_say_nothing_to_vary(words: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_axis(words)


@pytest.mark.parametrize(
    ("axes", "seeds", "said"),
    [
        (["optimizer=sgd", "optimizer=adam"], 1, "is varied twice"),
        (["optimizer=sgd,adamm"], 1, "did you mean 'adam'"),
        (["optimiser=sgd"], 1, "did you mean 'optimizer'"),
        (["optimizer=sgd"], 0, "at least 1"),
        (["optimizer.lr=-1.0"], 1, "at least 0"),
        (["batches.batch_size=" + ",".join(map(str, range(1, 200)))], 100, "19,900 runs; vary less"),
    ],
)
def test_what_a_recipe_cannot_have_is_refused_before_anything_runs(axes: list[str], seeds: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        cells_of(iris(), [read_axis(words) for words in axes], seeds)
