"""Findings: everything known of a study's lesions; to and from JSON and CSV."""

from __future__ import annotations

import csv
import enum
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from fdglung.errors import InputError
from fdglung.lesion_classes import Classification, classification_from
from fdglung.lesions import Lesion
from fdglung.lungs.placement import Side
from fdglung.segmentation import ExcludedUptake

FORMAT = "fdglung findings"
"""Names the JSON document, so that a foreign one is refused."""

FORMAT_VERSION = 1
"""Counts up when a field changes its meaning."""


@dataclass(frozen=True)
class Findings:
    """All that is known of one study.

    Attributes
    ----------
    study_instance_uid, pet_series_uid, ct_series_uid, frame_of_reference_uid
        What the findings refer to; the CT's is None where there is none.
    lesions
        Hottest first.
    excluded
        Avid uptake in the region that was not reported as a lesion, and why.
    total_mtv_ml, total_tlg_g
        Sums over lesions.
    dmax_mm
        Largest distance between the centroids of two lesions in mm; None with fewer than two.
    reference_uptake
        Liver or blood-pool SUVmean that set the seed threshold: name to g/ml.
    provenance
        Versions, model name and checksum, parameters, SUV record: plain JSON values.
    warnings
        All warnings of the study, its SUV conversion, its lungs, its lesions and their classes.
    classification
        Classes of the lesions; None where no classifier was asked.

    """

    study_instance_uid: str
    pet_series_uid: str
    ct_series_uid: str | None
    frame_of_reference_uid: str
    lesions: tuple[Lesion, ...]
    excluded: tuple[ExcludedUptake, ...]
    total_mtv_ml: float
    total_tlg_g: float
    dmax_mm: float | None
    reference_uptake: dict[str, float]
    provenance: dict[str, object]
    warnings: tuple[str, ...]
    classification: Classification | None = None

    @property
    def networks(self) -> tuple[str, ...]:
        """File names of the networks whose outlines the VOIs are; none where thresholds bound them."""
        lesions = self.provenance.get("lesions")
        networks = lesions.get("networks") if isinstance(lesions, dict) else None
        return tuple(str(network["file"]) for network in networks or ())

    def voi_of(self, lesion: Lesion) -> str:
        """Return in words what bounds the VOI of a lesion."""
        return "outline by a network" if self.networks else f"VOI at {100 * lesion.voi_fraction:g} % of SUVmax"


class Column(NamedTuple):
    """One column of the table of lesions.

    Attributes
    ----------
    name
        Its header.
    unit
        UCUM unit, ``1`` for a plain number, empty for text.
    description
        What stands in it, in one sentence.
    value
        Takes it from a lesion.

    """

    name: str
    unit: str
    description: str
    value: Callable[[Lesion], str | float | int | None]


COLUMNS: tuple[Column, ...] = (
    Column("lesion", "1", "Number of the lesion: its label in the segmentation, hottest first.", lambda x: x.label),
    Column("suv_max", "g/ml", "Highest SUVbw in the VOI.", lambda x: x.suv_max),
    Column("suv_mean", "g/ml", "Mean SUVbw of the VOI.", lambda x: x.suv_mean),
    Column("suv_peak", "g/ml", "Highest mean SUVbw over a sphere of 1 cm3.", lambda x: x.suv_peak),
    Column("mtv_ml", "ml", "Metabolic tumour volume: volume of the VOI.", lambda x: x.mtv_ml),
    Column("tlg_g", "g", "Total lesion glycolysis: suv_mean times mtv_ml.", lambda x: x.tlg_g),
    Column("longest_diameter_mm", "mm", "Largest distance in the VOI.", lambda x: x.longest_diameter_mm),
    Column("centroid_x_mm", "mm", "Centroid of the VOI, towards the patient's left.", lambda x: x.centroid_mm[0]),
    Column("centroid_y_mm", "mm", "Centroid of the VOI, towards the patient's back.", lambda x: x.centroid_mm[1]),
    Column("centroid_z_mm", "mm", "Centroid of the VOI, towards the patient's head.", lambda x: x.centroid_mm[2]),
    Column("suv_max_x_mm", "mm", "Hottest voxel, towards the left.", lambda x: x.suv_max_position_mm[0]),
    Column("suv_max_y_mm", "mm", "Hottest voxel, towards the back.", lambda x: x.suv_max_position_mm[1]),
    Column("suv_max_z_mm", "mm", "Hottest voxel, towards the head.", lambda x: x.suv_max_position_mm[2]),
    Column(
        "suv_peak_x_mm", "mm", "Centre of the SUVpeak sphere, towards the left.", lambda x: x.suv_peak_position_mm[0]
    ),
    Column(
        "suv_peak_y_mm", "mm", "Centre of the SUVpeak sphere, towards the back.", lambda x: x.suv_peak_position_mm[1]
    ),
    Column(
        "suv_peak_z_mm", "mm", "Centre of the SUVpeak sphere, towards the head.", lambda x: x.suv_peak_position_mm[2]
    ),
    Column("side", "", "The patient's side: left, right, mediastinum or unknown.", lambda x: x.side.value),
    Column(
        "lung_distance_mm",
        "mm",
        "From the VOI to the lung border: negative inside, 0 across it, positive outside; empty without a lung mask.",
        lambda x: x.lung_distance_mm,
    ),
    Column("lobe", "", "Lobe of the lung; empty where lobes are not known.", lambda x: x.lobe),
    Column("hilum_distance_mm", "mm", "From the VOI to the middle of the hilum.", lambda x: x.hilum_distance_mm),
    Column(
        "mediastinum_distance_mm",
        "mm",
        "From the VOI to what lies between the lungs, 0 for one that reaches into it.",
        lambda x: x.mediastinum_distance_mm,
    ),
    Column("voi_fraction", "1", "Fraction of SUVmax that bounds the VOI.", lambda x: x.voi_fraction),
    Column("tracking_id", "", "Tracking identifier in SEG and SR.", lambda x: x.tracking_id),
    Column("tracking_uid", "", "Tracking unique identifier in SEG and SR.", lambda x: x.tracking_uid),
    Column("warnings", "", "What a physician must know about this lesion.", lambda x: " ".join(x.warnings)),
)
"""The table of lesions, in the order of its columns, without their classes."""


