from __future__ import annotations

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import InputError, NoPetError, ParameterError
from fdglung.radiomics import RadiomicsSettings, Workers, extract, from_pyradiomics
from fdglung.radiomics.naming import SUV_FEATURES
from fdglung.radiomics.settings import FilterSettings, ImageSettings
from fdglung.radiomics.tasks import Workers as TaskWorkers
from tests.radiomics import lesions as cases

FILTERS = FilterSettings(log_sigma_mm=(3,), wavelet="coif1")
SETTINGS = RadiomicsSettings(
    modalities={
        "PET": ImageSettings(bin_width=0.25, bin_origin=0.0, filters=FILTERS),
        "CT": ImageSettings(spacing_mm=(3, 3, 3), round_to=1, range=(-1000, 400), bin_width=25, filters=FILTERS),
    }
)
PARAMETERS = {"setting": {"binWidth": 0.5}, "imageType": {"Original": {}, "LoG": {"sigma": [3.0]}, "Wavelet": {}}}
LIKE_PYRADIOMICS = from_pyradiomics(PARAMETERS, ct={**PARAMETERS, "setting": {"binWidth": 25}})


@pytest.fixture(scope="module")
def images():
    return cases.pet_and_ct()


@pytest.fixture(scope="module")
def table(images):
    return extract(images, cases.mask(), SETTINGS, workers=1)


def row(table, label):
    return next(lesion for lesion in table.lesions if lesion.label == label)


def same(first, second):
    assert list(first) == list(second)
    np.testing.assert_allclose(list(first.values()), list(second.values()), rtol=1e-9, atol=1e-12)


def test_every_awkward_lesion_has_a_row_and_those_that_can_have_values(table):
    assert [lesion.label for lesion in table.lesions] == list(range(1, 8))
    for label in (cases.PLAIN, cases.FLAT, cases.EDGE, cases.HOLLOW, cases.LITRE):
        assert row(table, label).status == "ok"
    assert row(table, cases.TWO_VOXELS).status == "CT: The mask holds no voxel after resampling"
    assert math.isfinite(row(table, cases.TWO_VOXELS).features["PET_original_cm_contrast_3D_avg_ACUI"])
    assert row(table, cases.LITRE).features["PET_mtv_ml"] > 1000
    assert any("edge" in warning for warning in row(table, cases.EDGE).warnings)


def test_a_lesion_of_one_voxel_has_its_intensity_and_no_texture_made_up(table):
    features = row(table, cases.ONE_VOXEL).features
    assert features["PET_original_stat_mean_Q4LE"] == features["PET_suv_max"]
    assert features["PET_original_stat_var_ECT3"] == 0
    assert math.isnan(features["PET_original_cm_contrast_3D_avg_ACUI"])


def test_names_carry_the_modality_the_image_and_ibsi_codes(table):
    names = set(table.names)
    assert {
        "PET_suv_peak",
        "PET_original_morph_volume_RNU0",
        "CT_original_dzm_sde_3D_0GBI",
        "PET_log-sigma-3-0-mm-3D_stat_mean_Q4LE",
        "CT_wavelet-HLL_ngl_dc_energy_3D_CAS9",
    } <= names
    bare = [name.split("_", 1)[1] for name in names]
    assert all(len(name.rsplit("_", 1)[1]) == 4 for name in bare if name not in SUV_FEATURES)


def test_measurements_of_suv_are_those_of_the_voxels(images, table):
    values = sitk.GetArrayFromImage(images["PET"])[cases.mask_array() == cases.HOLLOW].astype(float)
    features = row(table, cases.HOLLOW).features
    assert features["PET_suv_max"] == values.max()
    assert features["PET_suv_mean"] == pytest.approx(values.mean(), rel=1e-12)
    assert features["PET_mtv_ml"] == pytest.approx(len(values) * 0.064)
    assert features["PET_tlg_g"] == pytest.approx(values.mean() * len(values) * 0.064)


def test_a_lesion_alone_has_the_values_it_has_among_others(images, table):
    for label in (cases.PLAIN, cases.HOLLOW):
        alone = extract(images, cases.mask(), SETTINGS, labels=[label], workers=1)
        same(alone.lesions[0].features, row(table, label).features)


def test_processes_change_no_value(images, table):
    with Workers(2) as workers:
        for _ in range(2):
            twice = extract(images, cases.mask(), SETTINGS, workers=workers)
            assert twice.names == table.names
            np.testing.assert_array_equal(twice.values, table.values)


def test_pyradiomics_mode_says_which_lesions_pyradiomics_refuses(images):
    found = extract(images, cases.mask(), LIKE_PYRADIOMICS, workers=1)
    assert "one voxel" in row(found, cases.ONE_VOXEL).status
    assert "1 dimension" in row(found, cases.TWO_VOXELS).status
    for label in (cases.PLAIN, cases.FLAT, cases.EDGE, cases.HOLLOW, cases.LITRE):
        assert row(found, label).status == "ok"
        assert "PET_wavelet-LLH_glcm_Idmn" in row(found, label).features
    assert all("correctMask" in row(found, label).warnings[-1] for label in (cases.PLAIN, cases.LITRE))


