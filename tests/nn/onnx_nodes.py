"""ONNX's own tests of single nodes, as its wheel generates them: inputs, attributes and what must come out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pytest

__all__ = ["NodeTest", "node_tests", "parametrized", "summary"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class NodeTest:
    """One test of one node.

    Args:
        name: as ONNX has it.
        operator: type of the node.
        attributes: as the node says them, text decoded; what it leaves out has ONNX's default.
        inputs: in the order of the operator's definition; `None` where an optional one is left out.
        outputs: what must come out.
        rtol, atol: within which tolerance.
    """

    name: str
    operator: str
    attributes: Mapping[str, Any]
    inputs: tuple[Array | None, ...]
    outputs: tuple[Array, ...]
    rtol: float
    atol: float

    def check(self, *said: Any) -> None:
        """Hold outputs against what ONNX expects."""
        for one, expected in zip(said, self.outputs, strict=True):
            np.testing.assert_allclose(np.asarray(one), expected, rtol=self.rtol, atol=self.atol)
            assert np.shape(one) == expected.shape


def node_tests(operator: str, module: str) -> list[NodeTest]:
    """All tests of an operator; `module` is the file of `onnx.backend.test.case.node` that makes them."""
    pytest.importorskip("onnx")
    cases = import_module("onnx.backend.test.case.node")
    import_module(f"onnx.backend.test.case.node.{module}")
    nodes = [(case, case.model.graph.node) for case in cases._NodeTestCases]
    return [_read(case) for case, graph in nodes if len(graph) == 1 and graph[0].op_type == operator]


def _read(case: Any) -> NodeTest:
    from onnx.helper import get_attribute_value

    (node,), ((given, expected),) = case.model.graph.node, case.data_sets
    values = dict(zip([value.name for value in case.model.graph.input], given, strict=True))
    attributes = {one.name: get_attribute_value(one) for one in node.attribute}
    return NodeTest(
        case.name,
        node.op_type,
        {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()},
        tuple(values.get(name) for name in node.input),
        tuple(expected),
        case.rtol,
        case.atol,
    )


def parametrized(tests: Collection[NodeTest], left_out: Mapping[str, str]) -> pytest.MarkDecorator:
    """A parameter `node` for every test but those left out."""
    return pytest.mark.parametrize("node", [one for one in tests if one.name not in left_out], ids=lambda one: one.name)


def summary(tests: Collection[NodeTest], left_out: Mapping[str, str]) -> str:
    """How many are run of how many, and the reason for each that is not."""
    unknown = set(left_out) - {one.name for one in tests}
    assert not unknown, f"left out, but there are no such tests: {unknown}"
    lines = [f"{len(tests) - len(left_out)} of {len(tests)} node tests are run"]
    return "\n".join(lines + [f"left out: {name}: {reason}" for name, reason in left_out.items()])
