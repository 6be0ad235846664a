from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from fdglung.errors import ParameterError
from fdglung.phantom.scanner.motion import Breathing, breathe, draw_breathing
from fdglung.phantom.shapes import Grid, ball_coverage

GRID = Grid((-59.0, -39.0, -99.0), (2.0, 2.0, 2.0), (60, 40, 100))
HEIGHTS = {"apex_mm": 120.0, "dome_mm": -60.0, "pelvis_mm": -300.0}


def image(array, grid=GRID):
    result = sitk.GetImageFromArray(np.asarray(array, np.float32))
    result.SetOrigin(grid.origin_mm)
    result.SetSpacing(grid.spacing_mm)
    return result


def everywhere(grid=GRID):
    return image(np.ones(grid.shape), grid)


def axes(grid=GRID):
    return grid.coordinates(grid.window(((-1e4, 1e4), (-1e4, 1e4), (-1e4, 1e4))))


def blob(centre=(0.0, 0.0, 0.0), sigma=6.0):
    x, y, z = axes()
    square = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
    return np.exp(-square / (2 * sigma**2))


def ball(centre=(0.0, 0.0, 0.0), radius=12.0):
    result = np.zeros(GRID.shape, np.float32)
    window, filled = ball_coverage(centre, radius, GRID)
    result[window] = filled
    return result


def breathed(array, breathing, *, moving=None, grid=GRID, **options):
    moving = everywhere(grid) if moving is None else moving
    return sitk.GetArrayFromImage(breathe(image(array, grid), moving=moving, breathing=breathing, **options))


def moments(array):
    x, y, z = axes()
    total = array.sum(dtype=np.float64)
    means = [float((array * axis).sum(dtype=np.float64) / total) for axis in (x, y, z)]
    return means, [
        float((array * (axis - mean) ** 2).sum(dtype=np.float64) / total)
        for axis, mean in zip((x, y, z), means, strict=True)
    ]


def blur_gain(diameter_mm, shift_mm, *, fwhm_mm=6.5, anterior_share=1 / 3, exponent=2):
    """SUVmax of a small ball in breath-hold over that in free breathing, less 1, in closed form and on no background.

    The ball is blurred by a Gaussian and averaged along its way.
    """
    sigma = fwhm_mm / 2.354820045
    way = Breathing((0.0,), (shift_mm,), anterior_share, exponent)
    places = way.positions(200) * shift_mm * np.hypot(1, anterior_share)
    seen = np.linspace(places.min(), places.max(), 101)
    profile = blurred_ball(np.abs(seen[:, None] - places[None, :]), diameter_mm / 2, sigma).mean(axis=1)
    return float(blurred_ball(np.zeros(1), diameter_mm / 2, sigma)[0] / profile.max() - 1)


def blurred_ball(distance, radius, sigma):
    """Value at a distance from the centre of a ball of 1 blurred by a Gaussian."""
    r = np.maximum(distance, 1e-3 * sigma)
    near, far = (radius - r) / (np.sqrt(2) * sigma), (radius + r) / (np.sqrt(2) * sigma)
    edge = sigma / (r * np.sqrt(2 * np.pi)) * (np.exp(-(near**2)) - np.exp(-(far**2)))
    return 0.5 * (erf(near) + erf(far)) - edge


@pytest.mark.parametrize("share", [0.0, 1 / 3])
@pytest.mark.parametrize("phases", [5, 8])
def test_an_even_shift_averages_shifted_copies(share, phases):
    way = Breathing((0.0,), (14.0,), anterior_share=share)
    expected = np.mean([blob((0.0, -14 * share * place, -14 * place)) for place in way.positions(phases)], axis=0)
    assert np.abs(breathed(blob(), way, phases=phases) - expected).max() < 0.005 * expected.max()


def test_a_ball_s_profile_is_that_of_shifted_balls():
    way = Breathing((0.0,), (15.0,), anterior_share=0.0)
    expected = np.mean([ball((0.0, 0.0, -15 * place)) for place in way.positions(5)], axis=0).sum(axis=(1, 2))
    found = breathed(ball(), way).sum(axis=(1, 2))
    assert found == pytest.approx(expected, abs=0.015 * expected.max())


