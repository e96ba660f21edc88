"""Where and how a network runs (device, memory layout, precision, compiled or not), and the choice by measuring."""

from __future__ import annotations

import copy
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from neuropil.nn.contracts import BatchLike, Task

__all__ = ["Placed", "Placement", "SpeedPlan", "choose_speed", "compiled", "supports_bf16"]

Precision = Literal["fp32", "bf16"]

SHORT_RUN_SECONDS = 20.0
"""Below this estimated length a run is not worth probing: the plain settings are kept."""

COMPILE_RUN_SECONDS = 900.0
"""Below this remaining length compiling is not even tried: it costs 10 to 80 s on a processor."""

LAYOUT_GAINS, BF16_GAINS = 1.03, 1.05
"""How much faster than the plain settings these must be, or what seems a gain may be the machine's changing pace."""

CLOSE = 1.15
"""Settings that take at most so many times the fastest one's time are tried again, in the opposite order."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A batch where the network runs."""

    inputs: Tensor
    targets: Tensor
    indices: Any


@dataclass(frozen=True, slots=True)
class Placement:
    """Device, memory layout and precision.

    Args:
        device: of weights and batches.
        channels_last: pictures and convolution weights in NHWC order.
        precision: `fp32`, or `bf16` for bfloat16 products with float32 weights (autocast).
    """

    device: str = "cpu"
    channels_last: bool = False
    precision: Precision = "fp32"

    def place_model(self, model: nn.Module) -> nn.Module:
        """Move a network, in place."""
        model.to(self.device)
        if self.channels_last:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model

    def place(self, batch: BatchLike) -> BatchLike:
        """Move a batch; the same object where nothing has to be moved."""
        if self.device == "cpu" and not self.channels_last:
            return batch
        inputs = batch.inputs.to(self.device, non_blocking=True)
        if self.channels_last and inputs.dim() == 4:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return Placed(inputs, batch.targets.to(self.device, non_blocking=True), batch.indices)

    def precision_context(self) -> AbstractContextManager[Any]:
        """The autocast context of one forward pass."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, dtype=torch.bfloat16)


@dataclass(frozen=True, slots=True)
class SpeedPlan:
    """What was chosen, and the measurements that led to it.

    Args:
        placement: device, layout, precision.
        compile: run the forward pass through `torch.compile`.
        measured: milliseconds a step of each candidate, by its name.
        reason: one sentence for the reader.
    """

    placement: Placement
    compile: bool = False
    measured: tuple[tuple[str, float], ...] = ()
    reason: str = "plain settings"

    def in_words(self) -> str:
        """The plan in one line."""
        layout = "channels last" if self.placement.channels_last else "ordinary layout"
        parts = [
            self.placement.device,
            layout,
            self.placement.precision,
            "compiled" if self.compile else "not compiled",
        ]
        return f"{', '.join(parts)}: {self.reason}"


def supports_bf16(device: str) -> bool:
    """Whether the hardware multiplies bfloat16 itself (elsewhere it is emulated, and slower)."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if hasattr(torch.cpu, "_is_avx512_bf16_supported"):
        return bool(torch.cpu._is_avx512_bf16_supported())
    return False


def compiled(model: nn.Module) -> nn.Module:
    """The network's forward pass through `torch.compile`; parameters and modes stay those of `model`."""
    return cast(nn.Module, torch.compile(model))


