"""The loop, checkpoints, the run folder."""
