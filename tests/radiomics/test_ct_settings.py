from __future__ import annotations

from dataclasses import replace

import pytest

from fdglung.errors import ParameterError
from fdglung.radiomics import from_yaml, to_yaml
from fdglung.radiomics.settings import AlignmentSettings, OutlineSettings, from_mapping
from tests.radiomics.points import BARE, settings_of

KINDS = {"alignment": AlignmentSettings, "outline": OutlineSettings}
GIVEN = {
    "alignment": {"search_mm": 15, "window_hu": [-800, 0]},
    "outline": {"reach_mm": 4, "shell_mm": [2, 8], "window_hu": [-900, 0]},
}
"""Some keys of each, not at their defaults."""

PET = {
    "spacing_mm": [3, 3, 3],
    "bin_width": 0.5,
    "bin_origin": 0,
    "filters": {"log_sigma_mm": [3, 6], "wavelet": None},
    "shells_mm": [[0, 4.5], [4.5, 9]],
}
CT = {
    "spacing_mm": [3, 3, 3],
    "range": [-1000, None],
    "bin_width": 25,
    "filters": {"log_sigma_mm": [3, 6], "wavelet": None},
    "shells_mm": [[0, 4.5], [4.5, 9], [9, 15], [15, 24]],
}
BEFORE = {
    "defaults": ({}, "a4d59ea7237f457d955a7ec2c92b9fbdf1e71cb23362c08c460bf5847664faed"),
    "before alignment": (
        {"modalities": {"PET": PET, "CT": CT}},
        "e1902ea04ac15bfca940aa1ddb1442299f5cdd7aa63fc1d5d843a1ab7ad607ca",
    ),
    "before outline": (
        {"modalities": {"PET": PET, "CT": {**CT, "alignment": {}}}},
        "d411578ed0b3ea2c2d89dc6081a4c52818482e9f885ad0eb541b083866f0d920",
    ),
}
"""Settings and their digest by a version before: the two models that were shipped then hold theirs."""

of_each = pytest.mark.parametrize("key", KINDS)


@of_each
def test_settings_with_either_are_read_as_they_were_written_and_have_their_own_digest(key):
    kind = KINDS[key]
    settings = settings_of(replace(BARE, **{key: kind(**GIVEN[key])}))
    assert from_yaml(to_yaml(settings)) == settings
    others = [settings_of(one).digest for one in (BARE, replace(BARE, **{key: kind()}))]
    assert len({*others, settings.digest}) == 3
    assert getattr(from_mapping({"modalities": {"CT": {key: {}}}}).modalities["CT"], key) == kind()
    assert getattr(from_mapping({"modalities": {"CT": {key: None}}}).modalities["CT"], key) is None


@pytest.mark.parametrize(("content", "digest"), BEFORE.values(), ids=list(BEFORE))
def test_settings_without_a_later_key_are_the_same_as_before_it_was_known(content, digest):
    """Else tables and models made before would not fit."""
    assert from_mapping(content).digest == digest


@pytest.mark.parametrize(
    ("key", "given", "named"),
    [
        ("alignment", {"search_mm": 2}, "search_mm"),
        ("alignment", {"search_mm": 61}, "search_mm"),
        ("alignment", {"search_mm": "far"}, "search_mm"),
        ("alignment", {"hu_per_mm": -1}, "hu_per_mm"),
        ("alignment", {"least_gain_hu": float("nan")}, "least_gain_hu"),
        ("alignment", {"transverse_factor": 0.5}, "transverse_factor"),
        ("alignment", {"shell_mm": 0}, "shell_mm"),
        ("alignment", {"shell_mm": 2}, "shell_mm"),
        ("alignment", {"shell_mm": 51}, "shell_mm"),
        ("alignment", {"step_mm": 0.5}, "step_mm"),
        ("alignment", {"step_mm": 11}, "step_mm"),
        ("alignment", {"window_hu": [50, -900]}, "window_hu"),
        ("alignment", {"window_hu": [50]}, "window_hu"),
        ("alignment", {"window_hu": None}, "window_hu"),
        ("alignment", {"window_hu": 50}, "window_hu"),
        ("alignment", {"reach": 5}, "reach"),
        ("outline", {"reach_mm": 0}, "reach_mm"),
        ("outline", {"reach_mm": 31}, "reach_mm"),
        ("outline", {"reach_mm": "far"}, "reach_mm"),
        ("outline", {"least_contrast_hu": 0}, "least_contrast_hu"),
        ("outline", {"least_contrast_hu": float("nan")}, "least_contrast_hu"),
        ("outline", {"shell_mm": [9, 3]}, "shell_mm"),
        ("outline", {"shell_mm": [3]}, "shell_mm"),
        ("outline", {"shell_mm": None}, "shell_mm"),
        ("outline", {"shell_mm": [3, 51]}, "shell_mm"),
        ("outline", {"shell_mm": [-1, 9]}, "shell_mm"),
        ("outline", {"window_hu": [80, -1000]}, "window_hu"),
        ("outline", {"window_hu": 80}, "window_hu"),
        ("outline", {"beta": 0}, "beta"),
        ("outline", {"closing_mm": -1}, "closing_mm"),
        ("outline", {"closing_mm": 31}, "closing_mm"),
        ("outline", {"closing_mm": None}, "closing_mm"),
        ("outline", {"threshold": 5}, "threshold"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(key, given, named):
    with pytest.raises(ParameterError) as error:
        from_mapping({"modalities": {"CT": {key: given}}})
    assert error.value.attribute == f"modalities.CT.{key}.{named}"


@of_each
def test_what_is_no_mapping_of_keys_or_is_not_yet_read_is_refused(key):
    with pytest.raises(ParameterError) as error:
        from_mapping({"modalities": {"CT": {key: True}}})
    assert error.value.attribute == f"modalities.CT.{key}"
    with pytest.raises(ParameterError) as error:
        replace(BARE, **{key: GIVEN[key]})
    assert error.value.attribute == key


@of_each
def test_the_pet_and_pyradiomics_way_take_neither(key):
    for given in ({}, GIVEN[key]):
        with pytest.raises(ParameterError) as error:
            from_mapping({"modalities": {"PET": {key: given}}})
        assert error.value.attribute == f"modalities.PET.{key}"
    parameters = {"imageType": {"Original": {}}, "setting": {"binWidth": 25}}
    document = {"preprocessing": "pyradiomics", "pyradiomics": {"CT": parameters}}
    assert from_mapping(document).pyradiomics
    with pytest.raises(ParameterError) as error:
        from_mapping({**document, "modalities": {"CT": {key: {}}}})
    assert error.value.attribute == f"modalities.CT.{key}"
    with pytest.raises(ParameterError, match=key):
        from_mapping({**document, "pyradiomics": {"CT": {**parameters, key: {}}}})
