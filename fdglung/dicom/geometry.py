"""Where slices lie: their order along the normal, and the regular grid that holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import Dataset

from fdglung.dicom.attributes import label, number, vector
from fdglung.dicom.naming import describe
from fdglung.errors import (
    DuplicateSliceError,
    InconsistentSeriesError,
    MissingSliceError,
    SingleSliceError,
    TiltedGantryError,
    UnevenSpacingError,
)

_POSITION = label("ImagePositionPatient")
_ORIENTATION = label("ImageOrientationPatient")

SAME_PLACE_MM = 0.01
"""Positions nearer than this are one place: a hundredth of a millimetre is below what headers round to."""

PLACE_TOLERANCE = 0.1
"""How far, in steps, a slice may lie from its place in the even grid.

A tenth of a slice is below what a slice's own thickness blurs. Rounded positions (0.02 mm) and the seams between the
beds of a PET (0.1 mm at a step of 3.27 mm) stay within it; a missing slice is ten times as far out.
"""

COSINE_TOLERANCE = 1e-3
"""Largest difference between direction cosines that are one direction: 0.5 mm at the edge of a field of 500 mm."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of slices in patient space (LPS, mm).

    Attributes
    ----------
    order
        Index of the header that becomes slice 0, 1, ... along the normal.
    origin
        Centre of the first voxel of slice 0, in mm.
    direction
        3 x 3, its columns the directions of x (along a row), y (down the columns) and z (their cross product).
    spacing
        Along x, y and z, in mm.
    size
        Voxels along x, y and z.
    shear
        How far slices move along x and y for each millimetre along the normal: (0, 0) unless the gantry was tilted.
    warnings
        What a physician must know, in full sentences.

    """

    order: tuple[int, ...] = field(repr=False)
    origin: NDArray[np.float64]
    direction: NDArray[np.float64]
    spacing: tuple[float, float, float]
    size: tuple[int, int, int]
    shear: tuple[float, float] = (0.0, 0.0)
    warnings: tuple[str, ...] = ()

    @property
    def length_mm(self) -> float:
        """Distance between the outer faces of the first and last slice, in mm."""
        return self.spacing[2] * self.size[2]


def lay_out(headers: Sequence[Dataset]) -> Grid:
    """Order slices along their normal and check that a regular grid holds them.

    Only ImagePositionPatient, ImageOrientationPatient and PixelSpacing count (PS3.3 C.7.6.2.1.1); neither the order of
    the files nor InstanceNumber, SliceLocation, PatientPosition or the order in space along the body does.

    Parameters
    ----------
    headers
        Classic (or flattened) headers of one series, in any order.

    Returns
    -------
    Grid
        With z along cross(row, column).

    Raises
    ------
    MissingAttributeError
        A position, orientation, spacing or size is missing.
    InconsistentSeriesError
        Slices differ in size, spacing or orientation, or an orientation is none.
    SingleSliceError, DuplicateSliceError, MissingSliceError, UnevenSpacingError
        The positions make no regular grid.
    TiltedGantryError
        Slices are displaced within their plane by no constant shear.

    """
    series = describe(headers[0])
    if len(headers) < 2:
        raise SingleSliceError(
            "The series holds one slice, which makes no volume",
            series=series,
            attribute=_POSITION,
            remedy="Export all slices of the series",
        )
    columns, rows = _one_size(headers, series)
    spacing_y, spacing_x = _one_spacing(headers, series)
    direction = _one_direction(headers, series)
    positions = np.array([vector(header, "ImagePositionPatient", 3) for header in headers])
    along = positions @ direction[:, 2]
    order = np.argsort(along, kind="stable")
    step = _even_step(along[order], series)
    shear, origin = _shear(positions[order], direction, along[order], (columns, rows), (spacing_x, spacing_y), series)
    warnings = []
    thickness = number(headers[0], "SliceThickness")
    if thickness is not None and thickness > 0 and step > 1.5 * thickness:
        warnings.append(
            f"{series}: slices of {thickness:g} mm lie {step:.4g} mm apart; what lies between them was not imaged, or "
            "slices are missing evenly."
        )
    return Grid(
        order=tuple(int(index) for index in order),
        origin=origin,
        direction=direction,
        spacing=(spacing_x, spacing_y, step),
        size=(columns, rows, len(headers)),
        shear=shear,
        warnings=tuple(warnings),
    )


def image_of(array: NDArray[np.generic], grid: Grid) -> sitk.Image:
    """Make an image of voxels in (z, y, x) order that lies where the grid lies; a shear is not applied."""
    image = sitk.GetImageFromArray(array)
    image.SetOrigin([float(value) for value in grid.origin])
    image.SetSpacing(list(grid.spacing))
    image.SetDirection([float(value) for value in grid.direction.ravel()])
    return image


def straightened(image: sitk.Image, grid: Grid, *, background: float) -> sitk.Image:
    """Resample a sheared stack onto a regular grid, linearly.

    Parameters
    ----------
    image
        As `image_of` makes it of the sheared stack.
    grid
        With its shear.
    background
        Value of voxels that no slice covers.

    Returns
    -------
    SimpleITK.Image
        With the slices where they were, and widened in their plane so that nothing is cut.

    """
    shear = np.array([*grid.shear, 0.0])
    # Forward, slices at height h along the normal lie displaced by h x shear; the resampler asks for the way back.
    in_patient = grid.direction @ shear
    back = np.eye(3) - np.outer(in_patient, grid.direction[:, 2])
    transform = sitk.AffineTransform([float(v) for v in back.ravel()], [0.0] * 3, [float(v) for v in grid.origin])
    reach = shear[:2] * grid.spacing[2] * (grid.size[2] - 1) / np.array(grid.spacing[:2])
    before = np.ceil(np.maximum(-reach, 0)).astype(int)
    after = np.ceil(np.maximum(reach, 0)).astype(int)
    offset = grid.direction[:, :2] @ (-before * np.array(grid.spacing[:2]))
    size = [int(grid.size[0] + before[0] + after[0]), int(grid.size[1] + before[1] + after[1]), grid.size[2]]
    return sitk.Resample(
        image,
        size,
        transform,
        sitk.sitkLinear,
        [float(value) for value in grid.origin + offset],
        list(grid.spacing),
        [float(value) for value in grid.direction.ravel()],
        background,
        image.GetPixelID(),
    )


def coverage(inner: Grid, outer: Grid) -> float:
    """Fraction of one grid's volume that lies in another, from 24 x 24 x 64 points spread evenly over it."""
    counts = (24, 24, 64)
    axes = [(np.arange(count) + 0.5) / count * size - 0.5 for count, size in zip(counts, inner.size, strict=True)]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points = inner.origin + _to_patient(inner, index)
    inside_index = _to_index(outer, points - outer.origin)
    upper = np.array(outer.size) - 0.5
    return float(np.mean(np.all((inside_index >= -0.5) & (inside_index < upper), axis=1)))


