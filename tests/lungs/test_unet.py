from __future__ import annotations

import numpy as np
import pytest
import torch
from lungmask import LMInferer
from lungmask.resunet import UNet

from fdglung.cli import main
from fdglung.lungs.unet import build, expanded
from tests.lungs.networks import random_state, save


def output(network, slices):
    with torch.inference_mode():
        return network(torch.from_numpy(slices)).numpy()


@pytest.mark.parametrize("classes", [3, 6])
def test_an_expanded_network_is_loaded_by_lungmask_itself_and_has_the_same_output(tmp_path, classes):
    state = random_state(classes=classes)
    narrow = build(8, classes)
    narrow.load_state_dict(state)
    inferer = LMInferer(modelpath=str(save(expanded(state), tmp_path / "wide.pth")), force_cpu=True)
    slices = np.random.default_rng(0).random((2, 1, 64, 64), np.float32)
    expected = output(narrow, slices)
    assert expected.std() > 0.1
    assert np.abs(output(inferer.model, slices) - expected).max() < 1e-4


def test_the_command_writes_what_lungmask_loads(tmp_path, capsys):
    narrow = save(random_state(), tmp_path / "narrow.pth")
    assert main(["weights", "expand", str(narrow), str(tmp_path / "wide.pth")]) == 0
    inferer = LMInferer(modelpath=str(tmp_path / "wide.pth"), force_cpu=True)
    state = inferer.model.state_dict()
    assert all(torch.equal(values, state[name]) for name, values in expanded(random_state()).items())


def test_the_widest_network_is_lungmasks_own():
    own = UNet(n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False)
    assert {k: v.shape for k, v in build(64, 3).state_dict().items()} == {
        k: v.shape for k, v in own.state_dict().items()
    }


def test_expanding_changes_no_tensor_that_was_given():
    state = random_state()
    before = {name: values.clone() for name, values in state.items()}
    wide = expanded(state, 16)
    wide["last.bias"] += 1
    assert all(torch.equal(before[name], values) for name, values in state.items())


def test_a_network_is_not_expanded_into_a_narrower_one():
    with pytest.raises(ValueError, match="does not go into"):
        expanded(random_state(), 4)


def test_a_width_that_is_no_power_of_two_is_refused():
    with pytest.raises(ValueError, match="power of two"):
        build(12, 3)
