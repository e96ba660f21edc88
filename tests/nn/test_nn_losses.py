"""Losses of classes, values and sequences against torch, scikit-learn, Keras and the chapter's formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.formulas import losses as formulas
from neuropil.nn.losses import cross_entropy, mask_of_lengths, squared_error

WEIGHTS = torch.tensor([0.5, 1.0, 3.0, 0.25], dtype=torch.float64)
SHAPES = [(7, 4), (3, 4, 6), (2, 4, 3, 5)]


def draw(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    """Logits and class numbers."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, dtype=torch.float64, generator=generator) * 3
    return logits, torch.randint(shape[1], (shape[0], *shape[2:]), generator=generator)


def close(said: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(said, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("ignored", [None, 2, -100])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_class_numbers_is_torchs(
    shape: tuple[int, ...], weights: Tensor | None, smoothing: float, ignored: int | None, reduction: Any
) -> None:
    logits, targets = draw(shape)
    if ignored is not None:
        targets[0] = ignored
    given, wanted = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    options = {"label_smoothing": smoothing, "reduction": reduction}
    said = cross_entropy(given, targets, class_weights=weights, ignore_index=ignored, **options)
    number = -99 if ignored is None else ignored
    expected = F.cross_entropy(wanted, targets, weights, ignore_index=number, **options)
    close(said, expected)
    said.sum().backward()
    expected.sum().backward()
    assert given.grad is not None and wanted.grad is not None
    close(given.grad, wanted.grad)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_probabilities_is_torchs(weights: Tensor | None, reduction: Any) -> None:
    for shape in SHAPES:
        logits, _ = draw(shape)
        targets = draw(shape, 1)[0].softmax(1)
        said = cross_entropy(logits, targets, class_weights=weights, label_smoothing=0.1, reduction=reduction)
        close(said, F.cross_entropy(logits, targets, weights, label_smoothing=0.1, reduction=reduction))


def test_a_weight_of_two_counts_a_sample_twice() -> None:
    """scikit-learn's weighted log loss."""
    metrics = pytest.importorskip("sklearn.metrics")
    logits, targets = draw((40, 4))
    said = cross_entropy(logits, targets, class_weights=WEIGHTS)
    expected = metrics.log_loss(
        targets.numpy(), logits.softmax(1).numpy(), sample_weight=WEIGHTS[targets].numpy(), labels=range(4)
    )
    assert said.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize("soft", [False, True])
def test_a_mask_leaves_the_steps_that_are_real(weights: Tensor | None, soft: bool) -> None:
    """Sequences of 6, 2 and 0 steps say what their 8 steps in one batch say; NaN in the padding has no influence."""
    logits, numbers = draw((3, 4, 6))
    targets = draw((3, 4, 6), 1)[0].softmax(1) if soft else numbers
    lengths = [6, 2, 0]
    together = torch.cat([logits[n, :, :length].T for n, length in enumerate(lengths)])
    truth = [targets[n, ..., :length] for n, length in enumerate(lengths)]
    one_batch = torch.cat([one.T for one in truth] if soft else truth)
    mask = mask_of_lengths(torch.tensor(lengths), 6)
    padded = logits.masked_fill(~mask[:, None], float("nan")).requires_grad_()
    for reduction in ("mean", "sum"):
        said = cross_entropy(padded, targets, class_weights=weights, mask=mask, reduction=reduction)
        close(said, F.cross_entropy(together, one_batch, weights, reduction=reduction))
    said.backward()
    assert padded.grad is not None and padded.grad.isfinite().all() and not padded.grad[2].any()
    steps = cross_entropy(padded, targets, class_weights=weights, mask=mask, reduction="none")
    assert not steps[~mask].any() and steps[mask].all()


def test_the_chapters_sum_over_steps() -> None:
    """E = sum_t E_t, each step by the formula."""
    logits, targets = draw((1, 4, 6))
    probabilities = logits[0].softmax(0).T.numpy()
    expected = formulas.cross_entropy(np.eye(4)[targets[0].numpy()], probabilities)
    np.testing.assert_allclose(cross_entropy(logits, targets, reduction="none")[0].numpy(), expected, rtol=1e-12)
    assert cross_entropy(logits, targets, reduction="sum").item() == pytest.approx(expected.sum(), rel=1e-12)
    outputs, truth = logits, draw((1, 4, 6), 1)[0]
    expected = formulas.squared_error(truth[0].T.numpy(), outputs[0].T.numpy())
    np.testing.assert_allclose(squared_error(outputs, truth, reduction="none")[0].numpy(), expected, rtol=1e-12)
    assert squared_error(outputs, truth, reduction="sum").item() == pytest.approx(expected.sum(), rel=1e-12)


def test_nothing_that_counts_costs_nothing() -> None:
    for options in (
        {"ignore_index": 1},
        {"mask": torch.zeros(2, 5, dtype=torch.bool)},
        {"class_weights": torch.tensor([1.0, 0.0, 1.0])},
    ):
        logits = torch.randn(2, 3, 5, requires_grad=True)
        loss = cross_entropy(logits, torch.ones(2, 5).long(), **options)  # type: ignore[arg-type]
        loss.backward()
        assert loss.item() == 0 and logits.grad is not None and not logits.grad.any()
    outputs = torch.randn(2, 3, 5, requires_grad=True)
    loss = squared_error(outputs, torch.zeros(2, 3, 5), mask=torch.zeros(2, 5, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and outputs.grad is not None and not outputs.grad.any()


def test_nan_that_counts_is_said() -> None:
    logits = torch.zeros(2, 3)
    logits[1, 0] = float("nan")
    assert cross_entropy(logits, torch.tensor([0, 1])).isnan()
    assert squared_error(logits, torch.zeros(2, 3)).isnan()
    assert cross_entropy(logits, torch.tensor([0, -1]), ignore_index=-1).isfinite()


@pytest.mark.parametrize("shape", [(5,), (5, 3), (2, 3, 6), (2, 3, 4, 5)])
def test_squared_error_is_torchs(shape: tuple[int, ...]) -> None:
    outputs, targets = torch.randn(2, *shape, dtype=torch.float64)
    whole = F.mse_loss(outputs, targets, reduction="none")
    close(squared_error(outputs, targets), whole.mean())
    steps = whole if len(shape) == 1 else whole.mean(1)
    close(squared_error(outputs, targets, reduction="none"), steps)
    mask = torch.arange(steps.numel()).reshape(steps.shape) % 3 != 0
    padded = outputs.masked_fill(~mask if len(shape) == 1 else ~mask[:, None], float("nan"))
    close(squared_error(padded, targets, mask=mask), steps[mask].mean())
    close(squared_error(padded, targets, mask=mask, reduction="sum"), steps[mask].sum())


@pytest.mark.slow
def test_masked_squared_error_is_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    outputs, targets = torch.randn(2, 3, 4, 6)
    mask = mask_of_lengths([6, 2, 3], 6)
    theirs = keras.losses.MeanSquaredError(reduction="sum")(targets.mT, outputs.mT, sample_weight=mask.float())
    assert squared_error(outputs, targets, mask=mask, reduction="sum").item() == pytest.approx(float(theirs), rel=1e-5)
    mean = keras.losses.MeanSquaredError(reduction="mean_with_sample_weight")
    theirs = mean(targets.mT, outputs.mT, sample_weight=mask.float())
    assert squared_error(outputs, targets, mask=mask).item() == pytest.approx(float(theirs), rel=1e-5)


def test_gradients_are_those_of_finite_differences() -> None:
    logits, targets = draw((2, 4, 3))
    mask = mask_of_lengths([3, 1], 3)
    logits.requires_grad_()
    assert gradcheck(lambda x: cross_entropy(x, targets, class_weights=WEIGHTS, label_smoothing=0.1, mask=mask), logits)
    assert gradcheck(lambda x: squared_error(x, torch.ones_like(x), mask=mask), logits)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_precision(dtype: torch.dtype) -> None:
    logits, targets = draw((2, 4, 3))
    wanted = torch.float64 if dtype == torch.float64 else torch.float32
    assert cross_entropy(logits.to(dtype), targets, class_weights=WEIGHTS).dtype == wanted
    assert squared_error(logits.to(dtype), logits.to(dtype)).dtype == wanted


@pytest.mark.parametrize(
    ("targets", "options", "message"),
    [
        (torch.tensor([[0, 1], [4, 1]]), {}, "class number 4 is outside 0 to 3; number the classes from 0"),
        (torch.tensor([[0, 1], [-100, 1]]), {}, "class number -100 is outside 0 to 3; .* name it as ignore_index"),
        (torch.zeros(2, 3).long(), {}, "the class numbers are 2x3; they must be 2x2"),
        (torch.zeros(2, 2).int(), {}, "class numbers must be int64, but int32 was given"),
        (torch.zeros(2, 4), {}, "one probability for each class"),
        (torch.zeros(2, 2).long(), {"class_weights": torch.ones(3)}, "shape 3 were given for 4 classes"),
        (torch.zeros(2, 2).long(), {"mask": torch.ones(2, 2)}, "a mask 2x2 of float32 was given .* true or false"),
        (torch.zeros(2, 2).long(), {"mask": torch.ones(2).bool()}, "a mask 2 of bool .* for each of 2x2 samples"),
        (torch.zeros(2, 2).long(), {"label_smoothing": -0.1}, r"label smoothing of -0\.1"),
    ],
)
def test_cross_entropy_refuses(targets: Tensor, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        cross_entropy(torch.zeros(2, 4, 2), targets, **options)


def test_others_refuse() -> None:
    with pytest.raises(InputError, match=r"needs logits \[N, K\]"):
        cross_entropy(torch.zeros(4), torch.tensor(1))
    with pytest.raises(InputError, match="a mask 2x3 of bool was given for values 2x3x4"):
        squared_error(torch.zeros(2, 3, 4), torch.zeros(2, 3, 4), mask=torch.ones(2, 3).bool())
    for wrong in (-1, 4):
        with pytest.raises(InputError, match=f"a length of {wrong} was given for sequences padded to 3 steps"):
            mask_of_lengths([1, wrong], 3)
