from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung import cli
from fdglung.errors import InputError
from fdglung.image_files import read_image
from fdglung.radiomics import RadiomicsSettings, extract, from_pyradiomics, read_table, to_yaml
from fdglung.radiomics.settings import FilterSettings, ImageSettings

FILTERS = FilterSettings(log_sigma_mm=(2,), wavelet="haar")
IMAGES = {"imageType": {"Original": {}, "LoG": {"sigma": [2.0]}, "Wavelet": {"wavelet": "haar"}}}
RESAMPLED = {"resampledPixelSpacing": [3, 3, 3], "padDistance": 8}
MODES = {
    "ibsi": RadiomicsSettings(
        modalities={
            "PET": ImageSettings(spacing_mm=(3, 3, 3), bin_width=0.25, bin_origin=0, filters=FILTERS),
            "CT": ImageSettings(spacing_mm=(2, 2, 2), round_to=1, bin_width=25, filters=FILTERS),
        },
        families=("morph", "stat", "cm", "szm"),
    ),
    "pyradiomics": from_pyradiomics(
        IMAGES | {"setting": {"binWidth": 0.25}}, ct=IMAGES | {"setting": {"binWidth": 25}}
    ),
    "resampled": from_pyradiomics(
        IMAGES | {"setting": {"binWidth": 0.25} | RESAMPLED}, ct=IMAGES | {"setting": {"binWidth": 25} | RESAMPLED}
    ),
}
SHAPE, PET_MM, CT_MM = (24, 30, 34), (4.0, 4.0, 5.0), (2.0, 2.0, 2.5)
GOOD, BAD = (1, 2), 3
VOXEL = np.s_[4:5, 4:5, 4:5]
BRICK = np.s_[4:8, 4:9, 20:25]


@pytest.fixture(params=list(MODES), scope="module")
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def images():
    return pet_and_ct()


@pytest.fixture(scope="module")
def alone(mode, images):
    """The good lesions without a bad one."""
    return extract(images, placed(labels(), PET_MM), MODES[mode], workers=1)


def pet_and_ct(direction=None):
    rng = np.random.default_rng(3)
    pet = 5 + 5 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 1)
    ct = 900 * ndimage.gaussian_filter(rng.normal(size=[2 * n for n in SHAPE]), 1) - 100
    return {
        "PET": placed(pet.astype(np.float32), PET_MM, direction),
        "CT": placed(ct.astype(np.float32), CT_MM, direction),
    }


def placed(array, spacing, direction=None):
    """Return an image whose first voxel's corner is that of all others."""
    image = sitk.GetImageFromArray(array)
    turned = np.eye(3) if direction is None else np.array(direction)
    image.SetSpacing(spacing)
    image.SetDirection(turned.ravel().tolist())
    image.SetOrigin((np.array([-100.0, -80.0, -60.0]) + turned @ np.array(spacing) / 2).tolist())
    return image


def labels(bad=None, kind=np.uint8):
    array = np.zeros(SHAPE, kind)
    z, y, x = np.indices(SHAPE)
    array[(z - 12) ** 2 + (y - 9) ** 2 + (x - 9) ** 2 <= 11] = 1
    array[(z - 14) ** 2 + (y - 20) ** 2 + (x - 22) ** 2 <= 18] = 2
    if bad is not None:
        array[bad] = BAD
    return array


def changed(image, where, value):
    array = sitk.GetArrayFromImage(image)
    array[where] = value
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


def row(table, label):
    return next(lesion for lesion in table.lesions if lesion.label == label)


def unharmed(table, alone, *, modality=""):
    for label in GOOD:
        expected = {name: value for name, value in row(alone, label).features.items() if name.startswith(modality)}
        found = {name: value for name, value in row(table, label).features.items() if name.startswith(modality)}
        assert list(found) == list(expected)
        # A filter over a region of other size rounds the last bit of single precision otherwise.
        np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-7, atol=1e-12)
        assert row(table, label).status == "ok"


