from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import ParameterError
from fdglung.phantom import LesionClass, PlacedLesion, Subject, make_study
from fdglung.phantom.anatomy import cavities, parts
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.grids import study_grids
from fdglung.phantom.inflation import moving_share
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.raster import rasterise
from fdglung.phantom.scanner.catalogue import SCANNERS

MAN = Subject("M", 55, 174, 72, breath=0.6, shape_seed=11)
SMALL = {"grid_mm": 4.0, "subject": MAN, "scanner": "ge_690", "reconstruction": "VPFX"}
IMAGES = ("ct", "pet", "lesion_mask", "ct_lesion_mask", "organs", "ct_organs")


def array(image):
    return sitk.GetArrayFromImage(image)


def at(image, point):
    return image[image.TransformPhysicalPointToIndex(point)]


@pytest.fixture(scope="module")
def empty():
    return make_study(seed=1, lesions=(), with_nac=True, **SMALL)


@pytest.fixture(scope="module")
def lung_places(empty):
    """Deepest point of the right and of the left upper lobe in the PET, in mm."""
    places = []
    for lobe in (Organ.RIGHT_UPPER_LOBE, Organ.LEFT_UPPER_LOBE):
        depth = ndimage.distance_transform_edt(np.pad(array(empty.organs) == lobe, 1))[1:-1, 1:-1, 1:-1]
        index = np.unravel_index(depth.argmax(), depth.shape)
        places.append(empty.organs.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]]))
    return places


@pytest.fixture(scope="module")
def with_balls(lung_places):
    balls = [
        PlacedLesion.sphere(lung_places[0], 16.0, 8.0, hu=45.0, name="large"),
        PlacedLesion.sphere(lung_places[1], 7.0, 5.0, hu=20.0, name="small"),
    ]
    return balls, make_study(seed=1, lesions=balls, **SMALL)


def liver(study):
    """Voxels deep in the liver, away from its edge and the dome's motion."""
    mask = array(study.organs) == Organ.LIVER
    return ndimage.binary_erosion(mask, iterations=5)


def test_the_same_seed_gives_the_same_voxels_and_another_one_others():
    first, again, other = (make_study(seed=seed, grid_mm=5.0) for seed in (4, 4, 5))
    for name in IMAGES:
        np.testing.assert_array_equal(array(getattr(first, name)), array(getattr(again, name)))
    assert first.lesions == again.lesions
    assert first.acquisition == again.acquisition
    assert first.subject != other.subject


_IN_ANOTHER_PROCESS = """
from fdglung.phantom import Find, Subject, make_study
finds = frozenset({Find.VASCULAR_CALCIUM, Find.EMPHYSEMA, Find.PLEURAL_EFFUSION, Find.PACEMAKER})
study = make_study(seed=2, subject=Subject("M", 60, 176, 75, finds=finds, shape_seed=3), grid_mm=6.0)
print(*(lesion.tracking_uid for lesion in study.lesions))
"""


