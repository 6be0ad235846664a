"""The report's PDF as a DICOM object that a PACS accepts."""

from __future__ import annotations

import datetime

from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from fdglung import __version__
from fdglung.pipeline import Analysis
from fdglung.reporting.dicom_common import (
    MANUFACTURER,
    MODEL_NAME,
    SERIAL_NUMBER,
    adopt_identity,
    pet_headers,
    series_number,
    stable_uid,
)


def encapsulated_pdf(analysis: Analysis, pdf: bytes) -> FileDataset:
    """Wrap a PDF as Encapsulated PDF Storage (PS3.3 A.45.1).

    Parameters
    ----------
    analysis
        A study with its findings.
    pdf
        The whole PDF file.

    Returns
    -------
    FileDataset
        Ready to be saved. UIDs depend on what was found alone; the dates are those of now.

    Raises
    ------
    NoPetError
        The study has no PET.

    """
    header = pet_headers(analysis)[0]
    now = datetime.datetime.now()
    instance = stable_uid(analysis, "PDF instance")
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian

    document = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    adopt_identity(document, header)
    document.SOPClassUID = EncapsulatedPDFStorage
    document.SOPInstanceUID = instance
    document.InstanceCreationDate = document.ContentDate = now.strftime("%Y%m%d")
    document.InstanceCreationTime = document.ContentTime = now.strftime("%H%M%S.%f")
    document.AcquisitionDateTime = ""
    document.Modality = "DOC"
    document.ConversionType = "WSD"
    document.SeriesInstanceUID = stable_uid(analysis, "PDF series")
    document.SeriesNumber = series_number(analysis, 3)
    document.SeriesDescription = "fdglung report, research use only"
    document.InstanceNumber = 1
    document.Manufacturer = MANUFACTURER
    document.ManufacturerModelName = MODEL_NAME
    document.DeviceSerialNumber = SERIAL_NUMBER
    document.SoftwareVersions = __version__
    document.BurnedInAnnotation = "YES"
    document.DocumentTitle = "FDG-avid lung lesions: research use only, not for diagnosis"
    document.ConceptNameCodeSequence = [_title()]
    document.VerificationFlag = "UNVERIFIED"
    document.SourceInstanceSequence = [_reference(pet) for pet in pet_headers(analysis)]
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(pdf)
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return document


def _title() -> Dataset:
    """Code the title as an imaging measurement report (PS3.16 CID 7020 and 7021)."""
    title = Dataset()
    title.CodeValue = "126000"
    title.CodingSchemeDesignator = "DCM"
    title.CodeMeaning = "Imaging Measurement Report"
    return title


def _reference(header: Dataset) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = header.SOPClassUID
    reference.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return reference
