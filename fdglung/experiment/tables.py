"""The tables of a study: lesions, features, patients, the flow of both through the sets, and who was left out why."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fdglung.errors import EmptySetError
from fdglung.experiment.config import ExperimentConfig
from fdglung.experiment.data import StudyData
from fdglung.experiment.examination import Worked
from fdglung.experiment.lesions import FoundLesion, FoundStatus, ReferenceStatus
from fdglung.experiment.study_tables import write_rows
from fdglung.radiomics.settings import to_yaml
from fdglung.radiomics.tables import SETTINGS_SUFFIX

_WHERE = ("set", "case", "patient", "centre")
_PATIENT_MEASURES = ("lesions", "suv_max", "mtv_ml", "tlg_g")
NO_SET = "none"
"""In place of a set: examinations that belong to none."""


def write_tables(out: Path, config: ExperimentConfig, data: StudyData, worked: Sequence[Worked]) -> None:
    """Write all tables of a study.

    ``reference_lesions.csv`` and ``lesions.csv`` have a row a lesion of the references and of the segmentation,
    ``features.csv`` (with its settings) and ``labels.csv`` a row a lesion that is classified (where a classifier looks
    at whole studies, the former has all lesions found in them), ``patients.csv`` a row a patient, ``flow.csv`` counts
    by set, ``exclusions.csv`` a row for whatever was left out.

    Parameters
    ----------
    out
        Exists.
    config, data, worked
        Of the study; `worked` in the order of the examinations.

    Raises
    ------
    EmptySetError
        A set has no lesion to classify.

    """
    write_rows(
        out / "reference_lesions.csv",
        [*_WHERE, "lesion", "class", "suv_max", "volume_ml", "status"],
        [
            {
                **_where(one),
                "lesion": lesion.label,
                "class": lesion.lesion_class,
                "suv_max": lesion.suv_max,
                "volume_ml": lesion.volume_ml,
                "status": lesion.status.value,
            }
            for one in worked
            for lesion in one.true
        ],
    )
    lesions = [
        {
            **_where(one),
            "lesion": lesion.label,
            "class": lesion.lesion_class,
            "reference": lesion.reference,
            "suv_max": lesion.suv_max,
            "mtv_ml": lesion.mtv_ml,
            "status": lesion.status.value,
            "features": one.failed_features.get(lesion.label, "ok" if lesion.reference is not None else ""),
        }
        for one in worked
        for lesion in one.found
    ]
    columns = [*_WHERE, "lesion", "class", "reference", "suv_max", "mtv_ml", "status", "features"]
    write_rows(out / "lesions.csv", columns, lesions)
    taken = [(one, lesion) for one in worked for lesion in one.found if is_classified(one, lesion)]
    for set_name in config.sets:
        if not any(one.examination.set_name == set_name for one, _ in taken):
            found = sum(len(one.found) for one in worked if one.examination.set_name == set_name)
            raise EmptySetError(
                f"the set {set_name} has no lesion to classify: {found} lesions were found in its studies, and none is "
                "one of the reference whose features could be computed",
                attribute=f"sets.{set_name}",
                remedy="Look at lesions.csv of its studies; give more studies, another segmentation or other limits "
                "under reference",
            )
    labels = [{**_where(one), "lesion": lesion.label, "class": lesion.lesion_class} for one, lesion in taken]
    write_rows(out / "labels.csv", [*_WHERE, "lesion", "class"], labels)
    features = list(_feature_rows(worked, whole=config.in_context))
    names = list(dict.fromkeys(name for row in features for name in row))
    write_rows(out / "features.csv", names, features)
    (out / f"features{SETTINGS_SUFFIX}").write_text(to_yaml(config.radiomics), encoding="utf-8")
    columns = ["patient", "set", "centre", "class", *data.clinical, *_PATIENT_MEASURES]
    write_rows(out / "patients.csv", columns, list(_patients(worked)))
    write_rows(out / "exclusions.csv", ["set", "case", "lesion", "reason"], list(_exclusions(data, worked)))
    write_rows(out / "flow.csv", ["set", "level", "what", "count"], list(_flow(config, data, worked)))


def is_classified(one: Worked, lesion: FoundLesion) -> bool:
    """Tell whether a lesion is one of the reference, with all its features."""
    return lesion.status is FoundStatus.MATCHED and lesion.label not in one.failed_features


def read_dicts(path: Path) -> list[dict[str, str]]:
    """Read a table that this package wrote."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _where(one: Worked) -> dict[str, Any]:
    own = one.examination
    return {"set": own.set_name, "case": own.name, "patient": own.patient, "centre": own.centre}


