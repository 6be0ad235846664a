from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import DataListError
from fdglung.lungs.labels import LEFT, LOBES, RIGHT
from fdglung.lungs.training.slices import PHANTOM_LOBES, masked_case, phantom_cases, write_slices
from fdglung.phantom.organ_codes import organ_name
from fdglung.phantom.organs import LOBES as ORGANS
from fdglung.phantom.organs import Organ
from tests.lungs.training.cohorts import write_cohort


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return write_cohort(tmp_path_factory.mktemp("data") / "cohort")


def test_the_values_of_lobes_are_those_of_the_phantoms_organs():
    assert set(PHANTOM_LOBES) == set(ORGANS)
    assert {organ_name(Organ(value)): LOBES[lobe] for value, lobe in PHANTOM_LOBES.items()} == {
        name: name for name in LOBES.values()
    }


def test_studies_kept_for_tests_are_not_trained_on(cohort):
    assert [(case.name, case.split) for case in phantom_cases(cohort)] == [
        ("cohort_study_0001", "train"),
        ("cohort_study_0002", "validation"),
    ]


def test_slices_are_what_lungmask_shows_its_network_with_the_truth_in_place(cohort, tmp_path):
    path, _ = write_slices(phantom_cases(cohort), tmp_path)
    with np.load(path) as arrays:
        hu, sides, lobes = arrays["hu"], arrays["sides"], arrays["lobes"]
        assert str(arrays["split"]) == "train"
    assert hu.shape == sides.shape == lobes.shape == (17, 256, 256)
    # Lungs are -850 in a body of 40, so that the truth shows in the CT but at their border.
    assert ((sides > 0) == ((hu < -400) & (hu > -900)))[8].mean() > 0.98
    assert set(np.unique(lobes)) == {0, 1, 2, 3, 5}
    assert (sides[np.isin(lobes, (1, 2))] == LEFT).all()
    assert (sides[np.isin(lobes, (3, 5))] == RIGHT).all()
    # In LPS order the patient's right is at small x.
    assert np.argwhere(sides[8] == RIGHT)[:, 1].max() < np.argwhere(sides[8] == LEFT)[:, 1].min()


def test_slices_that_are_there_stay(cohort, tmp_path):
    cases = phantom_cases(cohort)
    path, _ = write_slices(cases, tmp_path)
    path.write_bytes(b"earlier")
    write_slices(cases, tmp_path)
    assert path.read_bytes() == b"earlier"


def test_a_mask_of_another_grid_is_refused(cohort, tmp_path):
    mask = tmp_path / "mask.nii.gz"
    sitk.WriteImage(sitk.Image([4, 4, 4], sitk.sitkUInt8), str(mask))
    with pytest.raises(DataListError, match="does not lie on the grid"):
        write_slices([masked_case(cohort / "study_0001" / "ct.nii.gz", mask)], tmp_path)


def test_a_mask_without_lungs_is_refused(cohort, tmp_path):
    ct = cohort / "study_0001" / "ct.nii.gz"
    mask = tmp_path / "mask.nii.gz"
    sitk.WriteImage(sitk.ReadImage(str(ct)) > 3000, str(mask))
    with pytest.raises(DataListError, match="holds no lung"):
        write_slices([masked_case(ct, mask)], tmp_path)


def test_a_folder_that_is_no_cohort_is_refused(tmp_path):
    with pytest.raises(DataListError, match=r"cohort\.csv"):
        phantom_cases(tmp_path)


def test_two_cases_of_one_name_are_refused(cohort, tmp_path):
    case = phantom_cases(cohort)[0]
    with pytest.raises(DataListError, match="2 cases"):
        write_slices([case, case], tmp_path)
