import dataclasses
import itertools

import numpy as np
import pytest
import SimpleITK as sitk
import torch

from fdglung.errors import ParameterError
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.scanner.nema import EARL_BANDS, recovery, sphere_phantom
from fdglung.phantom.scanner.noise import Noise
from fdglung.phantom.scanner.pet import scan
from fdglung.phantom.scanner.texture import autocorrelation_fwhm
from fdglung.phantom.shapes import Grid

CLINICAL = Noise(277.5e6)
"""3.7 MBq/kg and 75 kg, 60 min, 120 s."""

EARL = Noise(2000 * 75000, uptake_s=0, bed_seconds=300)
"""2 kBq/ml in the background."""

ELLIPSE = sphere_phantom(contrast=1.0, spacing_mm=4.0, length_mm=80.0, scale=1.15)
MCT = SCANNERS["siemens_mct"]
CLAIMED = [(s, r) for s in SCANNERS.values() for r in s.reconstructions if r.earl is not None]
SHIFTS = ((0.0, 0.0, 0.0), (1.3, 0.7, 0.9), (-1.1, 1.9, -1.2))


def pet_grid(reconstruction, *, across_mm=372.0, along_mm=60.0, shift=(0.0, 0.0, 0.0)):
    pixel, step = reconstruction.voxel_mm
    many, slices = int(across_mm / pixel) | 1, int(along_mm / step) | 1
    origin = [
        -(many - 1) / 2 * pixel + shift[0],
        -(many - 1) / 2 * pixel + shift[1],
        -(slices - 1) / 2 * step + shift[2],
    ]
    return Grid((origin[0], origin[1], origin[2]), (pixel, pixel, step), (many, many, slices))


def make(phantom, reconstruction, *, scanner=MCT, noise=None, seed=0, grid=None, **options):
    image = scan(
        phantom.activity,
        phantom.mu,
        scanner=scanner,
        reconstruction=reconstruction,
        grid=pet_grid(reconstruction) if grid is None else grid,
        noise=noise,
        rng=np.random.default_rng(seed),
        **options,
    )
    return image


def values(image):
    return sitk.GetArrayFromImage(image)


def ellipse_part(grid, low, high, scale=1.15):
    x, y, z = grid.coordinates(tuple(slice(0, many) for many in grid.shape))
    radius = np.sqrt((x / (150 * scale)) ** 2 + (y / (115 * scale)) ** 2) + 0 * z
    return (radius >= low) & (radius < high)


def deviation(stack, part):
    """Standard deviation over realisations, root mean square over a part of all slices."""
    return float(np.sqrt(stack.var(axis=0, ddof=1)[part].mean()))


@pytest.mark.parametrize(
    ("scanner", "reconstruction"), CLAIMED, ids=lambda part: getattr(part, "key", None) or part.name
)
def test_recovery_lies_in_the_earl_bands_that_a_reconstruction_claims(scanner, reconstruction):
    phantom = sphere_phantom(length_mm=80.0)
    found = [
        recovery(
            make(
                phantom,
                reconstruction,
                scanner=scanner,
                noise=EARL,
                seed=seed,
                grid=pet_grid(reconstruction, across_mm=320, along_mm=50, shift=shift),
            ),
            phantom,
        )
        for seed, shift in enumerate(SHIFTS)
    ]
    for kind in ("mean", "max"):
        for measured, (low, high) in zip(
            np.mean([each[kind] for each in found], axis=0), EARL_BANDS[reconstruction.earl][kind], strict=True
        ):
            assert low <= measured <= high


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scanner", "reconstruction"), CLAIMED, ids=lambda part: getattr(part, "key", None) or part.name
)
def test_recovery_of_the_reference_lies_in_the_same_bands(scanner, reconstruction):
    phantom = sphere_phantom(length_mm=80.0)
    found = []
    for seed, shift in enumerate(SHIFTS):
        grid = pet_grid(reconstruction, across_mm=320, along_mm=50, shift=shift)
        image = make(phantom, reconstruction, scanner=scanner, noise=EARL, seed=seed, grid=grid, tier="reference")
        found.append(recovery(image, phantom))
    for kind in ("mean", "max"):
        for measured, (low, high) in zip(
            np.mean([each[kind] for each in found], axis=0), EARL_BANDS[reconstruction.earl][kind], strict=True
        ):
            assert low <= measured <= high


