from __future__ import annotations

import pytest
import yaml

from apps.lesion_report.configuration import (
    CONFIGURATION,
    Configuration,
    configuration_path,
    read_configuration,
    with_models,
)
from fdglung.errors import CheckpointError, LungWeightsError, ModelFileError, ParameterError
from fdglung.pipeline import Settings
from fdglung.segmentation import SegmentationSettings

NETWORK = CONFIGURATION.with_name("network.yaml")


def written(tmp_path, content):
    path = tmp_path / "app.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_the_application_s_own_file_says_the_library_s_defaults():
    assert read_configuration(CONFIGURATION) == Configuration()
    assert with_models(Configuration(), CONFIGURATION / "nowhere") == Settings()


def test_the_application_s_own_file_names_every_key():
    content = yaml.safe_load(CONFIGURATION.read_text())
    for name, section in vars(Configuration()).items():
        assert set(content[name]) == set(vars(section)), name


def test_the_file_of_the_network_asks_for_it_and_for_nothing_else():
    assert read_configuration(NETWORK) == Configuration(segmentation=SegmentationSettings(method="network"))


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"segmentaton": {}}, "segmentaton"),
        ({"segmentation": {"seed_suvv": 3}}, "segmentation.seed_suvv"),
        ({"segmentation": {"seed_suv": "three"}}, "segmentation.seed_suv"),
        ({"segmentation": {"seed_suv": "3.0"}}, "segmentation.seed_suv"),
        ({"segmentation": {"seed_suv": -1}}, "segmentation.seed_suv"),
        ({"segmentation": {"method": "magic"}}, "segmentation.method"),
        ({"segmentation": {"flips": 1}}, "segmentation.flips"),
        ({"segmentation": {"checkpoints": "model.onnx"}}, "segmentation.checkpoints"),
        ({"segmentation": [1]}, "segmentation"),
        ({"selection": {"pet": {"SeriesDescripton": "x"}}}, "selection.pet.SeriesDescripton"),
        ({"selection": {"ct": {"SeriesDescription": "("}}}, "selection.ct.SeriesDescription"),
        ({"selection": {"mr": {}}}, "selection.mr"),
        ({"lungs": {"margin_mm": -5}}, "lungs.margin_mm"),
        ({"lungs": {"weights": 3}}, "lungs.weights"),
        ({"radiomics": {"enabled": "yes"}}, "radiomics.enabled"),
        ({"radiomics": {"workers": 0}}, "radiomics.workers"),
        ({"radiomics": {"settings": {"familys": []}}}, "radiomics.settings.familys"),
        ({"classification": {"workers": 0}}, "classification.workers"),
        ({"classification": {"modle": "a"}}, "classification.modle"),
        ({"report": {"outputs": ["bmp"]}}, "report.outputs"),
        ({"report": {"outputs": ["sr"]}}, "report.outputs"),
        ({"report": {"segmentation_type": "FRACTIONAL"}}, "report.segmentation_type"),
        ({"report": {"overwrite": None}}, "report.overwrite"),
        ("a: [", "app.yaml"),
        ("just text", "app.yaml"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_key(tmp_path, content, place):
    with pytest.raises(ParameterError) as refused:
        read_configuration(written(tmp_path, content))
    assert refused.value.attribute.startswith(place)
    assert refused.value.remedy


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="HOLOSCAN_CONFIG_PATH"):
        read_configuration(tmp_path / "app.yaml")


def test_values_reach_the_settings(tmp_path):
    path = written(tmp_path, {"segmentation": {"seed_suv": 3}, "report": {"outputs": ["seg"]}, "lungs": None})
    asked = read_configuration(path)
    assert asked.segmentation.seed_suv == 3.0
    assert asked.report.outputs == ("seg",)


def test_an_image_s_variable_names_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv("HOLOSCAN_CONFIG_PATH", str(tmp_path / "other.yaml"))
    assert configuration_path() == tmp_path / "other.yaml"


def test_networks_are_found_in_the_models_folder_onnx_before_torch(tmp_path):
    (tmp_path / "lesions").mkdir()
    asked = read_configuration(written(tmp_path, {"segmentation": {"method": "network"}}))
    with pytest.raises(CheckpointError, match=r"segmentation\.checkpoints"):
        with_models(asked, tmp_path)
    for name in ("b.onnx", "a.onnx", "c.pt"):
        (tmp_path / "lesions" / name).touch()
    names = [str(tmp_path / "lesions" / name) for name in ("a.onnx", "b.onnx")]
    assert list(with_models(asked, tmp_path).segmentation.checkpoints) == names


def test_a_model_that_is_named_and_missing_is_refused(tmp_path):
    network = {"segmentation": {"method": "network", "checkpoints": ["x.onnx"]}}
    with pytest.raises(CheckpointError, match=r"no x\.onnx"):
        with_models(read_configuration(written(tmp_path, network)), tmp_path)
    with pytest.raises(LungWeightsError, match=r"lungs\.weights"):
        with_models(read_configuration(written(tmp_path, {"lungs": {"weights": "r231.pth"}})), tmp_path)


def test_a_classifier_that_the_models_folder_lacks_is_an_error_at_start(tmp_path):
    asked = read_configuration(written(tmp_path, {"classification": {"model": "model.skops", "workers": 2}}))
    with pytest.raises(ModelFileError, match=r"holds no model\.skops"):
        with_models(asked, tmp_path)
    (tmp_path / "classifiers").mkdir()
    (tmp_path / "classifiers" / "model.skops").touch()
    settings = with_models(asked, tmp_path)
    assert (settings.classifier, settings.workers) == (tmp_path / "classifiers" / "model.skops", 2)