@pytest.mark.parametrize(
    "where",
    [
        VOXEL,
        np.s_[4:5, 4:5, 4:6],
        (np.array([4, 5]), np.array([4, 5]), np.array([4, 5])),
        np.s_[4:5, 4:9, 4:9],
        np.s_[0:4, 0:5, 30:34],
        np.s_[4:8:3, 4:9:2, 20:25:2],
    ],
    ids=["one voxel", "two", "two at a corner", "a plane", "at the edge", "in pieces"],
)
def test_an_awkward_lesion_has_its_values_or_its_reason_and_harms_no_other(mode, images, alone, where):
    found = extract(images, placed(labels(where), PET_MM), MODES[mode], workers=1)
    unharmed(found, alone)
    bad = row(found, BAD)
    suv = sitk.GetArrayFromImage(images["PET"])[where].max()
    assert bad.features["PET_suv_max"] == suv
    for modality in ("PET", "CT"):
        rest = [name for name in bad.features if name.startswith(f"{modality}_original")]
        assert bool(rest) != (f"{modality}: " in bad.status)


def test_a_flat_lesion_has_its_value_and_no_spread(mode, images):
    # A cubic spline still feels what is a dozen voxels away.
    flat = {
        "PET": changed(images["PET"], np.s_[:, :, 4:], 3.0),
        "CT": changed(images["CT"], np.s_[:, :, 8:], 40.0),
    }
    found = row(extract(flat, placed(labels(BRICK), PET_MM), MODES[mode], workers=1), BAD)
    assert found.status == "ok"
    names = ("firstorder_Mean", "firstorder_Variance") if mode != "ibsi" else ("stat_mean_Q4LE", "stat_var_ECT3")
    for modality, value in (("PET", 3.0), ("CT", 40.0)):
        mean, variance = (found.features[f"{modality}_original_{name}"] for name in names)
        assert mean == pytest.approx(value, rel=1e-6)
        assert variance == pytest.approx(0, abs=1e-9)


def test_a_lesion_that_reaches_over_the_image_says_how_much_of_it_is_missing(mode, images, alone):
    wide = np.zeros((24, 30, 50), np.uint8)
    wide[:, :, :34] = labels()
    wide[10:14, 10:14, 32:37] = BAD
    wide[10:14, 10:14, 42:46] = BAD + 1
    found = extract(images, placed(wide, PET_MM), MODES[mode], workers=1)
    unharmed(found, alone)
    assert "60.0% of the lesion lie outside the PET." in row(found, BAD).warnings
    assert (row(found, BAD).status == "ok") == (mode == "ibsi")
    outside = row(found, BAD + 1)
    assert outside.features == {}
    assert {part.split(":")[0] for part in outside.status.split("; ")} == {"PET", "CT"}


@pytest.mark.parametrize("modality", ["PET", "CT"])
def test_a_voxel_that_is_no_number_fails_the_lesion_that_it_is_in(mode, images, alone, modality):
    where = (5, 6, 22) if modality == "PET" else (10, 12, 44)
    spoilt = {**images, modality: changed(images[modality], where, np.nan)}
    found = extract(spoilt, placed(labels(BRICK), PET_MM), MODES[mode], workers=1)
    unharmed(found, alone)
    bad = row(found, BAD)
    assert bad.status == f"{modality}: A voxel in or at the lesion is no finite number"
    assert not any(name.startswith(modality) for name in bad.features)
    value = {"PET": "0", "CT": "-1000"}[modality]
    told = f"1 voxel of the {modality} is no finite number; {value} was taken instead."
    assert all(told in row(found, label).warnings for label in GOOD)
    assert told not in bad.warnings


def test_a_voxel_that_is_no_number_elsewhere_fails_none(mode, images, alone):
    spoilt = {**images, "CT": changed(images["CT"], (44, 55, 3), np.inf)}
    found = extract(spoilt, placed(labels(BRICK), PET_MM), MODES[mode], workers=1)
    unharmed(found, alone)
    assert row(found, BAD).status == "ok"


def test_negative_uptake_has_values_or_a_reason(mode, images):
    below = {"PET": images["PET"] - 20.0}
    found = extract(below, placed(labels(), PET_MM), MODES[mode], workers=1)
    for label in GOOD:
        assert row(found, label).features["PET_suv_max"] < 0
        assert row(found, label).status == "ok"
    ranged = RadiomicsSettings(modalities={"PET": ImageSettings(range=(0, None), bin_width=0.25)})
    assert row(extract(below, placed(labels(), PET_MM), ranged), 1).status == "PET: Re-segmentation leaves no voxel"