@pytest.mark.parametrize(("tier", "index"), list(itertools.product(("bulk", "reference"), (0, 1))))
def test_large_regions_keep_their_suv(tier, index):
    reconstruction = MCT.reconstructions[index]
    grid = pet_grid(reconstruction, along_mm=40)
    for noise in (None, CLINICAL):
        image = values(make(ELLIPSE, reconstruction, noise=noise, grid=grid, tier=tier))
        assert image[ellipse_part(grid, 0, 0.85)].mean() == pytest.approx(1, abs=0.01)


def test_noise_falls_as_the_square_root_of_the_dose():
    reconstruction = MCT.reconstructions[1]
    grid = pet_grid(reconstruction)
    inner = ellipse_part(grid, 0, 0.6)
    factors = np.array([1, 2, 5, 10])
    found = []
    for factor in factors:
        noise = dataclasses.replace(CLINICAL, dose_factor=float(factor))
        image = values(make(ELLIPSE, reconstruction, noise=noise, grid=grid))
        found.append(image[inner].std() / image[inner].mean())
    # fewer randoms at a lower dose make the fall a little slower
    assert np.polyfit(np.log(factors), np.log(found), 1)[0] == pytest.approx(0.5, abs=0.05)


def test_a_liver_is_as_noisy_as_in_the_clinic():
    grid = Grid((-170.0, -130.0, -60.0), (4.0, 4.0, 4.0), (86, 66, 31))
    x, y, z = grid.coordinates((slice(0, 31), slice(0, 66), slice(0, 86)))
    body = (np.sqrt((x / 165) ** 2 + (y / 120) ** 2) + 0 * z) < 1
    liver = (np.sqrt(((x + 70) / 75) ** 2 + (y / 85) ** 2) + 0 * z) < 1
    activity, mu = (sitk.GetImageFromArray(v.astype(np.float32)) for v in (0.8 * body + 1.2 * liver, 0.096 * body))
    for image in (activity, mu):
        image.SetOrigin(grid.origin_mm)
        image.SetSpacing(grid.spacing_mm)
    covs = []
    for reconstruction in MCT.reconstructions:
        pet = pet_grid(reconstruction, along_mm=100)
        found = values(
            scan(
                activity,
                mu,
                scanner=MCT,
                reconstruction=reconstruction,
                grid=pet,
                noise=CLINICAL,
                rng=np.random.default_rng(3),
            )
        )
        px, py, pz = pet.coordinates(tuple(slice(0, many) for many in pet.shape))
        voi = (px + 70) ** 2 + py**2 + pz**2 < 40**2
        assert found[voi].mean() == pytest.approx(2, rel=0.02)
        covs.append(found[voi].std() / found[voi].mean())
    # the limit that departments keep is 15 %
    assert all(0.08 < cov < 0.15 for cov in covs)
    assert 0.09 < np.mean(covs) < 0.13


def test_noise_grows_with_the_mass_of_the_patient():
    # signal to noise goes as the root of the counts over the mass (10.1186/2191-219X-3-63)
    reconstruction = MCT.reconstructions[1]
    covs = []
    for weight in (60, 100):
        # mass as the cross-section
        scale = 1.15 * (weight / 75) ** 0.5
        phantom = sphere_phantom(contrast=1.0, spacing_mm=4.0, length_mm=80.0, scale=scale)
        grid = pet_grid(reconstruction, across_mm=460)
        noise = dataclasses.replace(CLINICAL, weight_kg=float(weight))
        image = values(make(phantom, reconstruction, noise=noise, grid=grid))
        inner = ellipse_part(grid, 0, 0.5, scale)
        covs.append(image[inner].std() / image[inner].mean())
    exponent = np.log(covs[1] / covs[0]) / np.log(100 / 60)
    assert exponent == pytest.approx(1, abs=0.35)


