"""One pass over an evaluation set, leaving the network as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from neuropil.nn.contracts import BatchStream, Scorer, Task
from neuropil.training.speed import Placement

__all__ = ["evaluate", "evaluation_mode"]


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; each module's own mode is put back afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def evaluate(
    model: nn.Module,
    task: Task,
    stream: BatchStream,
    *,
    placement: Placement | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Scorer | None:
    """Score every batch of a stream.

    Args:
        model: the network; its modes, weights and buffers are left alone.
        task: gives the scorer.
        stream: the batches.
        placement: device, memory layout and precision; plain by default.
        should_stop: asked before each batch.

    Returns:
        The filled scorer, or `None` if it was asked to stop.
    """
    placement = placement or Placement()
    scorer = task.scorer()
    with evaluation_mode(model):
        for batch in stream.epoch(0):
            if should_stop():
                return None
            with placement.precision_context():
                scorer.update(model, placement.place(batch))
    return scorer