def _to_patient(grid: Grid, index: NDArray[np.float64]) -> NDArray[np.float64]:
    local = index * np.array(grid.spacing)
    local[:, :2] += local[:, 2:] * np.array(grid.shear)
    return local @ grid.direction.T


def _to_index(grid: Grid, points: NDArray[np.float64]) -> NDArray[np.float64]:
    local = points @ grid.direction
    local[:, :2] -= local[:, 2:] * np.array(grid.shear)
    return local / np.array(grid.spacing)


def _one_size(headers: Sequence[Dataset], series: str) -> tuple[int, int]:
    sizes = np.array([[vector(header, keyword, 1)[0] for keyword in ("Columns", "Rows")] for header in headers])
    if np.ptp(sizes, axis=0).any():
        keyword = "Columns" if np.ptp(sizes[:, 0]) else "Rows"
        raise _inconsistent(f"Slices differ in {keyword} ({sizes.min():g} to {sizes.max():g})", keyword, series)
    if (sizes < 2).any():
        raise _inconsistent("Slices are narrower than 2 pixels", "Rows", series)
    return int(sizes[0, 0]), int(sizes[0, 1])


def _one_spacing(headers: Sequence[Dataset], series: str) -> tuple[float, float]:
    """Spacing between rows (y), then between columns (x), as PixelSpacing gives them."""
    spacings = np.array([vector(header, "PixelSpacing", 2) for header in headers])
    if (spacings <= 0).any():
        raise _inconsistent("PixelSpacing is not positive", "PixelSpacing", series)
    # A thousandth moves the far edge of 512 pixels by half a pixel.
    if (np.ptp(spacings, axis=0) > 1e-3 * spacings[0]).any():
        raise _inconsistent(
            f"Slices differ in PixelSpacing ({spacings.min():g} to {spacings.max():g} mm)", "PixelSpacing", series
        )
    return float(spacings[0, 0]), float(spacings[0, 1])


def _one_direction(headers: Sequence[Dataset], series: str) -> NDArray[np.float64]:
    cosines = np.array([vector(header, "ImageOrientationPatient", 6) for header in headers])
    if (np.ptp(cosines, axis=0) > COSINE_TOLERANCE).any():
        raise _inconsistent("Slices differ in orientation", "ImageOrientationPatient", series)
    row, column = cosines[0, :3], cosines[0, 3:]
    lengths = np.array([np.linalg.norm(row), np.linalg.norm(column)])
    if (abs(lengths - 1) > 10 * COSINE_TOLERANCE).any() or abs(row @ column) > COSINE_TOLERANCE:
        raise _inconsistent(
            "ImageOrientationPatient is not two perpendicular unit vectors", "ImageOrientationPatient", series
        )
    row = row / lengths[0]
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    return np.column_stack([row, column, np.cross(row, column)])