@pytest.mark.parametrize("index", [0, 1])
def test_noise_of_both_tiers_agrees_in_size_place_and_texture(index):
    reconstruction = MCT.reconstructions[index]
    grid = pet_grid(reconstruction, along_mm=80)
    found = {}
    for tier in ("bulk", "reference"):
        stack = np.stack(
            [
                values(make(ELLIPSE, reconstruction, noise=CLINICAL, seed=seed, grid=grid, tier=tier))
                for seed in range(3)
            ]
        )[:, 5:-5]
        centre, edge = (deviation(stack, ellipse_part(grid, *part)[5:-5]) for part in ((0, 0.3), (0.75, 0.9)))
        middle, half = grid.size[0] // 2, 14
        box = stack[:, :, middle - half : middle + half, middle - half : middle + half]
        found[tier] = (centre, centre / edge, *autocorrelation_fwhm(box, grid.spacing_mm))
    for bulk, reference in zip(found["bulk"], found["reference"], strict=True):
        assert bulk == pytest.approx(reference, rel=0.1)
    assert found["reference"][1] > 1.15


def test_values_stay_positive_and_unbiased_at_a_hundredth_of_the_dose():
    reconstruction = MCT.reconstructions[1]
    grid = pet_grid(reconstruction)
    image = values(make(ELLIPSE, reconstruction, noise=dataclasses.replace(CLINICAL, dose_factor=100), grid=grid))
    inner = image[ellipse_part(grid, 0, 0.85)]
    assert image.min() >= 0
    assert inner.mean() == pytest.approx(1, abs=0.1)
    assert inner.std() > 0.6


def test_a_cold_place_is_overestimated_the_more_the_fewer_the_counts_in_both_tiers():
    reconstruction = MCT.reconstructions[1]
    activity = values(ELLIPSE.activity).copy()
    where = Grid(ELLIPSE.activity.GetOrigin(), ELLIPSE.activity.GetSpacing(), ELLIPSE.activity.GetSize())
    x, y, _ = where.coordinates(tuple(slice(0, many) for many in where.shape))
    activity[np.broadcast_to(x**2 + y**2 < 30**2, activity.shape)] = 0
    cold = sitk.GetImageFromArray(activity)
    cold.CopyInformation(ELLIPSE.activity)
    phantom = dataclasses.replace(ELLIPSE, activity=cold)
    grid = pet_grid(reconstruction, along_mm=30)
    px, py, pz = grid.coordinates(tuple(slice(0, many) for many in grid.shape))
    hole = np.broadcast_to(px**2 + py**2 + 0 * pz < 14**2, grid.shape)
    found = {}
    for tier in ("bulk", "reference"):
        found[tier] = []
        for noise in (None, CLINICAL, dataclasses.replace(CLINICAL, dose_factor=50)):
            images = [
                make(phantom, reconstruction, noise=noise, seed=seed, grid=grid, tier=tier)
                for seed in range(1 if noise is None else 3)
            ]
            found[tier].append(np.mean([values(image)[hole].mean() for image in images]))
        clean, full, fiftieth = found[tier]
        assert clean < full < fiftieth
    assert found["bulk"] == pytest.approx(found["reference"], abs=0.1)


@pytest.mark.parametrize("tier", ["bulk", "reference"])
def test_the_same_seed_gives_the_same_bytes(tier):
    reconstruction = MCT.reconstructions[0]
    grid = pet_grid(reconstruction, along_mm=20)
    first, second, other = (
        values(make(ELLIPSE, reconstruction, noise=CLINICAL, seed=seed, grid=grid, tier=tier)) for seed in (5, 5, 6)
    )
    assert first.tobytes() == second.tobytes()
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("tier", ["bulk", "reference"])
def test_the_number_of_threads_changes_no_byte(tier):
    found, before = set(), torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            for reconstruction in MCT.reconstructions:
                grid = pet_grid(reconstruction, along_mm=60 if tier == "bulk" else 10)
                image = make(ELLIPSE, reconstruction, noise=CLINICAL, grid=grid, tier=tier)
                found.add((reconstruction.name, values(image).tobytes()))
    finally:
        torch.set_num_threads(before)
    assert len(found) == len(MCT.reconstructions)


