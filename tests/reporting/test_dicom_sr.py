from __future__ import annotations

import highdicom as hd
import pytest

from fdglung import RESEARCH_NOTICE
from fdglung.findings import rounded
from fdglung.reporting.dicom_seg import segmentation
from fdglung.reporting.dicom_sr import IMPRESSION, measurement_report
from tests.reporting.studies import analysis, classified


def reread(made, tmp_path, **options):
    seg = segmentation(made, **options)
    measurement_report(made, seg).save_as(tmp_path / "sr.dcm")
    return seg, hd.sr.srread(tmp_path / "sr.dcm")


def numbers(group) -> dict[tuple[str, str | None], tuple[float, str]]:
    """Value and unit by quantity and derivation."""
    return {
        (item.name.meaning, item.derivation.meaning if item.derivation else None): (item.value, item.unit.value)
        for item in group.get_measurements()
    }


def remarks(sr) -> list[str]:
    container = sr.ContentSequence[-1]
    assert container.ConceptNameCodeSequence[0].CodeMeaning == "Qualitative Evaluations"
    return [item.TextValue for item in container.ContentSequence]


def test_each_lesion_has_its_measurements_with_units(tmp_path):
    made = analysis(3)
    _, sr = reread(made, tmp_path)
    groups = sr.content.get_volumetric_roi_measurement_groups()
    for group, lesion in zip(groups, made.findings.lesions, strict=True):
        expected = {
            ("SUVbw", "Maximum"): (rounded(lesion.suv_max), "g/ml{SUVbw}"),
            ("SUVbw", "Mean"): (rounded(lesion.suv_mean), "g/ml{SUVbw}"),
            ("SUVbw", "Peak Value Within ROI"): (rounded(lesion.suv_peak), "g/ml{SUVbw}"),
            ("Metabolic Volume", None): (rounded(lesion.mtv_ml), "cm3"),
            ("Total Lesion Glycolysis", None): (rounded(lesion.tlg_g), "g"),
            ("Diameter", "Maximum"): (rounded(lesion.longest_diameter_mm), "mm"),
        }
        distances = {
            "Distance from VOI to lung border, negative inside": lesion.lung_distance_mm,
            "Distance from VOI to middle of hilum": lesion.hilum_distance_mm,
            "Distance from VOI to mediastinum": lesion.mediastinum_distance_mm,
        }
        expected |= {(name, None): (rounded(far), "mm") for name, far in distances.items() if far is not None}
        assert numbers(group) == expected


@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
@pytest.mark.parametrize("lesions", [1, 3])
def test_groups_refer_to_segments_of_the_seg_and_share_their_tracking_uids(tmp_path, lesions, kind, enhanced):
    made = analysis(lesions, enhanced=enhanced, ct=False)
    seg, sr = reread(made, tmp_path, segmentation_type=kind)
    tracking = {s.SegmentNumber: (s.TrackingUID, s.TrackingID) for s in seg.SegmentSequence if s.SegmentNumber}
    groups = sr.content.get_volumetric_roi_measurement_groups()
    pet_uids = {header.SOPInstanceUID for header in made.study.pet_headers}
    seen = {}
    for group in groups:
        reference = group.reference_type
        assert reference.meaning == "Referenced Segment"
        segment = group.referenced_segment
        assert segment.referenced_sop_instance_uid == seg.SOPInstanceUID
        seen[segment.referenced_segment_numbers[0]] = (group.tracking_uid, group.tracking_identifier)
        assert {i.referenced_sop_instance_uid for i in segment.source_images_for_segmentation} <= pet_uids
    assert seen == tracking


def test_source_images_are_the_slices_that_the_lesion_lies_in(tmp_path):
    made = analysis(1, ct=False)
    _, sr = reread(made, tmp_path)
    segment = sr.content.get_volumetric_roi_measurement_groups()[0].referenced_segment
    sources = [image.referenced_sop_instance_uid for image in segment.source_images_for_segmentation]
    assert sources == [header.SOPInstanceUID for header in made.study.pet_headers[5:9]]


