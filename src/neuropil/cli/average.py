"""`neuropil average`."""

from __future__ import annotations

from pathlib import Path

from neuropil.cli.output import AsJson, say, say_json, warn

__all__ = ["average"]


def average(run: Path, /, *, last: int = 5, as_json: AsJson = False) -> None:
    """The mean of the weights of a run's last checkpoints, kept beside them.

    A run keeps as many checkpoints as training.keep_checkpoints says, training.save_every_steps apart.

    Parameters
    ----------
    run
        The run folder.
    last
        Of how many checkpoints; the paper of the Transformer takes 5.
    as_json
        Answer with one JSON object.
    """
    from neuropil.training.checkpoint_average import average_checkpoints
    from neuropil.training.run_folder import RunFolder

    made = average_checkpoints(RunFolder(run).checkpoints, last)
    warn(*made.notes)
    if as_json:
        return say_json({"checkpoint": str(made.folder), "steps": list(made.steps)})
    return say(
        f"{made.folder}: the mean of the weights after {', '.join(f'{step:,}' for step in made.steps)} steps",
        f"to use it: neuropil evaluate {run} --weights average   (predict, too)",
    )
