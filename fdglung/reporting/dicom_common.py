"""What the DICOM objects of one report share: identity, UIDs, equipment, references to the PET."""

from __future__ import annotations

import copy
import hashlib
import json
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import UID, generate_uid

from fdglung import __version__
from fdglung.errors import InconsistentSeriesError, NoPetError
from fdglung.findings import rounded, to_json
from fdglung.pipeline import Analysis

MANUFACTURER = "fdglung"
"""Manufacturer (0008,0070) of every object."""

MODEL_NAME = "fdglung research software"
"""Manufacturer's Model Name (0008,1090) of every object."""

SERIAL_NUMBER = "none"
"""Device Serial Number (0018,1000), which the enhanced equipment module requires."""

REQUIRED_BUT_EMPTY = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber"),
)
"""Type 2 attributes of Patient and General Study (PS3.3 C.7.1.1, C.7.2.1): present, if need be without a value."""

PATIENT_AND_STUDY = (
    *REQUIRED_BUT_EMPTY,
    *("IssuerOfPatientID", "IssuerOfPatientIDQualifiersSequence", "TypeOfPatientID", "OtherPatientIDs"),
    *("OtherPatientIDsSequence", "OtherPatientNames", "PatientBirthTime", "QualityControlSubject", "EthnicGroup"),
    *("PatientComments", "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"),
    *("ReferencedPatientSequence", "PatientSpeciesDescription", "PatientSpeciesCodeSequence"),
    *("ResponsiblePerson", "ResponsiblePersonRole", "ResponsibleOrganization"),
    *("StudyInstanceUID", "StudyDescription", "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy"),
    *("IssuerOfAccessionNumberSequence", "ReferringPhysicianIdentificationSequence", "ConsultingPhysicianName"),
    *("ReferencedStudySequence", "ProcedureCodeSequence", "RequestingService"),
    *("AdmittingDiagnosesDescription", "PatientAge", "PatientSize", "PatientWeight", "PatientBodyMassIndex"),
    *("MedicalAlerts", "Allergies", "SmokingStatus", "PregnancyStatus", "LastMenstrualDate", "PatientSexNeutered"),
    *("SpecialNeeds", "PatientState", "Occupation", "AdditionalPatientHistory", "ReasonForVisit"),
    *("AdmissionID", "ServiceEpisodeID", "ServiceEpisodeDescription"),
)
"""Attributes of the Patient, General Study and Patient Study modules, copied as they stand in the PET."""

TRIAL = (
    *("ClinicalTrialSponsorName", "ClinicalTrialProtocolID", "ClinicalTrialProtocolName", "ClinicalTrialSiteID"),
    *("ClinicalTrialSiteName", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID"),
    *("ClinicalTrialProtocolEthicsCommitteeName", "ClinicalTrialProtocolEthicsCommitteeApprovalNumber"),
    *("ClinicalTrialTimePointID", "ClinicalTrialTimePointDescription"),
)
"""Attributes of the Clinical Trial Subject and Study modules, copied when the PET holds them complete."""

SPELLINGS = {
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212), "-"),
    **{0x5C: "/", 0xD7: "x", 0x2265: ">=", 0x2264: "<=", 0xB5: "u", 0x3BC: "u", 0xB0: " deg"},
    **{0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0xDF: "ss"},
}
"""ASCII spelling of signs by code point: dashes, backslash, times, comparisons, micro, degree, quotation marks."""

PLANE = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality", "InstanceNumber"),
    *("Rows", "Columns", "ImageType", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("FrameOfReferenceUID", "PositionReferenceIndicator", "NumberOfFrames", "SliceThickness"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionOrganizationSequence"),
    *("DimensionIndexSequence", "DimensionOrganizationType"),
)
"""What a derived object must know of the image that it refers to."""


def pet_headers(analysis: Analysis) -> tuple[Dataset, ...]:
    """Headers of the PET that the report refers to.

    Parameters
    ----------
    analysis
        A study with its findings.

    Returns
    -------
    tuple of Dataset
        One a slice, or the single one of an enhanced object.

    Raises
    ------
    NoPetError
        The study has no PET.

    """
    if analysis.study.pet is None or not analysis.study.pet_headers:
        raise NoPetError("The study has no PET that a report could refer to", remedy="Give a study with a PET series")
    return analysis.study.pet_headers


def digest(analysis: Analysis) -> str:
    """Hash of what was found: lesion mask, its geometry, measurements, parameters, weights, and the software's version.

    Run times, the folders that weights lie in and other things that differ between two runs of one version on one study
    do not enter; measurements enter as they are written, so that another processor's last bit makes no other report.

    Parameters
    ----------
    analysis
        A study with its findings.

    Returns
    -------
    str
        64 hexadecimal digits (SHA-256).

    """
    document = json.loads(to_json(analysis.findings), parse_float=lambda digits: rounded(float(digits)))
    provenance = document.pop("provenance")
    document["parameters"] = {**(provenance.get("parameters") or {}), "checkpoints": None}
    document["weights"] = [network["sha256"] for network in (provenance.get("lesions") or {}).get("networks") or ()]
    document["lung weights"] = (provenance.get("lungs") or {}).get("weights_sha256")
    image = analysis.lesions
    geometry = (image.GetSize(), image.GetOrigin(), image.GetSpacing(), image.GetDirection())
    sha = hashlib.sha256()
    for part in (__version__, json.dumps(document, sort_keys=True), repr(geometry)):
        sha.update(part.encode())
    sha.update(np.ascontiguousarray(sitk.GetArrayViewFromImage(image)).astype("<u2").tobytes())
    return sha.hexdigest()


def stable_uid(analysis: Analysis, kind: str) -> UID:
    """Make a UID that is the same whenever the same version finds the same in the same series.

    Parameters
    ----------
    analysis
        A study with its findings.
    kind
        What the UID names, such as ``SEG instance``.

    Returns
    -------
    UID
        Below pydicom's root, from a hash of its arguments.

    """
    series = str(pet_headers(analysis)[0].SeriesInstanceUID)
    return generate_uid(entropy_srcs=[series, digest(analysis), __version__, kind])


def ascii_text(text: str, *, limit: int | None = None) -> str:
    """Spell a text with ASCII alone, so that the PET's own character set holds it, whichever that is.

    Parameters
    ----------
    text
        Any text.
    limit
        Largest number of characters of the DICOM value representation (64 for LO, 16 for SH, 1024 for ST).

    Returns
    -------
    str
        The text without accents; signs without an ASCII counterpart become ``?``, and backslashes, which
        separate values in DICOM, slashes.

    """
    plain = unicodedata.normalize("NFKD", text.translate(SPELLINGS))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign)).encode("ascii", "replace").decode()
    plain = " ".join(plain.split())
    return plain if limit is None or len(plain) <= limit else plain[: limit - 3].rstrip() + "..."


