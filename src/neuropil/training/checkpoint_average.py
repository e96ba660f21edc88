"""The mean of a run's last checkpoints, as one more set of weights to use.

Source: Vaswani et al. 2017, "Attention is all you need", section 6.1: the mean of the last 5 checkpoints, written every
ten minutes, of the last 20 for the large network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from neuropil.errors import CheckpointError, InputError
from neuropil.training.checkpoint import Checkpoint, checkpoint_folders, load_checkpoint, save_checkpoint

__all__ = ["CheckpointAverage", "average_checkpoints", "mean_of_states", "newest_average"]


@dataclass(frozen=True, slots=True)
class CheckpointAverage:
    """What became of some checkpoints.

    Args:
        folder: the new checkpoint.
        steps: optimizer steps of those that it is the mean of, oldest first.
        notes: sentences that the user should read.
    """

    folder: Path
    steps: tuple[int, ...]
    notes: tuple[str, ...]


def mean_of_states(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of networks' states, summed in float64; whole numbers are those of the last one.

    Raises:
        InputError: no state, or states of different networks.

    Example:
        >>> mean_of_states([{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 2.0])}])
        {'w': tensor([2., 2.])}
    """
    if not states:
        raise InputError("there is no state to take the mean of; give one or more")
    shapes = [{name: tensor.shape for name, tensor in state.items()} for state in states]
    if any(one != shapes[-1] for one in shapes):
        raise InputError("the states are of different networks, which have no mean; give states of one run")
    found = {}
    for name, last in states[-1].items():
        found[name] = last
        if last.is_floating_point():
            found[name] = torch.stack([state[name].double() for state in states]).mean(0).to(last.dtype)
    return found


def average_checkpoints(root: Path, last: int = 5) -> CheckpointAverage:
    """Write the mean of the weights of a run's last checkpoints as a checkpoint of its own, which resuming ignores.

    Where a run keeps a moving average of its weights, the mean is that of these. Checkpoints are as far apart as
    `training.save_every_steps` says; those that `training.save_every_seconds` adds fall where the clock has it, so give
    a large number there where a mean shall be the same again.

    Args:
        root: the folder of the run's checkpoints.
        last: how many, 2 or more.

    Raises:
        InputError: fewer checkpoints than that.
        CheckpointError: one of them is damaged, or the disk refused.
    """
    if last < 2:
        raise InputError(f"the mean of {last} checkpoints was asked for; give 2 or more")
    of_step = {int(folder.name.split("-")[1]): folder for folder in checkpoint_folders(root)}  # the last save of a step
    if len(of_step) < last:
        count = f"{len(of_step)} checkpoint{'' if len(of_step) == 1 else 's'}"
        fewer = f"give --last {len(of_step)}, or " if len(of_step) > 1 else ""
        raise InputError(
            f"{str(root.parent)!r} keeps {count}, but the mean of {last} was asked for; {fewer}train with "
            f"training.keep_checkpoints={last} and training.save_every_steps=N"
        )
    steps = tuple(sorted(of_step)[-last:])
    states = [load_checkpoint(of_step[step], only=("averaged", "use", "model")).weights() for step in steps]
    folder = save_checkpoint(root, steps[-1], {"model": mean_of_states(states)}, {"steps": list(steps)}, kind="average")
    notes: tuple[str, ...] = ()
    if any(name.endswith("running_var") for name in states[-1]):
        notes = (
            "the running statistics of batch normalization are means, too, not those of the averaged network; see "
            "with `neuropil evaluate` whether it is the better one",
        )
    return CheckpointAverage(folder, steps, notes)


def newest_average(root: Path) -> Checkpoint:
    """The mean that was made last.

    Raises:
        InputError: none was made.
        CheckpointError: it is damaged.
    """
    folders = checkpoint_folders(root, "average")
    if not folders:
        where = str(root.parent)
        raise InputError(f"no mean of checkpoints was made of {where!r} yet; `neuropil average {where}` makes it")
    try:
        return load_checkpoint(folders[-1], only=["model"])
    except CheckpointError as error:
        raise CheckpointError(f"{error}; `neuropil average {root.parent}` makes it again") from error
