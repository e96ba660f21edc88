"""Stochastic pooling: its law, gradients, expected value, and what it does with zeros, NaN and negative values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from neuropil.errors import InputError
from neuropil.formulas import pooling as formulas
from neuropil.nn.stochastic_pooling import StochasticPooling

DRAWS = 1_000_000


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


def seeded(layer: StochasticPooling, x: Tensor, seed: int = 0) -> Tensor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        said: Tensor = layer(x)
    return said


# the law


def many_draws(layer: StochasticPooling, mat: Tensor, count: int, seed: int) -> Tensor:
    """`[count, M, N]`: the map pooled again and again."""
    parts = 10
    maps = mat.expand(1, count // parts, *mat.shape)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.cat([layer(maps)[0] for _ in range(parts)])


def law(mat: Tensor, K: int, L: int, stride: int, padding: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    seen = formulas.windows(mat.double().numpy(), K, L, stride, padding).reshape(-1, K * L)
    return seen, seen / seen.sum(axis=1, keepdims=True)


def p_values(seed: int, dtype: torch.dtype, layout: torch.memory_format) -> list[float]:
    """Nine windows of 3x3, all but the middle one on the border, a million draws of each against `a_i / sum a`."""
    values = torch.arange(25.0)[torch.randperm(25, generator=torch.Generator().manual_seed(1))].reshape(5, 5)
    layer, maps = StochasticPooling(3, 2, 1), values.to(dtype).expand(1, DRAWS // 10, 5, 5)
    maps, counts = maps.to(memory_format=layout), torch.zeros(9, 25)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for _ in range(10):
            said = layer(maps)[0].flatten(1).long()
            counts += torch.stack([window.bincount(minlength=25) for window in said.T])
    found = []
    for drawn, seen, p in zip(counts.numpy(), *law(values, 3, 3, 2, 1), strict=True):
        expected = np.zeros(25)
        np.add.at(expected, seen.astype(int), p * DRAWS)
        assert drawn[expected == 0].sum() == 0, "padding, a zero or a place outside the window was drawn"
        found.append(stats.chisquare(drawn[expected > 0], expected[expected > 0]).pvalue)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_million_draws_of_each_window_follow_the_papers_law(dtype: torch.dtype, layout: torch.memory_format) -> None:
    """Equation 4. By chance alone one of the nine falls below 0.01 for one seed in twelve; below are many seeds."""
    assert min(p_values(1, dtype, layout)) > 0.01


@pytest.mark.proof
def test_the_p_values_of_many_seeds_are_spread_evenly() -> None:
    found = [p for seed in range(24) for p in p_values(seed, torch.float32, torch.contiguous_format)]
    assert stats.kstest(found, "uniform").pvalue > 0.01


def test_windows_that_overlap_draw_for_themselves() -> None:
    said = many_draws(StochasticPooling((1, 3), 1), torch.tensor([[1.0, 2.0, 3.0, 4.0]]), 100_000, seed=0)[:, 0].long()
    together = (said[:, 0] * 5 + said[:, 1]).bincount(minlength=25).reshape(5, 5)[1:4, 2:5]
    assert together.sum() == 100_000
    expected = np.outer(np.array([1, 2, 3]) / 6, np.array([2, 3, 4]) / 9) * 100_000
    assert stats.chisquare(together.numpy().ravel(), expected.ravel()).pvalue > 0.01


def test_the_mean_of_many_draws_is_what_inference_says() -> None:
    mat, layer, count = draw(5, 5), StochasticPooling(3, 2, 1), 100_000
    said = many_draws(layer, mat, count, seed=0).flatten(1).numpy()
    expected = layer.eval()(mat[None, None]).flatten().numpy()
    seen, p = law(mat, 3, 3, 2, 1)
    deviation = np.sqrt((p * (seen - expected[:, None]) ** 2).sum(axis=1))
    np.testing.assert_array_less(np.abs(said.mean(axis=0) - expected), 4 * deviation / np.sqrt(count))


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [((2, 3), 2, 0), ((3, 3), 2, 1), ((3, 3), 1, 2), ((1, 1), 3, 0)]
)
def test_a_draw_is_the_formula(size: tuple[int, int], stride: int, padding: int) -> None:
    x = draw(2, 3, 7, 8) * (draw(2, 3, 7, 8).round() != 0)
    layer = StochasticPooling(size, stride, padding)
    said = seeded(layer, x, seed=4)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        draws = torch.rand(said.shape, dtype=torch.float64).numpy()
    for sample, channel in np.ndindex(2, 3):
        expected = formulas.stochastic_pooling(
            x[sample, channel].numpy(), draws[sample, channel], *size, stride, padding
        )
        np.testing.assert_array_equal(said[sample, channel].numpy(), expected)


def test_a_window_may_be_large() -> None:
    line, layer = draw(1, 1, 1, 700), StochasticPooling((1, 600), 50)
    said = seeded(layer, line.expand(1, 50, 1, 700))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = torch.rand(said.shape, dtype=torch.float64).numpy()
    expected = [formulas.stochastic_pooling(line[0, 0].numpy(), one, 1, 600, 50) for one in draws[0]]
    np.testing.assert_array_equal(said[0].numpy(), expected)


@pytest.mark.parametrize("shape", [(2, 3, 9), (2, 3, 9, 8), (2, 3, 5, 6, 7)])
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padding", [0, 1, "same"])
def test_it_says_elements_of_windows_like_max_pooling(shape: tuple[int, ...], ceil_mode: bool, padding: Any) -> None:
    from neuropil.nn.pooling import MaxPooling

    x = draw(*shape)
    said = StochasticPooling(3, 2, padding, ceil_mode)(x)
    largest, least = (MaxPooling(3, 2, padding, ceil_mode=ceil_mode)(sign * x) * sign for sign in (1, -1))
    assert said.shape == largest.shape
    assert ((least <= said) & (said <= largest)).all() and torch.isin(said, x).all()
    assert (said < largest).any()


# gradients


def test_the_gradient_goes_to_the_element_drawn() -> None:
    x = draw(2, 3, 7, 7).requires_grad_()
    said = seeded(StochasticPooling(3, 2), x)
    (gradient,) = torch.autograd.grad(said.sum(), x)
    times = (x.detach().flatten()[:, None] == said.detach().flatten()).sum(dim=1)
    assert torch.equal(gradient.flatten(), times.to(gradient.dtype))


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_of_training_are_those_of_finite_differences(layout: torch.memory_format) -> None:
    layer = StochasticPooling(3, 2, 1)
    x = draw(2, 3, 5, 6).to(memory_format=layout).requires_grad_()
    assert gradcheck(lambda x: seeded(layer, x), x)
    assert gradgradcheck(lambda x: seeded(layer, x).square(), x)


def test_the_gradient_of_inference_is_that_of_the_expected_value() -> None:
    x = draw(1, 1, 3, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(StochasticPooling(3).eval()(x).sum(), x)
    a, total = x.detach(), x.detach().sum()
    torch.testing.assert_close(gradient, (2 * a * total - (a * a).sum()) / total**2, rtol=1e-12, atol=0)


# zeros, large values, NaN


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_window_of_zeros_gives_zero_and_no_gradient(training: bool, layout: torch.memory_format) -> None:
    x = torch.zeros(2, 3, 6, 6)
    x[:, :, 2:4, 2:4] = 5.0
    x = x.to(memory_format=layout).requires_grad_()
    said = StochasticPooling(2, padding=1).train(training)(x)
    expected = torch.zeros(2, 3, 4, 4)
    expected[:, :, 1:3, 1:3] = 5.0
    assert torch.equal(said, expected)
    (gradient,) = torch.autograd.grad(said.sum(), x)
    zeros = F.max_pool2d(x, 2, padding=1).detach() == 0
    around = F.interpolate(zeros.float(), scale_factor=2)[:, :, 1:-1, 1:-1] == 1
    assert (gradient[around] == 0).all() and gradient.isfinite().all()
    # the derivative is 1 at a window's only value; at inference -1 at each zero beside it
    assert gradient.sum() == 24 * (1 if training else 1 - 3)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_large_and_small_values_neither_overflow_nor_vanish(dtype: torch.dtype, training: bool) -> None:
    for value in (0.99 * torch.finfo(dtype).max, torch.finfo(dtype).tiny):
        x = torch.full((1, 1, 5, 5), value, dtype=dtype)
        said = StochasticPooling(3, 2, 1).train(training)(x)
        assert said.dtype == dtype
        torch.testing.assert_close(said, torch.full_like(said, value), atol=0, rtol=2 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_shows_in_its_windows_alone(value: float, training: bool) -> None:
    x = torch.full((1, 1, 4, 6), 2.0)
    x[0, 0, 1, 3] = value
    said = StochasticPooling(2).train(training)(x)
    assert said.isnan().tolist() == [[[[False, True, False], [False, False, False]]]]
    assert (said[~said.isnan()] == 2).all()


def test_negative_values_are_refused() -> None:
    x = torch.ones(1, 1, 2, 2)
    x[0, 0, 1, 0] = -0.5
    for layer in (StochasticPooling(2), StochasticPooling(2).eval()):
        with pytest.raises(InputError, match=r"a value of -0\.5 was given .* as ReLU before it does"):
            layer(x)
        assert layer(torch.full((1, 1, 2, 2), -0.0)).item() == 0
        assert layer(x.relu()).item() <= 1
    with pytest.raises(InputError, match=r"int64 values .* use x\.float\(\)"):
        StochasticPooling(2)(x.long())


@pytest.mark.parametrize("training", [True, False])
def test_negative_values_show_as_nan_where_no_code_looks_at_values(training: bool) -> None:
    torch._dynamo.reset()
    x = torch.ones(1, 1, 4, 4)
    x[0, 0, 0, 0] = -0.5
    layer = StochasticPooling(2).train(training)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    assert compiled(x).isnan().flatten().tolist() == [True, False, False, False]
    exported = torch.export.export(layer, (x,)).module()
    assert exported(x).isnan().flatten().tolist() == [True, False, False, False]


# random numbers


def test_the_same_seed_draws_the_same_and_a_resumed_run_goes_on() -> None:
    x, layer = draw(4, 8, 9, 9, dtype=torch.float32), StochasticPooling(3, 2)
    assert torch.equal(seeded(layer, x), seeded(layer, x))
    assert not torch.equal(seeded(layer, x), seeded(layer, x, seed=1))
    with torch.random.fork_rng():
        layer(x)
        state = torch.get_rng_state()
        first = [layer(x) for _ in range(3)]
        torch.set_rng_state(state)
        assert all(torch.equal(layer(x), one) for one in first)
        assert not torch.equal(first[0], first[1])
    before = torch.get_rng_state()
    layer.eval()(x)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.slow
def test_a_compiled_layer_draws_as_the_plain_one() -> None:
    torch._dynamo.reset()
    x, layer = draw(2, 3, 9, 8).requires_grad_(), StochasticPooling(3, 2, 1)
    compiled: Any = torch.compile(layer, fullgraph=True, backend="aot_eager")
    seen = [seeded(one, x, seed=2) for one in (layer, compiled)]
    assert torch.equal(*seen)
    assert torch.equal(*(torch.autograd.grad(said.sum(), x)[0] for said in seen))


@pytest.mark.proof
@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # of torch's own compiler
def test_the_compiler_draws_by_the_law_too() -> None:
    torch._dynamo.reset()
    layer = StochasticPooling((1, 3))
    compiled: Any = torch.compile(layer, fullgraph=True)
    x = torch.tensor([1.0, 2.0, 5.0]).expand(1, 1, 100_000, 3).contiguous().requires_grad_()
    said = seeded(compiled, x)
    counts = [int((said == value).sum()) for value in (1, 2, 5)]
    assert stats.chisquare(counts, np.array([1, 2, 5]) / 8 * 100_000).pvalue > 0.01
    (gradient,) = torch.autograd.grad(said.sum(), x)
    assert torch.equal(gradient, (x.detach() == said.detach()).float())
