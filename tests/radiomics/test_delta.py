from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset

from fdglung.errors import NoCtError, OutputExistsError, ParameterError, PatientMismatchError
from fdglung.radiomics import RadiomicsSettings, extract
from fdglung.radiomics.delta import PARTS, delta_csv, delta_features, write_delta
from fdglung.radiomics.same_patient import check_same_patient
from fdglung.radiomics.settings import ImageSettings, from_yaml
from fdglung.study import Study
from tests.radiomics import followed

PET = ImageSettings(spacing_mm=(4, 4, 4), bin_width=0.5, bin_origin=0)
SETTINGS = RadiomicsSettings(modalities={"PET": PET}, families=("morph", "stat"))
MOTION = ((3, 2, -4), (10, 15, -20))


def header(**changes):
    values = {
        "PatientID": "A1",
        "PatientSex": "F",
        "PatientBirthDate": "19600101",
        "StudyDate": "20240101",
        "Manufacturer": "M",
        "ManufacturerModelName": "One",
    }
    found = Dataset()
    for key, value in (values | changes).items():
        setattr(found, key, value)
    return found


def balls(*places):
    """Return a PET with a ramp and a mask of cubes at indices (z, y, x) of 4 x 4 x 4 voxels."""
    array, labels = np.zeros((24, 24, 48), np.float32), np.zeros((24, 24, 48), np.uint8)
    array += np.arange(48, dtype=np.float32)
    for label, (z, y, x, size) in enumerate(places, start=1):
        labels[z : z + 4, y : y + 4, x : x + size] = label
    images = [sitk.GetImageFromArray(part) for part in (array, labels)]
    for image in images:
        image.SetSpacing((4, 4, 4))
    return {"PET": images[0]}, images[1]


@pytest.fixture(scope="module")
def person():
    """Delta radiomics of a synthetic person who lay elsewhere on the table the second time."""
    before, after = followed.baseline(), followed.followup()
    motion = followed.turned(*MOTION)
    images = {
        "PET": followed.carried(after.pet, motion),
        "CT": followed.carried(after.ct, motion, background=-1000.0),
    }
    mask = followed.carried(after.lesion_mask, motion, labels=True)
    table = delta_features({"PET": before.pet, "CT": before.ct}, images, before.lesion_mask, mask, SETTINGS, workers=1)
    return table, extract({"PET": images["PET"]}, mask, SETTINGS, workers=1)


def test_grown_merged_gone_and_new_lesions_of_a_person_are_told_apart(person):
    table, _ = person
    assert [(one.match.status, one.match.baseline, one.match.followup) for one in table.changes] == [
        ("matched", (followed.GROWN,), (followed.GROWN_AFTER,)),
        ("merged", (followed.MERGED_A, followed.MERGED_B), (followed.MERGED_AFTER,)),
        ("gone", (followed.GONE,), ()),
        ("new", (), (followed.NEW_AFTER,)),
    ]
    grown, merged = (one.match for one in table.changes[:2])
    assert grown.overlap > 0.9
    assert max(grown.distance_mm, merged.distance_mm) < 4.0


def test_the_motion_of_the_person_is_found(person):
    table, _ = person
    truth = followed.turned(*MOTION)
    for place in followed.places():
        error = np.subtract(table.registration.transform.TransformPoint(place), truth.TransformPoint(place))
        assert np.linalg.norm(error) < 2.0


def test_changes_are_those_of_the_true_lesions(person):
    table, alone = person
    grown = table.changes[0]
    # 1.4 times the radius; masks of voxels of 5 mm hold a ball of 10 mm to some percent
    assert grown.change("PET_mtv_ml")[1] == pytest.approx(1.4**3, rel=0.15)
    assert grown.change("PET_suv_max")[1] > 1.2
    for change in table.changes:
        if len(change.match.followup) == 1:
            truth = next(one for one in alone.lesions if one.label == change.match.followup[0])
            assert change.followup.features == pytest.approx(truth.features, nan_ok=True, rel=1e-9)
    difference, ratio = grown.change("PET_suv_mean")
    before, after = (side.features["PET_suv_mean"] for side in (grown.baseline, grown.followup))
    assert (difference, ratio) == (after - before, after / before)
    gone, new = table.changes[2:]
    assert gone.followup is None
    assert new.baseline is None
    assert np.isnan([*gone.change("PET_suv_max"), *new.change("PET_suv_max")]).all()


