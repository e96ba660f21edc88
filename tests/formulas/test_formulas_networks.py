"""The chapter's formulas against SciPy, scikit-learn and torch."""

from __future__ import annotations

import ast
import inspect

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch.nn import functional as F

from neuropil.formulas import FORMULAS
from neuropil.formulas.activation import relu, scaled_tanh, sigmoid, softmax, tanh
from neuropil.formulas.descent import gradient_descent, updates
from neuropil.formulas.detection import cell_loss, cell_of, iou, suppressed
from neuropil.formulas.dropout import draw_dropped, dropout
from neuropil.formulas.initialization import he, small_random, uniform, xavier
from neuropil.formulas.losses import cross_entropy, lasso, ridge, squared_error
from neuropil.formulas.pooling import max_pooling, subsampling
from neuropil.nn.boxes import box_iou
from neuropil.nn.grid import assign_cells, grid_loss
from neuropil.nn.suppression import nms

X = np.concatenate([np.linspace(-30, 30, 601), [-1e4, 1e4]])


@pytest.mark.parametrize("name", list(FORMULAS))
def test_a_formula_is_at_most_twelve_lines_and_names_its_row(name: str) -> None:
    formula = FORMULAS.builder(name)
    body = ast.parse(inspect.getsource(formula)).body[0].body  # type: ignore[attr-defined]
    assert body[-1].end_lineno - body[1].lineno + 1 <= 12  # body[0] is the docstring
    assert "row" in (formula.__doc__ or "")
    assert FORMULAS.describe(name).startswith("row")


def test_activations() -> None:
    np.testing.assert_array_equal(relu(X), F.relu(torch.from_numpy(X)).numpy())
    np.testing.assert_allclose(sigmoid(X), special.expit(X), rtol=1e-12)
    np.testing.assert_allclose(tanh(X), np.tanh(X), atol=1e-12)
    np.testing.assert_allclose(scaled_tanh(X), 1.7159 * np.tanh(2 / 3 * X), atol=1e-12)
    np.testing.assert_allclose(softmax(X.reshape(3, -1)), special.softmax(X.reshape(3, -1), axis=-1), rtol=1e-12)


@pytest.mark.parametrize(
    ("formula", "law"),
    [
        (uniform, stats.uniform(-np.sqrt(6 / 500), 2 * np.sqrt(6 / 500))),
        (xavier, stats.norm(0, 1 / np.sqrt(200))),
        (he, stats.norm(0, 1 / np.sqrt(100))),
        (small_random, stats.norm(0, 0.01)),
    ],
)
def test_starts_follow_their_law(formula, law) -> None:  # type: ignore[no-untyped-def]
    weight = formula(200, 300, np.random.default_rng(5))
    assert weight.shape == (300, 200)
    assert stats.kstest(weight.ravel(), law.cdf).pvalue > 0.01


def test_dropout_leaves_out_a_fifth() -> None:
    dropped = draw_dropped(10_000, np.random.default_rng(0))
    assert stats.binomtest(int(dropped.sum()), 10_000, 0.2).pvalue > 0.01


def test_dropout_is_unbiased_in_both_scaled_forms_and_biased_in_the_chapters() -> None:
    nodes, random = np.full(10_000, 3.0), np.random.default_rng(0)
    dropped = draw_dropped(len(nodes), random)
    gap = {
        form: float(dropout(nodes, dropped, form).mean() - dropout(nodes, None, form).mean())  # type: ignore[arg-type]
        for form in ("chapter", "srivastava", "inverted")
    }
    assert abs(gap["srivastava"]) < 0.05 and abs(gap["inverted"]) < 0.05
    assert gap["chapter"] == pytest.approx(-0.6, abs=0.05)


def test_gradient_descent_is_torchs_sgd() -> None:
    weight = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    rule = torch.optim.SGD([weight], lr=0.1)
    ours = weight.detach().numpy().copy()
    for _ in range(20):
        rule.zero_grad()
        (weight**4).sum().backward()
        ours = gradient_descent(ours, 4 * ours**3, 0.1)
        rule.step()
    np.testing.assert_allclose(ours, weight.detach().numpy(), rtol=1e-10)


@pytest.mark.parametrize("batch_size", [1, 7, 32, 50])
def test_updates_are_torchs_loop(batch_size: int) -> None:
    random = np.random.default_rng(3)
    data = random.standard_normal((50, 3))
    ours = updates(np.zeros(2), data, lambda w, row: 2 * (row[:2] @ w - row[2]) * row[:2], 0.01, batch_size)
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    for batch in torch.from_numpy(data).split(batch_size):
        loss = F.mse_loss(batch[:, :2] @ weight, batch[:, 2])
        (gradient,) = torch.autograd.grad(loss, weight)
        weight = (weight - 0.01 * gradient).detach().requires_grad_()
    np.testing.assert_allclose(ours, weight.detach().numpy(), atol=1e-12)


