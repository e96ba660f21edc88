"""The exceptions that Neuropil raises on purpose, each carrying one sentence for the reader.

The command line prints that sentence and exits with 2; a traceback is for faults of ours only.
A message says what was given, what is allowed and what to do.
"""

from __future__ import annotations

__all__ = ["CheckpointError", "InputError", "MissingExtraError", "NeuropilError", "NonFiniteError"]


class NeuropilError(Exception):
    """Anything that Neuropil refuses or reports in words."""


class InputError(NeuropilError, ValueError):
    """What the caller or a file gave cannot be used: a wrong name, option, shape, file or value."""


class MissingExtraError(NeuropilError, ImportError):
    """A feature needs an optional package; the message names the extra that brings it."""


class CheckpointError(NeuropilError, OSError):
    """A checkpoint could not be written, or no undamaged one could be read."""


class NonFiniteError(NeuropilError, ArithmeticError):
    """A loss, gradient or weight stopped being a finite number; the message names where."""
