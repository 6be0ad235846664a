from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.classification.tables import lesions_of_table
from fdglung.radiomics import RadiomicsSettings, extract, read_table, write_table
from fdglung.radiomics.alignment import align
from fdglung.radiomics.settings import AlignmentSettings
from tests.radiomics.points import BARE, FLIPPED, OBLIQUE, STRAIGHT, of_size, settings_of

LUNG, TISSUE = -850.0, 50.0
LYING = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Slices along the patient's y axis."""
DEFAULT = AlignmentSettings()
ALIGNED = replace(BARE, alignment=DEFAULT)

image_of, mask_of = of_size((40, 40, 40))


def balls(*centres, radius=9.0):
    """Return labels 1, 2 … in balls."""

    def at(points):
        found = np.zeros(len(points))
        for label, centre in enumerate(centres, start=1):
            found[np.linalg.norm(points - np.array(centre), axis=1) <= radius] = label
        return found

    return at


def hu(labels):
    return lambda points: np.where(labels(points) > 0, TISSUE, LUNG)


def only(found, label=1):
    return np.array(found[label].shift_mm)


@pytest.mark.parametrize(
    ("ct_grid", "mask_grid"),
    [
        ({}, {}),
        ({"spacing": (1.5, 1.5, 4), "size": (80, 80, 30)}, {}),
        ({"direction": OBLIQUE}, {"spacing": (4, 4, 4), "size": (30, 30, 30)}),
        ({"direction": FLIPPED}, {"direction": OBLIQUE, "spacing": (4, 4, 3)}),
        ({"spacing": (2, 2, 2), "size": (60, 60, 60)}, {"direction": FLIPPED, "spacing": (5, 5, 4)}),
    ],
)
@pytest.mark.parametrize("shift", [(0.0, 0.0, 9.0), (-4.0, 3.5, -10.0), (6.0, -6.0, 5.0)])
def test_a_ball_is_found_within_half_a_step_on_any_grid(ct_grid, mask_grid, shift):
    start = np.array([2.0, -3.0, 1.0])
    ct = image_of(hu(balls(start + shift)), **ct_grid)
    found = align(ct, mask_of(balls(start), **mask_grid), DEFAULT, labels=[1])
    assert np.linalg.norm(only(found) - shift) <= DEFAULT.step_mm / 2


def test_between_the_steps_the_parabola_is_nearer_than_the_nearest_step():
    shift = np.array([0.0, 0.0, 7.4])
    fine = {"spacing": (1, 1, 1), "size": (60, 60, 60)}
    found = align(image_of(hu(balls(shift)), **fine), mask_of(balls((0, 0, 0)), **fine), DEFAULT, labels=[1])
    # The nearest steps of 3 mm are 6 and 9 mm.
    assert np.linalg.norm(only(found) - shift) < 0.7


def test_a_ball_in_its_place_stays_and_nothing_is_told():
    labels = balls((1, 2, 3))
    found = align(image_of(hu(labels)), mask_of(labels), DEFAULT, labels=[1])
    assert found[1].shift_mm == (0, 0, 0)
    assert found[1].warning is None


def test_in_a_uniform_image_and_in_noise_below_the_least_gain_nothing_moves():
    mask = mask_of(balls((0, 0, 0)))
    assert align(image_of(lambda points: np.full(len(points), 40.0)), mask, DEFAULT, labels=[1])[1].shift_mm == (
        0,
        0,
        0,
    )
    random = np.random.default_rng(1)
    noise = image_of(lambda points: random.normal(-100, 20, len(points)))
    assert align(noise, mask, DEFAULT, labels=[1])[1].shift_mm == (0, 0, 0)
    eager = AlignmentSettings(hu_per_mm=0, least_gain_hu=0)
    assert align(noise, mask, eager, labels=[1])[1].shift_mm != (0, 0, 0)


