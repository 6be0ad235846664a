from __future__ import annotations

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from fdglung.network.click_correction import CERTAIN, LIKENESS, REACH_MM, corrected

SHAPE, SPACING = (9, 10, 11), 3.0
CHANNELS = ("PET", "CT")


def scene(seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, SHAPE).astype(np.float32)
    return logits, [rng.normal(0, 0.5, SHAPE).astype(np.float32) for _ in CHANNELS]


def test_it_is_the_posterior_mean_of_a_gaussian_process_as_scikit_learn_has_it():
    logits, images = scene()
    inside, outside = [(2, 3, 4), (6, 7, 1)], [(5, 5, 5), (0, 9, 10)]
    z, y, x = np.indices(SHAPE)
    features = np.stack(
        [axis * SPACING / REACH_MM for axis in (z, y, x)]
        + [image / LIKENESS[name] for image, name in zip(images, CHANNELS, strict=True)],
        axis=-1,
    )
    places = inside + outside
    said = np.array([CERTAIN] * 2 + [-CERTAIN] * 2) - [logits[at] for at in places]
    process = GaussianProcessRegressor(RBF(1.0), alpha=0.1, optimizer=None)
    process.fit(np.array([features[at] for at in places]), said)
    expected = logits + process.predict(features.reshape(-1, 5)).reshape(SHAPE)
    found = corrected(logits, images, CHANNELS, inside, outside, spacing_mm=SPACING)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_clicks_turn_what_the_network_says_and_repeat_nothing_that_it_says_already():
    logits, images = np.full(SHAPE, -3, np.float32), [np.zeros(SHAPE, np.float32)] * 2
    found = corrected(logits, images, CHANNELS, [(4, 4, 4)], [(4, 4, 10)], spacing_mm=SPACING)
    assert found[4, 4, 4] > 0 > found[4, 4, 10]
    agreed = np.full(SHAPE, CERTAIN, np.float32)
    assert (corrected(agreed, images, CHANNELS, [(4, 4, 4)], [], spacing_mm=SPACING) == agreed).all()


def test_what_looks_like_the_clicked_voxel_follows_it_farther():
    suv = np.zeros(SHAPE, np.float32)
    suv[:, :, 6:] = 1.0
    images = [suv, np.zeros(SHAPE, np.float32)]
    change = corrected(np.zeros(SHAPE, np.float32), images, CHANNELS, [(4, 5, 5)], [], spacing_mm=SPACING)
    assert change[4, 5, 4] > 2 * change[4, 5, 6]


def test_a_click_beyond_the_grid_changes_nothing():
    logits, images = scene()
    assert (corrected(logits, images, CHANNELS, [(4, 4, 40)], [(-1, 0, 0)], spacing_mm=SPACING) == logits).all()