def test_nan_in_the_ct_fails_the_lesion_that_it_is_in_and_no_other(images, table):
    values = sitk.GetArrayFromImage(images["CT"]).astype(np.float32)
    where = [round((index + 0.5) * cases.PET_MM / cases.CT_MM - 0.5) for index in (5, 44 + 3, 8)]
    values[tuple(where)] = np.nan
    values[60, 3, 3] = np.inf
    spoilt = {**images, "CT": cases.placed(values, cases.CT_MM)}
    found = extract(spoilt, cases.mask(), SETTINGS, workers=1)
    bad = row(found, cases.HOLLOW)
    assert bad.status == "CT: A voxel in or at the lesion is no finite number"
    assert "PET_original_stat_mean_Q4LE" in bad.features
    assert not any(name.startswith("CT") for name in bad.features)
    good = row(found, cases.LITRE)
    assert good.status == "ok"
    assert good.features["CT_original_stat_mean_Q4LE"] == pytest.approx(
        row(table, cases.LITRE).features["CT_original_stat_mean_Q4LE"], rel=1e-6
    )
    assert "2 voxels of the CT are no finite numbers; -1000 was taken instead." in good.warnings


def test_a_lesion_outside_the_ct_says_so_and_keeps_its_pet(images):
    low = sitk.RegionOfInterest(images["CT"], [72, 70, 20], [0, 0, 30])
    found = extract({**images, "CT": low}, cases.mask(), SETTINGS, labels=[cases.PLAIN, cases.LITRE], workers=1)
    assert row(found, cases.PLAIN).status.startswith("CT: ")
    assert "PET_original_stat_mean_Q4LE" in row(found, cases.PLAIN).features
    assert row(found, cases.LITRE).status == "ok"


def test_bins_far_too_narrow_are_told_before_memory_ends(images):
    narrow = from_pyradiomics({"setting": {"binWidth": 0.0005}, "imageType": {"Original": {}}})
    found = extract({"PET": images["PET"]}, cases.mask(), narrow, labels=[cases.FLAT, cases.LITRE], workers=1)
    assert "grey levels" in row(found, cases.LITRE).status
    assert row(found, cases.FLAT).status == "ok"


def test_a_label_that_is_not_there_fails_alone(images):
    found = extract(images, cases.mask(), SETTINGS, labels=[cases.PLAIN, 40], workers=1)
    assert row(found, 40).status == "PET: The mask does not hold the lesion; CT: The mask does not hold the lesion"
    assert row(found, cases.PLAIN).status == "ok"


def test_results_are_kept_by_image_mask_and_settings(images, tmp_path):
    pet = {"PET": images["PET"]}
    labels = [cases.PLAIN, cases.FLAT]

    def files():
        return sorted(tmp_path.rglob("*.json"))

    first = extract(pet, cases.mask(), SETTINGS, labels=labels, cache=tmp_path, workers=1)
    assert len(files()) == 2
    for path in files():
        content = json.loads(path.read_text())
        content["features"]["suv_max"] = -1.0
        path.write_text(json.dumps(content))
    again = extract(pet, cases.mask(), SETTINGS, labels=labels, cache=tmp_path, workers=1)
    assert row(again, cases.PLAIN).features["PET_suv_max"] == -1.0
    assert again.names == first.names
    other = extract(pet, cases.mask(), LIKE_PYRADIOMICS, labels=labels, cache=tmp_path, workers=1)
    assert row(other, cases.PLAIN).features["PET_suv_max"] > 0
    changed = sitk.GetArrayFromImage(pet["PET"])
    changed[0, 0, 0] += 1
    extract({"PET": cases.placed(changed, cases.PET_MM)}, cases.mask(), SETTINGS, labels=labels, cache=tmp_path)
    moved = sitk.Image(cases.mask())
    moved[44, 6, 7] = 0
    extract(pet, moved, SETTINGS, labels=labels, cache=tmp_path, workers=1)
    # Two by each of: settings, image; the mask has changed for one lesion only.
    assert len(files()) == 2 + 2 + 2 + 1


def test_a_cache_that_is_spoilt_is_computed_anew(images, tmp_path):
    pet = {"PET": images["PET"]}
    first = extract(pet, cases.mask(), SETTINGS, labels=[cases.PLAIN], cache=tmp_path, workers=1)
    next(tmp_path.rglob("*.json")).write_text("{half")
    again = extract(pet, cases.mask(), SETTINGS, labels=[cases.PLAIN], cache=tmp_path, workers=1)
    np.testing.assert_array_equal(again.values, first.values)


def test_progress_runs_from_nothing_to_all(images):
    told = []
    extract(images, cases.mask(), SETTINGS, labels=[cases.PLAIN], workers=1, progress=lambda *a: told.append(a[1]))
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)


def test_what_cannot_be_is_refused(images):
    with pytest.raises(NoPetError):
        extract({}, cases.mask(), SETTINGS)
    with pytest.raises(InputError, match="no lesion"):
        extract(images, sitk.Image(cases.mask()) * 0, SETTINGS)
    with pytest.raises(ParameterError, match="mask for CT"):
        extract(images, {"PET": cases.mask()}, SETTINGS)
    with pytest.raises(ParameterError, match="workers"):
        extract(images, cases.mask(), SETTINGS, workers=0)


class Dying:
    """A task that ends its process, unless that is the parent."""

    def __init__(self, parent):
        self.parent = parent

    def run(self):
        import os

        if os.getpid() != self.parent:
            os._exit(1)
        return {"done": 1.0}


class Failing:
    """A task with an error of its own."""

    def run(self):
        raise MemoryError("no room")


def test_work_of_a_process_that_dies_is_done_by_the_parent():
    import os

    results = {}
    with TaskWorkers(2) as workers:
        workers.run([(n, Dying(os.getpid())) for n in range(6)], lambda key, outcome: results.update({key: outcome}))
    assert results == {key: {"done": 1.0} for key in range(6)}


def test_an_error_of_one_task_is_told_and_harms_no_other():
    import os

    results = {}
    with TaskWorkers(1) as workers:
        workers.run([(0, Failing()), (1, Dying(os.getpid()))], lambda key, outcome: results.update({key: outcome}))
    assert results == {0: "MemoryError: no room", 1: {"done": 1.0}}