@pytest.mark.parametrize("direction", [STRAIGHT, LYING], ids=["straight", "lying"])
@pytest.mark.parametrize(("along", "factor"), [((0, 0, 1), 1.0), ((1, 0, 0), 2.0), ((0, 1, 0), 2.0)])
def test_what_a_shift_costs_decides_where_it_outweighs_the_contrast(along, factor, direction):
    """A ball 24 mm off gains 900 HU: its mask and shell are wholly in the lung before."""
    away = 24.0 * np.array(along)
    ct = image_of(hu(balls(away, radius=6)), direction=direction)
    mask = mask_of(balls((0, 0, 0), radius=6), direction=direction)
    limit = 900 / (24 * factor)
    wide = {"search_mm": 30, "transverse_factor": 2, "least_gain_hu": 0}
    assert only(align(ct, mask, AlignmentSettings(hu_per_mm=0.98 * limit, **wide), labels=[1])) == pytest.approx(away)
    assert not only(align(ct, mask, AlignmentSettings(hu_per_mm=1.02 * limit, **wide), labels=[1])).any()
    dear = {**wide, "hu_per_mm": 0.5 * limit, "least_gain_hu": 445}
    assert only(align(ct, mask, AlignmentSettings(**dear), labels=[1])) == pytest.approx(away)
    assert not only(align(ct, mask, AlignmentSettings(**{**dear, "least_gain_hu": 455}), labels=[1])).any()


def test_what_lies_beyond_the_window_counts_as_its_end():
    """A piece of metal does not outweigh the lesion."""
    lesion, metal = balls((0, 0, 6)), balls((0, 0, -15), radius=7)
    ct = image_of(lambda points: np.where(metal(points) > 0, 3000.0, hu(lesion)(points)))
    mask = mask_of(balls((0, 0, 0)))
    assert only(align(ct, mask, DEFAULT, labels=[1])) == pytest.approx([0, 0, 6], abs=1.5)
    open_window = replace(DEFAULT, window_hu=(-900, 3000))
    assert only(align(ct, mask, open_window, labels=[1]))[2] < 0


def test_two_lesions_near_each_other_move_each_to_its_own():
    shift = np.array([0.0, 3.0, 9.0])
    drawn = [(-12.0, 0, 0), (12.0, 0, 0)]
    ct = image_of(hu(balls(*(np.array(one) + shift for one in drawn))))
    found = align(ct, mask_of(balls(*drawn)), DEFAULT, labels=[1, 2])
    for label in (1, 2):
        assert only(found, label) == pytest.approx(shift, abs=1.5)
        assert found[label].warning is None


def test_a_lesion_beside_counts_as_no_surroundings():
    """The first of two that touch is not seen. No mask can gain more than 900 HU on plain lung in its shell."""
    ct, mask = image_of(hu(balls((0, 0, 18)))), mask_of(balls((0, 0, 0), (0, 0, 18)))
    strict = AlignmentSettings(hu_per_mm=0, least_gain_hu=901)
    assert align(ct, mask, strict, labels=[1])[1].shift_mm == (0, 0, 0)
    assert align(ct, mask, replace(strict, least_gain_hu=890), labels=[1])[1].shift_mm != (0, 0, 0)
    alone = sitk.Cast(mask == 1, sitk.sitkUInt8)
    assert align(ct, alone, strict, labels=[1])[1].shift_mm != (0, 0, 0)


def test_a_large_move_and_one_to_the_border_of_the_search_are_told():
    ct, mask = image_of(hu(balls((0, 0, 15)))), mask_of(balls((0, 0, 0)))
    far = align(ct, mask, DEFAULT, labels=[1])[1]
    assert "moved by 15.0 mm (x 0.0, y 0.0, z 15.0)" in far.warning
    assert "searched" not in far.warning
    cut = align(ct, mask, replace(DEFAULT, search_mm=9), labels=[1])[1]
    assert math.hypot(*cut.shift_mm) <= 9
    assert "as far as was searched (9 mm)" in cut.warning
    corner = align(
        image_of(hu(balls((9, 9, 9)))), mask, replace(DEFAULT, search_mm=9, transverse_factor=1), labels=[1]
    )[1]
    assert 0 < math.hypot(*corner.shift_mm) <= 9
    near = align(image_of(hu(balls((0, 0, 6)))), mask, DEFAULT, labels=[1])[1]
    assert near.shift_mm != (0, 0, 0)
    assert near.warning is None


def test_a_mask_that_no_ct_lies_at_stays_and_says_so():
    ct = image_of(hu(balls((0, 0, 0))), size=(12, 12, 12))
    found = align(ct, mask_of(balls((0, 0, 45))), DEFAULT, labels=[1])[1]
    assert found.shift_mm == (0, 0, 0)
    assert "no CT lies at it" in found.warning


