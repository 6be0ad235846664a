"""An annotator's label measured like any other segmentation, and as DICOM SEG."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from fdglung import lesions, pipeline
from fdglung.annotation.label_image import as_lesions
from fdglung.errors import NoPetError
from fdglung.lesions import Lesion
from fdglung.lungs import LungRegion
from fdglung.pipeline import Settings
from fdglung.segmentation import LesionSegmentation
from fdglung.study import Study

NUMBERS = ("suv_max", "suv_mean", "suv_peak", "mtv_ml", "tlg_g", "suv_max_position_mm")
"""Of `fdglung.lesions.Lesion`, what `lesion_numbers` gives."""


def measured_lesions(study: Study, label: sitk.Image, *, lungs: LungRegion | None = None) -> tuple[Lesion, ...]:
    """Measure the lesions of a label, as `fdglung.lesions.measure` does.

    Parameters
    ----------
    study
        Whose PET the label lies on.
    label
        As `fdglung.annotation.label_image.as_lesions` numbers it.
    lungs
        For side and depth; None leaves them unknown.

    Raises
    ------
    NoPetError
        If the study has no PET.

    """
    labels, found = as_lesions(label, _pet(study))
    seed = str(study.pet_headers[0].SeriesInstanceUID) if study.pet_headers else ""
    return lesions.measure(_pet(study), labels, found, lungs=lungs, seed=seed)


def lesion_numbers(
    study: Study, label: sitk.Image, *, memory: MutableMapping[Any, Lesion] | None = None
) -> list[dict[str, Any]]:
    """Return the label, `NUMBERS` and place of the lesions of a label, as `measured_lesions` has them.

    Parameters
    ----------
    study, label
        As in `measured_lesions`.
    memory
        Lesions of the same PET that were measured before, each by its voxels; new ones are added. Of a label that
        changes with each click most lesions stay as they are.

    """
    labels, found = as_lesions(label, _pet(study))
    memory = {} if memory is None else memory
    array = sitk.GetArrayViewFromImage(labels)
    boxes = ndimage.find_objects(array)
    rows = []
    for lesion in found:
        box = boxes[lesion.label - 1]
        voxels = np.packbits(array[box] == lesion.label).tobytes()
        key = (tuple((side.start, side.stop) for side in box), voxels)
        known = memory.get(key)
        if known is None:
            (known,) = lesions.measure(_pet(study), labels, [lesion])
            memory[key] = known
        rows.append(
            {"label": lesion.label, **{name: getattr(known, name) for name in NUMBERS}, "side": known.side.value}
        )
    return rows


def annotated_seg(
    study: Study, label: sitk.Image, *, annotator: str, version: int, lungs: LungRegion | None = None
) -> Any:
    """Encode a label as DICOM SEG, semi-automatic, with its annotator.

    Parameters
    ----------
    study
        Read from DICOM.
    label
        As `fdglung.annotation.label_image.as_lesions` numbers it.
    annotator
        Name for Content Creator's Name (0070,0084).
    version
        Of the label; becomes the Instance Number.
    lungs
        For side and depth; None leaves them unknown.

    Returns
    -------
    highdicom.seg.Segmentation

    """
    from fdglung.reporting.dicom_seg import Annotation, segmentation

    labels, found = as_lesions(label, _pet(study))
    result = LesionSegmentation(labels, found, (), None, {}, "annotation")
    analysis = pipeline.measure(study, lungs, result, Settings())
    return segmentation(analysis, annotation=Annotation(annotator, version))


def _pet(study: Study) -> sitk.Image:
    if study.pet is None:
        raise NoPetError("the study has no PET", remedy="Give a study with the PET that the label lies on")
    return study.pet