def _feature_rows(worked: Sequence[Worked], *, whole: bool) -> Iterator[dict[str, Any]]:
    """Give a row a lesion that is classified; where studies are looked at as a whole, one a lesion found there."""
    for one in worked:
        path = one.folder / "features" / "features.csv"
        kept = {str(lesion.label) for lesion in one.found if is_classified(one, lesion)}
        for row in read_dicts(path) if kept else ():
            if whole or row["lesion"] in kept:
                del row["tracking_uid"]
                yield {**_where(one), **row}


def _patients(worked: Sequence[Worked]) -> Iterator[dict[str, Any]]:
    """Give a row a patient: the class of the lesions if all share one, and PET measures of the matched lesions."""
    names = dict.fromkeys(one.examination.patient for one in worked)
    for patient in names:
        own = [one for one in worked if one.examination.patient == patient]
        first = own[0].examination
        classes = {lesion.lesion_class for one in own for lesion in one.true}
        measured = [row for one in own for row in _pet_measures(one)]
        yield {
            "patient": patient,
            "set": first.set_name,
            "centre": first.centre,
            "class": classes.pop() if len(classes) == 1 else "mixed" if classes else "",
            **first.clinical,
            "lesions": sum(
                lesion.status in (ReferenceStatus.FOUND, ReferenceStatus.MISSED) for one in own for lesion in one.true
            ),
            "suv_max": max((row["suv_max"] for row in measured), default=None),
            "mtv_ml": sum(row["mtv_ml"] for row in measured) if measured else None,
            "tlg_g": sum(row["tlg_g"] for row in measured) if measured else None,
        }


def _pet_measures(one: Worked) -> Iterator[dict[str, float]]:
    kept = {str(lesion.label): lesion for lesion in one.found if lesion.status is FoundStatus.MATCHED}
    path = one.folder / "features" / "features.csv"
    for row in read_dicts(path) if kept else ():
        if row["lesion"] not in kept:
            continue
        lesion = kept[row["lesion"]]
        tlg = row.get("PET_tlg_g")
        yield {"suv_max": lesion.suv_max, "mtv_ml": lesion.mtv_ml, "tlg_g": float(tlg) if tlg else float("nan")}


def _exclusions(data: StudyData, worked: Sequence[Worked]) -> Iterator[dict[str, Any]]:
    for name, reason in data.left_out.items():
        yield {"set": NO_SET, "case": name, "reason": reason}
    for one in worked:
        where = {"set": one.examination.set_name, "case": one.examination.name}
        if one.failure:
            yield {**where, "reason": one.failure}
        for true in one.true:
            if true.status is not ReferenceStatus.FOUND:
                yield {**where, "lesion": f"reference {true.label}", "reason": f"not classified: {true.status.value}"}
        for found in one.found:
            if found.status is not FoundStatus.MATCHED:
                yield {**where, "lesion": f"found {found.label}", "reason": f"not classified: {found.status.value}"}
            elif found.label in one.failed_features:
                problem = one.failed_features[found.label]
                yield {**where, "lesion": f"found {found.label}", "reason": f"features failed: {problem}"}


def _flow(config: ExperimentConfig, data: StudyData, worked: Sequence[Worked]) -> Iterator[dict[str, Any]]:
    for set_name in config.sets:
        own = [one for one in worked if one.examination.set_name == set_name]
        usable = [one for one in own if not one.failure]
        counts: dict[tuple[str, str], int] = {
            ("study", "of this set"): len(own),
            ("study", "could not be used"): len(own) - len(usable),
            ("patient", "of the studies used"): len({one.examination.patient for one in usable}),
        }
        true = Counter(lesion.status for one in usable for lesion in one.true)
        counts["reference lesion", "in the references"] = true.total()
        counts |= {("reference lesion", status.value): true[status] for status in ReferenceStatus}
        found = Counter(lesion.status for one in usable for lesion in one.found)
        counts["found lesion", "by the segmentation"] = found.total()
        counts |= {("found lesion", status.value): found[status] for status in FoundStatus}
        counts["found lesion", "features failed"] = sum(len(one.failed_features) for one in usable)
        taken = Counter(lesion.lesion_class for one in usable for lesion in one.found if is_classified(one, lesion))
        counts["found lesion", "classified"] = taken.total()
        classes = sorted({name for one in worked for name in one.examination.classes.values()})
        counts |= {("classified lesion", name): taken[name] for name in classes}
        counts["patient", "with a classified lesion"] = len(
            {one.examination.patient for one in usable if any(is_classified(one, lesion) for lesion in one.found)}
        )
        for (level, what), count in counts.items():
            yield {"set": set_name, "level": level, "what": what, "count": count}
    for reason, count in sorted(_reasons(data.left_out).items()):
        yield {"set": NO_SET, "level": "study", "what": reason, "count": count}


def _reasons(left_out: Mapping[str, str]) -> Counter[str]:
    return Counter(left_out.values())
