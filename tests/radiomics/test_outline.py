from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.classification.tables import lesions_of_table
from fdglung.radiomics import RadiomicsSettings, extract, read_table, write_table
from fdglung.radiomics.label_images import on_grid_of
from fdglung.radiomics.outline import outlines
from fdglung.radiomics.perturbation import Perturbation
from fdglung.radiomics.repetition import repeat
from fdglung.radiomics.settings import AlignmentSettings, OutlineSettings
from tests.radiomics.points import BARE, FLIPPED, OBLIQUE, of_size, settings_of

LUNG, TISSUE, GLASS = -850.0, 40.0, -620.0
DEFAULT = OutlineSettings()
OPEN = replace(DEFAULT, closing_mm=0)
"""Without closing, a ball's own voxels are the outline, to the last."""
OUTLINED = replace(BARE, outline=DEFAULT)
FINE = {"spacing": (1, 1, 2), "size": (70, 70, 35)}

image_of, mask_of = of_size((30, 30, 30))


def ball(centre=(0, 0, 0), radius=9.0, axes=(1, 1, 1)):
    """Return where an ellipsoid is; `axes` stretch it."""
    return lambda points: np.linalg.norm((points - np.array(centre)) / np.array(axes), axis=1) <= radius


def rod(axis=0, radius=4.0, start=0.0):
    """Return where a vessel from the middle along an axis is."""
    across = [i for i in range(3) if i != axis]
    return lambda points: (np.linalg.norm(points[:, across], axis=1) <= radius) & (points[:, axis] >= start)


def either(*parts):
    return lambda points: np.any([part(points) for part in parts], axis=0)


def hu(part, value=TISSUE, about=LUNG):
    return lambda points: np.where(part(points), value, about)


def labels_of(*parts, **grid):
    """Return a label image, 1, 2 … in the order of its parts."""

    def at(points):
        found = np.zeros(len(points))
        for label, part in enumerate(parts, start=1):
            found[part(points)] = label
        return found

    return mask_of(at, **grid)


def voxels(mask, ct):
    """Return a mask (z, y, x) on the CT's grid."""
    return sitk.GetArrayFromImage(on_grid_of(mask, ct)) > 0


def outline(ct, seed, settings=DEFAULT):
    """Return the outline of one lesion (z, y, x) on the CT's grid, and whether it has one."""
    found = outlines(ct, {1: seed}, settings)[1]
    return voxels(found.mask, ct), found.outlined


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


SEEDS = {
    "too large": {"radius": 12},
    "too small": {"radius": 6},
    "a voxel off": {"centre": (3, 0, -3)},
}


@pytest.mark.parametrize("seed", SEEDS.values(), ids=list(SEEDS))
@pytest.mark.parametrize("value", [TISSUE, GLASS])
@pytest.mark.parametrize("axes", [(1, 1, 1), (1.4, 0.8, 1)])
def test_a_lesion_in_the_lung_is_outlined_by_its_own_voxels(seed, value, axes):
    true = ball(axes=axes)
    ct = image_of(hu(true, value))
    drawn = mask_of(ball(**{"radius": 9, **seed}, axes=axes))
    found, outlined = outline(ct, drawn, OPEN)
    assert outlined
    assert not np.array_equal(voxels(drawn, ct), found)
    np.testing.assert_array_equal(found, voxels(mask_of(true), ct))
    # Closing rounds steps of the voxels off, and nothing more.
    assert dice(outline(ct, drawn)[0], found) > 0.97


@pytest.mark.parametrize(
    ("ct_grid", "mask_grid"),
    [
        (FINE, {"spacing": (4, 4, 3), "size": (20, 20, 25)}),
        ({"direction": OBLIQUE}, {}),
        ({"direction": FLIPPED, **FINE}, {"direction": OBLIQUE}),
        ({"spacing": (0.8, 0.8, 5), "size": (90, 90, 15)}, {"spacing": (5, 5, 4), "size": (16, 16, 20)}),
    ],
)
def test_an_outline_is_the_same_on_any_grid(ct_grid, mask_grid):
    """Where voxels are small, what takes their noise away rounds edges of the ball's voxels off too."""
    true = ball((1, -2, 2))
    ct = image_of(hu(true), **ct_grid)
    found, outlined = outline(ct, mask_of(ball((3, 0, 0), radius=11), **mask_grid), OPEN)
    assert outlined
    truth = voxels(mask_of(true, **ct_grid), ct)
    assert dice(found, truth) > 0.98
    assert np.array_equal(found, truth) or "spacing" in ct_grid


