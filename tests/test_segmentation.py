from __future__ import annotations

import re

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import lungs
from fdglung.errors import NoCtError, NoPetError, ParameterError
from fdglung.segmentation import IN_FAT, SegmentationSettings, segment
from fdglung.study import Study
from tests.ellipsoids import pet_of, thorax, with_spheres

IN_RIGHT_LUNG = ((-78.0, 10.0, 20.0), 12.0, 8.0)
AT_LEFT_PLEURA = ((132.0, 0.0, 0.0), 10.0, 7.0)
RIGHT_HILUM = ((-20.0, 0.0, 30.0), 16.0, 12.0)


def study_of(spheres, *, bones=(), liver=None, fwhm_mm=0.0, **options):
    ct = with_spheres(with_spheres(thorax()[0], spheres), bones, hu=600)
    return Study(pet_of([*spheres, *bones], liver=liver, fwhm_mm=fwhm_mm, **options), ct)


def found_in(study, **settings):
    region = lungs.segment(study.ct) if study.ct is not None else None
    result = segment(study, region, SegmentationSettings(**settings))
    return result, sitk.GetArrayFromImage(result.labels), sitk.GetArrayFromImage(study.pet)


@pytest.mark.parametrize("sphere", [IN_RIGHT_LUNG, AT_LEFT_PLEURA, RIGHT_HILUM])
def test_a_sphere_in_the_lung_at_the_pleura_or_in_the_hilum_is_found_to_the_voxel(sphere):
    result, labels, suv = found_in(study_of([sphere]))
    assert len(result.lesions) == 1
    assert ((labels == 1) == (suv == sphere[2])).all()


def test_lesions_are_numbered_by_falling_suv_max():
    result, labels, suv = found_in(study_of([IN_RIGHT_LUNG, AT_LEFT_PLEURA, RIGHT_HILUM]))
    assert [suv[labels == lesion.label].max() for lesion in result.lesions] == [12.0, 8.0, 7.0]


def test_the_voi_of_a_gaussian_is_its_isocontour_of_forty_percent():
    """A point source seen through a Gaussian: 40 % of the maximum lies at sigma x sqrt(2 ln 2.5)."""
    spacing, sigma = (2.0, 2.0, 2.0), 8.0
    study = study_of([IN_RIGHT_LUNG], spacing=spacing)
    z, y, x = np.meshgrid(
        *[o + np.arange(n) * 2.0 for o, n in zip((-150.0, -160.0, -190.0), study.pet.GetSize()[::-1], strict=True)],
        indexing="ij",
        sparse=True,
    )
    # Off the lattice, so that counting voxels is fair.
    blob = 10 * np.exp(-((x + 78.7) ** 2 + (y - 10.6) ** 2 + (z - 20.9) ** 2) / (2 * sigma**2))
    pet = sitk.GetImageFromArray(np.maximum(blob, 0.4).astype(np.float32))
    pet.CopyInformation(study.pet)
    result, labels, _ = found_in(Study(pet, study.ct))
    radius = sigma * np.sqrt(2 * np.log(2.5))
    assert len(result.lesions) == 1
    assert (labels == 1).sum() * 8.0 == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)


@pytest.mark.parametrize("fraction", [0.3, 0.41, 0.5, 0.7])
def test_the_fraction_of_suv_max_can_be_chosen(fraction):
    result, labels, suv = found_in(study_of([IN_RIGHT_LUNG], fwhm_mm=6.0), voi_fraction=fraction)
    inside = labels == 1
    assert suv[inside].min() >= fraction * suv[inside].max()
    assert result.lesions[0].voi_fraction == fraction


