from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE, cli, lungs
from fdglung.errors import CheckpointError, NoCtError
from fdglung.segmentation import IN_FAT, SegmentationSettings, segment
from fdglung.segmentation_files import segment_files
from fdglung.segmentation_network import default_checkpoints
from fdglung.study import Study
from tests.ellipsoids import pet_of, thorax, with_spheres
from tests.network.networks import write_threshold_network

IN_RIGHT_LUNG = ((-78.0, 10.0, 20.0), 15.0, 8.0)
AT_LEFT_PLEURA = ((132.0, 0.0, 0.0), 12.0, 7.0)
BELOW = ((0.0, 0.0, -145.0), 12.0, 20.0)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return str(write_threshold_network(tmp_path_factory.mktemp("network") / "model.onnx"))


def study_of(spheres, **options):
    return Study(pet_of(spheres, **options), with_spheres(thorax()[0], spheres))


def found_in(study, network, *, region=None, **settings):
    region = lungs.segment(study.ct) if region is None and study.ct is not None else region
    result = segment(
        study, region or None, SegmentationSettings(method="network", checkpoints=(network,), overlap=0.0, **settings)
    )
    return result, sitk.GetArrayFromImage(result.labels)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("spacing", [(3.0, 3.0, 3.0), (4.0, 4.0, 4.0), (5.47, 5.47, 3.27), (2.0, 2.0, 2.0)])
def test_what_the_network_outlines_comes_back_on_the_pets_grid_whatever_its_spacing(network, spacing):
    study = study_of([IN_RIGHT_LUNG, AT_LEFT_PLEURA], spacing=spacing, fwhm_mm=8.0)
    result, labels = found_in(study, network, min_volume_ml=0)
    suv = sitk.GetArrayFromImage(study.pet)
    assert result.labels.GetSize() == study.pet.GetSize()
    assert [suv[labels == lesion.label].max() for lesion in result.lesions] == sorted(
        [suv[labels == lesion.label].max() for lesion in result.lesions], reverse=True
    )
    assert len(result.lesions) == 2
    assert dice(labels > 0, suv >= 2.5) > 0.95


@pytest.mark.parametrize("liver", [1.4, 3.0])
def test_liver_and_blood_pool_are_measured_as_with_thresholds(network, liver):
    study = study_of([IN_RIGHT_LUNG], liver=liver)
    region = lungs.segment(study.ct)
    found = segment(study, region, SegmentationSettings(method="network", checkpoints=(network,)))
    assert found.reference_uptake["liver"] == pytest.approx(liver, rel=0.01)
    assert found.reference_uptake == segment(study, region, SegmentationSettings()).reference_uptake
    everywhere = SegmentationSettings(method="network", region="all", checkpoints=(network,))
    assert segment(study, None, everywhere).reference_uptake == {}


@pytest.mark.parametrize("orientation", ["RAS", "LSP", "SAR"])
def test_orientation_changes_nothing(network, orientation):
    study = study_of([IN_RIGHT_LUNG], fwhm_mm=8.0)
    region = lungs.segment(study.ct)
    expected = found_in(study, network, region=region)[0].labels
    turned = Study(sitk.DICOMOrient(study.pet, orientation), study.ct)
    found = found_in(turned, network, region=region)[0].labels
    assert found.GetDirection() == turned.pet.GetDirection()
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(found, "LPS"))
    assert (back == sitk.GetArrayFromImage(expected)).mean() > 0.99999


def test_the_lungs_box_bounds_what_is_looked_at_unless_all_is_asked_for(network):
    study = study_of([IN_RIGHT_LUNG, BELOW])
    assert len(found_in(study, network)[0].lesions) == 1
    assert len(found_in(study, network, region=False)[0].lesions) == 2
    whole, _ = found_in(study, network, region=False, **{"probability": 0.5})
    assert "whole PET was searched" in " ".join(whole.warnings)


