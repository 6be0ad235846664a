"""What `fdglung analyze` wrote, in the current OHIF viewer in headless Chromium; a lesion edited there comes back."""

from __future__ import annotations

import base64
import colorsys
import re
import shutil
import time
from contextlib import suppress

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

pytest.importorskip("monailabel")

from fdglung import study
from fdglung.annotation.versions import versions
from fdglung.pipeline import analyze
from fdglung.reporting import write_report
from labelapp.demo.orthanc import missing
from labelapp.demo.site import PACKAGE, PROTOCOL
from tests.cases import ROOT
from tests.labelapp import browser
from tests.labelapp.demonstration import running_demonstration
from tests.simple_thorax import simple_thorax, write_dicom

KEPT = ROOT / "demo" / "label" / "viewer"
"""Where `make label-demo` keeps the viewer."""

LACKING = [
    *filter(None, [missing()]),
    *browser.lacking(),
    *([] if list(KEPT.glob("*/package/dist")) or shutil.which("npm") else [f"npm, which fetches {PACKAGE}"]),
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
]

# Of the one segmentation: its slices from foot to head, and its segments' colours.
_SEGMENTATION = f"""() => {{
  const [segmentation] = window.services?.segmentationService.getSegmentations() ?? [];
  const {{imageIds, referencedImageIds}} = segmentation?.representationData.Labelmap ?? {{}};
  const images = imageIds?.map(id => window.cornerstone.cache.getImage(id));
  if (!images?.length || !images.every(one => one)) return null;
  const place = id => window.cornerstone.metaData.get('imagePlaneModule', id).imagePositionPatient[2];
  const sorted = images.map((one, number) => [place(referencedImageIds[number]), one]).sort((a, b) => a[0] - b[0]);
  const voxels = new Uint8Array(sorted.length * images[0].rows * images[0].columns);
  sorted.forEach(([, one], number) => voxels.set(one.voxelManager.getScalarData(), number * one.rows * one.columns));
  const [shown] = window.services.segmentationService.getSegmentationRepresentations('fused-coronal');
  return shown && {{
    label: segmentation.label,
    size: [sorted.length, images[0].rows, images[0].columns],
    voxels: ({browser.BASE64})(voxels),
    colours: Object.values(shown.segments).map(one => [one.segmentIndex, ...one.color]),
  }};
}}"""
_LOADED = """() => {
  const volumes = [...(window.cornerstone?.cache._volumeCache.values() ?? [])].map(one => one.volume);
  return volumes.length >= 2 && volumes.every(one => one?.loadStatus?.loaded ?? true);
}"""
_PDF = f"""async () => {{
  const shown = document.querySelector('object[type="application/pdf"]');
  return ({browser.BASE64})(new Uint8Array(await (await fetch(shown.data)).arrayBuffer()));
}}"""


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """Return the folder of the demonstration, and the analysis whose report is in the PACS."""
    folder = tmp_path_factory.mktemp("demonstration")
    analysis = analyze(
        study.load(write_dicom(simple_thorax(ct_matrix=128, seed=5), folder / "dicom" / "studies" / "a"))
    )
    write_report(analysis, folder / "dicom" / "report")
    return folder, analysis


@pytest.fixture(scope="module")
def viewer(analysed):
    with running_demonstration(analysed[0], "--viewer", str(KEPT)) as text:
        yield text.split("OHIF, the current viewer:")[1].split()[0]


@pytest.fixture
def page():
    with browser.opened_page() as opened:
        yield opened


def test_the_segmentation_lies_over_the_fused_pet_and_ct_beside_the_reports_numbers_and_the_pdf(page, viewer, analysed):
    folder, analysis = analysed
    shown = opened(page, viewer, "viewer", analysis)
    truth = sitk.GetArrayFromImage(analysis.lesions)
    assert (shown["voxels"] == truth).all()
    for axis in range(3):
        assert browser.dice(np.flip(shown["voxels"], axis) > 0, truth > 0) < 0.4
    lesion = analysis.findings.lesions[0]
    browser.show(page, lesion.suv_max_position_mm)
    see_colour(page, analysis.lesions, lesion.label, shown["colours"][lesion.label])
    browser.picture(page, "ohif_fused.png")

    text = page.get_by_text("Imaging Measurement Report").locator("xpath=ancestor::div[3]").first.inner_text()
    told = {float(number) for number in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)}
    expected = list(numbers_of(pydicom.dcmread(folder / "dicom" / "report" / "measurements.sr.dcm")))
    assert len(expected) > 3 * 6
    assert set(expected) <= told

    page.get_by_text("Imaging Measurement Report").click()
    page.get_by_text("fdglung report").dblclick()
    page.wait_for_selector('object[type="application/pdf"]')
    page.wait_for_timeout(5000)
    report = pydicom.dcmread(folder / "dicom" / "report" / "report.dcm")
    assert base64.b64decode(page.evaluate(_PDF)).rstrip(b"\0") == bytes(report.EncapsulatedDocument).rstrip(b"\0")
    browser.picture(page, "ohif_pdf.png")


