"""A synthetic study as its headers see it: scanner, habits, clock, dose and UIDs brought together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from fdglung import __version__
from fdglung.errors import ParameterError
from fdglung.phantom.scanner.catalogue import SCANNERS, Reconstruction, Scanner
from fdglung.phantom.study import SyntheticStudy
from fdglung.phantom.tracers import TRACERS, Tracer
from fdglung.phantom.writer.quirks import PHILIPS_ACTIVITY, Quirk, check_quirks
from fdglung.phantom.writer.timing import Timing, time_slices
from fdglung.phantom.writer.truth import truth_document
from fdglung.phantom.writer.vendors import Habits, Nuclide, habits_of, in_activity

_T = TypeVar("_T")

_NUCLIDES: Mapping[Code, Nuclide] = {codes.cid4020._18Fluorine: "F-18", codes.cid4020._68Gallium: "Ga-68"}

WHOLE_BODY_MM = 500.0
"""From this length on a PET is called one of the whole body, not of the chest (round figure)."""


@dataclass(frozen=True)
class Scan:
    """All that the headers of a study follow from.

    Attributes
    ----------
    study
        What to write.
    scanner, reconstruction, tracer
        From the catalogues.
    habits
        The vendor's, departures applied.
    quirks
        The departures.
    timing
        The PET's clock.
    dose_bq, half_life_s, weight_kg
        As the header has them, so that what is computed from them is what a reader computes.
    uid
        Makes a UID for a role; the same study has the same UIDs.

    """

    study: SyntheticStudy
    scanner: Scanner
    reconstruction: Reconstruction
    tracer: Tracer
    habits: Habits
    quirks: frozenset[Quirk]
    timing: Timing
    dose_bq: float
    half_life_s: float
    weight_kg: float
    uid: Callable[[str], str]

    @property
    def bq_ml_per_suv(self) -> float:
        """Bq/ml at the moment of decay correction that an SUVbw of 1 g/ml stands for: dose left over weight."""
        waited = (self.timing.reference - self.timing.injected).total_seconds()
        return self.dose_bq * 2 ** (-waited / self.half_life_s) / (1000 * self.weight_kg)

    @property
    def nuclide(self) -> Nuclide:
        """Symbol and mass number of the tracer's radionuclide."""
        return _NUCLIDES[self.tracer.radionuclide]

    @property
    def tracer_name(self) -> str:
        """What the vendor's headers call the tracer."""
        return self.habits.tracers.get(self.tracer.key, self.tracer.name)

    @property
    def body_part(self) -> Literal["CHEST", "WHOLEBODY"]:
        """BodyPartExamined."""
        length = self.study.pet.GetSize()[2] * self.study.pet.GetSpacing()[2]
        return "WHOLEBODY" if length >= WHOLE_BODY_MM else "CHEST"


def prepare(study: SyntheticStudy, quirks: Collection[str] = ()) -> Scan:
    """Bring together what the headers of a study follow from.

    Parameters
    ----------
    study
        Its images must be axial, their axes those of the patient (LPS).
    quirks
        Values of `Quirk`.

    Raises
    ------
    ParameterError
        A scanner, reconstruction or tracer that is not known, departures that do not fit, times out of order, a dose
        that is not positive, images that are not axial.

    """
    acquisition = study.acquisition
    scanner = _named(SCANNERS, acquisition.scanner, "scanner")
    reconstruction = _named(
        {one.name: one for one in scanner.reconstructions}, acquisition.reconstruction, "reconstruction"
    )
    for name, image in (("ct", study.ct), ("pet", study.pet)):
        if not np.allclose(image.GetDirection(), np.eye(3).ravel(), atol=1e-9):
            raise ParameterError(
                f"the {name} is not axial in patient space", attribute=name, remedy="Give an image without rotation"
            )
    if not 1e6 <= acquisition.injected_dose_bq < 1e11:
        raise ParameterError(
            f"injected_dose_bq is {acquisition.injected_dose_bq}",
            attribute="injected_dose_bq",
            remedy="Give an activity from 1e6 to 1e11 Bq",
        )
    habits = habits_of(scanner)
    chosen = check_quirks(quirks, scanner.vendor, in_counts=habits.units == "CNTS")
    if chosen & PHILIPS_ACTIVITY and habits.units == "CNTS":
        habits = in_activity(habits)
    tracer = _named(TRACERS, acquisition.tracer, "tracer")
    half_life = float(habits.half_lives[_NUCLIDES[tracer.radionuclide]])
    _, _, low = study.pet.GetOrigin()
    heights = [low + index * study.pet.GetSpacing()[2] for index in range(study.pet.GetSize()[2])]
    return Scan(
        study=study,
        scanner=scanner,
        reconstruction=reconstruction,
        tracer=tracer,
        habits=habits,
        quirks=chosen,
        timing=time_slices(acquisition, scanner, habits, heights, half_life, chosen),
        dose_bq=float(round(acquisition.injected_dose_bq)),
        half_life_s=half_life,
        weight_kg=round(study.subject.weight_kg, 2),
        uid=_uid_maker(study, chosen),
    )


def _named(known: Mapping[str, _T], key: str, attribute: str) -> _T:
    if key not in known:
        raise ParameterError(
            f"{attribute} is {key!r}, which is not in the catalogue",
            attribute=attribute,
            remedy=f"Give one of {', '.join(known)}",
        )
    return known[key]


def _uid_maker(study: SyntheticStudy, quirks: frozenset[Quirk]) -> Callable[[str], str]:
    """UIDs that follow from the version, the truth, the departures and every voxel."""
    sha = hashlib.sha256(json.dumps([__version__, truth_document(study), sorted(quirks)], sort_keys=True).encode())
    for image in (study.ct, study.pet, study.pet_nac, study.lesion_mask, study.organs):
        if image is not None:
            sha.update(hashlib.blake2b(np.ascontiguousarray(sitk.GetArrayViewFromImage(image)).data).digest())
    digest = sha.hexdigest()
    return lambda role: str(generate_uid(entropy_srcs=["fdglung phantom", digest, role]))
