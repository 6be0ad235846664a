from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from lungmask import LMInferer

from fdglung.cli import main
from fdglung.errors import BackendError, LungWeightsError, ParameterError
from fdglung.lungs import segment
from fdglung.lungs.inference import BATCH, open_network, write_onnx
from fdglung.lungs.network import segment_by_network
from fdglung.lungs.unet import build, expanded
from fdglung.lungs.weights import read_weights
from tests.ellipsoids import thorax
from tests.lungs.networks import random_state, save, window_state, with_windows
from tests.network.networks import write_threshold_network

CPU_BACKENDS = ["torch", "onnxruntime", "openvino"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def lungs_ct():
    ct, drawn = thorax()
    return with_windows(ct, drawn), drawn


def network_of(state, folder, backend="openvino"):
    return open_network(read_weights(save(state, folder / "narrow.pth")), backend)


def long_ct(ct, below, above):
    """Return the CT with slices of its own last ones, where there is no lung, added at its ends."""
    hu = sitk.GetArrayFromImage(ct)
    hu = np.concatenate([np.repeat(hu[:1], below, axis=0), hu, np.repeat(hu[-1:], above, axis=0)])
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(ct.GetSpacing())
    return image


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_every_backend_has_the_output_of_the_network_in_torch(tmp_path, backend):
    state = random_state()
    network = build(8, 3)
    network.load_state_dict(state)
    slices = np.random.default_rng(0).random((BATCH, 1, 64, 96), np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(slices)).numpy()
    scores = network_of(state, tmp_path, backend).scores(slices)
    found = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    assert expected.std() > 0.1
    assert np.abs(found - expected).max() < 1e-3


@pytest.fixture(scope="module")
def lungmask(tmp_path_factory):
    """Return lungmask itself, which loads the same network in its own width."""
    wide = save(expanded(window_state()), tmp_path_factory.mktemp("lungmask") / "wide.pth")
    return LMInferer(modelpath=str(wide), force_cpu=True, tqdm_disable=True)


@pytest.fixture(scope="module")
def labelled_by_lungmask(lungs_ct, lungmask):
    """Return slices of the CT, and lungmask's labels of them."""
    ct = lungs_ct[0][:, :, 48:53]
    return ct, lungmask.apply(ct)


@pytest.mark.parametrize("backend", CPU_BACKENDS)
def test_the_labels_are_those_of_lungmask_on_the_same_slices(tmp_path, labelled_by_lungmask, backend):
    ct, own = labelled_by_lungmask
    found = sitk.GetArrayFromImage(segment_by_network(ct, network_of(window_state(), tmp_path, backend), whole=True))
    assert set(np.unique(own)) == {0, 1, 2}
    assert (found == own).all()


def test_the_labels_are_those_of_lungmask_in_another_orientation_of_the_grid(tmp_path, lungs_ct, lungmask):
    ct = sitk.DICOMOrient(lungs_ct[0][:, :, 48:52], "ASR")
    found = segment_by_network(ct, network_of(window_state(), tmp_path), whole=True)
    assert (sitk.GetArrayFromImage(found) == lungmask.apply(ct)).all()
    assert found.GetDirection() == ct.GetDirection()
    assert found.GetOrigin() == ct.GetOrigin()


def test_looking_only_where_lungs_are_changes_no_voxel(tmp_path, lungs_ct):
    ct = long_ct(lungs_ct[0][:, :, ::2], below=45, above=15)
    network = network_of(window_state(), tmp_path)
    seen = []
    counting = replace(network, scores=lambda batch: seen.append(batch) or network.scores(batch))
    found = sitk.GetArrayFromImage(segment_by_network(ct, counting))
    fine = sum(len(batch) for batch in seen if batch.shape[-1] == 256)
    assert (found == sitk.GetArrayFromImage(segment_by_network(ct, network, whole=True))).all()
    assert found.any()
    assert fine < 0.6 * ct.GetSize()[2]


def test_lung_beyond_the_extent_that_was_found_first_is_looked_for(tmp_path, lungs_ct, monkeypatch):
    """A first look that sees the middle of the lungs alone."""
    network = network_of(window_state(), tmp_path)
    ct = lungs_ct[0][:, :, ::2]
    whole = sitk.GetArrayFromImage(segment_by_network(ct, network, whole=True))
    monkeypatch.setattr("fdglung.lungs.network._rough_extent", lambda *args: (22, 25))
    assert (sitk.GetArrayFromImage(segment_by_network(ct, network)) == whole).all()


def test_a_region_by_weights_says_whose_they_are_and_has_the_drawn_lungs(tmp_path, lungs_ct):
    path = save(window_state(), tmp_path / "narrow.pth")
    region = segment(lungs_ct[0], weights=path)
    found = sitk.GetArrayFromImage(region.mask)
    for label, side in ((1, "right"), (2, "left")):
        drawn = lungs_ct[1][side]
        assert 2 * (drawn & (found == label)).sum() / (drawn.sum() + (found == label).sum()) > 0.95
    assert region.method == "lungmask narrow.pth"
    assert region.weights_sha256 == read_weights(path).sha256
    assert region.warnings == ()


def test_our_own_weights_are_taken_where_the_official_ones_are_missing_and_that_is_said(
    tmp_path, lungs_ct, monkeypatch
):
    own = save(window_state(), tmp_path / "lungs_narrow.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for module in ("weights", "finding"):
        monkeypatch.setattr(f"fdglung.lungs.{module}.OWN_FILE", own)
    region = segment(lungs_ct[0][:, :, ::2])
    assert region.method == "lungmask lungs_narrow.pth"
    assert len(region.warnings) == 1
    assert "own narrow network" in region.warnings[0]


@pytest.mark.parametrize("missing", ["torch", "lungmask"])
def test_weights_that_nothing_can_run_are_left_where_they_are_not_asked_for(tmp_path, lungs_ct, monkeypatch, missing):
    """A container without torch carries our weights too."""
    own = save(window_state(), tmp_path / "lungs_narrow.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for module in ("weights", "finding"):
        monkeypatch.setattr(f"fdglung.lungs.{module}.OWN_FILE", own)
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    region = segment(lungs_ct[0])
    assert region.method == "classical"
    (warning,) = region.warnings
    assert "torch and lungmask, which lungs_narrow.pth needs, are not installed" in warning
    with pytest.raises(BackendError, match="lungmask"):
        segment(lungs_ct[0], weights=own)


@pytest.mark.parametrize("classes", [3, 6])
def test_an_onnx_file_has_the_labels_of_its_weights_without_torch_and_lungmask(
    tmp_path, lungs_ct, monkeypatch, classes
):
    labels = (1, 2) if classes == 3 else (4, 1)
    path = save(window_state(classes, labels=labels), tmp_path / "narrow.pth")
    ct = lungs_ct[0][:, :, ::6]
    expected = segment(ct, weights=path, backend="torch")
    onnx = tmp_path / "narrow.onnx"
    assert main(["weights", "onnx", str(path), str(onnx), "--json"]) == 0
    read = read_weights(onnx)
    assert (read.width, read.classes) == (8, classes)
    with pytest.raises(BackendError, match=r"narrow\.onnx"):
        open_network(read, "torch")
    for missing in ("torch", "lungmask"):
        monkeypatch.setitem(__import__("sys").modules, missing, None)
    for backend in ("auto", "onnxruntime", "openvino"):
        region = segment(ct, weights=onnx, backend=backend)
        assert region.method == "lungmask narrow.onnx"
        assert (sitk.GetArrayFromImage(region.mask) == sitk.GetArrayFromImage(expected.mask)).all()
        assert (region.lobes is None) == (classes == 3)


def test_what_cannot_become_onnx_or_is_other_onnx_is_refused_by_name(tmp_path):
    path = save(window_state(), tmp_path / "narrow.pth")
    with pytest.raises(ParameterError, match=r"narrow\.bin"):
        write_onnx(path, tmp_path / "narrow.bin")
    write_onnx(path, tmp_path / "narrow.onnx")
    with pytest.raises(LungWeightsError, match=r"narrow\.onnx"):
        write_onnx(tmp_path / "narrow.onnx", tmp_path / "again.onnx")
    assert not (tmp_path / "again.onnx").exists()
    (tmp_path / "broken.onnx").write_bytes((tmp_path / "narrow.onnx").read_bytes()[:5000])
    with pytest.raises(LungWeightsError, match=r"broken\.onnx"):
        read_weights(tmp_path / "broken.onnx")
    other = write_threshold_network(tmp_path / "lesions.onnx")
    with pytest.raises(LungWeightsError, match=r"lesions\.onnx"):
        read_weights(other)


def test_lobes_give_sides(tmp_path, lungs_ct):
    """Of lungmask's lobes 1 and 2 are the left lung's."""
    region = segment(lungs_ct[0], weights=save(window_state(6, labels=(4, 1)), tmp_path / "lobes.pth"))
    lobes, sides = sitk.GetArrayFromImage(region.lobes), sitk.GetArrayFromImage(region.mask)
    assert set(np.unique(lobes)) == {0, 1, 4}
    assert (sides[lobes == 4] == 1).all()
    assert (sides[lobes == 1] == 2).all()


def test_an_onnx_file_is_written_once(tmp_path, lungs_ct):
    network_of(window_state(), tmp_path)
    (written,) = (tmp_path / "cache" / "fdglung").iterdir()
    before = written.stat().st_mtime_ns
    network_of(window_state(), tmp_path)
    assert (
        [written.stat().st_mtime_ns]
        == [path.stat().st_mtime_ns for path in (tmp_path / "cache" / "fdglung").iterdir()]
        == [before]
    )


def test_weights_of_another_number_of_classes_are_refused(tmp_path):
    with pytest.raises(LungWeightsError, match="4 outputs"):
        read_weights(save(random_state(classes=4), tmp_path / "four.pth"))


def test_a_broken_off_file_of_weights_is_refused(tmp_path):
    path = save(random_state(), tmp_path / "weights.pth")
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(LungWeightsError, match=r"weights\.pth"):
        read_weights(path)


def test_an_unknown_backend_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="backend"):
        network_of(random_state(), tmp_path, "tpu")


def test_a_backend_that_is_not_installed_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(BackendError, match="openvino is not installed"):
        network_of(random_state(), tmp_path, "openvino")
