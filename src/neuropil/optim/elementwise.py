"""What rules share that treat each weight by itself: gradients, state that begins at 0, and how a step is run.

On a processor a step over a million weights or more is one pass over memory (`one_pass`), where a C compiler is found
when the first step is taken. Otherwise it goes by lists of tensors: all at once for few weights, which saves calls, and
piece by piece for many, which keeps what lies between two operations in the cache. The two ways give the same numbers
but for the last digits. Which one a run goes by is decided once and kept with the state, so that a resumed run goes on
in the same way, or warns that it cannot.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import torch
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.nn import Parameter
from torch.optim import Optimizer

from neuropil.errors import InputError
from neuropil.optim.one_pass import DECAY, TYPES, Equation, kernel_for

__all__ = ["ElementwiseRule", "refuse_sparse"]

Group = dict[str, Any]
State = dict[str, Any]
Lists = list[list[Tensor]]

SMALL_ELEMENTS = 1_000_000
"""Up to so many weights the cost of a step is that of its calls, and not worth compiling for."""

PIECE_ELEMENTS = 1 << 18
"""What is taken at a time where a step goes by pieces: a megabyte of each float32 tensor."""


def refuse_sparse(weight: Tensor) -> None:
    """Refuse a sparse gradient.

    Raises:
        InputError: it is sparse, as of an embedding with `sparse=True`.
    """
    if weight.grad is not None and weight.grad.layout is not torch.strided:
        raise InputError(
            f"the gradient of a parameter of {list(weight.shape)} is sparse, but the rules take dense ones; "
            "build the embedding with sparse=False"
        )


@dataclass(frozen=True, slots=True)
class _Rows:
    """Weights that take a step together, and what belongs to each."""

    weights: list[Tensor]
    gradients: list[Tensor]
    states: list[State]

    def addresses_of_state(self, slots: tuple[str, ...]) -> list[int]:
        """Where the state lies, slot by slot."""
        return [state[slot].data_ptr() for slot in slots for state in self.states]


@dataclass(frozen=True, slots=True)
class _Checked:
    """Weights and state that were found fit for the compiled pass: where they are, and how the weights are laid out.

    `alive` holds their memory, so that the same address stays the same memory.
    """

    at: list[int]
    kept: list[int]
    sizes: list[int]
    strides: list[tuple[int, ...]]
    alive: list[Tensor]


class ElementwiseRule(Optimizer):
    """A rule that treats each weight by itself.

    Args:
        params: parameters or groups of them.
        options: defaults of the groups; `lr`, `weight_decay` and `compiled` (`None`: decide at the first step) among
            them.
    """

    equation: ClassVar[Equation]
    """One step of one weight, for the compiler; `update` is the same over lists."""

    foreign: ClassVar[tuple[str, ...]] = ("maximize", "centered")
    """Options of PyTorch's rules that a loaded state may not set."""

    counts_steps: ClassVar[bool] = False
    """Whether the state holds the count of each weight's steps."""

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, {"compiled": None, **options})
        self._checked: dict[tuple[int, int], _Checked] = {}

    def __setstate__(self, state: State) -> None:
        for group in state["param_groups"]:
            for option in self.foreign:
                if group.get(option):
                    raise InputError(
                        f"the saved optimizer has {option}={group[option]}, which this rule does not know; "
                        "go on with the class that saved it"
                    )
        super().__setstate__(state)
        self._checked = {}

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients first, if given.

        Returns:
            What the closure gave.

        Raises:
            InputError: a sparse gradient.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._decide()
        for number, group in enumerate(self.param_groups):
            for place, (count, rows) in enumerate(self._rows(group["params"]).items()):
                numbers = {DECAY: group["weight_decay"], **self.numbers(group, count)}
                if not (group["compiled"] and self._in_one_pass((number, place), rows, numbers)):
                    self._by_lists(rows, numbers)
        return loss

    def _rows(self, parameters: list[Tensor]) -> dict[int, _Rows]:
        """Weights that have a gradient, by the number of the step that they take; 0 where the rule does not count."""
        found: dict[int, _Rows] = {}
        strided = torch.strided
        for weight in parameters:
            gradient = weight.grad
            if gradient is None:
                continue
            if gradient.layout is not strided:
                refuse_sparse(weight)
            state: State = self.state[weight]
            if not state:
                state.update((slot, torch.zeros_like(weight)) for slot in self.equation.slots)
            count = 0
            if self.counts_steps:
                state["step"] = count = int(state.get("step", 0)) + 1
            rows = found.get(count)
            if rows is None:
                rows = found[count] = _Rows([], [], [])
            rows.weights.append(weight)
            rows.gradients.append(gradient)
            rows.states.append(state)
        return found

    def _decide(self) -> None:
        """Settle for each group, at its first step, whether the compiled pass is used."""
        groups = self.param_groups
        undecided = [group for group in groups if group.get("compiled") is None]
        if undecided:
            weights = [weight for group in groups for weight in group["params"]]
            worth_it = sum(map(torch.numel, weights)) > SMALL_ELEMENTS and _fit_kernel(weights)
            chosen = worth_it and kernel_for(self.equation) is not None
            for group in undecided:
                group["compiled"] = chosen
        if any(group["compiled"] for group in groups) and kernel_for(self.equation) is None:
            for group in groups:
                group["compiled"] = False
            warnings.warn(
                "the optimizer was to take compiled steps, but no C compiler works here; it goes by lists of tensors: "
                "the same rule, other last digits",
                stacklevel=5,
            )

    def _in_one_pass(self, which: tuple[int, int], rows: _Rows, numbers: dict[str, float]) -> bool:
        """The step compiled; `False` where these weights cannot be taken so."""
        kernel, slots, weights = kernel_for(self.equation), self.equation.slots, rows.weights
        if kernel is None:
            return False
        sizes = [weight.numel() for weight in weights]
        at, kept = _addresses(weights), rows.addresses_of_state(slots)
        checked = self._checked.get(which)
        if checked is None or checked.at != at or checked.kept != kept or checked.sizes != sizes:
            self._checked.pop(which, None)
            if not _fit_kernel(weights):
                return False
            for weight, state in zip(weights, rows.states, strict=True):
                state.update((slot, _laid_out(state[slot], weight)) for slot in slots)
            kept = rows.addresses_of_state(slots)
            alive = [*(w.detach() for w in weights), *(state[slot] for state in rows.states for slot in slots)]
            checked = _Checked(at, kept, sizes, [weight.stride() for weight in weights], alive)
            self._checked[which] = checked
        gradients, kind = rows.gradients, weights[0].dtype
        if (
            [one.stride() for one in gradients] != checked.strides
            or [one.numel() for one in gradients] != sizes
            or not all(one.dtype is kind and one.is_cpu for one in gradients)
        ):
            gradients = [_laid_out(one, weight) for one, weight in zip(gradients, weights, strict=True)]
        kernel(kind, sizes, [*at, *_addresses(gradients), *kept], numbers)
        increment_version(weights)
        return True

    def _by_lists(self, rows: _Rows, numbers: dict[str, float]) -> None:
        slots = [[state[slot] for state in rows.states] for slot in self.equation.slots]
        for some, of_some, *of_slots in _pieces([rows.weights, rows.gradients, *slots]):
            if numbers[DECAY]:
                of_some = list(torch._foreach_add(of_some, some, alpha=numbers[DECAY]))
            self.update(some, of_some, of_slots, numbers)

    @abstractmethod
    def numbers(self, group: Group, count: int) -> dict[str, float]:
        """The equation's numbers for weights that take their step number `count`."""

    @abstractmethod
    def update(self, weights: list[Tensor], gradients: list[Tensor], slots: Lists, numbers: dict[str, float]) -> None:
        """The step over lists: change weights and slots in place; the gradients, decay included, are left alone."""