def test_images_apart_say_so_and_keep_what_the_mask_lies_on(mode, images, alone):
    away = sitk.Image(images["CT"])
    away.SetOrigin((3000.0, 0.0, 0.0))
    found = extract({**images, "CT": away}, placed(labels(), PET_MM), MODES[mode], workers=1)
    for label in GOOD:
        assert row(found, label).status.startswith("CT: ")
        assert row(found, label).features["PET_suv_max"] == row(alone, label).features["PET_suv_max"]
        assert len(row(found, label).features) == sum(name.startswith("PET") for name in alone.names)


def test_a_turned_patient_has_the_same_values(mode, images, alone):
    a, b = np.deg2rad((25, 10))
    about_z = [[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]]
    direction = np.array(about_z) @ np.array(about_x)
    found = extract(pet_and_ct(direction), placed(labels(), PET_MM, direction), MODES[mode], workers=1)
    np.testing.assert_allclose(found.values, alone.values, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("cached", [False, True])
def test_a_single_slice_has_no_laplacian_and_says_so(mode, images, tmp_path, cached):
    pet = sitk.RegionOfInterest(images["PET"], [34, 30, 1], [0, 0, 12])
    mask = sitk.RegionOfInterest(placed(labels(), PET_MM), [34, 30, 1], [0, 0, 12])
    for _ in range(1 + cached):
        found = extract({"PET": pet}, mask, MODES[mode], workers=1, cache=tmp_path if cached else None)
    for label in GOOD:
        lesion = row(found, label)
        assert lesion.status == "ok"
        assert "The PET has too few voxels along an axis for log-sigma-2-0-mm-3D." in lesion.warnings
        images_made = {name.split("_")[1] for name in lesion.features}
        assert "wavelet-HHL" in images_made
        assert not any(name.startswith("log") for name in images_made)


@pytest.mark.parametrize(("kind", "label"), [(np.float32, 2), (np.uint32, 70_000), (np.uint32, 4_000_000_000)])
def test_labels_may_be_any_whole_numbers(mode, images, alone, kind, label):
    array = labels().astype(kind)
    array[array == 2] = label
    found = extract(images, placed(array, PET_MM), MODES[mode], workers=1)
    assert [lesion.label for lesion in found.lesions] == [1, label]
    np.testing.assert_array_equal(found.values, alone.values)


@pytest.mark.parametrize("value", [0.5, math.nan])
def test_a_mask_of_no_labels_is_refused(mode, images, value):
    array = labels().astype(np.float32)
    array[array == 2] = value
    with pytest.raises(InputError, match="no labels"):
        extract(images, placed(array, PET_MM), MODES[mode])


def test_the_command_writes_a_row_for_every_lesion_good_or_bad(mode, images, tmp_path):
    bad = labels(BRICK)
    bad[VOXEL] = BAD + 1
    spoilt = {"pet": images["PET"], "ct": changed(images["CT"], (10, 12, 44), np.nan), "mask": placed(bad, PET_MM)}
    for name, image in spoilt.items():
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    (tmp_path / "settings.yaml").write_text(to_yaml(MODES[mode]))
    given = ["--settings", str(tmp_path / "settings.yaml"), "--out", str(tmp_path / "out.csv"), "--workers", "1"]
    files = [part for name in spoilt for part in (f"--{name}", str(tmp_path / f"{name}.nii.gz"))]
    assert cli.main(["radiomics", *files, *given]) == 0
    table = read_table(tmp_path / "out.csv")
    assert [lesion.label for lesion in table.lesions] == [1, 2, BAD, BAD + 1]
    assert [lesion.status == "ok" for lesion in table.lesions] == [True, True, False, mode == "ibsi"]
    assert row(table, BAD).status == "CT: A voxel in or at the lesion is no finite number"
    read = {name.upper(): read_image(tmp_path / f"{name}.nii.gz") for name in ("pet", "ct")}
    found = extract(read, read_image(tmp_path / "mask.nii.gz"), MODES[mode], workers=1)
    np.testing.assert_array_equal(found.values, table.values)