def test_a_mask_moves_to_the_edge_of_the_ct_and_not_beyond():
    edge = 60.0
    touching = image_of(hu(balls((0, 0, edge - 9))))
    drawn = mask_of(balls((0, 0, edge - 21)))
    assert only(align(touching, drawn, DEFAULT, labels=[1])) == pytest.approx([0, 0, 12], abs=1.5)
    # Half of the ball lies beyond the CT, and the mask must not.
    half = image_of(hu(balls((0, 0, edge))))
    shift = only(align(half, drawn, DEFAULT, labels=[1]))
    assert 12 - 1.5 <= shift[2] <= 12 + 1.5


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 2, 4)])
def test_an_image_smaller_than_the_search_and_a_mask_that_fills_it_do_no_harm(size):
    ct = image_of(lambda points: points[:, 0], size=size)
    found = align(ct, mask_of(lambda points: np.ones(len(points)), size=size), DEFAULT, labels=[1])[1]
    assert found.shift_mm == (0, 0, 0)
    assert found.warning


def test_a_lesion_of_less_than_a_voxel_is_aligned():
    fine = {"spacing": (1, 1, 1), "size": (60, 60, 60)}
    ct = image_of(hu(balls((0.5, 0.5, 6.5), radius=2)), **fine)
    mask = mask_of(balls((0.5, 0.5, 0.5), radius=0.4), **fine)
    assert sitk.GetArrayViewFromImage(mask).sum() == 1
    assert only(align(ct, mask, DEFAULT, labels=[1])) == pytest.approx([0, 0, 6], abs=1.5)
    # A plate of half a millimetre, of which no cube of 3 mm is half full.
    thin = {"spacing": (1, 1, 0.5), "size": (60, 60, 120)}

    def square(points, z, half):
        return (np.abs(points[:, 2] - z) < half) & (np.abs(points[:, :2]) < 6).all(axis=1)

    plate = mask_of(lambda p: square(p, 1.25, 0.1), **thin)
    thick = image_of(hu(lambda p: square(p, 10.25, 2)), **thin)
    assert only(align(thick, plate, DEFAULT, labels=[1])) == pytest.approx([0, 0, 9], abs=1.5)


def test_a_label_that_the_mask_does_not_hold_is_left_out():
    ct, mask = image_of(hu(balls((0, 0, 0)))), mask_of(balls((0, 0, 0)))
    assert list(align(ct, mask, DEFAULT, labels=[1, 7])) == [1]


SHIFTS = ((0.0, 3.0, -9.0), (-6.0, 0.0, 12.0))
DRAWN = ((-15.0, 0, 0), (18.0, 3, 0))
CUT = AlignmentSettings(search_mm=6)
VOLUME = "CT_original_morph_vol_approx_YEKZ"
THERE = tuple(tuple(np.add(a, b)) for a, b in zip(DRAWN, SHIFTS, strict=True))


@pytest.mark.parametrize("ct_settings", [ALIGNED, replace(ALIGNED, shells_mm=((0, 4), (4, 12)), spacing_mm=(2, 2, 2))])
def test_features_are_those_of_a_mask_drawn_where_the_lesion_lies(ct_settings):
    """Balls in plain lung, so that the parabola is even and shifts are whole voxels."""
    ct = image_of(hu(balls(*THERE)))
    moved = extract({"CT": ct}, mask_of(balls(*DRAWN)), settings_of(ct_settings), workers=1)
    assert [one.shifts_mm["CT"] for one in moved.lesions] == [pytest.approx(shift) for shift in SHIFTS]
    unaligned = settings_of(replace(ct_settings, alignment=None))
    true = extract({"CT": ct}, mask_of(balls(*THERE)), unaligned, workers=1)
    left = extract({"CT": ct}, mask_of(balls(*DRAWN)), unaligned, workers=1)
    assert moved.names == true.names
    np.testing.assert_allclose(moved.values, true.values, rtol=1e-9)
    assert not np.allclose(left.values, true.values, equal_nan=True)
    assert [one.status for one in moved.lesions] == ["ok", "ok"]
    assert left.lesions[0].shifts_mm == {}


