"""Runs on sequences that were stopped go on to the same weights, to the last bit: the state of a text is saved, too."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import neuropil
from neuropil.training.reports import StepReport

TEXT = "so it goes. and on it goes, as it went on before.\n" * 30
PAIRS = "".join(f"eine Katze schläft {n % 7}\ta cat sleeps {n % 7}\n" for n in range(40))

RUNS: dict[str, dict[str, Any]] = {
    "language_model": {"data": {"source": "text", "root": "a.txt", "window": 8}, "model": {"num_layers": 2}},
    "language_model_gru": {"data": {"source": "text", "root": "a.txt", "window": 8}, "model": {"cell": "gru"}},
    "seq2seq": {"data": {"source": "parallel", "root": "a.tsv"}, "model": {"attention": "additive"}},
}


def weights_of(kind: str, folder: Path, stop_at: int | None) -> dict[str, Tensor]:
    """Of a run of two epochs, perhaps stopped behind a step and gone on with."""
    values = {**RUNS[kind], "model": {"name": kind.removesuffix("_gru"), "width": 8, **RUNS[kind]["model"]}}
    steps: list[int] = []

    def stop(report: StepReport) -> None:
        steps.append(report.step)
        if report.step == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    options: dict[str, Any] = {"runs": folder, "progress": False}
    if stop_at is None:
        done = neuropil.train(**values, epochs=2, batch_size=4, on_report=stop, **options)
        assert len(steps) > 8
        return dict(done.model.state_dict())
    with pytest.raises(BaseException, match="interrupted by signal 2"):
        neuropil.train(**values, epochs=2, batch_size=4, on_report=stop, **options)
    (run,) = {path.parent for path in folder.rglob("checkpoints")}
    return dict(neuropil.resume_run(run, progress=False).model.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("kind", RUNS)
def test_a_stopped_run_ends_as_if_it_had_not_been(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(TEXT, encoding="utf-8")
    Path("a.tsv").write_text(PAIRS, encoding="utf-8")
    whole = weights_of(kind, tmp_path / "whole", None)
    stopped = weights_of(kind, tmp_path / "stopped", 5)
    assert whole.keys() == stopped.keys()
    assert all(torch.equal(one, stopped[name]) for name, one in whole.items())
