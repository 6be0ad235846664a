"""Measurements of lesions on their VOIs: SUVmax, SUVmean, SUVpeak, MTV, TLG, size, place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.uid import generate_uid
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist

from fdglung.lungs import LungRegion
from fdglung.lungs.placement import LungPlaces, Placement, Side
from fdglung.segmentation import SegmentedLesion
from fdglung.suv_peak import suv_peak

Mask = NDArray[np.bool_]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Lesion:
    """One avid lesion and its measurements on its VOI (at least `voi_fraction` of its own SUVmax).

    Attributes
    ----------
    label
        Its value in the label image, from 1, hottest first.
    tracking_uid, tracking_id
        The same in SEG and SR.
    suv_max, suv_mean, suv_peak
        SUVbw in g/ml; SUVpeak is the highest mean over a sphere of 1 cm3, partial voxels weighted.
    mtv_ml
        Metabolic tumour volume: volume of the VOI in ml.
    tlg_g
        Total lesion glycolysis: suv_mean x mtv_ml, in g.
    longest_diameter_mm
        Largest distance between two points of the VOI's surface in mm (IBSI L0JK, maximum 3D diameter).
    centroid_mm, suv_max_position_mm, suv_peak_position_mm
        Patient coordinates (LPS) in mm; centroid unweighted.
    side
        Side of the body, seen from the patient.
    lung_distance_mm
        Shortest distance from the VOI to the border of the lungs, in mm: negative for a VOI wholly inside the lung, 0
        for one that crosses or touches the border, positive outside; None without a lung mask.
    lobe
        Lobe in words; None where lobes are not known, or for the mediastinum.
    hilum_distance_mm, mediastinum_distance_mm
        Shortest distances from the VOI to the middle of the hilum and to the mediastinum, in mm; see
        `fdglung.lungs.placement`. None without the lungs that tell them.
    voi_fraction
        Fraction of SUVmax that bounds the VOI.
    warnings
        What a physician must know about this lesion.

    """

    label: int
    tracking_uid: str
    tracking_id: str
    suv_max: float
    suv_mean: float
    suv_peak: float
    mtv_ml: float
    tlg_g: float
    longest_diameter_mm: float
    centroid_mm: tuple[float, float, float]
    suv_max_position_mm: tuple[float, float, float]
    suv_peak_position_mm: tuple[float, float, float]
    side: Side
    lung_distance_mm: float | None
    voi_fraction: float
    lobe: str | None = None
    hilum_distance_mm: float | None = None
    mediastinum_distance_mm: float | None = None
    warnings: tuple[str, ...] = ()


def measure(
    pet: sitk.Image,
    labels: sitk.Image,
    segmented: Iterable[SegmentedLesion],
    *,
    lungs: LungRegion | None = None,
    seed: str = "",
    progress: Callable[[str, float], None] | None = None,
) -> tuple[Lesion, ...]:
    """Measure each lesion on its VOI.

    Parameters
    ----------
    pet
        SUVbw in g/ml.
    labels
        VOIs on the grid of `pet`.
    segmented
        One entry for each label.
    lungs
        For side and distance to the lung border; None leaves them unknown.
    seed
        What the tracking UIDs are made from besides the VOI, such as the PET's SeriesInstanceUID: the same study and
        the same VOI get the same UID.
    progress
        Called with a text and the fraction done.

    Returns
    -------
    tuple of Lesion
        In the order of `segmented`.

    """
    tell = progress or (lambda text, fraction: None)
    suv = sitk.GetArrayViewFromImage(pet)
    array = sitk.GetArrayViewFromImage(labels)
    boxes = ndimage.find_objects(array)
    entries = list(segmented)
    places = None if lungs is None else LungPlaces(pet, lungs, array > 0)
    lesions = []
    for done, entry in enumerate(entries):
        tell(f"measuring lesion {done + 1} of {len(entries)}", done / max(1, len(entries)))
        box = boxes[entry.label - 1]
        lesions.append(_measure_one(pet, suv, array[box] == entry.label, box, entry, places, seed))
    tell("lesions measured", 1.0)
    return tuple(lesions)


def total_mtv_ml(lesions: Iterable[Lesion]) -> float:
    """Return the sum of MTV over lesions, in ml."""
    return float(sum(lesion.mtv_ml for lesion in lesions))


def total_tlg_g(lesions: Iterable[Lesion]) -> float:
    """Return the sum of TLG over lesions, in g."""
    return float(sum(lesion.tlg_g for lesion in lesions))


def dmax_mm(lesions: Iterable[Lesion]) -> float | None:
    """Return the largest distance between the centroids of two lesions, in mm; None with fewer than two.

    Cottereau et al., Ann Oncol 2021;32:404 (Dmax).
    """
    pairs = itertools.combinations([lesion.centroid_mm for lesion in lesions], 2)
    distances = [float(np.linalg.norm(np.subtract(a, b))) for a, b in pairs]
    return max(distances, default=None)


def longest_diameter_mm(mask: Mask, spacing_mm: tuple[float, float, float]) -> float:
    """Return the largest distance between two points of the surface of a VOI, in mm.

    IBSI maximum 3D diameter (L0JK): between vertices of the mesh that cuts half-way between voxels in and out.

    Parameters
    ----------
    mask
        VOI (z, y, x), not empty.
    spacing_mm
        Along z, y and x.

    """
    from skimage.measure import marching_cubes

    vertices = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=spacing_mm)[0]
    # A hull of coplanar points does not exist; all points are compared then.
    with suppress(QhullError):
        vertices = vertices[ConvexHull(vertices).vertices]
    return float(pdist(vertices).max())


def _measure_one(
    pet: sitk.Image,
    suv: NDArray[np.float32],
    mask: Mask,
    box: tuple[slice, ...],
    entry: SegmentedLesion,
    places: LungPlaces | None,
    seed: str,
) -> Lesion:
    spacing = pet.GetSpacing()[::-1]
    start = np.array([s.start for s in box])
    values = suv[box][mask].astype(np.float64)
    indices = np.argwhere(mask) + start
    hottest = indices[int(values.argmax())]
    whole = np.zeros(suv.shape, bool)
    whole[box] = mask
    peak, peak_index = suv_peak(suv, whole, spacing)
    mtv_ml = mask.sum() * float(np.prod(spacing)) / 1000
    suv_mean = float(values.mean())
    placement = Placement() if places is None else places.place(mask, box)
    warnings = list(entry.warnings)
    edges = [(s.start == 0) or (s.stop == n) for s, n in zip(box, suv.shape, strict=True)]
    if any(edges):
        warnings.append("The lesion touches the edge of the PET; its volume is a lower bound.")
    digest = generate_uid(entropy_srcs=[seed, str(entry.label), np.packbits(whole[box]).tobytes().hex(), str(start)])
    return Lesion(
        label=entry.label,
        tracking_uid=str(digest),
        tracking_id=f"Lesion {entry.label}",
        suv_max=float(values.max()),
        suv_mean=suv_mean,
        suv_peak=peak,
        mtv_ml=float(mtv_ml),
        tlg_g=float(suv_mean * mtv_ml),
        longest_diameter_mm=longest_diameter_mm(mask, spacing),
        centroid_mm=_position(pet, indices.mean(axis=0)),
        suv_max_position_mm=_position(pet, hottest),
        suv_peak_position_mm=_position(pet, np.array(peak_index)),
        voi_fraction=entry.voi_fraction,
        warnings=tuple(warnings),
        **vars(placement),
    )


def _position(image: sitk.Image, index: NDArray[np.float64]) -> Point:
    """Return patient coordinates (LPS, mm) of a continuous index (z, y, x)."""
    x, y, z = image.TransformContinuousIndexToPhysicalPoint([float(i) for i in index[::-1]])
    return float(x), float(y), float(z)
