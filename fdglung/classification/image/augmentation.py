"""How patches are changed in training, by MONAI's transforms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from monai.transforms import RandAffine, RandFlip
from torch import Tensor

from fdglung.classification.image.config import ImageClassifierConfig


class Augmentation:
    """Changes the raw patches of a patient: geometry in one draw for all of them, values in one draw for each.

    Parameters
    ----------
    config
        Has the settings, channels and spacing.
    seed
        Of all draws.

    """

    def __init__(self, config: ImageClassifierConfig, seed: int) -> None:
        given = config.augmentation
        self.settings = given
        self.channels = config.channels
        self.random = np.random.default_rng(seed)
        self.moves = max(given.rotate_degrees, given.scale, given.shift_mm) > 0
        turn = [math.radians(given.rotate_degrees)] * 3
        self.affine = RandAffine(
            prob=1.0,
            rotate_range=turn,
            scale_range=[given.scale] * 3,
            translate_range=[given.shift_mm / config.spacing_mm] * 3,
            mode="bilinear",
            padding_mode="border",
        ).set_random_state(seed)
        # The last axis runs from the patient's right to the left.
        self.flip = RandFlip(prob=given.flip, spatial_axis=2).set_random_state(seed + 1)

    def __call__(self, raw: Tensor) -> Tensor:
        """Return changed patches.

        Parameters
        ----------
        raw
            (lesions, channels, z, y, x) in g/ml and HU, mask from 0 to 1; not changed.

        """
        # MONAI moves all channels alike: lesions stand for channels.
        together: Any = raw.reshape(-1, *raw.shape[2:])
        together = self.affine(together) if self.moves else together
        moved = torch.as_tensor(self.flip(together)).reshape(raw.shape).clone()
        for place, channel in enumerate(self.channels):
            if channel == "PET":
                moved[:, place] = self._suv(moved[:, place])
            elif channel == "CT":
                moved[:, place] = self._hu(moved[:, place])
        return moved

    def _suv(self, suv: Tensor) -> Tensor:
        given = self.settings
        factor = np.exp(self.random.uniform(-1, 1, len(suv)) * math.log(given.suv_scale))
        noise = self._normal(suv) * suv.clamp(min=0.05).sqrt() * given.suv_noise
        return ((suv + noise) * self._each(factor)).clamp(min=0)

    def _hu(self, hu: Tensor) -> Tensor:
        given = self.settings
        shift = self.random.uniform(-1, 1, len(hu)) * given.hu_shift
        share = self.random.uniform(0, 1, len(hu)) * given.hu_noise
        return hu + self._each(shift) + self._normal(hu) * self._each(share)

    def _normal(self, like: Tensor) -> Tensor:
        return torch.from_numpy(self.random.standard_normal(tuple(like.shape), dtype=np.float32))

    @staticmethod
    def _each(values: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32))[:, None, None, None]
