"""Training from the app, in this process."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("monailabel")
pytest.importorskip("torch")
pytest.importorskip("monai")

import torch

from fdglung.annotation.networks import active_network, tuned_networks
from fdglung.errors import ParameterError, TooFewCasesError
from fdglung.network.architectures import build
from fdglung.network.checkpoint import read_checkpoint, write_onnx, write_torch
from fdglung.pipeline import Settings
from labelapp.datastore import FolderStore
from labelapp.open_studies import OpenStudies
from labelapp.train import DEFAULTS, FineTune
from tests.network.networks import small_spec

QUICK = {"max_epochs": 2, "steps_per_epoch": 30, "learning_rate": 0.01, "threads": 1, "held_out": 0.3}


def write_study(folder, seed):
    """Write 96 mm of noise with a hot ball; return its mask (z, y, x)."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:32, :32, :32]
    lesion = (z - 16) ** 2 + (y - 14 - seed) ** 2 + (x - 18) ** 2 < 36
    folder.mkdir(parents=True)
    for name, values in (
        ("pet", (0.8 + 0.1 * rng.standard_normal(lesion.shape) + 6 * lesion).clip(0)),
        ("ct", 40 + 20 * rng.standard_normal(lesion.shape)),
    ):
        image = sitk.GetImageFromArray(values.astype(np.float32))
        image.SetSpacing([3.0] * 3)
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))
    label = sitk.GetImageFromArray(lesion.astype(np.uint8))
    label.SetSpacing([3.0] * 3)
    return label


@pytest.fixture
def labelled(tmp_path):
    """A store with three labelled studies, and an untrained network as ONNX."""
    root = tmp_path / "studies"
    labels = {f"study_{i}": write_study(root / f"study_{i}", i) for i in range(3)}
    store = FolderStore(root, root / "labels", OpenStudies(Settings()))
    for name, label in labels.items():
        sitk.WriteImage(label, str(tmp_path / "label.nii.gz"))
        store.save_label(name, str(tmp_path / "label.nii.gz"), "final", {"client_id": "anna"})
    spec = small_spec(trained_on="nothing")
    torch.manual_seed(0)
    write_torch(tmp_path / "model.pt", spec, build(spec).state_dict())
    write_onnx(tmp_path / "model.onnx", read_checkpoint(tmp_path / "model.pt"))
    return store, tmp_path / "model.onnx"


def test_a_better_network_becomes_active_and_says_what_it_was_tuned_to(labelled):
    store, network = labelled
    task = FineTune(store.labels, str(network))
    told = task({"model": "lesions", **QUICK}, store)
    assert told["held_out_dice"]["after"] > max(0.5, told["held_out_dice"]["before"])
    active = active_network(store.labels)
    assert (told["version"], told["active"], active.number) == (1, True, 1)
    count = len(active.info["trained_on"])
    assert f"nothing; tuned to {count} annotated" in read_checkpoint(active.path).spec.trained_on
    assert {*active.info["trained_on"], *active.info["held_out"]} == {"study_0", "study_1", "study_2"}
    assert not set(active.info["trained_on"]) & set(active.info["held_out"])
    assert (task.stats()["epoch"], task.stats()["best_metric"]) == (2, told["held_out_dice"]["after"])
    assert not (store.labels / ".networks" / "run").exists()


def test_a_network_that_is_no_better_is_kept_and_not_used(labelled):
    store, network = labelled
    told = FineTune(store.labels, str(network))({**QUICK, "learning_rate": 0, "steps_per_epoch": 1}, store)
    assert told["held_out_dice"]["after"] == told["held_out_dice"]["before"]
    assert not told["active"]
    assert active_network(store.labels) is None
    assert len(tuned_networks(store.labels)) == 1


def test_an_interrupted_training_leaves_the_old_network(labelled, monkeypatch):
    store, network = labelled
    task = FineTune(store.labels, str(network))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("labelapp.train.held_out_dice", killed)
    with pytest.raises(KeyboardInterrupt):
        task({**QUICK, "steps_per_epoch": 1, "max_epochs": 1}, store)
    assert (active_network(store.labels), tuned_networks(store.labels)) == (None, ())


def test_too_few_labels_and_impossible_options_are_refused(labelled, tmp_path):
    store, network = labelled
    task = FineTune(store.labels, str(network))
    for name, value in (("max_epochs", 0), ("learning_rate", "fast"), ("held_out", 1)):
        with pytest.raises(ParameterError, match=name):
            task({name: value}, store)
    alone = FolderStore(store.studies, tmp_path / "other", store.opened)
    sitk.WriteImage(sitk.ReadImage(str(store.version("study_0", "final").path)), str(tmp_path / "label.nii.gz"))
    alone.save_label("study_0", str(tmp_path / "label.nii.gz"), "final", {"client_id": "anna"})
    with pytest.raises(TooFewCasesError):
        FineTune(alone.labels, str(network))({}, alone)
    assert task.config() == DEFAULTS