@pytest.mark.parametrize("grid", [{}, FINE], ids=["coarse", "fine"])
@pytest.mark.parametrize("value", [TISSUE, GLASS])
def test_a_blurred_and_noisy_ball_is_outlined_better_than_it_was_drawn(grid, value):
    """Noise of 60 HU; the edge lies within a voxel's half diagonal where the seed's is 3 mm off."""
    random = np.random.default_rng(3)
    true = ball(radius=10)
    ct = sitk.SmoothingRecursiveGaussian(image_of(hu(true, value), **grid), 1.0)
    noise = sitk.GetImageFromArray(random.normal(0, 60, ct.GetSize()[::-1]).astype(np.float32))
    noise.CopyInformation(ct)
    ct = ct + noise
    drawn, truth = mask_of(ball(radius=13), **grid), voxels(mask_of(true, **grid), ct)
    found, outlined = outline(ct, drawn)
    assert outlined
    assert dice(voxels(drawn, ct), truth) < 0.65
    assert dice(found, truth) > 0.9


def wall(points):
    return points[:, 0] > 12


@pytest.mark.parametrize("grid", [{}, FINE], ids=["coarse", "fine"])
def test_a_lesion_at_the_chest_wall_does_not_grow_into_it(grid):
    """The ball reaches 1 mm into the wall; what an outline takes of it is no more than its mask holds and a rim."""
    true = ball((4, 0, 0))
    ct = image_of(hu(either(true, wall)), **grid)
    drawn = mask_of(ball((4, 0, 0), radius=11), **grid)
    found, outlined = outline(ct, drawn)
    truth, behind = voxels(mask_of(true, **grid), ct), voxels(mask_of(wall, **grid), ct)
    held = voxels(drawn, ct)
    assert outlined
    assert np.count_nonzero(found & behind) <= 1.1 * np.count_nonzero(held & behind)
    assert dice(found & ~behind, truth & ~behind) > 0.93
    # Without the wall's part of the mask to go by, a threshold alone would take all of the wall that is within reach.
    assert np.count_nonzero(behind & voxels(mask_of(ball((4, 0, 0), radius=17), **grid), ct)) > 3 * np.count_nonzero(
        found & behind
    )


@pytest.mark.parametrize("grid", [{}, FINE], ids=["coarse", "fine"])
def test_a_vessel_is_not_followed_far(grid):
    true = ball()
    ct = image_of(hu(either(true, rod(radius=3.2))), **grid)
    found, outlined = outline(ct, mask_of(ball(), **grid), OPEN)
    assert outlined
    places = sitk.GetArrayFromImage(sitk.PhysicalPointSource(sitk.sitkVectorFloat64, *_grid_of(ct)))
    assert places[found][:, 0].max() <= 9 + DEFAULT.reach_mm / 2
    assert dice(found, voxels(mask_of(true, **grid), ct)) > 0.95


def _grid_of(image):
    return image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection()


def test_a_cavity_and_air_in_a_bronchus_belong_to_the_lesion():
    solid = ball(radius=14)
    truth = mask_of(solid)
    for hole in (ball(radius=9), rod(axis=2, radius=3.5)):
        ct = image_of(lambda points, hole=hole: np.where(hole(points), -950.0, hu(solid)(points)))
        found, outlined = outline(ct, truth)
        assert outlined
        assert dice(found, voxels(truth, ct)) > 0.97
    # The bronchus runs out of the lesion, so that filling holes alone does not do.
    assert not (outline(ct, truth, OPEN)[0] & voxels(mask_of(hole), ct)).any()


