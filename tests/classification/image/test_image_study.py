from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from fdglung import cli
from fdglung.classification.image.model_file import model_bytes
from fdglung.errors import NoCtError
from fdglung.findings import from_json, to_json
from fdglung.pipeline import Classifier, classify, load_classifier
from fdglung.reporting import write_report
from fdglung.reporting.display import views
from tests.classification.image.made import CLASSES, untrained
from tests.classification.study_model import write_study
from tests.reporting.studies import analysis

CLASSIFIER = Classifier(untrained(trained_on="noise"), "model.pt", "ab" * 32)


@pytest.fixture(scope="module")
def made():
    return classify(analysis(3), CLASSIFIER)


def test_each_lesion_gets_a_class_and_the_patient_one_of_all(made):
    found = made.findings.classification
    assert [lesion.label for lesion in found.lesions] == [1, 2, 3]
    for lesion in found.lesions:
        assert sum(lesion.probabilities.values()) == pytest.approx(1)
        assert tuple(lesion.probabilities) == CLASSES
    assert sum(found.patient.probabilities.values()) == pytest.approx(1)
    assert sum(found.patient.attention.values()) == pytest.approx(1)
    assert set(found.patient.attention) == {"1", "2", "3"}
    assert "trained on noise" in found.notice


def test_findings_with_a_patients_class_are_read_back_as_they_were_written(made):
    assert from_json(to_json(made.findings)) == made.findings


def test_a_map_of_each_lesion_lies_around_it(made):
    assert set(made.class_maps) == {1, 2, 3}
    for lesion in made.findings.lesions:
        image = made.class_maps[lesion.label]
        place = image.TransformPhysicalPointToContinuousIndex(lesion.centroid_mm)
        # The label's centroid and the measured one agree to a part of a voxel.
        np.testing.assert_allclose(place, 7.5, atol=0.5)


def test_the_views_show_the_map_at_its_place():
    plain = analysis(1)
    lesion = plain.findings.lesions[0]
    image = sitk.Image([9, 9, 9], sitk.sitkFloat32)
    image.SetSpacing([4.0] * 3)
    image.SetOrigin([float(x) - 16.0 for x in lesion.suv_max_position_mm])
    image[4, 4, 4] = 0.7
    for view in views(dataclasses.replace(plain, class_maps={1: image}), 1):
        row, column = np.unravel_index(view.class_map.argmax(), view.class_map.shape)
        assert view.class_map.max() == pytest.approx(0.7, rel=0.3)
        assert view.voi[row, column] > 0
    assert all(view.class_map is None for view in views(plain, 1))


def test_the_report_has_the_maps_the_patients_class_and_its_notice(made, tmp_path):
    from pypdf import PdfReader

    files = write_report(made, tmp_path / "report")
    assert {f"lesion_{label:02d}_class.png" for label in (1, 2, 3)} <= set(files)
    text = " ".join(" ".join(page.extract_text().split()) for page in PdfReader(files["report.pdf"]).pages)
    assert "All lesions together" in text
    assert "Weight of the lesions in this: lesion" in text
    assert "where the classifier looks" in text
    assert text.count("trained on noise") >= 2
    bare = write_report(analysis(1), tmp_path / "bare")
    assert not any(name.endswith("_class.png") for name in bare)


def test_a_study_without_ct_is_refused_by_a_network_that_looks_at_it():
    with pytest.raises(NoCtError, match="looks at the CT"):
        classify(analysis(1, ct=False), CLASSIFIER)
    alone = Classifier(untrained(channels=["PET", "MASK"]), "model.pt", "ab" * 32)
    assert len(classify(analysis(1, ct=False), alone).class_maps) == 1


def test_without_torch_an_onnx_model_classifies_and_the_report_says_that_maps_are_missing(monkeypatch, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model_bytes(untrained(), ".onnx"))
    for name in ("architecture", "explanation"):
        monkeypatch.setitem(sys.modules, f"fdglung.classification.image.{name}", None)
    found = classify(analysis(2), load_classifier(path))
    assert len(found.findings.classification.lesions) == 2
    assert not found.class_maps
    assert any("torch and MONAI are not installed" in warning for warning in found.findings.warnings)


def test_a_study_without_lesions_is_classified_without_work():
    found = classify(analysis(0), CLASSIFIER)
    assert found.findings.classification.lesions == ()
    assert not found.class_maps


@pytest.mark.slow
def test_the_commands_say_of_a_study_what_its_report_says(tmp_path, capsys):
    study = write_study(tmp_path / "study")
    model = tmp_path / "model.onnx"
    model.write_bytes(model_bytes(untrained(trained_on="noise"), ".onnx"))
    given = ("classify", study, "--model", model, "--out", tmp_path / "classes.csv")
    assert cli.main([str(one) for one in given]) == 0
    assert cli.main([str(one) for one in ("analyze", study, tmp_path / "report", "--classifier", model)]) == 0
    assert "trained on noise" in capsys.readouterr().out
    table, report = pd.read_csv(tmp_path / "classes.csv"), pd.read_csv(tmp_path / "report" / "lesions.csv")
    assert table["lesion"].tolist() == report["lesion"].tolist()
    assert table["class"].tolist() == report["class"].tolist()
    for name in CLASSES:
        assert report[f"probability_{name}"].to_numpy() == pytest.approx(table[f"probability_{name}"], rel=1e-5)
