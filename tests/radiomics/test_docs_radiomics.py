from __future__ import annotations

import re

import pytest

from fdglung import cli
from fdglung.radiomics import from_yaml
from tests.cases import ROOT

PAGE = (ROOT / "docs" / "radiomics.md").read_text(encoding="utf-8")


def test_the_example_of_settings_is_read_and_a_modality_left_out_gets_none():
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    settings = from_yaml(example)
    assert settings.families == ("morph", "stat", "cm")
    assert list(settings.modalities) == ["PET"]
    assert settings.modalities["PET"].bin_width == 0.5
    assert settings.modalities["PET"].filters.log_sigma_mm == (3.0,)


def test_every_option_that_the_page_names_exists(capsys):
    known = set()
    for command in ("radiomics", "delta", "harmonise"):
        with pytest.raises(SystemExit):
            cli.main([command, "--help"])
        known |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    beside = {"--image", "--config", "--reference"}  # of benchmarks.ibsi
    assert set(re.findall(r"--[a-z-]+[a-z]", PAGE)) - beside <= known
