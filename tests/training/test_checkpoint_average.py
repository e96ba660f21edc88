"""The mean of a run's last checkpoints: by hand, by torch's own averaging, through a run, and refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import neuropil
from neuropil.errors import CheckpointError, InputError
from neuropil.training.checkpoint import checkpoint_folders, load_checkpoint, newest_checkpoint, save_checkpoint
from neuropil.training.checkpoint_average import average_checkpoints, mean_of_states, newest_average


def state(value: float, count: int) -> dict[str, Tensor]:
    return {"weight": torch.tensor([value, 2 * value]), "count": torch.tensor(count)}


def checkpoints(root: Path, *values: float) -> Path:
    for number, value in enumerate(values, 1):
        save_checkpoint(root, 10 * number, {"model": state(value, number)}, {})
    return root


def test_the_mean_is_that_by_hand(tmp_path: Path) -> None:
    root = checkpoints(tmp_path / "checkpoints", 100.0, 1.0, 2.0, 6.0)
    made = average_checkpoints(root, 3)
    assert made.steps == (20, 30, 40) and made.folder.name == "average-00000040" and not made.notes
    found = newest_average(root).weights()
    assert torch.equal(found["weight"], torch.tensor([3.0, 6.0])) and int(found["count"]) == 4
    newest, _ = newest_checkpoint(root)
    assert newest is not None and newest.folder.name == "step-00000040"  # resuming goes on from the last step


def test_the_mean_is_that_of_torch() -> None:
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 3)) for _ in range(5)]
    peer = torch.optim.swa_utils.AveragedModel(networks[0])
    for network in networks:
        peer.update_parameters(network)
    found = mean_of_states([network.state_dict() for network in networks])
    for name, tensor in peer.module.state_dict().items():
        assert torch.allclose(found[name], tensor, atol=1e-7, rtol=0)


def test_of_a_step_saved_twice_the_later_counts_and_moving_averages_go_first(tmp_path: Path) -> None:
    root = checkpoints(tmp_path, 1.0, 2.0)
    save_checkpoint(root, 20, {"model": state(50.0, 0), "averaged": state(3.0, 0)}, {})
    made = average_checkpoints(root, 2)
    assert made.steps == (10, 20)
    assert newest_average(root).weights()["weight"].tolist() == [2.0, 4.0]


@pytest.mark.slow
def test_a_run_is_averaged_and_used(tmp_path: Path) -> None:
    values = {"training.keep_checkpoints": 3, "training.save_every_steps": 2, "training.save_every_seconds": 1e9}
    recipe = neuropil.Recipe(name="average").with_values({"model": "perceptron", "data": "iris", "epochs": 6, **values})
    run = neuropil.train(recipe, speed="plain", progress=False, runs=tmp_path)
    root = run.folder.checkpoints
    with pytest.raises(InputError, match=r"no mean of checkpoints was made .* `neuropil average"):
        neuropil.load_run(run.folder.path, weights="average")
    made = average_checkpoints(root, 3)
    states = [load_checkpoint(folder).tensors["model"] for folder in checkpoint_folders(root)]
    assert len(states) == len(made.steps) == 3
    used = neuropil.load_run(run.folder.path, weights="average").model.state_dict()
    for name, tensor in used.items():
        first, second, third = (one[name].double() for one in states)
        assert torch.allclose(tensor.double(), (first + second + third) / 3, atol=1e-7, rtol=0)
    assert not torch.equal(used[name], neuropil.load_run(run.folder.path, weights="last").model.state_dict()[name])


def test_batch_normalization_is_told(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"model": dict(nn.BatchNorm1d(2).state_dict())}, {})
    (note,) = average_checkpoints(tmp_path, 2).notes
    assert "running statistics" in note


def test_refusals(tmp_path: Path) -> None:
    root = checkpoints(tmp_path / "run" / "checkpoints", 1.0, 2.0)
    with pytest.raises(
        InputError, match=r"keeps 2 checkpoints, but the mean of 5 .* --last 2, or .*keep_checkpoints=5"
    ):
        average_checkpoints(root, 5)
    with pytest.raises(InputError, match="give 2 or more"):
        average_checkpoints(root, 1)
    with pytest.raises(InputError, match="keeps 0 checkpoints"):
        average_checkpoints(tmp_path / "nothing", 2)
    with pytest.raises(InputError, match="different networks"):
        mean_of_states([{"a": torch.ones(1)}, {"a": torch.ones(2)}])
    with pytest.raises(InputError, match="no state"):
        mean_of_states([])
    (checkpoint_folders(root)[0] / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        average_checkpoints(root, 2)
