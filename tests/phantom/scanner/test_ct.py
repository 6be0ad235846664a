from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from skimage.transform import iradon, radon

from fdglung.errors import ParameterError
from fdglung.phantom.scanner import ct
from fdglung.phantom.scanner.ct import noise_sd_hu, scan_ct, slice_taps
from fdglung.phantom.scanner.ct_rays import WATER_PER_MM, noise_variance

SPACING = (1.0, 1.0, 3.0)


def plane(size=320, spacing=1.0):
    axis = (np.arange(size) - (size - 1) / 2) * spacing
    return axis[None, :], axis[:, None]


def stack(image, slices=12):
    return np.repeat(image.astype(np.float32)[None], slices, axis=0)


def cylinder(water_mm=290.0, *, size=320, slices=12):
    x, y = plane(size)
    return stack(np.where(np.hypot(x, y) < water_mm / 2, 0, -1000), slices)


def scan(hu, *, seed=0, spacing=SPACING, **options):
    settings = {"mas": 50.0, "kernel": "soft", "slice_mm": 3.0} | options
    return scan_ct(hu, spacing, rng=np.random.default_rng(seed), **settings)


def centre(volume, half=24):
    rows, columns = (n // 2 for n in volume.shape[1:])
    return volume[:, rows - half : rows + half, columns - half : columns + half].astype(np.float64)


def noise_power(volume, half=48):
    """Radially averaged noise power and its frequencies in 1 / mm."""
    part = centre(volume, half)
    part -= part.mean(axis=0)
    power = (np.abs(np.fft.fft2(part)) ** 2).mean(axis=0)
    axis = np.fft.fftfreq(2 * half, 1.0)
    radius = np.hypot(axis[:, None], axis[None, :])
    bins = np.arange(0, 0.5, 0.02)
    index = np.digitize(radius.ravel(), bins) - 1
    sums, counts = (np.bincount(index, weights, minlength=len(bins)) for weights in (power.ravel(), None))
    return bins + 0.01, sums[: len(bins)] / counts[: len(bins)]


@pytest.mark.parametrize("kernel", ["soft", "lung"])
@pytest.mark.parametrize("water_mm", [200.0, 290.0])
@pytest.mark.parametrize("mas", [20.0, 50.0])
def test_noise_at_the_centre_of_a_water_cylinder_follows_the_formula(kernel, water_mm, mas):
    measured = centre(scan(cylinder(water_mm), kernel=kernel, mas=mas)).std()
    # by Lambert and Beer: half of the counts' fall, at 70 keV (NIST XCOM: 0.1929 / cm)
    size = np.exp(0.5 * 0.01929 * (water_mm - 290))
    assert measured == pytest.approx(noise_sd_hu(mas=mas, slice_mm=3.0, kernel=kernel) * size, rel=0.05)


def test_the_formula_has_the_customary_figures():
    # 14 HU at 50 mAs, 22 at 20, soft kernel, 3 to 5 mm, 75 kg
    assert noise_sd_hu(mas=50, slice_mm=4, kernel="soft") == pytest.approx(14)
    assert noise_sd_hu(mas=20, slice_mm=4, kernel="soft") == pytest.approx(22, rel=0.02)
    assert 3 <= noise_sd_hu(mas=50, slice_mm=4, kernel="lung") / 14 <= 4


def test_noise_goes_as_the_inverse_root_of_the_charge_and_of_the_slice():
    hu = cylinder(slices=8)
    charges = np.array([10.0, 40.0, 160.0])
    noise = [centre(scan(hu, mas=mas) - hu).std() for mas in charges]
    assert np.polyfit(np.log(charges), np.log(noise), 1)[0] == pytest.approx(-0.5, abs=0.01)
    thicknesses = np.array([1.0, 2.0, 4.0])
    noise = [centre(scan(hu, slice_mm=thickness, spacing=(1, 1, thickness)) - hu).std() for thickness in thicknesses]
    assert np.polyfit(np.log(thicknesses), np.log(noise), 1)[0] == pytest.approx(-0.5, abs=0.01)


@pytest.mark.parametrize("kernel", ["soft", "lung"])
@pytest.mark.parametrize("level", [-820.0, 0.0, 300.0])
def test_mean_numbers_stay(kernel, level):
    x, y = plane()
    hu = stack(np.where(np.hypot(x, y) < 100, level, -1000), 24)
    assert centre(scan(hu, kernel=kernel), 40).mean() == pytest.approx(level, abs=1)


def test_noise_power_is_low_at_zero_and_peaks_where_the_kernel_says():
    for kernel, low, high in (("soft", 0.18, 0.28), ("lung", 0.40, 0.5)):
        frequency, power = noise_power(scan(cylinder(slices=40), kernel=kernel))
        assert low <= frequency[power.argmax()] <= high
        # a ramp has a tenth of its peak within the first 0.02 / mm; the square region's leakage adds a little
        assert power[0] < 0.15 * power.max()
    # soft: the ramp times the square of a Gaussian transfer of 0.45 / mm
    frequency, power = noise_power(scan(cylinder(slices=40)))
    inside = (frequency > 0.06) & (frequency < 0.45)
    expected = frequency * np.exp(-2 * (frequency / 0.45) ** 2)
    ratio = (power / expected)[inside]
    assert ratio / ratio.mean() == pytest.approx(np.ones(inside.sum()), abs=0.08)


def test_local_noise_matches_filtered_back_projection():
    # an independent FBP of Poisson-like noise: 300 x 200 mm of water between two lungs
    size, spacing = 96, 4.0
    x, y = plane(size, spacing)
    hu = np.where((x / 150) ** 2 + (y / 100) ** 2 < 1, 0.0, -1000.0)
    hu[((np.abs(x) - 70) / 45) ** 2 + (y / 70) ** 2 < 1] = -800
    angles = np.arange(0, 180, 2.0)
    integral = radon((1000 + hu) * (WATER_PER_MM / 1000), angles, circle=True) * spacing
    ray = (np.arange(size) - size // 2)[:, None] * spacing
    bowtie = 0.5 * WATER_PER_MM * (320 - 2 * np.sqrt(np.maximum(160.0**2 - ray**2, 0)))
    sigma = np.exp((integral + bowtie) / 2)
    rng = np.random.default_rng(0)
    images = [
        iradon(sigma * rng.standard_normal(sigma.shape), angles, filter_name="hann", circle=True) for _ in range(60)
    ]
    expected = np.var(images, axis=0)
    sectors = noise_variance(stack(hu, 1), (spacing, spacing, 4.0), 290.0)[0]
    found = np.tensordot((0.25, 0.5, 0.25), sectors, 1)

    def at(image, x_mm, y_mm, scale):
        row, column = (round(value / scale + (image.shape[0] - 1) / 2) for value in (y_mm, x_mm))
        reach = max(round(12 / scale), 1)
        return image[row - reach : row + reach + 1, column - reach : column + reach + 1].mean()

    for place in ((70, 0), (-70, 30), (0, 70), (0, -70), (125, 0)):
        ratio = at(expected, *place, 4.0) / at(expected, 0, 0, 4.0)
        assert at(found, *place, 8.0) / at(found, 0, 0, 8.0) == pytest.approx(ratio, rel=0.15), place


def test_lungs_are_quieter_than_the_abdomen():
    x, y = plane(384)
    abdomen = np.where((x / 170) ** 2 + (y / 120) ** 2 < 1, 40, -1000)
    chest = np.where(((np.abs(x) - 75) / 55) ** 2 + (y / 85) ** 2 < 1, -800, abdomen)
    belly = centre(scan(stack(abdomen)), 12).std()
    lung = scan(stack(chest))[:, 180:204, 290:314].astype(float)
    assert lung.std() < 0.55 * belly


def test_shoulders_draw_noise_out_across_the_body():
    x, y = plane(480)
    hu = stack(np.where((np.abs(x) < 225) & (np.abs(y) < 75), 40, -1000), 6)
    part = centre(scan(hu) - hu, 32)
    power = (np.abs(np.fft.fft2(part)) ** 2).mean(axis=0)
    frequency = np.fft.fftfreq(64)
    across, along = np.abs(frequency[None, :]), np.abs(frequency[:, None])
    ring = (np.hypot(across, along) > 0.1) & (np.hypot(across, along) < 0.4)
    assert power[ring & (along > 3 * across)].mean() > 8 * power[ring & (across > 3 * along)].mean()


def test_soft_kernel_blurs_edges_and_lung_kernel_overshoots():
    x, y = plane(256)
    hu = stack(np.where(np.hypot(x, y) < 60, 0, -1000), 6)
    scans = {kernel: scan(hu, kernel=kernel, mas=2000, slice_mm=20.0) for kernel in ("soft", "lung")}
    profiles = {kernel: image[:, 126:130, 128:220].mean((0, 1)) for kernel, image in scans.items()}
    assert profiles["soft"].max() < 15
    assert 60 < profiles["lung"].max() < 300

    def width(profile):
        step = -np.diff(profile)
        return np.abs(step).sum() / np.abs(step).max()

    assert width(profiles["soft"]) > 1.3


def test_a_thick_slice_averages_and_shares_noise_with_its_neighbours():
    hu = cylinder(slices=40)
    image = centre(scan(hu, slice_mm=6.0) - hu, 40)
    # boxes two voxels thick, one apart: weights 1/2, 1, 1/2 overlap by 1 in 3/2
    found = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in pairwise(image)])
    assert found == pytest.approx(2 / 3, abs=0.03)
    image_taps, noise_taps = slice_taps(2.0)
    assert sum(image_taps) == pytest.approx(1)
    assert sum(tap**2 for tap in noise_taps) == pytest.approx(1)
    step = np.full((12, 64, 64), -1000, np.float32)
    step[6:] = 0
    edge = centre(scan(step, slice_mm=6.0, mas=2000), 8).mean((1, 2))
    # the integral of a linear ramp over a box two voxels wide, at half a voxel from the ramp's middle
    assert edge[5] == pytest.approx(-1000 * 0.75, abs=4)
    assert edge[6] == pytest.approx(-1000 * 0.25, abs=4)


