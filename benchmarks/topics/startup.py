"""How long one waits before anything happens."""

from __future__ import annotations

from benchmarks.records import Duel, Row, Topic

__all__ = ["TOPIC"]


def _seconds(what: str, target: float | None, *, beyond: bool = False) -> Row:
    kind = "ours - peer" if beyond else "ours"
    return Row(what=what, figure="seconds", unit="s", kind=kind, better="low", target=target)  # type: ignore[arg-type]


TOPIC = Topic(
    name="startup",
    title="Start-up",
    notes=(
        "Seconds of a whole process, from its start to its end, interpreter included; files are in the disk cache. "
        "The row on top of `import torch` is the difference of the two processes of each pair.",
    ),
    duels=(
        Duel(ours="help", peer="pass", rows=[_seconds("`neuropil --help`, beside `python -c pass`", 0.30)]),
        Duel(ours="import", peer="pass", rows=[_seconds("`import neuropil`, beside `python -c pass`", 0.05)]),
        Duel(
            ours="torch-and-import",
            peer="import-torch",
            rows=[_seconds("`import torch, neuropil`, beyond `import torch`", 0.10, beyond=True)],
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
