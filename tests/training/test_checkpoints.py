"""Checkpoints: what is written comes back exactly, and damage of any kind is refused in words."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from torch import nn

from neuropil.errors import CheckpointError
from neuropil.training.checkpoint import (
    FORMAT,
    checkpoint_folders,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    tidy_checkpoints,
)
from neuropil.training.tree import pack, unpack

TENSORS = {
    "model": {"weight": torch.arange(6.0).view(2, 3), "half": torch.ones(3, dtype=torch.bfloat16)},
    "state": {"count": torch.tensor(7), "none": torch.empty(0), "flag": torch.tensor([True, False])},
}
STATE = {"progress": {"step": 5}, "rates": [0.1, 1e-300, -0.0], "name": "a \u00e9 \N{SNOWMAN}", "nothing": None}


def saved(root: Path, step: int = 5, **more: Any) -> Path:
    return save_checkpoint(root, step, TENSORS, STATE, **more)


def same(folder: Path) -> bool:
    found = load_checkpoint(folder)
    return found.state == STATE and all(
        torch.equal(tensor, found.tensors[stem][name]) and tensor.dtype == found.tensors[stem][name].dtype
        for stem, named in TENSORS.items()
        for name, tensor in named.items()
    )


def rewrite(folder: Path, change: Any) -> None:
    """Change `state.json` as someone would who knows the format, its fingerprint included."""
    from neuropil.training.checkpoint import _fingerprint

    document = json.loads((folder / "state.json").read_text())
    document.pop("sha256")
    document = change(document)
    if isinstance(document, dict):
        document["sha256"] = _fingerprint(document)
    (folder / "state.json").write_text(json.dumps(document))


# --- whole ones ----------------------------------------------------------------------------------


def test_round_trip(tmp_path: Path) -> None:
    folder = saved(tmp_path / "checkpoints")
    assert folder.name == "step-00000005"
    assert same(folder)
    assert same(tmp_path / "checkpoints" / "last")
    assert sorted(p.name for p in folder.iterdir()) == ["model.safetensors", "state.json", "state.safetensors"]
    assert sorted(p.name for p in folder.parent.iterdir()) == ["last", "step-00000005"]


def test_only_some_files(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "state.safetensors").unlink()
    assert list(load_checkpoint(folder, only=["model"]).tensors) == ["model"]


def test_the_same_step_twice_overwrites_nothing(tmp_path: Path) -> None:
    names = [saved(tmp_path).name for _ in range(3)]
    assert names == ["step-00000005", "step-00000005-1", "step-00000005-2"]
    assert [folder.name for folder in checkpoint_folders(tmp_path)] == names


def test_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    for step in (10**8, 9, 10):
        saved(tmp_path, step)
    for _ in range(11):
        saved(tmp_path, 10)
    assert [folder.name for folder in checkpoint_folders(tmp_path)][-3:] == [
        "step-00000010-10",
        "step-00000010-11",
        "step-100000000",
    ]


def test_tied_weights_and_views(tmp_path: Path) -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    table = torch.arange(12.0).view(3, 4)
    tensors = dict(nn.Sequential(first, second).state_dict()) | {"column": table[:, 1], "row": table[1], "t": table.T}
    found = load_checkpoint(save_checkpoint(tmp_path, 1, {"model": tensors}, {})).tensors["model"]
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_a_best_one_has_its_own_name_and_link(tmp_path: Path) -> None:
    saved(tmp_path, 7)
    saved(tmp_path, 3, kind="best")
    assert (tmp_path / "best").resolve().name == "best-00000003"
    assert (tmp_path / "last").resolve().name == "step-00000007"
    assert [folder.name for folder in checkpoint_folders(tmp_path, "best")] == ["best-00000003"]


# --- damaged ones --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.safetensors", "state.safetensors", "state.json"])
@pytest.mark.parametrize("how", ["flip", "cut", "longer", "empty", "missing", "folder"])
def test_damage_is_named(name: str, how: str, tmp_path: Path) -> None:
    path = saved(tmp_path) / name
    content = bytearray(path.read_bytes())
    if how == "flip":
        content[len(content) // 2] ^= 1
    changed = {"cut": content[:-9], "longer": content + b"more", "empty": b""}.get(how, content)
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how != "missing":
        path.write_bytes(changed)
    with pytest.raises(CheckpointError, match="'step-00000005'") as refusal:
        load_checkpoint(tmp_path / "step-00000005")
    assert "\n" not in str(refusal.value)
    if how == "missing":
        assert name in str(refusal.value)


def test_a_digit_changed_in_the_plain_state_is_seen(tmp_path: Path) -> None:
    path = saved(tmp_path) / "state.json"
    path.write_text(path.read_text().replace('"step": 5', '"step": 6'))
    with pytest.raises(CheckpointError, match=r"state\.json is not as it was written"):
        load_checkpoint(path.parent)


def test_a_newer_format_says_so(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder, lambda document: document | {"format": FORMAT + 1})
    with pytest.raises(CheckpointError, match="use a newer Neuropil"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: [d],
        lambda d: None,
        lambda d: "text",
        lambda d: d | {"format": "1"},
        lambda d: d | {"format": None},
        lambda d: d | {"format": math.nan},
        lambda d: d | {"files": ["model.safetensors"]},
        lambda d: d | {"files": {"model.safetensors": 3}},
        lambda d: d | {"files": {"model.safetensors": {"bytes": 1}}},
        lambda d: d | {"state": [1, 2]},
        lambda d: d | {"state": None},
        lambda d: {"format": 1},
        lambda d: d | {"files": d["files"] | {"a\0b": {"bytes": 0, "sha256": ""}}},
    ],
    ids=range(13),
)
def test_wrong_shapes(change: Any, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    rewrite(folder, change)
    with pytest.raises(CheckpointError, match="'step-00000005' is damaged"):
        load_checkpoint(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "a/b", ".", ".."])
def test_a_file_outside_is_refused(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (tmp_path / "secret").write_bytes(b"")
    rewrite(folder, lambda d: d | {"files": {name: {"bytes": 0, "sha256": ""}}})
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "state.json").write_text('{"format": 1, "state": ' + "[" * 200_000 + "]" * 200_000 + "}")
    with pytest.raises(CheckpointError, match="is damaged"):
        load_checkpoint(folder)


@given(some.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_byte_anywhere(tmp_path: Path, data: some.DataObject) -> None:
    """Whatever is changed: refused with our error, or (spaces in the plain state) the same values are read."""
    if not (tmp_path / "step-00000005").exists():
        saved(tmp_path)
    name = data.draw(some.sampled_from(["model.safetensors", "state.safetensors", "state.json"]))
    path = tmp_path / "step-00000005" / name
    original = path.read_bytes()
    content = bytearray(original)
    for _ in range(data.draw(some.integers(1, 3))):
        place = data.draw(some.integers(0, len(content)))
        match data.draw(some.sampled_from(["set", "drop", "insert"])):
            case "set" if place < len(content):
                content[place] = data.draw(some.integers(0, 255))
            case "drop":
                del content[place : place + data.draw(some.integers(1, 40))]
            case _:
                content[place:place] = data.draw(some.binary(min_size=1, max_size=8))
    path.write_bytes(content)
    try:
        assert same(path.parent)
    except CheckpointError as error:
        assert "step-00000005" in str(error)
    finally:
        path.write_bytes(original)


@pytest.mark.slow
@given(some.recursive(some.none() | some.booleans() | some.floats() | some.text(max_size=5), some.lists))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_in_place_of_the_state(tmp_path: Path, value: Any) -> None:
    folder = tmp_path / "step-00000005"
    shutil.rmtree(folder, ignore_errors=True)
    saved(tmp_path)
    rewrite(folder, lambda d: value)
    with pytest.raises(CheckpointError):
        load_checkpoint(folder)


# --- falling back --------------------------------------------------------------------------------


def test_the_one_before_is_used(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        saved(tmp_path, step)
    (tmp_path / "step-00000015" / "model.safetensors").write_bytes(b"rubbish")
    (tmp_path / "step-00000010" / "state.json").unlink()
    found, complaints = newest_checkpoint(tmp_path)
    assert found is not None and found.folder.name == "step-00000005"
    assert ["step-00000015" in complaints[0], "step-00000010" in complaints[1]] == [True, True]


def test_none_left_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    (tmp_path / "step-00000005" / "state.json").write_bytes(b"{")
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        newest_checkpoint(tmp_path)


def test_no_checkpoint_at_all(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) == (None, [])
    assert newest_checkpoint(tmp_path / "missing") == (None, [])


# --- tidying -------------------------------------------------------------------------------------


def test_tidy_removes_leftovers_and_old_ones(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        saved(tmp_path, step)
        saved(tmp_path, step, kind="best")
    (tmp_path / "step-00000009.tmp-77").mkdir()
    (tmp_path / "step-00000009.tmp-77" / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".last.77.tmp").symlink_to("nowhere")
    (tmp_path / "notes.txt").write_text("the user's own")
    (tmp_path / "step-mine").mkdir()
    tidy_checkpoints(tmp_path)
    assert len(checkpoint_folders(tmp_path)) == 3
    assert not list(tmp_path.glob("*.tmp*")) and not (tmp_path / ".last.77.tmp").is_symlink()
    tidy_checkpoints(tmp_path, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        *("best", "best-00000002", "best-00000003", "last", "notes.txt", "step-00000002", "step-00000003", "step-mine")
    ]


def test_a_damaged_later_one_does_not_crowd_out_a_good_one(tmp_path: Path) -> None:
    """The run went on from 90 past a damaged 100; after its save at 95 the damaged one is what goes."""
    for step in (90, 100):
        saved(tmp_path, step)
    (tmp_path / "step-00000100" / "state.json").write_bytes(b"{")
    saved(tmp_path, 95)
    tidy_checkpoints(tmp_path, keep=1, newest=95)
    assert [folder.name for folder in checkpoint_folders(tmp_path)] == ["step-00000095"]


def test_tidying_a_missing_folder(tmp_path: Path) -> None:
    tidy_checkpoints(tmp_path / "missing", keep=1)


# --- nested state --------------------------------------------------------------------------------

KEYS = some.text(max_size=4) | some.integers() | some.sampled_from(["$tensor", "$tuple", "$pairs", "a.b", "0"])
LEAVES = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats()
    | some.text(max_size=6)
    | some.lists(some.floats(width=32), max_size=3).map(torch.tensor)
)
TREES = some.recursive(
    LEAVES,
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.lists(inner, max_size=3).map(tuple)
        | some.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


def equal(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, float):
        return one.hex() == other.hex()
    return bool(one == other)


@given(TREES)
@settings(max_examples=300, deadline=None)
def test_a_tree_comes_back_through_text(tree: Any) -> None:
    tensors: dict[str, torch.Tensor] = {}
    packed = json.loads(json.dumps(pack(tree, tensors)))
    assert equal(unpack(packed, tensors), tree)


def test_names_that_meet_do_not_overwrite() -> None:
    tensors: dict[str, torch.Tensor] = {}
    tree = {"a.b": torch.tensor(1), "a": {"b": torch.tensor(2)}}
    assert equal(unpack(pack(tree, tensors), tensors), tree)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object(), 1j, {"a": {(1, 2): 3}}])
def test_what_a_tree_cannot_hold(value: Any) -> None:
    with pytest.raises(CheckpointError, match="cannot hold"):
        pack(value, {})


def test_a_missing_tensor_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"'state\.x'"):
        unpack({"$tensor": "state.x"}, {})