def changed(before, after, **options):
    (one, one_mask), (other, other_mask) = balls(*before), balls(*after)
    still = sitk.TranslationTransform(3, (0.0, 0.0, 0.0))
    return delta_features(one, other, one_mask, other_mask, SETTINGS, transform=still, workers=1, **options)


def test_merged_lesions_count_as_their_union_or_as_their_largest():
    before, after = [(4, 4, 4, 2), (4, 4, 8, 6)], [(4, 4, 4, 10)]
    voxel_ml = 0.064
    for policy, voxels in (("union", 16 * 8), ("largest", 16 * 6)):
        (one,) = changed(before, after, several=policy).changes
        assert one.match.status == "merged"
        assert one.baseline.features["PET_mtv_ml"] == pytest.approx(voxels * voxel_ml)
        assert one.change("PET_mtv_ml")[1] == pytest.approx(160 / voxels)
    # the ramp: 4, 5 and 8 to 13, and its mean
    (union,) = changed(before, after).changes
    assert union.baseline.features["PET_suv_mean"] == pytest.approx((4 + 5 + 8 + 9 + 10 + 11 + 12 + 13) / 8)
    with pytest.raises(ParameterError, match="several"):
        changed(before, after, several="mean")


def test_a_study_without_lesions_left_is_a_result():
    table = changed([(4, 4, 4, 4)], [])
    assert [one.match.status for one in table.changes] == ["gone"]
    assert table.changes[0].baseline.features["PET_suv_max"] == 7


def test_the_table_has_status_both_values_difference_and_ratio(tmp_path):
    table = changed([(4, 4, 4, 4), (14, 14, 4, 4)], [(4, 4, 5, 4)])
    rows = list(csv.DictReader(io.StringIO(delta_csv(table))))
    assert [(row["status"], row["baseline_lesions"], row["followup_lesions"]) for row in rows] == [
        ("matched", "1", "1"),
        ("gone", "2", ""),
    ]
    values = [float(rows[0][f"{part}_PET_suv_mean"]) for part in PARTS]
    assert values == pytest.approx([5.5, 6.5, 1.0, 6.5 / 5.5])
    assert [rows[1][f"{part}_PET_suv_mean"] for part in PARTS] == ["5.5", "", "", ""]
    files = write_delta(table, tmp_path / "delta.csv")
    assert (tmp_path / "delta.csv").read_text() == delta_csv(table)
    assert from_yaml(files["delta.settings.yaml"]) == SETTINGS
    with pytest.raises(OutputExistsError):
        write_delta(table, tmp_path / "delta.csv")
    with pytest.raises(ParameterError, match=r"\.csv"):
        write_delta(table, tmp_path / "delta.xlsx")


def test_without_cts_a_transform_is_needed():
    images, mask = balls((4, 4, 4, 4))
    with pytest.raises(NoCtError, match="transform"):
        delta_features(images, images, mask, mask, SETTINGS)


@pytest.mark.parametrize("changes", [{"PatientID": "B2"}, {"PatientSex": "M"}, {"PatientBirthDate": "19700101"}])
def test_studies_of_two_patients_are_refused_unless_allowed(changes):
    images, mask = balls((4, 4, 4, 4))
    one, other = (Study(images["PET"], None, pet_headers=(head,)) for head in (header(), header(**changes)))
    still = sitk.TranslationTransform(3, (0.0, 0.0, 0.0))
    with pytest.raises(PatientMismatchError, match=next(iter(changes))) as error:
        delta_features(one, other, mask, mask, SETTINGS, transform=still)
    assert not any(value in str(error.value) for value in ("A1", "B2", "19600101", "19700101"))
    table = delta_features(one, other, mask, mask, SETTINGS, transform=still, allow_patient_mismatch=True, workers=1)
    assert table.changes[0].change("PET_suv_max") == (0.0, 1.0)
    assert any("differ in" in warning for warning in table.warnings)


def test_what_headers_tell_otherwise_is_a_warning():
    one = Study(None, None, ct_headers=(header(),))

    def warnings(**changes):
        return " ".join(check_same_patient(one, replace(one, ct_headers=(header(**changes),))))

    assert warnings(StudyDate="20240601") == ""
    assert "older" in warnings(StudyDate="20230601")
    assert "scanners" in warnings(ManufacturerModelName="Two")
    assert "PatientID is missing" in warnings(PatientID="")
    assert "Headers are missing" in " ".join(check_same_patient(one, Study(None, None)))
