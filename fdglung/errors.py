"""What can be wrong with input or output: one class a kind, each message names the place and the remedy."""

from __future__ import annotations

from functools import partial
from typing import Any


class FdglungError(Exception):
    """Base of every error that a user can mend.

    Parameters
    ----------
    problem
        What is wrong, in one sentence without a full stop. Must not hold pixels, names, dates of birth or patient ids.
    series
        The series concerned, as `fdglung.dicom.series.describe` names it (modality, number, SeriesInstanceUID).
    attribute
        The DICOM attribute or option concerned, keyword first, such as ``Units (0054,1001)``.
    remedy
        What the user can do about it.

    """

    def __init__(self, problem: str, *, remedy: str, series: str | None = None, attribute: str | None = None) -> None:
        self.problem = problem
        self.series = series
        self.attribute = attribute
        self.remedy = remedy
        where = "; ".join(part for part in (series, attribute) if part)
        super().__init__(f"{where + ': ' if where else ''}{problem}. {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error come back from a worker process."""
        more: dict[str, Any] = {"remedy": self.remedy, "series": self.series, "attribute": self.attribute}
        return partial(type(self), **more), (self.problem,)

    @property
    def kind(self) -> str:
        """Name of the class, for machines (``--json``, ``status.json``)."""
        return type(self).__name__


class InputError(FdglungError, ValueError):
    """The study cannot be used as it is."""


class NoImageError(InputError):
    """No PET or CT image was found."""


class NotDicomError(InputError):
    """A file or folder holds no DICOM at all."""


class TruncatedFileError(InputError):
    """A DICOM file ends before its data do."""


class UndecodablePixelDataError(InputError):
    """Pixel data whose transfer syntax no plug-in decodes, or that the plug-in refuses."""


class AmbiguousSeriesError(InputError):
    """Several series serve equally well and nothing tells which one is meant."""


class MissingAttributeError(InputError):
    """An attribute that reading needs is missing or no number."""


class NotAttenuationCorrectedError(InputError):
    """PET without attenuation correction is no quantitative PET."""


class UnknownUnitsError(InputError):
    """PET units that cannot be turned into SUV."""


class DynamicSeriesError(InputError):
    """A dynamic series has several time frames a position."""


class GatedSeriesError(InputError):
    """A gated series has several phases a position."""


class MissingSliceError(InputError):
    """A gap between slices."""


class DuplicateSliceError(InputError):
    """Two slices at one position."""


class UnevenSpacingError(InputError):
    """Slices that no regular grid holds."""


class TiltedGantryError(InputError):
    """A sheared stack of slices that cannot be resampled onto a regular grid."""


class InconsistentSeriesError(InputError):
    """Slices of one series that differ in size, spacing or orientation."""


class SingleSliceError(InputError):
    """One slice makes no volume."""


class PatientMismatchError(InputError):
    """Images or studies of two patients where one is meant."""


class FrameOfReferenceMismatchError(InputError):
    """PET and CT in two frames of reference."""


class NoOverlapError(InputError):
    """PET and CT that share no space."""


class InvalidPixelError(InputError):
    """Pixels that are not finite numbers."""


class EmptyPetError(InputError):
    """A PET without any activity."""


class RescaleError(InputError):
    """A rescale slope or intercept that PET cannot have."""


class SuvError(InputError):
    """An attribute that SUV needs is missing or impossible."""


class DecayCorrectionError(SuvError):
    """Decay correction that is unknown or contradicts itself."""


class NoPetError(InputError):
    """A step that needs PET was given none."""


class NoCtError(InputError):
    """A step that needs CT was given none."""


class NoThoraxError(InputError):
    """The CT shows no lungs."""


class NoReferenceUptakeError(InputError):
    """Liver or blood pool that a threshold is tied to cannot be measured."""


class LungWeightsError(InputError):
    """Weights for lungmask that are not there or do not fit."""


class DownloadError(InputError):
    """A file that cannot be fetched, or that comes broken."""


class FeatureTableError(InputError):
    """A table of features that cannot be read, or with rows or columns that cannot be used."""


class LabelTableError(InputError):
    """A table of classes that cannot be read, or that does not fit the lesions."""


class ClinicalTableError(InputError):
    """A table of clinical columns that cannot be read, or that does not fit the lesions."""


class DecisionTableError(InputError):
    """A table of another model's probabilities that cannot be read, or that does not fit the lesions."""


class UnknownLesionClassError(InputError):
    """A label that is none of the classes that the configuration names."""


class TooFewCasesError(InputError):
    """A class with fewer lesions or patients than folds, or too few lesions to select features."""


class UnknownRadiomicsError(InputError):
    """A classifier that does not hold the settings of its features."""


class UnusableFeaturesError(InputError):
    """Features of which none varies or has a value."""


class SettingsMismatchError(InputError):
    """Features of other radiomics settings than those that they are put together with."""


class MissingFeaturesError(InputError):
    """A table without features that a model needs."""


class ModelFileError(InputError):
    """A file that is no classifier of this program, or is not whole."""


class UntrustedModelError(ModelFileError):
    """A model file with code or types that no classifier of this program holds."""


class ModelMismatchError(ModelFileError):
    """A classifier of another format or program version, or whose parts do not fit each other."""


class ParameterError(InputError):
    """A parameter outside its range."""


class CheckpointError(InputError):
    """A network's checkpoint that is not there, is broken, or is of another network."""


class BackendError(InputError):
    """Software that is needed to run a network is not installed."""


class OutOfMemoryError(InputError):
    """Memory does not suffice, not even in small pieces."""


class DataListError(InputError):
    """A list of training data that names what is not there or does not fit together."""


class StudyListError(InputError):
    """A table of a study's examinations that cannot be used, or that names files which are not there."""


class StudyInTwoSetsError(InputError):
    """An examination that stands in two sets."""


class MissingLesionClassError(InputError):
    """A lesion of a reference without a class."""


class EmptySetError(InputError):
    """A set without examinations, or without lesions to classify."""


class ChecklistError(InputError):
    """An answer to an item of a checklist that does not exist, or that the run itself answers."""


class NoLabelImagesError(InputError):
    """A folder that should hold label images holds none."""


class MissingCounterpartError(InputError):
    """A case that is in one folder and not in the other."""


class DuplicateCaseError(InputError):
    """Two files of one folder that name the same case."""


class UnreadableImageError(InputError):
    """An image file that cannot be read, or that is no volume of finite numbers."""


class NegativeLabelError(InputError):
    """A label image with values below zero."""


class NonIntegerLabelError(InputError):
    """A label image with values that are no whole numbers."""


class UnknownLabelError(InputError):
    """A label image with values that no lesion has."""


class DisjointGridsError(InputError):
    """Two images of one case that share no space."""


class GroupTableError(InputError):
    """A table of patients and centres that cannot be used."""


class UnreadableTableError(InputError):
    """A table that is no CSV with one header and rows of its length."""


class MissingColumnError(InputError):
    """A table without a column that is needed."""


class MixedColumnError(InputError):
    """A column with numbers in some rows and text in others."""


class MissingValueError(InputError):
    """An empty cell, NaN or infinity where a value is needed."""


class DuplicateRowError(InputError):
    """Two rows of a table about the same thing."""


class UnknownClassError(InputError):
    """A class in the rows that the table has no probability for."""


class ProbabilityError(InputError):
    """Probabilities outside 0 to 1, or that do not sum to 1."""


class PatientInTwoSetsError(InputError):
    """A patient with rows in two sets that must share none."""


class DuplicatedPatientError(InputError):
    """Two patient ids with the same features."""


class TooFewFeaturesError(InputError):
    """Features that are too few for what is asked of them."""


class UnknownResponseError(InputError):
    """A text that is no category of treatment response."""


class SingleClassError(InputError):
    """One class only, where several are told apart."""


class UnpairedRowsError(InputError):
    """Two tables that are to be compared row by row and do not have the same rows."""


class SmallGroupError(InputError):
    """Groups that are too few or too small to be compared."""


class DivergedTrainingError(FdglungError, ArithmeticError):
    """Training produced a loss that is no number."""


class UnknownStudyError(InputError):
    """A study or label that the folder of studies does not have."""


class NotQuantitativePetError(InputError):
    """An image that was asked for by name and is no PET in SUV."""


class LabelGridError(InputError):
    """A label that does not lie on its PET's grid."""


class ClickError(InputError):
    """Points that are no voxels of the PET."""


class PacsError(FdglungError, ConnectionError):
    """A PACS that does not answer, refuses, or sends less than it has; it may answer the next time."""


class OutputError(FdglungError, OSError):
    """The output cannot be written."""


class OutputExistsError(OutputError):
    """The output folder is there and not empty."""


class OutputWriteError(OutputError):
    """Writing failed; nothing half-written was left."""
