"""`neuropil export`: where the file goes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.conftest import Call

PETS = "runs/classification/pets-1"


def test_a_runs_file_lies_beside_its_recipe(call: Call) -> None:
    (Path(PETS) / "model.pt2").unlink(missing_ok=True)  # of another test
    assert call("export", PETS, "--format", "pt2").status == 0
    assert (Path(PETS) / "model.pt2").is_file()
    again = call("export", PETS, "--format", "pt2")
    assert again.status == 2 and "is there already; name another file, or give --force" in again.err
    assert call("export", PETS, "--format", "pt2", "--force").status == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([PETS, "--to", f"{PETS}/recipe.toml"], "its name must end in .onnx or .pt2"),
        ([PETS, "--to", "m.pt2", "--format", "onnx"], "its name must end in .onnx"),
        ([PETS, "num_classes=5"], "a run has its own network and shape"),
        (["runs/classification/nope-1"], "there is no run folder 'runs/classification/nope-1'"),
        (["lenet6"], "did you mean 'lenet5'"),
        (["lenet5", "--to", "."], "its name must end in"),
        (["lenet5", "--to", "no/where.onnx"], "make it first"),
        (["resnet20", "--shape", "1x32x32", "--to", "r.pt2"], "does not take samples of 1x32x32"),
    ],
)
def test_what_is_refused(words: list[str], sentence: str, call: Call) -> None:
    recipe = (Path(PETS) / "recipe.toml").read_text(encoding="utf-8")
    answer = call("export", *words)
    assert answer.status == 2 and sentence in answer.err and "Traceback" not in answer.err
    assert answer.err.count("\n") == 1
    assert (Path(PETS) / "recipe.toml").read_text(encoding="utf-8") == recipe
