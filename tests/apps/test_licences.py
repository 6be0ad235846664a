from __future__ import annotations

import json
import types
from email.message import Message
from importlib import metadata

import pytest

import fdglung
from apps.lesion_report.packager.licences import add_licences, licences_of
from tests.cases import ROOT


def stated(monkeypatch, *, file=None, **fields):
    """Let every package state these fields, and have this licence file."""
    message = Message()
    message["Version"] = "1.0"
    for name, values in fields.items():
        for value in values if isinstance(values, list) else [values]:
            message[name.replace("_", "-")] = value
    package = types.SimpleNamespace(metadata=message, read_text={"licenses/LICENSE": file}.get)
    monkeypatch.setattr(metadata, "distribution", lambda name: package)
    return licences_of("any", "1.0")


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"Classifier": ["License :: OSI Approved :: MIT License"], "License": "see file"}, ["MIT License"]),
        ({"Classifier": ["License :: OSI Approved", "Topic :: X"], "License": "Apache-2.0"}, ["Apache-2.0"]),
        ({"Classifier": [f"License :: OSI Approved :: {one}" for one in ("B", "A")]}, ["A", "B"]),
        ({"License": "BSD 3-Clause License\n\nCopyright (c) 2020\nAll rights reserved."}, ["BSD 3-Clause License"]),
        ({"License": "UNKNOWN"}, []),
        ({"License": "Redistribution and use " * 9}, []),
        ({}, []),
    ],
)
def test_a_licence_is_what_the_package_states(monkeypatch, fields, names):
    assert stated(monkeypatch, **fields) == [{"license": {"name": name}} for name in names]


@pytest.mark.parametrize(
    ("file", "names"),
    [("MIT License (MIT)\n\nCopyright", ["MIT License (MIT)"]), ("Copyright (c) 2020\n", []), (None, [])],
)
def test_a_package_that_states_none_has_that_of_its_file(monkeypatch, file, names):
    found = stated(monkeypatch, file=file, Classifier="License :: OSI Approved", License_File="LICENSE")
    assert found == [{"license": {"name": name}} for name in names]


def test_an_spdx_expression_comes_before_all_else(monkeypatch):
    fields = {"License_Expression": "MIT OR Apache-2.0", "Classifier": "License :: OSI Approved :: MIT License"}
    assert stated(monkeypatch, **fields) == [{"expression": "MIT OR Apache-2.0"}]


def test_of_another_version_nothing_is_told():
    version = metadata.version("numpy")
    assert licences_of("numpy", version)
    assert licences_of("numpy", version + ".1") == []
    assert licences_of("no-such-package-anywhere", "1.0") == []
    assert licences_of("fdglung", fdglung.__version__) == [{"expression": "Apache-2.0"}]
    assert licences_of("fdglung", "9.9.9") == []


def test_components_get_their_licences_and_the_others_are_named(tmp_path):
    path = tmp_path / "sbom.cdx.json"
    components = [{"name": "numpy", "version": metadata.version("numpy")}, {"name": "numpy", "version": "0.1"}]
    path.write_text(json.dumps({"specVersion": "1.6", "components": components}))
    assert add_licences(path) == ("numpy==0.1",)
    first, second = json.loads(path.read_text())["components"]
    assert first["licenses"] == licences_of("numpy", metadata.version("numpy"))
    assert "licenses" not in second
    assert list(tmp_path.iterdir()) == [path]


def test_every_requirement_of_the_image_states_a_licence_here():
    pytest.importorskip("monai.deploy")
    pins = (ROOT / "apps" / "lesion_report" / "requirements.txt").read_text().splitlines()
    pairs = [pin.split("==") for pin in pins if "==" in pin]
    installed = [pair for pair in pairs if pair[0] != "pip"]
    assert [name for name, version in installed if not licences_of(name, version)] == []
