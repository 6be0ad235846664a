from __future__ import annotations

import dataclasses
import re

from fdglung import errors
from fdglung.classification import ClassifierConfig, from_yaml
from tests.cases import ROOT

PAGE = (ROOT / "docs" / "classification.md").read_text(encoding="utf-8")


def test_the_configuration_of_the_page_is_the_default():
    (document,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert from_yaml(document) == ClassifierConfig()
    for field in dataclasses.fields(ClassifierConfig):
        assert re.search(rf"^{field.name}:", document, re.MULTILINE)


def test_every_error_that_the_page_names_is_there():
    named = set(re.findall(r"`(\w+Error)`", PAGE))
    assert len(named) == 13
    assert all(issubclass(getattr(errors, name), errors.InputError) for name in named)


def test_the_page_says_that_it_is_no_medical_device():
    assert "Research software. Not a medical device." in PAGE
