"""How long one waits before anything happens."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["TOPIC"]


def _seconds(what: str, target: float | None) -> Row:
    return Row(what=what, figure="seconds", unit="s", kind="ours", better="low", target=target)


TOPIC = Topic(
    name="startup",
    title="Start-up",
    notes=(
        "Seconds of a whole process, from its start to its end, interpreter included; files are in the disk cache. "
        "Only `import neuropil` after `import torch` is timed inside a process that has torch already.",
    ),
    duels=(
        Duel(ours="help", peer="pass", rows=[_seconds("`neuropil --help`, beside `python -c pass`", 0.30)]),
        Duel(ours="import", peer="pass", rows=[_seconds("`import neuropil`, beside `python -c pass`", 0.05)]),
        Duel(
            ours="import-after-torch",
            peer="import-torch",
            rows=[_seconds("`import neuropil` after `import torch`, beside `import torch`", 0.10)],
        ),
        Duel(
            ours="help",
            peer="import-keras",
            rows=[_seconds("`neuropil --help`, beside `import keras` (on torch)", None)],
            pairs=5,
        ),
    ),
    threads=False,
)
