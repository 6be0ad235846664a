"""A case as training sees it: raw channels and labels on the network's grid, and places worth looking at; cached."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from fdglung import lungs
from fdglung.errors import DataListError, FdglungError, NoThoraxError
from fdglung.network.spec import NetworkSpec
from fdglung.network.volume import Box, box_to_search, grid_over, mask_on, raw_on
from fdglung.nifti import read_finite

Arrays = dict[str, NDArray[Any]]

IGNORED = 255
"""Label of voxels that are neither right nor wrong, whatever a network says of them."""

_VERSION = 3
_MOST_PLACES = 20_000


@dataclass(frozen=True)
class Preprocess:
    """Brings a case onto the network's grid.

    Attributes
    ----------
    spec
        The network.
    region
        ``lungs``: the lungs' box, and an error where there are none; ``all``: everything; ``auto``: the lungs' box
        where there are lungs.
    margin_mm
        Around the lungs' box, in mm.
    target
        ``lesion``: the label as it is; ``avid``: what of it has `avid_suv` or more.
    avid_suv
        SUVbw in g/ml.
    lesion_suv
        Two SUVs in g/ml. Lesions (connected) whose SUVmax is below the first are background; those below the second
        are ignored: nobody may call either answer wrong.
    hot_suv
        Uptake of this SUV and more outside lesions is a place worth looking at.
    label_values
        Values that a label may have; empty for any whole number from 0.
    organ_groups
        Names of auxiliary outputs to the values of the organ map that they cover.

    """

    spec: NetworkSpec
    region: str = "auto"
    margin_mm: float = 15.0
    target: str = "lesion"
    avid_suv: float = 2.5
    lesion_suv: tuple[float, float] = (0.0, 0.0)
    hot_suv: float = 2.5
    label_values: Sequence[int] = ()
    organ_groups: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __call__(self, case: Mapping[str, str]) -> Arrays:
        """Return a case's arrays on the network's grid.

        Parameters
        ----------
        case
            As `datalist.read_cases` gives it.

        Returns
        -------
        dict
            ``raw`` float32 (channel, z, y, x) in g/ml and HU; ``label`` uint8 (z, y, x): 0 background, 1 lesion, organs
            from 2 in the order of the outputs, `IGNORED`; ``lesions`` int32 (n, 4): z, y, x and number of the lesion;
            ``hot`` int32 (n, 3): hot places that are no lesion; ``body`` int32 (n, 3): places in the body.

        Raises
        ------
        DataListError
            A label has unknown values, or the region is empty. Names the file.

        """
        pet = read_finite(case["pet"])
        ct = read_finite(case["ct"]) if case.get("ct") else None
        grid = grid_over(pet, self.spec.spacing_mm, region_of(pet, ct, case, self.region, self.margin_mm))
        target, ignored = self._target(pet, case["label"])
        # Networks that see one of the two are shown hot places all the same.
        raw = raw_on(grid, {"PET": pet, "CT": ct}, self.spec.channels)
        suv = raw_on(grid, {"PET": pet}, ["PET"])[0]
        lesion, either = mask_on(grid, target), mask_on(grid, ignored)
        labels = self._organs(grid, case)
        labels[either] = IGNORED
        labels[lesion] = 1
        near = ndimage.binary_dilation(lesion | either, iterations=2)
        parts, _ = ndimage.label(lesion, structure=np.ones((3, 3, 3)))
        places = np.argwhere(lesion)
        return {
            "raw": raw,
            "label": labels,
            "lesions": np.column_stack([places, parts[lesion]]).astype(np.int32),
            "hot": _some(np.argwhere((suv >= self.hot_suv) & ~near)),
            "body": _some(np.argwhere(suv >= 0.1)),
        }

    def key(self, case: Mapping[str, str]) -> str:
        """Return what a case's arrays depend on, as a checksum: settings, files, their sizes and times."""
        described = asdict(self) | {"spec": {"channels": self.spec.channels, "spacing_mm": self.spec.spacing_mm}}
        described["spec"]["outputs"] = self.spec.outputs
        stats = {name: (path, *_stamp(path)) for name, path in case.items() if name != "name" and path}
        text = json.dumps([_VERSION, described, stats], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def _target(self, pet: sitk.Image, path: str) -> tuple[sitk.Image, sitk.Image]:
        """Return what is lesion and what is ignored, on the PET's grid."""
        label = read_finite(path)
        values = np.unique(sitk.GetArrayViewFromImage(label))
        known = set(self.label_values) if self.label_values else None
        unknown = [float(v) for v in values if v < 0 or v != round(float(v)) or (known is not None and v not in known)]
        if unknown:
            raise _wrong(
                f"the label has the unknown values {unknown[:5]}",
                path,
                "Give 0 for background and whole numbers from 1 for lesions, or name the values in label_values",
            )
        suv = sitk.GetArrayViewFromImage(pet)
        parts, count = ndimage.label(sitk.GetArrayFromImage(label) > 0, structure=np.ones((3, 3, 3)))
        hottest = np.array([-np.inf, *np.atleast_1d(ndimage.maximum(suv, parts, range(1, count + 1)))][: count + 1])
        low, high = self.lesion_suv
        mask = (hottest >= high)[parts]
        ignored = ((hottest >= low) & (hottest < high))[parts]
        if self.target == "avid":
            mask &= suv >= self.avid_suv
        return _like(pet, mask), _like(pet, ignored)

    def _organs(self, grid: Any, case: Mapping[str, str]) -> NDArray[np.uint8]:
        labels = np.zeros(grid.shape, np.uint8)
        if len(self.spec.outputs) <= 2:
            return labels
        image = read_finite(case["organs"])
        array = sitk.GetArrayViewFromImage(image)
        for output, name in enumerate(self.spec.outputs[2:], start=2):
            labels[mask_on(grid, _like(image, np.isin(array, list(self.organ_groups[name]))))] = output
        return labels


def region_of(
    pet: sitk.Image, ct: sitk.Image | None, case: Mapping[str, str], region: str, margin_mm: float = 15.0
) -> Box | None:
    """Return the box (LPS, mm) of a case that is looked at, as `fdglung segment` would; None for all of it.

    Raises
    ------
    DataListError
        The region is ``lungs`` and there are none. Names the file.

    """
    if region == "all" or (ct is None and region == "auto"):
        return None
    if ct is None:
        raise _wrong("there is no CT to find the lungs in", case["pet"], "Set region to all, or list the CT")
    try:
        region_mm = lungs.holding_avid_tissue(lungs.segment(ct, margin_mm=margin_mm), pet).box_mm
        return box_to_search(pet, region_mm)
    except NoThoraxError as error:
        if region == "auto":
            logging.getLogger(__name__).warning("no lungs in %s: all of it is used", case["ct"])
            return None
        raise _wrong("the lung region is empty", case["ct"], "Leave the case out, or set region to auto") from error


class CachedCases:
    """Cases by number, made once and kept on disk and in memory.

    Parameters
    ----------
    data
        As `datalist.read_cases` gives it.
    transform
        Makes a case's arrays.
    cache_dir
        Folder to keep them in; empty for memory only.
    workers
        Processes that make them.

    """

    def __init__(
        self, data: Sequence[Mapping[str, str]], transform: Preprocess, cache_dir: str = "", workers: int = 0
    ) -> None:
        self.data = list(data)
        self.transform = transform
        self.cache_dir = cache_dir
        self.workers = workers
        self._kept: dict[int, Arrays] = {}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Arrays:
        if index not in self._kept:
            self._kept[index] = prepared(self.data[index], self.transform, self.cache_dir)
        return self._kept[index]

    def name(self, index: int) -> str:
        """Return a case's name."""
        return self.data[index]["name"]

    def prepare(self) -> CachedCases:
        """Make all cases now, so that what is wrong with one is said before training; return itself."""
        if self.workers > 1 and self.cache_dir:
            with ProcessPoolExecutor(self.workers, mp_context=get_context("spawn")) as pool:
                count = len(self.data)
                list(pool.map(_to_disk, self.data, [self.transform] * count, [self.cache_dir] * count))
        for index in range(len(self)):
            self[index]
        return self


def prepared(case: Mapping[str, str], transform: Preprocess, cache_dir: str) -> Arrays:
    """Return a case's arrays from the cache, or make and keep them; nothing half-written is ever read."""
    path = Path(cache_dir) / f"{transform.key(case)}.npz" if cache_dir else None
    if path is not None and path.is_file():
        try:
            with np.load(path) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, zipfile.BadZipFile):
            logging.getLogger(__name__).warning("%s is broken and is made anew", path)
    try:
        arrays = transform(case)
    except DataListError:
        raise
    except FdglungError as error:
        raise DataListError(f"{case['name']}: {error.problem}", attribute="datalist", remedy=error.remedy) from error
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.npz")
        try:
            np.savez(partial, **arrays)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return arrays


def _to_disk(case: Mapping[str, str], transform: Preprocess, cache_dir: str) -> None:
    prepared(case, transform, cache_dir)


def _like(image: sitk.Image, mask: NDArray[np.bool_]) -> sitk.Image:
    result = sitk.GetImageFromArray(mask.astype(np.uint8))
    result.CopyInformation(image)
    return result


def _some(places: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return at most 20,000 of the places, spread evenly."""
    step = max(1, -(-len(places) // _MOST_PLACES))
    return places[::step].astype(np.int32)


def _stamp(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def _wrong(problem: str, path: str, remedy: str) -> DataListError:
    return DataListError(f"{path}: {problem}", attribute="datalist", remedy=remedy)
