from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from fdglung.errors import ParameterError
from fdglung.radiomics.settings import (
    DEFAULT_MODALITIES,
    FilterSettings,
    ImageSettings,
    RadiomicsSettings,
    from_mapping,
    from_pyradiomics,
    from_yaml,
    to_mapping,
    to_yaml,
)

PARAMETERS = """
imageType:
  Original: {}
  LoG:
    sigma: [1.0, 3.0]
  Wavelet: {wavelet: coif1}
featureClass:
  shape:
  firstorder: [Mean, Energy]
  glcm: []
setting:
  binWidth: 0.5
  resampledPixelSpacing: [3, 3, 3]
  interpolator: sitkBSpline
voxelSetting:
  kernelRadius: 2
"""


def test_settings_come_back_from_yaml_as_they_were():
    settings = RadiomicsSettings(
        modalities={
            "PET": ImageSettings(spacing_mm=(4, 4, 0), bin_count=64, range=(None, 20), outlier_sigma=3),
            "CT": replace(DEFAULT_MODALITIES["CT"], interpolator="bspline", filters=FilterSettings(bin_count=8)),
        },
        families=("stat", "cm"),
    )
    assert from_yaml(to_yaml(settings)) == settings
    assert from_yaml(to_yaml(RadiomicsSettings())) == RadiomicsSettings()


def test_a_file_of_some_keys_keeps_the_defaults_of_its_modality():
    settings = from_yaml("modalities: {CT: {bin_width: 10}}")
    assert settings == RadiomicsSettings(modalities={"CT": replace(DEFAULT_MODALITIES["CT"], bin_width=10)})


def test_a_number_of_bins_takes_the_place_of_the_default_width():
    read = from_yaml("modalities: {PET: {bin_count: 32, filters: {bin_width: 0.1}}}").modalities["PET"]
    assert (read.bin_width, read.bin_count) == (None, 32)
    assert (read.filters.bin_width, read.filters.bin_count) == (0.1, None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour: red", "colour"),
        ("modalities: {MR: {}}", "modalities.MR"),
        ("modalities: {PET: {bin_wdth: 1}}", "modalities.PET.bin_wdth"),
        ("modalities: {PET: {filters: {sigma: [1]}}}", "modalities.PET.filters.sigma"),
        ("modalities: {PET: {interpolator: cubic}}", "modalities.PET.interpolator"),
        ("modalities: {PET: {spacing_mm: [1, 2]}}", "modalities.PET.spacing_mm"),
        ("modalities: {PET: {spacing_mm: 2}}", "modalities.PET.spacing_mm"),
        ("modalities: {CT: {range: [400, -1000]}}", "modalities.CT.range"),
        ("modalities: {CT: {bin_width: 1, bin_count: 2}}", "bin_width, bin_count"),
        ("modalities: {CT: {bin_width: -1}}", "modalities.CT.bin_width"),
        ("modalities: {CT: {mask_threshold: 0}}", "modalities.CT.mask_threshold"),
        ("modalities: {CT: {ivh_bin_width: 1, ivh_bin_count: 2}}", "modalities.CT.ivh_bin_count"),
        ("modalities: {CT: {aggregations: [4D]}}", "modalities.CT.aggregations"),
        ("modalities: {CT: {filters: {log_sigma_mm: [0]}}}", "modalities.CT.filters.log_sigma_mm"),
        ("families: [shape]", "families"),
        ("preprocessing: none", "preprocessing"),
        ("preprocessing: pyradiomics", "pyradiomics"),
        ("format: other", "format"),
        ("format_version: 2", "format_version"),
        ("[1, 2]", "settings"),
        ("a: [", "settings"),
    ],
)
def test_what_cannot_be_is_refused_by_name(text, named):
    with pytest.raises(ParameterError) as caught:
        from_yaml(text)
    assert named in caught.value.attribute


def test_the_digest_is_that_of_the_values_and_the_same_in_another_process():
    settings = RadiomicsSettings()
    code = "from fdglung.radiomics.settings import RadiomicsSettings as R; print(R().digest)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == settings.digest
    ct = DEFAULT_MODALITIES["CT"]
    assert replace(settings, modalities={"CT": replace(ct, bin_width=25)}).digest == (
        replace(settings, modalities={"CT": replace(ct, bin_width=25.0)}).digest
    )
    assert replace(settings, modalities={"CT": replace(ct, bin_width=20)}).digest != settings.digest


def test_settings_are_plain_json():
    settings = RadiomicsSettings()
    assert from_mapping(json.loads(json.dumps(to_mapping(settings)))) == settings


def test_a_pyradiomics_file_is_read_whole_and_comes_back(tmp_path):
    path = tmp_path / "parameters.yaml"
    path.write_text(PARAMETERS, encoding="utf-8")
    settings = from_pyradiomics(path)
    read = settings.pyradiomics["PET"]
    assert settings.preprocessing == "pyradiomics"
    assert read.setting == {"binWidth": 0.5, "resampledPixelSpacing": [3, 3, 3], "interpolator": "sitkBSpline"}
    assert read.image_types == {"Original": {}, "LoG": {"sigma": [1.0, 3.0]}, "Wavelet": {"wavelet": "coif1"}}
    assert read.feature_classes == {"shape": None, "firstorder": ["Mean", "Energy"], "glcm": []}
    assert read.voxel_setting == {"kernelRadius": 2}
    assert from_yaml(to_yaml(settings)) == settings
    assert settings.pyradiomics["CT"] == read


def test_pyradiomics_reads_the_parameters_that_we_keep_as_it_reads_its_file(tmp_path):
    featureextractor = pytest.importorskip("radiomics.featureextractor")
    path = tmp_path / "parameters.yaml"
    path.write_text(PARAMETERS, encoding="utf-8")
    theirs = featureextractor.RadiomicsFeatureExtractor(str(path))
    ours = featureextractor.RadiomicsFeatureExtractor(from_pyradiomics(path).pyradiomics["CT"].as_file())
    assert ours.settings == theirs.settings
    assert ours.enabledImagetypes == theirs.enabledImagetypes
    assert ours.enabledFeatures == theirs.enabledFeatures


def test_ct_may_have_pyradiomics_parameters_of_its_own():
    settings = from_pyradiomics({"setting": {"binWidth": 0.5}}, ct={"setting": {"binWidth": 25}})
    widths = {name: one.setting["binWidth"] for name, one in settings.pyradiomics.items()}
    assert widths == {"PET": 0.5, "CT": 25}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"setting": {"binwidth": 1}}, "binwidth"),
        ({"settings": {}}, "settings"),
        ({"imageType": {"Foo": {}}}, "Foo"),
        ({"featureClass": {"glcm": ["Homogeneity9"]}}, "Homogeneity9"),
        ({"setting": {"binWidth": -1}}, "binWidth"),
    ],
)
def test_what_pyradiomics_refuses_is_refused_by_name(content, named):
    with pytest.raises(ParameterError, match=named):
        from_pyradiomics(content)
