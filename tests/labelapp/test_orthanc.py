"""The store of a PACS against a real Orthanc, as `make label-demo` runs it."""

from __future__ import annotations

import socket

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

pytest.importorskip("monailabel")

from fdglung import study
from fdglung.annotation.measured import annotated_seg
from fdglung.annotation.pacs import Pacs
from fdglung.annotation.versions import versions
from fdglung.errors import PacsError
from fdglung.pipeline import Settings
from labelapp.demo.orthanc import missing, orthanc
from labelapp.open_studies import OpenStudies
from labelapp.pacs_store import PacsStore
from tests.simple_thorax import simple_thorax, write_dicom

pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=f"not installed: {missing()} (apt-get install it)"),
]


def test_a_real_pacs_is_listed_fetched_sent_to_and_taken_up_from_and_stops(tmp_path):
    phantom = simple_thorax(ct_matrix=32, pet_matrix=48, slice_spacing_mm=15.0, seed=3)
    folder = write_dicom(phantom, tmp_path / "study")
    loaded = study.load(folder)
    name = str(loaded.pet_headers[0].SeriesInstanceUID)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with orthanc(tmp_path / "orthanc", port) as service:
        pacs = Pacs(service)
        pacs.store([pydicom.dcmread(path) for path in sorted(folder.rglob("*.dcm"))])
        store = PacsStore(service, tmp_path / "labels", OpenStudies(Settings()))
        assert store.list_images() == [name]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(store.open(name).pet), sitk.GetArrayFromImage(loaded.pet))
        path = tmp_path / "label.nii.gz"
        sitk.WriteImage(phantom.lesion_mask, str(path))
        first = store.version(store.save_label(name, str(path), "final", {"annotator": "anna"}), "final")
        assert store.delivery(first) == {"pacs": "stored"}
        pacs.store([annotated_seg(loaded, phantom.lesion_mask > 1, annotator="Bela", version=1)])
        for _ in range(2):
            store.synchronise()
        found = versions(store.labels, name)
        assert [version.annotator for version in found] == ["anna", "Bela"]
        truth = sitk.GetArrayFromImage(phantom.lesion_mask)
        for version, expected in zip(found, (truth > 0, truth > 1), strict=True):
            assert ((sitk.GetArrayFromImage(sitk.ReadImage(str(version.path))) > 0) == expected).all()
    with pytest.raises(PacsError, match="does not answer"):
        store.synchronise()
    assert len(versions(store.labels, name)) == 2