def test_a_shift_between_voxels_moves_the_grid_of_the_mask_and_nothing_is_interpolated_twice():
    random = np.random.default_rng(5)
    labels = balls((2, 1, 7))
    ct = image_of(lambda points: hu(labels)(points) + random.normal(0, 40, len(points)))
    mask = mask_of(balls((0, 0, 0)))
    found = extract({"CT": ct}, mask, settings_of(ALIGNED), workers=1).lesions[0]
    shift = np.array(found.shifts_mm["CT"])
    assert np.abs(shift / 3 - np.rint(shift / 3)).max() > 0.01
    mask.SetOrigin((np.array(mask.GetOrigin()) + shift).tolist())
    same = extract({"CT": ct}, mask, settings_of(BARE), workers=1).lesions[0]
    assert found.features == same.features


def test_masks_that_meet_on_the_ct_keep_all_their_voxels():
    """Two lesions that were drawn apart, one CT lesion between them: both masks move onto it."""
    ct = image_of(hu(balls((0, 0, 0))))
    table = extract({"CT": ct}, mask_of(balls((0, 0, -12), (0, 0, 12))), settings_of(ALIGNED), workers=1)
    assert [one.shifts_mm["CT"] for one in table.lesions] == [pytest.approx((0, 0, 12)), pytest.approx((0, 0, -12))]
    for one, other in zip(table.lesions, (2, 1), strict=True):
        assert f"came to lie on that of lesion {other}: check both" in " ".join(one.warnings)
    means, volumes = ([one.features[name] for one in table.lesions] for name in ("CT_original_stat_mean_Q4LE", VOLUME))
    assert means == [TISSUE, TISSUE]
    alone = extract({"CT": ct}, mask_of(balls((0, 0, 0))), settings_of(BARE), workers=1).lesions[0]
    assert volumes == pytest.approx([alone.features[VOLUME]] * 2)


def test_the_pet_keeps_the_mask_where_it_was_drawn():
    images = {"PET": image_of(lambda p: 5.0 + balls((0, 0, 0))(p)), "CT": image_of(hu(balls((0, 0, 9))))}
    settings = RadiomicsSettings(modalities={"PET": BARE, "CT": ALIGNED}, families=("stat",))
    lesion = extract(images, mask_of(balls((0, 0, 0))), settings, workers=1).lesions[0]
    assert lesion.features["PET_suv_mean"] == 6
    assert lesion.features["PET_original_stat_mean_Q4LE"] == 6
    assert lesion.features["CT_original_stat_mean_Q4LE"] == TISSUE
    assert list(lesion.shifts_mm) == ["CT"]


def test_the_table_tells_the_shift_in_columns_that_are_no_features(tmp_path):
    ct = image_of(hu(balls((0, 3, 12))))
    table = extract({"CT": ct}, mask_of(balls((0, 0, 0))), settings_of(ALIGNED), workers=1)
    assert "moved by 12.4 mm" in table.lesions[0].warnings[0]
    columns = [f"aligned_CT_{axis}_mm" for axis in "xyz"]
    for ending in ("csv", "parquet"):
        write_table(table, tmp_path / ending / f"features.{ending}")
        again = read_table(tmp_path / ending / f"features.{ending}")
        assert again.lesions[0].shifts_mm == table.lesions[0].shifts_mm
        assert again.names == table.names
        assert again.settings == table.settings
        assert not set(columns) & set(lesions_of_table(again).names)
    with (tmp_path / "csv" / "features.csv").open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert [float(row[name]) for name in columns] == pytest.approx([0, 3, 12])
    assert list(row)[4:7] == columns
    with (tmp_path / "csv" / "features.columns.csv").open(newline="", encoding="utf-8") as stream:
        meanings = {one["column"]: one for one in csv.DictReader(stream)}
    assert [(meanings[name]["modality"], meanings[name]["unit"]) for name in columns] == [("CT", "mm")] * 3
    bare = extract({"CT": ct}, mask_of(balls((0, 0, 0))), settings_of(BARE), workers=1)
    write_table(bare, tmp_path / "bare.csv")
    assert "aligned" not in (tmp_path / "bare.csv").read_text(encoding="utf-8")