def test_the_coolest_voxel_of_a_lesion_can_be_bounded(network):
    study = study_of([IN_RIGHT_LUNG], fwhm_mm=8.0)
    suv = sitk.GetArrayFromImage(study.pet)
    whole, bounded = (found_in(study, network, min_suv=least)[1] > 0 for least in (0.0, 4.0))
    assert (bounded == (whole & (suv >= 4.0))).all()
    assert 0 < bounded.sum() < whole.sum()
    hottest = suv[whole].max()
    (lesion,) = found_in(study, network, min_suv=hottest)[0].lesions
    assert lesion.voi_fraction == 1
    assert not found_in(study, network, min_suv=1.01 * hottest)[0].lesions


def crop_of(image, centre, side_mm, spacing_mm):
    n = round(side_mm / spacing_mm)
    reference = sitk.Image([n] * 3, sitk.sitkFloat32)
    reference.SetSpacing([spacing_mm] * 3)
    reference.SetOrigin([c - (n - 1) / 2 * spacing_mm for c in centre])
    return sitk.Resample(sitk.Cast(image, sitk.sitkFloat32), reference, sitk.Transform(), sitk.sitkLinear)


@pytest.mark.parametrize("centre", [(-60.0, 10.0, 30.0), (-110.0, 0.0, 20.0)])
def test_a_crop_of_ten_centimetres_at_one_millimetre_with_part_of_a_lung_works(network, tmp_path, centre):
    study = study_of([IN_RIGHT_LUNG], fwhm_mm=8.0)
    pet, ct = (crop_of(image, centre, 100.0, 1.0) for image in (study.pet, study.ct))
    for image, name in ((pet, "pet"), (ct, "ct")):
        sitk.WriteImage(image, str(tmp_path / f"{name}.nii.gz"))
    result = segment_files(
        tmp_path / "pet.nii.gz",
        tmp_path / "ct.nii.gz",
        tmp_path / "out.nii.gz",
        method="network",
        checkpoints=(network,),
    )
    assert len(result.lesions) == 1
    assert dice(sitk.GetArrayFromImage(result.labels) > 0, sitk.GetArrayFromImage(pet) >= 2.5) > 0.95
    assert any("part of the chest" in text or "No lungs were found" in text for text in result.warnings)


def test_uptake_in_fat_at_the_lungs_is_set_apart_with_its_reason(network):
    spheres = [IN_RIGHT_LUNG, (AT_LEFT_PLEURA[0], 20.0, 11.0)]
    soft = study_of(spheres)
    assert len(found_in(soft, network)[0].lesions) == 2
    fat = Study(soft.pet, with_spheres(soft.ct, spheres[1:], hu=-100))
    result, labels = found_in(fat, network)
    (lesion,), (apart,) = result.lesions, result.excluded
    suv = sitk.GetArrayFromImage(fat.pet)
    assert lesion.label == 1
    assert suv[labels == 1].max() == 8.0
    assert not labels[suv == 11.0].any()
    assert (apart.reason, apart.suv_max) == (IN_FAT, 11.0)
    # The outline at 2.5 of a sharp sphere of 11 lies up to a voxel outside it.
    assert 0.95 * 20**3 < apart.volume_ml * 1000 / (4 / 3 * np.pi) < 24**3
    assert np.linalg.norm(np.subtract(apart.suv_max_position_mm, AT_LEFT_PLEURA[0])) <= 20


def test_the_command_tells_what_was_set_apart_and_why(network, tmp_path, capsys):
    spheres = [IN_RIGHT_LUNG, (AT_LEFT_PLEURA[0], 20.0, 11.0)]
    study = study_of(spheres)
    sitk.WriteImage(study.pet, str(tmp_path / "pet.nii.gz"))
    sitk.WriteImage(with_spheres(study.ct, spheres[1:], hu=-100), str(tmp_path / "ct.nii.gz"))
    arguments = ["segment", "--pet", str(tmp_path / "pet.nii.gz"), "--ct", str(tmp_path / "ct.nii.gz")]
    arguments += ["--out", str(tmp_path / "mask.nii.gz"), "--checkpoint", network, "--overwrite"]
    assert cli.main(arguments) == 0
    assert f"not written, {IN_FAT}: 1, " in capsys.readouterr().out
    assert cli.main([*arguments, "--json"]) == 0
    (apart,) = json.loads(capsys.readouterr().out)["excluded"]
    assert (apart["reason"], apart["suv_max"]) == (IN_FAT, 11.0)
    assert np.linalg.norm(np.subtract(apart["suv_max_position_mm"], AT_LEFT_PLEURA[0])) <= 20


