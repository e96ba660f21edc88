"""The space of an architecture search: what may be chosen, the line it makes, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from neuropil.architecture.asking import plan_of
from neuropil.architecture.plan import ArchitecturePlan, architecture_plan
from neuropil.architecture.space import BASE, Architecture
from neuropil.block_networks.grammar import read_stages
from neuropil.errors import InputError
from neuropil.recipes.recipe import Recipe
from neuropil.search.trials import Trial


def recipe(*words: str) -> Recipe:
    return Recipe(name="mine").with_overrides(["model=lenet5", "data=digits", "epochs=7", *words])


def test_the_start_is_the_base() -> None:
    assert Architecture().line(Architecture().start()) == BASE
    fixed = Architecture(base="cn_r1_k3_s2_c8 - ir_r3_k5_s2_e6_c48_se0.25_pool - cn_r1_k1_s1_c128")
    assert fixed.line(fixed.start()) == fixed.base


def test_what_is_chosen() -> None:
    space = {one.path: one.values for one in Architecture(base="cn_c8 - cn_r2_s2_c32 - cn_r1_k1_s1_c64").choices()}
    assert space == {
        "stage2.kind": ("cn", "ds", "ir3", "ir6"),
        "stage2.kernel": (3, 5),
        "stage2.squeeze": (0.0, 0.25),
        "stage2.skip": ("noskip", "skip", "pool"),
        "stage2.maps": (24, 32, 40),
        "stage2.blocks": (1, 2, 3),
    }
    few = Architecture(base="cn_c8 - cn_s2_c16", kernels=(5,), skips=("skip",), widths=(1.0, 1.1), depths=(-1, 0))
    assert [one.path for one in few.choices()] == ["stage2.kind", "stage2.squeeze"]
    assert few.line({"stage2.kind": "ds", "stage2.squeeze": 0.25}).endswith("ds_r1_k5_s2_c16_se0.25")


def test_every_corner_is_a_network() -> None:
    wanted = Architecture()
    space = wanted.choices()
    for place in range(12):
        line = wanted.line({one.path: one.values[place % len(one.values)] for one in space})
        stages = read_stages(line)
        assert [stage.stride for stage in stages] == [1, 2, 2, 2] and str(stages[0]) == "cn_r1_k3_s1_c16"


def test_trials_are_short_and_the_winner_is_not(tmp_path: Path) -> None:
    plan = architecture_plan(recipe(), Architecture(epochs=2, train_fraction=0.25))
    trial = Trial(3, plan.architecture.start(), "complete")
    plan.check()
    short, long = plan.recipe_of(trial), plan.chosen(trial)
    assert short.name == "trial-0003" and short.section("training")["epochs"] == 2
    assert short.section("batches")["train_fraction"] == 0.25
    assert long.section("training") == {"epochs": 7} and not long.section("batches")
    assert long.section("model") == {"name": "searched", "blocks": BASE}
    beside = plan.reference("mobilenet_v2 width=0.5 small_pictures=true").section("model")
    assert beside == {"name": "mobilenet_v2", "width": 0.5, "small_pictures": True}


def test_a_recipes_own_options_of_the_network_stay() -> None:
    plan = architecture_plan(recipe("model=searched", "model.dropout=0.1"))
    assert plan.recipe.section("model") == {"name": "searched", "dropout": 0.1, "blocks": BASE}


def test_the_word_the_table_and_other_spaces(tmp_path: Path) -> None:
    assert isinstance(plan_of(recipe(), "architecture"), ArchitecturePlan)
    file = tmp_path / "space.toml"
    file.write_text("[architecture]\nepochs = 1\nkernels = [3, 5, 7]\nreward = 'hard'\n")
    plan = plan_of(recipe(), file, method="random")
    assert isinstance(plan, ArchitecturePlan) and plan.architecture == Architecture(
        epochs=1, kernels=(3, 5, 7), reward="hard"
    )
    assert plan.method == "random" and plan_of(recipe(), "architecture").method == "evolution"
    file.write_text("lr = [0.1, 0.2]")
    assert plan_of(recipe(), file).method == "tpe"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[architecture]\nkernel = [3]", "has no option 'kernel'; did you mean 'kernels'"),
        ("[architecture]\nkinds = ['cn', 'xx']", "option 'kinds'"),
        ("[architecture]\nkernels = [4]", "the window's side must be odd"),
        ("[architecture]\nkernels = []", "kernels must be one or more different values"),
        ("[architecture]\nskips = ['skip', 'skip']", "skips must be one or more different values"),
        ("[architecture]\nepochs = 0", "epochs must be at least 1"),
        ("[architecture]\ntarget_ms = 0.0", "target_ms must be above 0"),
        ("[architecture]\ntrain_fraction = 1.5", "train_fraction must be above 0 and at most 1"),
        ("[architecture]\nsqueezes = [2.0]", "squeeze ratio must be from 0 to 1"),
        ("[architecture]\nwidths = [0.0]", "widths must be above 0"),
        ("[architecture]\nbase = 'cn_c8'", "has no stage to vary"),
        ("[architecture]\nbase = 'cn_c8 - xx_c8'", "'xx' is no kind of block"),
        ("[architecture]\nreward = 'mild'", "option 'reward'"),
        ("lr = [0.1]\n[architecture]\nepochs = 1", "the table \\[architecture\\] alone"),
        ("[architecture", "not valid TOML"),
    ],
)
def test_refusals(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "space.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        plan_of(recipe(), file)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"halving": True}, "--halving compares accuracies alone"),
        ({"method": "evolutoin"}, "did you mean 'evolution'"),
        ({"architecture": Architecture(references=("mobilenet_v9",))}, "no model is named 'mobilenet_v9'"),
        ({"architecture": Architecture(references=("mobilenet_v2 widht=1.0",))}, "did you mean 'width'"),
    ],
)
def test_plans_that_cannot_be(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        architecture_plan(recipe(), **changed).check()
