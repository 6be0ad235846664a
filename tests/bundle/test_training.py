from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from scripts.publish import publish
from scripts.state import DivergedError
from scripts.sts_datalist import make_datalist

from fdglung.errors import CheckpointError, DataListError
from fdglung.network import architectures
from fdglung.network.backends import open_predictor
from fdglung.network.checkpoint import read_checkpoint, read_torch, write_torch
from tests.bundle.bundles import TINY, refused, train, workflow
from tests.network.networks import small_spec

DICE_OF_A_TINY_NETWORK = 0.85
"""What 120 steps reach on a hot ball in noise with a hot bar beside it, with room: 0.93 was measured."""


def test_a_tiny_network_learns_a_tiny_case(dataset, tmp_path):
    run = train(
        dataset=dataset,
        out=tmp_path,
        max_epochs=3,
        steps_per_epoch=40,
        val_interval=1,
        val_list="training",
        learning_rate=0.01,
        ema_decay=0.9,
        augmentation={"_target_": "scripts.augment.Augmentation", "crop_probability": 0.0},
    )
    history = run.evaluator.state.metrics["val_mean_dice"], run.parser.get_parsed_content("state").best
    assert history[1] > DICE_OF_A_TINY_NETWORK
    assert read_checkpoint(tmp_path / "checkpoints" / "model.pt").spec.channels == ("PET", "CT")
    assert any((tmp_path / "tensorboard").iterdir())


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(dataset, tmp_path, kind):
    train(dataset=dataset, out=tmp_path / "whole", max_epochs=3, optimizer_kind=kind)
    changes = {"dataset": dataset, "out": tmp_path / "parts", "max_epochs": 3, "optimizer_kind": kind}
    broken = workflow(
        "train",
        dataset=dataset,
        output_dir=str(tmp_path / "parts"),
        **{**TINY, "max_epochs": 3, "optimizer_kind": kind},
    )
    state, loader = (broken.parser.get_parsed_content(name) for name in ("state", "train#dataloader"))
    given = loader.batch

    def interrupted(epoch, step):
        if (epoch, step) == (2, 1):
            raise KeyboardInterrupt
        return given(epoch, step)

    loader.batch = interrupted
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert state.epoch == 1
    assert {path.name for path in (tmp_path / "parts" / "checkpoints").iterdir()} == {"last.pt", "best.pt"}
    train(**changes, resume="auto")
    whole, parts = (read_torch(tmp_path / name / "checkpoints" / "last.pt") for name in ("whole", "parts"))
    for key in ("network", "trained"):
        assert all(torch.equal(whole[key][name], parts[key][name]) for name in whole[key])
    assert whole["progress"] == parts["progress"]
    assert whole["schedule"]["last_epoch"] == parts["schedule"]["last_epoch"] == 9


def test_training_ends_early_when_validation_gets_no_better(dataset, tmp_path):
    run = train(dataset=dataset, out=tmp_path, max_epochs=9, learning_rate=0.0, patience=2)
    # The first validation is the best; two more are no better.
    assert run.parser.get_parsed_content("state").epoch == 3


def test_a_checkpoint_of_another_network_is_refused_and_both_are_named(dataset, tmp_path):
    train(dataset=dataset, out=tmp_path, max_epochs=1)
    last = str(tmp_path / "checkpoints" / "last.pt")
    for change, told in (
        ({"channels": ["CT", "PET"]}, r"configuration has channels \[CT, PET\], last.pt has \[PET, CT\]"),
        ({"architecture": "dynunet"}, "configuration has architecture dynunet, last.pt has unet"),
        ({"features": [8, 16, 32]}, r"features \[8, 16, 32\], last.pt has \[4, 8, 16\]"),
    ):
        for key in ("resume", "pretrained"):
            with refused(CheckpointError, told):
                train(dataset=dataset, out=tmp_path / "other", **change, **{key: last})


def test_a_model_without_its_run_cannot_be_resumed_but_can_be_started_from(dataset, tmp_path):
    train(dataset=dataset, out=tmp_path, max_epochs=1)
    model = str(tmp_path / "checkpoints" / "model.pt")
    with refused(CheckpointError, "holds no run .* --pretrained"):
        train(dataset=dataset, out=tmp_path / "other", resume=model)
    train(dataset=dataset, out=tmp_path / "tuned", max_epochs=1, pretrained=model, learning_rate=0.0, ema_decay=0.0)
    before, after = (read_torch(tmp_path / name / "model.pt") for name in ("checkpoints", "tuned/checkpoints"))
    assert all(torch.equal(before["network"][name], after["network"][name]) for name in before["network"])


def test_a_loss_that_is_no_number_ends_training_and_keeps_the_last_checkpoint(dataset, tmp_path):
    run = workflow("train", dataset=dataset, output_dir=str(tmp_path), **TINY)
    loader = run.parser.get_parsed_content("train#dataloader")
    given = loader.batch

    def poisoned(epoch, step):
        batch = given(epoch, step)
        return {**batch, "image": batch["image"] * float("nan")} if epoch == 2 else batch

    loader.batch = poisoned
    with refused(DivergedError, "step 4"):
        run.run()
    weights = read_torch(tmp_path / "checkpoints" / "last.pt")["trained"]
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_what_is_wrong_with_the_list_is_said_before_training(dataset, tmp_path):
    with refused(DataListError, "no key 'absent'"):
        train(dataset=dataset, out=tmp_path, train_list="absent")


