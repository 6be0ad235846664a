from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("monai.deploy.core")

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, Operator

from fdglung import lungs, segmentation
from fdglung.dicom.rules import SelectionRules
from fdglung.errors import (
    ModelFileError,
    NoCtError,
    NoImageError,
    NoPetError,
    NotDicomError,
    NoThoraxError,
    OutputExistsError,
    ParameterError,
)
from fdglung.pipeline import Settings, analyze, classify, load_classifier
from fdglung.radiomics import extract
from fdglung.segmentation import SegmentationSettings
from fdglung.study import load
from operators import (
    LesionClassificationOperator,
    LesionMeasurementOperator,
    LesionSegmentationOperator,
    LungRegionOperator,
    RadiomicsOperator,
    ReportWriterOperator,
    StudyLoaderOperator,
)
from tests.classification.study_model import SETTINGS, write_model
from tests.operators.stand_ins import run_operator
from tests.simple_thorax import simple_thorax, write_dicom


@pytest.fixture(scope="module")
def app():
    return Application()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_dicom(simple_thorax(seed=3, ct_matrix=96), tmp_path_factory.mktemp("study") / "dicom")


@pytest.fixture(scope="module")
def study(folder):
    return load(folder)


@pytest.fixture(scope="module")
def analysis(study):
    return analyze(study)


def without_ct(study):
    return dataclasses.replace(study, ct=None, ct_headers=())


def test_the_loader_emits_what_the_library_reads(app, folder, study):
    emitted = run_operator(StudyLoaderOperator(app, input_path=folder, name="a"))["study"]
    assert (sitk.GetArrayViewFromImage(emitted.pet) == sitk.GetArrayViewFromImage(study.pet)).all()
    assert emitted.series == study.series


def test_the_loader_takes_only_series_that_the_rules_allow(app, folder):
    rules = SelectionRules(ct={"Modality": "PT"})
    emitted = run_operator(StudyLoaderOperator(app, input_path=folder, rules=rules, name="b"))["study"]
    assert emitted.pet is not None
    assert emitted.ct is None
    (reason,) = (verdict.reason for verdict in emitted.series if verdict.modality == "CT")
    assert reason == "Its Modality (0008,0060) is not what the selection rules ask."


def test_the_loader_refuses_rules_that_leave_no_pet_and_names_the_attribute(app, folder):
    rules = SelectionRules(pet={"SeriesDescription": "no such series"})
    with pytest.raises(NoImageError, match=r"SeriesDescription \(0008,103E\)"):
        run_operator(StudyLoaderOperator(app, input_path=folder, rules=rules, name="c"))


def test_the_loader_refuses_a_folder_without_dicom(app, tmp_path):
    (tmp_path / "letter.txt").write_text("no image")
    with pytest.raises(NotDicomError):
        run_operator(StudyLoaderOperator(app, input_path=tmp_path, name="d"))


def test_the_lung_operator_emits_the_lungs_of_the_library(app, study):
    (region,) = run_operator(LungRegionOperator(app, settings=Settings(), name="e"), study=study)["lungs"]
    expected = lungs.segment(study.ct)
    assert (sitk.GetArrayViewFromImage(region.mask) == sitk.GetArrayViewFromImage(expected.mask)).all()
    assert region.box_mm == expected.box_mm


def test_the_lung_operator_emits_a_tuple_of_none_where_no_lungs_are_asked_for(app, study):
    settings = Settings(segmentation=SegmentationSettings(region="all"))
    assert run_operator(LungRegionOperator(app, settings=settings, name="f"), study=study) == {"lungs": (None,)}


def test_the_lung_operator_refuses_a_ct_without_lungs_and_a_study_without_pet(app, study):
    operator = LungRegionOperator(app, settings=Settings(), name="g")
    solid = sitk.Image(study.ct.GetSize(), sitk.sitkInt16) + 40
    solid.CopyInformation(study.ct)
    with pytest.raises(NoThoraxError):
        run_operator(operator, study=dataclasses.replace(study, ct=solid))
    with pytest.raises(NoPetError):
        run_operator(operator, study=dataclasses.replace(study, pet=None))


def test_the_segmentation_operator_finds_the_lesions_of_the_library(app, study, analysis):
    operator = LesionSegmentationOperator(app, settings=Settings(), name="h")
    found = run_operator(operator, study=study, lungs=(analysis.lungs,))["lesions"]
    assert (sitk.GetArrayViewFromImage(found.labels) == sitk.GetArrayViewFromImage(analysis.lesions)).all()
    assert len(found.lesions) >= 2