def test_the_mean_place_stays_and_the_spread_is_that_of_the_course():
    way = Breathing((0.0,), (12.0,))
    (before, spread_before), (after, spread_after) = moments(blob()), moments(breathed(blob(), way, phases=16))
    assert after == pytest.approx(before, abs=0.03)  # in mm, of voxels of 2 mm
    # variance of cos^4 over a period: 35/128 - 9/64
    added = 12**2 * (35 / 128 - 9 / 64)
    growth = np.subtract(spread_after, spread_before)
    assert growth == pytest.approx([0, added / 9, added], abs=0.03 * added)


def test_rest_at_end_expiration_lies_above_the_mean():
    result = breathed(blob(sigma=4.0), Breathing((0.0,), (20.0,)), phases=16)
    _, y, z = axes()
    peak = np.unravel_index(result.argmax(), result.shape)
    assert 3 <= z.ravel()[peak[0]] <= 8  # 3/8 of 20 mm above
    assert y.ravel()[peak[1]] > 0  # and behind


@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_positions_dwell_at_end_expiration(exponent):
    places = Breathing((0.0,), (10.0,), exponent=exponent).positions(400)
    assert places.mean() == pytest.approx(0, abs=1e-12)
    assert np.ptp(places) == pytest.approx(1, abs=1e-3)
    # share of time in the lower tenth of the way: cos^(2 n) < 0.1
    expected = 1 - np.arccos(0.1 ** (1 / (2 * exponent))) / (np.pi / 2)
    assert np.mean(places - places.min() < 0.1) == pytest.approx(expected, abs=0.01)


def test_total_activity_stays_with_a_soft_mask_and_uneven_shifts():
    rng = np.random.default_rng(0)
    activity = gaussian_filter(rng.random(GRID.shape), 1.5) * 8
    activity[:, 25:35, 20:30] += 10
    activity *= (np.abs(axes()[2]) < 80) & (np.abs(axes()[1]) < 32)
    x, y, z = axes()
    inside = np.hypot(x / 45, y / 28)
    moving = image(np.clip(0.5 - (inside - 1) * 4, 0, 1) * np.ones_like(z))
    way = Breathing((-90.0, -20.0, 80.0), (0.0, 14.0, 3.0))
    result = breathed(activity, way, moving=moving)
    assert result.sum(dtype=float) == pytest.approx(activity.sum(dtype=float), rel=0.005)
    assert result.min() >= 0
    assert np.abs(result - activity).max() > 1


def test_the_wall_stays():
    x, y, z = axes()
    moving = image((np.hypot(x, y) < 25) * np.ones_like(z))
    activity = blob((0, 0, 0), 10.0) + 0.2
    result = breathed(activity, Breathing((0.0,), (12.0,)), moving=moving)
    still = np.broadcast_to(np.hypot(x, y) > 34, activity.shape)
    assert np.abs(result - activity)[still].max() < 1e-5
    assert np.abs(result - activity).max() > 0.05


def test_no_motion_changes_nothing():
    activity = ball()
    assert (breathed(activity, Breathing((0.0,), (0.0,))) == activity).all()
    assert (breathed(activity, Breathing((0.0,), (9.0,)), moving=image(np.zeros(GRID.shape))) == activity).all()


def test_shifts_fall_from_the_dome_to_both_ends():
    rng = np.random.default_rng(1)
    subjects = [draw_breathing(rng, **HEIGHTS) for _ in range(2000)]
    upper, middle, lower, kidney, pelvis = (
        np.array([float(subject.shift_mm(z)) for subject in subjects]) for z in (110, 30, -40, -180, -320)
    )
    for drawn, mean, sd in ((upper, 3, 2), (middle, 6, 3), (lower, 12, 6)):
        assert drawn.mean() == pytest.approx(mean, rel=0.15)
        assert drawn.std() == pytest.approx(sd, rel=0.25)
        assert drawn.min() > 0
    assert (lower >= middle).all()
    assert kidney.mean() / lower.mean() == pytest.approx(0.65, abs=0.02)  # 0.6 to 0.7, 10.1002/jmri.22418
    assert (pelvis == 0).all()
    assert np.corrcoef(upper, lower)[0, 1] > 0.4