@pytest.mark.parametrize("index", [0, 1])
def test_a_finer_grid_shows_the_scanners_own_noise_and_recovery(index):
    reconstruction = MCT.reconstructions[index]
    spheres = sphere_phantom(length_mm=80.0)
    fine = dataclasses.replace(reconstruction, voxel_mm=(2.0, 2.0))
    found = []
    for layout in (reconstruction, fine):
        grid = pet_grid(layout)
        stack = np.stack([values(make(ELLIPSE, reconstruction, noise=CLINICAL, seed=s, grid=grid)) for s in range(3)])
        assert stack.mean(axis=0)[ellipse_part(grid, 0, 0.85)].mean() == pytest.approx(1, abs=0.01)
        spread = deviation(stack, ellipse_part(grid, 0, 0.5))
        middle, half = grid.size[0] // 2, round(56 / grid.spacing_mm[0])
        box = stack[:, :, middle - half : middle + half, middle - half : middle + half]
        widths = autocorrelation_fwhm(box, grid.spacing_mm)
        grids = [pet_grid(layout, across_mm=320, along_mm=50, shift=shift) for shift in SHIFTS]
        curves = [recovery(make(spheres, reconstruction, grid=grid), spheres) for grid in grids]
        coefficients = np.mean([[*each["mean"][:5], *each["max"][:5]] for each in curves], axis=0)
        found.append([spread, *widths, *coefficients])
    assert found[1] == pytest.approx(found[0], rel=0.06)


@pytest.mark.parametrize("tier", ["bulk", "reference"])
def test_a_grid_of_half_the_voxels_holds_the_image_of_the_scanners_own(tier):
    reconstruction = MCT.reconstructions[1]
    pixel, step = reconstruction.voxel_mm
    own = Grid((-45.5 * pixel, -45.5 * pixel, -4.5 * step), (pixel, pixel, step), (92, 92, 10))
    fine = Grid((-45.75 * pixel, -45.75 * pixel, -4.75 * step), (pixel / 2, pixel / 2, step / 2), (184, 184, 20))
    images = [values(make(ELLIPSE, reconstruction, noise=CLINICAL, grid=grid, tier=tier)) for grid in (own, fine)]
    means = images[1].reshape(10, 2, 92, 2, 92, 2).mean(axis=(1, 3, 5))
    part = ellipse_part(own, 0, 0.9)
    assert np.corrcoef(means[part], images[0][part])[0, 1] > 0.99
    assert images[1].mean() == pytest.approx(images[0].mean(), rel=1e-3)


def thorax():
    """Elliptical chest, 36 x 24 cm, with lungs, mediastinum and one lesion in the left lung."""
    grid = Grid((-190.0, -130.0, -28.0), (4.0, 4.0, 4.0), (96, 66, 15))
    x, y, z = grid.coordinates((slice(0, 15), slice(0, 66), slice(0, 96)))

    def inside(cx, cy, a, b):
        return (np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2) + 0 * z) < 1

    activity, mu = 0.7 * inside(0, 0, 180, 120), 0.096 * inside(0, 0, 180, 120)
    for side in (-90, 90):
        activity[inside(side, 0, 58, 84)], mu[inside(side, 0, 58, 84)] = 0.5, 0.028
    activity[inside(0, -18, 30, 50)] = 1.8
    lesion = (x - 90) ** 2 + y**2 + z**2 < 12**2
    activity[lesion], mu[lesion] = 4.5, 0.096
    images = []
    for each in (activity, mu):
        image = sitk.GetImageFromArray(each.astype(np.float32))
        image.SetOrigin(grid.origin_mm)
        image.SetSpacing(grid.spacing_mm)
        images.append(image)
    return images


def test_without_correction_deep_places_are_dim_and_lung_lesions_lose_contrast():
    activity, mu = thorax()
    reconstruction = dataclasses.replace(MCT.reconstructions[1], filter_fwhm_mm=4.0)
    grid = Grid((-200.0, -200.0, -28.0), (4.0, 4.0, 4.0), (101, 101, 15))
    x, y, z = grid.coordinates(tuple(slice(0, many) for many in grid.shape))
    flat = (np.abs(z) < 6) & np.ones(grid.shape, bool)
    parts = {
        "lung": flat & (((x + 90) / 30) ** 2 + (y / 50) ** 2 < 1),
        "lesion": (x - 90) ** 2 + y**2 + z**2 < 7**2,
        "mediastinum": flat & ((x / 20) ** 2 + ((y + 18) / 35) ** 2 < 1),
    }
    measured = {}
    for tier in ("bulk", "reference"):
        corrected, plain = (
            values(
                scan(
                    activity,
                    mu,
                    scanner=MCT,
                    reconstruction=reconstruction,
                    grid=grid,
                    noise=None,
                    rng=np.random.default_rng(0),
                    tier=tier,
                    attenuation_corrected=wanted,
                )
            )
            for wanted in (True, False)
        )
        ratio = {name: plain[part].mean() / corrected[part].mean() for name, part in parts.items()}
        contrast = [image[parts["lesion"]].mean() / image[parts["lung"]].mean() for image in (corrected, plain)]
        # figures of an earlier projection of a chest of this size, whose lungs were not quite these
        assert ratio["lung"] == pytest.approx(0.35, rel=0.15)
        assert ratio["lesion"] == pytest.approx(0.17, rel=0.15)
        assert ratio["mediastinum"] == pytest.approx(0.077, rel=0.15)
        assert contrast[0] == pytest.approx(9, rel=0.03)
        assert contrast[1] == pytest.approx(4.4, rel=0.1)
        measured[tier] = [*ratio.values(), *contrast]
    assert measured["bulk"] == pytest.approx(measured["reference"], rel=0.07)


