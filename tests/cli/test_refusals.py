"""Bad input of every kind: one sentence on standard error, exit status 2, no run folder left behind."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli import workshop
from cli.conftest import Answer, Call
from neuropil.errors import CheckpointError
from neuropil.recipes.train import read_recipe, train

IRIS, PETS, PHOTOS = (
    "runs/classification/iris-perceptron-1",
    "runs/classification/pets-1",
    "runs/classification/photos-1",
)

LEARN = ["train", "iris-perceptron"]
ON = ["train", "model=perceptron", "epochs=1"]
SEE = ["train", "model=resnet20", "epochs=1", "data.size=16"]

DATA = {
    "a missing folder": ([*ON, "data=./nowhere"], "'./nowhere' is neither a file or folder here"),
    "a missing name": ([*ON, "data=digit"], "did you mean 'digits'?"),
    "a path like a number": ([*ON, "data=2024"], "'2024' is neither a file or folder here"),
    "an unknown kind of file": ([*ON, "data=bad/syntax.toml"], "of no known kind; give a .csv"),
    "an empty folder": ([*SEE, "data=bad/nothing"], "holds neither class folders nor boxes nor idx files"),
    "an empty class": ([*SEE, "data=bad/hollow"], "no usable picture of class 'violet'"),
    "a single class of pictures": ([*SEE, "data=bad/lonely"], "only one class, 'red'"),
    "broken pictures alone": ([*SEE, "data=bad/rubbish"], "holds no usable picture"),
    "broken pictures, strictly": ([*SEE, "data=bad/mixed", "--strict"], "strict=true stops at such pictures"),
    "a wrong target": ([*ON, "data=pets.csv", "target=knd"], "no column 'knd' to predict; did you mean 'kind'?"),
    "text among numbers": ([*ON, "data=bad/text.csv"], "bad/text.csv, line 32: column 'a' holds 'oops'"),
    "a single class of rows": ([*ON, "data=bad/single.csv"], "all 30 rows have 'cat' in the target column 'y'"),
    "a short line": ([*ON, "data=bad/ragged.csv"], "line 3: it has 2 cells, but line 1 has 3"),
    "an infinite cell": ([*ON, "data=bad/infinite.csv"], "line 6: column 'b' holds 'inf'"),
    "an empty table": ([*ON, "data=bad/empty.csv"], "is empty; give a table"),
    "a table that is not UTF-8": ([*ON, "data=bad/latin.csv"], "line 2: this is not UTF-8 text"),
    "labels out of range": ([*ON, "data=bad/range.npz"], "'9' at [2], which is no class; allowed: 0, 1, 2"),
    "negative labels": ([*ON, "data=bad/negative.npz"], "hold -1 at [2]"),
    "NaN among features": ([*ON, "data=bad/nan.npz"], "the value at row 3, column 1"),
    "too few labels": ([*ON, "data=bad/lengths.npz"], "40 inputs but 10 targets"),
    "arrays of other names": ([*ON, "data=bad/names.npz"], "holds 'a', 'b'; name the arrays 'x' and 'y'"),
    "arrays of objects": ([*ON, "data=bad/objects.npz"], "holds Python objects, which may run code"),
    "a damaged npz": ([*ON, "data=bad/junk.npz"], "is no .npz file, or damaged"),
    "wrong magic": ([*ON, "data=bad/magic"], "is no idx file: it begins with 00 01 2f d1"),
    "a short idx file": ([*ON, "data=bad/short"], "announces 2,560 bytes but holds 2,551"),
    "idx without labels": ([*ON, "data=bad/unlabelled"], "not the labels that belong to it"),
    "pictures for a table's network": ([*SEE[:3], "data=iris"], "'resnet20' takes pictures [C, H, W], but one of"),
    "augmented rows": ([*LEARN, "augment=flip"], "augmentation is for pictures, but 'iris' is a table"),
    "another task": ([*LEARN, "task=regression"], "use task=classification"),
}

NAMES = {
    "a recipe": (["train", "iris-perceptro"], "did you mean 'iris-perceptron'?"),
    "a recipe's beginning": (["recipes", "iris"], "did you mean 'iris-perceptron'?"),
    "no recipe": (["train"], "give a recipe (`neuropil recipes` lists them)"),
    "a folder": (["train", "photos"], "is a folder, not a recipe; to train on it write data=photos"),
    "a data file": (["train", "pets.csv"], "to train on a data file write data=pets.csv"),
    "a recipe behind a value": (["train", "epochs=3", "iris-perceptron"], "a recipe's name stands first"),
    "no network": (["train", "data=iris"], "names no network; give one, for example model=resnet18"),
    "no data": (["train", "model=lenet5"], "names no data; give a built-in set"),
    "a verb": (["trian", "x"], "there is no command 'trian'; did you mean 'train'?"),
    "a verb of data": (["data", "shw"], "there is no command 'data shw'; did you mean 'show'?"),
    "an option": ([*LEARN, "--strct"], "Did you mean --strict?"),
    "an option's choice": (["evaluate", IRIS, "--weights", "lst"], 'Did you mean "last"?'),
    "an option's value": (["train", "--runs"], "train needs a value for --runs; see `neuropil train --help`"),
    "a missing run": (["resume"], "resume needs RUN; see `neuropil resume --help`"),
    "a word too many": (["resume", IRIS, "epochs=3"], "resume does not take 'epochs=3'"),
    "a section": ([*LEARN, "optimzer.lr=1"], "no key 'optimzer.lr'; did you mean 'optimizer'?"),
    "a short name": ([*LEARN, "epoch=3"], "no key 'epoch'; did you mean 'epochs'?"),
    "an option without its section": ([*LEARN, "hidden=[8]"], "named with their section, such as model.dropout=0.1"),
    "a value of a section": ([*LEARN, "training=3"], "write training.KEY=VALUE"),
    "a path too deep": ([*LEARN, "model.hidden.x=3"], "'model.hidden.x' is too deep"),
    "not key=value": ([*LEARN, "foo"], "'foo' is not key=value"),
    "no key": ([*LEARN, "=3"], "'=3' is not key=value"),
    "a network": ([*LEARN, "model=perceptrn"], "did you mean 'perceptron'?"),
    "a network's option": (
        [*LEARN, "model.hiden=[3]"],
        "model 'perceptron' has no option 'hiden'; did you mean 'hidden'?",
    ),
    "a rule": ([*LEARN, "optimizer=adm"], "no optimizer is named 'adm'; did you mean 'adam'?"),
    "a rule's option": ([*LEARN, "optimizer.lrr=1"], "optimizer 'adam' has no option 'lrr'; did you mean 'lr'?"),
    "a schedule": ([*LEARN, "schedule=cosin"], "did you mean 'cosine'?"),
    "a task": ([*LEARN, "task=clasification"], "did you mean 'classification'?"),
    "an augmentation": (
        ["train", "digits-lenet5", "augment=flp"],
        "no augmentation is named 'flp'; did you mean 'flip'?",
    ),
    "a change to no augmentation": ([*LEARN, "augment.flip.share=1"], "has no augmentation 'flip' to change"),
    "a source's option": ([*LEARN, "data.valid_fracton=.1"], "did you mean 'valid_fraction'?"),
    "a batch option": ([*LEARN, "batches.size=3"], "did you mean 'batch_size'?"),
    "a speed": ([*LEARN, "speed=fast"], "'mode' cannot be 'fast'; allowed: auto, plain"),
    "a device": ([*LEARN, "device=tpu"], "speed.device cannot be 'tpu' on this machine"),
    "a pattern": (["models", "*lenot*"], "did you mean 'lenet5'?"),
    "a network to sum up": (["summary", "lenet"], "did you mean 'lenet5'?"),
    "an option to sum up": (["summary", "lenet5", "num_clases=3"], "did you mean 'num_classes'?"),
    "a network's needed option": (["summary", "perceptron"], "needs the option 'in_features': a whole number"),
    "a shape": (["summary", "lenet5", "--shape", "big"], "'big' is no shape; write it as 3x224x224"),
    "a shape too small": (["summary", "lenet5", "--shape", "1x5x5"], "resize them to 32x32"),
    "a source to show": (["data", "show", "irs"], "did you mean 'iris'?"),
    "weights": ([*LEARN, "weights=none.pt"], "no weights file at 'none.pt'"),
}

VALUES = {
    "epochs=abc": "must be a whole number or left out, but 'abc' was given",
    "epochs=0": "training.epochs must be at least 1, but 0 was given",
    "epochs=1.5": "but 1.5 was given",
    "epochs=true": "but True was given",
    "steps=0": "training.steps must be at least 1",
    "lr=-1": "lr must be at least 0, but -1.0 was given",
    "lr=nan": "lr must be at least 0, but nan was given",
    "lr=abc": "option 'lr' must be a number, but 'abc' was given",
    "batch_size=0": "batches.batch_size must be at least 1, but 0 was given",
    "batch_size=many": "cannot be 'many'; allowed: full, auto",
    "workers=-1": "workers is -1; give 0 or more",
    "seed=-1": "'seed' must be a whole number from 0 on, but -1 was given",
    "seed=x": "but 'x' was given",
    "name=../x": "a run cannot be named '../x'",
    "model=[1]": "no model is named '[1]'",
    "model.hidden=abc": "option 'hidden' must be a list, but 'abc' was given",
    "model.hidden=[0]": "each layer needs at least 1",
    "model.dropout=2": "a dropout rate of 2.0 was given",
    "optimizer.weight_decay=-1": "weight_decay must be at least 0",
    "schedule.warmup_fraction=7": "warmup_fraction must be at least 0 and below 1",
    "penalty.l1=-1": "l1 must be at least 0 and finite",
    "penalty.l1=abc": "option 'l1' must be a number",
    "task.label_smoothing=3": "label_smoothing must be at least 0 and below 1",
    "training.average_decay=2": "training.average_decay must lie between 0 and 1",
    "training.clip_norm=0": "training.clip_norm must be above 0",
    "data.valid_fraction=2": "valid_fraction is 2.0",
    "data.valid_fraction=0.9": "leave nothing to train on",
}

FILES = {
    "bytes": "cannot be read: it is not UTF-8 text",
    "syntax": "is not valid TOML: Expected ']' at the end of a table declaration (at line 2, column 6)",
    "code": "no model is named 'os:system'; allowed: perceptron",
    "rule": "no optimizer is named 'torch.optim:SGD'; allowed: ",
    "shape": "'model' must be a table ([model]), but 'perceptron' was given",
    "section": "unknown key 'modell'; did you mean 'model'?",
    "number": "model.name must be one name, but 3 was given",
    "source": "data.source must be one name, but 5 was given",
    "list": "optimizer.name must be one name, but ['adam'] was given",
    "augment": "'augment' must be tables ([[augment]])",
    "seed": "'seed' must be a whole number from 0 on, but 'a' was given",
    "bare": "names no data",
    "absent": "cannot be read: No such file or directory",
}

USES = {
    "evaluate: an unseen class of rows": (["evaluate", PETS, "bad/wolves.csv"], "training never saw: 'wolf'"),
    "evaluate: an unseen class of pictures": (["evaluate", PHOTOS, "bad/violets"], "training never saw: 'violet'"),
    "evaluate: other data": (["evaluate", PHOTOS, "pets.csv"], "the network was trained on images"),
    "evaluate: nothing there": (["evaluate", PETS, "none.csv"], "there is no file or folder 'none.csv'"),
    "evaluate: no run": (["evaluate", "none"], "there is no run folder at 'none'"),
    "evaluate: an empty folder": (["evaluate", "bad/nothing"], "has no recipe.toml, so it is not a run folder"),
    "resume: no run": (["resume", "none"], "give the folder that `train` named"),
    "resume: a file": (["resume", "pets.csv"], "there is no run folder at 'pets.csv'"),
    "resume: an empty folder": (["resume", "bad/nothing"], "has no recipe.toml, so it is not a run folder"),
    "predict: an unseen category": (
        ["predict", PETS, "bad/pink.csv"],
        "column 'colour' holds 'pink', which training never",
    ),
    "predict: a missing column": (["predict", PETS, "bad/sze.csv"], "no column 'size'; did you mean 'sze'?"),
    "predict: text among numbers": (["predict", PETS, "bad/heavy.csv"], "line 2: column 'weight' holds 'x'"),
    "predict: no file": (["predict", PETS, "none.csv"], "'none.csv' cannot be read"),
    "predict: no picture": (["predict", PHOTOS, "none.png"], "there is no file or folder 'none.png'"),
    "predict: an empty folder": (["predict", PHOTOS, "bad/nothing"], "holds no picture"),
    "predict: broken pictures alone": (["predict", PHOTOS, "bad/text.png"], "none of 1 sample could be read"),
    "data show: a sheet of a table": (["data", "show", "iris", "--sheet", "s.png"], "holds no pictures"),
    "data show: a sheet nowhere": (["data", "show", "photos", "--sheet", "none/s.png"], "cannot be written"),
    "train: runs that cannot be": ([*LEARN, "--runs", "pets.csv"], "a run folder cannot be made in 'pets.csv/"),
}


@pytest.fixture(scope="session", autouse=True)
def bad(place: Path) -> Path:
    """A folder of everything that is broken."""
    folder = place / "bad"
    (folder / "nothing").mkdir(parents=True)
    photos = place / "photos"
    shutil.copytree(photos, folder / "hollow")
    (folder / "hollow" / "violet").mkdir()
    shutil.copytree(photos / "red", folder / "lonely" / "red")
    shutil.copytree(photos, folder / "rubbish")
    for picture in (folder / "rubbish").rglob("*.png"):
        picture.write_bytes(b"x")
    shutil.copytree(photos, folder / "violets")
    (folder / "violets" / "red").rename(folder / "violets" / "violet")
    (folder / "text.png").write_text("hello")
    workshop.write_broken_pictures(folder / "mixed", photos)
    workshop.write_broken_tables(folder)
    workshop.write_broken_idx(folder)
    workshop.write_recipes(folder)
    pets = (place / "pets.csv").read_text()
    for name, old, new in (("wolves", "dog", "wolf"), ("pink", "blue", "pink"), ("sze", "size", "sze")):
        (folder / f"{name}.csv").write_text(pets.replace(old, new))
    (folder / "heavy.csv").write_text("size,colour,weight\n1,red,x\n2,red,3\n")
    return folder


@pytest.fixture
def refused(call: Call, place: Path) -> Callable[..., str]:
    """The one sentence with which these words are refused."""

    def ask(*words: str) -> str:
        before = sorted((place / "runs").rglob("*"))
        answer = call(*words)
        assert answer.status == 2, answer
        assert answer.out == ""
        assert sorted((place / "runs").rglob("*")) == before
        return sentence(answer)

    return ask


def sentence(answer: Answer) -> str:
    lines = answer.err.splitlines()
    assert "Traceback" not in answer.err
    assert all(line.startswith("neuropil: skipped ") for line in lines[:-1]), answer.err
    assert lines[-1].startswith("neuropil: ")
    assert not lines[-1].endswith((".", " "))
    return lines[-1]


TABLE = {
    **{f"data, {case}": entry for case, entry in DATA.items()},
    **{f"name, {case}": entry for case, entry in NAMES.items()},
    **{f"value, {word}": ([*LEARN, word], piece) for word, piece in VALUES.items()},
    **{f"recipe file, {name}": (["train", f"bad/{name}.toml"], piece) for name, piece in FILES.items()},
    **{f"use, {case}": entry for case, entry in USES.items()},
}


@pytest.mark.parametrize("case", TABLE)
def test_one_sentence(case: str, refused: Callable[..., str]) -> None:
    words, piece = TABLE[case]
    assert piece in refused(*words)


@pytest.mark.parametrize(
    "case", ["data, a wrong target", "name, a verb", "use, evaluate: no run", "name, a missing run"]
)
def test_the_sentence_as_json(case: str, call: Call) -> None:
    words, piece = TABLE[case]
    answer = call(*words, "--json")
    assert answer.status == 2
    assert answer.err == f"neuropil: {json.loads(answer.out)['error']}\n"
    assert piece in answer.err.replace('\\"', '"')


def test_broken_pictures_are_named_counted_and_left_out(call: Call) -> None:
    answer = call(*SEE, "data=bad/mixed", "speed=plain")
    assert answer.status == 0
    for name in ("truncated.png", "cmyk.jpg", "deep.png", "animated.gif", "bomb.png", "text.png", "empty.png"):
        assert f"skipped red/{name}: " in answer.err
    assert "palette.png" not in answer.err  # its colours are well defined
    assert "7 samples were skipped; use data.strict=true to stop instead" in answer.err


def test_nothing_given_at_a_keyboard(refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    assert "name files or folders" in refused("predict", PETS)


def test_a_training_that_diverges(call: Call) -> None:
    answer = call("train", "iris-perceptron", "optimizer=sgd", "lr=1e30", "schedule=constant", "epochs=3", "--json")
    assert answer.status == 2
    assert "smaller optimizer.lr" in json.loads(answer.out)["error"]
    assert "Traceback" not in answer.err


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write to a read-only folder")
def test_a_read_only_folder(call: Call, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    answer = call(*LEARN, "--runs", str(tmp_path / "runs"))
    assert answer.status == 2
    assert "a run folder cannot be made in" in sentence(answer)


@pytest.mark.parametrize("allowed", [0, 3, 6, 7, 9, 12])
def test_a_full_disk(allowed: int, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some forced writes the disk is full; with space again, the run goes on where it stood."""
    force, done = os.fsync, 0

    def fill(descriptor: int) -> None:
        nonlocal done
        done += 1
        if done > allowed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        force(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fill)
        answer = call(*LEARN, "epochs=3", f"name=full-{allowed}", "training.save_every_steps=3")
    assert answer.status == 2
    assert "No space left on device" in answer.err.splitlines()[-1]
    assert "Traceback" not in answer.err
    run = Path(f"runs/classification/full-{allowed}-1")
    if (run / "recipe.toml").exists():
        assert call("resume", str(run)).status == 0
        assert (run / "report.html").exists()


