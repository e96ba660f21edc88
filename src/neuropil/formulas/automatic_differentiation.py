"""Derivatives of a program by the chain rule over elementary operations. Source: chapter, CNN, "Weight learning"."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Node", "derivatives"]


class Node:
    """A number that knows the numbers it was made of, and its derivative by each of them (row 33)."""

    def __init__(self, value: float, *made_of: tuple[Node, float]) -> None:
        self.value, self.made_of, self.gradient = value, made_of, 0.0

    def __add__(self, other: Node | float) -> Node:
        other = other if isinstance(other, Node) else Node(other)
        return Node(self.value + other.value, (self, 1.0), (other, 1.0))

    def __mul__(self, other: Node | float) -> Node:
        other = other if isinstance(other, Node) else Node(other)
        return Node(self.value * other.value, (self, other.value), (other, self.value))

    def __pow__(self, power: float) -> Node:
        return Node(self.value**power, (self, power * self.value ** (power - 1)))

    __radd__, __rmul__ = __add__, __mul__

    def exp(self) -> Node:
        """Its exponential, whose derivative is itself."""
        return Node(math.exp(self.value), (self, math.exp(self.value)))

    def log(self) -> Node:
        """Its natural logarithm, with the derivative 1 / x."""
        return Node(math.log(self.value), (self, 1 / self.value))

    def tanh(self) -> Node:
        """Its hyperbolic tangent y, with the derivative 1 - y²."""
        return Node(math.tanh(self.value), (self, 1 - math.tanh(self.value) ** 2))

    def backward(self) -> None:
        """Add to the `gradient` of each node behind this one the derivative by it; results go before their parts."""
        order: dict[Node, None] = {}

        def visit(node: Node) -> None:
            if node not in order:
                for part, _ in node.made_of:
                    visit(part)
                order[node] = None

        visit(self)
        self.gradient += 1.0
        for node in reversed(order):
            for part, slope in node.made_of:
                part.gradient += slope * node.gradient


def derivatives(function: Callable[..., Node], *values: float) -> list[float]:
    """The derivative of a function by each of its numbers, by one way forward and one back (row 33).

    The function may branch and loop as it likes: only the operations that were carried out count.

    Example:
        >>> derivatives(lambda x, y: x * y + (x**2 if x.value > 0 else x), 2.0, 3.0)
        [7.0, 2.0]
    """
    nodes = [Node(value) for value in values]
    function(*nodes).backward()
    return [node.gradient for node in nodes]
