"""A network as a graph: the calls of its layers and the operations between them, and what feeds what.

The network runs once and every operation of torch is written down with the tensors that it reads and gives, so the
edges are those of the numbers themselves, whatever the code looks like. `torch.export` finds the same ones.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakTensorKeyDictionary

from neuropil.errors import InputError

__all__ = ["Graph", "Node", "trace_graph"]

WHOLE = (nn.MultiheadAttention,)
"""Layers with layers inside that count as one, since theirs are never called."""

UNDIVIDED = (F.scaled_dot_product_attention, F.linear)
"""Operations that torch takes apart in its own way on each device, and that a reader knows as one."""


@dataclass(frozen=True, slots=True)
class Node:
    """One call of a layer, an operation between layers, an input or the output.

    Args:
        path: module names from the network down: of the layer, or of the module in which an operation stands.
        kind: class of the layer, name of the operation, `input` or `output`.
        turns: for each name of the path, how many calls of that module came before; 0 where it is never called itself.
        call: how many equal ones (path and kind) came before.
        shape: of what it gives, the batch axis left out.
        weights: values of its own, counted in its first call.
        operation: whether it is an operation between layers.
    """

    path: tuple[str, ...]
    kind: str
    turns: tuple[int, ...] = ()
    call: int = 0
    shape: tuple[int, ...] = ()
    weights: int = 0
    operation: bool = False

    @property
    def name(self) -> str:
        """The path with dots, which a repeated call or an operation follows.

        Example:
            >>> Node(("layer1", "0"), "add", operation=True).name, Node(("fc",), "Linear", call=1).name
            ('layer1.0: add', 'fc, call 2')
        """
        place = ".".join(self.path)
        word = f"{place}: {self.kind}" if self.operation and place else place or self.kind
        return f"{word}, call {self.call + 1}" if self.call else word


@dataclass(frozen=True, slots=True)
class Graph:
    """A network's nodes in the order in which they ran, and its edges.

    Args:
        model: class of the network.
        nodes: inputs first, the output last.
        edges: pairs of places in `nodes`: the second reads what the first gives.
    """

    model: str
    nodes: tuple[Node, ...]
    edges: frozenset[tuple[int, int]]


def trace_graph(model: nn.Module, *inputs: Tensor) -> Graph:
    """The graph of one run of a network in evaluation mode.

    Layers that do nothing (an identity, dropout outside training) and what does not reach the output are left out.
    The network stays as it was. It runs without numbers (on the meta device) where its layers allow that.

    Source: chapter, "Computation graph" (row 125), drawn by layers.

    Args:
        model: any network.
        inputs: what it reads, a batch axis in front.

    Raises:
        InputError: no input was given, or the network does not take them.

    Example:
        >>> graph = trace_graph(nn.Sequential(nn.Linear(3, 2), nn.ReLU()), torch.zeros(1, 3))
        >>> [node.kind for node in graph.nodes], sorted(graph.edges)
        (['input', 'Linear', 'ReLU', 'output'], [(0, 1), (1, 2), (2, 3)])
    """
    if not inputs:
        raise InputError("a graph needs what the network reads; give at least one tensor")
    refused: Exception | None = None
    for meta, stepwise in ((True, False), (True, True), (False, False)):  # compiled layers want steps or numbers
        try:
            return _traced(_copied(model, meta, stepwise), [x.to("meta") if meta else x.clone() for x in inputs])
        except InputError:
            raise
        except Exception as error:  # a foreign network may refuse in any way
            refused = error
    shapes = " and ".join("x".join(map(str, x.shape)) for x in inputs)
    reason = str(refused).splitlines()[0] if str(refused) else type(refused).__name__
    raise InputError(f"{type(model).__name__} does not take an input of {shapes}: {reason}") from refused


def _copied(model: nn.Module, meta: bool, stepwise: bool) -> nn.Module:
    """The network anew, in evaluation mode: its weights without numbers, or the same weights and other buffers."""
    known: dict[int, Any] = {}
    for weight in model.parameters():
        known[id(weight)] = nn.Parameter(weight.to("meta"), weight.requires_grad) if meta else weight
    for buffer in model.buffers():
        known[id(buffer)] = buffer.to("meta") if meta else buffer.detach().clone()
    copied = copy.deepcopy(model, known).eval()
    for layer in copied.modules():
        if stepwise and isinstance(getattr(layer, "stepwise", None), bool):
            layer.stepwise = True  # type: ignore[assignment]
    return copied


def _traced(model: nn.Module, inputs: list[Tensor]) -> Graph:
    recorder = _Recorder(inputs)
    for name, module in model.named_modules():
        before, after = _hooks(recorder, tuple(name.split(".")) if name else (), module)
        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)
    with torch.random.fork_rng(), torch.no_grad(), recorder, _Undivided(recorder):
        given = model(*inputs)
    return recorder.graph(type(model).__name__, given)


class _Undivided(TorchFunctionMode):
    """Tells the recorder of operations that count as one, before they are taken apart."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation."""
        if func not in UNDIVIDED or self.recorder.inside is not None:
            return func(*args, **(kwargs or {}))
        self.recorder.enter(self.recorder.stack[-1], func.__name__, 0, operation=True)
        try:
            result = func(*args, **(kwargs or {}))
            self.recorder.shape_layer(result)
        finally:
            self.recorder.leave()
        return result


