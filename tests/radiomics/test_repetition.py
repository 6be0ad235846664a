from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.radiomics import RadiomicsSettings, extract, from_pyradiomics
from fdglung.radiomics.perturbation import Perturbation, random_chains
from fdglung.radiomics.repetition import repeat, repeated_values
from fdglung.radiomics.robustness import reliability
from fdglung.radiomics.settings import FilterSettings, ImageSettings

PET = ImageSettings(spacing_mm=(3, 3, 3), bin_width=0.25, bin_origin=0)
CT = ImageSettings(spacing_mm=(2, 2, 2), round_to=1, bin_width=25)
SETTINGS = RadiomicsSettings(modalities={"PET": PET, "CT": CT}, families=("morph", "stat", "cm"))
LESIONS = ((16, 20, 20, 10.0), (30, 40, 30, 7.0), (16, 44, 60, 13.0), (38, 20, 64, 8.5))
"""Index in slices of 3 mm and pixels of 2 mm (z, y, x), and radius in mm."""


def placed(array):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((2, 2, 3))
    return image


def study(*, sigma=0.0, seed=0, shape=(52, 64, 80)):
    """Return a PET and a CT of balls of different texture with white noise, and the balls."""
    rng = np.random.default_rng(seed)
    z, y, x = np.indices(shape)
    labels = np.zeros(shape, np.uint8)
    pet, ct = np.full(shape, 0.5), np.full(shape, -800.0)
    for number, (k, j, i, radius) in enumerate(LESIONS, start=1):
        ball = (3 * (z - k)) ** 2 + (2 * (y - j)) ** 2 + (2 * (x - i)) ** 2 <= radius**2
        labels[ball] = number
        pet[ball] = (4 + 2 * number + np.sin(x / number))[ball]
        ct[ball] = (20 * number + 15 * np.cos(y / number))[ball]
    pet += sigma * rng.standard_normal(shape)
    ct += 30 * sigma * rng.standard_normal(shape)
    return {"PET": placed(pet.astype(np.float32)), "CT": placed(ct.astype(np.float32))}, placed(labels)


def test_a_chain_that_changes_nothing_repeats_every_feature():
    images, lesions = study(sigma=0.2)
    filters = FilterSettings(log_sigma_mm=(2,), wavelet="coif1")
    settings = RadiomicsSettings(
        modalities={
            "PET": ImageSettings(spacing_mm=(3, 3, 3), bin_width=0.5, filters=filters),
            "CT": ImageSettings(spacing_mm=(2, 2, 2), round_to=1, bin_width=25, filters=filters),
        },
        families=("morph", "stat", "cm"),
    )
    (again,) = repeat(images, lesions, [Perturbation()], settings, labels=[1, 3], workers=1)
    truth = extract(images, lesions, settings, labels=[1, 3], workers=1)
    own = [name for name in truth.names if "_original_" in name or "_log-" in name or "_wavelet-" in name]
    assert again.names == truth.names
    assert len(own) > 400
    for one, other in zip(again.lesions, truth.lesions, strict=True):
        assert one.status == other.status == "ok"
        np.testing.assert_allclose(
            [one.features[name] for name in own], [other.features[name] for name in own], rtol=2e-6, atol=1e-9
        )


def test_only_the_features_that_a_change_touches_change():
    """Noise leaves shapes as they are; growth changes volumes by its share."""
    images, lesions = study(sigma=0.2)
    noisy, larger, plain = repeat(
        images, lesions, [Perturbation(noise=1, seed=1), Perturbation(growth=0.2), Perturbation()], SETTINGS, workers=1
    )
    volume, mean = "PET_original_morph_vol_approx_YEKZ", "PET_original_stat_mean_Q4LE"
    for a, b, c in zip(noisy.lesions, larger.lesions, plain.lesions, strict=True):
        assert a.features[volume] == c.features[volume]
        assert b.features[volume] == pytest.approx(1.2 * c.features[volume], abs=27)
        # The mean of n voxels whose noise is 0.2 and a little more, by interpolation less.
        assert 0 < abs(a.features[mean] - c.features[mean]) < 4 * 0.25 / np.sqrt(c.features[volume] / 27)
        assert b.features[mean] < c.features[mean]