def test_touching_spheres_are_two_lesions_that_meet_at_the_saddle():
    spheres = [((-78.0, 10.0, 34.0), 12.0, 8.0), ((-78.0, 10.0, 6.0), 12.0, 7.0)]
    result, labels, _ = found_in(study_of(spheres, spacing=(2.0, 2.0, 2.0), fwhm_mm=6.0))
    assert len(result.lesions) == 2
    planes = np.arange(labels.shape[0]) * 2.0 - 150
    upper, lower = (planes[np.flatnonzero((labels == label).any(axis=(1, 2)))] for label in (1, 2))
    assert lower.max() < upper.min()
    assert upper.min() == pytest.approx(20, abs=3)


def test_uptake_in_fat_at_the_lung_is_set_apart_with_its_reason():
    deposit = (AT_LEFT_PLEURA[0], 20.0, 7.0)
    ct = with_spheres(thorax()[0], [deposit], hu=-100)
    result, _, _ = found_in(Study(pet_of([deposit]), ct))
    assert not result.lesions
    assert [(uptake.reason, uptake.suv_max) for uptake in result.excluded] == [(IN_FAT, 7.0)]


def test_uptake_of_heart_kidney_and_bone_is_set_apart_with_its_reason():
    heart = ((15.0, -35.0, -60.0), 20.0, 9.0)
    kidney = ((-50.0, 60.0, -140.0), 14.0, 30.0)
    rib = ((-153.0, 0.0, 40.0), 10.0, 6.0)
    study = study_of([IN_RIGHT_LUNG, heart, kidney], bones=[rib])
    result, labels, suv = found_in(study)
    assert [suv[labels == lesion.label].max() for lesion in result.lesions] == [8.0]
    reasons = {round(excluded.suv_max): excluded.reason for excluded in result.excluded}
    assert reasons[9] == "heart or mediastinum"
    assert reasons[6] == "bone"
    # The kidney lies under the box of the lungs or at its border; it is never a lesion.
    assert reasons.get(30) in (None, "below the diaphragm", "no contact with lung")


def test_a_nodule_in_the_lung_beside_the_heart_is_a_lesion():
    nodule = ((42.0, -40.0, -40.0), 9.0, 5.0)
    result, labels, suv = found_in(study_of([nodule]))
    assert len(result.lesions) == 1
    assert suv[labels == 1].max() == 5.0


@pytest.mark.parametrize(("liver", "expected"), [(1.4, 2.5), (2.0, 3.0), (3.0, 4.5)])
def test_a_seed_has_one_and_a_half_times_the_livers_uptake(liver, expected):
    result, _, _ = found_in(study_of([IN_RIGHT_LUNG], liver=liver))
    assert result.reference_uptake["liver"] == pytest.approx(liver, rel=0.01)
    assert result.seed_suv == pytest.approx(expected, rel=0.01)


def noisy(study, share, where=np.s_[:]):
    """Return a study whose SUV varies by a share of itself, or does so in some slices alone."""
    suv = sitk.GetArrayFromImage(study.pet)
    factors = np.clip(np.random.default_rng(0).normal(1, share, suv.shape), 0, None)
    suv[where] *= factors[where]
    pet = sitk.GetImageFromArray(suv.astype(np.float32))
    pet.CopyInformation(study.pet)
    return Study(pet, study.ct)


@pytest.mark.parametrize(("share", "told"), [(0.1, False), (0.2, False), (0.3, True), (0.4, True)])
def test_a_noisy_pet_is_told_with_how_noisy_it_is(share, told):
    found = found_in(noisy(study_of([IN_RIGHT_LUNG], liver=2.0), share))[0]
    (text,) = [one for one in found.warnings if "noisy" in one] or [""]
    assert bool(text) is told
    if told:
        # Some 500 voxels tell a standard deviation to a few percent of itself.
        (percent,) = re.findall(r"varies by (\d+)%", text)
        assert int(percent) == pytest.approx(100 * share, rel=0.15)


def test_a_liver_that_alone_is_uneven_is_no_noisy_pet():
    study = study_of([IN_RIGHT_LUNG], liver=2.0)
    lowest = study.pet.GetDepth() // 3
    assert not any("noisy" in one for one in found_in(noisy(study, 0.4, np.s_[:lowest]))[0].warnings)


