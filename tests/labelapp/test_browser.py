"""Annotating in OHIF, in headless Chromium, on Orthanc: `make label-demo` as an annotator uses it."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

pytest.importorskip("monailabel")

from fdglung.annotation.versions import versions
from labelapp.demo.orthanc import missing
from tests.labelapp import browser
from tests.labelapp.demonstration import running_demonstration, study_uid
from tests.simple_thorax import simple_thorax, write_dicom

LACKING = [*filter(None, [missing()]), *browser.lacking()]
pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}"),
]
PANES = ("mpr-axial", "mpr-sagittal", "mpr-coronal")


@pytest.fixture(scope="module")
def phantom():
    return simple_thorax(ct_matrix=128, seed=5)


@pytest.fixture(scope="module")
def demonstration(phantom, tmp_path_factory):
    """Yield the folder of the demonstration, and what it printed once everything answers."""
    folder = tmp_path_factory.mktemp("demonstration")
    for name, one in (("annotated", phantom), ("other", simple_thorax(ct_matrix=64, slice_spacing_mm=6.0, seed=6))):
        write_dicom(one, folder / "dicom" / name)
    with running_demonstration(folder, "--no-viewer") as text:
        yield folder, text


def test_an_annotator_goes_from_the_list_to_lesions_clicks_a_saved_label_and_the_next_study(demonstration, phantom):
    folder, text = demonstration
    base = text.split("OHIF with MONAI Label:")[1].split()[0]
    annotated, other = (study_uid(folder / "dicom" / name) for name in ("annotated", "other"))
    with browser.opened_page() as page:
        page.add_init_script("localStorage.setItem('fdglung.annotator', 'anna')")
        page.goto(base)
        open_from_list(page, annotated)
        pet = see_the_pet(page, phantom)
        proposed = see_proposed_lesions(page, phantom)
        clicked = click_uptake_in_and_a_lesion_out(page, phantom, pet, proposed)
        save(page, folder / "labels", pet["series"], clicked)
        go_on(page, other)
        assert browser.pet(page)["series"] != pet["series"]


def open_from_list(page, uid):
    browser.told(page, "Study List")
    with suppress(Exception):
        page.get_by_text("Confirm and Hide").click(timeout=5000)
    for row in page.get_by_text("SYNTHETIC, PHANTOM").locator("visible=true").all():
        row.click()
        page.mouse.move(5, 5)
        mode = page.locator(f"a[href*='monai-label'][href*='{uid}']")
        with suppress(Exception):
            mode.click(timeout=3000)
            break
    page.wait_for_url(f"**/monai-label?StudyInstanceUIDs={uid}**")


def see_the_pet(page, phantom):
    pet = browser.pet(page)
    assert pet["modality"] == "PT"
    # OHIF computes SUV by itself; the phantom stores integers.
    assert np.corrcoef(pet["voxels"].ravel(), sitk.GetArrayFromImage(phantom.pet).ravel())[0, 1] > 0.999
    assert pet["origin"] == pytest.approx(phantom.pet.GetOrigin(), abs=0.01)
    return pet


def see_proposed_lesions(page, phantom):
    browser.told(page, "Research software. Not a medical device.")
    page.locator(".monaiLabelPanel button").first.click()
    browser.told(page, "Auto-Segmentation")
    browser.waited(page, "() => !!window.services.segmentationService.getLabelmapVolume('1')")
    # The panel gives the segments their colours a second later.
    page.wait_for_timeout(2000)
    page.get_by_title("Run Segmentation", exact=True).click()
    browser.told(page, "Running Segmentation - Successful")
    # In the middle of no axis.
    browser.show(page, phantom.lesions[1].centre_mm)
    label = browser.label(page) > 0
    planted = sitk.GetArrayFromImage(phantom.lesion_mask) > 0
    assert browser.dice(label, planted) > 0.9
    for axis in range(3):
        assert browser.dice(np.flip(label, axis), planted) < 0.4
    for pane in PANES:
        see_colour(page, pane, phantom.pet, label)
    browser.show(page, phantom.lesions[0].centre_mm)
    browser.picture(page, "ohif_annotating.png")
    return label


def see_colour(page, pane, pet, label):
    """What is green in a pane lies on the label, and would not if the label were flipped."""
    for _ in range(30):
        # Drawing without a graphics card takes its time.
        found = overlap_of_colour(page, pane, pet, label)
        if found[None] > 0.8:
            break
        page.wait_for_timeout(1000)
    assert found[None] > 0.8
    assert max(found[axis] for axis in range(3)) < 0.4


def overlap_of_colour(page, pane, pet, label):
    colours, places = browser.pixels(page, pane)
    green = colours[..., 1] - colours[..., (0, 2)].max(axis=-1) > 60
    voxels = np.rint((places - pet.GetOrigin()) / pet.GetSpacing()).astype(int)[..., ::-1]
    inside = ((voxels >= 0) & (voxels < label.shape)).all(axis=-1)
    voxels = tuple(np.moveaxis(np.where(inside[..., None], voxels, 0), -1, 0))
    flipped = {None: label, **{axis: np.flip(label, axis) for axis in range(3)}}
    return {axis: browser.dice(green, one[voxels] & inside) for axis, one in flipped.items()}


def click_uptake_in_and_a_lesion_out(page, phantom, pet, proposed):
    page.get_by_text("Point Prompts").click()
    kidney = np.unravel_index(np.where(proposed, 0, pet["voxels"]).argmax(), proposed.shape)[::-1]
    point(page, "lesion", phantom.pet.TransformIndexToPhysicalPoint([int(i) for i in kidney]))
    added = browser.label(page) > 0
    assert (added[proposed]).all()
    new = added & ~proposed
    assert new[kidney[::-1]]
    # 40 % of its maximum, and one part.
    assert pet["voxels"][new].min() >= 0.4 * pet["voxels"][new].max() * 0.99
    assert ndimage.label(new, np.ones((3, 3, 3)))[1] == 1

    numbers = sitk.GetArrayFromImage(phantom.lesion_mask)
    parts, _ = ndimage.label(proposed, np.ones((3, 3, 3)))
    away = phantom.lesions[1]
    index = phantom.pet.TransformPhysicalPointToIndex(away.centre_mm)[::-1]
    point(page, "background", away.centre_mm)
    left = browser.label(page) > 0
    assert (left == (added & (parts != parts[index]))).all()
    assert not left[numbers == numbers[index]].any()
    browser.picture(page, "ohif_clicks.png")
    return left


def point(page, name, place):
    """Click at a place in the axial pane, under a label's name, and let the tool run."""
    page.locator(".clickable-row", has_text=name).first.click()
    browser.show(page, place)
    browser.click(page, PANES[0], place)
    with page.expect_response("**/infer/suv_click**") as answer:
        page.get_by_title("Run PointPrompts").click()
    assert answer.value.status == 200
    page.wait_for_timeout(2000)


def save(page, labels, series, label):
    page.locator("#fdglung-save-label").click()
    browser.told(page, "by anna. PACS: stored.")
    version = versions(labels, series)[-1]
    assert version.annotator == "anna"
    assert ((sitk.GetArrayFromImage(sitk.ReadImage(str(version.path))) > 0) == label).all()


def go_on(page, uid):
    """Next Sample gives the study that nobody has labelled, and OHIF opens it."""
    page.get_by_text("Active Learning").click()
    answer = ask_for_the_next(page)
    assert answer.status == 200, answer.text()
    page.locator(".nextSampleForm").get_by_text(uid).wait_for()
    page.get_by_text("OK", exact=True).click()
    page.wait_for_url(f"**StudyInstanceUIDs={uid}**")


def ask_for_the_next(page):
    """Return the server's answer. A click while the page is still drawing may ask nothing: then click again."""
    from playwright.sync_api import TimeoutError as NothingAskedError

    for _ in range(5):
        with suppress(NothingAskedError):
            with page.expect_response("**/activelearning/**", timeout=20_000) as answer:
                page.get_by_text("Next Sample", exact=True).click()
            return answer.value
    raise AssertionError("Next Sample asks the server nothing")
