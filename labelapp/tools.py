"""The tools an annotator has, as MONAI Label's infer tasks: each a thin shell over library functions."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import SimpleITK as sitk
from monailabel.interfaces.tasks.infer_v2 import InferTask, InferType

from fdglung import RESEARCH_NOTICE
from fdglung.annotation.label_image import read_label
from fdglung.annotation.measured import lesion_numbers
from fdglung.clicks import apply_clicks
from fdglung.clicks_network import apply_guided_clicks
from fdglung.errors import ClickError, NoCtError, ParameterError
from fdglung.lungs import LEFT, RIGHT
from fdglung.suv_threshold import DEFAULTS, threshold_uptake
from labelapp.datastore import FolderStore
from labelapp.open_studies import OpenStudy
from labelapp.results import write_result

LESION = "lesion"
"""Name of the one label of every tool but the lungs."""

MOST_POINTS = 1000
"""Points in one request."""


@dataclass(frozen=True)
class Result:
    """What a tool found.

    Attributes
    ----------
    labels
        On the PET grid.
    names
        Label to its value.
    warnings
        In full sentences.
    more
        Plain JSON values.

    """

    labels: sitk.Image
    names: Mapping[str, int]
    warnings: Sequence[str] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


class Tool(InferTask):  # type: ignore[misc]
    """A tool that works on a study of the folder."""

    kind = InferType.SEGMENTATION
    names: ClassVar[Mapping[str, int]] = {LESION: 1}
    description = ""
    options: ClassVar[Mapping[str, Any]] = {}

    def __init__(self, store: FolderStore) -> None:
        super().__init__(
            type=self.kind,
            labels=dict(self.names),
            dimension=3,
            description=f"{self.description} {RESEARCH_NOTICE}",
            config=dict(self.options),
        )
        self.store = store

    def is_valid(self) -> bool:
        """Return True: a tool that could not work would have stopped the start."""
        return True

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Run the tool on the study that ``request["image"]`` names; return the label's file and what to say of it."""
        started = time.perf_counter()
        opened = self.store.open(request["image"])
        result = self.run(opened, request)
        path = write_result(result.labels, request)
        told = {
            "label_names": dict(result.names),
            "warnings": list(result.warnings),
            "notice": RESEARCH_NOTICE,
            **result.more,
            "latencies": {"total": round(time.perf_counter() - started, 3)},
        }
        return path, told

    def run(self, opened: OpenStudy, request: Mapping[str, Any]) -> Result:
        """Find what the tool finds."""
        raise NotImplementedError


class Lesions(Tool):
    """The lesions that `fdglung analyze` finds by the method that the server was started with.

    That is ``--method network`` where there is a checkpoint, and the bundle's is there; else ``--method threshold``.
    ``excluded`` of what is told lists the avid uptake that was judged no lesion, with its reason and place, so that the
    annotator can click in what was set apart wrongly.
    """

    description = "Avid lung lesions, by the network where there is one, else by thresholds."
    options: ClassVar[Mapping[str, Any]] = {"instances": False}

    def run(self, opened: OpenStudy, request: Mapping[str, Any]) -> Result:
        """Find them, or take them from an earlier request."""
        found = opened.lesions
        warnings = [*opened.study.warnings, *(opened.lungs.warnings if opened.lungs else ()), *found.warnings]
        if opened.settings.segmentation.method == "threshold":
            warnings.insert(0, "There is no network; these lesions were found by thresholds.")
        apart = [asdict(uptake) for uptake in found.excluded]
        return _lesion_result(opened, found.labels, request, warnings, method=found.method, excluded=apart)


class SuvThreshold(Tool):
    """Uptake above a threshold."""

    description = (
        "Uptake above a threshold around the lungs: fixed SUV, percent of each region's SUVmax, or times the liver."
    )
    options: ClassVar[Mapping[str, Any]] = {
        "kind": list(DEFAULTS),
        "value": 0.0,
        "region": ["lungs", "all"],
        "min_volume_ml": 0.3,
        "instances": False,
    }

    def run(self, opened: OpenStudy, request: Mapping[str, Any]) -> Result:
        """Apply the threshold; a value of 0 is the usual one of its kind."""
        kind = choice(request, "kind", tuple(DEFAULTS))
        value = number(request, "value", 0.0, low=0.0, high=1000.0)
        uptake = opened.uptake(region=choice(request, "region", ("lungs", "all")))
        smallest = number(request, "min_volume_ml", 0.3, low=0.0, high=100.0)
        found = threshold_uptake(opened.pet, uptake, kind, value or None, min_volume_ml=smallest)
        warnings = ["Physiological uptake above the threshold is among it.", *uptake.warnings]
        threshold = None if found.threshold_suv is None else round(found.threshold_suv, 4)
        return _lesion_result(opened, found.labels, request, warnings, method=f"{kind}", threshold_suv=threshold)


