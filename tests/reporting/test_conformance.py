"""The conformance statement says what the code does and what the objects hold."""

from __future__ import annotations

import dataclasses
import re

import pytest
from pydicom import dcmread
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.pixels import get_decoder
from pydicom.sr.coding import Code
from pydicom.uid import UID, AllTransferSyntaxes, ExplicitVRLittleEndian

from fdglung.dicom.files import IMAGE_CLASSES
from fdglung.dicom.pixels import _NATIVE_SYNTAXES
from fdglung.lesion_classes import UNDETERMINED
from fdglung.lungs.placement import Side
from fdglung.reporting import dicom_seg, dicom_sr, write_report
from fdglung.reporting.dicom_common import MANUFACTURER, MODEL_NAME
from tests.cases import ROOT
from tests.reporting.studies import analysis, classified
from tests.reporting.test_writer import OBJECTS

PAGE = (ROOT / "docs" / "conformance.md").read_text(encoding="utf-8")
KINDS = {"lesions.seg.dcm": "SEG", "measurements.sr.dcm": "SR", "report.dcm": "PDF"}


def section(title):
    """Text under a heading, up to the next one of any level."""
    return re.split(r"^#+ ", PAGE.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def rows(text):
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines[2:]]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Objects of lesions of every side and lobe with classes, of a label map, and of a study without CT and lesions."""
    made = classified(analysis(4))
    lesions = made.findings.lesions
    places = [(Side.RIGHT, "right middle lobe"), (Side.LEFT, "left lower lobe"), (Side.MEDIASTINUM, None)]
    placed = tuple(
        dataclasses.replace(lesion, side=side, lobe=lobe, lung_distance_mm=1.5, hilum_distance_mm=2.5)
        for lesion, (side, lobe) in zip(lesions[1:], places, strict=True)
    )
    names = ("abscess", UNDETERMINED, "benign", "lung_cancer")
    said = made.findings.classification
    said = dataclasses.replace(
        said, lesions=tuple(dataclasses.replace(one, name=name) for one, name in zip(said.lesions, names, strict=True))
    )
    findings = dataclasses.replace(made.findings, lesions=(lesions[0], *placed), classification=said)
    out = tmp_path_factory.mktemp("written")
    folders = [
        write_report(dataclasses.replace(made, findings=findings), out / "full"),
        write_report(made, out / "label_map", segmentation_type="LABELMAP"),
        write_report(analysis(0, ct=False), out / "none"),
    ]
    return [{name: dcmread(files[name]) for name in OBJECTS} for files in folders]


def codes_of(dataset):
    """Each code of an object: value, scheme, meaning."""
    found = set()
    for element in dataset.iterall():
        if element.VR == "SQ":
            for item in element.value:
                if "CodeValue" in item and "CodingSchemeDesignator" in item:
                    found.add((item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning))
    return found


def test_the_classes_that_are_read_are_those_of_the_code():
    stated = {uid: modality for _, uid, modality in rows(section("What is read"))}
    assert stated == IMAGE_CLASSES
    assert all(UID(uid).name == name for name, uid, _ in rows(section("What is read")))


def test_the_transfer_syntaxes_are_those_that_can_be_decoded():
    def decodes(uid):
        try:
            return get_decoder(uid).is_available
        except NotImplementedError:
            return False

    stated = {uid: name for name, uid in rows(section("Transfer syntaxes"))}
    assert all(UID(uid).name == name for uid, name in stated.items())
    assert set(map(str, _NATIVE_SYNTAXES)) <= set(stated)
    assert set(stated) == {str(uid) for uid in AllTransferSyntaxes if decodes(uid)}


def test_attributes_are_named_by_their_tags():
    named = re.findall(r"(\w+) \(([0-9A-F]{4}),([0-9A-F]{4})\)", section("Attributes that a study must have"))
    assert len(named) > 25
    for keyword, group, element in named:
        assert tag_for_keyword(keyword) == int(group + element, 16), keyword


def test_public_attributes_of_the_suv_s_sources_are_stated():
    sources = "".join(path.read_text() for path in (ROOT / "fdglung" / "dicom").glob("suv*.py"))
    refused = set(re.findall(r'"(\w+) \([0-9A-F]{4},[0-9A-F]{4}\)"', sources))
    assert refused >= {"RadionuclideTotalDose", "PatientWeight", "RadionuclideHalfLife"}
    for keyword in refused:
        assert keyword in PAGE, keyword


def test_private_elements_are_those_of_the_code():
    sources = "".join(path.read_text() for path in (ROOT / "fdglung" / "dicom").glob("suv*.py"))
    for place, creator, _ in rows(section("Attributes that a study must have"))[-5:]:
        group, element = re.fullmatch(r"\((\w{4}),xx(\w\w)\)", place).groups()
        assert f'"{creator}"' in sources, creator
        assert re.search(rf"0x{group}\b", sources), place
        assert re.search(rf"0x{element}\b", sources), place
    creators = re.findall(r'"(GEMS_\w+|SIEMENS [\w ]+|Philips PET [\w ]+)"', sources)
    assert set(creators) == {creator for _, creator, _ in rows(section("Attributes that a study must have"))[-5:]}


def test_the_objects_are_of_the_classes_and_series_that_are_stated(written):
    stated = {(name.split("`")[1], uid): rest for name, _, uid, *rest in rows(section("What is written"))}
    seen = set()
    for objects in written:
        for name, dataset in objects.items():
            modality, number = stated[name, str(dataset.SOPClassUID)]
            seen.add((name, str(dataset.SOPClassUID)))
            assert dataset.Modality == modality
            pet = 4  # the PET's SeriesNumber in these studies
            assert dataset.SeriesNumber == 100 * pet + int(number.rsplit(" ", 1)[1])
            assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
            assert (dataset.Manufacturer, dataset.ManufacturerModelName) == (MANUFACTURER, MODEL_NAME)
            assert str(dataset.SOPInstanceUID).startswith("1.2.826.0.1.3680043.8.498.")
    assert seen == set(stated)
    # pydicom does not know the name of the label map's class yet.
    assert all(UID(uid).name in (uid, name) for _, name, uid, *_ in rows(section("What is written")))


def test_no_object_has_private_attributes_or_any_that_dicom_does_not_know(written):
    for objects in written:
        for dataset in objects.values():
            for element in dataset.iterall():
                assert not element.tag.is_private
                assert keyword_for_tag(element.tag), element.tag
                assert dictionary_VR(element.tag)


def test_every_code_that_is_stated_is_written_where_it_is_stated(written):
    found = {kind: set() for kind in KINDS.values()}
    for objects in written:
        for name, dataset in objects.items():
            found[KINDS[name]] |= codes_of(dataset)
    own = {(value, meaning) for value, scheme, meaning in found["SR"] if scheme == dicom_sr.OWN_SCHEME}
    stated = set()
    for value, scheme, meaning, kinds in rows(section("Codes")):
        stated.add(value)
        if value.endswith("…"):
            assert any(re.fullmatch(value[:-1] + "[0-9A-F]{10}", one) for one, _ in own), value
            continue
        for kind in kinds.split(", "):
            assert (value, scheme, meaning) in found[kind], (value, kind)
    unstated = {value for value, _ in own if value not in stated and not value.startswith(("CLASS", "PROB"))}
    assert not unstated


def test_every_code_of_the_writers_is_stated():
    stated = {(value, scheme): meaning for value, scheme, meaning, _ in rows(section("Codes"))}
    written = [code for module in (dicom_sr, dicom_seg) for code in vars(module).values() if isinstance(code, Code)]
    written += [*dicom_sr.CLASSES.values(), *dicom_seg.LATERALITY.values(), *dicom_seg.LOBE_SITES.values()]
    assert len(written) > 25
    for code in written:
        if code.scheme_designator != "UCUM" or code == dicom_sr.SUVBW_UNIT:
            assert stated[code.value, code.scheme_designator] == code.meaning
