"""Where in a patch the network looks: how much the probability of its class falls where the patch is covered."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import torch
from monai.visualize import OcclusionSensitivity
from numpy.typing import NDArray
from torch import Tensor, nn

from fdglung.classification.image.architecture import LesionNetwork, filled
from fdglung.classification.image.model import ImageClassifierModel
from fdglung.classification.image.patches import network_input
from fdglung.network.volume import Grid

COVER_MM = 24.0
"""Side of the cover; it fades towards its rim."""

OVERLAP = 0.6
"""Of two neighbouring places of the cover, as a share of its side."""


def occlusion_map(model: ImageClassifierModel, raw: NDArray[np.float32], code: int) -> NDArray[np.float32]:
    """Return how much the probability of a class falls when each place of a patch is covered.

    Occlusion sensitivity (Zeiler & Fergus, ECCV 2014, 10.1007/978-3-319-10590-1_53) by MONAI. What is covered fades to
    the patch's mean, PET and CT at once; the mask stays, because it only says which lesion is meant.

    Parameters
    ----------
    model
        A trained network.
    raw
        (channels, z, y, x) of one lesion.
    code
        Place of the class.

    Returns
    -------
    numpy.ndarray
        float32 (z, y, x) in units of probability: positive where the class rests on what was covered.

    """
    config = model.config
    seen = torch.from_numpy(network_input(raw[None], config))
    shown = [place for place, channel in enumerate(config.channels) if channel != "MASK"]
    network = _Uncovered(filled(config, len(model.classes), model.weights), seen, shown, model.lesion_temperature)
    side = max(2, min(round(COVER_MM / config.spacing_mm), config.voxels))
    with torch.inference_mode():
        whole = float(network(network.given)[0].softmax(dim=0)[code])
        covered, _ = OcclusionSensitivity(network, mask_size=side, n_batch=32, verbose=False, overlap=OVERLAP)(
            network.given
        )
    falls: NDArray[np.float32] = whole - covered[0, code].numpy().astype(np.float32)
    return falls


def as_image(values: NDArray[np.float32], grid: Grid) -> sitk.Image:
    """Return a map (z, y, x) as an image where its patch lies."""
    image = sitk.GetImageFromArray(values)
    image.SetOrigin(grid.origin_mm)
    image.SetSpacing((grid.spacing_mm,) * 3)
    return image


class _Uncovered(nn.Module):
    """The lesion's class from what PET and CT differ from their means by, so that a cover of zeros is their mean."""

    def __init__(self, network: LesionNetwork, seen: Tensor, shown: list[int], temperature: float) -> None:
        super().__init__()
        self.network = network
        self.seen = seen
        self.shown = shown
        self.means = seen[:, shown].mean(dim=(2, 3, 4), keepdim=True)
        self.given = seen[:, shown] - self.means
        self.temperature = temperature

    def forward(self, differences: Tensor) -> Tensor:
        image = self.seen.repeat(len(differences), 1, 1, 1, 1)
        image[:, self.shown] = differences + self.means
        embedding = self.network.backbone(image)
        logits: Tensor = self.network.lesion(embedding) / self.temperature
        return logits
