"""The claim on Fashion-MNIST: what the search finds lies on or above the Pareto front of MobileNetV2's widths.

Both sides are then trained from scratch by one recipe, for the same epochs, on the same pictures, and scored on the
test part; latencies are measured in turn, in one go. One seed takes about half an hour of one core.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

import neuropil
from neuropil.architecture.latency import interleaved, ratio_to
from neuropil.architecture.plan import architecture_plan
from neuropil.architecture.searching import search_architectures
from neuropil.architecture.space import Architecture
from neuropil.models import create_model
from neuropil.recipes.recipe import Recipe

pytest.importorskip("optuna")

TRIALS, SEARCH_SECONDS = 24, 20 * 60
MOBILE = (
    {"width": 0.1, "small_pictures": True},
    {"width": 0.25, "small_pictures": True},
    {"width": 0.25},
    {"width": 0.5},
    {"width": 1.0},
)
"""For small pictures, and with the published strides."""


def recipe_on(root: Path, seed: int) -> Recipe:
    words = [
        "model=searched", "data=fashion_mnist", f"data.root={root}", "data.valid_fraction=0.05", f"seed={seed}",
        "batch_size=64", "batches.train_fraction=0.2", "epochs=3", "optimizer=adamw", "lr=0.005",
        "optimizer.weight_decay=0.05", "schedule=one_cycle", "speed=plain", "precision=bf16",
        "speed.channels_last=true",
    ]  # fmt: skip
    return Recipe(name=f"fashion-{seed}").with_overrides(words)


def trained(recipe: Recipe, runs: Path) -> float:
    run = neuropil.train(recipe, runs=runs, progress=False)
    return float(run.results["test"]["accuracy"])


@pytest.mark.proof
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_found_on_or_above_the_front_of_mobilenets_widths(
    seed: int, shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)  # noqa: T201

    recipe = recipe_on(shared_data / "fashion-mnist", seed)
    wanted = Architecture(epochs=1, train_fraction=0.1, references=())
    begun, begun_wall = time.process_time(), time.perf_counter()
    found = search_architectures(
        architecture_plan(recipe, wanted, seed=seed), trials=TRIALS, folder=tmp_path / "search", tell=say
    )
    seconds, wall = time.process_time() - begun, time.perf_counter() - begun_wall
    assert found.best is not None and len(found.finished) == TRIALS
    say(f"seed {seed}: searched for {seconds:.0f} s of processor time, {wall:.0f} s by the clock")
    blocks = found.wanted.blocks(found.best)
    say(f"seed {seed}: found {blocks}, target {found.target_ms:.3f} ms")

    options = [{"name": "searched", "blocks": blocks}] + [{"name": "mobilenet_v2", "dropout": 0.0} | o for o in MOBILE]
    networks = [
        create_model(o["name"], num_classes=10, in_channels=1, **{k: v for k, v in o.items() if k != "name"})
        for o in options
    ]
    known = found.again["best"]
    batches = {}
    for batch in (1, 32):
        times = interleaved(networks, torch.randn(batch, 1, 28, 28), rounds=20 if batch == 1 else 3)
        batches[batch] = [ratio_to(one, times[0]) for one in times]
    latency = [known * ratio for ratio in batches[1]]
    accuracy = []
    for option, ms, wide in zip(options, latency, batches[32], strict=True):
        accuracy.append(trained(recipe.with_values({"model": option, "name": "final"}), tmp_path / "runs"))
        told = {key: value for key, value in option.items() if key != "dropout"}
        say(f"seed {seed}: {told}: test accuracy {accuracy[-1]:.4f}, {ms:.3f} ms; at 32 pictures {wide:.2f} x found")
    for ms, correct in zip(latency[1:], accuracy[1:], strict=True):
        assert not (ms <= latency[0] and correct > accuracy[0]), "a MobileNetV2 beats what was found"
    beaten = sum(ms >= latency[0] and c <= accuracy[0] for ms, c in zip(latency[1:], accuracy[1:], strict=True))
    say(f"seed {seed}: beats {beaten} of {len(MOBILE)} MobileNetV2s in both")
    assert beaten >= 1, "it is compared with something"
    assert seconds <= SEARCH_SECONDS
