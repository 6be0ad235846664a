from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.phantom.organs import Organ
from fdglung.phantom.writer import read_truth
from fdglung.phantom.writer.truth import write_truth
from tests.phantom.writer.studies import study


@pytest.fixture
def written(tmp_path):
    made = study("ge_st", ct_kernel="lung", dose_factor=4.0, seed=3)
    write_truth(made, tmp_path / "truth.json")
    return made, tmp_path / "truth.json"


def test_what_is_read_back_equals_what_was_written(written):
    made, path = written
    truth = read_truth(path)
    assert truth.subject == made.subject
    assert truth.acquisition == made.acquisition
    assert truth.lesions == made.lesions
    assert truth.parameters == made.parameters
    assert read_truth(path.parent) == truth


def test_organs_have_the_volume_of_their_voxels_in_the_ct(written):
    made, path = written
    volumes = read_truth(path).organs_ml
    voxels = sitk.GetArrayFromImage(made.ct_organs)
    for organ in (Organ.LIVER, Organ.RIGHT_UPPER_LOBE):
        expected = (voxels == organ).sum() * np.prod(made.ct_organs.GetSpacing()) / 1000
        assert volumes[organ.name.lower().replace("_", " ")] == pytest.approx(expected, abs=1e-4)
    assert set(volumes) == {"right upper lobe", "left lower lobe", "liver", "muscle"}


def test_it_says_that_nobody_was_scanned_and_in_which_coordinates(written):
    document = json.loads(written[1].read_text(encoding="utf-8"))
    assert "no person was scanned" in document["notice"]
    assert "Research software" in document["notice"]
    assert document["coordinates"] == "patient (LPS), mm"
    assert document["lesions"][0]["centre_mm"] == [-40.0, -10.0, 35.0]


def test_the_same_study_has_the_same_truth(tmp_path):
    for name in ("one", "other"):
        write_truth(study(seed=5), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "truth.json"),
        ('{"schema": "something else"}', "something else"),
        ('{"schema": "fdglung synthetic study 1"}', "subject"),
        ("[]", "truth.json"),
    ],
)
def test_a_file_that_holds_no_truth_is_refused(text, told, tmp_path):
    (tmp_path / "truth.json").write_text(text)
    with pytest.raises(ParameterError, match=told):
        read_truth(tmp_path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="No such file"):
        read_truth(tmp_path / "truth.json")
