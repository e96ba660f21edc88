"""Classification against torch.nn.functional and scikit-learn."""

from __future__ import annotations

import json
from dataclasses import dataclass
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
from neuropil.tasks.classification import Classification


@dataclass
class Given:
    inputs: Tensor
    targets: Tensor
    indices: np.ndarray[Any, Any]


def batches(outputs: Tensor, targets: Tensor, sizes: list[int]) -> list[Given]:
    """Batches whose inputs already are the logits."""
    starts = np.cumsum([0, *sizes[:-1]])
    return [
        Given(outputs[a : a + n], targets[a : a + n], np.arange(a, a + n)) for a, n in zip(starts, sizes, strict=True)
    ]


def random_case(num_classes: int, seed: int = 0, n: int = 103) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(n, num_classes, generator=generator, dtype=torch.float64)
    targets = torch.randint(num_classes, (n,), generator=generator)
    outputs[torch.arange(n), targets] += 0.7
    return outputs, targets


def names(num_classes: int) -> list[str]:
    return [f"class {number}" for number in range(num_classes)]


def scored(task: Classification, outputs: Tensor, targets: Tensor, sizes: list[int]) -> Any:
    scorer = task.scorer()
    for batch in batches(outputs, targets, sizes):
        scorer.update(nn.Identity(), batch)
    return scorer


def test_the_catalogue_builds_a_task() -> None:
    task: Task = TASKS.build("classification", classes=["a", "b"], label_smoothing=0.1)
    assert (task.name, task.metric, task.metric_mode) == ("classification", "accuracy", "max")
    with pytest.raises(InputError, match="label_smoothing"):
        TASKS.build("classification", classes=["a", "b"], label_smooting=0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [None, [0.5, 1.0, 3.0]])
@pytest.mark.parametrize("soft", [False, True])
def test_step_is_cross_entropy(smoothing: float, weights: list[float] | None, soft: bool) -> None:
    outputs, targets = random_case(3)
    wanted_targets = targets
    if soft:
        wanted_targets = 0.3 * F.one_hot(targets, 3).double() + 0.7 * F.one_hot(targets.roll(1), 3)
    task = Classification(names(3), label_smoothing=smoothing, class_weights=weights)
    loss, carry = task.step(nn.Identity(), Given(outputs, wanted_targets, np.arange(103)), "carried")
    tensor = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    wanted = F.cross_entropy(outputs, wanted_targets, tensor, label_smoothing=smoothing)
    torch.testing.assert_close(loss, wanted, rtol=1e-12, atol=0)
    assert carry == "carried"


def test_the_loss_trains() -> None:
    model = nn.Linear(4, 3)
    task = Classification(names(3))
    loss, _ = task.step(model, Given(torch.randn(5, 4), torch.tensor([0, 1, 2, 1, 0]), np.arange(5)), None)
    loss.backward()
    assert model.weight.grad is not None
    assert model.weight.grad.abs().sum() > 0


def test_half_precision_outputs_give_a_float32_loss() -> None:
    outputs, targets = random_case(3)
    loss, _ = Classification(names(3)).step(nn.Identity(), Given(outputs.bfloat16(), targets, np.arange(103)), None)
    torch.testing.assert_close(loss, F.cross_entropy(outputs.bfloat16().float(), targets))


@pytest.mark.parametrize("sizes", [[103], [50, 50, 3], [1] * 103])
@pytest.mark.parametrize("num_classes", [2, 4, 9])
def test_metrics_of_uneven_batches(num_classes: int, sizes: list[int]) -> None:
    outputs, targets = random_case(num_classes, seed=num_classes)
    found = scored(Classification(names(num_classes)), outputs, targets, sizes).compute()
    truth, predicted = targets.numpy(), outputs.argmax(1).numpy()
    wanted = {
        "loss": float(F.cross_entropy(outputs, targets)),
        "accuracy": oracle.accuracy_score(truth, predicted),
        "balanced_accuracy": oracle.balanced_accuracy_score(truth, predicted),
        "macro_f1": oracle.f1_score(truth, predicted, average="macro"),
    }
    if num_classes == 2:
        wanted["auc"] = oracle.roc_auc_score(truth, outputs.softmax(1)[:, 1])
    if num_classes > 5:
        wanted["top5_accuracy"] = oracle.top_k_accuracy_score(truth, outputs.numpy(), k=5)
    assert found == pytest.approx(wanted, rel=1e-12)
    assert all(type(one) is float for one in found.values())


