from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import InputError, ParameterError
from fdglung.radiomics.growth import grown
from fdglung.radiomics.perturbation import Perturbation, noise_level, perturb, random_chains
from fdglung.radiomics.preprocessing import prepare
from fdglung.radiomics.settings import ImageSettings

SPACING = (2.0, 1.5, 3.0)
CT = ImageSettings(spacing_mm=(2, 2, 2), round_to=1, bin_width=25)


def image_of(array, *, spacing=SPACING, origin=(-20.0, 10.0, 300.0)):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    return image


def points(image):
    """Return the places of all voxels (z, y, x, 3) in mm, the last axis x, y, z."""
    z, y, x = np.indices(image.GetSize()[::-1])
    steps = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return np.stack([x, y, z], axis=-1) @ steps.T + image.GetOrigin()


def slope(shape=(24, 40, 36), coefficients=(1.5, -0.7, 2.2)):
    """Return an image whose value is a linear function of the place, and a ball of 9 mm in it."""
    image = image_of(np.zeros(shape, np.float64))
    places = points(image)
    middle = places.reshape(-1, 3).mean(axis=0)
    ball = (np.linalg.norm(places - middle, axis=-1) <= 9).astype(np.uint8)
    return image_of(places @ np.array(coefficients)), image_of(ball), np.array(coefficients), middle


def test_a_chain_that_changes_nothing_changes_nothing():
    image, ball, _, _ = slope()
    same, labels = perturb(image, ball, Perturbation())
    np.testing.assert_array_equal(sitk.GetArrayFromImage(same), sitk.GetArrayFromImage(image))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(labels), sitk.GetArrayFromImage(ball))
    assert (same.GetOrigin(), same.GetSpacing()) == (image.GetOrigin(), image.GetSpacing())


@pytest.mark.parametrize("interpolator", ["linear", "bspline", "nearest"])
@pytest.mark.parametrize("margin_mm", [None, 12.0])
def test_a_chain_that_changes_nothing_gives_the_region_of_interest_that_there_was(interpolator, margin_mm):
    rng = np.random.default_rng(5)
    image = image_of(rng.normal(size=(24, 40, 36)) * 100)
    _, ball, _, _ = slope()
    settings = ImageSettings(spacing_mm=(2, 2, 2), interpolator=interpolator, round_to=1, bin_width=25)
    moved, labels = perturb(image, ball, Perturbation(), settings, margin_mm=margin_mm)
    truth, found = prepare(image, ball, settings).roi, prepare(moved, labels, settings).roi
    np.testing.assert_array_equal(found.intensity[found.intensity_mask], truth.intensity[truth.intensity_mask])
    np.testing.assert_array_equal(found.morphological_mask, truth.morphological_mask)
    np.testing.assert_array_equal(found.levels, truth.levels)


@pytest.mark.parametrize("spacing_mm", [None, (2, 2, 2), (1, 1.5, 0)])
@pytest.mark.parametrize("degrees", [0.0, 7.0, -33.0])
def test_every_voxel_holds_the_value_of_its_place(spacing_mm, degrees):
    """Linear interpolation of a linear function is exact, wherever the grid lies."""
    image, ball, coefficients, _ = slope()
    chain = Perturbation(rotation_deg=degrees, shift=(0.3, -0.4, 0.25))
    moved, _ = perturb(image, ball, chain, ImageSettings(spacing_mm=spacing_mm, bin_width=1))
    places = points(moved)
    indices = (places - image.GetOrigin()) / image.GetSpacing()
    inside = ((indices >= 0) & (indices <= np.array(image.GetSize()) - 1)).all(axis=-1)
    assert inside.mean() > 0.3
    truth = places @ coefficients
    np.testing.assert_allclose(sitk.GetArrayFromImage(moved)[inside], truth[inside], rtol=0, atol=1e-8)


def test_the_grid_turns_about_z_and_shifts_by_its_own_voxels():
    image, ball, _, _ = slope()
    turned, _ = perturb(image, ball, Perturbation(rotation_deg=20), CT)
    shifted, _ = perturb(image, ball, Perturbation(rotation_deg=20, shift=(0.5, 0, -0.25)), CT)
    direction = np.array(turned.GetDirection()).reshape(3, 3)
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    np.testing.assert_allclose(direction, [[c, -s, 0], [s, c, 0], [0, 0, 1]], atol=1e-12)
    move = np.subtract(shifted.GetOrigin(), turned.GetOrigin())
    np.testing.assert_allclose(move, direction @ [1.0, 0, -0.5], atol=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 11.0, 45.0])