@pytest.mark.parametrize("tier", ["bulk", "reference"])
def test_a_map_that_is_not_the_body_shifts_the_values_as_its_lines_do(tier):
    # a disc of radius R corrected for k too much: lines of L exp(k L), whose image is known power by power of k
    radius, excess = 15.0, 0.04 * 0.096
    grid = Grid((-160.0, -160.0, -10.0), (4.0, 4.0, 4.0), (81, 81, 6))
    x, y, z = grid.coordinates((slice(0, 6), slice(0, 81), slice(0, 81)))
    disc = (np.clip(0.5 + (10 * radius - np.sqrt(x**2 + y**2)) / 4, 0, 1) + 0 * z).astype(np.float32)
    activity = sitk.GetImageFromArray(disc)
    activity.SetOrigin(grid.origin_mm)
    activity.SetSpacing(grid.spacing_mm)
    image = scan(
        activity,
        activity * (0.096 + excess),
        scanner=MCT,
        reconstruction=MCT.reconstructions[1],
        grid=grid,
        noise=None,
        rng=np.random.default_rng(0),
        tier=tier,
        body=activity * 0.096,
    )
    centre = np.broadcast_to(x**2 + y**2 + 0 * z < 15**2, grid.shape)
    reach = excess * radius
    expected = 1 + 8 / np.pi * reach + 3 * reach**2
    assert values(image)[centre].mean() == pytest.approx(expected, rel=0.01)


def test_ct_numbers_and_coefficients_give_the_same():
    reconstruction = MCT.reconstructions[1]
    grid = pet_grid(reconstruction, along_mm=20)
    hu = sitk.Cast((ELLIPSE.mu / 0.096 - 1) * 1000, sitk.sitkInt16)
    arguments = {"scanner": MCT, "reconstruction": reconstruction, "grid": grid, "noise": CLINICAL}
    first, second = (
        values(scan(ELLIPSE.activity, each, rng=np.random.default_rng(1), **arguments)) for each in (hu, ELLIPSE.mu)
    )
    assert first == pytest.approx(second, rel=2e-3, abs=1e-4)


def test_the_grid_may_cut_the_body():
    reconstruction = MCT.reconstructions[1]
    whole = pet_grid(reconstruction, along_mm=20)
    part = Grid(
        (whole.origin_mm[0] + 30 * whole.spacing_mm[0], *whole.origin_mm[1:]), whole.spacing_mm, (40, 91, whole.size[2])
    )
    cut = values(make(ELLIPSE, reconstruction, grid=part))
    full = values(make(ELLIPSE, reconstruction, grid=whole))
    assert cut == pytest.approx(full[:, :, 30:70], abs=2e-3)


def test_bad_parameters_are_named():
    reconstruction = MCT.reconstructions[1]
    grid = pet_grid(reconstruction, along_mm=20)
    with pytest.raises(ParameterError, match="tier"):
        make(ELLIPSE, reconstruction, grid=grid, tier="middling")
    with pytest.raises(ParameterError, match="grid"):
        make(ELLIPSE, reconstruction, grid=dataclasses.replace(grid, spacing_mm=(4.0, 3.0, 3.0)))
    with pytest.raises(ParameterError, match="hu_or_mu"):
        make(dataclasses.replace(ELLIPSE, mu=ELLIPSE.mu * float("nan")), reconstruction, grid=grid)
    cold = dataclasses.replace(ELLIPSE, activity=ELLIPSE.activity - 1)
    with pytest.raises(ParameterError, match="activity"):
        make(cold, reconstruction, grid=grid)