def test_the_segmentation_operator_refuses_a_study_without_ct(app, study):
    operator = LesionSegmentationOperator(app, settings=Settings(), name="i")
    with pytest.raises(NoCtError):
        run_operator(operator, study=without_ct(study), lungs=(None,))


def test_the_measurement_operator_measures_what_was_found(app, study, analysis):
    found = segmentation.segment(study, analysis.lungs)
    operator = LesionMeasurementOperator(app, settings=Settings(), name="j")
    measured = run_operator(operator, study=study, lungs=(analysis.lungs,), lesions=found)["analysis"]
    assert measured.findings == analysis.findings


def test_the_measurement_operator_refuses_a_study_without_pet(app, study, analysis):
    operator = LesionMeasurementOperator(app, settings=Settings(), name="k")
    found = segmentation.segment(study, analysis.lungs)
    with pytest.raises(NoPetError):
        run_operator(operator, study=dataclasses.replace(study, pet=None), lungs=(analysis.lungs,), lesions=found)


def test_the_radiomics_operator_gives_a_row_a_lesion_and_refuses_no_images(app, analysis):
    from fdglung.radiomics.settings import from_mapping

    settings = from_mapping({"families": ["stat"], "modalities": {"PET": {"filters": None}}})
    operator = RadiomicsOperator(app, settings=settings, name="l")
    table = run_operator(operator, analysis=analysis)["features"]
    assert [row.tracking_uid for row in table.lesions] == [one.tracking_uid for one in analysis.findings.lesions]
    empty = SimpleNamespace(
        study=dataclasses.replace(analysis.study, pet=None, ct=None),
        lesions=analysis.lesions,
        findings=analysis.findings,
    )
    with pytest.raises(ValueError, match="PET"):
        run_operator(operator, analysis=empty)


def test_the_classification_operator_says_what_the_library_says_and_refuses_a_file_that_is_no_model(
    app, analysis, tmp_path
):
    model = write_model(tmp_path / "model.skops", extract(analysis.study, analysis.lesions, SETTINGS, workers=1))
    classified = run_operator(LesionClassificationOperator(app, model=model, name="p"), analysis=analysis)["analysis"]
    assert classified.findings == classify(analysis, load_classifier(model), workers=1).findings
    assert len(classified.findings.classification.lesions) == len(analysis.findings.lesions)
    (tmp_path / "text.skops").write_text("no model")
    with pytest.raises(ModelFileError):
        LesionClassificationOperator(app, model=tmp_path / "text.skops", name="q")


def test_the_writer_writes_what_is_asked_for_and_no_more(app, analysis, tmp_path):
    operator = ReportWriterOperator(app, output_folder=tmp_path / "out", outputs=("seg", "json"), name="m")
    run_operator(operator, analysis=analysis)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["findings.json", "lesions.seg.dcm"]


def test_the_writer_refuses_a_folder_in_use_and_leaves_it_as_it_was(app, analysis, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    operator = ReportWriterOperator(app, output_folder=tmp_path, outputs=("json",), name="n")
    with pytest.raises(OutputExistsError):
        run_operator(operator, analysis=analysis)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(("outputs", "said"), [(("sr",), "Add seg"), (("bmp",), "'?bmp"), ((), "an empty list")])
def test_the_writer_refuses_outputs_that_cannot_be_when_it_is_made(app, tmp_path, outputs, said):
    with pytest.raises(ParameterError, match=said):
        ReportWriterOperator(app, output_folder=tmp_path, outputs=outputs, name="o")


def test_operators_serve_in_an_application_of_somebody_else(folder, study, tmp_path):
    class Sums(Operator):
        def setup(self, spec):
            spec.input("study")

        def compute(self, op_input, op_output, context):
            pet = op_input.receive("study").pet
            (tmp_path / "sum.txt").write_text(repr(float(np.sum(sitk.GetArrayViewFromImage(pet), dtype=np.float64))))

    class Somebodys(Application):
        def compose(self):
            loader = StudyLoaderOperator(self, CountCondition(self, 1), input_path=folder, name="loader")
            self.add_flow(loader, Sums(self, name="sums"), {("study", "study")})

    Somebodys().run()
    expected = np.sum(sitk.GetArrayViewFromImage(study.pet), dtype=np.float64)
    assert float((tmp_path / "sum.txt").read_text()) == expected
