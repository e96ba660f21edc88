"""The edges of every network of the catalogue beside those of torch.export."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from inspection.exported_graph import exported_edges
from models.small_networks import FAST, SLOW, options_of, shape_of
from neuropil.errors import InputError
from neuropil.inspection.graph import Graph, trace_graph
from neuropil.models import MODELS, SEQUENCES, create_model
from neuropil.pictures.network import draw_network
from sequence_models.small_sequences import VARIANTS, build, inputs

QUICK = ("perceptron", "line", "lenet5", "lenet5_modern")
LONG = (
    "densenet121", "dpn68", "mobilenet_v2", "mobilenet_v3_small", "seq2seq_additive", "seq2seq_peephole",
    "tagger_recurrent",
)  # fmt: skip


def _mark(name: str) -> Any:
    if name in QUICK:
        return ()
    short = name in (*FAST, *SLOW, *VARIANTS) and name not in LONG
    return pytest.mark.slow if short else pytest.mark.proof


def keys_of(graph: Graph) -> list[tuple[Any, ...]]:
    """The nodes as the oracle names them."""
    found: list[tuple[Any, ...]] = []
    for node in graph.nodes:
        path = ".".join(node.path)
        if not node.path and node.kind in ("input", "output"):
            found.append(("input", node.call) if node.kind == "input" else ("output",))
        else:
            found.append((path, node.kind, node.call) if node.operation else (path, node.call))
    return found


def drawn_edges(graph: Graph) -> set[tuple[int, int]]:
    """The edges that a picture of the whole network holds, read from its text."""
    svg = draw_network(graph, depth=99).picture.svg
    pairs = re.findall(r'data-from="(\d+)" data-to="([\d ]+)"', svg)
    return {(int(start), int(end)) for start, ends in pairs for end in ends.split()}


def held_to_export(network: nn.Module, *read: Tensor) -> Graph:
    graph = trace_graph(network.eval(), *read)
    keys = keys_of(graph)
    assert len(set(keys)) == len(keys)
    nodes, edges = exported_edges(network, *read)
    assert set(keys) == nodes
    assert {(keys[a], keys[b]) for a, b in drawn_edges(graph)} == edges
    return graph


@pytest.mark.parametrize("name", [pytest.param(n, marks=_mark(n)) for n in MODELS if n not in SEQUENCES])
def test_drawn_edges_are_exports(name: str) -> None:
    graph = held_to_export(create_model(name, **options_of(name)), torch.randn(2, *shape_of(name)))
    assert len(graph.edges) >= len(graph.nodes) - 1


@pytest.mark.parametrize("variant", [pytest.param(v, marks=_mark(v)) for v in VARIANTS])
def test_drawn_edges_of_sequence_networks_are_exports(variant: str) -> None:
    held_to_export(build(variant), *inputs(variant))


class Writes(nn.Module):
    """Fills one tensor piece by piece, and reads an earlier view of it behind that."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        kept = x.new_zeros(len(x), 2, 3)
        view = kept[:, 0]
        kept[:, 0] = self.first(x)
        kept[:, 1] = self.second(view)
        return self.third(kept.sum(1))


def test_what_is_written_into_a_tensor_reaches_its_views() -> None:
    graph = trace_graph(Writes(), torch.ones(1, 3))
    names = [node.name for node in graph.nodes]
    reached = {names.index("first")}
    for a, b in sorted(graph.edges):
        if a in reached:
            reached.add(b)
    assert names.index("second") in reached and names.index("third") in reached


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.idle = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.idle(x)
        return self.layer(self.layer(x)) + x


def test_repeated_calls_are_nodes_of_their_own_and_idle_ones_none() -> None:
    network = Twice().train()
    graph = held_to_export(network, torch.ones(1, 2))
    assert [node.name for node in graph.nodes] == ["input", "layer", "layer, call 2", "add", "output"]
    assert [node.weights for node in graph.nodes] == [0, 6, 0, 0, 0]


def test_a_network_stays_as_it_was() -> None:
    network = create_model("resnet20", width=4).train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    trace_graph(network, torch.zeros(1, 3, 32, 32))
    assert network.training and not any(module._forward_hooks for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("read", "sentence"),
    [((), "at least one tensor"), ((torch.zeros(1, 4),), "Twice does not take an input of 1x4")],
)
def test_what_cannot_be_traced_is_refused(read: tuple[Tensor, ...], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        trace_graph(Twice(), *read)


def test_a_network_that_ignores_its_input_has_no_graph() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(1, 2)

    with pytest.raises(InputError, match="nothing that hangs on its input"):
        trace_graph(Constant(), torch.zeros(1, 2))
