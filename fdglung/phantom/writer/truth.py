"""The truth about a synthetic study as JSON, and read back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.errors import ParameterError
from fdglung.phantom.organ_codes import organ_name
from fdglung.phantom.organs import Organ
from fdglung.phantom.study import Acquisition, LesionClass, SyntheticStudy, TrueLesion
from fdglung.phantom.subject import Find, Subject

SCHEMA = "fdglung synthetic study 1"
"""Names the form of the file."""

NOTICE = f"Synthetic: no person was scanned. {RESEARCH_NOTICE}"
"""Stands in every truth file."""

COORDINATES = "patient (LPS), mm"
"""Of the lesions' centres."""


def made_by() -> str:
    """Name this software and its version."""
    return f"fdglung {__version__}"


@dataclass(frozen=True)
class Truth:
    """What is known of a synthetic study.

    Attributes
    ----------
    made_by
        Software and version.
    notice
        Says that nobody was scanned.
    coordinates
        Of the lesions' centres.
    subject, acquisition, lesions
        As `fdglung.phantom.study` has them.
    organs_ml
        Volumes of the organs in the CT's field of view in ml, by name.
    parameters
        Everything that the study was made from, seed included.

    """

    made_by: str
    notice: str
    coordinates: str
    subject: Subject
    acquisition: Acquisition
    lesions: tuple[TrueLesion, ...]
    organs_ml: dict[str, float]
    parameters: dict[str, object]


def truth_document(study: SyntheticStudy) -> dict[str, Any]:
    """Tell the truth about a study as plain JSON values, the same for the same study."""
    subject = asdict(study.subject)
    subject["finds"] = sorted(study.subject.finds)
    acquisition = asdict(study.acquisition)
    for moment in ("injected", "started"):
        acquisition[moment] = acquisition[moment].isoformat()
    return {
        "schema": SCHEMA,
        "made_by": made_by(),
        "notice": NOTICE,
        "coordinates": COORDINATES,
        "suv": "SUVbw of the acquisition's tracer in g/ml, before the scanner's blur and noise",
        "subject": subject,
        "acquisition": acquisition,
        "lesions": [asdict(lesion) for lesion in study.lesions],
        "organs_ml": _organ_volumes(study.ct_organs),
        "parameters": study.parameters,
    }


def write_truth(study: SyntheticStudy, path: Path | str) -> None:
    """Write the truth about a study; the same study gives the same bytes."""
    text = json.dumps(truth_document(study), indent=2, ensure_ascii=False, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_truth(path: Path | str) -> Truth:
    """Read the truth about a study.

    Parameters
    ----------
    path
        ``truth.json``, or the folder that holds it.

    Returns
    -------
    Truth
        Equal to what was written.

    Raises
    ------
    ParameterError
        The file is not there, or no truth of this form.

    """
    path = Path(path)
    path = path / "truth.json" if path.is_dir() else path
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["schema"] != SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}, not {SCHEMA!r}")
        return _truth(document)
    except OSError as error:
        raise _unreadable(path, error.strerror or type(error).__name__) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(path, f"{type(error).__name__}: {error}") from error


def _truth(document: dict[str, Any]) -> Truth:
    subject = document["subject"] | {"finds": frozenset(Find(find) for find in document["subject"]["finds"])}
    acquisition = dict(document["acquisition"])
    for moment in ("injected", "started"):
        acquisition[moment] = datetime.fromisoformat(acquisition[moment])
    return Truth(
        made_by=document["made_by"],
        notice=document["notice"],
        coordinates=document["coordinates"],
        subject=Subject(**subject),
        acquisition=Acquisition(**acquisition),
        lesions=tuple(_lesion(lesion) for lesion in document["lesions"]),
        organs_ml=document["organs_ml"],
        parameters=document["parameters"],
    )


def _lesion(values: dict[str, Any]) -> TrueLesion:
    x, y, z = values["centre_mm"]
    changed = {"lesion_class": LesionClass(values["lesion_class"]), "centre_mm": (x, y, z)}
    return TrueLesion(**(values | changed | {"signs": tuple(values["signs"])}))


def _organ_volumes(organs: sitk.Image) -> dict[str, float]:
    voxel_ml = float(np.prod(organs.GetSpacing())) / 1000
    counts = np.bincount(sitk.GetArrayViewFromImage(organs).ravel(), minlength=len(Organ) + 1)
    return {organ_name(organ): round(int(counts[organ]) * voxel_ml, 4) for organ in Organ if counts[organ]}


def _unreadable(path: Path, reason: str) -> ParameterError:
    return ParameterError(
        f"{path.name} does not hold the truth about a synthetic study ({reason})",
        attribute="path",
        remedy="Give the truth.json that was written beside the study, of this version",
    )
