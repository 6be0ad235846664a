from __future__ import annotations

import io
import json
import pickle

import numpy as np
import pytest
import torch

from fdglung.classification.image.model_file import load_image_model, model_bytes
from fdglung.classification.image.prediction import classify_images
from fdglung.errors import ModelFileError, ModelMismatchError, UntrustedModelError
from fdglung.pipeline import load_classifier
from tests.classification.image.made import CLASSES, lesions, untrained


@pytest.fixture(scope="module")
def content():
    return model_bytes(untrained(), ".pt")


def changed(content, change):
    """Return a model file whose parts `change` was given to alter."""
    parts = torch.load(io.BytesIO(content), weights_only=True)
    about = json.loads(parts["fdglung"])
    change(parts, about)
    parts["fdglung"] = json.dumps(about)
    buffer = io.BytesIO()
    torch.save(parts, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_a_file_gives_back_the_model_that_was_written(tmp_path, suffix):
    model = untrained()
    path = tmp_path / f"model{suffix}"
    path.write_bytes(model_bytes(model, suffix))
    read = load_image_model(path)
    assert (read.classes, read.config, read.trained_on) == (CLASSES, model.config, "nothing at all")
    assert set(read.weights) == set(model.weights)
    assert all(np.array_equal(read.weights[name], model.weights[name]) for name in model.weights)
    given = lesions(patients=2)
    first, again = (classify_images(one, given.lesions, given.raw)[0] for one in (model, read))
    np.testing.assert_allclose(first.probabilities, again.probabilities, atol=1e-5)
    assert load_classifier(path).model.classes == CLASSES


def test_a_file_holds_no_pickled_code_and_one_that_does_is_refused(content, tmp_path):
    path = tmp_path / "model.pt"

    class Bad:
        def __reduce__(self):
            return print, ("run",)

    buffer = io.BytesIO()
    torch.save({"fdglung": "{}", "weights": {"a": Bad()}}, buffer)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UntrustedModelError, match="more than tensors"):
        load_image_model(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelFileError):
        load_image_model(path)


def test_what_is_no_model_or_not_whole_is_refused(content, tmp_path):
    for name in ("model.pt", "model.onnx"):
        path = tmp_path / name
        with pytest.raises(ModelFileError):
            load_image_model(path)
        for data in (b"", b"abc", content[: len(content) // 2]):
            path.write_bytes(data)
            with pytest.raises(ModelFileError):
                load_image_model(path)


def other_channels(parts, about):
    about["config"]["channels"] = ["CT", "PET", "MASK"]


def fewer_channels(parts, about):
    about["config"]["channels"] = ["PET", "MASK"]


def other_normalisation(parts, about):
    about["config"]["normalisation"]["PET"][1][1] = 0.5


def other_classes(parts, about):
    about["classes"] = about["classes"][::-1]


def other_weights(parts, about):
    parts["weights"]["lesion.bias"] += 1


def fewer_lesions(parts, about):
    parts["training"] = parts["training"][1:]


def other_version(parts, about):
    about["format_version"] = 99


@pytest.mark.parametrize(
    "change",
    [
        *(other_channels, fewer_channels, other_normalisation, other_classes),
        *(other_weights, fewer_lesions, other_version),
    ],
)
def test_a_file_whose_parts_do_not_fit_each_other_is_refused(content, tmp_path, change):
    path = tmp_path / "model.pt"
    path.write_bytes(changed(content, lambda parts, about: None))
    load_image_model(path)
    path.write_bytes(changed(content, change))
    with pytest.raises(ModelMismatchError):
        load_image_model(path)


def test_a_file_of_another_network_is_refused_with_the_tensor(tmp_path):
    model = untrained()
    weights = dict(model.weights)
    weights["backbone.conv1.weight"] = weights["backbone.conv1.weight"][:, :2]
    path = tmp_path / "model.pt"
    object.__setattr__(model, "weights", weights)
    path.write_bytes(model_bytes(model, ".pt"))
    with pytest.raises(ModelMismatchError, match=r"another network.*backbone\.conv1\.weight"):
        load_image_model(path)
