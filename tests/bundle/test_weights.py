from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import lungs
from fdglung.network.checkpoint import read_checkpoint
from fdglung.segmentation import SegmentationSettings, segment
from fdglung.segmentation_network import MODELS_VARIABLE, default_checkpoints
from fdglung.study import Study
from tests.cases import ROOT
from tests.simple_thorax import simple_thorax

BUNDLE = ROOT / "bundle"
MODELS = BUNDLE / "models"
WEIGHTS = sorted(path for path in MODELS.rglob("*") if path.is_file())
MOST_MB = 25


def test_all_weights_together_are_small_and_stand_in_the_card():
    card = (BUNDLE / "docs" / "README.md").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in WEIGHTS) < MOST_MB * 1e6
    assert [path for path in WEIGHTS if f"models/{path.relative_to(MODELS)}" not in card] == []


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_weights_are_what_the_metadata_describe_and_say_what_they_were_trained_on(path):
    described = json.loads((BUNDLE / "configs" / "metadata.json").read_text(encoding="utf-8"))
    image = described["network_data_format"]["inputs"]["image"]
    spec = read_checkpoint(path).spec
    assert list(spec.channels) == list(image["channel_def"].values())
    assert spec.spacing_mm == image["spacing_mm"]
    assert {name: [list(point) for point in points] for name, points in spec.normalisation.items()} == {
        name: [[float(value) for value in point] for point in points] for name, points in image["normalisation"].items()
    }
    assert "no patient's lung lesion" in spec.trained_on


def test_the_network_for_lungs_finds_the_spheres_of_a_thorax_that_it_was_not_trained_on_and_nothing_else(monkeypatch):
    monkeypatch.delenv(MODELS_VARIABLE, raising=False)
    made = simple_thorax(ct_matrix=128)
    study = Study(made.pet, made.ct)
    found = segment(study, lungs.segment(study.ct), SegmentationSettings(method="network"))
    truth, labels = (sitk.GetArrayFromImage(image) for image in (made.lesion_mask, found.labels))
    assert [path.name for path in default_checkpoints()] == ["model.onnx"]
    assert len(found.lesions) == len(made.lesions)
    assert all((truth[labels == lesion.label] > 0).any() for lesion in found.lesions)
    assert all((labels[truth == label] > 0).any() for label in np.unique(truth[truth > 0]))
    assert 2 * ((truth > 0) & (labels > 0)).sum() / ((truth > 0).sum() + (labels > 0).sum()) > 0.85
    assert any("no patient's lung lesion" in warning for warning in found.warnings)