def test_lesions_stay_where_they_are_in_the_patient(degrees):
    image, _, _, middle = slope()
    # Drawn four times finer than it is sampled, so that it is a ball on either grid.
    fine = image_of(np.zeros((80, 80, 80), np.uint8), spacing=(0.5, 0.5, 0.5), origin=tuple(middle - 20 + 0.1))
    ball = sitk.GetImageFromArray((np.linalg.norm(points(fine) - middle, axis=-1) <= 9).astype(np.uint8))
    ball.CopyInformation(fine)
    moved, labels = perturb(image, ball, Perturbation(rotation_deg=degrees, shift=(0.4, 0.4, 0.4)), CT)
    inside = sitk.GetArrayFromImage(labels) == 1
    assert moved.GetSize() == labels.GetSize()
    np.testing.assert_allclose(points(labels)[inside].mean(axis=0), middle, atol=0.25)
    assert inside.sum() * np.prod(labels.GetSpacing()) == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.03)


def test_a_lesion_in_a_corner_of_the_image_is_not_lost_by_rotation():
    image, _, _, _ = slope()
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    array[:4, :4, :4] = 1
    array[-4:, -4:, -4:] = 2
    _, labels = perturb(image, image_of(array), Perturbation(rotation_deg=30))
    counts = np.bincount(sitk.GetArrayFromImage(labels).ravel(), minlength=3)
    assert counts[1:] == pytest.approx([64, 64], rel=0.2)


def test_outside_the_image_lies_its_nearest_value():
    even = image_of(np.full((24, 40, 36), -700, np.int16))
    _, ball, _, _ = slope()
    moved, _ = perturb(even, ball, Perturbation(rotation_deg=25, shift=(0.5, 0.5, 0.5)), CT)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(moved), -700)


def test_labels_keep_their_numbers_and_may_lie_on_another_grid():
    image, _, _, _ = slope()
    array = np.zeros((18, 15, 18), np.uint8)
    array[4:8, 4:8, 4:8], array[10:14, 8:12, 10:14] = 7, 3
    labels = image_of(array, spacing=(4.0, 4.0, 4.0))
    _, moved = perturb(image, labels, Perturbation(rotation_deg=15), CT)
    found = sitk.GetArrayFromImage(moved)
    assert set(np.unique(found)) == {0, 3, 7}
    # Within a quarter of a voxel; a turn the other way would move them by 5 mm.
    for label in (3, 7):
        middle = points(labels)[array == label].mean(axis=0)
        np.testing.assert_allclose(points(moved)[found == label].mean(axis=0), middle, atol=0.5)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 30.0])
def test_noise_level_of_a_smooth_image_with_white_noise_is_that_noise(sigma):
    rng = np.random.default_rng(2)
    z, y, x = np.indices((30, 64, 64)) / 20
    smooth = 40 * sigma * np.sin(x) * np.cos(y) + z
    found = noise_level(image_of(smooth + sigma * rng.standard_normal(smooth.shape)))
    # The standard error of the median of so many dependent details is below 1 %.
    assert found == pytest.approx(sigma, rel=0.03)


def test_filled_up_parts_do_not_lower_the_noise_level():
    rng = np.random.default_rng(2)
    array = np.full((20, 80, 80), -1024.0)
    array[:, 20:60, 20:60] = 20 * rng.standard_normal((20, 40, 40))
    assert noise_level(image_of(array)) == pytest.approx(20, rel=0.12)
    assert noise_level(image_of(np.full((9, 9, 9), 7.3))) == 0


def test_noise_is_measured_around_the_lesions_only():
    rng = np.random.default_rng(2)
    array = rng.standard_normal((20, 60, 120))
    array[..., 60:] *= 9
    labels = np.zeros(array.shape, np.uint8)
    labels[8:12, 25:35, 25:30] = 1
    image, mask = image_of(array, spacing=(1, 1, 1)), image_of(labels, spacing=(1, 1, 1))
    assert noise_level(image, mask, margin_mm=20) == pytest.approx(1, rel=0.03)


def test_added_noise_has_the_level_of_the_image_and_its_seed():
    rng = np.random.default_rng(8)
    image = image_of(12 * rng.standard_normal((24, 40, 36)))
    _, ball, _, _ = slope()

    def added(**options):
        stream = options.pop("stream", 0)
        moved, _ = perturb(image, ball, Perturbation(**options), stream=stream)
        return sitk.GetArrayFromImage(moved) - sitk.GetArrayFromImage(image)

    once = added(noise=2, seed=4)
    assert once.std() == pytest.approx(2 * noise_level(image, ball), rel=0.01)
    assert abs(once.mean()) < 4 * once.std() / np.sqrt(once.size)
    np.testing.assert_array_equal(once, added(noise=2, seed=4))
    for other in (added(noise=2, seed=5), added(noise=2, seed=4, stream=1)):
        assert abs(np.corrcoef(once.ravel(), other.ravel())[0, 1]) < 0.03


