from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from fdglung.radiomics.diameters import diameters
from fdglung.radiomics.mesh import area_and_volume


def by_pyradiomics(mask, spacing):
    from radiomics import cShape

    return cShape.calculate_coefficients(np.pad(mask, 1), np.array(spacing, float))


def blob(seed, shape=(24, 30, 28)):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=shape), 3)
    return noise > np.quantile(noise, 0.8)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 0.9765625, 0.9765625), (2.1, 0.7, 1.3)])
@pytest.mark.parametrize("seed", range(4))
def test_area_volume_and_diameters_of_a_lesion_are_pyradiomics_own(seed, spacing):
    mask = blob(seed)
    area, volume, longest = by_pyradiomics(mask, spacing)
    assert area_and_volume(mask, spacing) == pytest.approx((area, volume), rel=1e-12)
    assert diameters(mask, spacing) == pytest.approx(longest, rel=1e-12)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 5)] * 3), st.floats(0.05, 0.95))
def test_diameters_of_any_small_mask_are_pyradiomics_own(seed, shape, share):
    mask = np.random.default_rng(seed).random(shape) < share
    if not mask.any():
        mask[0, 0, 0] = True
    spacing = (1.7, 1.0, 0.6)
    assert diameters(mask, spacing) == pytest.approx(by_pyradiomics(mask, spacing)[2], rel=1e-12)


def test_the_diameters_of_a_bar_are_its_sides():
    mask = np.ones((1, 2, 5), bool)
    # From the vertex before the first voxel to the one behind the last.
    in_slice, _, in_sagittal, in_space = diameters(mask, (1.0, 1.0, 1.0))
    assert in_slice == pytest.approx(np.hypot(5, 1))
    assert in_sagittal == pytest.approx(2.0)
    assert in_space == pytest.approx(np.hypot(5, 1))


def test_the_shape_of_a_large_lesion_is_pyradiomics_own_also_where_its_mesh_has_gaps():
    import SimpleITK as sitk
    from radiomics import shape as pyradiomics_shape

    from fdglung.radiomics import pyradiomics_classes

    rng = np.random.default_rng(5)
    mask = rng.random((20, 22, 24)) < 0.6
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing((0.9, 1.1, 3.0))
    truth = pyradiomics_shape.RadiomicsShape(image, image).execute()
    assert mask.sum() > pyradiomics_classes._FEW_VOXELS
    found = pyradiomics_classes.shape(mask, (3.0, 1.1, 0.9))
    assert found == pytest.approx({name: float(value) for name, value in truth.items()}, rel=1e-9)
