from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import ParameterError
from tests.simple_thorax import DEFAULT_LESIONS, SphereLesion, simple_thorax

SMALL = {"ct_matrix": 128, "slice_spacing_mm": 4.0}


def array(image):
    return sitk.GetArrayFromImage(image).astype(np.float64)


def voxel_ml(image):
    return math.prod(image.GetSpacing()) / 1000


def fractions(radius_mm, centre_mm=(-72.0, 4.0, 52.0), **options):
    """What a ball adds per unit of SUV: the fraction of each voxel that it fills, blurred by the scanner."""
    pets = [
        simple_thorax(lesions=[SphereLesion(centre_mm, radius_mm, suv)], with_ct=False, pet_noise=0, **options).pet
        for suv in (10.0, 20.0)
    ]
    return (array(pets[1]) - array(pets[0])) / 10, pets[0]


def value_at(image, point):
    return float(image[image.TransformPhysicalPointToIndex(point)])


@pytest.fixture(scope="module")
def default():
    return simple_thorax(**SMALL)


@pytest.fixture(scope="module")
def without_lesions():
    return simple_thorax(lesions=(), psf_fwhm_mm=0, pet_noise=0, ct_noise_hu=0, **SMALL)


@pytest.mark.parametrize("radius", [2.0, 5.0, 7.0, 12.5, 30.0])
def test_a_sphere_fills_four_thirds_pi_r_cubed(radius):
    filled, pet = fractions(radius, psf_fwhm_mm=0)
    assert filled.sum() * voxel_ml(pet) == pytest.approx(4 / 3 * math.pi * radius**3 / 1000, rel=1e-3)
    assert filled.min() >= -1e-5
    assert filled.max() <= 1 + 1e-5


@pytest.mark.parametrize("fwhm", [4.0, 6.0, 9.0])
def test_the_scanner_blurs_and_keeps_total_activity(fwhm):
    sharp, pet = fractions(12.5, psf_fwhm_mm=0)
    blurred, _ = fractions(12.5, psf_fwhm_mm=fwhm)
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-4)
    variances = [spread_mm2(volume, pet) for volume in (sharp, blurred)]
    # a Gaussian adds its own variance along each axis: (fwhm / 2.3548)^2
    assert np.subtract(*variances[::-1]) == pytest.approx((fwhm / 2.354820045) ** 2, rel=0.005)


def spread_mm2(volume, image):
    """Variance along z, y, x in mm2."""
    result = []
    for axis, spacing in enumerate(image.GetSpacing()[::-1]):
        weights = volume.sum(axis=tuple(a for a in range(3) if a != axis))
        places = np.arange(len(weights)) * spacing
        mean = (weights * places).sum() / weights.sum()
        result.append((weights * (places - mean) ** 2).sum() / weights.sum())
    return np.array(result)


def test_a_sphere_lies_at_its_centre_in_both_images():
    centre = (-71.3, 4.9, 51.2)
    ball = SphereLesion(centre, 12.0, 15.0, hu=500)
    options = {"ct_noise_hu": 0, "pet_noise": 0, "seed": 4, **SMALL}
    with_ball, without = simple_thorax(lesions=[ball], **options), simple_thorax(lesions=(), **options)
    for name in ("ct", "pet"):
        image = getattr(with_ball, name)
        added = array(image) - array(getattr(without, name))
        index = [(added * grid).sum() / added.sum() for grid in np.indices(added.shape)][::-1]
        found = image.TransformContinuousIndexToPhysicalPoint(index)
        assert np.allclose(found, centre, atol=0.35), name


def test_default_lesions_show_on_ct_and_pet(default):
    assert len(default.lesions) == 3
    for label, lesion in enumerate(default.lesions, start=1):
        assert value_at(default.ct, lesion.centre_mm) > -100
        assert value_at(default.lesion_mask, lesion.centre_mm) == label
        mask = array(default.lesion_mask) == label
        assert mask.sum() * voxel_ml(default.pet) == pytest.approx(lesion.volume_ml, rel=0.12)
        assert 0.45 * lesion.suv < array(default.pet)[mask].max() < 1.35 * lesion.suv


@pytest.mark.parametrize(
    ("place", "point", "hu", "suv"),
    [
        ("right lung", (-80, 0, -20), (-860, -750), (0.3, 0.8)),
        ("left lung", (95, 20, 20), (-860, -750), (0.3, 0.8)),
        ("trachea", (0, 4, 60), (-990, -970), (0.1, 1.2)),
        ("heart's right side", (0, -40, -70), (35, 45), (1.5, 1.7)),
        ("descending aorta", (24, 50, -60), (35, 45), (1.5, 1.7)),
        ("liver", (-80, 0, -160), (54, 56), (2.05, 2.15)),
        ("spleen", (104, 44, -165), (48, 50), (1.65, 1.75)),
        ("left calyces", (56, 58, -228), (15, 25), (24, 26)),
        ("marrow", (0, 60, -120), (150, 340), (0.9, 1.45)),
        ("air before the patient", (0, -200, 0), (-1001, -999), (0, 0)),
    ],
)
def test_organs_have_their_ct_number_and_uptake(without_lesions, place, point, hu, suv):
    assert hu[0] <= value_at(without_lesions.ct, point) <= hu[1], place
    assert suv[0] <= value_at(without_lesions.pet, point) <= suv[1], place


