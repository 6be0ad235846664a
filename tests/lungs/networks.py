"""Networks of lungmask's shape: one whose labels are known from the CT numbers, and one at random."""

from __future__ import annotations

import SimpleITK as sitk
import torch

from fdglung.lungs.unet import build

RIGHT_HU, LEFT_HU = -850, -750
HALF_WINDOW_HU = 2.5
WIDTH = 8


def random_state(width=WIDTH, classes=3, seed=0):
    """Return weights and batch norms at random, none of them trivial."""
    torch.manual_seed(seed)
    state = build(width, classes).state_dict()
    for name, values in state.items():
        if name.endswith(("running_mean", "running_var")):
            values.uniform_(0.5, 1.5)
        elif name.endswith(("weight", "bias")) and values.dim() == 1:
            values.uniform_(-1, 1)
    return state


def window_state(classes=3, labels=(1, 2), seed=0, centres=(RIGHT_HU, LEFT_HU)):
    """Return a network that gives one label to -852 to -848 HU, another to -752 to -748 HU, and 0 to all else.

    Other `centres` (HU) move the two windows.

    Each score is a triangle over HU: half the window less the distance from its middle. CT numbers are whole, and the
    triangles cross 0 half-way between two, so that no score comes near another by less than half.
    """
    state = random_state(classes=classes, seed=seed)
    for name in ("down_path.0.block", "up_path.3.conv_block.block"):
        for part, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            state[f"{name}.2.{part}"][:4] = value
            state[f"{name}.5.{part}"][:4] = value
        for layer in (0, 3):
            state[f"{name}.{layer}.weight"][:4] = 0
            state[f"{name}.{layer}.bias"][:4] = 0
    first, bias = state["down_path.0.block.0.weight"], state["down_path.0.block.0.bias"]
    for i, centre in enumerate(centres):
        for j, sign in enumerate((1, -1)):
            first[2 * i + j, 0, 1, 1] = sign * 1624.0
            bias[2 * i + j] = -sign * (centre + 1024.0)
    for i in range(4):
        state["down_path.0.block.3.weight"][i, i, 1, 1] = 1
        # The first half of what the last layer on the way up sees comes from below, the second from the left.
        state["up_path.3.conv_block.block.0.weight"][i, WIDTH + i, 1, 1] = 1
        state["up_path.3.conv_block.block.3.weight"][i, i, 1, 1] = 1
    state["last.weight"][:] *= 1e-3
    state["last.bias"][:] = -100.0
    state["last.bias"][0] = 0.0
    for i, label in enumerate(labels):
        state["last.weight"][label, 2 * i : 2 * i + 2, 0, 0] = -1
        state["last.bias"][label] = HALF_WINDOW_HU
    return state


def save(state, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def with_windows(ct, drawn):
    """Return a CT whose drawn lungs have the CT numbers that `window_state` knows."""
    hu = sitk.GetArrayFromImage(ct)
    hu[drawn["right"] & (hu == -850)] = RIGHT_HU
    hu[drawn["left"] & (hu == -850)] = LEFT_HU
    image = sitk.GetImageFromArray(hu)
    image.CopyInformation(ct)
    return image
