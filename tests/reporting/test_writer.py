from __future__ import annotations

import csv
import dataclasses
import errno
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pypdf import PdfReader

from fdglung import RESEARCH_NOTICE
from fdglung.errors import NoPetError, OutputExistsError, OutputWriteError
from fdglung.findings import from_json
from fdglung.reporting import check, write_report
from fdglung.reporting.dicom_common import stable_uid
from tests.reporting.studies import ORIENTATIONS, analysis, classified, save_pet

OBJECTS = ("lesions.seg.dcm", "measurements.sr.dcm", "report.dcm")
TABLES = {"lesions.csv", "lesions_units.csv", "findings.json", "report.pdf", "mip.png", *OBJECTS}


def output_of(tool: str, *arguments: object) -> str:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, errors="replace", check=False)
    return done.stdout + done.stderr


def errors_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Error")]


def pages(pdf: Path) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in PdfReader(pdf).pages]


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    made = analysis(3)
    return made, write_report(made, tmp_path_factory.mktemp("three") / "report")


@pytest.fixture(scope="module")
def sixty(tmp_path_factory):
    made = analysis(60)
    return made, write_report(made, tmp_path_factory.mktemp("sixty") / "report")


def test_the_report_is_all_its_files(three):
    made, files = three
    assert set(files) == TABLES | {f"lesion_{n:02d}.png" for n in (1, 2, 3)}
    assert all(path.is_file() and path.name == name for name, path in files.items())
    assert from_json(files["findings.json"].read_text(encoding="utf-8")) == made.findings


def test_progress_rises_to_the_end(tmp_path):
    told: list[float] = []
    write_report(analysis(0), tmp_path / "report", progress=lambda step, share: told.append(share))
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.validator
@pytest.mark.parametrize(
    "options",
    [
        {"lesions": 0},
        {"lesions": 1, "ct": False},
        {"lesions": 3},
        {"lesions": 2, "enhanced": True, "orientation": "oblique"},
        {
            "lesions": 2,
            "orientation": "feet first prone",
            "PatientName": "Müller^Jürgen",
            "SpecificCharacterSet": "ISO_IR 100",
        },
        {"lesions": 2, "PatientName": "", "PatientID": "", "PatientBirthDate": "", "PatientSex": "", "StudyTime": ""},
        {"lesions": 1, "PatientName": "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce", "SpecificCharacterSet": "ISO_IR 192"},
        {
            "lesions": 2,
            "StudyID": "7",
            "AccessionNumber": "A1",
            "PatientAge": "074Y",
            "ReferringPhysicianName": "Doc^X",
        },
    ],
    ids=[
        "none",
        "one without CT",
        "three",
        "enhanced oblique",
        "latin 1",
        "empty identity",
        "ideographs",
        "more identity",
    ],
)
def test_every_object_is_valid_and_agrees_with_the_pet(tmp_path, options):
    made = analysis(**options)
    files = write_report(made, tmp_path / "report")
    for name in OBJECTS:
        assert errors_of(output_of("dciodvfy", files[name])) == [], name
    pet = save_pet(made, tmp_path)
    report = [files[name] for name in OBJECTS]
    assert errors_of(output_of("dcentvfy", *pet, *report)) == errors_of(output_of("dcentvfy", *pet)) == []


@pytest.mark.validator
@pytest.mark.parametrize("lesions", [0, 3])
def test_objects_with_classes_are_valid_and_dsrdump_shows_the_class(tmp_path, lesions):
    files = write_report(classified(analysis(lesions)), tmp_path / "report")
    for name in OBJECTS:
        assert errors_of(output_of("dciodvfy", files[name])) == [], name
    dump = output_of("dsrdump", "+Pl", files["measurements.sr.dcm"])
    assert dump.count("Differential Diagnosis/Impression") == lesions
    assert "trained on 12 synthetic lesions" in dump


def test_the_pdf_shows_classes_probabilities_and_what_the_classifier_was_trained_on(tmp_path):
    files = write_report(classified(analysis(3)), tmp_path / "report")
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(files["report.pdf"]).pages).split())
    told = ("Classes of lesions", "trained on 12 synthetic lesions", "undetermined", "0.85", "7 lymphoma")
    for shown in (*told, "Not ruled out", "for 90%"):
        assert shown in text, shown


