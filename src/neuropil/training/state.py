"""All that a run is at one moment: counted progress, and its way into a checkpoint and back."""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from neuropil.errors import CheckpointError
from neuropil.nn.contracts import Carry
from neuropil.optim.averaging import WeightAverage
from neuropil.optim.chapter import NesterovMomentum
from neuropil.optim.schedules import Schedule
from neuropil.training.checkpoint import Checkpoint
from neuropil.training.seeding import generator_states, restore_generator_states
from neuropil.training.tree import pack, unpack

__all__ = [
    "Progress",
    "RunState",
    "Weights",
    "describe_state",
    "differences_from",
    "put_weights",
    "restore_state",
    "take_weights",
]


@dataclass(slots=True)
class Progress:
    """Where a run is. Every field is saved; none depends on the clock."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    loss_samples: int = 0
    evaluation_due: bool = False
    best_value: float | None = None
    best_loss: float | None = None
    best_step: int | None = None
    epochs_without_gain: int = 0
    skipped_steps: int = 0
    rollbacks: int = 0
    learning_rate_scale: float = 1.0
    ending: str | None = None
    watch: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Weights:
    """Weights, optimizer state and moving average at one moment, apart from everything else."""

    tensors: dict[str, dict[str, Tensor]]
    optimizer: Any

    def copy(self) -> Weights:
        """The same numbers in memory of their own."""
        copied = {stem: {n: t.detach().clone() for n, t in named.items()} for stem, named in self.tensors.items()}
        return Weights(copied, self.optimizer)


@dataclass(slots=True)
class RunState:
    """Everything of a run that changes while it trains; what a checkpoint holds.

    Args:
        model: the network.
        optimizer: the update rule with its state.
        schedule: of the learning rate.
        average: moving average of the weights, if one is kept.
        carry: what the task hands from batch to batch.
        progress: counters.
        safe: where a rollback would go.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    average: WeightAverage | None = None
    carry: Carry = None
    progress: Progress = field(default_factory=Progress)
    safe: Weights | None = None

    def rule_weights(self) -> AbstractContextManager[None]:
        """The rule's weights in the network inside: Nesterov's rule leaves the point ahead of them between steps."""
        if isinstance(self.optimizer, NesterovMomentum):
            return self.optimizer.at_weights()
        return nullcontext()

    def weights_for_use(self) -> AbstractContextManager[None]:
        """What is evaluated and kept in the network inside: averaged weights where there are, else the rule's."""
        return self.rule_weights() if self.average is None else self.average.swap(self.model)


def take_weights(run: RunState) -> Weights:
    """What a rollback needs; the tensors are the live ones."""
    loose: dict[str, Tensor] = {}
    packed = pack(run.optimizer.state_dict(), loose, "optimizer")
    tensors = {"model": dict(run.model.state_dict()), "optimizer": loose}
    if run.average is not None:
        tensors["averaged"] = run.average.state_tensors()
    return Weights(tensors, packed)


def put_weights(run: RunState, weights: Weights) -> None:
    """Put weights, optimizer state and moving average back."""
    run.model.load_state_dict(weights.tensors["model"])
    optimizer_state = unpack(weights.optimizer, weights.tensors["optimizer"])
    _fit_layout(optimizer_state, run.optimizer)
    run.optimizer.load_state_dict(optimizer_state)
    if run.average is not None:
        run.average.load_state_tensors(weights.tensors["averaged"])


def describe_state(run: RunState, log_bytes: int) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    """The tensors by file stem, and the plain JSON state.

    Args:
        run: left as it is.
        log_bytes: size of the log at this moment.
    """
    weights = take_weights(run)
    loose: dict[str, Tensor] = {}
    state = {
        "progress": asdict(run.progress),
        "log_bytes": log_bytes,
        "optimizer": weights.optimizer,
        "schedule": run.schedule.state_dict(),
        "carry": pack(run.carry, loose, "carry"),
        "generators": pack(generator_states(), loose, "generators"),
        **_surroundings(),
    }
    tensors = {**weights.tensors, "state": loose}
    if run.average is None and isinstance(run.optimizer, NesterovMomentum):
        with run.weights_for_use():
            tensors["use"] = {name: tensor.detach().clone() for name, tensor in run.model.state_dict().items()}
    if run.safe is not None:
        state["safe_optimizer"] = run.safe.optimizer
        tensors |= {f"safe-{stem}": named for stem, named in run.safe.tensors.items()}
    return tensors, state


def restore_state(checkpoint: Checkpoint, run: RunState) -> int:
    """Put a checkpoint back into a run.

    Returns:
        The size of the log at that moment.

    Raises:
        CheckpointError: the checkpoint belongs to another network, optimizer or schedule.
    """
    state, tensors = checkpoint.state, checkpoint.tensors
    try:
        put_weights(run, Weights(tensors, state["optimizer"]))
        run.schedule.load_state_dict(state["schedule"])
        run.carry = unpack(state["carry"], tensors["state"])
        restore_generator_states(unpack(state["generators"], tensors["state"]))
        run.progress = Progress(**state["progress"])
        if "safe_optimizer" in state:
            stems = [stem for stem in tensors if stem.startswith("safe-")]
            run.safe = Weights({stem.removeprefix("safe-"): tensors[stem] for stem in stems}, state["safe_optimizer"])
        return int(state["log_bytes"])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise CheckpointError(f"the checkpoint {checkpoint.folder.name!r} is not of this run: {error}") from error


def _fit_layout(optimizer_state: dict[str, Any], optimizer: torch.optim.Optimizer) -> None:
    """Give each loaded tensor the memory layout of its parameter, so that the same kernels run on it as before."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, entries in optimizer_state["state"].items():
        parameter = parameters[number]
        for key, value in entries.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and value.dtype == parameter.dtype:
                entries[key] = torch.empty_like(parameter, requires_grad=False).copy_(value)


def _surroundings() -> dict[str, Any]:
    return {"threads": torch.get_num_threads(), "torch": str(torch.__version__), "machine": platform.machine()}


def differences_from(checkpoint: Checkpoint) -> list[str]:
    """Sentences about what differs between this process and the one that saved (threads, torch, machine)."""
    return [
        f"this run had {name} {checkpoint.state.get(name)}, now it is {value}: results may differ in the last digits"
        for name, value in _surroundings().items()
        if checkpoint.state.get(name) != value
    ]