def test_kept_results_are_those_of_the_move(tmp_path):
    ct, mask = image_of(hu(balls((0, 0, 9)))), mask_of(balls((0, 0, 0)))
    ways = (("left", BARE), ("moved", ALIGNED), ("cut", replace(ALIGNED, alignment=CUT)))
    for _, one in ways:
        extract({"CT": ct}, mask, settings_of(one), workers=1, cache=tmp_path / "kept")
    tables = {
        (name, cache): extract({"CT": ct}, mask, settings_of(one), workers=1, cache=cache)
        for cache in (tmp_path / "kept", None)
        for name, one in ways
    }
    means = {key: table.lesions[0].features["CT_original_stat_mean_Q4LE"] for key, table in tables.items()}
    assert len(set(means.values())) == 3
    for name in ("left", "moved", "cut"):
        assert means[name, tmp_path / "kept"] == means[name, None]
        kept, new = (tables[name, cache] for cache in (tmp_path / "kept", None))
        np.testing.assert_array_equal(kept.values, new.values)
        assert kept.lesions[0].shifts_mm == new.lesions[0].shifts_mm
        assert kept.lesions[0].warnings == new.lesions[0].warnings


def test_kept_results_are_not_taken_where_another_lesion_changes_the_move(tmp_path):
    """As above: beside the second lesion the first stays, alone it moves."""
    ct, mask = image_of(hu(balls((0, 0, 18)))), mask_of(balls((0, 0, 0), (0, 0, 18)))
    settings = settings_of(replace(BARE, alignment=AlignmentSettings(hu_per_mm=0, least_gain_hu=901)))
    means = [
        extract({"CT": ct}, lesions, settings, labels=[1], workers=1, cache=tmp_path)
        .lesions[0]
        .features["CT_original_stat_mean_Q4LE"]
        for lesions in (mask, sitk.Cast(mask == 1, sitk.sitkUInt8))
    ]
    assert means[0] < -800
    assert means[1] > 0


@pytest.mark.parametrize("ct_settings", [BARE, ALIGNED])
def test_kept_shells_are_those_of_the_lesions_beside(tmp_path, ct_settings):
    settings = settings_of(replace(ct_settings, shells_mm=((0, 9),)))
    centres = [(0, 0, 0), (0, 0, 21)]
    ct = image_of(hu(balls(*centres)))
    name = "CT_shell-0-0-9-0-mm-3D_stat_max_84IY"
    for cache in (None, tmp_path):
        found = [
            extract({"CT": ct}, mask_of(balls(*drawn)), settings, labels=[1], workers=1, cache=cache).lesions[0]
            for drawn in (centres[:1], centres)
        ]
        assert [one.features[name] for one in found] == [TISSUE, LUNG]


def test_a_voxel_that_is_no_number_counts_where_the_lesion_lies_on_the_ct():
    ct = image_of(hu(balls((0, 0, 12))))
    drawn = ct.TransformPhysicalPointToIndex((0.0, 0.0, -6.0))
    there = ct.TransformPhysicalPointToIndex((0.0, 0.0, 15.0))
    status = {}
    for place in (drawn, there):
        broken = sitk.Image(ct)
        broken[place] = math.nan
        lesion = extract({"CT": broken}, mask_of(balls((0, 0, 0))), settings_of(ALIGNED), workers=1).lesions[0]
        assert lesion.shifts_mm["CT"] == pytest.approx((0, 0, 12), abs=1.5)
        status[place] = lesion.status
    assert status[drawn] == "ok"
    assert status[there] == "CT: A voxel in or at the lesion is no finite number"


def test_a_mask_of_two_voxels_keeps_them_where_its_lesion_lies_between_the_steps():
    """Half a voxel off, two voxels in a row half fill their neighbours, and none is in the mask."""
    mask = mask_of(lambda points: np.zeros(len(points)))
    mask[20, 20, 20] = mask[21, 20, 20] = 1
    middle = np.mean([mask.TransformIndexToPhysicalPoint((x, 20, 20)) for x in (20, 21)], axis=0)
    ct = image_of(hu(balls(np.add(middle, (0.0, 1.4, 7.4)), radius=4)))
    (found,) = extract({"CT": ct}, mask, settings_of(ALIGNED), workers=1).lesions
    assert found.status == "ok"
    assert found.shifts_mm["CT"] != (0, 0, 0)
    assert all(step % 3 == 0 for step in found.shifts_mm["CT"])
    assert found.features[VOLUME] == 2 * 27
