"""What is known of public weights: as their source says it, found by hash, written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from neuropil.errors import InputError
from neuropil.models import MODELS, create_model
from neuropil.transfer.finding import find_weights
from neuropil.transfer.published import KNOWN_FILES, TIMM, TORCHVISION
from neuropil.transfer.records import Preprocessing, WeightRecord

RECORD = WeightRecord(
    model="resnet20",
    source="somewhere",
    options={"width": 8},
    sha256="ab" * 32,
    licence="MIT",
    preprocessing=Preprocessing(32, 1.0, (0.5,), (0.25,), "bicubic"),
    score={"accuracy": 0.5},
    scored_on="nothing much",
)


def test_a_record_comes_back_as_written() -> None:
    assert WeightRecord.from_json(RECORD.to_json()) == RECORD
    bare = WeightRecord(model="vgg16", source="here")
    assert WeightRecord.from_json(bare.to_json()) == bare


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"preprocessing": null}',
        json.dumps({**json.loads(RECORD.to_json()), "model": 3}),
        json.dumps({**json.loads(RECORD.to_json()), "score": {"accuracy": "high"}}),
        json.dumps({**json.loads(RECORD.to_json()), "score": 5}),
        json.dumps({**json.loads(RECORD.to_json()), "preprocessing": {"size": 32, "mean": ["a"], "std": [1.0]}}),
        json.dumps({**json.loads(RECORD.to_json()), "preprocessing": {"size": 0}}),
        "[" * 100_000,
    ],
)
def test_a_damaged_record_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"recorded"):
        WeightRecord.from_json(text)


def test_impossible_preprocessing_is_refused() -> None:
    with pytest.raises(InputError, match="the size is 1 or more"):
        Preprocessing(0)
    with pytest.raises(InputError, match="share above 0"):
        Preprocessing(224, 1.5)
    with pytest.raises(InputError, match="each std above 0"):
        Preprocessing(224, mean=(0.5,), std=(0.0,))


@pytest.mark.slow
@pytest.mark.parametrize("record", [*KNOWN_FILES, *TORCHVISION.values()], ids=lambda record: record.source[-30:])
def test_every_record_names_a_network_and_options_that_exist(record: WeightRecord) -> None:
    with torch.device("meta"):
        create_model(record.model, **record.options)
    assert len(record.sha256) >= 8 and set(record.sha256) <= set("0123456789abcdef")


def test_every_name_of_timm_is_a_network_here() -> None:
    assert {ours for ours, _ in TIMM.values()} <= set(MODELS)


def test_torchvisions_records_are_what_it_says_itself() -> None:
    """Files, pictures and scores, held against torchvision's own tables."""
    shim = pytest.importorskip("oracle_shim")
    for name, record in TORCHVISION.items():
        theirs, _, version = name.partition(".")
        weights = shim.torchvision.models.get_model_weights(theirs)
        entry = weights.IMAGENET1K_V1 if version else weights.DEFAULT
        assert record.source == entry.url
        settings = entry.transforms()
        shown = record.preprocessing
        assert shown is not None and [shown.size] == settings.crop_size
        assert shown.crop_share == pytest.approx(settings.crop_size[0] / settings.resize_size[0])
        assert (list(shown.mean), list(shown.std)) == (settings.mean, settings.std)
        assert shown.interpolation == settings.interpolation.value
        figures = entry.meta["_metrics"]["ImageNet-1K"]
        assert record.score == pytest.approx(
            {"accuracy": figures["acc@1"] / 100, "top5_accuracy": figures["acc@5"] / 100}
        )


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "any name.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"neuropil": RECORD.to_json()})
    assert find_weights(path).record == RECORD
    save_file({"a": torch.zeros(1)}, path)
    assert find_weights(str(path)).record is None
    save_file({"a": torch.zeros(1)}, path, metadata={"neuropil": "{"})
    with pytest.raises(InputError, match="is damaged"):
        find_weights(path)


def test_public_files_are_known_by_their_hash(shared_data: Path, tmp_path: Path) -> None:
    found = {}
    for path in sorted((shared_data / "weights").iterdir()):
        copy = tmp_path / f"renamed{path.suffix}"
        copy.write_bytes(path.read_bytes())
        record = find_weights(copy).record
        assert record is not None
        found[path.name] = (record.model, record.preprocessing.size if record.preprocessing else 0)
    assert found == {
        "mobilenet_v1_0.25_128.npz": ("mobilenet_v1", 128),
        "mobilenet_v1_0.5_160.npz": ("mobilenet_v1", 160),
        "resnet20-12fca82f.th": ("resnet20", 32),
    }