def test_classes_that_never_come() -> None:
    """As in scikit-learn: recall over the true classes, F1 over the true or predicted ones."""
    truth, predicted = torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 2, 1, 1, 0])
    outputs = F.one_hot(predicted, 5).double()
    found = scored(Classification(names(5)), outputs, truth, [2, 3]).compute()
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        assert found["balanced_accuracy"] == oracle.balanced_accuracy_score(truth, predicted)
    assert found["macro_f1"] == pytest.approx(oracle.f1_score(truth, predicted, average="macro", zero_division=0))


def test_auc_with_ties_and_with_one_class() -> None:
    generator = np.random.default_rng(3)
    truth, scores = generator.integers(0, 2, 200), generator.integers(0, 7, 200) / 4
    outputs = torch.from_numpy(np.stack([np.zeros(200), scores], axis=1))
    found = scored(Classification(names(2)), outputs, torch.from_numpy(truth), [150, 50]).compute()
    assert found["auc"] == pytest.approx(oracle.roc_auc_score(truth, scores), rel=1e-12)
    assert "auc" not in scored(Classification(names(2)), outputs, torch.ones(200).long(), [200]).compute()


def test_smoothed_and_weighted_loss_of_an_evaluation_is_the_trained_one() -> None:
    outputs, targets = random_case(3)
    task = Classification(names(3), label_smoothing=0.1, class_weights=[0.2, 1.0, 5.0])
    wanted, _ = task.step(nn.Identity(), Given(outputs, targets, np.arange(103)), None)
    assert scored(task, outputs, targets, [100, 3]).compute()["loss"] == pytest.approx(float(wanted), rel=1e-12)


def test_details() -> None:
    outputs, targets = random_case(4)
    details = scored(Classification(names(4)), outputs, targets, [60, 43]).details()
    truth, predicted = targets.numpy(), outputs.argmax(1).numpy()
    np.testing.assert_array_equal(details["indices"], np.arange(103))
    np.testing.assert_array_equal(details["truth"], truth)
    np.testing.assert_array_equal(details["predicted"], predicted)
    np.testing.assert_array_equal(details["confusion"], oracle.confusion_matrix(truth, predicted, labels=range(4)))
    np.testing.assert_allclose(details["losses"], F.cross_entropy(outputs, targets, reduction="none"), rtol=1e-12)
    np.testing.assert_allclose(details["probability"], outputs.softmax(1).max(1).values, rtol=1e-12)


def test_soft_targets_are_scored_by_their_likeliest_class() -> None:
    outputs, targets = random_case(3)
    soft = 0.8 * F.one_hot(targets, 3).double() + 0.1
    found = scored(Classification(names(3)), outputs, soft, [100, 3]).compute()
    assert found["loss"] == pytest.approx(float(F.cross_entropy(outputs, soft)), rel=1e-12)
    assert found["accuracy"] == oracle.accuracy_score(targets, outputs.argmax(1))