def test_source_frames_of_an_enhanced_pet_are_those_that_the_lesion_lies_in(tmp_path):
    made = analysis(1, ct=False, enhanced=True)
    _, sr = reread(made, tmp_path)
    segment = sr.content.get_volumetric_roi_measurement_groups()[0].referenced_segment
    frames = segment.source_images_for_segmentation[0].referenced_frame_numbers
    whole = made.study.pet_headers[0].PerFrameFunctionalGroupsSequence
    slices = sorted(whole[n - 1].FrameContentSequence[0].DimensionIndexValues - 1 for n in frames)
    assert slices == [5, 6, 7, 8]


def test_sites_have_the_side_of_the_patient(tmp_path):
    _, sr = reread(analysis(3), tmp_path)
    sites = [group.finding_sites[0] for group in sr.content.get_volumetric_roi_measurement_groups()]
    assert [site.topography.meaning if hasattr(site, "topography") else site.value.meaning for site in sites] == [
        "Upper lobe of lung",
        "Mediastinum",
        "Lung",
    ]
    assert [site.laterality.meaning if site.laterality else None for site in sites] == ["Right", None, "Left"]


@pytest.mark.parametrize(("lesions", "presence"), [(0, "Absent"), (1, "Present"), (3, "Present")])
def test_the_study_has_its_totals(tmp_path, lesions, presence):
    made = analysis(lesions)
    _, sr = reread(made, tmp_path)
    (group,) = sr.content.get_image_measurement_groups()
    expected = {
        ("Number of lesions", None): (lesions, "{lesions}"),
        ("Metabolic Volume", "Total"): (rounded(made.findings.total_mtv_ml), "cm3"),
        ("Total Lesion Glycolysis", "Total"): (rounded(made.findings.total_tlg_g), "g"),
    }
    if lesions > 1:
        expected[("Distance", "Maximum")] = (61.25, "mm")
    assert numbers(group) == expected
    (evaluation,) = (item for item in group.get_qualitative_evaluations() if item.name.meaning == "Lesion")
    assert evaluation.value.meaning == presence
    assert len(sr.content.get_volumetric_roi_measurement_groups()) == lesions


def test_notice_warnings_and_excluded_uptake_are_said_in_words(tmp_path):
    made = analysis(2)
    _, sr = reread(made, tmp_path)
    said = remarks(sr)
    assert said[:2] == [RESEARCH_NOTICE, "2 FDG-avid lung lesions found."]
    assert said[2:-1] == [f"Warning: {warning}" for warning in made.findings.warnings]
    assert said[-1] == "Not reported as a lung lesion (heart): 1 focus, SUVmax 7.9 g/ml."


def test_a_study_without_lesions_says_none(tmp_path):
    _, sr = reread(analysis(0), tmp_path)
    assert "No avid lung lesion found." in remarks(sr)


def test_a_lesions_class_is_coded_with_its_probabilities_and_the_notice_is_there(tmp_path):
    _, sr = reread(classified(analysis(3)), tmp_path)
    groups = sr.content.get_volumetric_roi_measurement_groups()
    said = [group.get_qualitative_evaluations(name=IMPRESSION)[0].value for group in groups]
    assert [(code.value, code.scheme_designator) for code in said] == [
        ("1163043007", "SCT"),
        ("82334004", "SCT"),
        ("128462008", "SCT"),
    ]
    found = numbers(groups[0])
    assert found[("Probability of lymphoma", None)] == (80.0, "%")
    assert found[("Probability of lung_cancer", None)] == (12.5, "%")
    assert any("trained on 12 synthetic lesions. They are no diagnosis" in remark for remark in remarks(sr))


def test_a_probability_has_the_same_code_in_every_report_and_no_two_classes_share_one(tmp_path):
    codes = []
    for count in (1, 3):
        (tmp_path / str(count)).mkdir()
        _, sr = reread(classified(analysis(count)), tmp_path / str(count))
        group = sr.content.get_volumetric_roi_measurement_groups()[0]
        codes.append([m.name.value for m in group.get_measurements() if m.name.meaning.startswith("Probability")])
    assert codes[0] == codes[1]
    assert len(set(codes[0])) == 3
    assert all(len(code) <= 16 for code in codes[0])
