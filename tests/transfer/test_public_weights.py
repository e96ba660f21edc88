"""Public weights, as their files are, on real photographs: the scores that others measured with them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import neuropil
from neuropil.batches.normalization import Normalization
from neuropil.data.pictures import PictureRule, decode, examine
from neuropil.recipes.train import train
from neuropil.training.checkpoint import load_checkpoint
from neuropil.transfer.finding import find_weights
from neuropil.transfer.loading import load_weights

MOBILENETS = [("mobilenet_v1_0.25_128.npz", 0.38, 0.72), ("mobilenet_v1_0.5_160.npz", 0.64, 0.88)]


def photographs(archive: Path, rule: PictureRule) -> tuple[np.ndarray, list[int]]:
    """Pictures and the class numbers with which their names begin."""
    pictures, numbers = [], []
    with zipfile.ZipFile(archive) as packed:
        for name in sorted(packed.namelist()):
            if name.endswith(".jpg"):
                file = io.BytesIO(packed.read(name))
                pictures.append(decode(file, rule, examine(file)))
                numbers.append(int(Path(name).name[:3]))
    return np.stack(pictures), numbers


@pytest.mark.slow
@pytest.mark.parametrize(("name", "top1", "top5"), MOBILENETS)
def test_mobilenet_on_photographs(shared_data: Path, name: str, top1: float, top5: float) -> None:
    path, record = find_weights(shared_data / "weights" / name)
    assert record is not None and record.preprocessing is not None
    shown = record.preprocessing
    rule = PictureRule(3, (shown.size, shown.size), "crop", crop_share=shown.crop_share)
    pictures, numbers = photographs(shared_data / "imagenet-mini" / "imagenet-mini50.zip", rule)
    assert len(numbers) == 50
    network = neuropil.create_model(record.model, weights=path).eval()
    with torch.no_grad():
        logits = network(torch.from_numpy(Normalization(shown.mean, shown.std).apply(pictures)))
    likeliest = logits.topk(5, dim=1).indices.numpy()
    truth = np.array(numbers)[:, None]
    assert (likeliest[:, :1] == truth).any(1).mean() == pytest.approx(top1, abs=0.021)  # one picture is 2 %
    assert (likeliest == truth).any(1).mean() == pytest.approx(top5, abs=0.021)


@pytest.mark.proof
def test_ants_and_bees(shared_data: Path, tmp_path: Path) -> None:
    """With frozen features nothing below the classifier moves by a bit; a linear probe is at 89 %."""
    weights = shared_data / "weights" / "mobilenet_v1_0.5_160.npz"
    done = train(
        data=str(shared_data / "hymenoptera"), weights=str(weights), freeze="features", runs=tmp_path, progress=False
    )
    assert done.results["valid"]["accuracy"] >= 0.86
    fresh = neuropil.create_model("mobilenet_v1", weights=weights)
    last = load_checkpoint(done.folder.checkpoints / "last").tensors["model"]
    state = fresh.state_dict()
    changed = {
        name for name in state if state[name].shape != last[name].shape or not torch.equal(state[name], last[name])
    }
    assert changed == {"classifier.weight", "classifier.bias"}


def test_another_network_refuses_them(shared_data: Path) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        load_weights(neuropil.create_model("resnet20"), shared_data / "weights" / "mobilenet_v1_0.5_160.npz")