def interrupted(folder: Path) -> Path:
    """A run of four epochs that was killed in its third, with two checkpoints and a best one."""

    class KilledError(Exception):
        pass

    def kill(report) -> None:
        if report.step == 18:
            raise KilledError

    recipe = read_recipe(["iris-perceptron", "epochs=4", "training.save_every_steps=5"])
    with pytest.raises(KilledError):
        train(recipe, runs=folder, progress=False, on_report=kill)
    run = folder / "classification" / "iris-perceptron-1"
    assert len(list(run.glob("checkpoints/step-*"))) == 2
    return run


def damage(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"junk")


def renew(checkpoint: Path) -> None:
    """As if a version to come had written it."""
    state = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps({**state, "format": 99}))


@pytest.mark.parametrize(("spoil", "piece"), [(damage, "is damaged"), (renew, "has format 99")])
def test_the_newest_checkpoint_is_no_good(
    spoil: Callable[[Path], None], piece: str, call: Call, tmp_path: Path
) -> None:
    run = interrupted(tmp_path)
    steps = sorted(run.glob("checkpoints/step-*"))
    spoil(steps[-1])
    answer = call("resume", str(run))
    assert answer.status == 0
    assert piece in answer.err
    assert "the one before it is used" in answer.err
    assert (run / "report.html").exists()


