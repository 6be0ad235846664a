"""Training by cross-validation over patients: predictions of lesions and patients not seen, and a model of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdglung.classification.calibration import calibrated
from fdglung.classification.cautions import Caution
from fdglung.classification.data_check import classes_of
from fdglung.classification.folds import patient_folds
from fdglung.classification.image.architecture import LesionNetwork, answers, weights_of
from fdglung.classification.image.cases import ImageLesions
from fdglung.classification.image.checks import check_lesions
from fdglung.classification.image.config import ImageClassifierConfig
from fdglung.classification.image.fitting import Bag, bags_of, fit
from fdglung.classification.image.model import ImageClassifierModel, softmax
from fdglung.classification.image.patches import network_input
from fdglung.classification.likeness import share_as_far, unlikeness, usual_distance
from fdglung.classification.prediction_sets import class_shares, patient_weights, sets_of

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ImageTraining:
    """A trained network and what the folds say of it.

    Attributes
    ----------
    model
        Of all lesions.
    lesions
        What was trained on, without patches.
    codes
        (lesions,) place of each class in the model's.
    fold
        (lesions,) fold, from 1, in which each was tested.
    probabilities
        (lesions, classes) by the network that had not seen the lesion's patient, calibrated on the other folds.
    as_far
        (lesions,) `share_as_far` among lesions of the other folds.
    prediction_sets
        (lesions,) classes that are not ruled out, by the lesions of the other folds.
    patients
        Names, sorted.
    patient_codes, patient_fold, patient_probabilities
        The same of patients; the code is -1 where a patient's class is not known.
    cautions
        What to know.

    """

    model: ImageClassifierModel
    lesions: Any = field(repr=False)
    codes: Indices = field(repr=False)
    fold: Indices = field(repr=False)
    probabilities: Array = field(repr=False)
    as_far: Array = field(repr=False)
    prediction_sets: tuple[tuple[str, ...], ...] = field(repr=False)
    patients: tuple[str, ...] = field(repr=False)
    patient_codes: Indices = field(repr=False)
    patient_fold: Indices = field(repr=False)
    patient_probabilities: Array = field(repr=False)
    cautions: tuple[Caution, ...]


def train(
    given: ImageLesions,
    config: ImageClassifierConfig | None = None,
    *,
    trained_on: str = "",
    progress: Progress | None = None,
) -> ImageTraining:
    """Train and test a network by cross-validation over patients, and train one of all of them.

    Nothing is chosen by a result, so there are no inner folds: epochs are fixed and weights averaged. Temperatures are
    learned from the folds' predictions; those that are reported for a fold from the other folds'.

    Parameters
    ----------
    given
        With patients and classes, as `fdglung.classification.image.cases.read_images` gives them.
    config
        All that decides the training.
    trained_on
        What is said beside each result of the model, to follow "trained on", such as "600 synthetic lesions".
    progress
        Called with a text and the fraction done.

    Raises
    ------
    LabelTableError
        A lesion has no class or no patient.
    UnknownLesionClassError
        A class is none of the configuration's.
    TooFewCasesError
        A class has fewer patients than folds, or there is one class only.
    DuplicatedPatientError
        Two patients have the same images.
    DivergedTrainingError
        The loss is no number.

    """
    config = config or ImageClassifierConfig()
    lesions = given.lesions
    classes, codes = classes_of(lesions, config.classes)
    check_lesions(given)
    splits, cautions = patient_folds(
        codes,
        lesions.patients,
        lesions.centres,
        classes=classes,
        folds=config.folds,
        seed=config.seed,
        attribute="folds",
    )
    every = np.arange(len(lesions))
    own = {name: classes.index(label) for name, label in given.patient_classes.items() if label in classes}
    patients = tuple(sorted(set(lesions.patients)))
    tell = progress or (lambda text, fraction: None)
    tested = _Tested.empty(len(lesions), len(patients), len(classes))
    for number, (train_rows, test_rows) in enumerate([*splits, (every, every[:0])], 1):

        def share(done: float, number: int = number) -> None:
            tell("training", (number - 1 + done) / (len(splits) + 1))

        bags = bags_of(lesions.patients, train_rows, own)
        network = fit(given.raw, codes, bags, len(classes), config, seed=config.seed + number, progress=share)
        known = _known(network, given, train_rows, config)
        if len(test_rows):
            _test(network, known, given, test_rows, number, patients, own, config, tested)
    found, parted = tested.calibrated(codes, own, patients, config)
    weights = patient_weights(codes, lesions.patients)
    model = ImageClassifierModel(
        classes=classes,
        config=config,
        weights=weights_of(network),
        lesion_temperature=temperature(tested.logits, codes, config),
        patient_temperature=_patient_temperature(tested.patient_logits, own, patients, config),
        centre=known.centre,
        scale=known.scale,
        training=known.prepared,
        codes=codes,
        usual=known.usual,
        unlike=tested.unlike,
        own_probabilities=found[every, codes],
        patient_weights=weights,
        trained_on=trained_on,
        summary=_summary(lesions),
        versions=_versions(),
    )
    as_far, shares = np.zeros(len(lesions)), np.zeros_like(found)
    for number in range(1, len(splits) + 1):
        inside = tested.fold == number
        as_far[inside] = share_as_far(tested.unlike[inside], tested.unlike[~inside])
        others = found[~inside, codes[~inside]]
        shares[inside] = class_shares(found[inside], others, codes[~inside], weights[~inside])
    return ImageTraining(
        model=model,
        lesions=lesions,
        codes=codes,
        fold=tested.fold,
        probabilities=found,
        as_far=as_far,
        prediction_sets=sets_of(classes, found, shares, coverage=config.prediction_set_coverage),
        patients=patients,
        patient_codes=np.array([own.get(name, -1) for name in patients], dtype=np.intp),
        patient_fold=tested.patient_fold,
        patient_probabilities=parted,
        cautions=(*lesions.cautions, *cautions),
    )


def temperature(logits: Array, codes: Indices, config: ImageClassifierConfig) -> float:
    """Return what logits are to be divided by (Guo et al., ICML 2017:1321), as scikit-learn finds it.

    Parameters
    ----------
    logits
        (cases, classes), of cases that the network was not trained on.
    codes
        (cases,) their classes.
    config
        Names the calibration.

    Returns
    -------
    float
        1 without calibration, or where not every class is there.

    """
    present = np.unique(codes)
    if config.calibration == "none" or len(present) < logits.shape[1]:
        return 1.0
    # scikit-learn takes one score of two classes, and makes (-x, x) of it.
    scores = (logits[:, 1:] - logits[:, :1]) / 2 if logits.shape[1] == 2 else logits
    learned = calibrated(scores, codes, method="temperature")
    return 1.0 / float(learned.calibrated_classifiers_[0].calibrators[0].beta_)


@dataclass(frozen=True)
class _Known:
    """Embeddings of what a network was trained on."""

    centre: Array
    scale: Array
    prepared: Array
    usual: float


@dataclass(frozen=True)
class _Tested:
    """What the folds' networks say of lesions and patients that they did not see; filled fold by fold."""

    fold: Indices
    logits: Array
    unlike: Array
    patient_fold: Indices
    patient_logits: Array

    @classmethod
    def empty(cls, lesions: int, patients: int, classes: int) -> _Tested:
        return cls(
            fold=np.zeros(lesions, dtype=np.intp),
            logits=np.zeros((lesions, classes)),
            unlike=np.zeros(lesions),
            patient_fold=np.zeros(patients, dtype=np.intp),
            patient_logits=np.zeros((patients, classes)),
        )

    def calibrated(
        self, codes: Indices, own: dict[str, int], patients: Sequence[str], config: ImageClassifierConfig
    ) -> tuple[Array, Array]:
        """Return probabilities of lesions and patients, each fold's by temperatures of the other folds."""
        found, parted = np.zeros_like(self.logits), np.zeros_like(self.patient_logits)
        for number in np.unique(self.fold).tolist():
            here = self.fold == number
            found[here] = softmax(self.logits[here] / temperature(self.logits[~here], codes[~here], config))
            here = self.patient_fold == number
            others = [name for name, inside in zip(patients, here, strict=True) if not inside]
            warmth = _patient_temperature(self.patient_logits[~here], own, others, config)
            parted[here] = softmax(self.patient_logits[here] / warmth)
        return found, parted


