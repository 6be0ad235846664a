"""Labels of a PACS as a datalist for training, against a tiny DICOMweb server."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import SimpleITK as sitk

from bundle.scripts.datalist import read_cases
from fdglung import cli, study
from fdglung.annotation.export import export_datalist
from fdglung.annotation.measured import annotated_seg
from fdglung.annotation.pacs import Pacs, Service
from fdglung.annotation.pacs_studies import PacsStudies
from fdglung.annotation.versions import save_version, versions
from fdglung.errors import NoLabelImagesError, PacsError
from tests.dicomweb_server import DicomWebServer
from tests.simple_thorax import simple_thorax, write_dicom


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    phantom = simple_thorax(ct_matrix=32, pet_matrix=48, slice_spacing_mm=15.0, seed=3)
    folder = write_dicom(phantom, tmp_path_factory.mktemp("study"))
    return study.load(folder), sorted(folder.rglob("*.dcm"))


@pytest.fixture
def server(loaded):
    with DicomWebServer(loaded[1]) as running:
        yield running


@pytest.fixture
def name(loaded):
    return str(loaded[0].pet_headers[0].SeriesInstanceUID)


def box(loaded, column):
    label = np.zeros(loaded[0].pet.GetSize()[::-1], np.uint16)
    label[3:6, 20:24, column : column + 5] = 1
    image = sitk.GetImageFromArray(label)
    image.CopyInformation(loaded[0].pet)
    return image


def add_seg(server, loaded, label, annotator):
    stream = io.BytesIO()
    annotated_seg(loaded[0], label, annotator=annotator, version=1).save_as(stream)
    return server.add(stream.getvalue())


def array_of(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_labels_kept_here_and_those_of_the_pacs_become_a_datalist_that_training_reads(server, loaded, name, tmp_path):
    save_version(tmp_path / "labels", name, box(loaded, 10), annotator="anna")
    add_seg(server, loaded, box(loaded, 30), "Bela")
    document = export_datalist(server.url, tmp_path / "out" / "list.json", labels=tmp_path / "labels")
    (case,) = read_cases(str(tmp_path / "out"), "list.json", "training", ["PET", "CT"])
    assert case["name"] == name
    np.testing.assert_allclose(array_of(case["pet"]), sitk.GetArrayFromImage(loaded[0].pet), rtol=1e-6)
    np.testing.assert_allclose(array_of(case["ct"]), sitk.GetArrayFromImage(loaded[0].ct), atol=1e-3)
    assert ((array_of(case["label"]) > 0) == (sitk.GetArrayFromImage(box(loaded, 30)) > 0)).all()
    (pair,) = document["agreement"]
    assert (pair["annotators"], pair["dice"]) == (["Bela", "anna"], 0.0)
    # Nothing was sent to the PACS, and nothing is taken up twice.
    assert not any(asked.startswith("POST") for asked in server.asked)
    export_datalist(server.url, tmp_path / "again" / "list.json", labels=tmp_path / "labels", annotator="anna")
    assert [version.annotator for version in versions(tmp_path / "labels", name)] == ["anna", "Bela"]
    assert json.loads((tmp_path / "again" / "list.json").read_text())["training"][0]["annotator"] == "anna"


def test_the_command_exports_from_a_pacs_into_labels_of_the_working_folder(
    server, loaded, name, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    add_seg(server, loaded, box(loaded, 30), "Bela")
    assert cli.main(["label-export", server.url, "--out", "out/list.json"]) == 0
    assert "1 labelled studies written" in capsys.readouterr().out
    assert len(versions("labels", name)) == 1
    assert [path.name for path in tmp_path.rglob("*.dcm")] == ["label.seg.dcm"]
    images = tmp_path / "out" / "images" / name
    assert sorted(path.name for path in images.iterdir()) == ["ct.nii.gz", "pet.nii.gz"]


def test_a_server_gives_its_studies_with_the_labels_that_it_has(server, loaded, name, tmp_path):
    save_version(tmp_path / "labels", name, box(loaded, 10), annotator="anna")
    add_seg(server, loaded, box(loaded, 30), "Bela")
    studies = PacsStudies(Pacs(Service(server.url)), tmp_path / "cache", labels=tmp_path / "labels")
    document = export_datalist(studies, tmp_path / "out" / "list.json")
    assert [(one["name"], one["annotator"]) for one in document["training"]] == [(name, "anna")]


@pytest.mark.parametrize("fault", ["down", "page"])
def test_a_pacs_that_vanishes_is_told_and_no_datalist_written(server, loaded, name, tmp_path, fault):
    save_version(tmp_path / "labels", name, box(loaded, 10), annotator="anna")
    server.faults.add(fault)
    with pytest.raises(PacsError):
        export_datalist(server.url, tmp_path / "list.json", labels=tmp_path / "labels")
    assert not (tmp_path / "list.json").exists()


def test_a_pacs_without_a_label_is_told(server, tmp_path):
    with pytest.raises(NoLabelImagesError, match="Annotate a study first"):
        export_datalist(server.url, tmp_path / "list.json", labels=tmp_path / "labels")