def test_a_hollow_mask_of_a_lesion_that_is_dead_within_is_filled():
    """The hollow is deeper than the outline reaches beyond the mask, and open to one side."""
    grid = {"size": (40, 40, 40)}
    true = ball(radius=20)
    ct = image_of(hu(true), **grid)
    dead = either(ball(radius=9), rod(radius=4))
    drawn = mask_of(lambda points: true(points) & ~dead(points), **grid)
    found, outlined = outline(ct, drawn)
    assert outlined
    assert dice(found, voxels(mask_of(true, **grid), ct)) > 0.97
    assert dice(voxels(drawn, ct), voxels(mask_of(true, **grid), ct)) < 0.95


def test_two_lesions_do_not_merge():
    """A ball, of which two masks hold a part each: alone the first would take all of it."""
    whole = ball()
    ct = image_of(hu(whole))
    masks = {1: mask_of(ball((-2, 0, 0), radius=6)), 2: mask_of(ball((6, 0, 0), radius=2.9))}
    first, second = (voxels(one.mask, ct) for one in outlines(ct, masks, OPEN).values())
    alone = voxels(outlines(ct, {1: masks[1]}, OPEN)[1].mask, ct)
    held = [voxels(mask, ct) for mask in masks.values()]
    np.testing.assert_array_equal(alone, voxels(mask_of(whole), ct))
    assert (alone & held[1]).any()
    assert not (first & (second | held[1])).any()
    assert not (second & held[0]).any()
    assert np.count_nonzero(first) > 1.3 * np.count_nonzero(held[0])


def test_masks_that_overlap_keep_what_they_hold():
    one, other = ball((-4, 0, 0)), ball((4, 0, 0))
    ct = image_of(hu(either(one, other)))
    found = outlines(ct, {1: mask_of(one), 2: mask_of(other)}, DEFAULT)
    for label, part in ((1, one), (2, other)):
        np.testing.assert_array_equal(voxels(found[label].mask, ct), voxels(mask_of(part), ct))


@pytest.mark.parametrize("about", [TISSUE, TISSUE - 0.9 * DEFAULT.least_contrast_hu])
def test_without_contrast_the_mask_stays(about):
    ct = image_of(hu(ball(), about=about))
    drawn = mask_of(ball((3, 0, 0), radius=11))
    kept = outlines(ct, {1: drawn}, DEFAULT)[1]
    assert not kept.outlined
    assert kept.mask is drawn
    lower = replace(DEFAULT, least_contrast_hu=0.8 * DEFAULT.least_contrast_hu)
    assert outline(ct, drawn, lower)[1] == (about < TISSUE)


def test_a_mask_in_the_lung_with_no_lesion_in_it_stays():
    ct = image_of(lambda points: np.full(len(points), LUNG))
    assert not outline(ct, mask_of(ball()))[1]


@pytest.mark.parametrize("centre", [(0, 0, 200), (0, 0, 46)])
def test_a_mask_outside_the_ct_stays(centre):
    ct = image_of(hu(ball()), size=(30, 30, 28))
    drawn = mask_of(ball(centre, radius=3), size=(30, 30, 150))
    found = outlines(ct, {1: drawn}, DEFAULT)[1]
    assert not found.outlined
    assert found.mask is drawn


def test_an_empty_mask_and_an_image_that_a_mask_fills_do_no_harm():
    ct = image_of(lambda points: points[:, 0], size=(3, 2, 4))
    full, empty = (mask_of(lambda points, v=v: np.full(len(points), v), size=(3, 2, 4)) for v in (1, 0))
    found = outlines(ct, {1: full, 2: empty}, DEFAULT)
    assert not found[1].outlined
    assert not found[2].outlined


def test_a_slice_alone_is_outlined():
    grid = {"size": (30, 30, 1)}
    true = ball(radius=12)
    ct = image_of(hu(true), **grid)
    found, outlined = outline(ct, mask_of(ball(radius=15), **grid), OPEN)
    assert outlined
    np.testing.assert_array_equal(found, voxels(mask_of(true, **grid), ct))


def test_a_voxel_that_is_no_number_counts_as_air():
    true = ball()
    ct = image_of(hu(true))
    broken = sitk.Image(ct)
    broken[ct.TransformPhysicalPointToIndex((13.5, 1.5, 1.5))] = math.nan
    drawn = mask_of(ball(radius=12))
    np.testing.assert_array_equal(outline(broken, drawn)[0], outline(ct, drawn)[0])


