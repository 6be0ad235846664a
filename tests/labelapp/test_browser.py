"""Annotating in OHIF, in headless Chromium, on Orthanc: `make label-demo` as an annotator uses it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("monailabel")

from fdglung.annotation.versions import versions
from labelapp.demo.orthanc import missing
from tests.cases import ROOT
from tests.labelapp import browser
from tests.simple_thorax import simple_thorax, write_dicom

LACKING = [
    *([missing()] if missing() else []),
    *(["chromium"] if not Path(browser.CHROMIUM).is_file() else []),
    *(["playwright (pip install playwright; it uses Debian's chromium)"] if find_spec("playwright") is None else []),
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def phantom():
    return simple_thorax(ct_matrix=128, seed=5)


@pytest.fixture(scope="module")
def demonstration(phantom, tmp_path_factory):
    """Yield the folder of the demonstration, and what it printed once everything answers."""
    folder = tmp_path_factory.mktemp("demonstration")
    for name, one in (("annotated", phantom), ("other", simple_thorax(ct_matrix=64, seed=6))):
        write_dicom(one, folder / "dicom" / name)
    ports = [part for option in ("--port", "--pacs-port") for part in (option, str(free_port()))]
    command = ["-m", "labelapp.demo", str(folder), "--dicom", str(folder / "dicom"), "--no-viewer", *ports]
    log = folder / "demo.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command, "--checkpoint", "none"],
            cwd=ROOT,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            while "Ctrl-C stops" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)
            yield folder, log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def test_an_annotator_sees_the_pet_and_the_proposed_lesions_in_place_and_saves_them(demonstration, phantom):
    folder, text = demonstration
    uid = study_uid(folder / "dicom" / "annotated")
    base = text.split("OHIF with MONAI Label:")[1].split()[0].removesuffix("/ohif/")
    with browser.opened_page() as page:
        page.add_init_script("localStorage.setItem('fdglung.annotator', 'anna')")
        page.goto(f"{base}/ohif/monai-label?StudyInstanceUIDs={uid}")
        annotate(page, folder / "labels", phantom)


def study_uid(folder):
    import pydicom

    return pydicom.dcmread(next(folder.rglob("*.dcm")), stop_before_pixels=True).StudyInstanceUID


def annotate(page, labels, phantom):
    pet = browser.pet(page)
    assert pet["modality"] == "PT"
    suv = sitk.GetArrayFromImage(phantom.pet)
    # OHIF computes SUV by itself; the phantom stores integers.
    assert np.corrcoef(pet["voxels"].ravel(), suv.ravel())[0, 1] > 0.999
    assert pet["origin"] == pytest.approx(phantom.pet.GetOrigin(), abs=0.01)

    page.locator(".monaiLabelPanel button").first.click()
    browser.told(page, "Auto-Segmentation")
    browser.waited(page, "() => !!window.services.segmentationService.getLabelmapVolume('1')")
    page.get_by_title("Run Segmentation", exact=True).click()
    browser.told(page, "Running Segmentation - Successful")
    page.wait_for_timeout(2000)
    label = browser.label(page) > 0
    planted = sitk.GetArrayFromImage(phantom.lesion_mask) > 0
    assert dice(label, planted) > 0.9
    for axis in range(3):
        assert dice(np.flip(label, axis), planted) < 0.4

    page.locator("#fdglung-save-label").click()
    browser.told(page, "by anna. PACS: stored.")
    version = versions(labels, pet["series"])[-1]
    assert version.annotator == "anna"
    assert ((sitk.GetArrayFromImage(sitk.ReadImage(str(version.path))) > 0) == label).all()
