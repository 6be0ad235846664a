from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.radiomics import filters


def volume(shape=(40, 52, 61), *, spacing=(3.0, 1.5, 1.25), kind=np.int16, seed=1):
    """Return noise on a slope, and the same as an image."""
    rng = np.random.default_rng(seed)
    array = (rng.normal(size=shape) * 200 + np.linspace(-900, 300, shape[2])).astype(kind)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing[::-1])
    return array, image


def whole(array):
    return tuple(slice(0, n) for n in array.shape)


def box(*ends):
    return tuple(slice(*end) for end in ends)


def pyradiomics(image, kind, **options):
    from radiomics import imageoperations

    made = getattr(imageoperations, f"get{kind}Image")(image, image, **options)
    return {name: sitk.GetArrayFromImage(one) for one, name, _ in made}


@pytest.mark.parametrize("kind", [np.int16, np.float32, np.float64])
def test_laplacian_of_gaussian_in_a_box_is_that_of_the_whole_image(kind):
    array, image = volume(kind=kind)
    boxes = [box((10, 16), (20, 30), (22, 31)), box((36, 40), (0, 6), (50, 61))]
    for sigma in (1.0, 3.0):
        truth = next(iter(pyradiomics(image, "LoG", sigma=[sigma]).values()))
        found = filters.laplacian_of_gaussian(array, (3.0, 1.5, 1.25), sigma, boxes, [whole(array)] * 2)
        for one, where in zip(found, boxes, strict=True):
            last_bit = np.finfo(np.float32).eps * np.abs(truth[where]).max()
            np.testing.assert_allclose(one, truth[where], rtol=0, atol=last_bit)
            assert np.mean(one != truth[where]) < 0.02


def test_twelve_sigma_from_every_end_the_first_voxels_still_count():
    """The pad is needed: a crop of 6 standard deviations gives other values."""
    array, image = volume((60, 60, 60), spacing=(1.0, 1.0, 1.0))
    truth = next(iter(pyradiomics(image, "LoG", sigma=[2.0]).values()))
    here = box((28, 32), (28, 32), (28, 32))
    short = box((16, 44), (16, 44), (16, 44))
    wrong = filters.laplacian_of_gaussian(array, (1, 1, 1), 2.0, [here], [short])[0]
    right = filters.laplacian_of_gaussian(array, (1, 1, 1), 2.0, [here], [whole(array)])[0]
    assert np.abs(wrong - truth[here]).max() > 1e-3
    assert np.abs(right - truth[here]).max() < 1e-4


def test_close_boxes_share_a_region_and_far_ones_do_not():
    limit = box((0, 500), (0, 500), (0, 500))
    close = [box((100, 110), (100, 110), (100, 110)), box((112, 120), (100, 110), (100, 110))]
    far = box((400, 410), (400, 410), (400, 410))
    made = filters.regions([*close, far], [limit] * 3, (20, 20, 20))
    assert sorted(one.members for one in made) == [(0, 1), (2,)]


def test_boxes_with_ends_of_their_own_do_not_share_a_region():
    boxes = [box((10, 20), (10, 20), (10, 20)), box((15, 25), (10, 20), (10, 20))]
    limits = [box((5, 25), (5, 25), (5, 25)), box((10, 30), (5, 25), (5, 25))]
    assert len(filters.regions(boxes, limits, (20, 20, 20))) == 2
    assert [one.box for one in filters.regions(boxes, limits, (20, 20, 20))] == limits


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize(("wavelet", "level", "start"), [("coif1", 1, 0), ("haar", 2, 1), ("db4", 2, 0)])
def test_wavelet_bands_in_a_box_are_those_of_the_whole_image(kind, wavelet, level, start):
    array, image = volume((25, 30, 33), kind=kind)
    truth = pyradiomics(image, "Wavelet", wavelet=wavelet, level=level, start_level=start)
    for where in (box((8, 13), (10, 20), (9, 15)), box((0, 4), (25, 30), (30, 33)), whole(array)):
        found = filters.wavelet_bands(array, where, whole(array), wavelet=wavelet, level=level, start_level=start)
        assert list(found) == list(truth)
        for name, band in found.items():
            assert band.dtype == truth[name].dtype
            scale = np.finfo(band.dtype).eps * np.abs(array.astype(float)).max() * 8**level
            np.testing.assert_allclose(band, truth[name][where], rtol=0, atol=scale)


def test_wavelet_bands_of_planes_leave_the_third_axis():
    array, image = volume((5, 30, 33))
    truth = pyradiomics(image, "Wavelet", force2D=True, force2Ddimension=0)
    found = filters.wavelet_bands(array, box((2, 3), (0, 7), (4, 9)), whole(array), axes=(2, 1))
    assert list(found) == list(truth) == ["wavelet-LH", "wavelet-HL", "wavelet-HH", "wavelet-LL"]
    for name, band in found.items():
        np.testing.assert_allclose(band, truth[name][2:3, 0:7, 4:9], rtol=0, atol=1e-10)
