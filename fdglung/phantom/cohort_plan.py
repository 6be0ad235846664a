"""What a cohort of synthetic studies is to be: its shares, its seed, and the recipe of each study that follows."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from fdglung import __version__
from fdglung.errors import ParameterError
from fdglung.phantom.lesions.drawing import check_overlap
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.study import LesionClass

Region = Literal["thorax", "trunk"]
Format = Literal["dicom", "nifti"]
Split = Literal["train", "validation", "internal_test", "external"]

GRID_MM = (1.5, 6.0)
"""Least and greatest `Cohort.grid_mm`: those of `fdglung.phantom.synthesis.make_study`."""

EXAMPLE = """\
# A cohort of synthetic PET/CT studies: fdglung phantom OUT --cohort study.yaml
# Shares are relative and may be left out, like every other key; what stands here is the default but for the number.
studies: 20
seed: 0
region: thorax            # thorax or trunk (neck to upper thigh)
format: nifti             # dicom or nifti (with datalist.json for MONAI)
classes: {lymphoma: 1, lung_cancer: 1, benign: 1, metastasis: 1}
overlap: 0.1              # share of patients whose disease looks like another class's: 0 to below 1
splits: {train: 0.6, validation: 0.1, internal_test: 0.15, external: 0.15}
scanners: {siemens_mct: 1, siemens_vision: 1, ge_st: 1, ge_690: 1, ge_mi: 1, united_umi550: 1, united_umi780: 1}
external_scanners: {philips_ingenuity: 1, philips_vereos: 1}   # of the external split alone
tracers: {fdg: 1}         # fdg, psma_11, psma_1007, dotatate, fapi
dose_factors: {1: 1}      # counts of the injected dose divided by 1, 2, 5, 10 ...
grid_mm: null             # a number: CT and PET both on one grid of that spacing, for training
with_nac: false           # also a PET without attenuation correction
quirk_share: 0            # share of DICOM studies whose headers depart from the vendor's usual ones
"""
"""A commented ``study.yaml``."""


def _default_scanners() -> dict[str, float]:
    return {key: 1.0 for key, scanner in SCANNERS.items() if scanner.vendor != "philips"}


def _default_external_scanners() -> dict[str, float]:
    return {key: 1.0 for key, scanner in SCANNERS.items() if scanner.vendor == "philips"}


@dataclass(frozen=True)
class Cohort:
    """A cohort to be made; shares are relative, not negative, and not all 0.

    Attributes
    ----------
    studies
        How many, 1 to 9999; one study a subject, so that splits are of patients.
    seed
        Of everything.
    region, format
        Part of the body, and kind of files.
    classes
        Shares of the four groups.
    overlap
        Share of patients whose disease looks like another group's: 0 to below 1.
    splits
        Shares of train, validation, internal_test and external.
    scanners, external_scanners
        Shares of scanners in the first three splits, and in the external one, which has others.
    tracers
        Shares of tracers.
    dose_factors
        Shares of the factors by which counts are lowered; the factors are the keys.
    grid_mm
        Spacing of one grid for CT and PET in mm, within `GRID_MM`; None for the scanner's own grids.
    with_nac
        Whether a PET without attenuation correction is made too.
    quirk_share
        Share of DICOM studies whose headers depart from the vendor's habits (`fdglung.phantom.writer.Quirk`).

    Raises
    ------
    ParameterError
        A value outside its range; the key is named.

    """

    studies: int = 1
    seed: int = 0
    region: Region = "thorax"
    format: Format = "dicom"
    classes: Mapping[str, float] = field(default_factory=lambda: {one.value: 1.0 for one in LesionClass})
    overlap: float = 0.1
    splits: Mapping[str, float] = field(
        default_factory=lambda: {"train": 0.6, "validation": 0.1, "internal_test": 0.15, "external": 0.15}
    )
    scanners: Mapping[str, float] = field(default_factory=_default_scanners)
    external_scanners: Mapping[str, float] = field(default_factory=_default_external_scanners)
    tracers: Mapping[str, float] = field(default_factory=lambda: {"fdg": 1.0})
    dose_factors: Mapping[str, float] = field(default_factory=lambda: {"1": 1.0})
    grid_mm: float | None = None
    with_nac: bool = False
    quirk_share: float = 0.0

    def __post_init__(self) -> None:
        for key, low, high in (("studies", 1, 9999), ("seed", 0, 2**63 - 1)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise _refuse(key, value, f"a whole number from {low} to {high}")
        for key, choices in (("region", get_args(Region)), ("format", get_args(Format))):
            if getattr(self, key) not in choices:
                raise _refuse(key, getattr(self, key), " or ".join(choices))
        for key in ("overlap", "quirk_share"):
            object.__setattr__(self, key, _number(key, getattr(self, key), 0, 1))
        check_overlap(self.overlap)
        if self.grid_mm is not None:
            object.__setattr__(self, "grid_mm", _number("grid_mm", self.grid_mm, *GRID_MM))
        if not isinstance(self.with_nac, bool):
            raise _refuse("with_nac", self.with_nac, "true or false")
        for key, known in _known_shares().items():
            object.__setattr__(self, key, _shares(key, getattr(self, key), known))
        both = sorted(set(self.scanners) & set(self.external_scanners))
        if both:
            raise _refuse("external_scanners", both[0], "scanners that are not among scanners")


@dataclass(frozen=True)
class StudyRecipe:
    """One study of a cohort: all that it is made from, so that it can be made alone.

    Attributes
    ----------
    name
        Of its folder.
    seed
        From the cohort's seed and the study's place in it.
    split, lesion_class, scanner, tracer, dose_factor, quirks
        What the cohort's shares gave it.
    region, format, overlap, grid_mm, with_nac
        The cohort's.

    """

    name: str
    seed: int
    split: Split
    lesion_class: LesionClass
    scanner: str
    tracer: str
    dose_factor: float
    region: Region
    format: Format
    overlap: float
    grid_mm: float | None
    with_nac: bool
    quirks: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """Hash of the recipe and the version: equal hashes, equal studies."""
        return hashed({"recipe": asdict(self), "version": __version__})


def read_cohort(path: Path | str, **changes: object) -> Cohort:
    """Read a cohort from YAML.

    Parameters
    ----------
    path
        A mapping of the keys of `Cohort`; see `EXAMPLE`.
    changes
        Values that take the place of the file's.

    Raises
    ------
    ParameterError
        The file cannot be read, a key is unknown or a value outside its range; the key is named.

    """
    import yaml  # type: ignore[import-untyped]

    path = Path(path)
    remedy = "Give a YAML file as fdglung phantom --example-cohort prints it"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ParameterError(f"{path} cannot be read ({reason})", attribute="cohort", remedy=remedy) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ParameterError(f"{path} is no YAML ({reason})", attribute="cohort", remedy=remedy) from error
    if not isinstance(document, dict):
        raise ParameterError(f"{path} holds no keys", attribute="cohort", remedy=remedy)
    known = [one.name for one in fields(Cohort)]
    for key in document:
        if key not in known:
            raise ParameterError(f"{key} is no key of a cohort", attribute=str(key), remedy=f"Use {', '.join(known)}")
    return Cohort(**(document | changes))


def plan(cohort: Cohort) -> tuple[StudyRecipe, ...]:
    """Work out the recipe of each study.

    Splits take whole numbers nearest to their shares. Within a split classes, scanners, tracers and dose factors each
    come as often as their shares say, to the next whole number, in orders that chance gives independently.
    """
    from fdglung.phantom.writer.quirks import fitting_quirks

    rng = np.random.default_rng([cohort.seed, 0x5EED])
    splits: list[Split] = [one for one, count in _whole(cohort.splits, cohort.studies) for _ in range(count)]
    splits = [splits[index] for index in rng.permutation(len(splits))]
    drawn: dict[int, dict[str, Any]] = {}
    for split in get_args(Split):
        members = [index for index, one in enumerate(splits) if one == split]
        scanners = cohort.external_scanners if split == "external" else cohort.scanners
        columns: dict[str, list[Any]] = {
            "lesion_class": [LesionClass(one) for one in _spread(cohort.classes, len(members), rng)],
            "scanner": _spread(scanners, len(members), rng),
            "tracer": _spread(cohort.tracers, len(members), rng),
            "dose_factor": [float(one) for one in _spread(cohort.dose_factors, len(members), rng)],
        }
        for place, index in enumerate(members):
            drawn[index] = {"split": split, **{key: column[place] for key, column in columns.items()}}
    recipes = []
    for index in range(cohort.studies):
        seed = int(np.random.SeedSequence([cohort.seed, index]).generate_state(1, np.uint64)[0] >> np.uint64(1))
        chance, pick = np.random.default_rng([seed, 1]).random(2)
        possible = [
            one
            for one in fitting_quirks(SCANNERS[drawn[index]["scanner"]].vendor)
            # which needs other departures beside it on some scanners
            if one != "no_private"
        ]
        departs = cohort.format == "dicom" and chance < cohort.quirk_share
        recipes.append(
            StudyRecipe(
                name=f"study_{index + 1:04d}",
                seed=seed,
                region=cohort.region,
                format=cohort.format,
                overlap=cohort.overlap,
                grid_mm=cohort.grid_mm,
                with_nac=cohort.with_nac,
                quirks=(str(possible[int(pick * len(possible))]),) if departs else (),
                **drawn[index],
            )
        )
    return tuple(recipes)


def hashed(document: object) -> str:
    """Return the SHA-256 of a JSON document."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _known_shares() -> dict[str, Sequence[str] | None]:
    from fdglung.phantom.tracers import TRACERS

    return {
        "classes": tuple(LesionClass),
        "splits": get_args(Split),
        "scanners": tuple(SCANNERS),
        "external_scanners": tuple(SCANNERS),
        "tracers": tuple(TRACERS),
        "dose_factors": None,
    }