@pytest.mark.parametrize("shift", [4.0, 12.0])
def test_the_blur_gain_is_what_moving_and_blurring_a_ball_does(shift):
    grid = Grid((-29.5, -29.5, -39.5), (1.0, 1.0, 1.0), (60, 60, 80))
    still = np.zeros(grid.shape, np.float32)
    window, filled = ball_coverage((0.0, 0.0, 0.0), 6.0, grid)
    still[window] = filled
    moved = breathed(still, Breathing((0.0,), (shift,)), grid=grid, phases=32)
    sigma = 6.5 / 2.354820045
    held, free = (gaussian_filter(volume, sigma).max() for volume in (still, moved))
    assert blur_gain(12.0, shift) == pytest.approx(held / free - 1, abs=0.02)


def test_breath_hold_raises_the_maximum_most_in_the_lower_lung():
    # in %: upper 16.9 +- 25.6, lower 51.8 +- 49.5 (10.2967/jnumed.107.049296); in another study 11.4 +- 13.9, middle
    # and lower 39.6 +- 45.3. They hold the noise of short breath-holds, which blur alone does not.
    rng = np.random.default_rng(2)
    gains = {110: [], 30: [], -50: []}
    for _ in range(400):
        way = draw_breathing(rng, **HEIGHTS)
        diameter, fwhm = rng.uniform(10, 16), rng.uniform(6, 7)
        for height, found in gains.items():
            found.append(
                blur_gain(
                    diameter,
                    float(way.shift_mm(height)),
                    fwhm_mm=fwhm,
                    anterior_share=way.anterior_share,
                    exponent=way.exponent,
                )
            )
    upper, middle, lower = (np.mean(found) for found in gains.values())
    assert 0.01 < upper < 0.14
    assert 0.20 < (middle + lower) / 2 < 0.45
    assert 0.30 < lower < 0.60
    assert 0.2 < np.std(gains[-50]) < 0.6


def test_larger_lesions_and_smaller_ways_lose_less():
    gains = [blur_gain(diameter, 12.0) for diameter in (8, 12, 20, 40)]
    assert gains == sorted(gains, reverse=True)
    assert gains[-1] < 0.005
    assert blur_gain(12.0, 0.0) == pytest.approx(0, abs=1e-6)


def test_the_same_seed_draws_the_same_breathing_and_the_input_stays():
    first, again = (draw_breathing(np.random.default_rng(7), **HEIGHTS) for _ in range(2))
    assert first == again
    activity = image(ball())
    before = sitk.GetArrayFromImage(activity)
    results = [
        sitk.GetArrayFromImage(breathe(activity, moving=everywhere(), breathing=Breathing((0.0,), (9.0,))))
        for _ in range(2)
    ]
    assert (results[0] == results[1]).all()
    assert (sitk.GetArrayFromImage(activity) == before).all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"heights_mm": (0.0, 0.0), "shifts_mm": (1.0, 1.0)}, "heights_mm"),
        ({"heights_mm": (0.0, 1.0), "shifts_mm": (1.0,)}, "shifts_mm"),
        ({"heights_mm": (0.0,), "shifts_mm": (-1.0,)}, "shifts_mm"),
        ({"heights_mm": (0.0,), "shifts_mm": (1.0,), "anterior_share": -1.0}, "anterior_share"),
        ({"heights_mm": (0.0,), "shifts_mm": (1.0,), "exponent": 0}, "exponent"),
    ],
)
def test_an_impossible_breathing_is_named(options, named):
    with pytest.raises(ParameterError, match=named):
        Breathing(**options)


def test_wrong_images_and_phases_are_named():
    way = Breathing((0.0,), (9.0,))
    activity = image(ball())
    other = image(np.ones((4, 4, 4)))
    turned = image(ball())
    turned.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, -1))
    for options, named in (
        ({"moving": other}, "moving"),
        ({"phases": 1}, "phases"),
        ({"phases": 2.5}, "phases"),
        ({"activity": turned}, "activity"),
        ({"activity": sitk.Cast(activity, sitk.sitkInt16)}, "activity"),
    ):
        settings = {"activity": activity, "moving": everywhere(), "breathing": way} | options
        with pytest.raises(ParameterError, match=named):
            breathe(settings.pop("activity"), **settings)
    with pytest.raises(ParameterError, match="dome_mm"):
        draw_breathing(np.random.default_rng(0), apex_mm=0, dome_mm=10, pelvis_mm=-100)