@pytest.mark.parametrize(
    ("overlays", "changes", "channels"),
    [
        (["pet_only"], {}, ("PET",)),
        (["ct_only"], {}, ("CT",)),
        (["deep_supervision"], {"deep_supervision": 1}, ("PET", "CT")),
        (["pet_only", "deep_supervision"], {"architecture": "segresnet_ds", "deep_supervision": 1}, ("PET",)),
    ],
)
def test_overlays_combine(dataset, tmp_path, overlays, changes, channels):
    train(*overlays, dataset=dataset, out=tmp_path, max_epochs=1, **changes)
    assert read_checkpoint(tmp_path / "checkpoints" / "model.pt").spec.channels == channels


def test_organs_are_auxiliary_outputs_and_lesions_lie_over_them(dataset, tmp_path):
    run = train("organs", dataset=dataset, out=tmp_path, max_epochs=1)
    outputs = read_checkpoint(tmp_path / "checkpoints" / "model.pt").spec.outputs
    assert outputs[:2] == ("background", "lesion")
    case = run.train_dataset[0]
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(dataset / "case_0" / "label.nii.gz")))
    organs = sitk.GetArrayFromImage(sitk.ReadImage(str(dataset / "case_0" / "organs.nii.gz")))
    assert (case["label"][label > 0] == 1).all()
    for name, value in (("lung", 7), ("liver", 19)):
        assert ((case["label"] == outputs.index(name)) == ((organs == value) & (label == 0))).all()


def test_the_folds_of_the_sarcomas_test_each_patient_once_and_never_train_on_them(tmp_path):
    names = [f"STS_{i:03d}" for i in range(10)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "PET_image.nii.gz").touch()
    lists = make_datalist(tmp_path, folds=4)
    tested = [entry["name"] for fold in range(4) for entry in lists[f"test_{fold}"]]
    assert sorted(tested) == names
    for fold in range(4):
        parts = [{entry["name"] for entry in lists[f"{key}_{fold}"]} for key in ("train", "validation", "test")]
        assert set().union(*parts) == set(names)
        assert sum(len(part) for part in parts) == len(names)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataListError, match="0 cases"):
        make_datalist(tmp_path / "empty")


def test_a_published_checkpoint_is_smaller_says_what_it_was_trained_on_and_answers_alike(dataset, tmp_path):
    train(dataset=dataset, out=tmp_path, max_epochs=1)
    source = tmp_path / "checkpoints" / "model.pt"
    paths = publish([str(source)], str(tmp_path / "shipped"), trained_on="noise", half=True)
    assert [path.name for path in paths] == ["shipped.pt", "shipped.onnx"]
    assert paths[0].stat().st_size < 0.8 * source.stat().st_size
    image = np.random.default_rng(0).normal(size=(1, 2, 32, 32, 32)).astype(np.float32)
    expected = open_predictor(read_checkpoint(source), "torch").predict(image)
    for path, backend in zip(paths, ("torch", "openvino"), strict=True):
        checkpoint = read_checkpoint(path)
        assert checkpoint.spec.trained_on == "noise"
        # Half precision keeps 11 bits of a weight.
        assert np.abs(open_predictor(checkpoint, backend).predict(image) - expected).max() < 0.05


def test_weights_of_several_checkpoints_are_averaged_unless_they_are_of_other_networks(tmp_path):
    weights = architectures.build(small_spec()).state_dict()
    for name, factor in (("one", 1.0), ("three", 3.0)):
        write_torch(tmp_path / f"{name}.pt", small_spec(), {key: factor * value for key, value in weights.items()})
    sources = [str(tmp_path / f"{name}.pt") for name in ("one", "three")]
    (made,) = publish(sources, str(tmp_path / "made"), trained_on="noise", half=False, onnx=False)
    averaged = read_torch(made)["network"]
    assert all(torch.equal(averaged[key], 2 * value) for key, value in weights.items())
    other = small_spec(features=[8, 16, 32])
    write_torch(tmp_path / "other.pt", other, architectures.build(other).state_dict())
    with pytest.raises(CheckpointError, match=r"other\.pt is of another network than .*one\.pt"):
        publish([sources[0], str(tmp_path / "other.pt")], str(tmp_path / "refused"), trained_on="noise", half=False)
    assert not list(tmp_path.glob("refused*"))


def test_a_torch_file_is_made_of_an_onnx_file_that_ships(dataset, tmp_path):
    train(dataset=dataset, out=tmp_path, max_epochs=1)
    source = str(tmp_path / "checkpoints" / "model.pt")
    _, shipped = publish([source], str(tmp_path / "shipped"), trained_on="noise", half=False)
    (made,) = publish([str(shipped)], str(tmp_path / "made"), trained_on="", half=False, onnx=False)
    before, after = (read_torch(path)["network"] for path in (tmp_path / "checkpoints" / "model.pt", made))
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert read_checkpoint(made).spec.trained_on == "noise"
    train(dataset=dataset, out=tmp_path / "tuned", max_epochs=1, pretrained=str(shipped))
