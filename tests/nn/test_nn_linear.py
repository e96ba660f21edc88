"""The linear layer's single row beside NumPy, and where torch must do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils.flop_counter import FlopCounterMode

from neuropil.nn import linear as module
from neuropil.nn.linear import Linear, linear

ENOUGH = (256, 300)
"""Inputs and outputs of a layer that is worth two threads."""

needs_mkl = pytest.mark.skipif(not module.HAS_MKL, reason="this torch multiplies without MKL")


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In how many parts each row was computed that was shared out."""
    found: list[int] = []
    by_parts = module._by_parts

    def seen(x: Tensor, weight: Tensor, bias: Tensor | None, parts: int) -> Tensor:
        found.append(parts)
        return by_parts(x, weight, bias, parts)

    monkeypatch.setattr(module, "_by_parts", seen)
    return found


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@given(
    inputs=st.integers(1, 40),
    outputs=st.integers(2, 70),
    parts=st.integers(2, 9),
    biased=st.booleans(),
    leading=st.sampled_from([(), (1,), (1, 1), (1, 1, 1)]),
)
def test_parts_are_the_whole(inputs: int, outputs: int, parts: int, biased: bool, leading: tuple[int, ...]) -> None:
    x, weight = drawn(*leading, inputs, dtype=torch.float64), drawn(outputs, inputs, dtype=torch.float64)
    bias = drawn(outputs, dtype=torch.float64) if biased else None
    found = module._by_parts(x, weight, bias, min(parts, outputs))
    right = x.numpy() @ weight.numpy().T + (0 if bias is None else bias.numpy())
    assert found.shape == (*leading, outputs)
    np.testing.assert_allclose(found.numpy(), right, rtol=1e-12, atol=1e-12)


@needs_mkl
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_row_is_shared_out(
    shared: list[int],
    context: Callable[[], AbstractContextManager[Any]],
    dtype: torch.dtype,
    tolerance: float,
    bias: bool,
) -> None:
    layer = Linear(*ENOUGH, bias=bias).to(dtype)
    x = drawn(1, 1, 256, dtype=dtype)
    with context():
        found = layer(x).double().numpy()
    weight, add = layer.weight.detach().double().numpy(), 0 if layer.bias is None else layer.bias.detach().numpy()
    assert shared == [2]
    np.testing.assert_allclose(found, x.double().numpy() @ weight.T + add, rtol=tolerance, atol=tolerance)


@needs_mkl
def test_a_part_of_a_weight_is_shared_out(shared: list[int]) -> None:
    weight, bias, x = drawn(600, 256), drawn(600), drawn(1, 256)
    with torch.no_grad():
        torch.testing.assert_close(linear(x, weight[300:], bias[300:]), x @ weight[300:].t() + bias[300:])
    assert shared == [2]


@needs_mkl
def test_few_weights_are_not_worth_it(shared: list[int]) -> None:
    with torch.no_grad():
        Linear(256, 255)(drawn(1, 256))
        Linear(1 << 16, 1)(drawn(1, 1 << 16))
        Linear(256, 256)(drawn(1, 256))
        torch.set_num_threads(1)
        Linear(*ENOUGH)(drawn(1, 256))
    assert shared == [2]


def test_gradients_are_torchs(shared: list[int]) -> None:
    layer, x = Linear(*ENOUGH), drawn(1, 256).requires_grad_()
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0, keepdim=True))
    assert not shared


@pytest.mark.parametrize(
    ("x", "weight", "around"),
    [
        (drawn(2, 256), drawn(300, 256), nullcontext()),
        (drawn(1, 256).bfloat16(), drawn(300, 256).bfloat16(), nullcontext()),
        (drawn(1, 256), drawn(300, 256), torch.autocast("cpu", torch.bfloat16)),
        (drawn(1, 256), drawn(256, 300).t(), nullcontext()),
        (drawn(1, 256), drawn(300, 256).to_sparse(), nullcontext()),
        (drawn(1, 65536), drawn(65536), nullcontext()),
    ],
    ids=["two rows", "bfloat16", "autocast", "transposed", "sparse", "a vector of weights"],
)
def test_the_rest_is_torchs(shared: list[int], x: Tensor, weight: Tensor, around: AbstractContextManager[Any]) -> None:
    with torch.no_grad(), around:
        found, expected = linear(x, weight), nn.functional.linear(x, weight)
    assert found.dtype is expected.dtype and torch.equal(found, expected) and not shared


@pytest.mark.parametrize(
    ("x", "weight", "bias"),
    [
        (drawn(256, 1), drawn(300, 256), None),
        (drawn(1, 256).double(), drawn(300, 256), None),
        (drawn(1, 256), drawn(300, 256), drawn(300).double()),
        (drawn(1, 256), drawn(300, 256), drawn(299)),
    ],
    ids=["a column", "other numbers", "biases of other numbers", "too few biases"],
)
def test_what_torch_refuses_is_refused(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    with torch.no_grad(), pytest.raises(RuntimeError):
        nn.functional.linear(x, weight, bias)
    with torch.no_grad(), pytest.raises(RuntimeError):
        linear(x, weight, bias)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_whoever_watches_sees_a_linear_layer(shared: list[int]) -> None:
    layer, x = Linear(*ENOUGH).eval(), drawn(1, 256)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            layer(x)
        assert counter.get_total_flops() == 2 * 256 * 300
        assert "aten::linear" in str(torch.jit.trace(layer, x, check_trace=False).inlined_graph)
        assert "aten.linear" in str(torch.export.export(layer, (x,)).graph)
        torch.testing.assert_close(torch.compile(layer, backend="eager", fullgraph=True)(x), layer(x.expand(2, -1))[:1])
        many = torch.export.export(layer, (drawn(3, 256),), dynamic_shapes=({0: torch.export.Dim("rows")},))
        assert "aten.linear" in str(many.graph) and many.module()(drawn(5, 256)).shape == (5, 300)
        each = torch.vmap(lambda row: linear(row, layer.weight))(drawn(4, 256))
        torch.testing.assert_close(each, drawn(4, 256) @ layer.weight.t())
        with forward_ad.dual_level():
            along = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, x))).tangent
        torch.testing.assert_close(along, x @ layer.weight.t())
        with torch.device("cpu"):
            layer(x)
    assert not shared
