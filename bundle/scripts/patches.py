"""Batches of patches around lesions, hot physiological places and the rest of the body, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from fdglung.network.normalisation import OUTSIDE, normalised
from fdglung.network.spec import NetworkSpec
from scripts.augment import Augmentation
from scripts.cases import CachedCases


@dataclass(frozen=True)
class Sampling:
    """Shares of the places that patches are put around; they need not sum to 1.

    Attributes
    ----------
    lesion
        In a lesion, each lesion of a case alike, whatever its size.
    hot
        In hot tissue that is no lesion.
    body
        Anywhere in the body.

    """

    lesion: float = 0.5
    hot: float = 0.3
    body: float = 0.2


class PatchLoader:
    """Gives batches ``image`` (batch, channel, z, y, x), normalised, and ``label`` (batch, 1, z, y, x).

    What it gives depends on seed, epoch, step and rank only, so that a resumed run sees what an uninterrupted one
    would.

    Parameters
    ----------
    cases
        Where patches come from.
    spec
        The network.
    patch_size
        Voxels (z, y, x).
    batch_size
        Patches a step.
    steps
        Steps an epoch.
    sampling
        Where patches lie.
    augmentation
        How they are changed.
    seed
        Of everything.
    device
        Where cases are kept and patches made.
    rank
        Number of this process; each draws its own.

    """

    def __init__(
        self,
        cases: CachedCases,
        spec: NetworkSpec,
        patch_size: Sequence[int],
        batch_size: int,
        steps: int,
        sampling: Sampling,
        augmentation: Augmentation,
        seed: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
    ) -> None:
        self.cases = cases
        self.spec = spec
        self.patch_size = tuple(int(n) for n in patch_size)
        self.batch_size = batch_size
        self.steps = steps
        self.sampling = sampling
        self.augmentation = augmentation
        self.seed = seed
        self.device = torch.device(device)
        self.rank = rank
        self.epoch = 1
        self._volumes: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def __len__(self) -> int:
        return self.steps

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, from 1."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for step in range(self.steps):
            yield self.batch(self.epoch, step)

    def batch(self, epoch: int, step: int) -> dict[str, torch.Tensor]:
        """Return the batch of a step, counted from 0."""
        rng = np.random.default_rng((self.seed, epoch, step, self.rank))
        noise = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        patches = [self._patch(rng, noise) for _ in range(self.batch_size)]
        return {
            "image": torch.stack([image for image, _ in patches]),
            "label": torch.stack([label for _, label in patches])[:, None],
        }

    def _patch(self, rng: np.random.Generator, noise: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        index = int(rng.integers(len(self.cases)))
        centre = torch.from_numpy(self._place(index, rng)).to(self.device)
        raw, label = self._volume(index)
        change, spacing = self.augmentation, self.spec.spacing_mm
        bend = change.deformation(self.patch_size, spacing, rng, noise)
        turn = change.geometry(rng)
        shift = change.misalignment(spacing, rng)
        moved = None if shift is None or "CT" not in self.spec.channels else shift.to(self.device)
        if bend is None and _only_mirrors(turn):
            patch, target = self._cut(raw, label, centre, turn.diagonal(), moved)
        else:
            offsets = self._offsets() if bend is None else self._offsets() + bend
            patch, target = self._bent(raw, label, offsets @ turn.to(self.device).T + centre, moved)
        patch = change.intensities(patch, self.spec.channels, spacing, rng, noise)
        seen = change.field_of_view(target == 1, spacing, rng)
        if seen is not None:
            hidden = torch.ones(self.patch_size, dtype=torch.bool, device=self.device)
            hidden[seen] = False
            target[hidden] = 0
            for i, name in enumerate(self.spec.channels):
                patch[i][hidden] = OUTSIDE[name]
        tables = [self.spec.normalisation[name] for name in self.spec.channels]
        return torch.stack([normalised(values, table) for values, table in zip(patch, tables, strict=True)]), target

    def _bent(
        self, raw: torch.Tensor, label: torch.Tensor, points: torch.Tensor, moved: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and label at points (z, y, x, 3) in voxels; the CT `moved` by so many."""
        patch = _sampled(raw, points, self.spec.channels)
        if moved is not None:
            ct = self.spec.channels.index("CT")
            patch[ct] = _sampled(raw[ct : ct + 1], points + moved, ["CT"])[0]
        return patch, _nearest(label, points)

    def _cut(
        self,
        raw: torch.Tensor,
        label: torch.Tensor,
        centre: torch.Tensor,
        signs: torch.Tensor,
        moved: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `_bent` would at whole voxels, without interpolation."""
        size = torch.tensor(self.patch_size, device=self.device)
        start = (centre - (size - 1) / 2).round()
        beyond = [OUTSIDE[channel] for channel in self.spec.channels]
        patch = _part(raw, start, self.patch_size, beyond)
        if moved is not None:
            ct = self.spec.channels.index("CT")
            patch[ct] = _part(raw[ct : ct + 1], start + moved.round(), self.patch_size, beyond[ct : ct + 1])[0]
        mirrored = [axis - 3 for axis in range(3) if signs[axis] < 0]
        return patch.flip(mirrored), _part(label[None], start, self.patch_size, [0])[0].flip(mirrored)

    def _place(self, index: int, rng: np.random.Generator) -> np.ndarray:
        """Return a patch's centre (z, y, x) in voxels: a place of a drawn kind, shifted by up to a quarter patch."""
        case = self.cases[index]
        weights = {
            "lesions": self.sampling.lesion * bool(len(case["lesions"])),
            "hot": self.sampling.hot * bool(len(case["hot"])),
            "body": self.sampling.body * bool(len(case["body"])),
        }
        total = sum(weights.values())
        if not total:
            place = np.array(case["label"].shape) / 2
        else:
            kind = str(rng.choice(list(weights), p=np.array(list(weights.values())) / total))
            places = case[kind]
            if kind == "lesions":
                places = places[places[:, 3] == rng.choice(np.unique(places[:, 3]))]
            place = places[rng.integers(len(places))][:3]
        reach = np.array(self.patch_size) / 4
        return (place + rng.uniform(-reach, reach)).astype(np.float32)

    def _volume(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if index not in self._volumes:
            case = self.cases[index]
            self._volumes[index] = (
                torch.from_numpy(case["raw"]).to(self.device),
                torch.from_numpy(case["label"]).to(self.device),
            )
        return self._volumes[index]

    def _offsets(self) -> torch.Tensor:
        axes = [torch.arange(n, device=self.device, dtype=torch.float32) - (n - 1) / 2 for n in self.patch_size]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def _only_mirrors(turn: torch.Tensor) -> bool:
    return bool((turn.abs() == torch.eye(3)).all())


def _part(volume: torch.Tensor, start: torch.Tensor, size: Sequence[int], beyond: Sequence[float]) -> torch.Tensor:
    """Return `size` voxels of a volume (channel, z, y, x) from a voxel on; what lies beyond it as told by channel."""
    found = torch.empty((len(volume), *size), dtype=volume.dtype, device=volume.device)
    found[:] = torch.tensor(beyond, dtype=volume.dtype, device=volume.device)[:, None, None, None]
    to, source = [slice(None)], [slice(None)]
    for first, length, there in zip(start.long().tolist(), size, volume.shape[1:], strict=True):
        low, high = max(0, first), min(there, first + length)
        to.append(slice(low - first, max(low, high) - first))
        source.append(slice(low, max(low, high)))
    found[tuple(to)] = volume[tuple(source)]
    return found


def _sampled(volume: torch.Tensor, points: torch.Tensor, channels: Sequence[str]) -> torch.Tensor:
    """Return a volume (channel, z, y, x) at points (..., 3) in voxels, linearly; beyond it what lies outside."""
    beyond = torch.tensor([OUTSIDE[channel] for channel in channels], device=volume.device)[:, None, None, None]
    return _at(volume - beyond, points, "bilinear") + beyond


def _nearest(label: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return the label (z, y, x) nearest to each point; 0 beyond it."""
    return _at(label[None].float(), points, "nearest")[0].to(label.dtype)


def _at(volume: torch.Tensor, points: torch.Tensor, mode: str) -> torch.Tensor:
    size = torch.tensor(volume.shape[1:], device=volume.device, dtype=torch.float32)
    # The sampler counts from -1 to 1 over the voxels' outer edges, x first.
    grid = ((2 * points + 1) / size - 1).flip(-1)
    return functional.grid_sample(volume[None], grid[None], mode=mode, padding_mode="zeros", align_corners=False)[0]