def test_pet_and_ct_get_noise_of_their_own():
    images, lesions = study(sigma=0.3)
    noisy, plain = repeat(images, lesions, [Perturbation(noise=3, seed=1), Perturbation()], SETTINGS, workers=1)
    moves = [
        [a.features[name] - b.features[name] for a, b in zip(noisy.lesions, plain.lesions, strict=True)]
        for name in ("PET_original_stat_mean_Q4LE", "CT_original_stat_mean_Q4LE")
    ]
    assert np.all(np.array(moves) != 0)
    ratios = np.array(moves[0]) / np.array(moves[1])
    assert ratios.std() > 0.1 * abs(ratios.mean())


def test_repetition_tells_steady_features_from_others():
    images, lesions = study(sigma=0.3)
    chains = random_chains(5, seed=2, rotation_deg=8, growth=0.0, noise=1)
    values, names = repeated_values(repeat(images, lesions, chains, SETTINGS, workers=1))
    assert values.shape == (4, 5, len(names))
    found = {one.feature: one for one in reliability(values, names)}
    # Lesions differ by 2 g/ml and by half their radius, repetitions by a hundredth of that.
    assert found["PET_original_stat_mean_Q4LE"].reliability_low == "excellent"
    assert found["CT_original_morph_volume_RNU0"].reliability_low == "excellent"
    # All lesions are balls: what differs between them in sphericity is sampling, and so it is within them.
    assert found["PET_original_morph_sphericity_QCFX"].icc < found["PET_original_stat_mean_Q4LE"].icc


def test_lesions_of_several_studies_stand_one_after_another():
    images, lesions = study(sigma=0.2)
    chains = random_chains(2, seed=1)
    settings = RadiomicsSettings(modalities={"CT": CT}, families=("stat",))
    first = repeat(images, lesions, chains, settings, labels=[1, 2], workers=1)
    second = repeat(images, lesions, chains, settings, labels=[4], workers=1)
    values, names = repeated_values(first, second)
    assert values.shape == (3, 2, len(names))
    mean = names.index("CT_original_stat_mean_Q4LE")
    assert values[2, 1, mean] == second[1].lesions[0].features[names[mean]]
    assert values[1, 0, mean] == first[0].lesions[1].features[names[mean]]


def test_pyradiomics_parameters_are_repeated_as_well():
    images, lesions = study(sigma=0.2)
    content = {
        "setting": {"binWidth": 25, "label": 1},
        "imageType": {"Original": {}},
        "featureClass": {"firstorder": []},
    }
    settings = from_pyradiomics(content)
    (again,) = repeat({"CT": images["CT"]}, lesions, [Perturbation()], settings, workers=1)
    truth = extract({"CT": images["CT"]}, lesions, settings, workers=1)
    assert again.names == truth.names
    np.testing.assert_allclose(again.values, truth.values, rtol=1e-6)


def test_a_lesion_that_a_chain_loses_says_so_and_harms_no_other():
    images, lesions = study(sigma=0.2)
    array = sitk.GetArrayFromImage(lesions)
    array[2, 2, 2] = 9
    settings = RadiomicsSettings(
        modalities={"PET": ImageSettings(spacing_mm=(5, 5, 5), bin_width=0.25)}, families=("stat",)
    )
    (table,) = repeat(images, placed(array), [Perturbation(shift=(0.5, 0.5, 0.5))], settings, workers=1)
    status = {lesion.label: lesion.status for lesion in table.lesions}
    assert status.pop(9) != "ok"
    assert set(status.values()) == {"ok"}


def test_repetitions_that_do_not_belong_together_are_refused():
    images, lesions = study()
    settings = RadiomicsSettings(modalities={"CT": CT}, families=("stat",))
    tables = repeat(images, lesions, [Perturbation()], settings, labels=[1], workers=1)
    other = repeat(images, lesions, [Perturbation()], SETTINGS, labels=[1], workers=1)
    with pytest.raises(ParameterError, match="number of repetitions"):
        repeated_values(tables, tables * 2)
    with pytest.raises(ParameterError, match="settings"):
        repeated_values(tables, other)
    with pytest.raises(ParameterError, match="no chain"):
        repeat(images, lesions, [], settings)
