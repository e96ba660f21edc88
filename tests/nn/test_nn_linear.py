"""Few rows through a linear layer: beside NumPy, who takes the quick way, and for whom torch must do it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.utils import parametrizations
from torch.utils.flop_counter import FlopCounterMode

from neuropil.models import create_model
from neuropil.nn import linear as module
from neuropil.nn.linear import FEW_ROWS, through
from neuropil.recurrent.generation import Manner, tokens_behind

IN, OUT = 256, 520
"""Of a layer that is worth it."""

needs_both = pytest.mark.skipif(not module.HAS_BOTH, reason="this torch lacks MKL or oneDNN")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what oneDNN read."""
    found: list[tuple[int, ...]] = []
    original = module._by_onednn

    def seen(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        found.append(tuple(x.shape))
        return original(x, weight, bias)

    monkeypatch.setattr(module, "_by_onednn", seen)
    return found


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def same(layer: nn.Module, x: Tensor) -> bool:
    """Whether the layer's call gives these very numbers."""
    found, expected = through(layer, x), layer(x)
    return found.dtype is expected.dtype and torch.equal(found, expected)


@needs_both
@given(
    inputs=st.integers(1, 600),
    outputs=st.integers(1, 600),
    biased=st.booleans(),
    leading=st.sampled_from([(), (1,), (1, 1), (3,), (2, 4), (0, 4)]),
    order=st.sampled_from(["as it is", "turned", "every other", "one for all"]),
)
def test_it_is_its_formula(inputs: int, outputs: int, biased: bool, leading: tuple[int, ...], order: str) -> None:
    x, layer = drawn(*leading, inputs), nn.Linear(inputs, outputs, bias=biased)
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
def test_few_rows_of_many_weights(
    quick: list[tuple[int, ...]], context: Callable[[], AbstractContextManager[Any]]
) -> None:
    layer, fewer = nn.Linear(IN, OUT), nn.Linear(IN, 512)
    with context():
        for x in (drawn(1, 1, IN), drawn(IN), drawn(2, FEW_ROWS // 2, IN)):
            torch.testing.assert_close(through(layer, x), layer(x))
        for x in (drawn(FEW_ROWS + 1, IN), drawn(2, FEW_ROWS, IN)):
            assert same(layer, x)
        assert same(fewer, drawn(1, IN))
    assert quick == [(1, 1, IN), (IN,), (2, FEW_ROWS // 2, IN)]


@needs_both
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gpt", {"num_tokens": 400, "width": 384, "num_heads": 6, "num_layers": 2, "context": 12}),
        ("language_model", {"num_tokens": 700, "embedding_width": 8, "width": 200, "num_layers": 1}),
    ],
)
def test_networks_write_by_it(quick: list[tuple[int, ...]], name: str, options: dict[str, Any]) -> None:
    """The same tokens as without, and every weight that is large enough is read so."""
    torch.manual_seed(0)
    network: Any = create_model(name, **options).eval()
    manner, start = Manner(most=8, greedy=True), torch.tensor([7])
    written = list(tokens_behind(network, start, manner))
    large = [
        one for one in network.modules() if isinstance(one, nn.Linear) and one.weight.numel() > module.WORTH_ONEDNN
    ]
    assert quick and len(quick) % len(large) == 0
    for layer in network.modules():
        layer.register_forward_hook(lambda *_: None)
    quick.clear()
    assert list(tokens_behind(network, start, manner)) == written and not quick


@needs_both
def test_a_translation_is_written_by_it(quick: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    sizes = {"num_tokens": 30, "num_target_tokens": 40, "width": 384, "num_heads": 6, "num_layers": 1}
    network: Any = create_model("transformer", **sizes).eval()
    source, target = torch.tensor([[4, 5, 6]]), torch.tensor([[1, 7, 8, 9]])
    with torch.no_grad():
        whole, state, steps = network(source, target), network.begin(source), []
        quick.clear()
        for column in target.unbind(1):
            logits, state = network.step(column, state)
            steps.append(logits)
    torch.testing.assert_close(torch.stack(steps, 1), whole, rtol=1e-4, atol=1e-5)
    assert len(quick) == 5 * 4  # of each step: joined, behind twice, inner, outer


def test_gradients_are_the_layers(quick: list[tuple[int, ...]]) -> None:
    layer, x = nn.Linear(IN, OUT), drawn(1, IN).requires_grad_()
    through(layer, x).sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0, keepdim=True))
    assert not quick


def with_weight(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    layer = nn.Linear(IN, OUT, bias=bias is not None)
    layer.weight = nn.Parameter(weight)
    layer.bias = None if bias is None else nn.Parameter(bias)  # type: ignore[assignment]
    return layer


def watched(layer: nn.Linear) -> nn.Linear:
    layer.register_forward_hook(lambda layer, given, found: 2 * found)
    return layer


def prepared(layer: nn.Linear) -> nn.Linear:
    layer.register_forward_pre_hook(lambda layer, given: (2 * given[0],))
    return layer


def patched(layer: nn.Linear) -> nn.Linear:
    layer.forward = torch.neg  # type: ignore[method-assign]
    return layer


def compiled(layer: nn.Linear) -> nn.Linear:
    layer.compile(backend="eager")
    return layer


class Twice(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return 2 * super().forward(input)


@pytest.mark.parametrize(
    "layer",
    [
        Twice(IN, OUT),
        watched(nn.Linear(IN, OUT)),
        prepared(nn.Linear(IN, OUT)),
        patched(nn.Linear(IN, OUT)),
        compiled(nn.Linear(IN, OUT)),
        parametrizations.weight_norm(nn.Linear(IN, OUT)),
        nn.Identity(),
        with_weight(drawn(IN, OUT).t()),
        with_weight(drawn(OUT, IN).to_sparse()),
        with_weight(drawn(OUT, IN), drawn(1)),
        with_weight(drawn(OUT, IN), drawn(2 * OUT)[::2]),
    ],
    ids=[
        "a class of its own", "a hook", "a hook before", "another forward", "compiled", "parametrized", "none",
        "transposed", "sparse", "one bias for all", "every other bias",
    ],
)  # fmt: skip
def test_the_layer_is_called(quick: list[tuple[int, ...]], layer: nn.Module) -> None:
    with torch.no_grad():
        assert same(layer, drawn(1, IN)) and not quick


@pytest.mark.filterwarnings("ignore:TF32")  # said by whoever switches oneDNN off
@pytest.mark.parametrize(
    ("dtype", "around"),
    [
        (torch.float64, nullcontext),
        (torch.bfloat16, nullcontext),
        (torch.float32, partial(torch.autocast, "cpu", torch.bfloat16)),
        (torch.float32, partial(torch.backends.mkldnn.flags, enabled=False)),
        (torch.float32, partial(torch.device, "cpu")),
    ],
    ids=["float64", "bfloat16", "autocast", "oneDNN switched off", "a function mode"],
)
def test_other_numbers_and_modes_are_torchs(
    quick: list[tuple[int, ...]], dtype: torch.dtype, around: Callable[[], AbstractContextManager[Any]]
) -> None:
    layer, x = nn.Linear(IN, OUT).to(dtype), drawn(1, IN).to(dtype)
    with torch.no_grad(), around():
        assert same(layer, x) and not quick


def test_a_torch_with_one_library(quick: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HAS_BOTH", False)
    with torch.no_grad():
        assert same(nn.Linear(IN, OUT), drawn(1, IN)) and not quick


def test_hooks_of_all_layers_are_called(quick: list[tuple[int, ...]]) -> None:
    called: list[nn.Module] = []
    handle = register_module_forward_hook(lambda layer, given, found: called.append(layer))
    with torch.no_grad():
        through(layer := nn.Linear(IN, OUT), drawn(1, IN))
    handle.remove()
    assert called == [layer] and not quick


@pytest.mark.parametrize(
    ("x", "bias"),
    [
        (drawn(IN, 1), None),
        (drawn(1, IN).double(), None),
        (drawn(1, IN), drawn(OUT).double()),
        (drawn(1, IN), drawn(7)),
    ],
    ids=["a column", "other numbers", "biases of other numbers", "too few biases"],
)
def test_what_torch_refuses_is_refused(x: Tensor, bias: Tensor | None) -> None:
    layer = with_weight(drawn(OUT, IN), bias)
    for call in (layer, partial(through, layer)):
        with torch.no_grad(), pytest.raises(RuntimeError):
            call(x)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_whoever_watches_sees_a_linear_layer(quick: list[tuple[int, ...]]) -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(IN, OUT)

        def forward(self, x: Tensor) -> Tensor:
            return through(self.layer, x)

    network, x, right = Network().eval(), drawn(1, IN), drawn(1, IN) @ torch.ones(IN, OUT)
    nn.init.ones_(network.layer.weight)
    nn.init.zeros_(network.layer.bias)
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            network(x)
        assert counter.get_total_flops() == 2 * IN * OUT
        assert "aten::linear" in str(torch.jit.trace(network, x, check_trace=False).inlined_graph)
        assert "aten.linear" in str(torch.export.export(network, (x,)).graph)
        assert any(node.op == "call_module" for node in torch.fx.symbolic_trace(network).graph.nodes)
        torch.testing.assert_close(torch.compile(network, backend="eager", fullgraph=True)(x), right)
        many = torch.export.export(network, (drawn(3, IN),), dynamic_shapes=({0: torch.export.Dim("rows")},))
        assert "aten.linear" in str(many.graph) and many.module()(drawn(5, IN)).shape == (5, OUT)
        torch.testing.assert_close(torch.vmap(network)(drawn(4, IN)), drawn(4, IN) @ torch.ones(IN, OUT))
        with forward_ad.dual_level():
            along = forward_ad.unpack_dual(network(forward_ad.make_dual(x, x))).tangent
        torch.testing.assert_close(along, right)
    assert not quick
