from __future__ import annotations

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.classification.config import ClassifierConfig
from fdglung.classification.parts import is_radiomics
from fdglung.errors import ParameterError
from fdglung.lungs import LungRegion
from fdglung.phantom.organs import Organ
from fdglung.radiomics import RadiomicsSettings, extract, from_yaml, read_table, to_yaml, write_table
from fdglung.radiomics.perturbation import Perturbation
from fdglung.radiomics.placement import PlacementSettings, placed
from fdglung.radiomics.repetition import repeat
from fdglung.radiomics.settings import from_mapping
from tests.lungs.boxes import STEP, ball, drawn, region
from tests.lungs.chests import chest
from tests.radiomics.points import BARE, settings_of

WITH_LOBES, SIDES_ALONE = PlacementSettings(), PlacementSettings(lungs="sides")
PLACED = replace(settings_of(BARE), placement=WITH_LOBES)
PLACES = {
    1: ((60, 10, 70), {"left", "upper_lobe"}),
    2: ((60, 10, 0), {"left", "lower_lobe"}),
    3: ((-60, -40, 80), {"right", "upper_lobe"}),
    4: ((-60, 40, -10), {"right", "lower_lobe"}),
}
"""Balls in lungs that are boxes, and what is true of them."""

MARKS = {"right", "left", "mediastinum", "upper_lobe", "middle_lobe", "lower_lobe"}


def balls(radius=8):
    labels = sum(label * ball(centre, radius).astype(np.uint8) for label, (centre, _) in PLACES.items())
    return drawn(labels)


def finer(image, factor, pad=0):
    """Return a label image with voxels divided by a factor, and some empty slices more at the end."""
    array = sitk.GetArrayFromImage(image).repeat(factor, 0).repeat(factor, 1).repeat(factor, 2)
    fine = sitk.GetImageFromArray(np.pad(array, [(0, pad)] * 3))
    fine.SetSpacing([step / factor for step in image.GetSpacing()])
    fine.SetOrigin(image.TransformContinuousIndexToPhysicalPoint([(1 / factor - 1) / 2] * 3))
    return fine


def test_marks_and_distances_are_those_of_the_drawing():
    found = placed(None, balls(), list(PLACES), WITH_LOBES, lungs=region()).features
    for label, ((x, _, _), true) in PLACES.items():
        assert {name for name in MARKS if found[label][name] == 1} == true
        assert {found[label][name] for name in MARKS} == {0.0, 1.0}
        # The balls reach from 8 mm nearer to the lung's medial face than their middle; the mediastinum ends at 8.
        assert found[label]["mediastinum_distance_mm"] == pytest.approx(abs(x) - 8 - 8, abs=STEP)
        assert found[label]["lung_distance_mm"] < 0
    # From x = 68 to the lateral face at 90.
    assert found[1]["lung_distance_mm"] == pytest.approx(-22, abs=STEP)
    assert list(found[1]) == list(WITH_LOBES.names)


def test_between_the_lungs_no_lobe_is_the_nearest():
    wide = region()
    array = sitk.GetArrayFromImage(wide.mask)
    array[:, :, 30:70] = 0
    lungs = LungRegion(drawn(array), wide.box_mm, "drawn", lobes=wide.lobes)
    found = placed(None, drawn(ball((0, 0, 20), 9).astype(np.uint8)), [1], WITH_LOBES, lungs=lungs).features[1]
    assert {name for name in MARKS if found[name] == 1} == {"mediastinum"}
    assert found["mediastinum_distance_mm"] == 0


@pytest.mark.parametrize(("factor", "pad"), [(2, 0), (2, 1), (3, 2), (4, 3)])
def test_a_finer_mask_lies_where_the_coarse_one_does(factor, pad):
    coarse = placed(None, balls(), list(PLACES), WITH_LOBES, lungs=region()).features
    fine = placed(None, finer(balls(), factor, pad), list(PLACES), WITH_LOBES, lungs=region()).features
    for label in PLACES:
        for name, value in coarse[label].items():
            assert fine[label][name] == pytest.approx(value, abs=1e-6 if name in MARKS else STEP), name


