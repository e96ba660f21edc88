"""The chapter's small computations, as functions of named numbers, each ending in one error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neuropil.inspection.computation import Computation, computation_graph

__all__ = ["EXAMPLES", "Example", "network_step"]


@dataclass(frozen=True, slots=True)
class Example:
    """A computation and where it begins.

    Args:
        title: what it is.
        compute: from the values to the error.
        values: by name.
    """

    title: str
    compute: Callable[[dict[str, Tensor]], Tensor]
    values: dict[str, float]

    def graph(self) -> Computation:
        """One way forward and one back."""
        return computation_graph(self.compute, {name: torch.tensor(value) for name, value in self.values.items()})


def _neuron(v: dict[str, Tensor]) -> Tensor:
    said = torch.reciprocal(1 + torch.exp(-(v["w1"] * v["x1"] + v["w2"] * v["x2"] + v["b"])))
    return -torch.log(said)


def _perceptron(v: dict[str, Tensor]) -> Tensor:
    h1 = torch.relu(v["u11"] * v["x1"] + v["u12"] * v["x2"])
    h2 = torch.relu(v["u21"] * v["x1"] + v["u22"] * v["x2"])
    return (v["w1"] * h1 + v["w2"] * h2 - v["y"]) ** 2


def _rnn(v: dict[str, Tensor]) -> Tensor:
    h1 = torch.tanh(v["u"] * v["x1"])
    h2 = torch.tanh(v["u"] * v["x2"] + v["w"] * h1)
    h3 = torch.tanh(v["u"] * v["x3"] + v["w"] * h2)
    return (v["v"] * h3 - v["y"]) ** 2


def _softmax(v: dict[str, Tensor]) -> Tensor:
    powers = [torch.exp(v[name]) for name in ("o1", "o2", "o3")]
    return -torch.log(powers[0] / (powers[0] + powers[1] + powers[2]))


EXAMPLES = {
    "product": Example(
        "(x + y) z", lambda v: (v["x"] + v["y"]) * v["z"], {"x": -2.0, "y": 5.0, "z": -4.0}
    ),
    "line": Example(
        "a line and its squared error: (w x + b - y)²",
        lambda v: (v["w"] * v["x"] + v["b"] - v["y"]) ** 2,
        {"w": 0.5, "x": 2.0, "b": 1.0, "y": 3.0},
    ),
    "neuron": Example(
        "a sigmoid neuron and its cross-entropy, class 1",
        _neuron,
        {"w1": 2.0, "x1": -1.0, "w2": -3.0, "x2": -2.0, "b": -3.0},
    ),
    "perceptron": Example(
        "two hidden units with ReLU, one output, squared error",
        _perceptron,
        {"x1": 1.0, "x2": 2.0, "u11": 0.5, "u12": 0.25, "u21": -0.5, "u22": 0.75, "w1": 2.0, "w2": -1.0, "y": 0.5},
    ),
    "rnn": Example(
        "three steps of h = tanh(u x + w h), squared error of the last",
        _rnn,
        {"u": 0.5, "w": 0.9, "v": 1.5, "x1": 1.0, "x2": -0.5, "x3": 0.25, "y": 1.0},
    ),
    "softmax": Example(
        "softmax of three scores and the cross-entropy, class 1", _softmax, {"o1": 1.0, "o2": 2.0, "o3": -1.0}
    ),
}  # fmt: skip


def network_step(model: nn.Module, x: Tensor) -> Computation:
    """One training step of a network: its mean cross-entropy where every sample belongs to class 0.

    Shape: x `[N, ...]`; the network gives `[N, K, ...]`.

    Raises:
        InputError: the step takes more operations than a picture shows.
    """
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    start = {"input": x, **{name: weight for name, weight in model.named_parameters() if weight.requires_grad}}

    def compute(v: dict[str, Tensor]) -> Tensor:
        said = torch.func.functional_call(model, {name: v[name] for name in names}, (v["input"],))
        scores = said if isinstance(said, Tensor) else said[0]
        chances = nn.functional.log_softmax(scores.flatten(1), 1)
        return nn.functional.nll_loss(chances, torch.zeros(len(scores), dtype=torch.int64))

    return computation_graph(compute, start)
