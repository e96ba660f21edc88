"""Many small networks as one: weights stacked along a first axis, one forward pass for all, the rules on the stacks.

    weights   [C, ...] for C runs; run c's network holds views of row c, so that it is always up to date
    loss      vmap over C of the task's own loss with `functional_call`; the sum's gradient is each run's own
    rule      value by value, so that one object steps a whole stretch of rows: the runs that have the same rule

Differs:
    Products over a stack round otherwise than one by one: the same runs but for the last digits.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from neuropil.nn.contracts import BatchLike, Task
from neuropil.training.speed import Placed

__all__ = ["Member", "Stack", "StepOutcome"]


@dataclass(frozen=True, slots=True)
class Member:
    """One run of a stack: its network, its rule, its learning rate's factor at a step, and which batches it reads.

    Args:
        model: all members' are alike but for their numbers.
        optimizer: of the recipe; elementwise.
        rule: equal for members whose rule and options (and so whose learning rates) are equal.
        stream: the number of its stream of batches.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    rule: str
    stream: int


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """Of each member in one step: the loss, and the gradient's norm before clipping."""

    losses: list[float]
    norms: list[float]


class Stack:
    """Networks of one form that take their steps together.

    From here on a member's weights and its rule's state are views of the stack.

    Args:
        members: those of one rule stand side by side.
        task: gives the loss.
        clip_norm: limit of each member's own gradient norm; `None` for none.
        clip_value: limit of each number of a gradient; `None` for none.
    """

    def __init__(
        self,
        members: Sequence[Member],
        task: Task,
        *,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self.members, self.task = list(members), task
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self._checked = False
        self.base = copy.deepcopy(members[0].model)
        self.names = [name for name, _ in self.base.named_parameters()]
        rows = [dict(member.model.named_parameters()) for member in members]
        self.weights = [torch.stack([row[name].detach() for row in rows]) for name in self.names]
        for weight in self.weights:
            weight.requires_grad_()
        self.rules: list[_StackedRule] = []
        begin = 0
        for end in range(1, len(self.members) + 1):
            if end == len(self.members) or self.members[end].rule != self.members[begin].rule:
                self.rules.append(_StackedRule(self.members[begin:end], self.names, self.weights, begin))
                begin = end
        for number, row in enumerate(rows):
            for name, weight in zip(self.names, self.weights, strict=True):
                row[name].data = weight.data[number]

    def step(self, batches: Sequence[BatchLike]) -> StepOutcome:
        """One step of every member.

        Args:
            batches: one a stream, all of one size.
        """
        if not self._checked:  # what a task looks at in its first batch hangs on values, which vmap does not show it
            with torch.no_grad():
                self.task.step(self.members[0].model, batches[0], None)
            self._checked = True
        inputs = torch.stack([batches[member.stream].inputs for member in self.members])
        targets = torch.stack([batches[member.stream].targets for member in self.members])
        losses = vmap(self._loss)(dict(zip(self.names, self.weights, strict=True)), inputs, targets)
        found_gradients = torch.autograd.grad(losses.sum(), self.weights)
        gradients = tuple(one.contiguous() for one in found_gradients)  # fused rules go by memory, not by strides
        with torch.no_grad():
            each = torch.stack([torch.linalg.vector_norm(one.flatten(1), dim=1) for one in gradients])
            norms = torch.linalg.vector_norm(each, dim=0)
            found = StepOutcome(losses.tolist(), norms.tolist())
            gradients = self._clipped(gradients, norms)
            for rule in self.rules:
                rule.step(gradients)
        return found

    def _loss(self, weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        """One member's loss; under `vmap`."""

        def run(x: Tensor) -> Any:
            return functional_call(self.base, weights, (x,))

        loss, _ = self.task.step(run, Placed(inputs, targets, None), None)  # type: ignore[arg-type]
        return loss

    def _clipped(self, gradients: tuple[Tensor, ...], norms: Tensor) -> tuple[Tensor, ...]:
        if self.clip_norm is not None:
            scale = torch.where((norms > self.clip_norm) & norms.isfinite(), self.clip_norm / norms, 1.0)
            gradients = tuple(one * scale.view(-1, *[1] * (one.dim() - 1)) for one in gradients)
        if self.clip_value is not None:
            gradients = tuple(one.clamp(-self.clip_value, self.clip_value) for one in gradients)
        return gradients


class _StackedRule:
    """One rule over the rows of the members that share it; each member's own optimizer sees the state."""

    def __init__(self, members: Sequence[Member], names: list[str], weights: list[Tensor], begin: int) -> None:
        self.rows = slice(begin, begin + len(members))
        self.optimizers = [member.optimizer for member in members]
        self.optimizer = copy.deepcopy(self.optimizers[0])
        place = {id(parameter): names.index(name) for name, parameter in members[0].model.named_parameters()}
        self.places = [[place[id(one)] for one in group["params"]] for group in self.optimizers[0].param_groups]
        self.optimizer.state.clear()
        self.stacked: list[tuple[nn.Parameter, int, list[Tensor]]] = []
        for number, (group, places) in enumerate(zip(self.optimizer.param_groups, self.places, strict=True)):
            group["params"] = [nn.Parameter(weights[one].data[self.rows]) for one in places]
            if "compiled" in group:
                group["compiled"] = False
            for order, parameter in enumerate(group["params"]):
                own = [one.param_groups[number]["params"][order] for one in self.optimizers]
                self.stacked.append((parameter, places[order], own))
                self._gather(parameter, own)
        self._linked = False

    def _gather(self, parameter: nn.Parameter, own: list[Tensor]) -> None:
        """The members' states, as a checkpoint left them, into one."""
        states = [optimizer.state.get(one, {}) for optimizer, one in zip(self.optimizers, own, strict=True)]
        for slot, value in states[0].items():
            of_weights = isinstance(value, Tensor) and value.shape == own[0].shape
            joined = torch.stack([state[slot] for state in states]) if of_weights else copy.deepcopy(value)
            self.optimizer.state[parameter][slot] = joined

    def step(self, gradients: Sequence[Tensor]) -> None:
        """One step at the learning rates that the members' own optimizers have."""
        for group, own in zip(self.optimizer.param_groups, self.optimizers[0].param_groups, strict=True):
            group["lr"] = own["lr"]
        for parameter, place, _ in self.stacked:
            parameter.grad = gradients[place][self.rows]
        self.optimizer.step()
        self._link()

    def _link(self) -> None:
        """Let each member's optimizer see its row of the state; counts of steps are plain numbers, and copied."""
        for parameter, _, own in self.stacked:
            state = self.optimizer.state[parameter]
            views = {slot: value for slot, value in state.items() if not self._linked or not isinstance(value, Tensor)}
            if not views:
                continue
            for row, (optimizer, weight) in enumerate(zip(self.optimizers, own, strict=True)):
                mine = optimizer.state[weight]
                for slot, value in views.items():
                    whole = isinstance(value, Tensor) and value.shape == parameter.shape and value.dim() > 0
                    mine[slot] = value[row] if whole else value
        self._linked = True