def _shares(key: str, shares: object, known: Sequence[str] | None) -> dict[str, float]:
    """Check shares and return them in the order of their names, so that the file's order does not matter."""
    if not isinstance(shares, Mapping) or not shares:
        raise _refuse(key, shares, "names with their shares, such as {name: 1}")
    checked: dict[str, float] = {}
    for name, share in shares.items():
        if known is not None and name not in known:
            raise _refuse(f"{key}.{name}", name, f"any of {', '.join(known)}")
        label = str(name) if known is not None else f"{_number(f'{key}.{name}', name, 1, 1000):g}"
        checked[label] = _number(f"{key}.{name}", share, 0, math.inf)
    if not sum(checked.values()) > 0:
        raise _refuse(key, shares, "shares that are not all 0")
    return dict(sorted(checked.items()))


def _number(key: str, value: object, low: float, high: float) -> float:
    wanted = f"a number from {low:g} to {high:g}" if math.isfinite(high) else f"a number from {low:g} on"
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not (low <= number <= high and math.isfinite(number)):
        raise _refuse(key, value, wanted)
    return number


def _refuse(key: str, value: object, wanted: str) -> ParameterError:
    return ParameterError(f"{key} is {value!r}", attribute=key, remedy=f"Give {wanted}")


def _whole(shares: Mapping[str, float], count: int) -> list[tuple[Any, int]]:
    """Whole numbers that sum to `count` and are nearest to shares of it (largest remainders; ties as Split lists)."""
    total = sum(shares.values())
    names = [name for name in get_args(Split) if name in shares]
    exact = [count * shares[name] / total for name in names]
    whole = [math.floor(one) for one in exact]
    order = sorted(range(len(names)), key=lambda i: (whole[i] - exact[i], i))
    for place in order[: count - sum(whole)]:
        whole[place] += 1
    return list(zip(names, whole, strict=True))


def _spread(shares: Mapping[str, float], count: int, rng: np.random.Generator) -> list[str]:
    """Draw `count` names so that each comes its share of times to the next whole number (systematic sampling)."""
    names = [name for name in shares if shares[name] > 0]
    names = [names[index] for index in rng.permutation(len(names))]
    edges = np.cumsum([shares[name] for name in names]) / sum(shares.values())
    places = np.searchsorted(edges, (np.arange(count) + rng.random()) / max(count, 1), side="right")
    drawn = [names[min(int(place), len(names) - 1)] for place in places]
    return [drawn[index] for index in rng.permutation(count)]
