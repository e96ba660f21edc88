"""Clipping against torch.nn.utils and NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neuropil.errors import InputError
from neuropil.optim.clipping import clip_by_global_norm, clip_by_value, global_norm


def weights(dtype: torch.dtype = torch.float64, scale: float = 1.0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    found = []
    for shape in ((3, 4), (4,), (2, 1, 3), ()):
        weight = torch.zeros(shape, dtype=dtype, requires_grad=True)
        weight.grad = (scale * torch.randn(shape, generator=generator, dtype=torch.float64)).to(dtype)
        found.append(weight)
    found.append(torch.zeros(5, requires_grad=True))  # no gradient
    return found


def as_one_vector(parameters: list[Tensor]) -> np.ndarray:
    return np.concatenate([p.grad.double().numpy().ravel() for p in parameters if p.grad is not None])


@pytest.mark.parametrize("max_norm", [0.5, 3.0])
def test_global_norm_clipping(max_norm: float) -> None:
    parameters, peers = weights(), weights()
    before = as_one_vector(parameters)
    norm = clip_by_global_norm(parameters, max_norm)
    wanted = torch.nn.utils.clip_grad_norm_(peers, max_norm)
    assert norm.shape == ()
    assert float(norm) == pytest.approx(np.linalg.norm(before), rel=1e-14)
    assert float(norm) == pytest.approx(float(wanted), rel=1e-14)
    np.testing.assert_allclose(as_one_vector(parameters), before * max_norm / np.linalg.norm(before), rtol=1e-14)
    np.testing.assert_allclose(as_one_vector(parameters), as_one_vector(peers), rtol=1e-5)


@pytest.mark.parametrize("max_norm", [1e6, math.inf])
def test_gradients_within_the_limit_keep_every_bit(max_norm: float) -> None:
    parameters = weights()
    before = as_one_vector(parameters)
    norm = clip_by_global_norm(parameters, max_norm)
    np.testing.assert_array_equal(as_one_vector(parameters), before)
    assert float(norm) == float(global_norm(parameters))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradients_that_are_not_finite_are_told_and_left(bad: float) -> None:
    parameters = weights()
    parameters[1].grad[0] = bad  # type: ignore[index]
    before = as_one_vector(parameters)
    norm = clip_by_global_norm(parameters, 1.0)
    assert not math.isfinite(float(norm))
    np.testing.assert_array_equal(as_one_vector(parameters), before)


def test_half_precision_is_summed_in_single() -> None:
    parameters = weights(torch.bfloat16)
    assert clip_by_global_norm(parameters, math.inf).dtype is torch.float32
    assert float(global_norm(parameters)) == pytest.approx(np.linalg.norm(as_one_vector(parameters)), rel=1e-6)


def test_no_gradient_has_norm_zero() -> None:
    assert float(clip_by_global_norm([torch.zeros(3, requires_grad=True)], 1.0)) == 0.0
    assert float(clip_by_global_norm([], 1.0)) == 0.0


def test_clip_by_value() -> None:
    parameters, peers = weights(scale=3.0), weights(scale=3.0)
    clip_by_value(parameters, 0.7)
    torch.nn.utils.clip_grad_value_(peers, 0.7)
    np.testing.assert_array_equal(as_one_vector(parameters), as_one_vector(peers))
    assert np.abs(as_one_vector(parameters)).max() == 0.7


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_refuses_limits(limit: float) -> None:
    with pytest.raises(InputError, match="max_norm must be above 0"):
        clip_by_global_norm(weights(), limit)
    with pytest.raises(InputError, match="limit must be above 0"):
        clip_by_value(weights(), limit)