@pytest.mark.slow
def test_tracking_uids_are_the_same_in_every_process():
    found = {
        subprocess.run(
            [sys.executable, "-c", _IN_ANOTHER_PROCESS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1
    assert found.pop().startswith("1.2.826.")


def test_a_ball_has_its_volume_and_its_uptake_in_the_truth(with_balls):
    balls, study = with_balls
    for ball, lesion in zip(balls, study.lesions, strict=True):
        assert lesion.volume_ml == pytest.approx(4 / 3 * math.pi * ball.radius_mm**3 / 1000, rel=0.01)
        assert lesion.suv_max == pytest.approx(lesion.suv_mean, rel=0.01)
        assert np.abs(np.subtract(lesion.centre_mm, ball.centre_mm)).max() < 0.5
    assert len({lesion.tracking_uid for lesion in study.lesions}) == 2


def test_a_ball_of_32_mm_shows_its_uptake_on_pet_and_its_density_on_ct(with_balls):
    _balls, study = with_balls
    pet, labels = array(study.pet), array(study.lesion_mask)
    core = ndimage.binary_erosion(labels == 1, iterations=2)
    # respiratory motion of some millimetres in the upper lobe and noise of a tenth remain
    assert pet[core].mean() == pytest.approx(8.0, rel=0.08)
    ct_core = ndimage.binary_erosion(array(study.ct_lesion_mask) == 1, iterations=2)
    assert array(study.ct)[ct_core].mean() == pytest.approx(45.0, abs=6)


def test_lesion_masks_hold_the_lesions_on_both_grids(with_balls):
    _, study = with_balls
    for image in (study.lesion_mask, study.ct_lesion_mask):
        voxel = math.prod(image.GetSpacing()) / 1000
        assert (array(image) == 1).sum() * voxel == pytest.approx(study.lesions[0].volume_ml, rel=0.08)


def test_the_pet_beside_a_ball_is_untouched(empty, with_balls):
    _, study = with_balls
    far = ndimage.distance_transform_edt(array(study.lesion_mask) == 0, sampling=4.0) > 60
    inside = far & (array(study.organs) > 0)
    ratio = array(study.pet)[inside].mean() / array(empty.pet)[inside].mean()
    assert ratio == pytest.approx(1, abs=0.01)


def test_the_noise_variance_of_the_liver_grows_in_proportion_to_the_dose_factor(empty):
    inside = liver(empty)
    studies = [empty, *(make_study(seed=1, lesions=(), dose_factor=factor, **SMALL) for factor in (5, 10))]
    variance = [(array(s.pet)[inside] / array(s.pet)[inside].mean()).var() for s in studies]
    # vessels and motion add the same to each
    assert (variance[2] - variance[0]) / (variance[1] - variance[0]) == pytest.approx(9 / 4, rel=0.2)


def test_without_correction_the_lungs_outshine_the_liver(empty):
    inside = liver(empty)
    lungs = ndimage.binary_erosion(np.isin(array(empty.organs), [int(lobe) for lobe in LOBES]), iterations=2)
    plain, raw = array(empty.pet), array(empty.pet_nac)
    assert plain[inside].mean() > 2 * plain[lungs].mean()
    # by exp(-line integral) of an ellipse of water: liver centre 0.03 to 0.09, lung about 0.35
    assert 0.02 < raw[inside].mean() / plain[inside].mean() < 0.12
    assert 0.15 < raw[lungs].mean() / plain[lungs].mean() < 0.5


def test_lungs_are_larger_on_a_ct_in_deep_inspiration_than_in_the_pet():
    study = make_study(seed=2, lesions=(), **{**SMALL, "subject": Subject("M", 55, 174, 72, breath=0.85)})
    volumes = [np.isin(array(image), [int(lobe) for lobe in LOBES]).sum() for image in (study.ct_organs, study.organs)]
    assert volumes[0] > 1.3 * volumes[1]


def test_a_speck_that_fills_no_voxel_is_labelled_on_both_grids(lung_places):
    x, y, z = lung_places[0]
    specks = [PlacedLesion.sphere((x + 12 * i + 1.7, y + 1.3, z + 1.9), 1.2, 4.0) for i in (-1, 0, 1)]
    study = make_study(seed=1, lesions=specks, **{**SMALL, "grid_mm": 6.0})
    for image in (study.lesion_mask, study.ct_lesion_mask):
        assert set(np.unique(array(image))) == {0, 1, 2, 3}


def test_fat_about_the_heart_moves_with_breathing_and_fat_under_the_skin_does_not():
    person, frame = Subject("M", 60, 178, 95, shape_seed=4), BodyFrame(Subject("M", 60, 178, 95, shape_seed=4), 0.35)
    grid = study_grids("thorax", frame, SCANNERS["ge_690"].reconstructions[0], training_mm=6.0).ct
    active = rasterise(parts(person, frame), frame, grid, organs=True)
    moving = moving_share(active, person, frame, grid)
    fat = active.organs == Organ.FAT
    held = rasterise(cavities(person, frame), frame, grid, organs=True).organs > 0
    deep = ndimage.binary_erosion(held, iterations=2)
    assert moving[fat & deep].mean() > 0.9
    assert moving[fat & ~ndimage.binary_dilation(held, iterations=2)].max() < 0.1


def test_without_overlap_the_disease_is_of_the_class_asked_for():
    for group in LesionClass:
        study = make_study(seed=6, lesion_class=group, overlap=0.0, grid_mm=6.0)
        assert {lesion.lesion_class for lesion in study.lesions} == {group}
        assert study.parameters["lesion_class"] == group.value
        lungs = ndimage.binary_dilation(np.isin(array(study.organs), [int(lobe) for lobe in LOBES]), iterations=4)
        for lesion in study.lesions:
            index = study.organs.TransformPhysicalPointToIndex(lesion.centre_mm)
            assert lungs[index[::-1]], lesion.place


@pytest.mark.slow
def test_a_whole_thorax_keeps_the_scanners_grids_and_its_lesions_apart_from_one_another():
    study = make_study(seed=3, scanner="siemens_mct", reconstruction="PSF+TOF 3i21s")
    assert study.ct.GetSize()[:2] == (512, 512)
    assert study.pet.GetSize()[:2] == (200, 200)
    assert study.pet.GetSpacing() == pytest.approx((4.07283, 4.07283, 3.0))
    labels = array(study.lesion_mask)
    assert set(np.unique(labels)) == set(range(len(study.lesions) + 1))
    assert {int(lobe) for lobe in LOBES} <= set(np.unique(array(study.ct_organs)))


@pytest.mark.slow
def test_a_trunk_shows_what_lies_between_thighs_and_ears():
    study = make_study(seed=8, region="trunk", grid_mm=4.0)
    shown = set(np.unique(array(study.organs)))
    below, above = (Organ.URINARY_BLADDER, Organ.FEMORA, Organ.COLON), (Organ.THYROID, Organ.PAROTID_GLANDS)
    assert {*map(int, below), *map(int, above)} <= shown


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"region": "leg"}, "region"),
        ({"scanner": "acme"}, "scanner"),
        ({"scanner": "ge_st", "reconstruction": "Q.Clear"}, "reconstruction"),
        ({"tracer": "water"}, "tracer"),
        ({"dose_factor": 0.5}, "dose_factor"),
        ({"dose_factor": float("nan")}, "dose_factor"),
        ({"ct_mas": 0}, "ct_mas"),
        ({"ct_kernel": "bone"}, "ct_kernel"),
        ({"ct_contrast": "arterial"}, "ct_contrast"),
        ({"grid_mm": 0.2}, "grid_mm"),
        ({"lesion_class": "abscess"}, "lesion_class"),
        ({"overlap": 1.0}, "overlap"),
        ({"tier": "gold"}, "tier"),
    ],
)
def test_what_cannot_be_made_is_refused_by_name(options, name):
    with pytest.raises(ParameterError) as caught:
        make_study(**{"seed": 0, "grid_mm": 6.0, **options})
    assert caught.value.attribute == name


def test_a_ball_that_does_not_fit_is_refused_by_its_place(lung_places):
    with pytest.raises(ParameterError) as caught:
        make_study(seed=1, lesions=[PlacedLesion.sphere((0.0, -400.0, 0.0), 10.0, 5.0)], **SMALL)
    assert "given[0]" in str(caught.value.attribute)
