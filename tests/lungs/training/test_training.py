from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from lungmask import LMInferer
from torch.optim.swa_utils import AveragedModel

from fdglung.cli import main
from fdglung.errors import CheckpointError, DataListError, DivergedTrainingError, LungWeightsError, ParameterError
from fdglung.lungs.slices import as_input
from fdglung.lungs.training.augmentation import AIR_HU, SliceAugmentation
from fdglung.lungs.training.data import SliceData
from fdglung.lungs.training.loop import BEST, LAST, LOG, TrainingSettings, _average, _loss, train
from fdglung.lungs.unet import expanded
from fdglung.lungs.weights import read_weights
from tests.lungs.networks import random_state, save

NOTHING = SliceAugmentation(
    half_turn=0, turn_degrees=0, scale=0, shift=0, offset_hu=0, gain=0, noise_hu=0, blur_pixels=0, contrast=0, filled=0,
    field=0,
)  # fmt: skip
SMALL = TrainingSettings(width=2, steps=6, batch=2, validate_every=3, half_share=1.0)


@pytest.fixture
def slices(tmp_path):
    """Two cases of 6 slices: lungs of -850 in soft tissue, right and left; the first slice without."""
    folder = tmp_path / "slices"
    folder.mkdir()
    for name, split in (("one", "train"), ("two", "validation")):
        hu = np.full((6, 256, 256), 40, np.int16)
        sides = np.zeros((6, 256, 256), np.uint8)
        sides[1:, 80:180, 40:110], sides[1:, 80:180, 150:220] = 1, 2
        hu[sides > 0] = -850
        np.savez(folder / f"{name}.npz", hu=hu, sides=sides, lobes=np.empty((0, 256, 256), np.uint8), split=split)
    return folder


def test_a_run_that_was_interrupted_ends_with_the_weights_of_one_that_was_not(slices, tmp_path):
    train(slices, tmp_path / "whole", SMALL)
    train(slices, tmp_path / "parts", SMALL, until=3)
    train(slices, tmp_path / "parts", SMALL)
    whole, parts = (torch.load(tmp_path / name / LAST, weights_only=True) for name in ("whole", "parts"))
    assert whole["step"] == parts["step"] == 6
    assert all(torch.equal(values, parts["averaged"][name]) for name, values in whole["averaged"].items())
    assert (tmp_path / "whole" / LOG).read_text() == (tmp_path / "parts" / LOG).read_text()


def test_a_new_run_can_begin_with_weights(slices, tmp_path):
    """A rate of almost nothing leaves them as they are, but for the statistics of batch normalisation."""
    state = random_state(width=2)
    path = save(state, tmp_path / "begin.pth")
    settings = replace(SMALL, steps=1, learning_rate=1e-12, weight_decay=0.0)
    train(slices, tmp_path / "run", settings, pretrained=path)
    after = torch.load(tmp_path / "run" / LAST, weights_only=True)["network"]
    assert all(
        torch.allclose(after[name], state[name], atol=1e-6) for name in state if name.endswith(("weight", "bias"))
    )
    for other in ({"width": 4}, {"width": 1}):
        with pytest.raises(LungWeightsError, match=r"begin\.pth"):
            train(slices, tmp_path / "other", replace(settings, **other), pretrained=path)
    of_lobes = save(random_state(width=2, classes=6), tmp_path / "lobes.pth")
    with pytest.raises(LungWeightsError, match=r"lobes\.pth"):
        train(slices, tmp_path / "other", settings, pretrained=of_lobes)


def test_a_network_for_lobes_can_begin_with_one_for_sides(slices, tmp_path):
    """Lobes 1 and 2 are the left lung's."""
    add_synthetic(slices)
    state = random_state(width=2)
    settings = replace(SMALL, classes=6, steps=1, learning_rate=1e-12, weight_decay=0.0)
    train(slices, tmp_path / "run", settings, pretrained=save(state, tmp_path / "begin.pth"))
    after = torch.load(tmp_path / "run" / LAST, weights_only=True)["network"]
    for lobe, side in enumerate((0, 2, 2, 1, 1, 1)):
        assert torch.allclose(after["last.weight"][lobe], state["last.weight"][side], atol=1e-6)
    assert torch.allclose(after["down_path.0.block.0.weight"], state["down_path.0.block.0.weight"], atol=1e-6)


def add_synthetic(folder):
    """Add a case with lobes: each lung is one lobe, 3 right and 2 left."""
    with np.load(folder / "one.npz") as one:
        arrays = dict(one)
    lobes = np.array([0, 3, 2], np.uint8)[arrays["sides"]]
    np.savez(folder / "synthetic.npz", **arrays | {"lobes": lobes})


