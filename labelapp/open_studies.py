"""Studies held open between requests, so that a click does not read or search a study again."""

from __future__ import annotations

import dataclasses
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import SimpleITK as sitk

from fdglung import pipeline
from fdglung.annotation.disagreement import disagreement_ml
from fdglung.annotation.sampling import Signs, descriptor_of, expected_volume_error, uncertainty_of
from fdglung.annotation.studies import StudyEntry, open_study
from fdglung.errors import FdglungError, NoThoraxError
from fdglung.lungs import LungRegion
from fdglung.network.backends import Predictor
from fdglung.pipeline import Settings
from fdglung.segmentation import LesionSegmentation, SegmentationSettings
from fdglung.segmentation_threshold import lesions_of_map
from fdglung.study import Study
from fdglung.uptake_map import UptakeMap, uptake_map

T = TypeVar("T")

CORES_OF_A_STEP = 2
"""As many studies are worked on at once as the machine has cores, divided by this."""


class Recent(OrderedDict[Any, Any]):
    """A dictionary that forgets what came in longest ago."""

    def __init__(self, most: int = 200) -> None:
        super().__init__()
        self.most = most
        self._lock = threading.Lock()

    def __setitem__(self, key: Any, value: Any) -> None:
        """Add something, and forget the first where there is too much."""
        with self._lock:
            super().__setitem__(key, value)
            while len(self) > self.most:
                self.popitem(last=False)


class OpenStudy:
    """A study with what has been found in it so far; each step is done once, by whoever asks first.

    Steps of different studies take turns. Side by side they are a little sooner done, but meanwhile every other
    request, which needs Python's lock for a moment, waits for all of them.
    """

    def __init__(
        self, entry: StudyEntry, settings: Settings, predictors: Sequence[Predictor], turns: threading.Semaphore
    ) -> None:
        self.entry = entry
        self.settings = settings
        self._predictors = tuple(predictors)
        self.grown: MutableMapping[Any, Any] = Recent()
        """Lesions under clicks, for `fdglung.clicks.apply_clicks`."""
        self.outlined: MutableMapping[Any, Any] = Recent(most=16)
        """What the network said around clicks, a few MB each, for `fdglung.clicks_network.apply_guided_clicks`."""
        self.measured: MutableMapping[Any, Any] = Recent()
        """Lesions' numbers, for `fdglung.annotation.measured.lesion_numbers`."""
        self._done: dict[Any, Any] = {}
        self._lock = threading.RLock()
        self._turns = turns
        self._has_turn = False

    @property
    def study(self) -> Study:
        """PET in SUVbw, CT in HU."""
        return self._once("study", lambda: open_study(self.entry))

    @property
    def pet(self) -> sitk.Image:
        """SUVbw in g/ml."""
        return self.study.pet

    @property
    def click_predictor(self) -> Predictor:
        """The network that clicks guide: the first of those that find lesions."""
        return self._predictors[0]

    @property
    def lungs(self) -> LungRegion | None:
        """The lungs; None without a CT that shows them."""
        return self._once("lungs", self._find_lungs)

    @property
    def lesions(self) -> LesionSegmentation:
        """What `fdglung analyze` finds with these settings."""
        return self._once("lesions", self._find_lesions)

    @property
    def signs(self) -> Signs:
        """What the lesions tell the strategies."""
        return self._once("signs", self._find_signs)

    def uptake(self, voi_fraction: float | None = None, *, region: str = "lungs") -> UptakeMap:
        """All avid uptake, for thresholds and clicks; around the lungs where there are some."""
        chosen = self.thresholds(voi_fraction)
        if self.lungs is None or region == "all":
            chosen = dataclasses.replace(chosen, region="all")
        around = self.lungs if chosen.region == "lungs" else None
        return self._once(
            ("uptake", chosen), lambda: uptake_map(self.pet, self.study.ct, around, chosen, lambda text, fraction: None)
        )

    def prepare_clicks(self) -> None:
        """Find all avid uptake beside the requests, so that a first click does not wait for it."""

        def prepare() -> None:
            # What is wrong with the study is told to who asks for it.
            with suppress(FdglungError):
                self.uptake()

        threading.Thread(target=prepare, name="uptake", daemon=True).start()

    def thresholds(self, voi_fraction: float | None = None) -> SegmentationSettings:
        """The settings of thresholds, whatever finds the lesions."""
        chosen = dataclasses.replace(self.settings.segmentation, method="threshold")
        return chosen if voi_fraction is None else dataclasses.replace(chosen, voi_fraction=voi_fraction)

    def has(self, step: str) -> bool:
        """Whether a step has been done."""
        return step in self._done

    def _find_signs(self) -> Signs:
        found = self.lesions
        disagreement = None
        if self._predictors:
            box = self.lungs.box_mm if self.lungs is not None else None
            disagreement = disagreement_ml(self.pet, self.study.ct, self._predictors, box_mm=box)
        return Signs(
            uncertainty=uncertainty_of(found),
            volume_error_ml=expected_volume_error(found),
            disagreement_ml=disagreement,
            descriptor=descriptor_of(self.pet, found),
        )

    def _find_lungs(self) -> LungRegion | None:
        try:
            return pipeline.find_lungs(self.study, self.settings)
        except NoThoraxError:
            return None

    def _find_lesions(self) -> LesionSegmentation:
        chosen = self.settings.segmentation
        if chosen.method == "threshold" and self.lungs is not None and self.study.ct is not None:
            # The map is needed for clicks too, and is the longer part of the work.
            return lesions_of_map(self.pet, self.uptake(), chosen, lambda text, fraction: None)
        return pipeline.find_lesions(self.study, self.lungs, self.settings, predictors=self._predictors or None)

    def _once(self, step: Any, make: Callable[[], T]) -> T:
        with self._lock:
            if step not in self._done:
                self._done[step] = self._in_turn(make)
            done: T = self._done[step]
            return done

    def _in_turn(self, make: Callable[[], T]) -> T:
        if self._has_turn:
            # One step needs another one.
            return make()
        with self._turns:
            self._has_turn = True
            try:
                return make()
            finally:
                self._has_turn = False


class OpenStudies:
    """The studies used last."""

    def __init__(self, settings: Settings, *, keep: int = 4, predictors: Sequence[Predictor] = ()) -> None:
        self.settings = settings
        self.keep = keep
        self.predictors = tuple(predictors)
        self._open: OrderedDict[StudyEntry, OpenStudy] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(max(1, (os.cpu_count() or 1) // CORES_OF_A_STEP))

    def use(self, settings: Settings, predictors: Sequence[Predictor]) -> None:
        """Take other networks from now on; studies are opened anew."""
        with self._lock:
            self.settings, self.predictors = settings, tuple(predictors)
            self._open.clear()

    def get(self, entry: StudyEntry) -> OpenStudy:
        """Return a study, opened at its first use."""
        with self._lock:
            opened = self._open.setdefault(entry, OpenStudy(entry, self.settings, self.predictors, self._turns))
            self._open.move_to_end(entry)
            while len(self._open) > self.keep:
                self._open.popitem(last=False)
            return opened