def test_a_single_fine_voxel_in_the_last_slice_is_not_lost():
    fine = finer(balls(), 2, pad=1)
    fine[fine.GetWidth() - 1, 100, fine.GetDepth() - 1] = 9
    found = placed(None, fine, [1, 9], WITH_LOBES, lungs=region()).features
    assert {name for name in MARKS if found[9][name] == 1} == {"left", "upper_lobe"}
    # The lung's lateral face is at 90 mm, its upper end at 100.
    x, _, z = fine.TransformIndexToPhysicalPoint((fine.GetWidth() - 1, 100, fine.GetDepth() - 1))
    assert found[9]["lung_distance_mm"] == pytest.approx(np.hypot(x - 90, max(0, z - 100)), abs=STEP * 1.5)


def test_a_network_for_sides_tells_no_lobe_and_lungs_without_lobes_leave_it_open():
    lungs = region()
    bare = LungRegion(lungs.mask, lungs.box_mm, "drawn")
    assert not any(name.endswith("_lobe") for name in placed(None, balls(), [1], SIDES_ALONE, lungs=lungs).features[1])
    found = placed(None, balls(), [1], WITH_LOBES, lungs=bare).features[1]
    assert {name for name, value in found.items() if math.isnan(value)} == {"upper_lobe", "middle_lobe", "lower_lobe"}
    assert found["left"] == 1


@pytest.mark.parametrize("lungs_there", [True, False])
def test_what_is_not_known_is_no_number_and_is_told(lungs_there):
    mask = balls()
    air = sitk.Image(mask.GetSize(), sitk.sitkInt16) - 1000
    air.CopyInformation(mask)
    nothing = drawn(np.zeros(mask.GetSize()[::-1], np.uint8))
    ct = air if lungs_there else None
    found = placed(ct, mask, [1], WITH_LOBES)
    assert all(math.isnan(value) for value in found.features[1].values())
    assert len(found.warnings) == 1
    assert ("There is no CT" in found.warnings[0]) is not lungs_there
    assert all(
        math.isnan(value) for value in placed(None, nothing, [1], WITH_LOBES, lungs=region()).features[1].values()
    )


def test_the_table_has_them_behind_the_features_with_what_they_mean(tmp_path):
    mask = balls()
    ct = sitk.Cast(mask > 0, sitk.sitkFloat32) * 900 - 850
    table = extract({"CT": ct}, mask, PLACED, lungs=region(), workers=1)
    names = [f"PLACEMENT_{name}" for name in WITH_LOBES.names]
    assert list(table.names)[-len(names) :] == names
    assert table.lesions[0].features["PLACEMENT_left"] == 1
    write_table(table, tmp_path / "features.csv")
    again = read_table(tmp_path / "features.csv")
    assert again.names == table.names
    assert again.settings == PLACED
    np.testing.assert_array_equal(again.values, table.values)
    with (tmp_path / "features.columns.csv").open(newline="", encoding="utf-8") as stream:
        told = {row["column"]: row for row in csv.DictReader(stream)}
    assert all(told[name]["description"] for name in names)
    assert told["PLACEMENT_hilum_distance_mm"]["unit"] == "mm"
    # The other features are the same as without.
    bare = extract({"CT": ct}, mask, settings_of(BARE), workers=1)
    assert bare.names == tuple(name for name in table.names if name not in names)
    np.testing.assert_array_equal(bare.values, table.values[:, : len(bare.names)])


def test_a_ct_without_lungs_costs_the_other_features_nothing():
    mask = balls()
    ct = sitk.Cast(mask > 0, sitk.sitkFloat32) * 900 - 850
    lesion = extract({"CT": ct}, mask, PLACED, labels=[2], workers=1).lesions[0]
    assert lesion.status == "ok"
    assert any("in the lungs is not known" in text for text in lesion.warnings)
    assert math.isnan(lesion.features["PLACEMENT_left"])


