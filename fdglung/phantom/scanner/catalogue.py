"""PET/CT scanners of four vendors: resolution, time of flight, grids and reconstructions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Vendor = Literal["siemens", "ge", "philips", "united"]


@dataclass(frozen=True)
class Reconstruction:
    """One way in which a scanner makes images.

    Attributes
    ----------
    name
        As the vendor writes it into ReconstructionMethod.
    iterations, subsets
        Of OSEM.
    psf, tof
        Whether it models the point spread and uses time of flight.
    filter_fwhm_mm
        Of the Gaussian filter afterwards.
    matrix
        Voxels along x and y.
    voxel_mm
        Voxel size across and along the patient.
    earl
        Whose accreditation's bands of recovery it keeps: EARL 1 or 2; None for neither.

    """

    name: str
    iterations: int
    subsets: int
    psf: bool
    tof: bool
    filter_fwhm_mm: float
    matrix: int
    voxel_mm: tuple[float, float]
    earl: Literal[1, 2] | None = None


@dataclass(frozen=True)
class Scanner:
    """A PET/CT scanner.

    Attributes
    ----------
    key
        Name in this catalogue.
    vendor, model
        As ManufacturerModelName has the model.
    fwhm_mm
        NEMA resolution near the centre, across and along.
    tof_ps
        Time-of-flight resolution (FWHM); None where there is none.
    scatter_fraction
        NEMA scatter fraction.
    bed_mm, bed_overlap
        Axial field of view, and the share of it that neighbouring beds share.
    reconstructions
        The first is the default.
    sensitivity_cps_per_kbq
        NEMA sensitivity at the centre (70 cm line source). Of Discovery MI and 690 as the table of commercial
        scanners in the Journal of Nuclear Medicine's paper on Discovery MI (2017) has it, of uMI 550 as in
        10.1186/s40658-020-00315-w; round figures of the others.

    """

    key: str
    vendor: Vendor
    model: str
    fwhm_mm: tuple[float, float]
    tof_ps: float | None
    scatter_fraction: float
    bed_mm: float
    bed_overlap: float
    reconstructions: tuple[Reconstruction, ...]
    sensitivity_cps_per_kbq: float = 9.0


def _scanner(
    key: str,
    vendor: Vendor,
    model: str,
    fwhm_mm: tuple[float, float],
    tof_ps: float | None,
    scatter_fraction: float,
    bed: tuple[float, float],
    sensitivity_cps_per_kbq: float,
    *reconstructions: Reconstruction,
) -> Scanner:
    return Scanner(
        key, vendor, model, fwhm_mm, tof_ps, scatter_fraction, *bed, reconstructions, sensitivity_cps_per_kbq
    )


_ALL = (
    _scanner(
        "siemens_mct",
        "siemens",
        "Biograph128_mCT",
        (4.33, 4.33),
        555,
        0.335,
        (218, 0.43),
        9.7,
        Reconstruction("PSF+TOF 3i21s", 3, 21, True, True, 4.5, 200, (4.07283, 3.0), 2),
        Reconstruction("OP-OSEM3i21s", 3, 21, False, False, 6.0, 200, (4.07283, 3.0), 1),
    ),
    _scanner(
        "siemens_vision",
        "siemens",
        "Biograph128_Vision 600 Edge",
        (3.6, 3.6),
        214,
        0.37,
        (263, 0.49),
        16.4,
        Reconstruction("PSF+TOF 4i5s", 4, 5, True, True, 4.5, 220, (3.3, 3.0), 2),
        Reconstruction("PSF+TOF 8i5s", 8, 5, True, True, 2.0, 440, (1.65, 2.0)),
    ),
    _scanner(
        "ge_st",
        "ge",
        "Discovery ST",
        (6.3, 6.3),
        None,
        0.37,
        (157, 0.15),
        9.1,
        Reconstruction("OSEM", 2, 21, False, False, 6.0, 128, (4.6875, 3.27)),
    ),
    _scanner(
        "ge_690",
        "ge",
        "Discovery 690",
        (4.70, 4.74),
        544,
        0.37,
        (157, 0.23),
        7.5,
        Reconstruction("VPFX", 3, 18, False, True, 6.4, 192, (3.64583, 3.27), 1),
        Reconstruction("VPFXS", 3, 18, True, True, 4.5, 256, (2.73438, 3.27), 2),
    ),
    _scanner(
        "ge_mi",
        "ge",
        "Discovery MI",
        (4.10, 4.48),
        375,
        0.406,
        (200, 0.25),
        13.7,
        Reconstruction("VPFX", 3, 16, False, True, 6.4, 192, (3.64583, 2.79), 1),
        Reconstruction("VPFXS", 3, 16, True, True, 5.0, 256, (2.73438, 2.79), 2),
    ),
    _scanner(
        "philips_ingenuity",
        "philips",
        "Ingenuity TF PET/CT",
        (4.84, 4.84),
        502,
        0.367,
        (180, 0.5),
        7.3,
        Reconstruction("BLOB-OS-TF", 3, 33, False, True, 6.5, 144, (4.0, 4.0), 1),
        Reconstruction("LOR-RAMLA", 3, 33, False, False, 6.0, 144, (4.0, 4.0), 1),
    ),
    _scanner(
        "philips_vereos",
        "philips",
        "Vereos PET/CT",
        (4.01, 4.14),
        322,
        0.30,
        (164, 0.4),
        5.2,
        Reconstruction("BLOB-OS-TF", 3, 15, False, True, 6.5, 144, (4.0, 4.0), 1),
    ),
    _scanner(
        "united_umi550",
        "united",
        "uMI 550",
        (2.95, 2.95),
        372,
        0.367,
        (240, 0.4),
        10.24,
        Reconstruction("OSEM+TOF+PSF", 2, 20, True, True, 5.0, 150, (4.0, 3.0), 2),
    ),
    _scanner(
        "united_umi780",
        "united",
        "uMI 780",
        (2.9, 2.9),
        450,
        0.38,
        (300, 0.3),
        15.0,
        Reconstruction("OSEM+TOF+PSF", 2, 20, True, True, 5.0, 192, (3.125, 2.68), 2),
        Reconstruction("OSEM+TOF", 2, 20, False, True, 4.0, 192, (3.125, 2.68)),
    ),
)

SCANNERS = {scanner.key: scanner for scanner in _ALL}
"""By key."""