@pytest.mark.parametrize(("label", "lobes"), [(6, [3, 4, 5]), (7, [1, 2])])
def test_where_the_side_alone_is_known_its_lobes_count_together(label, lobes):
    scores = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 6, 1, 2)))
    labels = torch.full((2, 1, 2), label)
    labels[:, :, 1] = 0
    found = float(_loss(scores.log_softmax(1), labels))
    share = np.exp(scores.numpy()) / np.exp(scores.numpy()).sum(axis=1, keepdims=True)
    together = np.log(share[..., 0][:, lobes].sum(axis=1)) + np.log(share[:, 0, :, 1])
    assert found == pytest.approx(-together.mean() / 2)


def test_a_patients_sides_are_shown_to_a_network_for_lobes(slices):
    add_synthetic(slices)
    data = SliceData(slices, "train", 6)
    drawn = {"size": 4, "seed": 0, "empty_share": 0.0, "half_share": 1.0, "augmentation": NOTHING}
    patients, synthetic = (data.batch(0, scanned_share=share, **drawn)[1] for share in (1.0, 0.0))
    assert set(np.unique(patients)) == {0, 6, 7}
    assert set(np.unique(synthetic)) == {0, 2, 3}


def test_averages_forget_what_a_short_run_began_with_and_then_follow_by_the_decay():
    """From 0 to 1: at a decay of 0.998 from the first step on, 13 % of the 0 would be left after 1,000 steps."""
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    averaged = AveragedModel(layer, multi_avg_fn=_average(0.998))
    averaged.update_parameters(layer)
    torch.nn.init.ones_(layer.weight)
    left = 1.0
    for step in range(1, 6001):
        averaged.update_parameters(layer)
        left *= min(0.998, (1 + step) / (10 + step))
        if step in (10, 100, 1000):
            assert 1 - averaged.module.weight.item() == pytest.approx(left, abs=1e-5)
    assert 0.998**1000 > 0.13
    torch.nn.init.zeros_(layer.weight)
    averaged.update_parameters(layer)
    assert averaged.module.weight.item() == pytest.approx(0.998, abs=1e-5)


def test_training_lowers_the_loss_and_its_weights_are_lungmasks(slices, tmp_path):
    settings = TrainingSettings(
        width=4,
        steps=60,
        batch=2,
        learning_rate=0.02,
        validate_every=30,
        half_share=1.0,
        average=0.5,
        augmentation=NOTHING,
    )
    best = train(slices, tmp_path / "run", settings)
    lines = [json.loads(line) for line in (tmp_path / "run" / LOG).read_text().splitlines()]
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    weights = read_weights(best)
    assert (best.name, weights.width, weights.classes) == (BEST, 4, 3)
    LMInferer(modelpath=str(save(expanded(weights.state), tmp_path / "wide.pth")), force_cpu=True)


@pytest.mark.slow
def test_bfloat16_gives_weights_of_single_precision_that_are_not_those_without_it(slices, tmp_path):
    plain = read_weights(train(slices, tmp_path / "plain", SMALL)).state
    rounded = read_weights(train(slices, tmp_path / "rounded", replace(SMALL, bfloat16=True))).state
    assert all(values.dtype == plain[name].dtype for name, values in rounded.items())
    assert any((values != plain[name]).any() for name, values in rounded.items())


def test_a_run_with_other_settings_is_not_taken_up(slices, tmp_path):
    train(slices, tmp_path, SMALL, until=1)
    with pytest.raises(CheckpointError, match="other settings"):
        train(slices, tmp_path, replace(SMALL, width=4))


def test_a_loss_that_is_no_number_ends_the_run(slices, tmp_path, monkeypatch):
    monkeypatch.setattr("fdglung.lungs.training.loop._loss", lambda scores, labels: scores.sum() * float("nan"))
    with pytest.raises(DivergedTrainingError):
        train(slices, tmp_path, SMALL)


def test_cases_without_lobes_are_no_data_for_lobes(slices):
    with pytest.raises(DataListError, match="6 classes"):
        SliceData(slices, "train", 6)


def test_the_network_is_shown_what_lungmask_shows_it():
    assert np.allclose(as_input(np.array([-2000, -1024, -212, 600, 3000])), [0, 0, 0.5, 1, 1])


