from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.radiomics import RadiomicsSettings, extract, from_yaml, to_yaml, write_table
from fdglung.radiomics.jobs import Result
from fdglung.radiomics.settings import ImageSettings, from_mapping
from tests.radiomics.lesions import placed

CT = ImageSettings(bin_width=25, shells_mm=((0, 4), (4, 8)))
SETTINGS = RadiomicsSettings(modalities={"CT": CT}, families=("stat", "ih", "cm"))
NEAR, FAR = "CT_shell-0-0-4-0-mm-3D", "CT_shell-4-0-8-0-mm-3D"


def features_of(ct, labels, settings=SETTINGS, *, spacing_mm=2.0, label=1):
    images = {"CT": placed(np.asarray(ct, np.float32), spacing_mm)}
    table = extract(images, placed(np.asarray(labels, np.uint8), spacing_mm), settings, workers=1)
    return next(one for one in table.lesions if one.label == label).features


def test_shells_of_a_slab_are_the_slices_beside_it():
    """Slices of 2 mm with the values 0, 10, 20 …: up to 4 mm from the slab lie two on each side, then two more."""
    ct = np.broadcast_to(10.0 * np.arange(24)[:, None, None], (24, 9, 9))
    labels = np.zeros(ct.shape)
    labels[10:13] = 1
    features = features_of(ct, labels)
    near, far = [80, 90, 130, 140], [60, 70, 150, 160]
    for name, values in ((NEAR, near), (FAR, far)):
        assert features[f"{name}_stat_mean_Q4LE"] == pytest.approx(np.mean(values))
        assert features[f"{name}_stat_var_ECT3"] == pytest.approx(np.var(values))
        assert [features[f"{name}_stat_{one}"] for one in ("min_1GSF", "max_84IY")] == [min(values), max(values)]
    assert features["CT_original_stat_mean_Q4LE"] == 110


def test_shells_of_a_ball_are_those_of_itks_distance_map():
    random = np.random.default_rng(3)
    ct = random.normal(0, 100, (40, 40, 40)).astype(np.float32)
    ball = np.linalg.norm(np.indices(ct.shape) - 20.0, axis=0) <= 5
    features = features_of(ct, ball, spacing_mm=1.5)
    mask = placed(ball.astype(np.uint8), 1.5)
    distance = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(mask, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    )
    # ITK measures from the ball's own outermost voxels, as we do from the nearest voxel of the lesion.
    for name, low, high in ((NEAR, 0, 4), (FAR, 4, 8)):
        values = ct[~ball & (distance > low) & (distance <= high + 1e-5)].astype(np.float64)
        assert features[f"{name}_stat_mean_Q4LE"] == pytest.approx(values.mean(), rel=1e-9)
        assert features[f"{name}_stat_energy_N8CA"] == pytest.approx(np.dot(values, values), rel=1e-9)


def test_another_lesion_belongs_to_no_shell():
    random = np.random.default_rng(4)
    ct = random.normal(0, 50, (30, 30, 30))
    labels = np.zeros(ct.shape)
    labels[12:16, 12:16, 12:16] = 1
    labels[12:16, 12:16, 17:20] = 2
    hot = np.where(labels == 2, 1e6, ct)
    assert features_of(ct, labels) == features_of(hot, labels)
    assert features_of(hot, labels == 1)[f"{NEAR}_stat_max_84IY"] == 1e6


def test_a_shell_without_a_voxel_has_no_features_and_the_rest_has():
    ct, labels = np.zeros((6, 6, 6)), np.ones((6, 6, 6))
    ct[0] = 1
    features = features_of(ct, labels)
    assert not [name for name in features if "shell" in name]
    assert features["CT_original_stat_max_84IY"] == 1
    labels[:, :, 4:] = 0
    assert {name.split("_")[1] for name in features_of(ct, labels)} == {"original", "shell-0-0-4-0-mm-3D"}


def test_shells_come_after_the_lesion_without_textures_and_change_nothing_else():
    random = np.random.default_rng(5)
    ct = random.normal(0, 50, (30, 30, 30))
    labels = np.zeros(ct.shape)
    labels[12:17, 12:18, 12:19] = 1
    bare = features_of(ct, labels, replace(SETTINGS, modalities={"CT": replace(CT, shells_mm=())}))
    features = features_of(ct, labels)
    assert list(features)[: len(bare)] == list(bare)
    assert {name: features[name] for name in bare} == bare
    # 18 statistics and 23 of the histogram (IBSI), twice.
    assert len(features) - len(bare) == 2 * (18 + 23)


def test_the_columns_of_a_shell_say_what_they_are(tmp_path):
    random = np.random.default_rng(6)
    ct, labels = random.normal(0, 50, (20, 20, 20)), np.zeros((20, 20, 20), np.uint8)
    labels[8:12, 8:12, 8:12] = 1
    images = {"CT": placed(ct.astype(np.float32), 2.0)}
    write_table(extract(images, placed(labels, 2.0), SETTINGS, workers=1), tmp_path / "features.csv")
    with (tmp_path / "features.columns.csv").open(newline="", encoding="utf-8") as stream:
        row = next(one for one in csv.reader(stream) if one[0] == f"{NEAR}_stat_mean_Q4LE")
    assert row[1:6] == ["CT", "shell-0-0-4-0-mm-3D", "stat_mean", "Q4LE", "HU"]


def test_settings_with_shells_are_read_as_they_were_written():
    assert from_yaml(to_yaml(SETTINGS)) == SETTINGS
    assert from_mapping({"modalities": {"CT": {"shells_mm": [[0, 4], [4, 8]]}}}).modalities["CT"].shells_mm == (
        (0.0, 4.0),
        (4.0, 8.0),
    )


def test_settings_without_shells_are_the_same_as_before_shells_were_known():
    # Digest of the defaults by the version before, which knew no shells.
    assert RadiomicsSettings().digest.startswith("a4d59ea7237f457d")
    assert SETTINGS.digest != replace(SETTINGS, modalities={"CT": replace(CT, shells_mm=())}).digest


@pytest.mark.parametrize("shells", [[4, 8], [[4]], [[8, 4]], [[-1, 4]], [[0, 51]], [["a", 4]]])
def test_shells_that_cannot_be_are_refused_by_their_key(shells):
    with pytest.raises(ParameterError) as error:
        from_mapping({"modalities": {"CT": {"shells_mm": shells}}})
    assert error.value.attribute == "modalities.CT.shells_mm"


def test_what_was_divided_by_0_is_not_defined():
    result = Result()
    result.add("CT", {"mean": 1.0, "up": np.inf, "down": -np.inf})
    assert result.features["CT"]["mean"] == 1.0
    assert np.isnan([result.features["CT"][name] for name in ("up", "down")]).all()
