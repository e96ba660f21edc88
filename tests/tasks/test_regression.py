"""Regression against torch.nn.functional and scikit-learn."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn import metrics as oracle
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.nn.contracts import Task
from neuropil.tasks import TASKS
from neuropil.tasks.regression import Regression

MEAN, SCALE = [10.0, -3.0], [2.0, 0.5]


def batch(inputs: Tensor, targets: Tensor, start: int = 0) -> Any:
    return SimpleNamespace(inputs=inputs, targets=targets, indices=np.arange(start, start + len(inputs)))


def random_case(n: int = 53) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    outputs = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    noise = 0.3 * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    return outputs, (outputs + noise) * torch.tensor(SCALE) + torch.tensor(MEAN)


def scored(task: Regression, outputs: Tensor, targets: Tensor, sizes: list[int]) -> Any:
    scorer, start = task.scorer(), 0
    for size in sizes:
        scorer.update(nn.Identity(), batch(outputs[start : start + size], targets[start : start + size], start))
        start += size
    return scorer


def test_the_catalogue_builds_a_task() -> None:
    task: Task = TASKS.build("regression", targets=["a"], mean=(1.0,), scale=np.array([2.0]), loss="huber")
    assert (task.name, task.metric, task.metric_mode) == ("regression", "r2", "max")
    with pytest.raises(InputError, match="did you mean 'squared'"):
        TASKS.build("regression", targets=["a"], loss="square")


@pytest.mark.parametrize(
    ("loss", "function"), [("squared", F.mse_loss), ("absolute", F.l1_loss), ("huber", F.huber_loss)]
)
def test_step_is_the_loss_of_standardized_values(loss: Any, function: Any) -> None:
    outputs, targets = random_case()
    task = Regression(["a", "b"], mean=MEAN, scale=SCALE, loss=loss)
    found, carry = task.step(nn.Identity(), batch(outputs, targets), "carried")
    wanted = function(outputs, (targets - torch.tensor(MEAN)) / torch.tensor(SCALE))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)
    assert carry == "carried"
    assert scored(task, outputs, targets, [50, 3]).compute()["loss"] == pytest.approx(float(wanted), rel=1e-12)


def test_one_target_as_a_vector_or_as_a_column() -> None:
    outputs, targets = random_case()
    o, t = outputs[:, :1], targets[:, :1]
    task = Regression(["a"], mean=MEAN[:1], scale=SCALE[:1])
    wanted = float(F.mse_loss(o, (t - 10) / 2))
    for given in (batch(o, t), batch(o, t[:, 0]), batch(o[:, 0], t), batch(o[:, 0], t[:, 0])):
        assert float(task.step(nn.Identity(), given, None)[0]) == pytest.approx(wanted, rel=1e-12)
        scorer = task.scorer()
        scorer.update(nn.Identity(), given)
        assert scorer.compute()["r2"] == pytest.approx(oracle.r2_score(t, o * 2 + 10), rel=1e-12)
        assert scorer.details()["truth"].shape == (53, 1)


def test_float32_network_with_float64_statistics_stays_float32() -> None:
    model = nn.Linear(3, 1)
    task = Regression(["a"], mean=[1e3], scale=[7.0])
    loss, _ = task.step(model, batch(torch.randn(4, 3), torch.full((4, 1), 1007.0)), None)
    assert loss.dtype is torch.float32
    loss.backward()
    assert model.weight.grad is not None
    half, _ = task.step(lambda x: x.bfloat16(), batch(torch.ones(4, 1), torch.full((4, 1), 1007.0)), None)  # type: ignore[arg-type]
    assert (half.dtype, float(half)) == (torch.float32, 0.0)


@pytest.mark.parametrize("sizes", [[53], [25, 25, 3], [1] * 53])
def test_metrics_of_uneven_batches_in_the_units_of_the_data(sizes: list[int]) -> None:
    outputs, targets = random_case()
    scorer = scored(Regression(["a", "b"], mean=MEAN, scale=SCALE), outputs, targets, sizes)
    predicted = outputs * torch.tensor(SCALE) + torch.tensor(MEAN)
    found = scorer.compute()
    del found["loss"]
    wanted = {
        "r2": oracle.r2_score(targets, predicted),
        "rmse": oracle.root_mean_squared_error(targets, predicted),
        "mae": oracle.mean_absolute_error(targets, predicted),
    }
    assert found == pytest.approx(wanted, rel=1e-12)
    details = scorer.details()
    np.testing.assert_allclose(details["predicted"], predicted, rtol=1e-15)
    np.testing.assert_array_equal(details["truth"], targets)
    np.testing.assert_array_equal(details["indices"], np.arange(53))
    assert details["losses"].shape == (53,)


@pytest.mark.parametrize("miss", [0.0, 0.5])
def test_a_target_that_never_changes(miss: float) -> None:
    targets = torch.full((6, 1), 4.0, dtype=torch.float64)
    found = scored(Regression(["a"]), targets + miss, targets, [4, 2]).compute()
    assert found["r2"] == oracle.r2_score(targets, targets + miss)


def test_answer_is_plain_and_in_units() -> None:
    rows = Regression(["a", "b"], mean=MEAN, scale=SCALE).answer(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
    assert rows == [{"a": 10.0, "b": -2.0}, {"a": 12.0, "b": -3.0}]
    assert json.loads(json.dumps(rows)) == rows
    assert Regression(["a"]).answer(torch.tensor([1.5])) == [{"a": 1.5}]


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        (torch.zeros(4, 3), torch.zeros(4, 2), r"\[N, 2\], but \[4, 3\].*num_classes=2"),
        (torch.zeros(4, 2), torch.zeros(4), r"\[N, 2\], but \[4\]"),
        (torch.zeros(4, 2), torch.zeros(5, 2), r"outputs are \[4, 2\], but the targets are \[5, 2\]"),
        (torch.tensor(0.0), torch.zeros(4, 2), r"but \[\] was given"),
    ],
)
def test_refuses_what_does_not_fit(outputs: Tensor, targets: Tensor, message: str) -> None:
    task = Regression(["a", "b"])
    given = SimpleNamespace(inputs=outputs, targets=targets, indices=np.arange(4))
    with pytest.raises(InputError, match=message):
        task.step(nn.Identity(), given, None)
    with pytest.raises(InputError, match=message):
        task.scorer().update(nn.Identity(), given)


def test_refuses_wrong_options() -> None:
    with pytest.raises(InputError, match="at least one target"):
        Regression([])
    with pytest.raises(InputError, match="mean needs one finite number for each of the 2 targets"):
        Regression(["a", "b"], mean=[1.0])
    with pytest.raises(InputError, match="scale must be above 0"):
        Regression(["a"], scale=[0.0])
    with pytest.raises(InputError, match="finite"):
        Regression(["a"], mean=[float("nan")])
    with pytest.raises(InputError, match="squared, absolute, huber"):
        Regression(["a"], loss="cubed")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"\[N, 1\] or \[N\]"):
        Regression(["a"]).answer(torch.zeros(2, 2))
    with pytest.raises(InputError, match="no batch was scored"):
        Regression(["a"]).scorer().compute()
