from __future__ import annotations

import dataclasses
import json

import pytest

from fdglung.errors import CheckpointError, OutputWriteError, ParameterError
from fdglung.network.checkpoint import load_network, read_checkpoint, write_torch
from fdglung.network.spec import check_same, from_json, to_json
from tests.network.networks import small_spec, write_threshold_network

torch = pytest.importorskip("torch")
architectures = pytest.importorskip("fdglung.network.architectures")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return architectures.build(small_spec())


@pytest.fixture
def path(network, tmp_path):
    write_torch(tmp_path / "model.pt", small_spec(trained_on="nothing"), network.state_dict())
    return tmp_path / "model.pt"


def test_a_checkpoint_carries_its_description_and_its_weights(path, network):
    checkpoint = read_checkpoint(path)
    assert checkpoint.spec == small_spec()
    assert checkpoint.spec.trained_on == "nothing"
    assert len(checkpoint.sha256) == 64
    loaded = load_network(checkpoint).state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())


def test_an_onnx_checkpoint_carries_its_description_too(tmp_path):
    spec = read_checkpoint(write_threshold_network(tmp_path / "model.onnx", channels=["CT", "PET"])).spec
    assert spec.channels == ("CT", "PET")


def test_a_description_is_written_and_read_back_equal():
    spec = small_spec(optional=["CT"], trained_on="phantoms")
    assert from_json(to_json(spec), source="a file") == spec
    assert from_json(to_json(spec), source="a file").trained_on == "phantoms"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("channels", ["CT", "PET"], r"channels \[PET, CT\], model.pt has channels|\[CT, PET\]"),
        ("architecture", "dynunet", "unet.*dynunet"),
        ("spacing_mm", 2.0, "3.0.*2.0"),
    ],
)
def test_another_architecture_order_or_grid_is_an_error_that_names_both(name, value, told):
    with pytest.raises(CheckpointError, match=told):
        check_same(small_spec(), small_spec(**{name: value}), names=("the configuration", "model.pt"))


def test_weights_of_another_network_than_the_file_says_are_refused(tmp_path, network):
    write_torch(tmp_path / "model.pt", small_spec(features=[8, 16, 32]), network.state_dict())
    with pytest.raises(CheckpointError, match=r"model.pt are not those of a unet with features \[8, 16, 32\]"):
        load_network(read_checkpoint(tmp_path / "model.pt"))


def test_a_broken_off_file_is_refused(path):
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(CheckpointError, match=r"model.pt"):
        read_checkpoint(path)


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_checkpoint(tmp_path / "absent.pt")
    (tmp_path / "model.onnx").write_bytes(b"no protobuf at all")
    with pytest.raises(CheckpointError, match=r"model.onnx"):
        read_checkpoint(tmp_path / "model.onnx")
    (tmp_path / "model.h5").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"\.pt or \.onnx"):
        read_checkpoint(tmp_path / "model.h5")
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="does not say what network"):
        read_checkpoint(tmp_path / "foreign.pt")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_earlier_checkpoint_and_nothing_else(path, network, monkeypatch, error):
    before = path.read_bytes()

    def save(content, partial):
        partial.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(OutputWriteError if isinstance(error, OSError) else KeyboardInterrupt):
        write_torch(path, small_spec(), network.state_dict())
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["model.pt"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("architecture", "vgg"),
        ("channels", ["PET", "MR"]),
        ("channels", ["PET", "PET"]),
        ("outputs", ["lesion", "background"]),
        ("window", [30, 32, 32]),
        ("spacing_mm", 0),
        ("optional", ["PET", "CT"]),
        ("normalisation", {"PET": [[0, 0], [1, 1]]}),
    ],
)
def test_a_description_that_no_network_can_have_is_refused_by_name(name, value):
    with pytest.raises(ParameterError, match=name):
        small_spec(**{name: value})


def test_a_description_with_unknown_fields_is_refused():
    values = json.loads(to_json(small_spec())) | {"colour": "red"}
    with pytest.raises(CheckpointError, match="colour"):
        from_json(json.dumps(values), source="model.pt")


def test_the_training_text_and_the_window_do_not_count_as_another_network():
    first = small_spec()
    check_same(first, dataclasses.replace(first, trained_on="x", window=(64, 64, 64)), names=("a", "b"))