def test_coarse_voxels_keep_less_noise():
    fine = centre(scan(cylinder()), 40).std()
    x, y = plane(80, 4.0)
    hu = stack(np.where(np.hypot(x, y) < 145, 0, -1000), 24)
    assert centre(scan(hu, spacing=(4, 4, 3)), 10).std() < 0.6 * fine


def test_beyond_the_field_is_what_scanners_pad_with():
    image = scan(cylinder(slices=4), field_mm=200.0)
    x, y = plane()
    radius = np.hypot(x, y)
    assert (image[:, radius > 101] == -1024).all()
    assert (image[:, radius < 99] > -200).all()
    assert image.dtype == np.int16


def test_numbers_are_clipped():
    x, y = plane(96)
    hu = stack(np.where(np.hypot(x, y) < 20, 5000, -1024), 4)
    image = scan(hu)
    assert image.max() == 3071
    assert image.min() == -1024


def test_metal_darkens_what_lies_between_two_rods():
    x, y = plane(256)
    hu = stack(np.where(np.hypot(x, y) < 110, 40, -1000), 4)
    metal = np.zeros(hu.shape, bool)
    metal[:, (np.hypot(x - 40, y) < 8) | (np.hypot(x + 40, y) < 8)] = True
    hu[metal] = 3071
    difference = scan(hu, metal=metal).astype(float) - scan(hu)
    between = difference[:, 126:130, 118:138].mean()
    beside = difference[:, 98:102, 118:138].mean()
    assert between < -40
    assert between < beside - 40
    assert np.abs(difference[:, :40, :40]).max() < 60
    assert (scan(hu, metal=metal)[metal] >= 2500).all()


