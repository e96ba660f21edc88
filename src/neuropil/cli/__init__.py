"""The command line: one file a verb, loaded when the verb is typed.

Everything that a user can get wrong ends in one sentence on standard error and exit status 2. With `--json` standard
output carries one object and nothing else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, MissingArgumentError, UnknownCommandError, UnusedCliTokensError

from neuropil import __version__
from neuropil.errors import NeuropilError
from neuropil.registry import nearest

__all__ = ["app", "main"]

HELP = """Train the networks of a deep-learning chapter on your own files, trust them, look inside, resume.

Start with a built-in recipe, or with any network and any data:

    neuropil train digits-lenet5
    neuropil train model=resnet18 data=./photos epochs=10

Whatever a recipe holds can be changed by its path: `optimizer.lr=0.1 training.clip_norm=1 augment=flip,shift_crop`.
"""

VERBS = {
    "train": "Train a network: RECIPE and key=value words.",
    "compare": "Runs of a recipe with one thing or several varied, in one report.",
    "search": "Look for good values of a recipe: grid, random, greedy, TPE.",
    "resume": "Go on with an interrupted or killed run, exactly where it stood.",
    "evaluate": "Score a run on its test part, or on other labelled data.",
    "diagnose": "What went wrong in a run: the fault, the layer, the evidence, one change to try.",
    "average": "The mean of a run's last checkpoints, as weights to use.",
    "predict": "Answers of a run for files or standard input; a text gone on with by --prompt.",
    "check": "Look for faults in data before training: broken files, copies, leakage, odd labels.",
    "models": "List the networks.",
    "recipes": "List the built-in recipes, or show one.",
    "summary": "A network layer by layer: shapes, weights, multiply-adds.",
    "convert": "Weights of another program into a file under our names.",
    "export": "A run or a network as a file for other programs: ONNX or torch.export.",
    "doctor": "What this machine has, and what could be wrong with it.",
}

app = App(name="neuropil", help=HELP, version=__version__, help_format="plaintext", suppress_keyboard_interrupt=False)
for verb, line in VERBS.items():
    app.command(f"neuropil.cli.{verb}:{verb}", name=verb, help=line)
data_app = App(name="data", help="Look at data before training on them.")
data_app.command("neuropil.cli.data:show", name="show", help="Counts, classes, shapes, notes, and a sheet of pictures.")
app.command(data_app)
PICTURES = {
    "network": ("draw", "A network as blocks with shapes."),
    "step": ("draw", "One training step down to single operations, with gradients."),
    "run": ("draw_run", "What a trained network sees in a picture, or attends to in a text."),
    "time": ("draw_time", "Sensitivity over time, and gradients through time term by term."),
    "paths": ("draw_time", "The nine update rules on a loss surface."),
    "flow": ("draw_run", "Gradients by layer and component while a recipe trains."),
    "attention": ("draw_time", "Attention by layer and head, from an .npz file."),
    "costs": ("draw_costs", "What the chapter says of weights, computation, memory and time, tried."),
}
draw_app = App(name="draw", help="Draw networks, gradients and what is inside, as one HTML or SVG file.")
for picture, (file, line) in PICTURES.items():
    draw_app.command(f"neuropil.cli.{file}:{picture}", name=picture, help=line)
app.command(draw_app)
app.register_install_completion_command()


def main(words: Sequence[str] | None = None) -> None:
    """Run one command and leave with its exit status: 0, 2 for bad input, 130 or 143 for a signal."""
    given = list(sys.argv[1:] if words is None else words)
    try:
        app(given, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        status = 0
    except CycloptsError as error:
        status = _refuse(_in_words(error), given)
    except NeuropilError as error:
        status = _refuse(str(error), given)
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except KeyboardInterrupt as stop:
        print(f"neuropil: {stop or 'interrupted'}", file=sys.stderr)
        status = 128 + int(getattr(stop, "signal", 2))
    sys.exit(status)


def _in_words(error: CycloptsError) -> str:
    """The parser's complaint as a sentence that says where to look."""
    verb = " ".join(error.command_chain or ())
    look = f"see `neuropil {verb} --help`"
    if isinstance(error, UnusedCliTokensError):
        return f"{verb} does not take {' '.join(error.unused_tokens or ())!r}; {look}"
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        return f"{verb} needs {f'a value for {name}' if name.startswith('--') else name}; {look}"
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        allowed = {"data": ("show",), "draw": tuple(PICTURES)}.get(verb, (*VERBS, "data", "draw"))
        word = error.unused_tokens[0]
        return f"there is no command {f'{verb} {word}'.strip()!r}; {nearest(word, allowed)}"
    return f"{' '.join(str(error).split()).rstrip('.')} ({look})"


def _refuse(sentence: str, words: Sequence[str]) -> int:
    print(f"neuropil: {sentence}", file=sys.stderr)
    if "--json" in words:
        print(json.dumps({"error": sentence}))
    return 2