def test_batches_are_the_same_for_the_same_step_and_differ_between_steps(slices):
    data = SliceData(slices, "train", 3)
    options = {
        "size": 2,
        "seed": 1,
        "empty_share": 0.2,
        "scanned_share": 0.25,
        "half_share": 0.0,
        "augmentation": SliceAugmentation(),
    }
    once, again, next_one = (data.batch(step, **options) for step in (4, 4, 5))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert (once[0] != next_one[0]).any()
    assert once[0].shape == (2, 1, 256, 256)


def test_patients_slices_have_their_share_however_few_they_are(tmp_path):
    """One CT with a mask among nine synthetic ones, told apart by their HU."""
    for name, hu, lobes in [("patient", 300, 0), *((f"synthetic{i}", -300, 1) for i in range(9))]:
        planes = np.ones((4, 256, 256))
        np.savez(
            tmp_path / f"{name}.npz",
            hu=(hu * planes).astype(np.int16),
            sides=planes.astype(np.uint8),
            lobes=planes[: 4 * lobes].astype(np.uint8),
            split=np.array("train"),
        )
    data = SliceData(tmp_path, "train", 3)
    still = SliceAugmentation(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    for share in (0.0, 0.25, 1.0):
        options = {"size": 400, "seed": 1, "empty_share": 0.0, "scanned_share": share, "half_share": 1.0}
        images, _ = data.batch(0, **options, augmentation=still)
        # Three standard deviations of a share of 400.
        assert abs((images.mean(axis=(1, 2, 3)) > 0.6).mean() - share) <= 3 * np.sqrt(share * (1 - share) / 400)


def test_labels_move_with_the_slice():
    """Without changes of CT numbers, lung is still where the labels are."""
    hu = np.full((256, 256), 40, np.float32)
    labels = np.zeros((256, 256), np.uint8)
    labels[80:180, 40:110], labels[80:180, 150:200] = 1, 2
    hu[labels > 0] = -850
    moving = SliceAugmentation(
        half_turn=0.5, offset_hu=0, gain=0, noise_hu=0, blur_pixels=0, contrast=0, filled=0, field=0
    )
    for seed in range(6):
        moved, truth = moving(hu, labels, np.random.default_rng(seed))
        inside = (truth > 0) == ((moved < -400) & (moved > -900))
        assert inside.mean() > 0.98
        assert (truth == 1).sum() > (truth == 2).sum() > 0


def test_filled_lung_stays_lung_and_looks_like_soft_tissue():
    hu = np.full((256, 256), -850, np.float32)
    labels = np.ones((256, 256), np.uint8)
    filling = SliceAugmentation(**(vars(NOTHING) | {"filled": 1.0}))
    changed, truth = filling(hu, labels, np.random.default_rng(1))
    assert (truth == labels).all()
    assert (changed > -100).any()


def test_what_lies_outside_a_cut_field_is_air_without_lung():
    hu = np.full((256, 256), 0, np.float32)
    labels = np.ones((256, 256), np.uint8)
    cut = SliceAugmentation(**(vars(NOTHING) | {"field": 1.0}))
    changed, truth = cut(hu, labels, np.random.default_rng(0))
    assert ((changed == AIR_HU) == (truth == 0)).all()
    assert 0 < truth.mean() < 1


def test_unchanged_is_what_an_augmentation_of_nothing_leaves():
    hu = np.random.default_rng(0).uniform(-1000, 1000, (64, 64)).astype(np.float32)
    labels = (hu < -400).astype(np.uint8)
    changed, truth = NOTHING(hu, labels, np.random.default_rng(0))
    assert np.allclose(changed, hu, atol=1e-2)
    assert (truth == labels).all()


@pytest.mark.parametrize(("name", "value"), [("width", 12), ("classes", 4), ("steps", 0), ("half_share", 1.5)])
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(ParameterError, match=name):
        TrainingSettings(**{name: value})


def test_the_command_trains(slices, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = ["--width", "2", "--steps", "2", "--batch", "1", "--validate-every", "1", "--json"]
    assert main(["train-lungs", "run", str(slices), str(out), *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": str(out / BEST), "validated_on": "validation"}
    assert read_weights(out / BEST).width == 2


def test_a_validation_on_what_was_trained_on_is_said(slices, tmp_path, capsys):
    (slices / "two.npz").unlink()
    out = tmp_path / "run"
    arguments = ["--width", "2", "--steps", "2", "--batch", "1", "--validate-every", "1"]
    assert main(["train-lungs", "run", str(slices), str(out), *arguments]) == 0
    assert "warning: no slices are set apart for validation" in capsys.readouterr().out
    assert [json.loads(line)["validated_on"] for line in (out / LOG).read_text().splitlines()] == ["train", "train"]
