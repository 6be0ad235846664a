"""Preparation of slices and cleaning of labels, against lungmask's own."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.lungs.slices import cleaned, prepared, restored
from tests.ellipsoids import thorax

utils = pytest.importorskip("lungmask.utils")


@pytest.fixture(autouse=True)
def _quiet():
    logging.getLogger("lungmask").setLevel(logging.WARNING)


def torn_labels(seed, shape):
    """Return pieces of one to four labels with holes between, as a bad network gives them.

    The first and last row are empty, as they are outside the body: `fill_voids`, which lungmask fills holes with, fills
    what is open there as well.
    """
    random = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(random.normal(size=(1 + seed % 4, *shape)), [0, *random.uniform(0, 2, 3)])
    labels = 1 + fields.argmax(axis=0).astype(np.uint8)
    labels[ndimage.gaussian_filter(random.normal(size=shape), 1) < random.uniform(-0.2, 0.2)] = 0
    labels[:, [0, -1]] = 0
    return labels


@pytest.mark.parametrize("seed", range(24))
def test_labels_are_cleaned_as_lungmask_cleans_them(seed):
    shape = (1, 30, 30) if seed % 6 == 0 else (3 + seed % 8, 12 + seed, 40 - seed)
    labels = torn_labels(seed, shape)
    assert (cleaned(labels) == utils.postprocessing(labels.copy(), disable_tqdm=True)).all()
    assert (cleaned(labels) != labels).any()


def test_nothing_stays_nothing():
    assert not cleaned(np.zeros((2, 8, 8), np.uint8)).any()


@pytest.mark.parametrize("side", [256, 128])
def test_slices_are_prepared_as_lungmask_prepares_them(side):
    """A chest with a table, one off the middle, one that the field of view cuts, air, soft tissue, and noise."""
    chest = sitk.GetArrayFromImage(thorax()[0])[::12]
    cut = np.where(np.arange(chest.shape[2]) < chest.shape[2] // 2, chest, -1000)
    flat = [np.full_like(chest[:1], value) for value in (-1000, 40, 3000)]
    noise = np.random.default_rng(0).normal(-500, 400, chest[:2].shape).astype(chest.dtype)
    hu = np.concatenate([chest, np.roll(chest, 30, axis=2), cut, *flat, noise])
    theirs, boxes = utils.preprocess(hu, resolution=[side, side])
    slices, ours = prepared(hu, side)
    assert ours == [tuple(box) for box in boxes]
    # LMInferer.apply limits and scales what preprocess gives.
    assert (slices == ((np.minimum(theirs, 600) + 1024) / 1624).astype(np.float32)).all()
    labels = np.random.default_rng(1).integers(0, 3, slices.shape, np.uint8)
    for plane, box in zip(labels, ours, strict=True):
        assert (restored(plane, box, hu.shape[1:]) == utils.reshape_mask(plane, box, hu.shape[1:])).all()


@pytest.mark.parametrize("shape", [(90, 100), (128, 128), (128, 400), (440, 447), (521, 504), (512, 300)])
def test_a_body_of_any_size_is_cropped_and_put_back_as_lungmask_does_it(shape):
    """Bodies that touch the edges of the slice, with a piece beside; some sizes lose a row by rounding."""
    random = np.random.default_rng(sum(shape))
    fields = ndimage.gaussian_filter(random.normal(size=(12, *shape)), [0, shape[0] / 12, shape[1] / 12])
    hu = np.where(fields > random.uniform(-0.5, 0.5, (12, 1, 1)) * fields.std(), 40, -1000).astype(np.int16)
    theirs, boxes = utils.preprocess(hu, resolution=[256, 256])
    slices, ours = prepared(hu, 256)
    assert ours == [tuple(box) for box in boxes]
    assert (slices == ((np.minimum(theirs, 600) + 1024) / 1624).astype(np.float32)).all()
    labels = random.integers(0, 3, slices.shape, np.uint8)
    for plane, box in zip(labels, ours, strict=True):
        assert (restored(plane, box, shape) == utils.reshape_mask(plane, box, shape)).all()