def test_uptake_in_fat_is_not_set_apart_where_all_uptake_is_asked_for(network):
    study = Study(pet_of([AT_LEFT_PLEURA]), with_spheres(thorax()[0], [AT_LEFT_PLEURA], hu=-100))
    result, _ = found_in(study, network, region=False)
    assert (len(result.lesions), result.excluded) == (1, ())


def test_several_networks_give_their_mean_and_their_spread(tmp_path):
    """Two networks with constant logits a and b: mean of the sigmoids, and half of their difference as spread."""
    paths = tuple(str(write_threshold_network(tmp_path / f"{bias}.onnx", slope=0.0, bias=bias)) for bias in (1.0, 3.0))
    study = study_of([IN_RIGHT_LUNG])
    result = segment(study, None, SegmentationSettings(method="network", region="all", checkpoints=paths, overlap=0.0))
    low, high = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-3.0))
    inner = sitk.GetArrayFromImage(result.probability)[5:-5, 5:-5, 5:-5]
    assert inner == pytest.approx(np.full(inner.shape, (low + high) / 2), abs=1e-5)
    assert result.lesions[0].confidence == pytest.approx((low + high) / 2, abs=1e-3)
    assert result.lesions[0].confidence_spread == pytest.approx((high - low) / 2, abs=1e-3)
    assert [entry["file"] for entry in result.networks] == ["1.0.onnx", "3.0.onnx"]


def test_one_network_has_a_confidence_and_no_spread(network):
    lesion = found_in(study_of([IN_RIGHT_LUNG]), network)[0].lesions[0]
    assert 0.8 < lesion.confidence <= 1
    assert lesion.confidence_spread is None


def test_specks_below_the_smallest_volume_are_left_out(network):
    speck = ((-78.0, 10.0, 22.0), 5.0, 8.0)
    assert not found_in(study_of([speck]), network, min_volume_ml=2)[0].lesions
    assert len(found_in(study_of([speck]), network, min_volume_ml=0.01)[0].lesions) == 1


def test_a_network_of_pet_alone_needs_no_ct_and_one_of_both_says_so(network, tmp_path):
    pet = pet_of([IN_RIGHT_LUNG])
    with pytest.raises(NoCtError, match="PET and CT"):
        found_in(Study(pet, None), network)
    alone = str(write_threshold_network(tmp_path / "pet.onnx", channels=["PET"]))
    assert len(found_in(Study(pet, None), alone)[0].lesions) == 1
    either = str(write_threshold_network(tmp_path / "either.onnx", optional=["CT"]))
    result, _ = found_in(Study(pet, None), either)
    assert len(result.lesions) == 1
    assert "There is no CT" in result.warnings[0]


def test_networks_that_differ_in_channel_order_are_not_mixed(network, tmp_path):
    other = str(write_threshold_network(tmp_path / "other.onnx", channels=["CT", "PET"]))
    with pytest.raises(CheckpointError, match=r"model.onnx has channels \[PET, CT\], other.onnx has \[CT, PET\]"):
        segment(study_of([]), None, SegmentationSettings(method="network", checkpoints=(network, other)))
    assert len(found_in(study_of([IN_RIGHT_LUNG]), other)[0].lesions) == 1


def test_what_the_weights_were_trained_on_stands_beside_the_result(tmp_path):
    path = str(write_threshold_network(tmp_path / "model.onnx", trained_on="synthetic studies and sarcomas"))
    result, _ = found_in(study_of([IN_RIGHT_LUNG]), path)
    assert "The network was trained on synthetic studies and sarcomas." in result.warnings