def test_answer_is_plain_and_sorted() -> None:
    outputs = torch.tensor([[0.0, 1.0, 2.0, -1.0, 0.5, 0.25, 3.0], [9.0, 0, 0, 0, 0, 0, 0]])
    first, second = Classification(names(7)).answer(outputs)
    assert first["class"] == "class 6"
    assert [name for name, _ in first["top"]] == [f"class {k}" for k in (6, 2, 1, 4, 5)]
    assert first["probability"] == first["top"][0][1] == pytest.approx(float(outputs.softmax(1)[0, 6]))
    assert second["class"] == "class 0"
    assert json.loads(json.dumps([first, second])) == [first, second]
    assert len(Classification(names(3)).answer(torch.zeros(1, 3))[0]["top"]) == 3


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        (torch.zeros(4, 5), torch.zeros(4).long(), r"\[4, 5\].*3 classes.*num_classes=3"),
        (torch.zeros(4, 3, 2), torch.zeros(4).long(), r"\[4, 3, 2\]"),
        (torch.zeros(4, 3), torch.zeros(5).long(), r"targets are \[5\].*outputs \[4, 3\]"),
        (torch.zeros(4, 3), torch.zeros(4, 2), r"targets are \[4, 2\]"),
        (torch.zeros(4, 3), torch.zeros(4), r"targets are \[4\] of float32"),
        (torch.zeros(4, 3), torch.zeros(4).int(), r"int64.*int32.*targets.long"),
        (torch.zeros(4, 3), torch.tensor([0, 1, 3, 1]), r"class number 3 is outside 0 to 2"),
        (torch.zeros(4, 3), torch.tensor([0, -1, 2, 1]), r"class number -1 is outside 0 to 2"),
        (torch.zeros(4, 3), torch.tensor([0, -100, 2, 1]), r"class number -100 is outside 0 to 2"),
    ],
)
def test_refuses_what_does_not_fit(outputs: Tensor, targets: Tensor, message: str) -> None:
    task, batch = Classification(names(3)), Given(outputs, targets, np.arange(len(targets)))
    with pytest.raises(InputError, match=message):
        task.step(nn.Identity(), batch, None)
    with pytest.raises(InputError, match=message):
        task.scorer().update(nn.Identity(), batch)


@pytest.mark.parametrize("wrong", [-100, -1, 3])
def test_refuses_a_class_number_in_a_later_batch(wrong: int) -> None:
    task = Classification(names(3))
    task.step(nn.Identity(), Given(torch.zeros(2, 3), torch.tensor([0, 1]), np.arange(2)), None)
    with pytest.raises(InputError, match=f"class number {wrong} is outside 0 to 2"):
        task.step(nn.Identity(), Given(torch.zeros(2, 3), torch.tensor([0, wrong]), np.arange(2)), None)


def test_balanced_weights_are_scikit_learns() -> None:
    weight = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    outputs, targets = random_case(3)
    targets = torch.where(torch.arange(103) < 60, 0, targets)
    wanted = weight("balanced", classes=np.arange(3), y=targets.numpy())
    task = Classification(names(3), class_weights="balanced", class_counts=targets.bincount().tolist())
    loss, _ = task.step(nn.Identity(), Given(outputs, targets, np.arange(103)), None)
    assert float(loss) == pytest.approx(float(F.cross_entropy(outputs, targets, torch.from_numpy(wanted))), rel=1e-12)
    for counts in ((), (3, 0, 4)):
        with pytest.raises(
            InputError, match=r"training samples of each of the 3 classes, .* give the weights as a list"
        ):
            Classification(names(3), class_weights="balanced", class_counts=counts)


def test_refuses_wrong_options() -> None:
    with pytest.raises(InputError, match="at least two classes"):
        Classification(["only"])
    with pytest.raises(InputError, match="'a' stands there twice"):
        Classification(["a", "b", "a"])
    with pytest.raises(InputError, match=r"label_smoothing must be .* 1.0"):
        Classification(names(2), label_smoothing=1.0)
    with pytest.raises(InputError, match=r"3 classes, but 2 were given"):
        Classification(names(3), class_weights=[1.0, 2.0])
    with pytest.raises(InputError, match="above 0"):
        Classification(names(2), class_weights=[1.0, 0.0])
    with pytest.raises(InputError, match=r"\[1, 4\].*\[N, 3\]"):
        Classification(names(3)).answer(torch.zeros(1, 4))


def test_refuses_to_measure_nothing() -> None:
    scorer = Classification(names(3)).scorer()
    with pytest.raises(InputError, match="no batch was scored"):
        scorer.compute()
    with pytest.raises(InputError, match="no batch was scored"):
        scorer.details()