def test_reach_bounds_the_outline():
    grid = {"size": (40, 40, 40)}
    ct = image_of(hu(ball(radius=20)), **grid)
    drawn = mask_of(ball(radius=12), **grid)
    found, outlined = outline(ct, drawn, replace(DEFAULT, shell_mm=(15, 30)))
    assert outlined
    most = voxels(mask_of(ball(radius=12 + DEFAULT.reach_mm), **grid), ct)
    assert found.any()
    assert not (found & ~most).any()
    far, _ = outline(ct, drawn, replace(OPEN, shell_mm=(15, 30), reach_mm=15))
    np.testing.assert_array_equal(far, voxels(mask_of(ball(radius=20), **grid), ct))


DRAWN = (ball((-14, 0, 0), radius=11), ball((14, 3, 0), radius=7))
TRUE = (ball((-14, 0, 0), radius=9), ball((14, 3, 0), radius=9))


@pytest.mark.parametrize(
    "ct_settings", [OUTLINED, replace(OUTLINED, shells_mm=((0, 4), (4, 12)), spacing_mm=(2, 2, 2))]
)
def test_features_are_those_of_the_outline_given_as_the_cts_own_mask(ct_settings):
    ct = image_of(hu(either(*TRUE)))
    table = extract({"CT": ct}, labels_of(*DRAWN), settings_of(ct_settings), workers=1)
    masks = {label: mask_of(part) for label, part in enumerate(DRAWN, start=1)}
    found = outlines(ct, masks, DEFAULT)
    own = sum((label * voxels(one.mask, ct) for label, one in found.items()), np.zeros(ct.GetSize()[::-1], np.uint8))
    image = sitk.GetImageFromArray(own.astype(np.uint8))
    image.CopyInformation(ct)
    bare = settings_of(replace(ct_settings, outline=None))
    same, left = (extract({"CT": ct}, mask, bare, workers=1) for mask in (image, labels_of(*DRAWN)))
    assert table.names == same.names
    np.testing.assert_allclose(table.values, same.values, rtol=1e-9)
    assert not np.allclose(table.values, left.values, equal_nan=True)
    assert [one.outlined for one in table.lesions] == [{"CT": True}, {"CT": True}]
    assert [one.status for one in table.lesions] == ["ok", "ok"]
    assert left.lesions[0].outlined == {}


def test_a_mask_is_aligned_first_and_outlined_there():
    true = ball((0, 0, 12))
    ct = image_of(hu(true), size=(30, 30, 40))
    both = replace(OUTLINED, alignment=AlignmentSettings(), outline=OPEN)
    drawn = mask_of(ball(radius=11), size=(30, 30, 40))
    lesion = extract({"CT": ct}, drawn, settings_of(both), workers=1).lesions[0]
    assert lesion.shifts_mm["CT"] == pytest.approx((0, 0, 12), abs=1.5)
    assert lesion.outlined == {"CT": True}
    same = extract({"CT": ct}, mask_of(true, size=(30, 30, 40)), settings_of(BARE), workers=1).lesions[0]
    assert lesion.features == pytest.approx(same.features, nan_ok=True)


def test_the_pet_keeps_the_mask_as_drawn():
    images = {"PET": image_of(lambda p: 5.0 + ball(radius=12)(p)), "CT": image_of(hu(ball()))}
    settings = RadiomicsSettings(modalities={"PET": BARE, "CT": replace(BARE, outline=OPEN)}, families=("stat",))
    lesion = extract(images, mask_of(ball(radius=12)), settings, workers=1).lesions[0]
    assert lesion.features["PET_original_stat_mean_Q4LE"] == 6
    assert lesion.features["PET_mtv_ml"] == pytest.approx(
        0.027 * np.count_nonzero(voxels(mask_of(ball(radius=12)), images["CT"]))
    )
    assert lesion.features["CT_original_stat_mean_Q4LE"] == TISSUE
    assert list(lesion.outlined) == ["CT"]


