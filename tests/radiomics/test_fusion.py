from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.radiomics.fusion import FusionSettings, combined_features, fused_features, fused_image
from fdglung.radiomics.settings import ImageSettings


def image(array, *, spacing=(2.0, 2.0, 2.0), origin=(0.0, 0.0, 0.0)):
    made = sitk.GetImageFromArray(np.asarray(array, np.float32))
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    return made


def pair(shape=(18, 21, 25), *, seed=3):
    """Return a PET of 0 to 20 g/ml and a CT of -1000 to 400 HU, and both from 0 to 1."""
    rng = np.random.default_rng(seed)
    hot, dense = rng.uniform(size=shape).astype(np.float32), rng.uniform(size=shape).astype(np.float32)
    return image(20 * hot), image(1400 * dense - 1000), hot, dense


def array(made):
    return sitk.GetArrayFromImage(made)


def test_weighted_fusion_is_the_weighted_mean_of_rescaled_images():
    pet, ct, hot, dense = pair()
    fused = fused_image(pet, ct, FusionSettings(pet_weight=0.3))
    np.testing.assert_allclose(array(fused), 0.3 * hot + 0.7 * dense, atol=2e-6)


def test_what_lies_beyond_the_ranges_is_cut_off():
    pet, ct = image(np.full((8, 8, 8), 50.0)), image(np.full((8, 8, 8), -3000.0))
    np.testing.assert_allclose(array(fused_image(pet, ct, FusionSettings(pet_weight=0.25))), 0.25, atol=1e-6)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("wavelet", ["haar", "coif1", "db3"])
def test_wavelet_fusion_by_the_mean_with_equal_weights_is_weighted_fusion(wavelet, levels):
    pet, ct, hot, dense = pair()
    settings = FusionSettings("wavelet", details="mean", wavelet=wavelet, wavelet_levels=levels)
    np.testing.assert_allclose(array(fused_image(pet, ct, settings)), (hot + dense) / 2, atol=5e-6)


def test_by_the_larger_detail_an_even_ct_of_no_weight_leaves_the_pet():
    pet, _, hot, _ = pair()
    even = image(np.full(hot.shape, -300.0))
    fused = fused_image(pet, even, FusionSettings("wavelet", details="max", pet_weight=1.0, wavelet_levels=2))
    np.testing.assert_allclose(array(fused), hot, atol=5e-6)


def test_haar_fusion_of_one_axis_is_that_by_hand():
    """Undecimated Haar: approximation (a + b) / sqrt 2 and detail (a - b) / sqrt 2 of each pair of neighbours."""
    step = np.zeros((8, 8, 32), np.float32)
    step[..., 16:] = 1.0
    pet, ct = image(20 * step), image(np.full(step.shape, -1000.0))
    fused = array(fused_image(pet, ct, FusionSettings("wavelet", wavelet="haar", details="max", pet_weight=0.5)))
    # Half of the PET's approximation; all of its one detail, +-1/4 on either side of the step.
    smooth = step.copy()
    smooth[..., 15], smooth[..., 16] = 0.25, 0.75
    np.testing.assert_allclose(fused, 0.5 * smooth + (step - smooth), atol=1e-6)


def test_fusion_does_not_depend_on_where_the_grid_starts():
    pet, ct, _, _ = pair((24, 24, 24))
    settings = FusionSettings("wavelet")
    whole = array(fused_image(pet, ct, settings))
    part = fused_image(sitk.RegionOfInterest(pet, [23, 24, 24], [1, 0, 0]), ct, settings)
    np.testing.assert_allclose(array(part)[:, :, 8:16], whole[:, :, 9:17], atol=2e-6)


def test_images_of_two_grids_meet_on_the_one_that_is_asked_for():
    """CT numbers that rise evenly along x are the same numbers on any grid."""
    pet = image(np.full((10, 10, 10), 10.0), spacing=(4, 4, 4))
    x = np.arange(60) * 0.7
    ct = image(np.broadcast_to(-1000 + 14 * x, (58, 58, 60)), spacing=(0.7, 0.7, 0.7))
    fused = fused_image(pet, ct, FusionSettings(pet_weight=0.0, spacing_mm=(2, 2, 2)))
    assert fused.GetSpacing() == (2, 2, 2)
    assert fused.GetSize() == (20, 20, 20)
    positions = np.array([fused.TransformIndexToPhysicalPoint((i, 0, 0))[0] for i in range(20)])
    np.testing.assert_allclose(array(fused)[7, 7], np.clip(positions, 0, x[-1]) / 100, atol=1e-5)


def test_only_the_surroundings_of_lesions_are_made_where_a_mask_is_given():
    pet, ct, hot, dense = pair((30, 30, 30))
    labels = np.zeros((30, 30, 30))
    labels[14:16, 14:16, 14:16] = 1
    fused = fused_image(pet, ct, mask=image(labels), margin_mm=6)
    assert max(fused.GetSize()) < 16
    z, y, x = pet.TransformPhysicalPointToIndex(fused.GetOrigin())[::-1]
    part = tuple(slice(a, a + n) for a, n in zip((z, y, x), fused.GetSize()[::-1], strict=True))
    np.testing.assert_allclose(array(fused), (hot + dense)[part] / 2, atol=2e-6)


def test_features_of_the_fused_image_carry_its_name():
    pet, ct, hot, dense = pair((16, 16, 16))
    labels = np.zeros((16, 16, 16), np.uint8)
    labels[5:9, 5:9, 5:9] = 3
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(pet)
    table = fused_features(pet, ct, mask, image_settings=ImageSettings(bin_count=8), families=("stat",), workers=1)
    (lesion,) = table.lesions
    assert lesion.label == 3
    assert all(name.startswith("FUSED_original_stat_") for name in lesion.features)
    mean = (hot + dense)[labels == 3].mean() / 2
    assert lesion.features["FUSED_original_stat_mean_Q4LE"] == pytest.approx(mean, rel=1e-5)


def test_ratio_and_difference_of_features_that_both_modalities_have():
    row = {"PET_original_a": 6.0, "CT_original_a": -3.0, "PET_suv_max": 9.0, "PET_b": 1.0, "CT_b": 0.0}
    assert combined_features(row, names=["original_a"]) == {"RATIO_original_a": -2.0, "DIFFERENCE_original_a": 9.0}
    found = combined_features(row)
    assert math.isnan(found["RATIO_b"])
    assert found["DIFFERENCE_b"] == 1.0
    assert not any("suv_max" in name for name in found)


def test_an_undefined_feature_gives_undefined_combinations():
    found = combined_features({"PET_a": math.nan, "CT_a": 2.0, "PET_b": 2.0, "CT_b": math.inf})
    assert all(math.isnan(value) for value in found.values())
    assert len(found) == 4


@pytest.mark.parametrize(
    ("options", "attribute"),
    [
        ({"method": "sum"}, "method"),
        ({"details": "min"}, "details"),
        ({"pet_range": (5, 5)}, "pet_range"),
        ({"ct_range": (0, 1, 2)}, "ct_range"),
        ({"pet_weight": 1.5}, "pet_weight"),
        ({"wavelet": "mexican"}, "wavelet"),
        ({"wavelet_levels": 0}, "wavelet_levels"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(options, attribute):
    with pytest.raises(ParameterError) as caught:
        FusionSettings(**options)
    assert caught.value.attribute == attribute


def test_a_feature_that_one_modality_lacks_is_refused_by_name():
    with pytest.raises(ParameterError, match="suv_max"):
        combined_features({"PET_suv_max": 1.0}, names=["suv_max"])
