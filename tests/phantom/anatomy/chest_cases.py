"""Chests painted once for several tests."""

from functools import lru_cache

import numpy as np
from scipy import ndimage

from fdglung.phantom.anatomy import airways, chest_finds, great_vessels, heart, lung_vessels, lungs, mediastinum
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Volumes, rasterise
from fdglung.phantom.shapes import Grid
from fdglung.phantom.subject import Find, Subject

MAN = Subject("M", 50, 176, 75, breath=0.9)
WOMAN = Subject("F", 50, 163, 60, breath=0.9)

HU = dict.fromkeys(Tissue, 40.0) | {
    Tissue.VISCERAL_FAT: -100.0,
    Tissue.LUNG: -850.0,
    Tissue.FISSURE: -700.0,
    Tissue.AIR: -1000.0,
    Tissue.EMPHYSEMA: -970.0,
    Tissue.PLEURAL_EFFUSION: 10.0,
    Tissue.CALCIUM: 800.0,
    Tissue.METAL: 3000.0,
    Tissue.LEFT_VENTRICLE_WALL: 50.0,
}

LAYERS = (
    mediastinum.cavity,
    lungs.parts,
    heart.parts,
    great_vessels.parts,
    lung_vessels.parts,
    airways.parts,
    mediastinum.parts,
    chest_finds.parts,
)


def grid(spacing_mm: float = 4.0, *, low: float = -270.0, high: float = 170.0) -> Grid:
    """A grid over the chest."""
    size = (round(320 / spacing_mm), round(250 / spacing_mm), round((high - low) / spacing_mm))
    return Grid((-160.0, -125.0, low), (spacing_mm,) * 3, size)


@lru_cache(maxsize=12)
def painted(subject: Subject, *, spacing_mm: float = 4.0, layers: tuple = LAYERS) -> Volumes:  # type: ignore[type-arg]
    """Paint layers of a subject's chest."""
    frame = BodyFrame(subject, subject.breath)
    parts = [part for layer in layers for part in layer(subject, frame)]
    return rasterise(parts, frame, grid(spacing_mm), hu=HU, organs=True)


def volume_ml(subject: Subject, *organs: Organ, spacing_mm: float = 4.0) -> float:
    """Volume of organs as labelled."""
    labels = painted(subject, spacing_mm=spacing_mm).organs
    return float(np.isin(labels, organs).sum() * spacing_mm**3 / 1000)


def solid_ml(subject: Subject, solid, *, spacing_mm: float = 3.0) -> float:  # type: ignore[no-untyped-def]
    """Volume of one solid of a subject in organ coordinates."""
    frame = BodyFrame(subject, subject.breath)
    x, y, z = frame.coordinates(grid(spacing_mm))
    return float((frame.moving(solid).distance(x, y, z) < 0).sum() * spacing_mm**3 / 1000)


def canonical(subject: Subject, where: np.ndarray, spacing_mm: float = 4.0) -> np.ndarray:  # type: ignore[type-arg]
    """Canonical coordinates (n, 3) of the voxels of a mask."""
    axes = BodyFrame(subject, subject.breath).coordinates(grid(spacing_mm))
    return np.column_stack([axis[where] for axis in axes])


def pieces(where: np.ndarray, *, least: int = 1) -> int:  # type: ignore[type-arg]
    """Number of connected pieces of a mask, of at least so many voxels."""
    marked, count = ndimage.label(where, np.ones((3, 3, 3)))
    return int((np.bincount(marked.ravel())[1:] >= least).sum()) if count else 0


def with_find(find: Find, *, seed: int = 0, breath: float = 0.5) -> Subject:
    """The man with a find."""
    return Subject("M", 65, 176, 75, breath=breath, finds=frozenset({find}), shape_seed=seed)
