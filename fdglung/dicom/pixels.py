"""Pixels decoded slice by slice: PET to SUVbw in float32, CT to Hounsfield units."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import get_expected_length, pixel_array
from pydicom.uid import JPEGLSTransferSyntaxes

from fdglung.dicom.attributes import label, number, text
from fdglung.dicom.files import DicomFile
from fdglung.dicom.naming import describe
from fdglung.dicom.series import Slice
from fdglung.errors import (
    EmptyPetError,
    InvalidPixelError,
    RescaleError,
    TruncatedFileError,
    UndecodablePixelDataError,
)

Progress = Callable[[str, float], None]

AIR_HU = -1024
"""Lowest Hounsfield unit kept: padding outside the scanner's field of view (-2000 and the like) becomes this."""

_PADDING_BELOW_HU, _PADDING_ABOVE_HU = -1000, 3071
_NATIVE_SYNTAXES = (
    pydicom.uid.ImplicitVRLittleEndian,
    pydicom.uid.ExplicitVRLittleEndian,
    pydicom.uid.ExplicitVRBigEndian,
    pydicom.uid.DeflatedExplicitVRLittleEndian,
)
_PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_pet(
    slices: Sequence[Slice], factors: Sequence[float], *, progress: Progress | None = None
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Decode a PET series to SUVbw.

    Parameters
    ----------
    slices
        In the order of the grid.
    factors
        One a slice: SUVbw is RescaleSlope x stored value x factor (`fdglung.dicom.suv.SuvRecord.slice_factors`).
    progress
        Called with the name of the step and the fraction done.

    Returns
    -------
    array, warnings
        SUVbw in g/ml, float32, axes (z, y, x).

    Raises
    ------
    TruncatedFileError, UndecodablePixelDataError
        Pixel data are cut short, or no plug-in decodes them.
    InvalidPixelError
        A value is not finite.
    EmptyPetError
        No value is above 0.

    """
    volume: NDArray[np.float32] | None = None
    for index, stored in enumerate(_decoded(slices, "reading PET", progress)):
        header = slices[index].header
        slope = number(header, "RescaleSlope")
        if slope is None:
            raise _no_slope(header)
        if volume is None:
            volume = np.empty((len(slices), *stored.shape), np.float32)
        volume[index] = stored * (slope * factors[index])
        if not np.isfinite(volume[index]).all():
            raise _not_finite(header)
    if volume is None or not (volume > 0).any():
        raise EmptyPetError(
            "The PET holds no activity: no value is above 0",
            series=describe(slices[0].header),
            attribute=label("PixelData"),
            remedy="Export the series again from its source, or choose another one with --pet-series",
        )
    return volume, _warn_of_lossy(slices)


def read_ct(slices: Sequence[Slice], *, progress: Progress | None = None) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Decode a CT series to Hounsfield units.

    Values below -1024 HU become -1024 HU, and so do voxels of the value PixelPaddingValue where that is no Hounsfield
    unit of a body (below -1000 or above 3071 HU).

    Parameters
    ----------
    slices
        In the order of the grid.
    progress
        Called with the name of the step and the fraction done.

    Returns
    -------
    array, warnings
        Hounsfield units with axes (z, y, x): int16 where slope and intercept are whole numbers and values fit, else
        float32.

    Raises
    ------
    TruncatedFileError, UndecodablePixelDataError
        Pixel data are cut short, or no plug-in decodes them.
    InvalidPixelError
        A value, slope or intercept is not finite.

    """
    rescales = [_rescale(one.header) for one in slices]
    is_whole = all(value.is_integer() for slope, intercept, _ in rescales for value in (slope, intercept))
    volume: NDArray[Any] | None = None
    kept_padding = False
    for index, stored in enumerate(_decoded(slices, "reading CT", progress)):
        slope, intercept, _ = rescales[index]
        is_integer = is_whole and stored.dtype.kind in "iu"
        if volume is None:
            volume = np.empty((len(slices), *stored.shape), np.int16 if is_integer else np.float32)
        # int64, because a whole slope or a 32-bit stored value may leave what 32 bits hold.
        wide = np.int64 if stored.dtype.itemsize > 2 else np.int32
        hu: NDArray[Any] = stored.astype(wide if is_integer else np.float64)
        hu = hu * (int(slope) if is_integer else slope) + (int(intercept) if is_integer else intercept)
        padding, is_safe = _padding(slices[index].header, stored, slope, intercept)
        if padding is not None and is_safe:
            hu[padding] = AIR_HU
        kept_padding |= padding is not None and not is_safe
        np.maximum(hu, AIR_HU, out=hu)
        if not is_integer and not np.isfinite(hu).all():
            raise _not_finite(slices[index].header)
        if volume.dtype == np.int16 and (not is_integer or hu.max() > np.iinfo(np.int16).max):
            volume = volume.astype(np.float32)
        volume[index] = hu
    assert volume is not None
    notes = _warn_of_lossy(slices)
    series = describe(slices[0].header)
    if any(assumed for _, _, assumed in rescales):
        notes += (f"{series}: RescaleSlope or RescaleIntercept is missing; 1 and 0 were assumed.",)
    if kept_padding:
        notes += (
            f"{series}: PixelPaddingValue (0028,0120) lies within the Hounsfield units of a body and was not followed.",
        )
    return volume, notes


def _decoded(slices: Sequence[Slice], step: str, progress: Progress | None) -> Iterator[NDArray[Any]]:
    """Stored values of each slice, (y, x); a multi-frame file is opened once."""
    file: DicomFile | None = None
    dataset = Dataset()
    for index, one in enumerate(slices):
        if progress is not None and index % 8 == 0:
            progress(step, index / len(slices))
        if one.file is not file:
            file, dataset = one.file, _read(one)
        yield _decode(dataset, one)
    if progress is not None:
        progress(step, 1.0)


def _read(one: Slice) -> Dataset:
    with warnings.catch_warnings(), one.file.open() as stream:
        # pydicom warns of what is then judged here by itself.
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(stream, force=True)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise _cut_short(one) from error
    keyword = next((keyword for keyword in _PIXEL_KEYWORDS if keyword in dataset), None)
    if keyword is None:
        raise _cut_short(one)
    if _syntax(dataset) in _NATIVE_SYNTAXES:
        present = len(dataset[keyword].value or b"")
        if present < get_expected_length(dataset):
            raise _cut_short(one)
    return dataset


def _decode(dataset: Dataset, one: Slice) -> NDArray[Any]:
    syntax = _syntax(dataset)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = _stored(dataset, one.frame or 0, syntax)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        # Plug-ins raise almost anything; the message tells what they were given, not what they said of the pixels.
        raise UndecodablePixelDataError(
            f"Pixel data of transfer syntax {syntax.name} ({syntax}) cannot be decoded (file {one.file.position} of "
            "the input, in sorted order): they are damaged, or no plug-in knows the syntax",
            series=describe(one.header),
            attribute=label("PixelData"),
            remedy="Copy or download the series again, or export it in Explicit VR Little Endian",
        ) from error
    return stored


def _stored(dataset: Dataset, frame: int, syntax: pydicom.uid.UID) -> NDArray[Any]:
    if syntax in JPEGLSTransferSyntaxes and "pyjpegls" in get_decoder(syntax).available_plugins:
        # Twice as fast as GDCM, which pydicom would ask first and which is asked next.
        with suppress(AttributeError, RuntimeError, ValueError):
            return np.asarray(pixel_array(dataset, index=frame, raw=True, decoding_plugin="pyjpegls"))
    return np.asarray(pixel_array(dataset, index=frame, raw=True))


def _syntax(dataset: Dataset) -> pydicom.uid.UID:
    stated = text(getattr(dataset, "file_meta", Dataset()), "TransferSyntaxUID")
    if not stated:
        implicit, little = dataset.original_encoding
        if implicit:
            stated = pydicom.uid.ImplicitVRLittleEndian
        else:
            stated = pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.UID(stated)
    return pydicom.uid.UID(stated)


def _cut_short(one: Slice) -> TruncatedFileError:
    return TruncatedFileError(
        f"File {one.file.position} of the input, in sorted order, ends before its pixel data do",
        series=describe(one.header),
        attribute=label("PixelData"),
        remedy="Copy or download the series again",
    )


def _no_slope(header: Dataset) -> RescaleError:
    return RescaleError(
        "RescaleSlope is missing",
        series=describe(header),
        attribute=label("RescaleSlope"),
        remedy="Export the original series of the scanner",
    )


def _not_finite(header: Dataset) -> InvalidPixelError:
    return InvalidPixelError(
        "Pixels are not finite numbers (NaN or infinite)",
        series=describe(header),
        attribute=label("PixelData"),
        remedy="Export the series again from its source",
    )


def _rescale(header: Dataset) -> tuple[float, float, bool]:
    """Slope, intercept, and whether one of them was assumed."""
    slope, intercept = number(header, "RescaleSlope"), number(header, "RescaleIntercept")
    for keyword, value in (("RescaleSlope", slope), ("RescaleIntercept", intercept)):
        if value is not None and (not np.isfinite(value) or (keyword == "RescaleSlope" and value == 0)):
            raise InvalidPixelError(
                f"{keyword} is not finite or is 0",
                series=describe(header),
                attribute=label(keyword),
                remedy="Export the series again from its source",
            )
    assumed = slope is None or intercept is None
    return (1.0 if slope is None else slope), (0.0 if intercept is None else intercept), assumed


def _padding(
    header: Dataset, stored: NDArray[Any], slope: float, intercept: float
) -> tuple[NDArray[np.bool_] | None, bool]:
    """Where the padding value stands, and whether it can be told from tissue."""
    value = number(header, "PixelPaddingValue")
    if value is None or not np.isfinite(value) or stored.dtype.kind not in "iu":
        return None, True
    # The value may stand in the header with the other signedness: -2000 as 63536.
    bits = 8 * stored.dtype.itemsize
    wrapped = int(value) % (1 << bits)
    if stored.dtype.kind == "i" and wrapped >= 1 << (bits - 1):
        wrapped -= 1 << bits
    mask = stored == wrapped
    if not mask.any():
        return None, True
    hu = wrapped * slope + intercept
    return mask, hu <= _PADDING_BELOW_HU or hu > _PADDING_ABOVE_HU


def _warn_of_lossy(slices: Sequence[Slice]) -> tuple[str, ...]:
    if any(text(one.header, "LossyImageCompression") == "01" for one in slices):
        return (
            f"{describe(slices[0].header)}: pixels were compressed with loss before; values are not the scanner's.",
        )
    return ()