def test_smaller_windows_are_used_where_memory_does_not_suffice_and_that_is_said(network, monkeypatch):
    import fdglung.segmentation_network as module

    opened = module.open_predictor

    def scarce(checkpoint, backend):
        predictor = opened(checkpoint, backend)

        def predict(batch):
            if batch.shape[2] > 32:
                raise MemoryError
            return predictor.predict(batch)

        return module.Predictor(predictor.checkpoint, predictor.backend, predict)

    large = str(write_threshold_network(Path(network).with_name("large.onnx"), window=[64] * 3))
    study = study_of([IN_RIGHT_LUNG])
    expected = found_in(study, large)[1]
    monkeypatch.setattr(module, "open_predictor", scarce)
    result, labels = found_in(study, large)
    assert (labels == expected).all()
    assert any("windows of 32 x 32 x 32 voxels only instead of 64 x 64 x 64" in text for text in result.warnings)


def test_without_any_network_the_remedy_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("FDGLUNG_MODELS", str(tmp_path))
    with pytest.raises(CheckpointError, match="--method threshold"):
        default_checkpoints()
    write_threshold_network(tmp_path / "model_b.onnx")
    write_threshold_network(tmp_path / "model_a.onnx")
    assert [path.name for path in default_checkpoints()] == ["model_a.onnx", "model_b.onnx"]


def test_the_command_gives_the_mask_that_the_library_gives(network, tmp_path, capsys):
    study = study_of([IN_RIGHT_LUNG, AT_LEFT_PLEURA], fwhm_mm=6.0)
    sitk.WriteImage(study.pet, str(tmp_path / "pet.nii.gz"))
    sitk.WriteImage(study.ct, str(tmp_path / "ct.nii.gz"))
    arguments = ["segment", "--pet", str(tmp_path / "pet.nii.gz"), "--ct", str(tmp_path / "ct.nii.gz")]
    arguments += ["--out", str(tmp_path / "mask.nii.gz"), "--checkpoint", network, "--json"]
    arguments += ["--probability-out", str(tmp_path / "probability.nii.gz")]
    assert cli.main(arguments) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["notice"] == RESEARCH_NOTICE
    assert [lesion["label"] for lesion in printed["lesions"]] == [1, 2]
    result = segment(study, lungs.segment(study.ct), SegmentationSettings(method="network", checkpoints=(network,)))
    written = sitk.ReadImage(str(tmp_path / "mask.nii.gz"))
    assert (sitk.GetArrayFromImage(written) == sitk.GetArrayFromImage(result.labels)).all()
    assert written.GetSpacing() == pytest.approx(study.pet.GetSpacing())
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "probability.nii.gz"))).max() <= 1
    assert cli.main(arguments) == cli.EXIT_BAD_INPUT
    assert "OutputExistsError" in capsys.readouterr().err


def test_bad_files_are_refused_by_name(network, tmp_path, capsys):
    study = study_of([IN_RIGHT_LUNG])
    sitk.WriteImage(study.pet, str(tmp_path / "pet.nii.gz"))
    sitk.WriteImage(study.pet * 0, str(tmp_path / "empty.nii.gz"))
    (tmp_path / "broken.nii.gz").write_bytes(b"broken")
    far = sitk.Cast(study.ct, sitk.sitkFloat32)
    far.SetOrigin((5000.0, 0.0, 0.0))
    sitk.WriteImage(far, str(tmp_path / "far.nii.gz"))
    for pet, ct, kind, name in (
        ("absent", None, "UnreadableImageError", "absent.nii.gz"),
        ("broken", None, "UnreadableImageError", "broken.nii.gz"),
        ("empty", None, "EmptyPetError", "empty.nii.gz"),
        ("pet", "far", "NoOverlapError", "far.nii.gz"),
    ):
        arguments = ["segment", "--pet", str(tmp_path / f"{pet}.nii.gz"), "--out", str(tmp_path / "out.nii.gz")]
        arguments += ["--checkpoint", network] + (["--ct", str(tmp_path / f"{ct}.nii.gz")] if ct else [])
        assert cli.main(arguments) == cli.EXIT_BAD_INPUT
        message = capsys.readouterr().err
        assert kind in message
        assert name in message
    assert not (tmp_path / "out.nii.gz").exists()
