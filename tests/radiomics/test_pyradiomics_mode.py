from __future__ import annotations

import copy
import logging

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import InputError
from fdglung.radiomics import pyradiomics_mode
from fdglung.radiomics.settings import from_pyradiomics

ALL_CLASSES = dict.fromkeys(["firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape"])
ALL_IMAGES = {"Original": {}, "LoG": {"sigma": [1.0, 3]}, "Wavelet": {}}
OTHER_IMAGES = {name: {} for name in ("Square", "SquareRoot", "Logarithm", "Exponential", "Gradient")}


def study(kind=np.int16, *, shape=(24, 60, 66), spacing=(3.0, 1.5, 1.25), seed=4):
    """Return a noisy image and a mask with three lesions, the third at the edge."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=shape), (0.7, 1.2, 1.4))
    values = 900 * noise + np.linspace(-600, 200, shape[2])
    image = sitk.GetImageFromArray((values if kind == np.int16 else values / 90 + 8).astype(kind))
    labels = np.zeros(shape, np.uint16)
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    for label, (centre, radii) in enumerate(
        [((9, 22, 24), (3, 5, 6)), ((13, 30, 33), (2.2, 4, 4)), ((22, 57, 63), (3, 6, 7))], start=1
    ):
        inside = sum(((i - c) / r) ** 2 for i, c, r in zip((z, y, x), centre, radii, strict=True)) <= 1
        labels[inside] = label
    mask = sitk.GetImageFromArray(labels)
    for one in (image, mask):
        one.SetSpacing(spacing[::-1])
        one.SetOrigin((-40.3, 12.7, -101.9))
    return image, mask


def by_pyradiomics(image, mask, label, parameters):
    from radiomics import featureextractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    extractor = featureextractor.RadiomicsFeatureExtractor(copy.deepcopy(parameters))
    extractor.addProvenance(False)
    return {name: float(value) for name, value in extractor.execute(image, mask, label=label).items()}


def assert_same(found, truth):
    assert list(found) == list(truth)
    names = list(truth)
    np.testing.assert_allclose(
        [found[name] for name in names], [truth[name] for name in names], rtol=1e-6, atol=1e-10, err_msg=str(names)
    )


def check(image, mask, parameters, labels=(1, 2, 3)):
    found = pyradiomics_mode.features(image, mask, labels, from_pyradiomics(parameters).pyradiomics["CT"])
    for label in labels:
        assert_same(found[label], by_pyradiomics(image, mask, label, parameters))
    return found


@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_every_feature_of_every_lesion_is_pyradiomics_own(kind):
    width = 25 if kind == np.int16 else 0.3
    parameters = {"setting": {"binWidth": width}, "imageType": ALL_IMAGES, "featureClass": ALL_CLASSES}
    found = check(*study(kind), parameters)
    assert len(found[1]) == 14 + 93 * 11


@pytest.mark.parametrize(
    "setting",
    [
        {"normalize": True, "normalizeScale": 100.0, "removeOutliers": 3.0},
        {"preCrop": True, "padDistance": 6},
        {"binCount": 16},
        {"force2D": True, "force2Ddimension": 0, "distances": [1, 2], "voxelArrayShift": 300},
        {"weightingNorm": "euclidean", "symmetricalGLCM": False, "gldm_a": 1},
        {"resegmentRange": [-600.0, 150.0]},
        {"resegmentRange": [-1.0, 1.5], "resegmentMode": "sigma", "resegmentShape": True},
        {"resegmentRange": [0.2], "resegmentMode": "relative"},
    ],
    ids=lambda setting: "-".join(setting),
)
def test_settings_of_the_image_and_of_classes_are_followed(setting):
    parameters = {
        "setting": {"binWidth": 25.0} | setting,
        "imageType": {"Original": {}, "LoG": {"sigma": [2.0], "binWidth": 10.0}, "Wavelet": {"level": 1}},
        "featureClass": ALL_CLASSES,
    }
    check(*study(), parameters, labels=(1, 3))


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize(
    "setting",
    [
        {"resampledPixelSpacing": [2.0, 2.0, 2.0]},
        {"resampledPixelSpacing": [1.25, 1.5, 1.0], "padDistance": 12},
        {"resampledPixelSpacing": [2.0, 0, 0], "interpolator": "sitkLinear"},
        {"resampledPixelSpacing": [1.25, 1.5, 3.0], "padDistance": 7},
    ],
    ids=str,
)
def test_resampling_is_that_of_pyradiomics_to_the_last_bit_that_matters(setting, kind):
    parameters = {
        "setting": {"binWidth": 25.0 if kind == np.int16 else 0.3} | setting,
        "imageType": {"Original": {}, "LoG": {"sigma": [1.5]}, "Wavelet": {"start_level": 1, "level": 2}},
        "featureClass": dict.fromkeys(["shape", "firstorder", "glrlm"]),
    }
    check(*study(kind), parameters, labels=(1, 3))


def test_the_other_image_types_are_followed():
    parameters = {"imageType": OTHER_IMAGES, "featureClass": {"firstorder": None, "glcm": ["Idmn"]}}
    check(*study(), parameters)
    check(*study(np.float32), {**parameters, "setting": {"binWidth": 0.3}})


def test_local_binary_patterns_in_planes_are_followed():
    parameters = {
        "setting": {"binWidth": 1.0, "force2D": True},
        "imageType": {"LBP2D": {"lbp2DRadius": 2.0, "lbp2DSamples": 9}},
        "featureClass": {"firstorder": None, "glszm": None},
    }
    check(*study(), parameters)


def test_features_asked_for_by_name_are_given_also_where_they_are_deprecated():
    parameters = {
        "imageType": {"Original": {}},
        "featureClass": {
            "firstorder": ["StandardDeviation", "Mean"],
            "shape": ["Compactness1", "Compactness2", "SphericalDisproportion", "Flatness"],
            "glcm": ["Idmn"],
        },
    }
    found = pyradiomics_mode.features(*study(), [1], from_pyradiomics(parameters).pyradiomics["CT"])[1]
    truth = by_pyradiomics(*study(), 1, parameters)
    assert set(found) == set(truth)
    for name, value in truth.items():
        assert found[name] == pytest.approx(value, rel=1e-6)


def test_an_empty_parameter_file_means_pyradiomics_defaults():
    check(*study(), {}, labels=(1,))


def test_a_mask_on_another_grid_is_put_on_the_images_as_correct_mask_does():
    image, mask = study()
    coarse = sitk.Resample(
        mask, (40, 40, 26), sitk.Transform(), sitk.sitkNearestNeighbor, (-39.1, 13.2, -101.0), (2.0, 2.1, 2.7)
    )
    check(image, coarse, {"setting": {"correctMask": True}, "imageType": {"Original": {}}}, labels=(1, 2))
    check(image, coarse, {"setting": {"resampledPixelSpacing": [2, 2, 2]}, "imageType": ALL_IMAGES}, labels=(1, 2))


def test_what_pyradiomics_refuses_is_refused_with_a_reason_and_harms_no_other_lesion():
    image, mask = study()
    labels = sitk.GetArrayFromImage(mask)
    labels[2, 3, 4] = 4
    labels[2, 10, 4:9] = 5
    labels[2, 20:24, 4:9] = 6
    odd = sitk.GetImageFromArray(labels)
    odd.CopyInformation(image)
    parameters = {"imageType": {"Original": {}, "LoG": {"sigma": [2.0]}}}
    settings = from_pyradiomics(parameters).pyradiomics["CT"]
    found = pyradiomics_mode.features(image, odd, [1, 4, 5, 6, 9], settings)
    for label in (4, 5, 9):
        assert isinstance(found[label], InputError)
        with pytest.raises(ValueError, match=r"mask|Label"):
            by_pyradiomics(image, odd, label, parameters)
    for label in (1, 6):
        assert_same(found[label], by_pyradiomics(image, odd, label, parameters))


def test_an_oblique_image_is_resampled_along_its_own_axes():
    image, mask = study()
    turn = np.deg2rad(20)
    direction = (np.cos(turn), -np.sin(turn), 0, np.sin(turn), np.cos(turn), 0, 0, 0, 1)
    for one in (image, mask):
        one.SetDirection(direction)
    check(image, mask, {"setting": {"resampledPixelSpacing": [2, 2, 2]}, "imageType": {"Original": {}}})