@pytest.mark.parametrize(("spoil", "piece"), [(damage, "is damaged"), (renew, "use a newer Neuropil")])
def test_no_checkpoint_is_any_good(spoil: Callable[[Path], None], piece: str, call: Call, tmp_path: Path) -> None:
    run = interrupted(tmp_path)
    for checkpoint in run.glob("checkpoints/step-*"):
        spoil(checkpoint)
    assert piece in sentence(call("resume", str(run)))
    assert call("evaluate", str(run)).status == 0  # the best weights are whole
    for checkpoint in run.glob("checkpoints/best-*"):
        spoil(checkpoint)
    for words in (["evaluate", str(run)], ["predict", str(run), "pets.csv"]):
        assert piece in sentence(call(*words))


def test_a_damaged_best_checkpoint_is_passed_over_aloud(call: Call, tmp_path: Path) -> None:
    run = interrupted(tmp_path)
    for checkpoint in run.glob("checkpoints/best-*"):
        damage(checkpoint)
    answer = call("evaluate", str(run))
    assert answer.status == 0
    assert "is damaged" in answer.err
    assert "another one is used" in answer.err


@pytest.mark.parametrize(
    ("name", "verb", "piece"),
    [
        ("recipe.toml", "resume", "is not valid TOML"),
        ("recipe.toml", "evaluate", "is not valid TOML"),
        ("data.json", "resume", "not what they were when the run began"),
        ("data.json", "evaluate", "does not describe a run's data"),
    ],
)
def test_a_damaged_file_of_a_run(name: str, verb: str, piece: str, call: Call, tmp_path: Path) -> None:
    run = interrupted(tmp_path)
    (run / name).write_text("{junk")
    assert piece in sentence(call(verb, str(run)))


def test_a_run_without_checkpoints(call: Call, tmp_path: Path) -> None:
    run = interrupted(tmp_path)
    shutil.rmtree(run / "checkpoints")
    assert "has no checkpoint yet; resume the run first" in sentence(call("evaluate", str(run)))
    assert call("resume", str(run)).status == 0


def test_a_checkpoint_error_is_for_the_reader() -> None:
    assert issubclass(CheckpointError, OSError)
