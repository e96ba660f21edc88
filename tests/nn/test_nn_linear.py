"""The linear layer's single row beside NumPy, and where torch must do it."""

from __future__ import annotations

from collections.abc import Callable
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
"""Inputs and outputs of a layer that is worth it for a single row."""

needs_both = pytest.mark.skipif(not module.HAS_BOTH, reason="this torch lacks MKL or oneDNN")


@pytest.fixture
def by_onednn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what oneDNN read."""
    found: list[tuple[int, ...]] = []
    original = module._by_onednn

    def seen(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        found.append(tuple(x.shape))
        return original(x, weight, bias)

    monkeypatch.setattr(module, "_by_onednn", seen)
    return found


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@needs_both
@given(
    inputs=st.integers(1, 600),
    outputs=st.integers(1, 600),
    biased=st.booleans(),
    leading=st.sampled_from([(), (1,), (1, 1), (3,), (2, 5), (0, 4)]),
    order=st.sampled_from(["as it is", "turned", "every other", "one for all"]),
)
def test_it_is_its_formula(inputs: int, outputs: int, biased: bool, leading: tuple[int, ...], order: str) -> None:
    x, layer = drawn(*leading, inputs), Linear(inputs, outputs, bias=biased)
    if order == "turned":
        x = drawn(inputs, *leading).movedim(0, -1)
    elif order == "every other":
        x = drawn(*leading, 2 * inputs)[..., ::2]
    elif order == "one for all":
        x = drawn(inputs).expand(*leading, inputs)
    bias = None if layer.bias is None else layer.bias.detach()
    found = module._by_onednn(x, layer.weight.detach(), bias)
    right = x.double().numpy() @ layer.weight.detach().double().numpy().T + (0 if bias is None else bias.numpy())
    assert found.shape == (*leading, outputs)
    np.testing.assert_allclose(found.numpy(), right, rtol=1e-5, atol=2e-5)


@needs_both
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_one_row_of_many_weights_and_many_rows_of_few(
    by_onednn: list[tuple[int, ...]], context: Callable[[], AbstractContextManager[Any]]
) -> None:
    with context():
        Linear(*ENOUGH)(drawn(1, 1, 256))
        Linear(64, 64)(drawn(1024, 64))
        Linear(256, 256)(drawn(1, 256))
        Linear(64, 64)(drawn(1023, 64))
        linear(drawn(1, 256), drawn(600, 256)[300:], drawn(600)[300:])
    assert by_onednn == [(1, 1, 256), (1024, 64), (1, 256)]


def test_gradients_are_torchs(by_onednn: list[tuple[int, ...]]) -> None:
    layer, x = Linear(*ENOUGH), drawn(1, 256).requires_grad_()
    layer(x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0, keepdim=True))
    assert not by_onednn


@pytest.mark.parametrize(
    ("x", "weight", "around"),
    [
        (drawn(1, 256).double(), drawn(300, 256).double(), nullcontext()),
        (drawn(1, 256).bfloat16(), drawn(300, 256).bfloat16(), nullcontext()),
        (drawn(1, 256), drawn(300, 256), torch.autocast("cpu", torch.bfloat16)),
        (drawn(1, 256), drawn(300, 256), torch.backends.mkldnn.flags(enabled=False)),
        (drawn(1, 256), drawn(256, 300).t(), nullcontext()),
        (drawn(1, 256), drawn(300, 256).to_sparse(), nullcontext()),
        (drawn(1, 1 << 17), drawn(1 << 17), nullcontext()),
    ],
    ids=["float64", "bfloat16", "autocast", "oneDNN switched off", "transposed", "sparse", "a vector of weights"],
)
@pytest.mark.filterwarnings("ignore:TF32")  # said by whoever switches oneDNN off
def test_the_rest_is_torchs(
    by_onednn: list[tuple[int, ...]], x: Tensor, weight: Tensor, around: AbstractContextManager[Any]
) -> None:
    with torch.no_grad(), around:
        found, expected = linear(x, weight), nn.functional.linear(x, weight)
    assert found.dtype is expected.dtype and torch.equal(found, expected) and not by_onednn


@pytest.mark.parametrize("bias", [drawn(1), drawn(600)[::2]], ids=["one for all", "every other"])
def test_odd_biases_are_torchs(by_onednn: list[tuple[int, ...]], bias: Tensor) -> None:
    x, weight = drawn(1, 256), drawn(300, 256)
    with torch.no_grad():
        torch.testing.assert_close(linear(x, weight, bias), x @ weight.t() + bias)
    assert not by_onednn


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
def test_whoever_watches_sees_a_linear_layer(by_onednn: list[tuple[int, ...]]) -> None:
    layer, x = Linear(*ENOUGH).eval(), drawn(1, 256)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            layer(x)
        assert counter.get_total_flops() == 2 * 256 * 300
        assert "aten::linear" in str(torch.jit.trace(layer, x, check_trace=False).inlined_graph)
        assert "aten.linear" in str(torch.export.export(layer, (x,)).graph)
        torch.testing.assert_close(
            torch.compile(layer, backend="eager", fullgraph=True)(x), nn.functional.linear(x, layer.weight, layer.bias)
        )
        many = torch.export.export(layer, (drawn(3, 256),), dynamic_shapes=({0: torch.export.Dim("rows")},))
        assert "aten.linear" in str(many.graph) and many.module()(drawn(5, 256)).shape == (5, 300)
        each = torch.vmap(lambda row: linear(row, layer.weight))(drawn(4, 256))
        torch.testing.assert_close(each, drawn(4, 256) @ layer.weight.t())
        with forward_ad.dual_level():
            along = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, x))).tangent
        torch.testing.assert_close(along, x @ layer.weight.t())
        with torch.device("cpu"):
            layer(x)
    assert not by_onednn
