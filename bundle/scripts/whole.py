"""Whole cases for validation and inference, and their masks written on the PET's own grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fdglung.files import write_nifti_image
from fdglung.network.backends import probabilities
from fdglung.network.normalisation import outside
from fdglung.network.spec import NetworkSpec
from fdglung.network.volume import back_onto, grid_over, network_input, raw_on
from fdglung.network.windows import padded
from fdglung.nifti import read_finite
from fdglung.segmentation import SegmentationSettings
from fdglung.segmentation_network import NetworkResult, lesions_of
from scripts.cases import IGNORED, CachedCases, region_of


class WholeCases(torch.utils.data.Dataset):
    """Cases with labels: ``image`` (channel, z, y, x) normalised, ``label`` (1, z, y, x), no smaller than a window.

    Parameters
    ----------
    cases
        As training caches them.
    spec
        The network.
    window
        Voxels (z, y, x).

    """

    def __init__(self, cases: CachedCases, spec: NetworkSpec, window: Sequence[int]) -> None:
        self.cases, self.spec, self.window = cases, spec, window

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, index: int) -> dict[str, Any]:
        case = self.cases[index]
        image, _ = _windowed(network_input(case["raw"], self.spec), self.spec, self.window)
        label, _ = padded(case["label"][None].astype(np.float32), self.window, (0.0,))
        return {
            "image": torch.from_numpy(np.ascontiguousarray(image)),
            "label": torch.from_numpy(label),
            "name": self.cases.name(index),
        }


class FilesToSegment(torch.utils.data.Dataset):
    """Cases without labels: ``image`` (channel, z, y, x) normalised, and ``index``, its number in the list.

    Parameters
    ----------
    data
        Entries with ``name``, ``pet`` and ``ct``.
    spec
        The network.
    window
        Voxels (z, y, x).
    region
        ``auto``, ``lungs`` or ``all``.

    """

    def __init__(
        self, data: Sequence[Mapping[str, str]], spec: NetworkSpec, window: Sequence[int], region: str = "auto"
    ) -> None:
        self.data, self.spec, self.window, self.region = list(data), spec, window, region

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> dict[str, Any]:
        case = self.data[index]
        pet, ct, grid = self._opened(case)
        image = network_input(raw_on(grid, {"PET": pet, "CT": ct}, self.spec.channels), self.spec)
        image, _ = _windowed(image, self.spec, self.window)
        return {"image": torch.from_numpy(np.ascontiguousarray(image)), "index": index}

    def result(self, index: int, logits: np.ndarray) -> tuple[Any, NetworkResult]:
        """Return a case's PET and what logits (output, z, y, x) of its image say on the PET's grid."""
        pet, _, grid = self._opened(self.data[index])
        _, inner = padded(np.zeros((1, *grid.shape), np.float32), self.window, (0.0,))
        probability = probabilities(logits[(slice(None), *inner)])[1]
        return pet, NetworkResult(back_onto(pet, grid, probability), None, self.region, ("torch",))

    def _opened(self, case: Mapping[str, str]) -> tuple[Any, Any, Any]:
        pet = read_finite(case["pet"])
        ct = read_finite(case["ct"]) if case.get("ct") else None
        return pet, ct, grid_over(pet, self.spec.spacing_mm, region_of(pet, ct, case, self.region))


class WriteMasks:
    """Writes each case's lesions as ``NAME.nii.gz`` on the PET's grid. A post-processing.

    They are what the network outlines, as `fdglung segment` writes it before it sets uptake in fat apart.

    Parameters
    ----------
    files
        What was looked at.
    output_dir
        Where to.
    probability, min_volume_ml
        As in `fdglung.segmentation.SegmentationSettings`.

    """

    def __init__(
        self, files: FilesToSegment, output_dir: str, probability: float = 0.5, min_volume_ml: float = 0.3
    ) -> None:
        self.files, self.folder = files, Path(output_dir)
        self.settings = SegmentationSettings(probability=probability, min_volume_ml=min_volume_ml)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Write the mask of one case's logits ``pred``; return the item as it came."""
        index = int(item["index"])
        pet, result = self.files.result(index, np.asarray(item["pred"].float().cpu()))
        labels, _ = lesions_of(pet, result, self.settings)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.files.data[index]['name']}.nii.gz"
        partial = path.with_name(f".partial.{path.name}")
        write_nifti_image(labels, partial)
        partial.replace(path)
        return item


class LesionOnly:
    """Turns logits and labels into masks (1, z, y, x) of lesion alone, for the metrics. A post-processing."""

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the item with ``pred`` and ``label`` as masks."""
        found = (item["pred"].argmax(dim=0, keepdim=True) == 1) & (item["label"] != IGNORED)
        return {
            **item,
            "pred": found.float(),
            "label": (item["label"] == 1).float(),
        }


def _windowed(image: np.ndarray, spec: NetworkSpec, window: Sequence[int]) -> tuple[np.ndarray, tuple[slice, ...]]:
    return padded(image, window, [outside(channel, spec.normalisation[channel]) for channel in spec.channels])
