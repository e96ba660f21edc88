"""Warnings while a run trains, from what the loop knows anyway and a look at the layers now and then.

Each step costs a few comparisons; every hundredth step the activations of one batch are counted. A kind of warning is
given once a run, and what was seen so far is saved with the run's progress, so that a resumed run says the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from neuropil.nn.activation import RECTIFIERS, SQUASHERS, flat_ends

__all__ = ["Watch"]

Warn = Callable[[str, str | None, str], None]

BEGINNING, LOOK_EVERY, LOOK_FIRST = 20, 100, 20
"""Steps that the first loss is a mean of; steps between two looks at the layers; the step of the first look."""

SMOOTH = 0.02
RISEN, LOUD, SILENT, FAINT_STEPS = 2.0, 100.0, 1e-7, 20
MOST = 0.9
"""Share of dead units or saturated values of a layer, seen in two looks one after the other."""

LEAST_SAMPLES = 16


class Watch:
    """Watches one run.

    Args:
        model: the network that trains.
        warn: gets the fault's name, the layer or `None`, and a sentence.
        looks: whether layers are looked at; not where the network is compiled or trains together with others.
    """

    __slots__ = (
        "count", "faint", "first", "handles", "high", "layers", "looks", "loud", "quiet", "seen", "smooth",
        "suspects", "usual", "warn", "warned",
    )  # fmt: skip

    def __init__(self, model: nn.Module, warn: Warn, *, looks: bool = True) -> None:
        kinds = (*RECTIFIERS, *SQUASHERS)
        inner = [(name, module) for name, module in model.named_modules() if isinstance(module, kinds)] if looks else []
        self.layers, self.warn, self.looks = inner, warn, bool(inner)
        self.handles: list[Any] = []
        self.seen: dict[str, tuple[str, float]] = {}
        self.put({})

    def put(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave; from the beginning where it is empty."""
        self.count = int(state.get("count", 0))
        self.first, self.smooth = float(state.get("first", 0.0)), float(state.get("smooth", 0.0))
        self.usual, self.faint = float(state.get("usual", 0.0)), int(state.get("faint", 0))
        self.warned: list[str] = list(state.get("warned", ()))
        self.suspects: list[str] = list(state.get("suspects", ()))
        self._set_limits()

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: plain values."""
        return {
            "count": self.count, "first": self.first, "smooth": self.smooth, "usual": self.usual,
            "faint": self.faint, "warned": self.warned, "suspects": self.suspects,
        }  # fmt: skip

    def begin(self, step: int) -> None:
        """Before a step: put hooks on where the layers are due."""
        if self.looks and step % LOOK_EVERY == LOOK_FIRST:
            self.seen = {}
            for name, module in self.layers:
                self.handles.append(module.register_forward_hook(self._counter(name)))

    def end(self, loss: float, norm: float) -> None:
        """Behind a step: hold its loss and its gradient's norm, both known already, against those before."""
        self.count += 1
        if self.handles:
            self._judge_layers()
        if not (loss < math.inf and norm < math.inf):
            return
        if self.count <= BEGINNING:
            self.first += (loss - self.first) / self.count
            self.smooth = self.first
            self.usual += (math.log(max(norm, 1e-30)) - self.usual) / self.count
            if self.count == BEGINNING:
                self._set_limits()
            return
        self.smooth += SMOOTH * (loss - self.smooth)
        if norm > self.loud or norm < self.quiet or self.smooth > self.high:
            self._judge(loss, norm)
        elif self.faint:
            self.faint = 0
        if not self.count % BEGINNING and norm > 0:
            self.usual += 0.2 * (math.log(norm) - self.usual)
            self._set_limits()

    def _set_limits(self) -> None:
        self.high = self.first + max((RISEN - 1) * abs(self.first), 0.1)
        self.loud = max(10.0, LOUD * math.exp(min(self.usual, 600.0)))
        self.quiet = SILENT

    def _judge(self, loss: float, norm: float) -> None:
        if norm > self.loud:
            usual = math.exp(self.usual)
            self._say(
                "exploding_gradient", None,
                f"the gradient's norm is {norm:.3g}, {norm / usual:.0f} times the usual {usual:.2g}; "
                "training.clip_norm=1 would bound it",
            )  # fmt: skip
        if norm < self.quiet and loss > 0.5 * self.first:
            self.faint += 1
            if self.faint >= FAINT_STEPS:
                self._say(
                    "vanishing_gradient", None,
                    f"the gradient's norm has been below {SILENT:g} for {FAINT_STEPS} steps while the loss stands at "
                    f"{loss:.3g}; hardly anything learns",
                )  # fmt: skip
        if self.smooth > self.high:
            self._say(
                "learning_rate_too_high", None,
                f"the loss has risen to {self.smooth:.3g} from {self.first:.3g} in the first {BEGINNING} steps; a "
                "smaller optimizer.lr may help",
            )  # fmt: skip

    def _counter(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or len(output) < LEAST_SAMPLES:
                return
            values = output.detach()
            with torch.no_grad():
                if isinstance(module, RECTIFIERS):
                    positive = values > 0
                    units = positive.transpose(0, 1).flatten(1) if values.ndim == 4 else positive.flatten(0, -2).T
                    self.seen[name] = ("dead_relu", 1.0 - float(units.any(1).float().mean()))
                elif (ends := flat_ends(module)) is not None:
                    low, high = ends
                    flat = (values < low) | (values > high)
                    self.seen[name] = ("saturated_activation", float(flat.float().mean()))

        return note

    def _judge_layers(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles = []
        found = [name for name, (_, share) in self.seen.items() if share >= MOST]
        for name in found:
            if name in self.suspects:
                fault, share = self.seen[name]
                what = "units give 0 for the whole batch" if fault == "dead_relu" else "values stand at the flat ends"
                self._say(fault, name, f"{100 * share:.0f} % of the {what} in {name}, where no gradient passes")
        self.suspects = found

    def _say(self, fault: str, layer: str | None, sentence: str) -> None:
        if fault not in self.warned:
            self.warned.append(fault)
            self.warn(fault, layer, sentence)