def test_lungs_have_a_man_s_volume_and_lie_on_their_own_sides(default):
    labels = array(default.lungs)
    right, left = (np.argwhere(labels == label) for label in (1, 2))
    litres = [len(voxels) * voxel_ml(default.ct) / 1000 for voxels in (right, left)]
    assert 2.0 < litres[1] < litres[0] < 4.0
    middle = default.ct.TransformPhysicalPointToIndex((0, 0, 0))[0]
    assert right[:, 2].mean() < middle < left[:, 2].mean()

    # the right dome stands higher: at the domes' centres the right lung ends above the left
    def floor(label, x):
        column = default.ct.TransformPhysicalPointToIndex((x, -6, 0))
        return np.flatnonzero(labels[:, column[1], column[0]] == label).min()

    assert floor(1, -72) > floor(2, 78)


def test_myocardium_and_kidneys_take_the_uptake_asked_for():
    phantom = simple_thorax(lesions=(), myocardium_suv=14.0, kidney_suv=40.0, psf_fwhm_mm=0, pet_noise=0, with_ct=False)
    values = array(phantom.pet)
    assert (np.abs(values - 14) < 0.01).sum() * voxel_ml(phantom.pet) > 30
    assert (np.abs(values - 40) < 0.01).any()


def test_liver_noise_is_what_was_asked_for_and_does_not_shift_the_mean():
    noisy = simple_thorax(lesions=(), with_ct=False, pet_noise=0.15)
    quiet = simple_thorax(lesions=(), with_ct=False, pet_noise=0)
    x, y, z = noisy.pet.TransformPhysicalPointToIndex((-80, 0, -170))
    box = (slice(z - 6, z + 7), slice(y - 7, y + 8), slice(x - 6, x + 7))
    values = array(noisy.pet)[box]
    assert array(quiet.pet)[box].std() < 1e-3
    assert values.std() / values.mean() == pytest.approx(0.15, rel=0.15)
    assert values.mean() == pytest.approx(2.1, rel=0.03)


def test_pet_is_the_same_with_and_without_ct_and_differs_by_seed():
    alone = array(simple_thorax(with_ct=False, slice_spacing_mm=8.0).pet)
    assert (alone == array(simple_thorax(ct_matrix=64, slice_spacing_mm=8.0).pet)).all()
    assert (alone != array(simple_thorax(with_ct=False, slice_spacing_mm=8.0, seed=1).pet)).any()


def test_ct_alone_and_pet_alone_leave_the_other_out():
    assert simple_thorax(with_pet=False, ct_matrix=64, slice_spacing_mm=8.0).pet is None
    phantom = simple_thorax(with_ct=False, slice_spacing_mm=8.0)
    assert phantom.ct is None
    assert phantom.lungs is None


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"lesions": [SphereLesion((400, 0, 0), 10, 5)]}, r"lesions\[0\].centre_mm"),
        ({"lesions": [*DEFAULT_LESIONS, SphereLesion((-170, 0, 0), 12, 5)]}, r"lesions\[3\].centre_mm"),
        ({"lesions": [SphereLesion((0, 0, 155), 10, 5)]}, r"lesions\[0\].centre_mm"),
        ({"lesions": [SphereLesion((0, 0, float("nan")), 10, 5)]}, r"lesions\[0\].centre_mm"),
        ({"lesions": [SphereLesion((-72, 4, 52), 10, -5)]}, r"lesions\[0\].suv"),
        ({"lesions": [SphereLesion((-72, 4, 52), 0, 5)]}, r"lesions\[0\].radius_mm"),
        ({"myocardium_suv": -1}, "myocardium_suv"),
        ({"pet_noise": float("nan")}, "pet_noise"),
        ({"psf_fwhm_mm": -0.1}, "psf_fwhm_mm"),
        ({"ct_matrix": 8}, "ct_matrix"),
        ({"pet_matrix": 128.5}, "pet_matrix"),
        ({"seed": -1}, "seed"),
        ({"slice_spacing_mm": 0}, "slice_spacing_mm"),
        ({"with_ct": False, "with_pet": False}, "with_pet"),
    ],
)
def test_a_wrong_parameter_is_named(options, named):
    with pytest.raises(ParameterError, match=named):
        simple_thorax(**options)
