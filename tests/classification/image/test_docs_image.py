from __future__ import annotations

import dataclasses
import re

from fdglung import errors
from fdglung.classification.image.config import ImageClassifierConfig, from_yaml, to_mapping
from tests.cases import ROOT

PAGE = (ROOT / "docs" / "image_classification.md").read_text(encoding="utf-8")


def test_the_configuration_of_the_page_is_the_default():
    (document,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert from_yaml(document) == ImageClassifierConfig()
    for field in dataclasses.fields(ImageClassifierConfig):
        assert re.search(rf"^{field.name}:", document, re.MULTILINE)


def test_the_defaults_of_the_bundle_are_those_of_the_command():
    import yaml

    config = yaml.safe_load((ROOT / "bundle" / "configs" / "train_classifier.yaml").read_text())
    default = to_mapping(ImageClassifierConfig())
    own = {name: config[name] for name in default if name in config and name not in ("classes", "normalisation")}
    own["undetermined"] = default["undetermined"] | own["undetermined"]
    assert own == {name: default[name] for name in own}
    assert set(default) - set(config) == {"format", "format_version"}


def test_every_error_that_the_page_names_is_there():
    named = set(re.findall(r"`(\w+Error)`", PAGE))
    assert len(named) == 8
    assert all(issubclass(getattr(errors, name), errors.FdglungError) for name in named)


def test_the_page_says_that_it_is_no_medical_device():
    assert "Research software. Not a medical device." in PAGE