def choose_speed(
    model: nn.Module,
    task: Task,
    batch: BatchLike,
    steps: int,
    *,
    device: str = "cpu",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    channels_last: bool | None = None,
    compile: bool | None = None,
) -> SpeedPlan:
    """Try each open setting for a few steps on a copy of the network and take the fastest.

    What is close to the fastest is tried twice; another layout than the ordinary one, and bf16, must gain a few per
    cent.

    Compiling is tried last, and only where the whole run is long enough to repay it: it is taken if what it saves over
    the remaining steps exceeds what it has just cost.

    Args:
        model: left as it is, with the random generators.
        task: its step is what is timed, forward and backward.
        batch: one batch of the run.
        steps: of the whole run.
        device: where the run takes place.
        precision: a fixed one, or `auto`.
        channels_last: fixed, or `None` to choose.
        compile: fixed, or `None` to choose.
    """
    layouts = (
        [channels_last] if channels_last is not None else [False, True] if _has_pictures(model, batch) else [False]
    )
    precisions: list[Precision] = ["fp32"] if precision == "auto" else [precision]
    if precision == "auto" and supports_bf16(device):
        precisions.append("bf16")
    candidates = [Placement(device, layout, kind) for kind in precisions for layout in layouts]
    with torch.random.fork_rng(devices=[device] if device != "cpu" else []):
        return _choose(model, task, batch, steps, candidates, compile)


def _choose(
    model: nn.Module, task: Task, batch: BatchLike, steps: int, candidates: list[Placement], compile: bool | None
) -> SpeedPlan:
    first = candidates[0]
    times = {first: _milliseconds(model, task, batch, first)}
    estimate = times[first] * steps / 1e3
    if estimate < SHORT_RUN_SECONDS and compile is not True:
        reason = f"about {estimate:.1f} s of work is too little to repay trying others"
        return SpeedPlan(first, False, _named(times), reason)
    for candidate in candidates[1:]:
        times[candidate] = _milliseconds(model, task, batch, candidate)
    close = [one for one in candidates if times[one] <= CLOSE * min(times.values())]
    for candidate in reversed(close if len(close) > 1 else []):
        times[candidate] = min(times[candidate], _milliseconds(model, task, batch, candidate))
    best = min(times, key=lambda one: times[one] * _must_gain(one))
    rank = "the fastest" if times[best] == min(times.values()) else "the plainest of the fastest"
    reason = f"{times[best]:.1f} ms a step, {rank} of {len(times)} tried"
    plan = SpeedPlan(best, compile is True, _named(times), reason)
    remaining = times[best] * steps / 1e3
    if compile is not None or remaining < COMPILE_RUN_SECONDS:
        return plan
    start = time.perf_counter()
    try:
        compiled_time = _milliseconds(model, task, batch, best, use_compile=True)
    except Exception as error:  # the compiler may fail in any way; the run must not
        return replace(plan, reason=f"{reason}; compiling failed ({type(error).__name__})")
    cost = time.perf_counter() - start
    saved = (times[best] - compiled_time) * steps / 1e3
    measured = (*plan.measured, (f"{_name(best)}, compiled", compiled_time))
    if saved > cost:
        return SpeedPlan(best, True, measured, f"compiling costs {cost:.0f} s and saves {saved:.0f} s")
    return replace(plan, measured=measured, reason=f"{reason}; compiling costs {cost:.0f} s, would save {saved:.0f} s")


def _must_gain(placement: Placement) -> float:
    return (LAYOUT_GAINS if placement.channels_last else 1) * (BF16_GAINS if placement.precision == "bf16" else 1)


def _milliseconds(
    model: nn.Module, task: Task, batch: BatchLike, placement: Placement, *, use_compile: bool = False
) -> float:
    """The shortest of three steps, forward and backward, after one to warm up."""
    probe = placement.place_model(copy.deepcopy(model)).train()
    forward = compiled(probe) if use_compile else probe
    placed = placement.place(batch)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        probe.zero_grad()
        with placement.precision_context():
            loss, _ = task.step(forward, placed, None)
        loss.backward()  # type: ignore[no-untyped-call]
        if placement.device != "cpu":
            torch.cuda.synchronize(placement.device)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times[1:])


def _has_pictures(model: nn.Module, batch: BatchLike) -> bool:
    return batch.inputs.dim() == 4 and any(isinstance(module, nn.Conv2d) for module in model.modules())


def _named(times: dict[Placement, float]) -> tuple[tuple[str, float], ...]:
    return tuple((_name(placement), milliseconds) for placement, milliseconds in times.items())


def _name(placement: Placement) -> str:
    return f"{placement.precision}, {'channels last' if placement.channels_last else 'ordinary layout'}"
