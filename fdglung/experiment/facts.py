"""What a run knows of itself that a checklist may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from fdglung.experiment.config import (
    TRAINING,
    ExperimentConfig,
    GivenClassifier,
    TrainedClassifier,
    TrainedNetwork,
)
from fdglung.experiment.data import PROTOCOL_COLUMNS, StudyData

CONVENTIONAL = ("PET_suv_", "PET_mtv_ml", "PET_tlg_g")
"""How names of conventional PET measures begin: a classifier of these alone is no radiomics."""


@dataclass(frozen=True)
class Facts:
    """What was run, in the terms of the checklists.

    Attributes
    ----------
    synthetic
        Whether no person was scanned.
    phantom, cohort
        Whether `fdglung phantom` made the studies, and drew their sets too.
    centres
        Set to its centres; empty names are unknown centres.
    modalities
        That features are of.
    method
        Of the segmentation: ``threshold`` or ``network``.
    radiomics, conventional, networks, given, classical
        Names of classifiers of radiomics, of SUV, volume and TLG alone, of networks trained here, of given
        probabilities, and of logistic regression; the first four part all classifiers.
    protocol
        Whether the clinical columns tell how images were acquired.
    missing
        Whether a clinical value is missing.
    clinical
        Columns of clinical values.
    resamples, seed
        Of the bootstrap.

    """

    synthetic: bool
    phantom: bool
    cohort: bool
    centres: dict[str, frozenset[str]]
    modalities: tuple[str, ...]
    method: str
    radiomics: tuple[str, ...]
    conventional: tuple[str, ...]
    networks: tuple[str, ...]
    given: tuple[str, ...]
    classical: tuple[str, ...]
    protocol: bool
    missing: bool
    clinical: tuple[str, ...]
    resamples: int
    seed: int

    @property
    def multicentre(self) -> bool:
        """Whether studies are of several centres."""
        return len(frozenset().union(*self.centres.values()) - {""}) > 1

    def internal(self) -> tuple[str, ...]:
        """Return the test sets whose centres were all trained on; without centres there is none that is known."""
        known = self.centres[TRAINING]
        return tuple(n for n, own in self.centres.items() if n != TRAINING and own and "" not in own and own <= known)

    def external(self) -> tuple[str, ...]:
        """Return the test sets of which no centre was trained on."""
        known = self.centres[TRAINING]
        return tuple(
            n
            for n, own in self.centres.items()
            if n != TRAINING and own and "" not in own and "" not in known and not own & known
        )


def facts_of(config: ExperimentConfig, data: StudyData) -> Facts:
    """Return what is known of a study before its results."""
    trained = {name: one.config for name, one in config.classifiers.items() if isinstance(one, TrainedClassifier)}
    plain = tuple(n for n, one in trained.items() if all(f.startswith(CONVENTIONAL) for f in one.features))
    asked = config.radiomics.modalities or config.radiomics.pyradiomics
    return Facts(
        synthetic=data.synthetic,
        phantom=all(one.phantom for one in data.examinations),
        cohort=config.data.cohort is not None,
        centres={name: frozenset(one.centre for one in data.of(name)) for name in config.sets},
        modalities=tuple(asked),
        method=config.segmentation.method,
        radiomics=tuple(name for name in trained if name not in plain),
        conventional=plain,
        networks=tuple(name for name, one in config.classifiers.items() if isinstance(one, TrainedNetwork)),
        given=tuple(name for name, one in config.classifiers.items() if isinstance(one, GivenClassifier)),
        classical=tuple(name for name, one in trained.items() if one.model.name == "logistic_regression"),
        protocol=set(data.clinical) >= PROTOCOL_COLUMNS,
        missing=any(not value for one in data.examinations for value in one.clinical.values()),
        clinical=data.clinical,
        resamples=config.evaluation.resamples,
        seed=config.evaluation.seed,
    )