def test_losses() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(1)
    probabilities = softmax(random.standard_normal((20, 5)))
    labels = random.integers(0, 5, 20)
    ours = cross_entropy(np.eye(5)[labels], probabilities).mean()
    assert ours == pytest.approx(metrics.log_loss(labels, probabilities, labels=range(5)), rel=1e-12)
    truth, said = random.standard_normal((2, 20, 3))
    assert squared_error(truth, said).mean() == pytest.approx(metrics.mean_squared_error(truth, said), rel=1e-12)


def test_cross_entropy_of_an_impossible_class_that_did_not_happen_is_finite() -> None:
    assert cross_entropy(np.array([1.0, 0.0]), np.array([1.0, 0.0])) == 0


def test_penalties_have_the_gradients_they_state() -> None:
    weight = torch.tensor([3.0, -4.0], dtype=torch.float64, requires_grad=True)
    (two,) = torch.autograd.grad(0.1 * weight.square().sum(), weight)
    (one,) = torch.autograd.grad(0.1 * weight.abs().sum(), weight)
    values, step = weight.detach().numpy(), 1e-6
    for penalty, gradient in ((ridge, two), (lasso, one)):
        for axis in range(2):
            shift = step * np.eye(2)[axis]
            slope = (penalty(values + shift, 0.1) - penalty(values - shift, 0.1)) / (2 * step)
            assert slope == pytest.approx(gradient[axis].item(), rel=1e-6)


@pytest.mark.parametrize(("K", "L"), [(1, 1), (2, 2), (3, 2), (2, 5)])
def test_max_pooling_is_torchs_with_the_rest_cropped(K: int, L: int) -> None:
    mat = np.random.default_rng(2).standard_normal((11, 13))
    theirs = F.max_pool2d(torch.from_numpy(mat)[None], (K, L))[0]
    np.testing.assert_array_equal(max_pooling(mat, K, L), theirs.numpy())


def test_subsampling_is_a_scaled_shifted_mean() -> None:
    mat = np.random.default_rng(2).standard_normal((7, 6))
    theirs = 0.3 * 4 * F.avg_pool2d(torch.from_numpy(mat)[None], 2)[0] - 0.5
    np.testing.assert_allclose(subsampling(mat, 0.3, -0.5), theirs.numpy(), atol=1e-12)


def test_yolos_formulas_say_what_the_fast_ones_say() -> None:
    """Each of the two was held to others elsewhere: onnxruntime, torchvision, darknet's formulas."""
    draw = np.random.default_rng(3)
    corners = draw.random((40, 2))
    boxes = np.concatenate([corners, corners + 0.4 * draw.random((40, 2))], axis=1)
    scores = draw.random(40)
    fast = nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.3)
    assert suppressed(boxes, scores, 0.3) == fast.tolist()
    overlap = box_iou(torch.from_numpy(boxes), torch.from_numpy(boxes))
    assert iou(boxes[0], boxes[1]) == pytest.approx(overlap[0, 1].item(), abs=1e-12)
    cells = assign_cells(torch.from_numpy(np.concatenate([np.zeros((40, 1)), boxes], axis=1))[:1, None], 7)
    row, column, truth = cell_of(boxes[0], 7)
    assert (row, column) == (cells.row.item(), cells.column.item())
    found, classes = draw.random((2, 5)), draw.random(3)
    outputs = torch.zeros(1, 7, 7, 13, dtype=torch.float64)
    outputs[0, row, column] = torch.from_numpy(np.concatenate([found.ravel(), classes]))
    target = torch.tensor([[[1.0, *boxes[0]]]], dtype=torch.float64)
    places = [np.array([one[0] / 7, one[1] / 7, one[2] ** 2, one[3] ** 2]) for one in (*found, truth)]
    places[2][2:] = truth[2:]
    edges = [np.concatenate([one[:2] - one[2:] / 2, one[:2] + one[2:] / 2]) for one in places]
    overlaps = [iou(edge, edges[2]) for edge in edges[:2]]
    best = int(np.argmax(overlaps))
    expected = cell_loss(found, classes, truth, 1, best, overlaps[best])
    assert grid_loss(outputs, target, 3).item() == pytest.approx(expected, abs=1e-12)
