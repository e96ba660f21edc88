"""One look at a network forward and backward: what each layer gives, and what comes back to it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from neuropil.nn.activation import RECTIFIERS, SQUASHERS, Softmax, flat_ends
from neuropil.nn.contracts import BatchLike, Task

__all__ = ["OPEN_ENDED", "SQUASHING", "Activity", "Look", "Weighted", "look_at"]

SOFT = (nn.Softmax, Softmax, nn.LogSoftmax)
OTHERS = (nn.GELU, nn.SiLU, nn.Hardswish, nn.LeakyReLU, nn.PReLU, nn.ELU)
SQUASHING = {
    *(kind.__name__ for kind in (*RECTIFIERS, *SQUASHERS, *SOFT)), "GELU", "SiLU", "Hardswish",
}  # fmt: skip
"""Activations that keep an output from being any number."""

OPEN_ENDED = {
    "ReLU": (0.0, math.inf), "Tanh": (-1.0, 1.0), "ScaledTanh": (-1.7159, 1.7159), "ReLU6": (0.0, 6.0),
    "GELU": (-0.17, math.inf), "SiLU": (-0.28, math.inf), "Hardswish": (-0.375, math.inf),
}  # fmt: skip
"""What they can give, where it is not 0 to 1."""

ACTIVATIONS = (*RECTIFIERS, *SQUASHERS, *SOFT, *OTHERS)


FLAT_SUM = 4.2
"""Where a sigmoid is as flat as `flat_ends` says; a tanh is flatter still."""


@dataclass(slots=True)
class Activity:
    """What one activation gives over some samples.

    Args:
        layer: the module's path.
        kind: its class.
        units: how many there are.
        dead: share of units that are 0 for every sample and place (rectifiers only).
        silent: share of all values that are 0 (rectifiers only).
        saturated: share of values at the flat ends (squashers and recurrent layers only).
        spread: standard deviation over all values.
        gradient: root of the mean square of the loss's gradient by these values, a sample's share.
        samples: that were looked at.
    """

    layer: str
    kind: str
    units: int
    dead: float = 0.0
    silent: float = 0.0
    saturated: float = 0.0
    spread: float = 0.0
    gradient: float = 0.0
    samples: int = 0


@dataclass(slots=True)
class Weighted:
    """The parameters of one layer.

    Args:
        layer: the module's path.
        kind: its class.
        count: of parameters.
        learns: share of them that are not frozen.
        weight: norm of the weights (matrices and kernels).
        gradient: norm of the gradient by them, averaged over the batches.
        rms: gradient by one weight, root of the mean square.
        faint: share of single weights whose gradient is below a millionth of the largest in the network.
        pull: gradient norm times weight norm over the loss: what a change of a share of the layer changes.
    """

    layer: str
    kind: str
    count: int
    learns: float
    weight: float
    gradient: float
    rms: float
    faint: float
    pull: float


@dataclass(slots=True)
class Look:
    """All of one look.

    Args:
        loss: mean over the batches, as trained; not finite where it became so.
        gradient: global norm of the mean gradient.
        weighted: layers with parameters, in the order in which data pass them.
        activity: activations, in that order.
        last: path and class of the module that gives the network's output.
        outputs: of the first batch.
        over_time: norm of the gradient at each step of the sequences that a recurrent layer reads, by layer.
        samples: that were looked at.
    """

    loss: float
    gradient: float
    weighted: list[Weighted]
    activity: list[Activity]
    last: tuple[str, str]
    outputs: Tensor | None
    over_time: dict[str, list[float]]
    samples: int


def look_at(model: nn.Module, task: Task, batches: Sequence[BatchLike]) -> Look:
    """Run batches forward and backward through a copy of a network, in training mode.

    Args:
        model: stays as it is.
        task: gives the loss.
        batches: one or more.
    """
    model = copy.deepcopy(model).train()
    watch = _Watch(model)
    total, samples, carry = 0.0, 0, None
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        for batch in batches:
            if _too_small(model, batch):
                continue
            loss, carry = task.step(model, batch, carry)
            if loss.requires_grad:
                loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item() * len(batch.inputs)
            samples += len(batch.inputs)
    watch.close()
    loss_mean = total / samples if samples else math.nan
    weighted = _weighted(model, watch.order, len(batches), loss_mean)
    return Look(
        loss=loss_mean,
        gradient=math.sqrt(sum(one.gradient**2 for one in weighted)),
        weighted=weighted,
        activity=watch.activities(),
        last=watch.last(),
        outputs=watch.outputs,
        over_time=watch.over_time(),
        samples=samples,
    )


def _too_small(model: nn.Module, batch: BatchLike) -> bool:
    """Whether batch normalization would refuse a batch of one."""
    return len(batch.inputs) == 1 and any(isinstance(one, _BatchNorm) for one in model.modules())


class _Watch:
    """Hooks on every module without modules inside, and on recurrent layers."""

    def __init__(self, model: nn.Module) -> None:
        self.order: list[str] = []
        self.found: dict[str, Activity] = {}
        self.alive: dict[str, Tensor] = {}
        self.sums: dict[str, list[float]] = {}
        self.times: dict[str, list[Tensor]] = {}
        self.squares: dict[str, list[Tensor]] = {}
        self.outputs: Tensor | None = None
        self.produced: dict[int, tuple[Tensor, tuple[str, str]]] = {}
        self.ended: tuple[str, str] = ("", "")
        self.handles: list[Any] = []
        for name, module in model.named_modules():
            if isinstance(module, nn.RNNBase):
                self.handles.append(module.register_forward_pre_hook(_with_gradient))
                self.handles.append(module.register_forward_hook(self._recurrent(name)))
            elif not any(module.children()):
                self.handles.append(module.register_forward_hook(self._leaf(name)))
        self.handles.append(model.register_forward_hook(self._whole))

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()

    def last(self) -> tuple[str, str]:
        """Which module gave the output; dropout and shaping left aside."""
        return self.ended

    def activities(self) -> list[Activity]:
        """In the order of the first call."""
        for name, one in self.found.items():
            squares = self.squares.get(name, [])
            one.gradient = math.sqrt(sum(float(s) for s in squares) / len(squares)) if squares else 0.0
            count, total, squared, values = self.sums[name]
            one.spread = math.sqrt(max(0.0, squared / values - (total / values) ** 2)) if values else 0.0
            one.saturated = one.saturated / count if count else 0.0
            one.silent = one.silent / count if count else 0.0
            if name in self.alive:
                one.dead = 1.0 - float(self.alive[name].float().mean())
        return list(self.found.values())

    def over_time(self) -> dict[str, list[float]]:
        """Norms by step, of the batches that were as long as the first."""
        found = {}
        for name, norms in self.times.items():
            same = [one for one in norms if one.shape == norms[0].shape]
            found[name] = torch.stack(same).mean(0).tolist()
        return found

    def _leaf(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            if name not in self.order:
                self.order.append(name)
            if not isinstance(output, Tensor) or not output.is_floating_point():
                return
            passing = isinstance(module, nn.Flatten | nn.Identity) or "Dropout" in type(module).__name__
            given = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
            made = (name, type(module).__name__)
            if passing and given is not None and id(given) in self.produced:
                made = self.produced[id(given)][1]
            self.produced[id(output)] = (output, made)  # held, so that no other tensor gets its id
            if isinstance(module, ACTIVATIONS):
                self._add(name, module, output)

        return note

    def _recurrent(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            if name not in self.order:
                self.order.append(name)
            states = output[0]
            if not isinstance(states, Tensor) or not states.is_floating_point():
                return
            self._add(name, module, states)
            if isinstance(module, nn.RNNBase):
                self._count_gates(name, module, inputs[0], states.detach())
            read = inputs[0] if inputs else None
            if isinstance(read, Tensor) and read.requires_grad and read.ndim == 3:
                read.register_hook(  # type: ignore[no-untyped-call]
                    lambda gradient: self.times.setdefault(name, []).append(_by_step(gradient))
                )

        return note

    def _count_gates(self, name: str, module: nn.RNNBase, read: Any, states: Tensor) -> None:
        """Add the gates of the first layer (their sums at the flat ends of the sigmoid) to what is saturated."""
        if module.mode not in ("LSTM", "GRU") or not isinstance(read, Tensor) or module.proj_size:
            return
        before = torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], 1)[..., : module.hidden_size]
        weights = [getattr(module, f"{kind}_l0", None) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        if module.num_layers > 1 or any(one is None for one in weights[:2]):
            return
        with torch.no_grad():
            sums = nn.functional.linear(read, weights[0], weights[2])  # type: ignore[arg-type]
            sums = sums + nn.functional.linear(before, weights[1], weights[3])  # type: ignore[arg-type]
            there = (states.abs().sum(-1, keepdim=True) > 0).expand_as(sums)
            flat = (sums.abs() > FLAT_SUM) & there
        self.sums[name][0] += float(there.sum())
        self.found[name].saturated += float(flat.sum())

    def _add(self, name: str, module: nn.Module, values: Tensor) -> None:
        seen = values.detach()
        units = seen.shape[-1] if isinstance(module, nn.RNNBase) or seen.ndim <= 3 else seen.shape[1]
        axis = 1 if seen.ndim > 3 else seen.ndim - 1
        one = self.found.setdefault(name, Activity(name, type(module).__name__, units))
        one.samples += len(seen)
        sums = self.sums.setdefault(name, [0.0, 0.0, 0.0, 0.0])
        wide = seen.double()
        counted = wide != 0 if isinstance(module, nn.RNNBase) else torch.ones_like(wide, dtype=torch.bool)
        sums[0] += float(counted.sum())
        sums[1] += float(wide.sum())
        sums[2] += float(wide.square().sum())
        sums[3] += float(counted.sum())
        if isinstance(module, RECTIFIERS):
            other = [place for place in range(seen.ndim) if place != axis]
            alive = (seen > 0).any(dim=0).flatten() if not other else _any(seen > 0, other)
            known = self.alive.get(name)
            self.alive[name] = alive if known is None or known.shape != alive.shape else known | alive
            one.silent += float((seen <= 0).sum())
        elif (ends := flat_ends(module)) is not None:
            one.saturated += float((((seen < ends[0]) | (seen > ends[1])) & counted).sum())
        if values.requires_grad:
            values.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: self.squares.setdefault(name, []).append(
                    (gradient.detach().double() * len(gradient)).square().mean()
                )
            )

    def _whole(self, module: nn.Module, inputs: Any, output: Any) -> None:
        answer = output[0] if isinstance(output, tuple) else output
        if isinstance(answer, Tensor):
            self.ended = self.produced[id(answer)][1] if id(answer) in self.produced else ("", "")
            if self.outputs is None:
                self.outputs = answer.detach().clone()
        self.produced = {}


def _with_gradient(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a recurrent layer reads, so that a gradient comes to it also where it is the data themselves."""
    read = inputs[0]
    if not torch.is_grad_enabled() or not isinstance(read, Tensor) or read.requires_grad:
        return inputs
    return (read.detach().clone().requires_grad_(), *inputs[1:])


