from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.classification.image.config import from_mapping
from fdglung.classification.image.patches import network_input, patches
from fdglung.errors import NoCtError, NoPetError, ParameterError

CONFIG = from_mapping({"spacing_mm": 4.0, "size_mm": 64.0})


def ramp(spacing, size, origin):
    """Return an image whose value is the patient's x coordinate in mm."""
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    x = origin[0] + spacing[0] * np.arange(size[0])
    filled = sitk.GetImageFromArray(np.broadcast_to(x, size[::-1]).astype(np.float32))
    filled.CopyInformation(image)
    return filled


def boxes(like, *places):
    array = np.zeros(like.GetSize()[::-1], np.uint8)
    for number, (low, high) in enumerate(places, 1):
        array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = number
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(like)
    return image


@pytest.fixture(scope="module")
def cut():
    pet = ramp((2.0, 2.0, 4.0), (80, 70, 60), (-60.0, -50.0, 10.0))
    ct = ramp((1.0, 1.0, 1.5), (200, 180, 140), (-70.0, -60.0, 0.0))
    labels = boxes(pet, ((20, 20, 30), (26, 30, 40)), ((2, 2, 2), (6, 8, 10)))
    return pet, patches({"PET": pet, "CT": ct}, labels, CONFIG)


def test_a_patch_holds_the_values_of_its_places_whatever_the_grids_are(cut):
    _, found = cut
    grid = found.grids[0]
    x = grid.origin_mm[0] + 4.0 * np.arange(16)
    for channel in (0, 1):
        # Averaging blocks of a linear image gives the image; single precision remains.
        np.testing.assert_allclose(found.raw[0, channel], np.broadcast_to(x, (16, 16, 16)), atol=1e-3)


def test_a_patch_is_centred_on_its_lesion_and_its_mask_has_the_lesions_volume(cut):
    pet, found = cut
    assert found.labels == (1, 2)
    middle = pet.TransformContinuousIndexToPhysicalPoint((34.5, 24.5, 22.5))
    for axis in range(3):
        assert found.grids[0].origin_mm[axis] + 7.5 * 4.0 == pytest.approx(middle[axis])
    # 6 x 10 x 10 voxels of 16 mm3; averages over 4 mm, then linear between grids of 4 mm, keep the sum.
    assert found.raw[0, 2].sum() * 64.0 == pytest.approx(600 * 16.0, rel=1e-4)
    assert found.raw[:, 2].max() <= 1


def test_beyond_the_images_there_is_no_uptake_air_and_no_lesion(cut):
    _, found = cut
    corner = found.raw[1, :, 0, 0, 0]
    assert corner.tolist() == [0.0, -1000.0, 0.0]


def test_the_network_sees_raw_values_by_the_tables_and_the_mask_as_it_is():
    raw = np.zeros((1, 3, 1, 1, 4), np.float32)
    raw[0, 0, 0, 0] = (0.0, 2.5, 10.0, 99.0)
    raw[0, 1, 0, 0] = (-1000.0, -150.0, 250.0, 3000.0)
    raw[0, 2, 0, 0] = (0.0, 0.25, 0.5, 1.0)
    seen = network_input(raw, CONFIG)[0, :, 0, 0]
    np.testing.assert_allclose(seen, [[0, 1, 2, 3], [-1, -0.5, 0.5, 1], [0, 0.25, 0.5, 1]], atol=1e-6)


def test_a_network_that_looks_at_an_image_that_is_not_there_says_so(cut):
    pet, _ = cut
    labels = boxes(pet, ((20, 20, 30), (26, 30, 40)))
    with pytest.raises(NoCtError, match="looks at the CT"):
        patches({"PET": pet, "CT": None}, labels, CONFIG)
    with pytest.raises(NoPetError):
        patches({"CT": pet}, labels, CONFIG)
    alone = from_mapping({"channels": ["PET", "MASK"], "size_mm": 64.0})
    assert patches({"PET": pet, "CT": None}, labels, alone).raw.shape == (1, 2, 16, 16, 16)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"channels": ["MASK"]}, "channels"),
        ({"channels": ["PET", "MR"]}, "channels"),
        ({"size_mm": 40.0}, "size_mm"),
        ({"features": [8, 16]}, "features"),
        ({"normalisation": {"PET": [[0, 0], [1, 1]]}}, "normalisation.CT"),
        ({"normalisation": {"PET": [[1, 0], [0, 1]], "CT": [[0, 0], [1, 1]]}}, "normalisation"),
        ({"augmentation": {"flip": 2}}, "augmentation.flip"),
        ({"epochs": 0}, "epochs"),
        ({"width": 3}, "width"),
        ({"undetermined": {"share": 0.9}}, "undetermined.share"),
    ],
)
def test_a_configuration_that_cannot_be_names_its_key(change, told):
    with pytest.raises(ParameterError) as found:
        from_mapping(change)
    assert told in found.value.attribute
