from __future__ import annotations

import concurrent.futures
import os
import subprocess
import sys

import numpy as np
import pytest

from fdglung.errors import CheckpointError, ParameterError
from fdglung.network import backends
from fdglung.network.checkpoint import (
    fill,
    load_network,
    read_checkpoint,
    read_weights,
    write_onnx,
    write_torch,
)
from tests.cases import ROOT
from tests.network.networks import small_spec, write_threshold_network

torch = pytest.importorskip("torch")
architectures = pytest.importorskip("fdglung.network.architectures")
pytest.importorskip("monai")

TOLERANCE = 2e-3
"""Of logits of the order of 1: single precision (6e-8) through some twenty layers, each a sum of thousands of products
in another order and divided by the standard deviation of a few voxels at the lowest level."""


def checkpoint_of(tmp_path, **changes):
    torch.manual_seed(1)
    spec = small_spec(**changes)
    write_torch(tmp_path / "model.pt", spec, architectures.build(spec).state_dict())
    return read_checkpoint(tmp_path / "model.pt")


def batch(channels=2, side=32):
    return np.random.default_rng(0).normal(size=(1, channels, side, side, side)).astype(np.float32)


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("architecture", ["unet", "dynunet", "segresnet_ds"])
def test_every_backend_gives_what_torch_gives_for_any_window(tmp_path, monkeypatch, backend, architecture):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkpoint = checkpoint_of(tmp_path, architecture=architecture)
    expected, found = (backends.open_predictor(checkpoint, name).predict for name in ("torch", backend))
    for side in (32, 48):
        reference = expected(batch(side=side))
        assert reference.shape == (1, 2, side, side, side)
        assert reference.std() > 0.01
        assert np.abs(found(batch(side=side)) - reference).max() < TOLERANCE


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_several_threads_may_ask_one_network_at_once_for_windows_of_several_shapes(tmp_path, backend):
    pytest.importorskip(backend)
    path = write_threshold_network(tmp_path / "model.onnx", 2.0)
    predictor = backends.open_predictor(read_checkpoint(path), backend)
    channels = len(predictor.checkpoint.spec.channels)
    windows = [np.full((1, channels, *[16 + 16 * (n % 2)] * 3), n / 20, np.float32) for n in range(20)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        together = list(pool.map(predictor.predict, windows))
    for found, window in zip(together, windows, strict=True):
        np.testing.assert_array_equal(found, predictor.predict(window))


def test_the_export_is_made_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    checkpoint = checkpoint_of(tmp_path)
    backends.open_predictor(checkpoint, "openvino")
    kept = list((tmp_path / "cache" / "fdglung").iterdir())
    assert [path.name for path in kept] == [f"{checkpoint.sha256}.onnx"]
    before = kept[0].stat().st_mtime_ns
    backends.open_predictor(checkpoint, "onnxruntime")
    assert kept[0].stat().st_mtime_ns == before


def test_half_precision_weights_take_half_the_room_and_answer_alike(tmp_path):
    checkpoint = checkpoint_of(tmp_path, features=[8, 16, 32])
    for half in (False, True):
        write_onnx(tmp_path / f"{half}.onnx", checkpoint, half=half)
    assert (tmp_path / "True.onnx").stat().st_size < 0.6 * (tmp_path / "False.onnx").stat().st_size
    full, half = (
        backends.open_predictor(read_checkpoint(tmp_path / f"{half}.onnx"), "openvino").predict(batch())
        for half in (False, True)
    )
    # Weights are off by up to 2^-11 of themselves; twenty layers add up.
    assert 0 < np.abs(half - full).max() < 0.05


def test_on_a_cpu_the_fastest_installed_backend_is_chosen(tmp_path, monkeypatch):
    checkpoint = read_checkpoint(write_threshold_network(tmp_path / "model.onnx"))
    installed = {"openvino", "onnxruntime", "onnx", "torch"}
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: name in installed or None)
    monkeypatch.setattr(backends, "_has_gpu", lambda: False)
    assert backends.choose_backend(checkpoint) == "openvino"
    installed.remove("openvino")
    assert backends.choose_backend(checkpoint) == "onnxruntime"
    installed.remove("onnxruntime")
    assert backends.choose_backend(checkpoint_of(tmp_path)) == "torch"


def test_a_gpu_is_preferred_for_torch_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(backends, "_has_gpu", lambda: True)
    assert backends.choose_backend(checkpoint_of(tmp_path)) == "torch"


def test_an_unknown_backend_is_refused(tmp_path):
    checkpoint = read_checkpoint(write_threshold_network(tmp_path / "model.onnx"))
    with pytest.raises(ParameterError, match="abacus"):
        backends.open_predictor(checkpoint, "abacus")


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("architecture", ["unet", "dynunet", "segresnet_ds"])
def test_an_onnx_file_keeps_the_weights_that_torch_trains_on(tmp_path, architecture, half):
    checkpoint = checkpoint_of(tmp_path, architecture=architecture)
    write_onnx(tmp_path / "model.onnx", checkpoint, half=half)
    before, after = (load_network(read_checkpoint(tmp_path / f"model.{end}")).state_dict() for end in ("pt", "onnx"))
    assert list(before) == list(after)
    for name, values in before.items():
        assert torch.equal(values.half().float() if half else values, after[name]), name


def test_onnx_weights_of_another_architecture_are_refused(tmp_path):
    write_onnx(tmp_path / "model.onnx", checkpoint_of(tmp_path))
    other = architectures.build(small_spec(features=[8, 16, 32]))
    weights = read_weights(tmp_path / "model.onnx")
    with pytest.raises(CheckpointError, match=r"tensors are missing or of another shape"):
        fill(other, weights, spec=small_spec(), name="model.onnx")
    weights.pop(next(iter(weights)))
    with pytest.raises(CheckpointError, match=r"1 of \d+ tensors are missing"):
        fill(architectures.build(small_spec()), weights, spec=small_spec(), name="model.onnx")


def test_probabilities_are_a_softmax():
    logits = np.array([0.0, np.log(3.0), 500.0], np.float32)
    assert backends.probabilities(logits[:2]) == pytest.approx([0.25, 0.75])
    assert backends.probabilities(logits) == pytest.approx([0, 0, 1])


def test_openvino_does_not_report_its_use(tmp_path):
    pytest.importorskip("openvino")
    write_onnx(tmp_path / "model.onnx", checkpoint_of(tmp_path))
    (tmp_path / "home").mkdir()
    code = (
        "import pathlib, sys; from fdglung.network import backends; backends.open_openvino(pathlib.Path(sys.argv[1]))"
    )
    variables = {name: value for name, value in os.environ.items() if name != "CI"}
    variables |= {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, tmp_path / "model.onnx"], env=variables, check=True)
    assert list((tmp_path / "home").iterdir()) == []