@pytest.mark.slow
@pytest.mark.validator
def test_sixty_lesions_are_valid_objects(sixty):
    _, files = sixty
    for name in OBJECTS:
        assert errors_of(output_of("dciodvfy", files[name])) == [], name


@pytest.mark.validator
def test_dsrdump_shows_the_numbers_of_the_csv(three):
    _, files = three
    dump = output_of("dsrdump", "+Pl", files["measurements.sr.dcm"])
    shown = {float(value) for value in re.findall(r'NUM:\(.*?\)="([^"]+)"', dump)}
    with files["lesions.csv"].open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for name in ("suv_max", "suv_mean", "suv_peak", "mtv_ml", "tlg_g", "longest_diameter_mm"):
                assert float(row[name]) in shown
            assert row["tracking_uid"] in dump


@pytest.mark.parametrize("name", OBJECTS)
def test_patient_and_study_are_copied_as_they_stand(tmp_path, name):
    made = analysis(1, PatientName="Иванов^Иван", SpecificCharacterSet="ISO_IR 144", PatientSize="1.8799999952316")
    header = made.study.pet_headers[0]
    written = dcmread(write_report(made, tmp_path / "report")[name])
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientWeight", "PatientSize"):
        assert written[keyword].value == header[keyword].value
    for keyword in ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyDescription", "SpecificCharacterSet"):
        assert written[keyword].value == header[keyword].value
    assert "PatientAge" not in written
    assert written.StudyID == written.AccessionNumber == ""


def test_an_undeclared_character_set_is_declared_as_it_is_read(tmp_path):
    files = write_report(analysis(0, PatientName="M\u00fcller^J\u00f6rg"), tmp_path / "report")
    for name in OBJECTS:
        written = dcmread(files[name])
        assert (written.SpecificCharacterSet, written.PatientName) == ("ISO_IR 100", "M\u00fcller^J\u00f6rg")


@pytest.mark.parametrize("sex", ["", "U", "M", "O"])
def test_a_sex_that_no_table_knows_does_not_stop_the_report(tmp_path, sex):
    files = write_report(analysis(0, PatientSex=sex), tmp_path / "report")
    assert dcmread(files["lesions.seg.dcm"]).PatientSex == sex


def test_the_dicom_pdf_holds_the_pdf(three):
    _, files = three
    wrapped = dcmread(files["report.dcm"])
    pdf = files["report.pdf"].read_bytes()
    assert wrapped.EncapsulatedDocument[: wrapped.EncapsulatedDocumentLength] == pdf
    assert wrapped.MIMETypeOfEncapsulatedDocument == "application/pdf"
    assert wrapped.BurnedInAnnotation == "YES"


def test_the_pdf_names_lesions_numbers_warnings_and_the_notice(three):
    made, files = three
    text = pages(files["report.pdf"])
    assert all(RESEARCH_NOTICE in page for page in text)
    whole = " ".join(text)
    for lesion in made.findings.lesions:
        assert f"{lesion.label} {lesion.suv_max:.2f} {lesion.suv_mean:.2f} {lesion.suv_peak:.2f}" in whole
        assert f"Lesion {lesion.label} SUVmax {lesion.suv_max:.2f} g/ml" in whole
    for warning in made.findings.warnings:
        assert whole.count(warning) == 1
    for expected in ("Tester, Anna", "T-0042", "2024-03-05", "BQML, START, SeriesTime", "heart", "classical"):
        assert expected in whole
    assert "Not attenuation corrected." in whole


