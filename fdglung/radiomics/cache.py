"""Features that were computed before, found again by what they depend on: image, mask, settings and versions."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

FORMAT = 2
"""Counts up when features change their values though no version says so."""


@dataclass(frozen=True)
class Kept:
    """Features of a lesion on one modality, and what was told when they were computed."""

    features: dict[str, float]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cache:
    """A folder of results, a file a lesion and modality. Several processes may use it at once.

    Attributes
    ----------
    folder
        Made when first written to. Files hold features and no image, name or identifier.

    """

    folder: Path

    def get(self, key: str) -> Kept | None:
        """Return what is kept under a key; None where there is nothing, or nothing that can be read."""
        try:
            document = json.loads(self._path(key).read_text(encoding="utf-8"))
            return Kept(dict(document["features"]), tuple(document["warnings"]))
        except (OSError, KeyError, TypeError, ValueError):
            return None

    def put(self, key: str, kept: Kept) -> None:
        """Keep features under a key. What cannot be written, on a full disk say, is not kept."""
        path = self._path(key)
        temporary = path.with_name(f".{uuid.uuid4().hex}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(asdict(kept)), encoding="utf-8")
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def image_digest(image: sitk.Image) -> str:
    """Return the SHA-256 of an image's voxels, their type and where they lie."""
    view = sitk.GetArrayViewFromImage(image)
    return _digest(_geometry(image), str(view.dtype), view)


def mask_digest(mask: NDArray[np.bool_], start: tuple[int, ...], image: sitk.Image) -> str:
    """Return the SHA-256 of a lesion: voxels (z, y, x) in a box, where that starts, and the image's grid."""
    return _digest(_geometry(image), repr((start, mask.shape)), np.packbits(mask))


def key_of(*parts: object) -> str:
    """Return one key for all that a result depends on; parts are plain JSON values."""
    return _digest(json.dumps([FORMAT, *parts], sort_keys=True, allow_nan=False))


def _geometry(image: sitk.Image) -> str:
    return repr((image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()))


def _digest(*parts: Any) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).data)
        made.update(b"\0")
    return made.hexdigest()