def _known(network: LesionNetwork, given: ImageLesions, rows: Indices, config: ImageClassifierConfig) -> _Known:
    bags = bags_of(given.lesions.patients, rows, {})
    embeddings = np.zeros((len(given), config.features[-1]))
    for bag in bags:
        embeddings[bag.rows] = answers(network, network_input(given.raw[bag.rows], config))[0]
    inside = embeddings[rows]
    centre, spread = inside.mean(axis=0), inside.std(axis=0)
    # A channel that is never active has no spread and tells nothing.
    scale = np.where(spread > 1e-6 * max(float(spread.max()), 1e-6), spread, 1.0)
    prepared = (inside - centre) / scale
    whose = np.asarray(given.lesions.patients)[rows]
    usual = usual_distance(prepared, whose, neighbours=config.undetermined.neighbours)
    return _Known(centre, scale, prepared, usual)


def _test(
    network: LesionNetwork,
    known: _Known,
    given: ImageLesions,
    rows: Indices,
    number: int,
    patients: Sequence[str],
    own: dict[str, int],
    config: ImageClassifierConfig,
    tested: _Tested,
) -> None:
    bags: list[Bag] = bags_of(given.lesions.patients, rows, own)
    for bag in bags:
        embeddings, logits, _, patient = answers(network, network_input(given.raw[bag.rows], config))
        prepared = (embeddings - known.centre) / known.scale
        unlike, _ = unlikeness(prepared, known.prepared, usual=known.usual, neighbours=config.undetermined.neighbours)
        tested.fold[bag.rows], tested.logits[bag.rows], tested.unlike[bag.rows] = number, logits, unlike
        place = patients.index(given.lesions.patients[bag.rows[0]])
        tested.patient_fold[place], tested.patient_logits[place] = number, patient


def _patient_temperature(
    logits: Array, own: dict[str, int], patients: Sequence[str], config: ImageClassifierConfig
) -> float:
    codes = np.array([own.get(name, -1) for name in patients], dtype=np.intp)
    return temperature(logits[codes >= 0], codes[codes >= 0], config)


def _summary(lesions: Any) -> dict[str, Any]:
    return {
        "lesions": len(lesions),
        "patients": len(set(lesions.patients)),
        "classes": dict(sorted(Counter(lesions.labels).items())),
        "centres": dict(sorted(Counter(lesions.centres).items())),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("fdglung", "monai", "numpy", "scikit-learn", "SimpleITK", "torch")}