def plane_headers(analysis: Analysis) -> list[Dataset]:
    """Headers of the PET reduced to its planes, without anything of the patient.

    highdicom checks and copies what it knows of the patient; real headers break those checks. It is given these
    headers, and `adopt_identity` copies the patient afterwards as it stands.

    Parameters
    ----------
    analysis
        A study with its findings.

    Returns
    -------
    list of Dataset
        In the order of the study's headers.

    """
    reduced = []
    for number, header in enumerate(pet_headers(analysis), 1):
        plane = Dataset()
        for keyword in PLANE:
            if keyword in header:
                plane[keyword] = header[keyword]
        for keyword in REQUIRED_BUT_EMPTY:
            setattr(plane, keyword, "")
        plane.InstanceNumber = header.get("InstanceNumber") or number
        reduced.append(plane)
    return reduced


def image_rows(analysis: Analysis) -> list[int]:
    """Find the slice of the lesion image that each PET header, or each frame of the enhanced one, describes.

    Parameters
    ----------
    analysis
        A study with its findings.

    Returns
    -------
    list of int
        Index along the image's z axis, one a header or frame; a permutation of all slices.

    Raises
    ------
    InconsistentSeriesError
        The headers do not lie on the slices of the image.

    """
    headers = pet_headers(analysis)
    if "PerFrameFunctionalGroupsSequence" in headers[0]:
        frames = headers[0].PerFrameFunctionalGroupsSequence
        positions = [frame.PlanePositionSequence[0].ImagePositionPatient for frame in frames]
    else:
        positions = [header.ImagePositionPatient for header in headers]
    image = analysis.lesions
    indices = np.array([image.TransformPhysicalPointToContinuousIndex([float(x) for x in p]) for p in positions])
    rows = np.rint(indices[:, 2]).astype(int)
    off_grid = np.abs(indices - np.stack([0 * rows, 0 * rows, rows], axis=1)).max() > 0.5
    if off_grid or sorted(rows.tolist()) != list(range(image.GetDepth())):
        raise InconsistentSeriesError(
            "The lesion image does not lie on the slices of the PET series",
            attribute="ImagePositionPatient (0020,0032)",
            remedy="Pass the headers of the very series that the PET image was read from",
        )
    return rows.tolist()


def adopt_identity(target: Dataset, header: Dataset) -> None:
    """Copy patient and study from the PET to a new object as they stand, and keep type 2 attributes present.

    Parameters
    ----------
    target
        The new object, changed in place. Texts of its own must be ASCII.
    header
        Any header of the PET.

    """
    complete = header.get("ClinicalTrialSponsorName") and header.get("ClinicalTrialProtocolID")
    complete = complete and (header.get("ClinicalTrialSubjectID") or header.get("ClinicalTrialSubjectReadingID"))
    for keyword in ("SpecificCharacterSet", *PATIENT_AND_STUDY, *TRIAL):
        if keyword in target:
            del target[keyword]
        if keyword not in header or (keyword in TRIAL and not complete):
            continue
        if header[keyword].VR == "SQ" and not header[keyword].value:
            continue
        target[keyword] = copy.deepcopy(header[keyword])
    for keyword in REQUIRED_BUT_EMPTY:
        if keyword not in target:
            setattr(target, keyword, "")
    # Letters beyond ASCII without a declared character set are read as Latin 1, and declared so here.
    if "SpecificCharacterSet" not in target and not str([target.get(k) for k in PATIENT_AND_STUDY]).isascii():
        target.SpecificCharacterSet = "ISO_IR 100"


def series_number(analysis: Analysis, offset: int) -> int:
    """Number a new series behind the PET's own, far enough not to meet another one.

    Parameters
    ----------
    analysis
        A study with its findings.
    offset
        From 1, one a kind of object.

    Returns
    -------
    int
        SeriesNumber (0020,0011).

    """
    number = pet_headers(analysis)[0].get("SeriesNumber") or 0
    return (int(number) if 0 <= int(number) < 1_000_000 else 0) * 100 + 9000 + offset


def referenced_headers(planes: Sequence[Dataset], rows: Sequence[int], mask: NDArray[Any]) -> list[Dataset]:
    """Choose the classic PET slices that a lesion lies in.

    Parameters
    ----------
    planes
        One header a slice.
    rows
        Their index along z, as `image_rows` gives it.
    mask
        Boolean array (z, y, x).

    Returns
    -------
    list of Dataset
        The headers of slices with at least one voxel.

    """
    touched = mask.any(axis=(1, 2))
    return [plane for plane, row in zip(planes, rows, strict=True) if touched[row]]
