from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from neuropil.drawing.progress import TrainingProgress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(progress: TrainingProgress, number: int, **more: float) -> None:
    progress.update(number, 100, 1, 4, 0.25, 1234.5, more)


def test_plain_lines_come_every_few_seconds_and_at_each_epoch() -> None:
    clock, stream = Clock(), io.StringIO()
    with TrainingProgress(stream=stream, clock=clock, every_seconds=5) as progress:
        for number in range(1, 101):
            step(progress, number)
            clock.now += 0.1
            if number % 25 == 0:
                progress.epoch_done(number // 25, 4, {"train_loss": 0.5}, lr=0.01, seconds=2.5, best=number == 50)
        progress.say("saved")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "epoch 1/4 · step 1/100 · loss 0.25 · 1,234 samples/s"
    assert sum("step" in line for line in lines) == 1
    assert [line for line in lines if "train loss" in line] == [
        f"epoch {n}/4 · train loss 0.5 · lr 0.01 · 2.50 s" + (" · best" if n == 2 else "") for n in (1, 2, 3, 4)
    ]
    assert lines[-1] == "saved"


def test_long_epochs_still_speak() -> None:
    clock, stream = Clock(), io.StringIO()
    with TrainingProgress(stream=stream, clock=clock, every_seconds=5) as progress:
        for number in range(1, 101):
            step(progress, number)
            clock.now += 1
    assert len(stream.getvalue().splitlines()) == 20


def test_time_left_follows_the_pace_since_the_first_step_also_after_resuming() -> None:
    clock, stream = Clock(), io.StringIO()
    with TrainingProgress(stream=stream, clock=clock, every_seconds=0) as progress:
        step(progress, 60)
        clock.now += 10
        step(progress, 70)
    assert stream.getvalue().splitlines()[-1].endswith("30.0 s left")


@pytest.mark.parametrize(("metric", "shown"), [("accuracy", "accuracy 0.9"), ("", "top5 0.99"), ("f1", "top5 0.99")])
def test_the_metric_asked_for_is_shown(metric: str, shown: str) -> None:
    stream = io.StringIO()
    with TrainingProgress(metric, stream=stream) as progress:
        step(progress, 1, top5=0.99, accuracy=0.9)
    assert f" · {shown} · " in stream.getvalue()


def test_a_terminal_gets_a_bar_ten_times_a_second_and_lines_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    clock, stream = Clock(), Terminal()
    with TrainingProgress("accuracy", stream=stream, clock=clock) as progress:
        for number in range(1, 101):
            clock.now += 0.02
            step(progress, number, accuracy=0.75)
        progress.epoch_done(1, 4, {"train_loss": 0.5}, lr=0.01, seconds=2.0)
    written = stream.getvalue()
    assert 15 <= written.count("accuracy 0.75") <= 25
    assert "epoch 1/4 · train loss 0.5 · lr 0.01 · 2.00 s" in written
    assert "━" in written
    assert "\x1b[?25h" in written, "the cursor is given back"


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_bar_is_one_line_at_any_width(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    with TrainingProgress(stream=stream) as progress:
        step(progress, 50, accuracy=0.5)
        (line,) = [part for part in stream.getvalue().split("\n") if "epoch 1/4" in part]
        bar = progress._bar("epoch 1/4", 0.5, ["loss 0.25", "accuracy 0.75", "1,234 samples/s", "3 min 2 s left"])
        assert width < 40 or len(bar) <= width
        assert "loss 0.25" in bar.plain
    assert line


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with TrainingProgress(stream=stream) as progress:
        step(progress, 1)
    assert stream.getvalue() == "epoch 1/4 · step 1/100 · loss 0.25 · 1,234 samples/s\n"


def test_a_closed_stream_does_not_end_the_training() -> None:
    stream = io.StringIO()
    with TrainingProgress(stream=stream) as progress:
        stream.close()
        step(progress, 1)
        progress.epoch_done(1, 4, {}, 0.1, 1.0)
        progress.say("still here")


def test_terminal_commands_in_names_are_shown_not_obeyed() -> None:
    stream = io.StringIO()
    with TrainingProgress(stream=stream) as progress:
        progress.say("skipped cat\x1b[2J.png")
    assert "\x1b" not in stream.getvalue()


def test_standard_error_is_the_default_and_standard_output_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingProgress() as progress:
        step(progress, 1)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("epoch 1/4")


def test_an_update_that_shows_nothing_costs_less_than_five_microseconds() -> None:
    with TrainingProgress(stream=io.StringIO(), every_seconds=1e9) as progress:
        metrics = {"accuracy": 0.5}
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            for number in range(10_000):
                progress.update(number, 100, 1, 4, 0.25, 1234.5, metrics)
            best = min(best, (time.perf_counter() - start) / 10_000)
    assert best < 5e-6


def test_the_room_is_cheap_to_enter() -> None:
    code = (
        "import sys; import neuropil.drawing, neuropil.drawing.progress, neuropil.drawing.tables;"
        "print(sorted({'numpy', 'rich', 'torch', 'PIL', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