def columns(findings: Findings) -> tuple[Column, ...]:
    """Return the columns of the table of lesions: `COLUMNS`, and those of the classes where there are some.

    Parameters
    ----------
    findings
        Any findings.

    """
    found = findings.classification
    if found is None:
        return COLUMNS
    by_label = {lesion.label: lesion for lesion in found.lesions}
    more = [Column("class", "", f"Class, or undetermined. {found.notice}", lambda x: by_label[x.label].name)]
    for name in found.classes:
        text = f"Calibrated probability of the class {name}."
        more.append(
            Column(f"probability_{name}", "1", text, lambda x, name=name: by_label[x.label].probabilities[name])  # type: ignore[misc]
        )
    more.append(
        Column(
            "as_far",
            "1",
            "Share of cases like the training's that are as far from the training lesions, or farther.",
            lambda x: by_label[x.label].as_far,
        )
    )
    share = f"{found.prediction_set_coverage:.0%}"
    text = (
        f"Classes not ruled out, the most probable first; for {share} of lesions like the training's the class is one."
    )
    more.append(Column("prediction_set", "", text, lambda x: "|".join(by_label[x.label].prediction_set)))
    more.append(Column("class_trained_on", "", "What the classifier was trained on.", lambda x: found.trained_on))
    return (*COLUMNS, *more)


def rounded(value: float) -> float:
    """Six significant digits: how a measurement stands in the CSV, the SR and nowhere else.

    Parameters
    ----------
    value
        Any finite number.

    Returns
    -------
    float
        The number nearest to it that six digits write.

    """
    return float(f"{value:.6g}")


def by_reason(excluded: tuple[ExcludedUptake, ...]) -> dict[str, tuple[ExcludedUptake, ...]]:
    """Group uptake that was not reported by the reason.

    Parameters
    ----------
    excluded
        Any uptake.

    Returns
    -------
    dict
        Reason to uptake, hottest first; the reason with the hottest uptake first.

    """
    groups: dict[str, list[ExcludedUptake]] = {}
    for uptake in sorted(excluded, key=lambda item: -item.suv_max):
        groups.setdefault(uptake.reason, []).append(uptake)
    return {reason: tuple(group) for reason, group in groups.items()}


def to_json(findings: Findings) -> str:
    """Write findings as a JSON document; `from_json` gives back an equal object.

    Parameters
    ----------
    findings
        Any findings; numbers must be finite and the provenance plain JSON values.

    Returns
    -------
    str
        The document, keys in the order of the fields, ended by a newline.

    Raises
    ------
    ValueError
        A number is not finite.
    TypeError
        The provenance holds something that JSON has not.

    """
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(findings)}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def from_json(text: str) -> Findings:
    """Read findings from the document that `to_json` wrote.

    Parameters
    ----------
    text
        The whole document.

    Returns
    -------
    Findings
        Equal to the findings that were written.

    Raises
    ------
    InputError
        It is no such document, or one of another version.

    """
    remedy = "Give the findings.json of a report that this version wrote"
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"The findings are no JSON document (line {error.lineno})", remedy=remedy) from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise InputError("The JSON document holds no findings", attribute="format", remedy=remedy)
    version = document.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise InputError(f"The findings have version {version}", attribute="format_version", remedy=remedy)
    try:
        document["lesions"] = tuple(_lesion(item) for item in document["lesions"])
        document["excluded"] = tuple(ExcludedUptake(**_tuples(item)) for item in document["excluded"])
        document["warnings"] = tuple(document["warnings"])
        if document.get("classification") is not None:
            document["classification"] = classification_from(document["classification"])
        return Findings(**document)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"The findings lack a field or hold one too many ({error})", remedy=remedy) from error


def to_csv(findings: Findings) -> str:
    """Write the table of lesions: a header and a row a lesion, measurements with six significant digits.

    Parameters
    ----------
    findings
        Any findings.

    Returns
    -------
    str
        Comma-separated values with the columns of `columns`, lines ended by a newline; an absent value is empty.

    """
    wanted = columns(findings)
    return _table(
        [column.name for column in wanted],
        ([_cell(column.value(lesion)) for column in wanted] for lesion in findings.lesions),
    )


def units_csv(findings: Findings) -> str:
    """Write what the columns of `to_csv` mean: ``column``, ``unit`` (UCUM) and ``description``.

    Parameters
    ----------
    findings
        Any findings.

    Returns
    -------
    str
        Comma-separated values, a row a column.

    """
    return _table(["column", "unit", "description"], ([c.name, c.unit, c.description] for c in columns(findings)))


def _plain(value: object) -> object:
    if isinstance(value, enum.Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} is no plain JSON value")


def _lesion(item: dict[str, Any]) -> Lesion:
    return Lesion(**{**_tuples(item), "side": Side(item["side"])})


def _tuples(item: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}


def _cell(value: str | float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
