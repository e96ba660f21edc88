"""Values and gradients on the graph of a step, beside textbook numbers, sympy and torch.func."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuropil.errors import InputError
from neuropil.inspection.computation import Computation, computation_graph
from neuropil.inspection.small_examples import EXAMPLES, network_step
from neuropil.models import create_model
from neuropil.nn.pooling import MaxPooling
from neuropil.pictures.step import draw_step

Array = np.ndarray[Any, Any]


def gradients(step: Computation) -> dict[str, float]:
    return {one.name: float(one.gradient) for one in step.operations if one.name and one.gradient is not None}


def test_the_textbooks_product() -> None:
    """Stanford's CS231n, "Backpropagation, intuitions": f = (x + y) z at -2, 5, -4."""
    step = EXAMPLES["product"].graph()
    assert gradients(step) == {"x": -4.0, "y": -4.0, "z": 3.0}
    q = next(one for one in step.operations if one.kind == "add")
    assert (float(q.value), float(q.gradient), step.loss) == (3.0, -4.0, -12.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("channels", [2, 8])
def test_pooling_has_its_value_and_name_whichever_way_it_took(channels: int) -> None:
    x = torch.randn(1, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    step = computation_graph(lambda v: MaxPooling(2)(v["x"]).sum(), {"x": x})
    assert np.array_equal(step.operations[1].value, torch.nn.functional.max_pool2d(x, 2).numpy())  # type: ignore[arg-type]
    assert "max pooling" in draw_step(step).picture.svg


def test_the_textbooks_neuron() -> None:
    """The same notes' sigmoid neuron: 0.73, and gradients 0.2 apart from what comes behind the sigmoid."""
    found = gradients(EXAMPLES["neuron"].graph())
    behind = -1 / 0.7310585786
    textbook = {"w1": -0.19661193, "x1": 0.39322387, "w2": -0.39322387, "x2": -0.5898358, "b": 0.19661193}
    for name, slope in textbook.items():
        assert found[name] == pytest.approx(behind * slope, rel=1e-6)


@pytest.mark.parametrize("name", EXAMPLES)
def test_gradients_are_torch_funcs(name: str) -> None:
    example = EXAMPLES[name]
    values = {key: torch.tensor(value, dtype=torch.float64) for key, value in example.values.items()}
    step = computation_graph(example.compute, values)
    wanted = torch.func.grad(lambda v: example.compute(v))(values)
    assert gradients(step).keys() == wanted.keys()
    for key, value in gradients(step).items():
        assert value == pytest.approx(wanted[key].item(), rel=1e-12)
    assert all(one.value is not None and one.gradient is not None for one in step.operations)


def test_each_operations_gradient_is_sympys() -> None:
    """(w x + b - y)^2 written out: of every box, not only of the values that it began from."""
    sympy = pytest.importorskip("sympy")
    w, x, b, y, box = sympy.symbols("w x b y box")
    at = {w: 0.5, x: 2.0, b: 1.0, y: 3.0}
    boxes: list[tuple[str, Callable[[Any], Any], Any]] = [
        ("mul", lambda v: (v + b - y) ** 2, w * x),
        ("add", lambda v: (v - y) ** 2, w * x + b),
        ("sub", lambda v: v**2, w * x + b - y),
        ("pow", lambda v: v, (w * x + b - y) ** 2),
    ]
    step = EXAMPLES["line"].graph()
    for kind, behind, inside in boxes:
        one = next(one for one in step.operations if one.kind == kind)
        value = float(inside.subs(at))
        assert float(one.value) == pytest.approx(value)  # type: ignore[arg-type]
        assert float(one.gradient) == pytest.approx(  # type: ignore[arg-type]
            float(sympy.diff(behind(box), box).subs({**at, box: value}))
        )


def test_edges_lead_from_what_is_read() -> None:
    step = EXAMPLES["rnn"].graph()
    assert all(a < b for a, b in step.edges)
    named = {one.name: place for place, one in enumerate(step.operations) if one.name}
    assert sum(a == named["u"] for a, _ in step.edges) == 3  # one weight, three steps
    assert sum(a == named["w"] for a, _ in step.edges) == 2
    last = len(step.operations) - 1
    assert all(any(a == place for a, _ in step.edges) for place in range(last))


def test_a_networks_step_has_autograds_gradients() -> None:
    network = create_model("perceptron", in_features=3, num_classes=2, hidden=(4,))
    x = torch.randn(2, 3)
    step = network_step(network, x)
    wanted = torch.autograd.grad(
        torch.nn.functional.cross_entropy(network(x), torch.zeros(2, dtype=torch.int64)), list(network.parameters())
    )
    found = {one.name: one.gradient for one in step.operations if one.name}
    for (name, _), gradient in zip(network.named_parameters(), wanted, strict=True):
        np.testing.assert_allclose(found[name], gradient.numpy(), atol=1e-6)
    assert all(weight.grad is None for weight in network.parameters())


@pytest.mark.parametrize(
    ("compute", "sentence"),
    [
        (lambda v: v["x"] * torch.ones(2), "one number"),
        (lambda v: torch.ones(()), "does not hang on"),
        (lambda v: sum((v["x"] * k for k in range(700)), v["x"]), "more than the 600"),
    ],
)
def test_what_is_no_step_is_refused(compute: Callable[[dict[str, Tensor]], Tensor], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        computation_graph(compute, {"x": torch.tensor(1.0)})
