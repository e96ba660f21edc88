"""A network's graph as torch.export has it: the oracle of `trace_graph`, sharing no code with it."""

from __future__ import annotations

import operator
import re
import warnings
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

Key = tuple[Any, ...]


def exported_edges(network: nn.Module, *inputs: Tensor) -> tuple[set[Key], set[tuple[Key, Key]]]:
    """Nodes and edges: every operation of the exported program, those inside one call of a layer as one node.

    What makes constants of a tensor's kind and shape (`new_zeros`) reads nothing of it.
    Layers are `(path, how often called before)`, operations between them `(path, name, how many before)`.
    """
    matmul = torch.ops.aten.matmul.default  # the one composite that export leaves whole
    table = {matmul: torch._decomp.decompositions.matmul}
    network, inputs = network.eval().to("meta"), tuple(x.to("meta") for x in inputs)
    for layer in network.modules():
        if getattr(layer, "inplace", False):
            layer.inplace = False  # export counts a view of what was overwritten to whoever reads it next
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch to itself
        program = torch.export.export(network, inputs, strict=False).run_decompositions(table)
    layers = {
        name: isinstance(module, nn.MultiheadAttention) or not list(module.children())
        for name, module in network.named_modules()
    }
    counts: Counter[Key] = Counter()
    calls: dict[Key, int] = {}
    owner: dict[torch.fx.Node, list[Key]] = {}
    edges: set[tuple[Key, Key]] = set()
    given = set(program.graph_signature.user_inputs)
    for node in program.graph.nodes:
        if node.op == "placeholder":
            owner[node] = []
            if node.name in given:
                key: Key = ("input", counts[("input",)])
                counts[("input",)] += 1
                owner[node] = [key]
        elif node.op == "output":
            for one in node.all_input_nodes:
                edges |= {(key, ("output",)) for key in owner.get(one, [])}
        elif node.op == "call_function":
            read = [key for one in node.all_input_nodes for key in owner.get(one, [])]
            name = getattr(node.target, "overloadpacket", node.target).__name__
            if name.startswith("new_") or name.endswith("_like"):  # they read a shape, no numbers
                owner[node] = []
                continue
            if node.target is operator.getitem or name == "detach":
                owner[node] = read
                continue
            path, at = _place(node)
            if layers.get(path, False):
                instance: Key = (path, at)
                if instance not in calls:
                    calls[instance] = counts[(path,)]
                    counts[(path,)] += 1
                own: Key = (path, calls[instance])
            elif not read:
                owner[node] = []
                continue
            else:
                kind = {"or": "bitwise_or"}.get(name.strip("_"), name.strip("_").removeprefix("unsafe_"))
                own = (path, kind, counts[(path, kind)])
                counts[(path, kind)] += 1
            owner[node] = [own]
            edges |= {(key, own) for key in read if key != own}
    return _leading_to_the_output(edges)


def _place(node: torch.fx.Node) -> tuple[str, str]:
    """Where an operation stands: the module's path, and which of its calls."""
    stack = list((node.meta.get("nn_module_stack") or {}).items())
    if not stack:
        return "", ""
    key, (path, _) = stack[-1]
    path = re.sub(r"@\d+", "", path.removeprefix("L['self'].").removeprefix("L['self']"))
    return path, str(key)


def _leading_to_the_output(edges: set[tuple[Key, Key]]) -> tuple[set[Key], set[tuple[Key, Key]]]:
    kept: set[Key] = set()
    waiting: list[Key] = [("output",)]
    while waiting:
        one = waiting.pop()
        if one not in kept:
            kept.add(one)
            waiting += [a for a, b in edges if b == one]
    return kept, {(a, b) for a, b in edges if a in kept and b in kept}
