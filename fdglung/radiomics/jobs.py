"""One modality of a study: what its lesions share, and the tasks that compute their features."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import SimpleITK as sitk

from fdglung.errors import FdglungError, InputError
from fdglung.radiomics import cache as caching
from fdglung.radiomics import ibsi_mode, pyradiomics_images, pyradiomics_mode
from fdglung.radiomics.cache import Cache, Kept
from fdglung.radiomics.filters import padded, volume_of, whole
from fdglung.radiomics.grids import Point
from fdglung.radiomics.label_images import boxes_of, lies_on, on_grid_of
from fdglung.radiomics.lesion_places import LesionPlaces, lesion_places
from fdglung.radiomics.naming import SUV_FEATURES, ordered, versions, with_code
from fdglung.radiomics.preprocessing import prepare
from fdglung.radiomics.pyradiomics_parameters import check_parameters, settings_of
from fdglung.radiomics.pyradiomics_placing import place
from fdglung.radiomics.settings import RadiomicsSettings, to_mapping
from fdglung.radiomics.shells import ShellTask
from fdglung.radiomics.soundness import BACKGROUND, cleaned, is_at_edge
from fdglung.radiomics.tasks import Features, Outcome, Task, reason

_PEAK_MARGIN_MM = 10.0
"""Room for a sphere of 1 cm3 around a voxel of the lesion."""


class Result:
    """What is known of a lesion so far."""

    def __init__(self) -> None:
        self.features: dict[str, Features] = {}
        self.problems: dict[str, str] = {}
        self.warnings: list[str] = []
        self.shifts_mm: dict[str, Point] = {}
        self.outlined: dict[str, bool] = {}

    def add(self, modality: str, outcome: Outcome) -> None:
        """Take features of a modality, or what was wrong with it; of several problems the first counts.

        A feature that was divided by 0 is not defined: NaN, as of every other that is not.
        """
        if isinstance(outcome, str):
            self.problems.setdefault(modality, outcome)
        else:
            defined = {name: math.nan if math.isinf(value) else value for name, value in outcome.items()}
            self.features.setdefault(modality, {}).update(defined)


class Job:
    """One modality of a study.

    Parameters
    ----------
    modality
        ``PET`` or ``CT``.
    image
        SUVbw in g/ml or HU.
    mask
        Label image.
    labels
        Which lesions.
    settings
        Of the run.
    cache
        Where results are kept; None for nowhere.

    """

    def __init__(
        self,
        modality: str,
        image: sitk.Image,
        mask: sitk.Image,
        labels: Sequence[int],
        settings: RadiomicsSettings,
        cache: Cache | None,
    ) -> None:
        self.modality = modality
        self.image = image
        self.mask = mask
        self.labels = list(labels)
        self.settings = settings
        self.cache = cache
        if settings.preprocessing == "pyradiomics":
            check_parameters(settings.pyradiomics[modality])
        self.places = LesionPlaces(mask, boxes_of(mask, self.labels))
        self.keys: dict[int, str] = {}
        self.found_before: set[int] = set()
        self.told: dict[int, list[str]] = {}

    @property
    def seconds(self) -> float:
        """About how long this modality takes one core."""
        if self.settings.preprocessing == "pyradiomics":
            parameters = self.settings.pyradiomics[self.modality]
            bands = 8 * ("Wavelet" in parameters.image_types) * settings_of(parameters, "Wavelet").get("level", 1)
            images = 1 + len(settings_of(parameters, "LoG").get("sigma", [])) + bands
            step = settings_of(parameters)["resampledPixelSpacing"]
        else:
            filters = self.settings.modalities[self.modality].filters
            images = 1 + len(filters.log_sigma_mm) + (8 * filters.wavelet_levels if filters.wavelet else 0)
            step = self.settings.modalities[self.modality].spacing_mm
        old = np.array(self.mask.GetSpacing())
        new = old if step is None else np.where(np.array(step, float) > 0, step, old)
        voxels = [volume_of(box) * float(np.prod(old / new)) for box in self.places.boxes.values()]
        return sum(images * (0.008 + 1e-7 * count) for count in voxels)

    def prepare(self, results: Mapping[int, Result]) -> int:
        """Look at the lesions, and return about how many tasks there will be."""
        self._place(results)
        self._replace_non_finite(results)
        notes = self._notes()
        view = sitk.GetArrayViewFromImage(self.mask)
        made_by = versions()
        image_key = caching.image_digest(self.image) if self.cache else ""
        own_settings = self._own_settings() if self.cache else None
        # Shells leave the other lesions out.
        shells = self.settings.preprocessing == "ibsi" and bool(self.settings.modalities[self.modality].shells_mm)
        for label in list(self.labels):
            result = results[label]
            box = self.places.boxes.get(label)
            if box is None:
                result.add(self.modality, "The mask does not hold the lesion")
                continue
            if is_at_edge(box, self.mask):
                result.warnings.append("The lesion touches the edge of the image that it was drawn on.")
            outside = self.places.share_outside(label, self.image)
            if 0 < outside < 1:
                result.warnings.append(f"{outside:.1%} of the lesion lie outside the {self.modality}.")
            result.warnings += notes
            if self.cache:
                inside = view[box] == label
                start = tuple(part.start for part in box)
                mask_key = caching.mask_digest(inside, start, self.mask)
                parts = (
                    image_key,
                    mask_key,
                    self.modality,
                    own_settings,
                    made_by,
                    *self.places.decided_by(label, others=shells),
                )
                self.keys[label] = caching.key_of(*parts)
                kept = self.cache.get(self.keys[label])
                if kept is not None:
                    result.add(self.modality, kept.features)
                    result.warnings += kept.warnings
                    self.found_before.add(label)
        self.labels = [
            label
            for label in self.labels
            if label not in self.found_before and self.modality not in results[label].problems
        ]
        return 4 * len(self.labels)

    def tasks(self, results: Mapping[int, Result]) -> Iterator[tuple[tuple[str, int], Task]]:
        """Yield what is to be computed; what cannot be is told to `results`."""
        if self.modality == "PET":
            for label, features in self._suv_features():
                results[label].add("PET", features)
        made = self._by_pyradiomics(results) if self.settings.preprocessing == "pyradiomics" else self._by_ibsi(results)
        for label, task in made:
            yield (self.modality, label), task

    def finish(self, results: Mapping[int, Result]) -> None:
        """Put features into one order, and keep them for the next time."""
        for label in self.labels:
            features = results[label].features.get(self.modality)
            if features is None:
                continue
            named = {with_code(name): features[name] for name in ordered(features)}
            results[label].features[self.modality] = named
            if self.cache and self.modality not in results[label].problems:
                self.cache.put(self.keys[label], Kept(named, tuple(self.told.get(label, ()))))

    def _place(self, results: Mapping[int, Result]) -> None:
        """Find where the lesions lie on this image, if the settings say so, and tell what was found."""
        if self.settings.preprocessing == "pyradiomics":
            return
        self.places = lesion_places(self.image, self.mask, self.labels, self.settings.modalities[self.modality])
        for label, result in results.items():
            if label in self.places.shifts_mm:
                result.shifts_mm[self.modality] = self.places.shifts_mm[label]
            if label in self.places.warnings:
                result.warnings.append(self.places.warnings[label])
            if label in self.places.outlined:
                result.outlined[self.modality] = self.places.outlined[label]

    def _replace_non_finite(self, results: Mapping[int, Result]) -> None:
        background = BACKGROUND[self.modality]
        found = cleaned(self.image, self.mask, background)
        if not found.count:
            return
        hit = found.hit
        if not self.places.as_drawn:
            alone = {label: self.places.mask_of(label) for label in self.labels if label in self.places.boxes}
            hit = frozenset(label for label, mask in alone.items() if 1 in cleaned(self.image, mask, background).hit)
        self.image = found.image
        one = found.count == 1
        text = (
            f"{found.count} voxel{' of' if one else 's of'} the {self.modality} {'is' if one else 'are'} no finite "
            f"number{'' if one else 's'}; {background:g} was taken instead."
        )
        for label in self.labels:
            if label in hit:
                results[label].add(self.modality, "A voxel in or at the lesion is no finite number")
            else:
                results[label].warnings.append(text)

    def _notes(self) -> list[str]:
        """Return what to know about the values of every lesion."""
        notes = []
        if self._is_mask_moved():
            notes.append(f"The mask was put on the {self.modality}'s grid, as PyRadiomics' correctMask does.")
        if self.settings.preprocessing == "pyradiomics" and self.settings.pyradiomics[self.modality].voxel_setting:
            notes.append("The parameter file's voxelSetting has no effect: features are of whole lesions.")
        return notes

    def _is_mask_moved(self) -> bool:
        """Whether the mask is resampled where PyRadiomics would do so only when asked."""
        if self.settings.preprocessing != "pyradiomics":
            return False
        settings = settings_of(self.settings.pyradiomics[self.modality])
        own_grid = settings["resampledPixelSpacing"] is not None and settings["interpolator"] is not None
        asked = own_grid or settings.get("correctMask", False)
        return not asked and not lies_on(self.mask, self.image, settings.get("geometryTolerance"))

    def _own_settings(self) -> object:
        whole = to_mapping(self.settings)
        part = whole["pyradiomics" if self.settings.preprocessing == "pyradiomics" else "modalities"]
        rest = {key: value for key, value in whole.items() if key not in ("pyradiomics", "modalities", "placement")}
        return json.loads(json.dumps([rest, part[self.modality]]))

    def _suv_features(self) -> Iterator[tuple[int, Features]]:
        """Yield measurements on the PET's own voxels, the mask put on its grid where it has another."""
        from fdglung.suv_peak import suv_peak

        mask = on_grid_of(self.mask, self.image)
        boxes = self.places.boxes if mask is self.mask else boxes_of(mask, self.labels)
        suv, labels = sitk.GetArrayViewFromImage(self.image), sitk.GetArrayViewFromImage(mask)
        z, y, x = self.image.GetSpacing()[::-1]
        margin = [int(np.ceil(_PEAK_MARGIN_MM / step)) for step in (z, y, x)]
        for label in self.labels:
            if label in boxes:
                around = padded(boxes[label], whole(suv), margin)
                inside = labels[around] == label
                values = suv[around][inside].astype(np.float64)
                volume, mean = len(values) * z * y * x / 1000, float(values.mean())
                peak, _ = suv_peak(suv[around], inside, (z, y, x))
                yield (
                    label,
                    dict(zip(SUV_FEATURES, (float(values.max()), mean, peak, volume, mean * volume), strict=True)),
                )

    def _by_pyradiomics(self, results: Mapping[int, Result]) -> Iterator[tuple[int, Task]]:
        parameters = self.settings.pyradiomics[self.modality]
        placed = {}
        for label, one in place(self.image, self.mask, self.labels, parameters).items():
            if isinstance(one, InputError):
                results[label].add(self.modality, one.problem)
            else:
                placed[label] = one
        logs = pyradiomics_images.log_responses(list(placed.values()), parameters)
        for (label, one), filtered in zip(placed.items(), logs, strict=True):
            self._tell_missing(results, label, pyradiomics_images.log_names(parameters), filtered)
            yield from ((label, task) for task in pyradiomics_mode.tasks(one, filtered, parameters))

    def _by_ibsi(self, results: Mapping[int, Result]) -> Iterator[tuple[int, Task]]:
        settings = self.settings.modalities[self.modality]
        margin = max(_PEAK_MARGIN_MM, *(high for _, high in settings.shells_mm), 0)
        prepared = {}
        for label in self.labels:
            try:
                prepared[label] = prepare(self.image, self.places.mask_of(label), settings, margin_mm=margin)
            except (FdglungError, RuntimeError, ValueError) as error:
                results[label].add(self.modality, reason(error))
        filtered = ibsi_mode.filtered_images(self.image, list(prepared.values()), settings)
        for (label, one), responses in zip(prepared.items(), filtered, strict=True):
            self._tell_missing(results, label, ibsi_mode.log_names(settings), responses)
            for task in ibsi_mode.tasks(one, responses, settings, self.settings.families):
                yield label, task
            if settings.shells_mm:
                others = self.places.others(label, one.grid, settings.mask_threshold)
                yield label, ShellTask(one, others, settings, self.settings.families)

    def _tell_missing(
        self, results: Mapping[int, Result], label: int, asked: Sequence[str], made: Mapping[str, object]
    ) -> None:
        missing = [name for name in asked if name not in made]
        if missing:
            self.told[label] = [f"The {self.modality} has too few voxels along an axis for {', '.join(missing)}."]
            results[label].warnings += self.told[label]


__all__ = ["Job", "Result", "versions"]