def test_a_lesion_between_fixed_and_reference_threshold_is_found_only_with_a_low_factor():
    faint = ((-78.0, 10.0, 20.0), 12.0, 2.8)
    study = study_of([faint], liver=2.4)
    assert not found_in(study)[0].lesions
    assert len(found_in(study, reference_factor=1.0)[0].lesions) == 1


def test_a_voi_does_not_run_into_the_liver():
    """At 40 % of SUV 4.4 the contour of a lesion on the diaphragm would take in the whole liver of SUV 2."""
    lesion = ((-78.0, 0.0, -110.0), 14.0, 4.4)
    result, labels, suv = found_in(study_of([lesion], liver=2.0))
    assert len(result.lesions) == 1
    assert (labels == 1).sum() <= 1.1 * (suv == np.float32(4.4)).sum()
    assert "runs into neighbouring tissue" in result.lesions[0].warnings[0]
    assert result.lesions[0].voi_fraction > 0.4


def test_a_lesion_that_reaches_out_of_what_was_searched_says_so(monkeypatch):
    study = study_of([AT_LEFT_PLEURA, IN_RIGHT_LUNG])
    whole = segment(study, lungs.segment(study.ct))
    assert not any(lesion.warnings for lesion in whole.lesions)
    monkeypatch.setattr("fdglung.uptake_map._ROOM_AROUND_BOX_MM", -6.0)
    inner, outer = segment(study, lungs.segment(study.ct, margin_mm=0)).lesions
    assert inner.warnings == ()
    assert "rest of it is missing" in outer.warnings[0]


def test_no_uptake_gives_no_lesion_and_an_empty_mask():
    result, labels, _ = found_in(study_of([]))
    assert result.lesions == ()
    assert labels.shape == sitk.GetArrayFromImage(study_of([]).pet).shape
    assert not labels.any()


def test_specks_below_the_smallest_volume_are_left_out():
    speck = ((-78.0, 10.0, 22.0), 3.0, 8.0)
    assert not found_in(study_of([speck]))[0].lesions
    assert len(found_in(study_of([speck]), min_volume_ml=0.01)[0].lesions) == 1


@pytest.mark.parametrize("orientation", ["RAS", "LSP"])
def test_the_mask_lies_on_the_grid_of_the_pet_in_any_orientation(orientation):
    study = study_of([IN_RIGHT_LUNG, AT_LEFT_PLEURA])
    turned = Study(sitk.DICOMOrient(study.pet, orientation), study.ct)
    region = lungs.segment(study.ct)
    expected = segment(study, region).labels
    found = segment(turned, region).labels
    assert found.GetDirection() == turned.pet.GetDirection()
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(found, "LPS"))
    assert (back == sitk.GetArrayFromImage(expected)).all()


def test_the_whole_pet_can_be_segmented_without_a_ct():
    spheres = [IN_RIGHT_LUNG, ((0.0, 100.0, -140.0), 12.0, 20.0)]
    pet = pet_of(spheres)
    result = segment(Study(pet, None), None, SegmentationSettings(region="all"))
    assert len(result.lesions) == 2
    assert "without regard to the lungs" in result.warnings[0]


def test_lungs_are_needed_unless_all_is_asked_for():
    with pytest.raises(NoCtError, match="--region all"):
        segment(Study(pet_of([]), None), None)
    with pytest.raises(NoPetError):
        segment(Study(None, thorax()[0]), None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "magic"),
        ("region", "legs"),
        ("seed_suv", -1),
        ("voi_fraction", 1.5),
        ("saddle_fraction", float("nan")),
    ],
)
def test_impossible_parameters_are_refused_by_name(name, value):
    with pytest.raises(ParameterError, match=name):
        SegmentationSettings(**{name: value})