def _fit_kernel(weights: Sequence[Tensor]) -> bool:
    """Whether the compiled pass can take these weights: on the processor, of one type that it has, plain and dense."""
    kind = weights[0].dtype
    return kind in TYPES and all(
        type(w) in (Tensor, Parameter) and w.dtype is kind and w.is_cpu and _dense(w) for w in weights
    )


def _dense(tensor: Tensor) -> bool:
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def _addresses(tensors: list[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def _laid_out(tensor: Tensor, weight: Tensor) -> Tensor:
    """The same numbers in memory as the weight's: the tensor itself where it is so already."""
    if tensor.shape == weight.shape and tensor.dtype is weight.dtype and tensor.device == weight.device:
        strides = zip(tensor.shape, tensor.stride(), weight.stride(), strict=True)
        if all(one == other for size, one, other in strides if size > 1):
            return tensor
    return torch.empty_like(weight).copy_(tensor)


def _pieces(columns: Lists) -> Iterator[Lists]:
    """All at once where that is little, or not on the processor; else by lists and parts of tensors that fit the cache.

    Args:
        columns: weights, gradients, slots; tensors of one row have the same shape.
    """
    weights = columns[0]
    if not weights[0].is_cpu or sum(map(torch.numel, weights)) <= SMALL_ELEMENTS:
        yield columns
        return
    gathered: list[tuple[Tensor, ...]] = []
    elements = 0
    for row in zip(*columns, strict=True):
        size, strides = row[0].numel(), row[0].stride()
        if size > PIECE_ELEMENTS and _dense(row[0]) and all(one.stride() == strides for one in row):
            flat = [one.as_strided((size,), (1,)) for one in row]
            for begin in range(0, size, PIECE_ELEMENTS):
                yield [[one[begin : begin + PIECE_ELEMENTS]] for one in flat]
            continue
        gathered.append(row)
        elements += size
        if elements >= PIECE_ELEMENTS:
            yield [list(column) for column in zip(*gathered, strict=True)]
            gathered, elements = [], 0
    if gathered:
        yield [list(column) for column in zip(*gathered, strict=True)]