def _any(values: Tensor, axes: list[int]) -> Tensor:
    """Whether one is true along some axes."""
    for axis in sorted(axes, reverse=True):
        values = values.any(dim=axis)
    return values


def _by_step(gradient: Tensor) -> Tensor:
    """`[N, T, D]` -> the norm at each step, `[T]`."""
    return gradient.detach().double().square().sum(dim=(0, 2)).sqrt()


def _weighted(model: nn.Module, order: Sequence[str], batches: int, loss: float) -> list[Weighted]:
    modules = dict(model.named_modules())
    names = [*order, *(name for name in modules if name not in set(order))]
    rows = []
    largest = 0.0
    gradients: dict[str, list[Tensor]] = {}
    for name in names:
        own = list(modules[name].parameters(recurse=False))
        if not own:
            continue
        gradients[name] = [
            (torch.zeros_like(one) if one.grad is None else one.grad.detach() / batches).double()
            for one in own
            if one.ndim > 1
        ] or [(torch.zeros_like(one) if one.grad is None else one.grad.detach() / batches).double() for one in own]
        largest = max([largest, *(float(one.abs().max()) for one in gradients[name] if one.numel())])
    for name, found in gradients.items():
        own = list(modules[name].parameters(recurse=False))
        big = [one for one in own if one.ndim > 1] or own
        flat = torch.cat([one.flatten() for one in found])
        norm = float(flat.norm())
        weight = math.sqrt(sum(float(one.detach().double().square().sum()) for one in big))
        count = sum(one.numel() for one in own)
        learns = sum(one.numel() for one in own if one.requires_grad) / count
        faint = float((flat.abs() < 1e-6 * largest).double().mean()) if largest else 1.0
        pull = norm * weight / abs(loss) if loss and math.isfinite(loss) else math.nan
        rms = norm / math.sqrt(len(flat))
        rows.append(Weighted(name, type(modules[name]).__name__, count, learns, weight, norm, rms, faint, pull))
    return rows
