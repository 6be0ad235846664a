from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from benchmarks.phantom_classes import shuffled, with_a_patient_twice
from benchmarks.phantom_tables import MOST, REACH_MM, drawn_lesions, vois
from fdglung.classification import from_mapping
from fdglung.classification.nested import macro_auc
from fdglung.classification.training import train
from fdglung.errors import DuplicatedPatientError
from fdglung.evaluation.bootstrap import Bootstrap
from tests.classification.made import lesions

SMALL = from_mapping({"model": {"grid": {"C": [1.0]}}, "validation": {"outer_folds": 3, "inner_folds": 3}})


def area(done):
    return Bootstrap(300).statistic(
        lambda rows: macro_auc(done.codes[rows], done.probabilities[rows]), done.lesions.patients
    )


def test_shuffled_classes_are_not_found_and_true_ones_are():
    given = lesions(240, 40, gap=1.5, each=3)
    found = area(train(shuffled(given), SMALL))
    assert found.low < 0.5 < found.high
    assert area(train(given, SMALL)).low > 0.7


def test_a_patient_under_two_ids_is_found():
    with pytest.raises(DuplicatedPatientError, match=r"rows 1 and 151 \(identical\), 2 and 152 \(identical\)"):
        train(with_a_patient_twice(lesions(150, 40)), SMALL)


def truth(lungs, nodes, seed):
    kinds = [*("lung" for _ in range(lungs)), *("node" for _ in range(nodes))]
    lesions = [SimpleNamespace(label=label, kind=kind) for label, kind in enumerate(kinds, 1)]
    return SimpleNamespace(lesions=lesions, parameters={"seed": seed})


def test_lesions_of_the_lungs_are_drawn_up_to_ten_of_a_patient_and_the_same_again():
    assert sorted(drawn_lesions(truth(4, 3, 5))) == [1, 2, 3, 4]
    assert drawn_lesions(truth(40, 2, 7), 4) == drawn_lesions(truth(40, 2, 7))[:4]
    many = [drawn_lesions(truth(40, 2, seed)) for seed in range(200)]
    assert many[7] == drawn_lesions(truth(40, 2, 7))
    assert all(len(set(one)) == MOST and max(one) <= 40 for one in many)
    counts = [sum(label in one for one in many) for label in range(1, 41)]
    # Each is drawn in a quarter of the patients: 50 of 200, give or take five standard deviations.
    assert all(50 - 5 * 6.2 < count < 50 + 5 * 6.2 for count in counts)


def balls(*given, background=0.5):
    """Return PET and true masks of balls: centre x in mm, radius, SUV at the middle and at the border."""
    z, y, x = (2.0 * axis for axis in np.indices((31, 31, 91)))
    suv, true = np.full(x.shape, background), np.zeros(x.shape, np.uint16)
    for label, (at, radius, middle, border) in enumerate(given, 1):
        far = np.sqrt((x - at) ** 2 + (y - 30) ** 2 + (z - 30) ** 2)
        # Uptake falls off evenly from the middle, beyond the border too.
        suv = np.maximum(suv, middle - (middle - border) * far / radius)
        true[far <= radius] = label
    images = [sitk.GetImageFromArray(one) for one in (suv, true)]
    for image in images:
        image.SetSpacing((2, 2, 2))
    return images


def test_the_voi_of_an_avid_lesion_is_what_reaches_two_fifths_of_its_suv_max():
    # 10 falls to 4 at 12 mm, where the true mask ends at 10; 8 falls to 3.2 at 6 mm, inside a mask of 10.
    pet, true = balls((50, 10, 10.0, 5.0), (120, 10, 8.0, 0.0))
    found = sitk.GetArrayFromImage(vois(pet, true))
    z, y, x = (2.0 * axis for axis in np.indices(found.shape))
    for label, at, radius in ((1, 50, 12), (2, 120, 6)):
        far = np.sqrt((x - at) ** 2 + (y - 30) ** 2 + (z - 30) ** 2)
        np.testing.assert_array_equal(found == label, far <= radius + 1e-9)


def test_the_voi_of_a_lesion_that_is_not_avid_is_its_true_mask():
    pet, true = balls((60, 10, 2.4, 1.0))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(vois(pet, true)), sitk.GetArrayFromImage(true))


def test_vois_neither_leave_the_reach_of_their_lesion_nor_enter_another():
    # A background above two fifths of both lesions' SUVmax: nothing but reach and neighbour holds the VOIs.
    pet, true = balls((60, 10, 4.0, 3.0), (90, 10, 4.0, 3.0), background=2.0)
    found = sitk.GetArrayFromImage(vois(pet, true))
    x = 2.0 * np.indices(found.shape)[2]
    for label, at in ((1, 60), (2, 90)):
        far = np.sqrt((x - at) ** 2 + sum((2.0 * axis - 30) ** 2 for axis in np.indices(found.shape)[:2]))
        assert far[found == label].max() == pytest.approx(10 + REACH_MM, abs=2.0)
        assert (abs(x[found == label] - at) <= 15 + 2).all()
