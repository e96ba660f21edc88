"""Training as it is seen in the terminal: a live bar, and one lasting line an epoch, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from neuropil.drawing.wording import duration, number, printable

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

__all__ = ["TrainingProgress"]

REDRAW_SECONDS = 0.1
WIDEST_BAR, NARROWEST_BAR = 40, 8


class TrainingProgress:
    """A context in which a training loop tells how it goes.

    On a terminal a bar is redrawn ten times a second; elsewhere (a file, a pipe, `TERM=dumb`) plain lines are written,
    one every few seconds. Both keep one line for each epoch. A standard error that was closed never stops a training.

    Args:
        metric: which of the metrics to show; the first one where it is empty.
        every_seconds: least time between plain lines.
        stream: where to write; standard error where it is `None`.
        clock: a monotonic time in seconds (tests give their own).

    Example:
        >>> with TrainingProgress("accuracy", stream=sys.stdout) as progress:
        ...     progress.update(10, 100, 1, 2, loss=0.5, samples_per_second=800, metrics={})
        ...     progress.epoch_done(1, 2, {"train_loss": 0.5, "valid_accuracy": 0.875}, lr=0.1, seconds=3.2)
        epoch 1/2 · step 10/100 · loss 0.5 · 800 samples/s
        epoch 1/2 · train loss 0.5 · valid accuracy 0.875 · lr 0.1 · 3.20 s
    """

    def __init__(
        self,
        metric: str = "",
        *,
        every_seconds: float = 5.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metric = metric
        self._every_seconds = every_seconds
        self._stream = stream
        self._clock = clock
        self._live: Live | None = None
        self._due = 0.0
        self._begun: tuple[float, int] | None = None
        self._closed = False

    def __enter__(self) -> TrainingProgress:
        stream = self._stream = self._stream or sys.stderr
        self._due, self._begun, self._closed = 0.0, None, False
        if stream.isatty():
            self._guarded(self._open_bar)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        live, self._live = self._live, None
        if live is not None:
            self._guarded(live.stop)

    def update(
        self,
        step: int,
        total_steps: int,
        epoch: int,
        total_epochs: int,
        loss: float,
        samples_per_second: float,
        metrics: Mapping[str, float],
    ) -> None:
        """Tell where training stands; mostly returns at once, as what is shown changes ten times a second at most.

        Args:
            step: steps done so far, of the whole run.
            total_steps: of the whole run.
            epoch: the present one, counted from 1.
            total_epochs: of the whole run.
            loss: of the latest step, or a running mean.
            samples_per_second: at present.
            metrics: of the last validation; may be empty.
        """
        now = self._clock()
        if now < self._due or self._closed:
            return
        if self._begun is None:
            self._begun = (now, step)
        pace = [f"{samples_per_second:,.0f} samples/s"] if samples_per_second > 0 else []
        words = [f"loss {number(loss)}", *self._chosen(metrics), *pace]
        left = self._seconds_left(now, step, total_steps)
        if left is not None:
            words.append(f"{duration(left)} left")
        where = f"epoch {epoch}/{total_epochs}"
        if self._live is None:
            self._due = now + self._every_seconds
            self._write(" · ".join([where, f"step {step}/{total_steps}", *words]))
        else:
            self._due = now + REDRAW_SECONDS
            bar = self._bar(where, step / max(total_steps, 1), words)
            live = self._live
            self._guarded(lambda: live.update(bar, refresh=True))

    def epoch_done(
        self,
        epoch: int,
        total_epochs: int,
        figures: Mapping[str, float],
        lr: float,
        seconds: float,
        *,
        best: bool = False,
    ) -> None:
        """Write the line that stays for an epoch.

        Args:
            epoch: the one that is done, counted from 1.
            total_epochs: of the whole run.
            figures: `train_loss`, `valid_loss`, `valid_accuracy` ... in the order to be shown.
            lr: learning rate at its end.
            seconds: that it took, validation included.
            best: whether its checkpoint is the best so far.
        """
        told = [f"{name.replace('_', ' ')} {number(value)}" for name, value in figures.items()]
        place = f"epoch {epoch:>{len(str(total_epochs))}}/{total_epochs}"
        self._write(" · ".join([place, *told, f"lr {number(lr)}", duration(seconds), *(["best"] if best else [])]))
        self._due = 0.0 if self._live is not None else self._clock() + self._every_seconds

    def say(self, line: str) -> None:
        """Write any other line that stays, above the bar."""
        self._write(line)

    def _chosen(self, metrics: Mapping[str, float]) -> list[str]:
        name = self._metric if self._metric in metrics else next(iter(metrics), "")
        return [f"{name.replace('_', ' ')} {number(metrics[name])}"] if name else []

    def _seconds_left(self, now: float, step: int, total_steps: int) -> float | None:
        """From the mean pace since the first call: also right for a resumed run."""
        if self._begun is None or step <= self._begun[1]:
            return None
        return (now - self._begun[0]) / (step - self._begun[1]) * max(total_steps - step, 0)

    def _open_bar(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, highlight=False)
        if console.is_terminal and not console.is_dumb_terminal:
            # Standard output is left alone: it may carry the answer of a command.
            live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)
            live.start()
            self._live = live

    def _bar(self, where: str, share: float, words: list[str]) -> Text:
        """One line that fits the terminal: words are left out from the right before the bar gets too short."""
        from rich.text import Text

        console = self._live.console if self._live else None
        width = console.width if console else 80
        words = list(words)
        while len(words) > 1 and len(where) + NARROWEST_BAR + 8 + len(" · ".join(words)) > width:
            words.pop(1 if len(words) == 2 else -2)
        told = " · ".join(words)
        length = min(WIDEST_BAR, max(NARROWEST_BAR, width - len(where) - len(told) - 9))
        full = round(length * min(max(share, 0.0), 1.0))
        done, rest = ("#", "-") if console and console.options.ascii_only else ("━", "─")
        parts = [(f"{where} ", "bold"), (done * full, "cyan"), (rest * (length - full), "bright_black")]
        return Text.assemble(*parts, f" {share:4.0%}  ", told, no_wrap=True, overflow="crop")

    def _write(self, line: str) -> None:
        line = printable(line)
        if self._live is not None:
            from rich.text import Text

            console = self._live.console
            self._guarded(lambda: console.print(Text(line), soft_wrap=True))
        elif self._stream is not None:
            stream = self._stream
            self._guarded(lambda: (stream.write(line + "\n"), stream.flush()))

    def _guarded(self, write: Callable[[], object]) -> None:
        """Write, unless nobody reads any more: a closed terminal must not end a training."""
        if self._closed:
            return
        try:
            write()
        except (OSError, ValueError):
            self._closed = True