def test_the_report_of_a_network_does_not_call_its_outline_a_threshold(tmp_path):
    made = analysis(1)
    provenance = {**made.findings.provenance, "lesions": {"networks": [{"file": "model.onnx", "sha256": "ab"}]}}
    findings = dataclasses.replace(made.findings, provenance=provenance, excluded=())
    files = write_report(dataclasses.replace(made, findings=findings), tmp_path / "report")
    text = " ".join(" ".join(pages(files["report.pdf"])).split())
    assert "the network's outline, whose coolest voxel has the stated share of SUVmax" in text
    assert "network model.onnx" in text
    assert "What the network took for no lesion is not listed" in text
    assert "VOI at" not in dcmread(files["lesions.seg.dcm"]).SegmentSequence[0].SegmentDescription
    assert "outline by a network" in dcmread(files["measurements.sr.dcm"]).to_json()


@pytest.mark.slow
def test_sixty_lesions_flow_over_pages_and_the_largest_twelve_are_shown(sixty):
    made, files = sixty
    text = pages(files["report.pdf"])
    whole = " ".join(text)
    for lesion in made.findings.lesions:
        assert f" {lesion.label} {lesion.suv_max:.2f} {lesion.suv_mean:.2f}" in whole
    assert "Only the 12 largest of 60 lesions" in whole
    assert all(RESEARCH_NOTICE in page for page in text)
    largest = sorted(made.findings.lesions, key=lambda x: (-x.mtv_ml, x.label))[:12]
    pictures = {name for name in files if re.fullmatch(r"lesion_\d+\.png", name)}
    assert pictures == {f"lesion_{lesion.label:02d}.png" for lesion in largest}


def test_a_pdf_without_lesions_says_so(tmp_path):
    files = write_report(analysis(0, ct=False), tmp_path / "report")
    assert "No avid lung lesion was found." in pages(files["report.pdf"])[0]
    assert set(files) == TABLES


def test_names_of_any_script_stand_in_the_pdf(tmp_path):
    made = analysis(0, PatientName="Иванов^Иван", SpecificCharacterSet="ISO_IR 144")
    assert "Иванов, Иван" in pages(write_report(made, tmp_path / "report")["report.pdf"])[0]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_any_orientation_of_the_pet_gives_a_report(tmp_path, orientation):
    made = analysis(2, orientation=orientation, enhanced=orientation == "coronal")
    assert len(pages(write_report(made, tmp_path / "report")["report.pdf"])) >= 2


def test_a_second_run_gives_the_same_uids_and_the_same_pdf(three, tmp_path):
    made, files = three
    again = write_report(made, tmp_path / "report")
    for name in OBJECTS:
        first, second = dcmread(files[name]), dcmread(again[name])
        for dataset in (first, second):
            for keyword in ("InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime"):
                delattr(dataset, keyword)
            for equipment in dataset.get("ContributingEquipmentSequence", []):
                del equipment.ContributionDateTime
        assert first == second
    for name in (*(TABLES - set(OBJECTS)), "lesion_01.png"):
        assert files[name].read_bytes() == again[name].read_bytes()


def test_other_lesions_and_other_kinds_have_other_uids(three, tmp_path):
    made, files = three
    uids = [dcmread(files[name]).SOPInstanceUID for name in OBJECTS]
    fewer = write_report(analysis(2), tmp_path / "fewer")
    label_map = write_report(made, tmp_path / "labelmap", segmentation_type="LABELMAP")
    uids += [dcmread(fewer[name]).SOPInstanceUID for name in OBJECTS]
    uids += [dcmread(label_map[name]).SOPInstanceUID for name in OBJECTS[:2]]
    assert len(set(uids)) == len(uids)


def test_parameters_change_the_uids_and_run_times_do_not(tmp_path):
    made = analysis(1)
    uids = []
    for extra in ({}, {"seconds": 3.2}, {"parameters": {"method": "threshold", "voi_fraction": 0.5}}):
        findings = dataclasses.replace(made.findings, provenance={**made.findings.provenance, **extra})
        files = write_report(dataclasses.replace(made, findings=findings), tmp_path / str(len(uids)))
        uids.append(dcmread(files["lesions.seg.dcm"]).SOPInstanceUID)
    assert uids[0] == uids[1] != uids[2]


