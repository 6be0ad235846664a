"""A tool's label image as the file that the client asked for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

import SimpleITK as sitk

from fdglung.errors import OutputWriteError, ParameterError

EXTENSIONS = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Kinds of files that a client may ask for with ``result_extension``."""

_TYPES = {
    "uint8": sitk.sitkUInt8,
    "uint16": sitk.sitkUInt16,
    "int16": sitk.sitkInt16,
    "int32": sitk.sitkInt32,
    "float32": sitk.sitkFloat32,
}


def write_result(labels: sitk.Image, request: Mapping[str, Any]) -> str:
    """Write a label image into a temporary file, which MONAI Label deletes after sending it.

    Parameters
    ----------
    labels
        On the PET grid.
    request
        Of it ``result_extension``, ``result_dtype`` and ``result_compress``.

    Returns
    -------
    str
        The file.

    Raises
    ------
    ParameterError
        The kind of file or number is unknown, or does not hold the labels.
    OutputWriteError
        There is no room for the file.

    """
    extension = request.get("result_extension") or ".nii.gz"
    kind = str(request.get("result_dtype") or "uint8").rpartition(".")[2]
    if extension not in EXTENSIONS or kind not in _TYPES:
        raise ParameterError(
            "the kind of file or number that was asked for is not known",
            attribute="result_extension, result_dtype",
            remedy=f"Ask for {', '.join(EXTENSIONS)} and {', '.join(_TYPES)}",
        )
    highest = int(sitk.GetArrayViewFromImage(labels).max())
    if kind == "uint8" and highest > 255:
        kind = "uint16"
    handle, path = tempfile.mkstemp(prefix="fdglung_label_", suffix=extension)
    os.close(handle)
    try:
        sitk.WriteImage(
            sitk.Cast(labels, _TYPES[kind]), path, useCompression=request.get("result_compress") is not False
        )
    except RuntimeError as error:
        os.unlink(path)
        raise OutputWriteError(
            "the result could not be written", attribute="temporary folder", remedy="Free space on the server's disk"
        ) from error
    return path
