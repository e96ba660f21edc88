"""`neuropil convert`: what it writes and says, and ten wrong files, one sentence each."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import neuropil
from cli.conftest import Call
from neuropil.models import create_model
from neuropil.transfer.finding import find_weights
from neuropil.transfer.loading import load_weights


def foreign(path: Path, **options: Any) -> Path:
    """A ResNet-20 as one training program saves it."""
    state = create_model("resnet20", width=4, shortcut="B", **options).state_dict()
    names = {name: name.replace("fc.", "linear.").replace(".downsample.", ".shortcut.") for name in state}
    torch.save({"state_dict": {f"module.{names[name]}": value for name, value in state.items()}}, path)
    return path


def test_it_writes_our_names_and_the_record(tmp_path: Path, call: Call) -> None:
    path, target = foreign(tmp_path / "theirs.pth"), tmp_path / "ours.safetensors"
    words = ("convert", str(path), "width=4", "shortcut=B", "--to", "resnet20", "--output", str(target))
    answer = call(*words)
    assert answer.status == 0 and "akamaster" in answer.out and f"written: {target}" in answer.out
    found = find_weights(target)
    assert found.record is not None
    assert (found.record.model, found.record.options) == ("resnet20", {"width": 4, "shortcut": "B"})
    network = create_model("resnet20", width=4, shortcut="B")
    assert load_weights(network, target).table.startswith("own names")
    again = call(*words)
    assert again.status == 2 and "is there already" in again.err
    answer = call(*words, "--force", "--json")
    told = json.loads(answer.out)
    assert told["file"] == str(target) and told["record"]["model"] == "resnet20" and not told["missing"]


def test_what_was_converted_needs_no_network_named(tmp_path: Path, call: Call) -> None:
    path, target = foreign(tmp_path / "theirs.pth"), tmp_path / "ours.safetensors"
    call("convert", str(path), "width=4", "shortcut=B", "--to", "resnet20", "--output", str(target))
    again = tmp_path / "again.safetensors"
    assert call("convert", str(target), "--output", str(again)).status == 0
    first, second = find_weights(target).record, find_weights(again).record
    assert first is not None and second is not None and first.options == second.options


def _hostile(path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(path.with_name("ran")),)

    torch.save({"a": Hostile()}, path)


def _cut(path: Path) -> None:
    foreign(path)
    path.write_bytes(path.read_bytes()[:-2000])


def _of_another_depth(path: Path) -> None:
    torch.save(create_model("resnet32", width=4).state_dict(), path)


def _of_another_width(path: Path) -> None:
    torch.save(create_model("resnet20", width=8).state_dict(), path)


def _of_whole_numbers(path: Path) -> None:
    torch.save({n: v.to(torch.int64) for n, v in create_model("resnet20", width=4).state_dict().items()}, path)


def _with_one_more(path: Path) -> None:
    save_file({**create_model("resnet20", width=4).state_dict(), "extra.weight": torch.zeros(2)}, path)


def _lies(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, path, metadata={"neuropil": '{"model": 7}'})


def _bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + b"0" * 1_000_000)


WRONG: list[tuple[str, Callable[[Path], Any], str]] = [
    ("hostile.pth", _hostile, "asks for code to be run, which is never done"),
    ("cut.pth", _cut, "cannot be read"),
    ("depth.pth", _of_another_depth, "the network has no place for"),
    ("width.pth", _of_another_width, "is 8x3x3x3 torch.float32 in the file but 4x3x3x3"),
    ("whole.pt", _of_whole_numbers, "is 4x3x3x3 torch.int64 in the file but 4x3x3x3 torch.float32"),
    ("more.safetensors", _with_one_more, "the network has no place for 'extra.weight'"),
    ("lies.safetensors", _lies, "what is recorded of the weights is damaged"),
    ("bomb.npz", _bomb, "cannot be read"),
    ("objects.npz", lambda path: np.savez(path, a=np.array([{}], dtype=object)), "cannot be read"),
    ("text.onnx", lambda path: path.write_text("hello"), "cannot be read"),
    ("empty.keras", lambda path: path.write_bytes(b""), "cannot be read"),
    ("weights.pkl", lambda path: path.write_bytes(b"\x80\x04N."), "is no weights file that can be read; allowed"),
    ("absent.pth", lambda path: None, "no weights file at"),
]


@pytest.mark.parametrize(("name", "write", "sentence"), WRONG, ids=[name for name, _, _ in WRONG])
def test_wrong_files_get_one_sentence(
    name: str, write: Callable[[Path], Any], sentence: str, tmp_path: Path, call: Call
) -> None:
    path, target = tmp_path / name, tmp_path / "out.safetensors"
    write(path)
    answer = call("convert", str(path), "width=4", "--to", "resnet20", "--output", str(target))
    assert answer.status == 2 and sentence in answer.err and answer.err.count("\n") == 1, answer.err
    assert not target.exists() and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "say which network it is for with --to MODEL"),
        (["--to", "mobilnet_v1"], "did you mean 'mobilenet_v1'"),
        (["--to", "resnet20", "widht=4"], "did you mean 'width'"),
        (["--to", "resnet20", "width=4", "shortcut=B", "--output", "x.pth"], "its name must end in .safetensors"),
        (["--to", "resnet20", "width=4", "--output", "no/where.safetensors"], "make it first"),
    ],
)
def test_wrong_words_get_one_sentence(words: list[str], sentence: str, tmp_path: Path, call: Call) -> None:
    answer = call("convert", str(foreign(tmp_path / "theirs.pth")), *words)
    assert answer.status == 2 and sentence in answer.err and answer.err.count("\n") == 1, answer.err


@pytest.mark.slow
def test_what_was_converted_builds_the_network_again(tmp_path: Path, call: Call) -> None:
    path, target = foreign(tmp_path / "theirs.pth", num_classes=7), tmp_path / "ours.safetensors"
    call("convert", str(path), "width=4", "shortcut=B", "num_classes=7", "--to", "resnet20", "--output", str(target))
    assert neuropil.create_model("resnet20", weights=target)(torch.zeros(1, 3, 32, 32)).shape == (1, 7)
    answer = call("export", "resnet20", f"weights={target}", "--to", str(tmp_path / "r.pt2"), "--shape", "3x32x32")
    assert answer.status == 0, answer.err


@pytest.mark.parametrize("bias", [torch.zeros(9), torch.tensor(0.0)])
def test_a_classifier_that_contradicts_itself_is_refused(bias: torch.Tensor, tmp_path: Path, call: Call) -> None:
    state = create_model("resnet20", width=4, num_classes=10).state_dict()
    torch.save({**state, "fc.bias": bias}, tmp_path / "odd.pth")
    answer = call("train", "model=resnet20", "model.width=4", "data=photos", "data.size=16", "epochs=1",
                  f"weights={tmp_path / 'odd.pth'}")  # fmt: skip
    assert answer.status == 2 and "do not fit ResNet20" in answer.err and "Traceback" not in answer.err
