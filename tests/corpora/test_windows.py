"""Windows of a text that overlap: every token is judged once, with enough before it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import neuropil
from neuropil.corpora.language import open_text
from neuropil.corpora.windows import WindowSamples
from neuropil.data.records import DataInfo
from neuropil.errors import InputError

INFO = DataInfo("text", "sequences", "next", (0,))
IGNORED = -100


@given(tokens=st.integers(2, 60), window=st.integers(1, 12), share=st.floats(0, 0.99))
def test_every_token_is_judged_once_with_its_history(tokens: int, window: int, share: float) -> None:
    history = int(window * share)
    numbers = np.arange(1, tokens + 1)
    samples = WindowSamples(numbers, window, INFO, history=history)
    inputs, targets = samples.fetch(np.arange(len(samples)))
    judged = targets != IGNORED
    assert sorted(targets[judged].tolist()) == list(range(2, tokens + 1))
    assert (inputs[judged] == targets[judged] - 1).all()
    before = np.cumsum(np.ones_like(inputs), 1)[judged]
    assert (before > np.minimum(history, targets[judged] - 2)).all()


@pytest.mark.parametrize("history", [-1, 8, 9])
def test_a_history_that_leaves_nothing_to_judge_is_refused(history: int) -> None:
    with pytest.raises(InputError, match="fewer than the window"):
        WindowSamples(np.arange(20), 8, INFO, history=history)


def test_only_windows_by_chance_have_a_history(tmp_path: Path) -> None:
    place = tmp_path / "text.txt"
    place.write_text("all that glitters is not gold\n" * 40)
    splits = open_text(root=str(place), window=16, order="random", history=8)
    assert splits.valid is not None and len(splits.valid) > 1.8 * (len(splits.valid.targets) - 16) / 16
    assert len(splits.train) == -(-len(splits.train.targets) // 16)
    with pytest.raises(InputError, match="random order"):
        open_text(root=str(place), window=16, history=8)


def test_a_run_judges_by_the_network_over_every_history(tmp_path: Path) -> None:
    place = tmp_path / "text.txt"
    place.write_text("".join(f"{number} squared is {number * number}\n" for number in range(120)))
    run = neuropil.train(
        "gpt-text", f"data={place}", "data.window=16", "data.history=12", "data.order=random", "epochs=1",
        "model.num_layers=1", "model.width=16", "model.num_heads=2", runs=tmp_path / "runs", progress=False,
    )  # fmt: skip
    test = open_text(root=str(place), window=16, order="random", history=12).test
    assert isinstance(test, WindowSamples)
    row = np.concatenate([test.fetch(np.array([0]))[0][0, :1], test.targets])
    total = 0.0
    with torch.no_grad():
        for place_of in range(1, len(row)):
            begin = 0 if place_of <= 16 else 4 * -(-(place_of - 16) // 4)
            logits = run.model(torch.from_numpy(row[None, begin:place_of]))
            logits = logits[0] if isinstance(logits, tuple) else logits
            total -= float(torch.log_softmax(logits[0, -1], 0)[row[place_of]])
    assert run.results["test"]["loss"] == pytest.approx(total / (len(row) - 1), abs=1e-5)