def test_the_same_seed_gives_the_same_image_whatever_the_slabs(monkeypatch):
    hu = cylinder(slices=13, size=128, water_mm=100)
    first = scan(hu, slice_mm=5.0)
    monkeypatch.setattr(ct, "_SLAB", 4)
    assert (scan(hu, slice_mm=5.0) == first).all()
    assert (scan(hu, slice_mm=5.0, seed=1) != first).any()


def test_what_is_given_stays_as_it_was():
    hu = cylinder(slices=3, size=64, water_mm=40)
    copy = hu.copy()
    scan(hu)
    assert (hu == copy).all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"mas": 0}, "mas"),
        ({"mas": float("nan")}, "mas"),
        ({"kernel": "bone"}, "kernel"),
        ({"slice_mm": 0.1}, "slice_mm"),
        ({"field_mm": 5}, "field_mm"),
        ({"spacing": (1, 1)}, "spacing_mm"),
        ({"metal": np.zeros((1, 2, 3), bool)}, "metal"),
    ],
)
def test_a_wrong_parameter_is_named(options, named):
    with pytest.raises(ParameterError, match=named):
        scan(cylinder(slices=2, size=32, water_mm=20), **options)


def test_other_arrays_are_refused():
    with pytest.raises(ParameterError, match="hu"):
        scan(np.zeros((2, 32, 32)))
