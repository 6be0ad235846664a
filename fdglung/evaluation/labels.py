"""Label images from files: read, checked, and never guessed at."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import NegativeLabelError, NonIntegerLabelError, UnknownLabelError
from fdglung.image_files import read_image

MAX_LABELS = 1000
"""More different values than that are an image (CT, PET), no labels."""


def read_labels(path: Path, *, allowed: Collection[int] | None = None) -> sitk.Image:
    """Read a label image: 0 is background, every other whole number a lesion.

    Parameters
    ----------
    path
        NIfTI, NRRD or MetaImage of three dimensions.
    allowed
        Values that lesions may have; None allows every positive whole number.

    Returns
    -------
    SimpleITK.Image
        Of 32-bit signed integers, on the file's grid.

    Raises
    ------
    UnreadableImageError
        The file cannot be read or holds no volume.
    NonIntegerLabelError, NegativeLabelError, UnknownLabelError
        The values are no labels.

    """
    image = read_image(path)
    array = sitk.GetArrayViewFromImage(image)
    values = np.unique(array[array != 0])
    _check(values, path, allowed)
    return sitk.Cast(image, sitk.sitkInt32)


def _check(values: NDArray[np.number[Any]], path: Path, allowed: Collection[int] | None) -> None:
    """Refuse values (each once, without 0) that are no labels."""
    whole = np.isfinite(values) & (values == np.round(values))
    if not whole.all():
        raise NonIntegerLabelError(
            f"the label image holds {values[~whole][0]:.6g}, which is no whole number",
            series=str(path),
            remedy="Cut probabilities at a threshold, resample labels by nearest neighbour, and write whole numbers; "
            "score maps go to --scores",
        )
    if values.size and values.min() < 0:
        raise NegativeLabelError(
            f"the label image holds {int(values.min())}",
            series=str(path),
            remedy="Write 0 as background and positive whole numbers as lesions",
        )
    unknown = [] if allowed is None else sorted({int(value) for value in values} - set(allowed))
    if unknown:
        shown = ", ".join(map(str, unknown[:5])) + (" and more" if len(unknown) > 5 else "")
        raise UnknownLabelError(
            f"the label image holds {shown}, and lesions may be {', '.join(map(str, sorted(allowed or ())))} only",
            series=str(path),
            remedy="Take other structures out of the image, or name their values with --labels if they are lesions",
        )
    if values.size > MAX_LABELS or (values.size and values.max() > np.iinfo(np.int32).max):
        raise UnknownLabelError(
            f"the label image holds {values.size} different values up to {values.max():.6g}",
            series=str(path),
            remedy="This looks like an image and no labels; give the folder of label images",
        )