def test_noisy_ct_is_rounded_to_its_unit():
    rng = np.random.default_rng(8)
    image = image_of((12 * rng.standard_normal((24, 40, 36))).astype(np.int16), spacing=(2, 2, 2))
    moved, _ = perturb(image, image_of(np.ones((24, 40, 36), np.uint8), spacing=(2, 2, 2)), Perturbation(noise=1), CT)
    values = sitk.GetArrayFromImage(moved)
    np.testing.assert_array_equal(values, np.rint(values))


def ball_of(radius, *, shape=(41, 41, 41), spacing=(1.0, 1.0, 1.0)):
    z, y, x = np.indices(shape)
    middle = [n // 2 for n in shape]
    distance = np.sqrt(sum(((a - m) * s) ** 2 for a, m, s in zip((z, y, x), middle, spacing, strict=True)))
    return (distance <= radius).astype(np.uint32), distance


@pytest.mark.parametrize("fraction", [-0.9, -0.25, -0.1, 0.1, 0.25, 1.5])
def test_a_mask_grows_and_shrinks_by_just_its_share(fraction):
    ball, _ = ball_of(8)
    count = int(ball.sum())
    found = grown(ball, fraction, (1, 1, 1))
    assert found.sum() == count + round(fraction * count)
    assert ((found >= ball) if fraction > 0 else (found <= ball)).all()


@pytest.mark.parametrize(("radius", "target"), [(8, 9.5), (8, 6.5)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 1.0, 1.0)])
def test_a_ball_grows_and_shrinks_to_a_ball(radius, target, spacing):
    ball, distance = ball_of(radius, spacing=spacing)
    wanted = int((distance <= target).sum())
    found = grown(ball, wanted / ball.sum() - 1, spacing)
    # Distances to the mask's voxels differ from those to the ball by less than a voxel's diagonal.
    slack = np.linalg.norm(spacing)
    assert distance[found == 1].max() <= target + slack
    assert distance[found == 0].min() >= target - slack


def test_lesions_do_not_grow_into_each_other():
    labels = np.zeros((9, 9, 20), np.uint32)
    labels[3:6, 3:6, 5:9] = 1
    labels[3:6, 3:6, 9:13] = 2
    found = grown(labels, 0.5, (1, 1, 1))
    assert (found == 1).sum() == (found == 2).sum() == 54
    assert (found[labels == 1] == 1).all()
    assert (found[labels == 2] == 2).all()


def test_the_last_voxel_stays_and_a_full_image_stays_full():
    one = np.zeros((5, 5, 5), np.uint32)
    one[2, 2, 2] = 1
    np.testing.assert_array_equal(grown(one, -0.9, (1, 1, 1)), one)
    full = np.ones((4, 4, 4), np.uint32)
    np.testing.assert_array_equal(grown(full, 0.5, (1, 1, 1)), full)
    assert grown(full, -0.5, (1, 1, 1)).sum() == 32


def test_among_voxels_equally_far_the_seed_decides():
    ball, _ = ball_of(6)
    first, again, other = (grown(ball, 0.1, (1, 1, 1), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_chains_are_drawn_within_their_ranges_and_by_their_seed():
    chains = random_chains(200, seed=3, rotation_deg=10, shift=0.5, growth=0.2, noise=1)
    angles = np.array([chain.rotation_deg for chain in chains])
    growths = np.array([chain.growth for chain in chains])
    shifts = np.array([chain.shift for chain in chains])
    for values, limit in ((angles, 10), (growths, 0.2), (shifts, 0.5)):
        assert np.abs(values).max() <= limit
        # Even draws: the variance is a third of the limit's square.
        assert values.var() == pytest.approx(limit**2 / 3, rel=0.25)
    assert {chain.noise for chain in chains} == {1.0}
    assert len({chain.seed for chain in chains}) == 200
    assert random_chains(20, seed=3, rotation_deg=10) == chains[:20]
    assert random_chains(5, seed=4)[0].rotation_deg != random_chains(5, seed=3)[0].rotation_deg


@pytest.mark.parametrize(
    ("options", "attribute"),
    [
        ({"rotation_deg": float("nan")}, "rotation_deg"),
        ({"shift": (1, 2)}, "shift"),
        ({"growth": -1}, "growth"),
        ({"noise": -1}, "noise"),
        ({"seed": -1}, "seed"),
    ],
)
def test_changes_that_cannot_be_are_refused_by_name(options, attribute):
    with pytest.raises(ParameterError) as caught:
        Perturbation(**options)
    assert caught.value.attribute == attribute


def test_chains_that_cannot_be_are_refused_and_so_is_an_empty_mask():
    with pytest.raises(ParameterError, match="count"):
        random_chains(0)
    with pytest.raises(ParameterError, match="growth"):
        random_chains(3, growth=1)
    image, ball, _, _ = slope()
    with pytest.raises(InputError, match="empty"):
        perturb(image, ball * 0, Perturbation(rotation_deg=3))