def _inconsistent(problem: str, keyword: str, series: str) -> InconsistentSeriesError:
    return InconsistentSeriesError(
        problem,
        series=series,
        attribute=label(keyword),
        remedy="Export the series again from its source, and only its own slices",
    )


def _even_step(along: NDArray[np.float64], series: str) -> float:
    """Step of the even grid nearest to positions along the normal (sorted, mm)."""
    steps = np.diff(along)
    if (same := int((steps < SAME_PLACE_MM).sum())) > 0:
        at = along[int(np.argmin(steps))]
        raise DuplicateSliceError(
            f"{same} of {len(along)} slices lie where another one lies (the first at {at:.2f} mm along the normal)",
            series=series,
            attribute=_POSITION,
            remedy="Leave one acquisition or reconstruction in the folder, and remove copies",
        )
    # The lower median, so that of two steps the shorter one counts as usual.
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    _check_gaps(along, steps, usual, series)
    step = float((along[-1] - along[0]) / (len(along) - 1))
    # The least-squares grid leaves smaller errors than the one through the first and last slice.
    places = np.arange(len(along)) - (len(along) - 1) / 2
    errors = along - along.mean() - places * step
    if (worst := float(np.abs(errors).max())) > PLACE_TOLERANCE * step:
        at = along[int(np.abs(errors).argmax())]
        raise UnevenSpacingError(
            f"Slices are {steps.min():.4g} to {steps.max():.4g} mm apart, and the one at {at:.2f} mm along the normal "
            f"lies {worst:.2g} mm from its place in an even grid",
            series=series,
            attribute=_POSITION,
            remedy="Export one reconstruction with even spacing",
        )
    return step


def _check_gaps(along: NDArray[np.float64], steps: NDArray[np.float64], usual: float, series: str) -> None:
    multiples = steps / usual
    gaps = np.flatnonzero(multiples > 1.5)
    if not len(gaps):
        return
    whole = np.round(multiples[gaps])
    others_uneven = (np.abs(multiples[multiples <= 1.5] - 1) > PLACE_TOLERANCE).any()
    if others_uneven or (np.abs(multiples[gaps] - whole) > PLACE_TOLERANCE * whole).any():
        at = gaps[0]
        raise UnevenSpacingError(
            f"Slices are {steps.min():.4g} to {steps.max():.4g} mm apart, which are no multiples of one step "
            f"(the first gap lies between {along[at]:.2f} and {along[at + 1]:.2f} mm along the normal)",
            series=series,
            attribute=_POSITION,
            remedy="Export one reconstruction with even spacing",
        )
    missing = int((whole - 1).sum())
    where = ", ".join(f"between {along[gap]:.2f} and {along[gap + 1]:.2f} mm" for gap in gaps[:3])
    raise MissingSliceError(
        f"{missing} slice{'' if missing == 1 else 's'} missing {where}{' and elsewhere' if len(gaps) > 3 else ''} "
        f"along the normal, where slices are {usual:.4g} mm apart",
        series=series,
        attribute=_POSITION,
        remedy="Export or send the whole series again",
    )


def _shear(
    positions: NDArray[np.float64],
    direction: NDArray[np.float64],
    along: NDArray[np.float64],
    size: tuple[int, int],
    spacing: tuple[float, float],
    series: str,
) -> tuple[tuple[float, float], NDArray[np.float64]]:
    """How slices drift within their plane, in mm a mm along the normal, and the first slice's place."""
    drift = (positions - positions[0]) @ direction[:, :2]
    height = along - along[0]
    # A tenth of a pixel over the whole stack moves nothing that can be seen.
    tolerance = PLACE_TOLERANCE * np.array(spacing)
    if (np.abs(drift) <= tolerance).all():
        return (0.0, 0.0), positions[0]
    slope = drift[-1] / height[-1]
    if (np.abs(drift - height[:, None] * slope) > tolerance).any():
        raise TiltedGantryError(
            "Slices are displaced within their plane, and not evenly, so that no shear brings them onto a grid",
            series=series,
            attribute=_POSITION,
            remedy="Reconstruct the series without gantry tilt, or export slices of one acquisition only",
        )
    # Beyond 45 degrees no gantry tilts: slices of another acquisition, or wrong positions.
    if np.linalg.norm(slope) > 1:
        raise TiltedGantryError(
            "Slices are displaced within their plane by more than they are along their normal",
            series=series,
            attribute=_POSITION,
            remedy="Export slices of one acquisition only",
        )
    return (float(slope[0]), float(slope[1])), positions[0]