def test_a_lesion_that_is_removed_there_and_exported_comes_back_as_a_label_version(page, viewer, analysed):
    folder, analysis = analysed
    opened(page, viewer, "segmentation", analysis)
    segment = page.get_by_text("Lesion 1", exact=True).first
    segment.click()
    menu(page, segment, "Delete")
    page.wait_for_timeout(2000)
    menu(page, page.get_by_text("fdglung lesions, research u").last, "Export")
    page.get_by_text("DICOM SEG").click()
    with page.expect_response("**/dicom-web/studies") as stored:
        page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    assert stored.value.status == 200
    series = str(analysis.study.pet_headers[0].SeriesInstanceUID)
    until = time.monotonic() + 120
    while not (found := versions(folder / "labels", series)):
        assert time.monotonic() < until
        time.sleep(1)
    (version,) = found
    truth = sitk.GetArrayFromImage(analysis.lesions)
    assert ((sitk.GetArrayFromImage(sitk.ReadImage(str(version.path))) > 0) == (truth > 1)).all()
    # What the analysis wrote is a proposal, not a label that someone submitted.
    assert len(versions(folder / "labels", series, "original")) == 1


def opened(page, viewer, mode, analysis):
    """Open the study in a mode of the viewer; return the segmentation that it shows."""
    uid = analysis.study.pet_headers[0].StudyInstanceUID
    page.goto(f"{viewer}{mode}?StudyInstanceUIDs={uid}&hangingProtocolId={PROTOCOL}")
    browser.waited(page, _LOADED)
    for text in ("Skip all", "Confirm and hide"):
        with suppress(Exception):
            page.get_by_text(text).click(timeout=5000)
    found = browser.waited(page, _SEGMENTATION)
    assert found["label"] == "fdglung lesions, research use only"
    voxels = np.frombuffer(base64.b64decode(found["voxels"]), np.uint8).reshape(found["size"])
    return {"voxels": voxels, "colours": {number: colour for number, *colour in found["colours"]}}


def see_colour(page, labels, number, colour):
    """What has a segment's hue in the coronal pane lies on it, and would not if the label were flipped sideways."""
    hue = colorsys.rgb_to_hsv(*(value / 255 for value in colour[:3]))[0]
    values = sitk.GetArrayFromImage(labels) == number
    for _ in range(30):
        # Drawing without a graphics card takes its time.
        colours, places = browser.pixels(page, "fused-coronal")
        hues, saturation = hue_and_saturation(colours)
        drawn = (np.abs((hues - hue + 0.5) % 1 - 0.5) < 0.04) & (saturation > 0.6)
        voxels = np.rint((places - labels.GetOrigin()) / labels.GetSpacing()).astype(int)[..., ::-1]
        inside = ((voxels >= 0) & (voxels < values.shape)).all(axis=-1)
        voxels = tuple(np.moveaxis(np.where(inside[..., None], voxels, 0), -1, 0))
        if drawn.any() and (found := browser.dice(drawn, values[voxels] & inside)) > 0.8:
            break
        page.wait_for_timeout(1000)
    assert found > 0.8
    assert browser.dice(drawn, np.flip(values, 2)[voxels] & inside) < 0.4


def hue_and_saturation(colours):
    import matplotlib.colors

    hsv = matplotlib.colors.rgb_to_hsv(colours / 255.0)
    return hsv[..., 0], hsv[..., 1] * (hsv[..., 2] > 0.3)


def numbers_of(item):
    """Yield every measured number of a structured report."""
    for child in item.get("ContentSequence", ()):
        if child.ValueType == "NUM":
            yield float(child.MeasuredValueSequence[0].NumericValue)
        yield from numbers_of(child)


def menu(page, beside, entry):
    """Choose an entry of the menu in the row of an element: its last button."""
    row = beside.locator("xpath=ancestor::*[.//button[@aria-haspopup='menu']][1]")
    row.locator("button[aria-haspopup='menu']").first.click()
    chosen = page.get_by_role("menuitem").filter(has_text=entry).first
    chosen.hover()
    if entry == "Delete":
        chosen.click()