def test_the_network_for_lobes_tells_where_lesions_of_a_synthetic_chest_lie():
    true = {
        Organ.RIGHT_UPPER_LOBE: {"right", "upper_lobe"},
        Organ.RIGHT_LOWER_LOBE: {"right", "lower_lobe"},
        Organ.LEFT_UPPER_LOBE: {"left", "upper_lobe"},
        Organ.LEFT_LOWER_LOBE: {"left", "lower_lobe"},
    }
    study = chest()
    mask = sitk.Image(study.ct_organs.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(study.ct_organs)
    for label, lobe in enumerate(true, start=1):
        # The voxel of the lobe that is farthest from all else.
        depth = sitk.SignedMaurerDistanceMap(study.ct_organs == int(lobe), insideIsPositive=True, useImageSpacing=True)
        deepest = sitk.GetArrayViewFromImage(depth)
        index = np.unravel_index(int(deepest.argmax()), deepest.shape)
        mask[[int(n) for n in index[::-1]]] = label
    found = placed(study.ct, mask, [1, 2, 3, 4], WITH_LOBES)
    for label, marks in enumerate(true.values(), start=1):
        assert {name for name in MARKS if found.features[label][name] == 1} == marks
        assert found.features[label]["lung_distance_mm"] < 0
    assert any("synthetic CTs alone" in text for text in found.warnings)


def test_repetitions_take_the_lungs_of_the_ct_as_it_is(monkeypatch):
    seen = []

    def once(ct, settings):
        seen.append(settings)
        return region()

    monkeypatch.setattr("fdglung.radiomics.repetition.lungs_of", once)
    mask = balls()
    ct = sitk.Cast(mask > 0, sitk.sitkFloat32) * 900 - 850
    tables = repeat({"CT": ct}, mask, [Perturbation(noise=1, seed=1), Perturbation()], PLACED, workers=1)
    assert seen == [WITH_LOBES]
    first, second = (table.lesions[0].features for table in tables)
    assert first["PLACEMENT_hilum_distance_mm"] == second["PLACEMENT_hilum_distance_mm"]
    assert first["PLACEMENT_left"] == 1


def test_settings_with_placement_are_read_as_written_and_without_it_are_those_of_before():
    for preprocessing in ({}, {"preprocessing": "pyradiomics", "pyradiomics": {"CT": {"imageType": {"Original": {}}}}}):
        settings = from_mapping({**preprocessing, "placement": {"lungs": "sides"}})
        assert settings.placement == SIDES_ALONE
        assert from_yaml(to_yaml(settings)) == settings
        digests = {from_mapping({**preprocessing, "placement": one}).digest for one in (None, {}, {"lungs": "sides"})}
        assert len(digests) == 3
        assert from_mapping({**preprocessing, "placement": None}).digest == from_mapping(preprocessing).digest


@pytest.mark.parametrize(
    ("given", "attribute"),
    [({"lungs": "thresholds"}, "placement.lungs"), ({"organ": 1}, "placement.organ"), (True, "placement")],
)
def test_a_placement_that_cannot_be_is_refused_by_its_key(given, attribute):
    with pytest.raises(ParameterError) as error:
        from_mapping({"placement": given})
    assert error.value.attribute == attribute
    with pytest.raises(ParameterError) as error:
        RadiomicsSettings(placement={"lungs": "lobes"})
    assert error.value.attribute == "placement"


def test_a_classifier_takes_them_as_features_and_no_centre_has_an_effect_on_them():
    assert "PLACEMENT_" in ClassifierConfig().features
    names = ["PET_suv_max", "PLACEMENT_left", "STUDY_max_PLACEMENT_left", "STUDY_max_PET_suv_max"]
    assert is_radiomics(names).tolist() == [True, False, False, True]