class SuvClick(Tool):
    """Lesions by clicks."""

    kind = InferType.DEEPEDIT
    description = "Click into a lesion to add it, with the label background to take one away."
    options: ClassVar[Mapping[str, Any]] = {"start": ["lesions", "empty"], "voi_percent": 40.0, "instances": False}

    def run(self, opened: OpenStudy, request: Mapping[str, Any]) -> Result:
        """Begin with a label that was sent, with the proposed lesions or with nothing, and apply all clicks."""
        percent = number(request, "voi_percent", 40.0, low=5.0, high=95.0)
        settings = opened.thresholds(percent / 100)
        start, begin, warnings = start_of(opened, request)
        clicked = apply_clicks(
            opened.pet,
            start,
            inside=points(request, LESION) + points(request, "foreground"),
            outside=points(request, "background"),
            settings=settings,
            uptake=opened.uptake(percent / 100),
            memory=opened.grown,
        )
        return _lesion_result(
            opened,
            clicked.labels,
            request,
            [*warnings, *clicked.warnings],
            start=begin,
            added=clicked.added,
            removed=clicked.removed,
        )


class LesionClick(Tool):
    """Lesions outlined by the network, corrected by clicks."""

    kind = InferType.DEEPEDIT
    description = "Click into a lesion: the network outlines it, and each further click corrects the outline."
    options: ClassVar[Mapping[str, Any]] = {"start": ["lesions", "empty"], "instances": False}

    def run(self, opened: OpenStudy, request: Mapping[str, Any]) -> Result:
        """Begin as `SuvClick` does, and outline the clicked lesions in view of all clicks."""
        predictor = opened.click_predictor
        start, begin, warnings = start_of(opened, request)
        clicked = apply_guided_clicks(
            opened.pet,
            opened.study.ct,
            start,
            predictor,
            inside=points(request, LESION) + points(request, "foreground"),
            outside=points(request, "background"),
            memory=opened.outlined,
        )
        trained_on = predictor.checkpoint.spec.trained_on
        if trained_on:
            warnings.append(f"The network was trained on {trained_on}.")
        return _lesion_result(
            opened,
            clicked.labels,
            request,
            [*warnings, *clicked.warnings],
            start=begin,
            added=clicked.added,
            removed=clicked.removed,
        )


class Lungs(Tool):
    """The lungs."""

    names: ClassVar[Mapping[str, int]] = {"right lung": RIGHT, "left lung": LEFT}
    description = "The lungs, from the CT, on the PET's grid."

    def run(self, opened: OpenStudy, request: Mapping[str, Any]) -> Result:
        """Find them."""
        lungs = opened.lungs
        if lungs is None:
            raise NoCtError(
                "the study has no CT that shows the lungs",
                remedy="Add the CT of the same study and frame of reference",
            )
        on_pet = sitk.Resample(lungs.mask, opened.pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
        return Result(on_pet, self.names, lungs.warnings, {"method": lungs.method})


def start_of(opened: OpenStudy, request: Mapping[str, Any]) -> tuple[sitk.Image | None, str, list[str]]:
    """Return the lesions that clicks begin with, what they are (``label``, ``lesions`` or ``empty``), and warnings."""
    if request.get("label") and isinstance(request["label"], str) and request.get("label_uploaded"):
        return read_label(request["label"], opened.pet), "label", []
    if choice(request, "start", ("lesions", "empty")) == "empty":
        return None, "empty", []
    try:
        return opened.lesions.labels, "lesions", []
    except NoCtError:
        return None, "empty", ["There are no proposed lesions, because the study has no CT that shows the lungs."]


def points(request: Mapping[str, Any], name: str) -> list[list[float]]:
    """Return the points of a request under a name: lists of three numbers, or text that is JSON of them.

    Raises
    ------
    ClickError
        They are anything else, or too many.

    """
    given = request.get(name) or []
    try:
        given = json.loads(given) if isinstance(given, str) else given
        if given and not isinstance(given[0], list | tuple):
            given = [given]
        found = [[float(value) for value in point] for point in given]
        good = len(found) <= MOST_POINTS and all(len(point) == 3 and all(map(math.isfinite, point)) for point in found)
    except (TypeError, ValueError, KeyError):
        good = False
    if not good:
        raise ClickError(
            "the points are no list of voxel indices",
            attribute=name if name in ("foreground", "background") else "points",
            remedy=f"Send up to {MOST_POINTS} points [x, y, z]",
        )
    return found


def choice(request: Mapping[str, Any], name: str, choices: Sequence[str]) -> Any:
    """Return one of some words; the first where the request leaves it open, as a list of all does."""
    value = request.get(name)
    if value is None or isinstance(value, list):
        return choices[0]
    if value not in choices:
        raise ParameterError(f"that is no {name}", attribute=name, remedy=f"Choose {' or '.join(choices)}")
    return value


def number(request: Mapping[str, Any], name: str, default: float, *, low: float, high: float) -> float:
    """Return a number of a request."""
    try:
        value = float(request.get(name, default))
    except (TypeError, ValueError):
        value = math.nan
    if not low <= value <= high:
        raise ParameterError(
            f"the {name} is no number from {low:g} to {high:g}", attribute=name, remedy="Correct the option"
        )
    return value


def _lesion_result(
    opened: OpenStudy, labels: sitk.Image, request: Mapping[str, Any], warnings: Sequence[str], **more: Any
) -> Result:
    instances = str(request.get("instances", False)).lower() == "true"
    table = lesion_numbers(opened.study, labels, memory=opened.measured) if _any(labels) else []
    image = labels if instances else sitk.Cast(labels > 0, sitk.sitkUInt8)
    names = {f"{LESION} {row['label']}": row["label"] for row in table} if instances else {LESION: 1}
    return Result(image, names, tuple(dict.fromkeys(warnings)), {**more, "lesions": table})


def _any(labels: sitk.Image) -> bool:
    return bool(sitk.GetArrayViewFromImage(labels).any())
