"""Images of three axes from files, without losing voxels that are no finite numbers."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from fdglung.errors import UnreadableImageError

_FLOATS = {16: "f4", 64: "f8"}
"""Data types of a NIfTI file that can hold NaN."""


def read_image(path: Path | str, *, attribute: str = "image") -> sitk.Image:
    """Read an image of three axes; a fourth of length 1 is dropped.

    Of NIfTI, NaN and infinities stay what they are, where ITK's reader makes them 0.
    A 0 would be water in a CT, and nothing would tell that it was made up.

    Parameters
    ----------
    path
        NIfTI, NRRD, MetaImage or whatever else SimpleITK reads.
    attribute
        The option to name where it cannot be read.

    Raises
    ------
    UnreadableImageError
        SimpleITK cannot read the file, it is cut short, or it holds no such image.

    """
    path = Path(path)
    image = _read(path, attribute)
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        image = image[(slice(None),) * (image.GetDimension() - 1) + (0,)]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UnreadableImageError(
            f"{path} has {image.GetDimension()} axes and {image.GetNumberOfComponentsPerPixel()} values a voxel",
            attribute=attribute,
            remedy="Give one image of three axes and one value a voxel",
        )
    if image.GetPixelID() not in (sitk.sitkFloat32, sitk.sitkFloat64):
        return image
    stored = _nifti_floats(path)
    if stored is None or stored.size != image.GetNumberOfPixels() or np.isfinite(stored).all():
        return image
    values = sitk.GetArrayFromImage(image)
    # The first index runs fastest in both.
    flat = values.reshape(-1)
    bad = ~np.isfinite(stored)
    flat[bad] = stored[bad]
    restored = sitk.GetImageFromArray(values)
    restored.CopyInformation(image)
    return restored


def _read(path: Path, attribute: str) -> sitk.Image:
    if not path.is_file():
        reason = "there is no such file"
    else:
        try:
            image = sitk.ReadImage(str(path))
            if not _is_cut_short(path):
                return image
            # ITK reads it all the same, with zeros for what is missing.
            reason = "the file ends before its voxels do"
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].removeprefix("ITK ERROR:").strip()
    raise UnreadableImageError(
        f"the image {path} cannot be read ({reason})",
        attribute=attribute,
        remedy="Give a NIfTI, NRRD or MetaImage, whole and with orthogonal axes",
    )


def _is_cut_short(path: Path) -> bool:
    """Tell whether a NIfTI file of one part lacks voxels; False for other files."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(-4, 2)
        unpacked = struct.unpack("<I", raw.read(4))[0] if packed else path.stat().st_size
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            expected = _bytes_of(stream.read(352))
            if expected is None or 0 <= (unpacked - expected) % 2**32 < 2**24:
                return False
            # The length at a gzip file's end is that of its last part alone, where it has several.
            rest = 0
            while block := stream.read(2**22):
                rest += len(block)
    except (OSError, EOFError, zlib.error, struct.error):
        return True
    return 352 + rest < expected


def _bytes_of(header: bytes) -> int | None:
    """Return the length of an unpacked NIfTI file, by its header."""
    for order in "<>":
        if header[344:347] == b"n+1" and struct.unpack_from(f"{order}i", header)[0] == 348:
            axes, *sides = struct.unpack_from(f"{order}8h", header, 40)
            bits = struct.unpack_from(f"{order}h", header, 72)[0]
            start = struct.unpack_from(f"{order}f", header, 108)[0]
            return int(start) + int(np.prod(sides[:axes], dtype=np.int64)) * bits // 8
    return None


def _nifti_floats(path: Path) -> NDArray[Any] | None:
    """Return the numbers stored in a NIfTI file of one part, in their order; None for other files and types."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if packed else path.open("rb") as stream:
            layout = _layout(stream.read(352))
            if layout is None:
                return None
            kind, start = layout
            stream.seek(start)
            content = stream.read()
    except (OSError, EOFError, struct.error):
        return None
    return np.frombuffer(content[: len(content) // kind.itemsize * kind.itemsize], kind)


def _layout(header: bytes) -> tuple[np.dtype[Any], int] | None:
    """Return the type of a NIfTI file's numbers and where they start; its size, 348, tells the order of bytes."""
    for order in "<>":
        if header[344:347] == b"n+1" and struct.unpack_from(f"{order}i", header)[0] == 348:
            kind = struct.unpack_from(f"{order}h", header, 70)[0]
            start = struct.unpack_from(f"{order}f", header, 108)[0]
            return (np.dtype(f"{order}{_FLOATS[kind]}"), int(start)) if kind in _FLOATS else None
    return None
