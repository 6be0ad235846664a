from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import OutOfMemoryError, ParameterError
from fdglung.network.windows import importance, mirrored, sliding_window, with_smaller_windows


def volume(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def position_dependent(batch):
    """A stand-in for a network whose answer depends on the place in the window, as padding makes it."""
    ramp = np.linspace(0.5, 2, batch.shape[-1], dtype=np.float32)
    return np.concatenate([batch[:, :1] * ramp, batch.mean(axis=1, keepdims=True) + ramp[::-1]], axis=1)


@pytest.mark.parametrize("shape", [(40, 50, 36), (32, 32, 32), (33, 64, 100), (20, 40, 32)])
@pytest.mark.parametrize("overlap", [0.25, 0.5, 0.6])
def test_it_agrees_with_monais_inferer(shape, overlap):
    torch = pytest.importorskip("torch")
    inferers = pytest.importorskip("monai.inferers")
    image = volume(2, *shape)
    expected = inferers.sliding_window_inference(
        torch.from_numpy(image)[None],
        (32, 32, 32),
        1,
        lambda batch: torch.from_numpy(position_dependent(batch.numpy())),
        overlap=overlap,
        mode="gaussian",
    )[0].numpy()
    found = sliding_window(image, position_dependent, (32, 32, 32), overlap=overlap)
    assert found.shape == (2, *shape)
    # Sums in another order differ by rounding only.
    assert found == pytest.approx(expected, abs=2e-5)


def test_a_network_that_looks_at_single_voxels_gives_the_same_as_without_windows():
    image = volume(2, 40, 50, 36)
    assert sliding_window(image, lambda batch: batch * 2 + 1, (32, 16, 16)) == pytest.approx(image * 2 + 1, abs=1e-5)


def test_what_lies_beyond_a_small_image_is_told_for_each_channel():
    seen = []
    sliding_window(np.zeros((2, 8, 8, 8), np.float32), lambda b: seen.append(b) or b, (16, 16, 16), outside=(0.5, -1))
    assert seen[0].shape == (1, 2, 16, 16, 16)
    assert seen[0][0, 0, 0, 0, 0] == 0.5
    assert seen[0][0, 1, 15, 15, 15] == -1
    assert (seen[0][0, :, 4:12, 4:12, 4:12] == 0).all()


def test_weights_are_a_gaussian_of_an_eighth_of_the_window_and_never_vanish():
    weights = importance((32, 16, 16))
    assert weights[15, 7, 7] == weights.max()
    assert weights[19, 7, 7] / weights[15, 7, 7] == pytest.approx(np.exp(-(3.5**2 - 0.5**2) / (2 * 16)), rel=1e-4)
    assert weights.min() == pytest.approx(1e-3)


def test_an_impossible_overlap_is_refused():
    with pytest.raises(ParameterError, match="overlap"):
        sliding_window(volume(1, 8, 8, 8), lambda b: b, (16, 16, 16), overlap=1)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CUDA out of memory"), RuntimeError("std::bad_alloc")])
def test_windows_shrink_until_memory_suffices(error):
    tried = []

    def run(window):
        tried.append(window)
        if window[0] > 48:
            raise error
        return np.zeros(1)

    _, window = with_smaller_windows(run, (96, 96, 64))
    assert tried == [(96, 96, 64), (48, 48, 32)]
    assert window == (48, 48, 32)


def test_lack_of_memory_for_the_smallest_window_is_an_error_that_says_so():
    def run(window):
        raise MemoryError

    with pytest.raises(OutOfMemoryError, match="32 x 32 x 32"):
        with_smaller_windows(run, (64, 64, 64))


def test_other_errors_are_not_taken_for_lack_of_memory():
    def run(window):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        with_smaller_windows(run, (64, 64, 64))


def test_mirroring_is_from_left_to_right_alone():
    batch = volume(1, 1, 4, 4, 4)
    assert mirrored(lambda b: b)(batch) == pytest.approx(batch, abs=1e-6)
    ramp = np.arange(4, dtype=np.float32)
    # A ramp over the window averages out to its mean.
    assert mirrored(lambda b: np.broadcast_to(ramp, b.shape))(batch) == pytest.approx(np.full(batch.shape, 1.5))
    # One from feet to head, which no training turns over, stays.
    upright = np.broadcast_to(ramp[:, None, None], batch.shape)
    assert (mirrored(lambda b: upright)(batch) == upright).all()