class _Recorder(TorchDispatchMode):
    """Writes down every operation of torch, in the layer that runs it."""

    def __init__(self, inputs: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[Node] = []
        self.edges: set[tuple[int, int]] = set()
        self.stack: list[tuple[str, ...]] = [()]
        self._turns: dict[tuple[str, ...], int] = {}
        self.layer: int | None = None
        self.inside: tuple[tuple[str, ...], str, int, bool] | None = None
        self._counts: defaultdict[tuple[tuple[str, ...], str], int] = defaultdict(int)
        self._makers: Any = WeakTensorKeyDictionary()
        self._changed: dict[int, tuple[int, int | None]] = {}
        self._time = 0
        for x in inputs:
            self._makers[x] = (0, self._add((), "input", _without_batch(x)))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled, so the seconds of loading the compiler are saved

    def call(self, path: tuple[str, ...]) -> None:
        """A module is called."""
        self._turns[path] = self._turns.get(path, -1) + 1

    def enter(self, path: tuple[str, ...], kind: str, weights: int, operation: bool = False) -> None:
        """A layer begins, or an operation that counts as one."""
        self.inside, self.layer = (path, kind, weights, operation), None

    def leave(self) -> None:
        """The layer ends."""
        self.inside, self.layer = None, None

    def _add(self, path: tuple[str, ...], kind: str, shape: tuple[int, ...], **more: Any) -> int:
        call = self._counts[path, kind]
        self._counts[path, kind] += 1
        if call:
            more = {**more, "weights": 0}
        turns = tuple(self._turns.get(path[:depth], 0) for depth in range(1, len(path) + 1))
        self.nodes.append(Node(path, kind, turns, call, shape, **more))
        return len(self.nodes) - 1

    def _maker(self, x: Tensor) -> int | None:
        """Who made a tensor, or last wrote into its memory."""
        when, node = self._makers.get(x, (0, None))
        changed = self._changed.get(_memory(x))
        return changed[1] if changed is not None and changed[0] > when else node

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation; its node is that of the layer around it, or one of its own."""
        name = func.overloadpacket.__name__.strip("_").removeprefix("unsafe_")
        asks = not name.startswith("new_") and not name.endswith("_like")  # those want a kind of number, not numbers
        read = {
            maker
            for leaf in tree_leaves((args, kwargs))
            if asks and isinstance(leaf, Tensor) and (maker := self._maker(leaf)) is not None
        }
        results = _result(func, name, args, kwargs or {})
        made = [one for one in tree_leaves(results) if isinstance(one, Tensor)]
        if not made:
            return results
        self._time += 1
        node = min(read, default=None) if name == "detach" else self._node_of(name, made[0], bool(read))
        self.edges |= {(maker, node) for maker in read if node is not None and maker != node}
        for one in made:
            self._makers[one] = (self._time, node)
            if func._schema.is_mutable:
                self._changed[_memory(one)] = (self._time, node)
        return results

    def _node_of(self, name: str, made: Tensor, reads: bool) -> int | None:
        if self.inside is not None:
            path, kind, weights, operation = self.inside
            if self.layer is None:
                self.layer = self._add(path, kind, (), weights=weights, operation=operation)
            return self.layer
        if not reads:
            return None
        return self._add(self.stack[-1], name, _without_batch(made), operation=True)

    def shape_layer(self, output: Any) -> None:
        """What the layer that now ends gave."""
        if self.layer is not None:
            first = next((one for one in tree_leaves(output) if isinstance(one, Tensor)), None)
            shape = () if first is None else _without_batch(first)
            self.nodes[self.layer] = replace(self.nodes[self.layer], shape=shape)

    def graph(self, model: str, given: Any) -> Graph:
        """What leads to the output, numbered anew."""
        outputs = [one for one in tree_leaves(given) if isinstance(one, Tensor)]
        makers = {maker for one in outputs if (maker := self._maker(one)) is not None}
        last = self._add((), "output", _without_batch(outputs[0]) if outputs else ())
        edges = self.edges | {(maker, last) for maker in makers}
        before: defaultdict[int, list[int]] = defaultdict(list)
        for start, end in edges:
            before[end].append(start)
        kept, waiting = set(), [last]
        while waiting:
            if (node := waiting.pop()) not in kept:
                kept.add(node)
                waiting += before[node]
        if not any(self.nodes[node].kind == "input" and not self.nodes[node].path for node in kept):
            raise InputError(f"{model} gives nothing that hangs on its input, so there is no graph to draw")
        order = sorted(kept)
        place = {node: number for number, node in enumerate(order)}
        chosen = frozenset((place[a], place[b]) for a, b in edges if a in kept and b in kept)
        return Graph(model, tuple(self.nodes[node] for node in order), chosen)


def _result(func: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What an operation gives. The commonest shapes are said here: torch loads its compiler for them, for seconds."""
    first = args[0] if args and isinstance(args[0], Tensor) else None
    if first is None or not first.is_meta:
        return func(*args, **kwargs)
    if name == "native_batch_norm" and args[5] is False:
        return torch.empty_like(first), first.new_empty(0), first.new_empty(0)
    if name in ("add", "mul") and isinstance(args[1], Tensor) and args[1].dtype == first.dtype:
        shape = torch.broadcast_tensors(first, args[1])[0].shape  # type: ignore[no-untyped-call]
        return first if func._schema.is_mutable else first.new_empty(shape)
    if name == "addmm":
        return first.new_empty(args[1].shape[0], args[2].shape[1])
    if name == "mean" and len(args) > 1:
        return torch.ops.aten.amax.default(first, *args[1:3])  # of the same shape
    return func(*args, **kwargs)


def _memory(x: Tensor) -> int:
    return int(x.untyped_storage()._cdata)


def _without_batch(x: Tensor) -> tuple[int, ...]:
    return tuple(x.shape[1:])


def is_layer(module: nn.Module) -> bool:
    """Whether a module is drawn as one block: it has no modules of its own, or never calls them."""
    return isinstance(module, WHOLE) or not any(True for _ in module.children())


def _hooks(
    recorder: _Recorder, path: tuple[str, ...], module: nn.Module
) -> tuple[Callable[..., None], Callable[..., None]]:
    if is_layer(module):
        weights = sum(one.numel() for one in module.parameters())
        kind = type(module).__name__

        def begin(*_: Any) -> None:
            recorder.call(path)
            if recorder.inside is None:
                recorder.enter(path, kind, weights)

        def end(layer: nn.Module, inputs: Any, output: Any) -> None:
            if recorder.inside is not None and recorder.inside[0] == path:
                recorder.shape_layer(output)
                recorder.leave()

        return begin, end

    def down(*_: Any) -> None:
        recorder.call(path)
        recorder.stack.append(path)

    def up(*_: Any) -> None:
        recorder.stack.pop()

    return down, up