def test_the_table_tells_what_was_outlined_in_a_column_that_is_no_feature(tmp_path):
    """The second lesion has no contrast."""
    soft = ball((60, 0, 0), radius=25)
    grid = {"size": (60, 30, 30)}
    ct = image_of(hu(either(ball((-20, 0, 0)), soft)), **grid)
    lesions = labels_of(ball((-20, 0, 0), radius=11), ball((62, 0, 0)), **grid)
    both = replace(OUTLINED, alignment=AlignmentSettings())
    table = extract({"CT": ct}, lesions, settings_of(both), workers=1)
    assert [one.outlined for one in table.lesions] == [{"CT": True}, {"CT": False}]
    assert not any("outline" in warning for one in table.lesions for warning in one.warnings)
    for ending in ("csv", "parquet"):
        write_table(table, tmp_path / ending / f"features.{ending}")
        again = read_table(tmp_path / ending / f"features.{ending}")
        assert [one.outlined for one in again.lesions] == [one.outlined for one in table.lesions]
        assert [one.shifts_mm for one in again.lesions] == [one.shifts_mm for one in table.lesions]
        assert again.names == table.names
        assert again.settings == table.settings
        assert "outlined_CT" not in lesions_of_table(again).names
    with (tmp_path / "csv" / "features.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["outlined_CT"]) for row in rows] == [1, 0]
    assert list(rows[0])[7] == "outlined_CT"
    with (tmp_path / "csv" / "features.columns.csv").open(newline="", encoding="utf-8") as stream:
        meanings = {one["column"]: one for one in csv.DictReader(stream)}
    assert meanings["outlined_CT"]["modality"] == "CT"
    assert "outline" in meanings["outlined_CT"]["description"]
    bare = extract({"CT": ct}, lesions, settings_of(BARE), workers=1)
    write_table(bare, tmp_path / "bare.csv")
    assert "outlined" not in (tmp_path / "bare.csv").read_text(encoding="utf-8")


def test_a_mask_partly_outside_the_ct_still_says_so():
    ct = image_of(hu(ball((0, 0, 42))), size=(30, 30, 30))
    lesions = mask_of(ball((0, 0, 42), radius=11), size=(30, 30, 60))
    lesion = extract({"CT": ct}, lesions, settings_of(OUTLINED), workers=1).lesions[0]
    assert lesion.outlined == {"CT": True}
    assert any("lie outside the CT" in warning for warning in lesion.warnings)


def test_kept_results_are_those_of_the_outline(tmp_path):
    ct, mask = image_of(hu(ball())), mask_of(ball(radius=12))
    short = replace(BARE, outline=replace(DEFAULT, window_hu=(-1000, -400), closing_mm=0))
    ways = {
        "left": BARE,
        "outlined": OUTLINED,
        "aligned": replace(OUTLINED, alignment=AlignmentSettings()),
        "cut": short,
    }
    for one in ways.values():
        extract({"CT": ct}, mask, settings_of(one), workers=1, cache=tmp_path / "kept")
    for one in ways.values():
        kept, new = (
            extract({"CT": ct}, mask, settings_of(one), workers=1, cache=cache) for cache in (tmp_path / "kept", None)
        )
        np.testing.assert_array_equal(kept.values, new.values)
        assert kept.lesions[0].outlined == new.lesions[0].outlined


def test_kept_results_are_not_taken_where_another_lesion_changes_the_outline(tmp_path):
    ct = image_of(hu(either(ball((-9, 0, 0)), ball((9, 0, 0)))))
    pair = labels_of(ball((-9, 0, 0), radius=7.5), ball((9, 0, 0), radius=7.5))
    volumes = [
        extract({"CT": ct}, lesions, settings_of(OUTLINED), labels=[1], workers=1, cache=tmp_path)
        .lesions[0]
        .features["CT_original_morph_vol_approx_YEKZ"]
        for lesions in (pair, sitk.Cast(pair == 1, sitk.sitkUInt8))
    ]
    assert volumes[0] < volumes[1]


def test_perturbed_images_hold_all_that_outlining_looks_at():
    ct, mask = image_of(hu(ball())), mask_of(ball(radius=12))
    (same,) = repeat({"CT": ct}, mask, [Perturbation()], settings_of(OUTLINED), workers=1)
    plain = extract({"CT": ct}, mask, settings_of(OUTLINED), workers=1)
    np.testing.assert_allclose(same.values, plain.values, rtol=1e-9)