def test_weights_change_the_uids_and_their_folder_and_the_last_bit_of_a_measurement_do_not():
    made = analysis(1)

    def uid(lesion=made.findings.lesions[0], *, folder="a", sha256="0", lungs="0"):
        provenance = {
            "parameters": {"method": "network", "checkpoints": [f"/{folder}/model.onnx"]},
            "lesions": {"networks": [{"file": "model.onnx", "sha256": sha256}]},
            "lungs": {"weights_sha256": lungs},
        }
        findings = dataclasses.replace(made.findings, provenance=provenance, lesions=(lesion,))
        return stable_uid(dataclasses.replace(made, findings=findings), "SEG instance")

    lesion = made.findings.lesions[0]
    nearly = dataclasses.replace(lesion, suv_mean=np.nextafter(lesion.suv_mean, 99.0))
    assert nearly.suv_mean != lesion.suv_mean
    assert uid() == uid(folder="b") == uid(nearly)
    other = dataclasses.replace(lesion, suv_mean=1.001 * lesion.suv_mean)
    assert len({uid(), uid(sha256="1"), uid(lungs="1"), uid(other)}) == 4


@pytest.mark.parametrize("fails", ["lesions.seg.dcm", "measurements.sr.dcm", "report.dcm"])
def test_a_full_disk_leaves_nothing_and_a_retry_gives_the_same_uids(tmp_path, monkeypatch, fails, three):
    made, files = three
    save = Dataset.save_as

    def full(self, filename, *arguments, **options):
        if Path(filename).name == fails:
            Path(filename).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, filename, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "save_as", full)
        with pytest.raises(OutputWriteError, match="No space left"):
            write_report(made, tmp_path / "new" / "report")
    assert everything(tmp_path) == []
    again = write_report(made, tmp_path / "new" / "report")
    assert [dcmread(again[n]).SOPInstanceUID for n in OBJECTS] == [dcmread(files[n]).SOPInstanceUID for n in OBJECTS]


def test_an_interrupted_run_keeps_the_earlier_report(tmp_path, monkeypatch):
    made = analysis(1)
    files = write_report(made, tmp_path / "report")
    before = {name: path.read_bytes() for name, path in files.items()}

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "check_report", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(made, tmp_path / "report", overwrite=True)
    assert {path.name: path.read_bytes() for path in everything(tmp_path / "report")} == before
    assert len(everything(tmp_path)) == 1 + len(before)


def test_a_file_that_does_not_hold_the_mask_stops_the_report(tmp_path, monkeypatch):
    save = Dataset.save_as

    def flipped(self, filename, *arguments, **options):
        if Path(filename).name == "lesions.seg.dcm":
            self.PixelData = bytes(255 - byte for byte in self.PixelData)
        return save(self, filename, *arguments, **options)

    monkeypatch.setattr(Dataset, "save_as", flipped)
    with pytest.raises(OutputWriteError, match=r"lesions\.seg\.dcm"):
        write_report(analysis(2), tmp_path / "report")
    assert everything(tmp_path) == []


def test_a_folder_in_use_is_refused_and_replaced_on_demand(tmp_path):
    made = analysis(1)
    write_report(made, tmp_path / "report")
    with pytest.raises(OutputExistsError):
        write_report(made, tmp_path / "report")
    write_report(analysis(0), tmp_path / "report", overwrite=True)
    assert not (tmp_path / "report" / "lesion_01.png").exists()


def test_a_study_without_pet_has_no_report(tmp_path):
    made = analysis(1)
    empty = dataclasses.replace(made, study=dataclasses.replace(made.study, pet=None, pet_headers=()))
    with pytest.raises(NoPetError):
        write_report(empty, tmp_path / "report")
    assert everything(tmp_path) == []


def test_markup_and_very_long_texts_do_not_break_the_pdf(tmp_path):
    made = analysis(1, PatientID="<b>&amp;</i>", StudyDescription="x" * 64)
    findings = dataclasses.replace(made.findings, warnings=("SUV < 2 & > 1: " + "word " * 900, "a" * 3000))
    text = pages(write_report(dataclasses.replace(made, findings=findings), tmp_path / "report")["report.pdf"])
    assert "<b>&amp;</i>" in text[0]
    assert " ".join(text).count("word") == 900
