"""Weights of every format come in whole; a wrong, damaged or hostile file changes nothing."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from neuropil.errors import InputError
from neuropil.models import create_model
from neuropil.transfer.keys import KEY_TABLES, translated
from neuropil.transfer.loading import load_weights
from neuropil.transfer.reading import SUFFIXES, read_weights

WEIGHTS = {"a.weight": torch.randn(3, 2), "a.bias": torch.arange(3.0), "steps": torch.tensor(7)}


def write(path: Path, weights: dict[str, Tensor]) -> Path:
    if path.suffix == ".safetensors":
        save_file(weights, path)
    elif path.suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in weights.items()})  # type: ignore[arg-type]
    else:
        torch.save(weights, path)
    return path


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_comes_back_as_written(tmp_path: Path, suffix: str) -> None:
    assert equal(read_weights(write(tmp_path / f"w{suffix}", WEIGHTS)), WEIGHTS)


@pytest.mark.parametrize("wrapped", ["state_dict", "model", "model_state_dict", "weights"])
def test_the_wrapping_of_training_programs_comes_off(tmp_path: Path, wrapped: str) -> None:
    inside = {f"module.{name}": value for name, value in WEIGHTS.items()}
    torch.save({"epoch": 3, wrapped: inside, "best": 0.5}, tmp_path / "w.pth")
    assert equal(read_weights(tmp_path / "w.pth"), WEIGHTS)


def test_a_prefix_of_some_names_only_is_part_of_the_names(tmp_path: Path) -> None:
    weights = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    assert set(read_weights(write(tmp_path / "w.pt", weights))) == {"module.a", "b"}


class Hostile:
    """Unpickling this would make a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".th", ".npz"])
def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path, suffix: str) -> None:
    marker, path = tmp_path / "ran", tmp_path / f"hostile{suffix}"
    if suffix == ".npz":
        np.savez(path, a=np.array([Hostile(marker)], dtype=object))
    else:
        torch.save({"a": Hostile(marker)}, path)
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(path)
    assert not marker.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 broken zip", b"\x80\x02}q\x00."])
def test_a_damaged_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"w{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read|holds no tensors"):
        read_weights(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"w{suffix}", {"a": torch.randn(100, 100)})
    path.write_bytes(path.read_bytes()[:-20_000])
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(path)


def test_an_array_that_claims_more_than_it_has_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**15,)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w") as file:
        file.writestr("a.npy", header.getvalue())
    with pytest.raises(InputError, match="cannot be read"):
        read_weights(tmp_path / "bomb.npz")


def test_what_is_no_weights_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no weights file at"):
        read_weights(tmp_path / "nothing.pt")
    with pytest.raises(InputError, match="no weights file at"):
        read_weights(tmp_path)
    (tmp_path / "w.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"allowed endings are \.safetensors"):
        read_weights(tmp_path / "w.pkl")
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    with pytest.raises(InputError, match="holds no tensors by name"):
        read_weights(tmp_path / "list.pt")


def small(**options: Any) -> nn.Module:
    return create_model("resnet20", width=4, **options)


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_network_comes_back(tmp_path: Path) -> None:
    source, target = small(), small()
    path = write(tmp_path / "w.safetensors", snapshot(source))
    report = load_weights(target, path)
    assert equal(snapshot(target), snapshot(source))
    assert report.complete and set(report.matched) == set(source.state_dict())


def test_foreign_names_are_translated(tmp_path: Path) -> None:
    source, target = small(shortcut="B"), small(shortcut="B")
    foreign = {
        name.replace("fc.", "linear.").replace(".downsample.", ".shortcut."): value
        for name, value in snapshot(source).items()
        if not name.endswith("num_batches_tracked")
    }
    report = load_weights(target, write(tmp_path / "w.pt", foreign))
    assert equal(snapshot(target), snapshot(source))
    assert report.complete and "akamaster" in report.table


def test_own_names_win_where_tables_are_level() -> None:
    weights, table = translated({"conv1.weight": torch.zeros(1)}, ["conv1.weight"])
    assert table is KEY_TABLES[0] and list(weights) == ["conv1.weight"]


def shape(source: dict[str, Tensor]) -> None:
    source["fc.weight"] = torch.zeros(7, 16)


def missing(source: dict[str, Tensor]) -> None:
    del source["layer2.0.conv1.weight"]


def unexpected(source: dict[str, Tensor]) -> None:
    source["extra"] = torch.zeros(1)


def kind(source: dict[str, Tensor]) -> None:
    source["conv1.weight"] = source["conv1.weight"].to(torch.int32)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (shape, "'fc.weight' is 7x16 torch.float32 in the file but 10x16 torch.float32 in the network"),
        (missing, r"'layer2.0.conv1.weight' is not in the file \(1 missing\)"),
        (unexpected, r"no place for 'extra' \(1 left over\)"),
        (kind, "'conv1.weight' is 4x3x3x3 torch.int32 in the file but 4x3x3x3 torch.float32"),
    ],
)
def test_the_first_mismatch_is_named_and_the_network_untouched(tmp_path: Path, spoil: Any, says: str) -> None:
    weights = snapshot(small())
    spoil(weights)
    target = small()
    before = snapshot(target)
    with pytest.raises(InputError, match=says):
        load_weights(target, write(tmp_path / "w.safetensors", weights))
    assert equal(snapshot(target), before)


def test_what_fits_is_loaded_on_request(tmp_path: Path) -> None:
    source, target = small(), small(num_classes=3)
    before = snapshot(target)
    report = load_weights(target, write(tmp_path / "w.pt", snapshot(source)), strict=False)
    assert {name for name, _, _ in report.mismatched} == {"fc.weight", "fc.bias"} and not report.complete
    after = snapshot(target)
    assert torch.equal(after["fc.weight"], before["fc.weight"])
    assert torch.equal(after["conv1.weight"], source.state_dict()["conv1.weight"])


def test_a_file_of_another_network_is_refused_even_then(tmp_path: Path) -> None:
    path = write(tmp_path / "w.pt", snapshot(create_model("perceptron", in_features=4)))
    with pytest.raises(InputError, match=r"none of its .* names"):
        load_weights(small(), path, strict=False)


def test_half_precision_files_fill_full_precision_networks(tmp_path: Path) -> None:
    source, target = small(), small()
    half = {name: v.half() if v.is_floating_point() else v for name, v in snapshot(source).items()}
    load_weights(target, write(tmp_path / "w.safetensors", half))
    got, wanted = target.state_dict()["conv1.weight"], half["conv1.weight"]
    assert got.dtype == torch.float32 and torch.equal(got, wanted.float())
