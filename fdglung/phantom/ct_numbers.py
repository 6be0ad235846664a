"""CT numbers of a subject's tissues, drawn from what is measured in adults at about 120 kV."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.organs import Tissue
from fdglung.phantom.subject import Subject

Contrast = Literal["none", "portal"]


def draw_ct_numbers(rng: np.random.Generator, subject: Subject, *, contrast: Contrast = "none") -> dict[Tissue, float]:
    """Draw the CT number of every tissue of a subject.

    Parameters
    ----------
    rng
        Source of chance; one call takes the same number of draws whatever the subject and the contrast medium are.
    subject
        Age lowers bone and glands, body mass index makes a fatty liver likely, breath empties or fills the lungs.
    contrast
        "none", or "portal" for about 70 s after an injection of contrast medium.

    Returns
    -------
    dict
        HU by tissue, one number for each. That of `Tissue.LUNG` is without vessels: mixed with blood by
        `lung_vessel_share` it makes the CT number of the whole lung, see `whole_lung_hu`.

    Raises
    ------
    ParameterError
        An unknown `contrast`.

    Notes
    -----
    Sources: vertebral marrow 226 +- 44 HU below 30 years and 89 +- 38 HU from 90 years on (20,374 adults,
    10.1148/radiol.2019181648). Liver 58.8 +- 10.8 HU, 6.2 % at most 40 HU (3,357 adults, 10.2214/AJR.09.2590); a share
    of fatty livers that rises from few in the lean to half of the obese (6,814 adults, PMID 22521729). Emphysema lies
    below -950 HU by its definition on CT. All other means and standard deviations are round figures.

    """
    if contrast not in ("none", "portal"):
        raise ParameterError(f"contrast is {contrast!r}", attribute="contrast", remedy="Give 'none' or 'portal'")
    share = lung_vessel_share(subject.breath)
    hu = {}
    for tissue in Tissue:
        mean, sd = _NATIVE[tissue]
        hu[tissue] = mean + sd * float(np.clip(rng.standard_normal(), -2.5, 2.5))
    hu |= _aged(hu, subject.age_years)
    hu[Tissue.LIVER] -= _steatosis(rng, subject.body_mass_index)
    enhancement = float(np.clip(1 + 0.17 * rng.standard_normal(), 0.55, 1.5))
    whole_lung = whole_lung_hu(subject.breath)
    # a lung with a tenth more tissue is a tenth denser at any breath: 50 HU at free breathing
    whole_lung += 50 * (1000 + whole_lung) / 260 * float(np.clip(rng.standard_normal(), -2, 2))
    if contrast == "portal":
        for tissue, gain in _PORTAL_GAIN.items():
            hu[tissue] += enhancement * gain
        whole_lung += enhancement * (share * _PORTAL_GAIN[Tissue.BLOOD] + (1 - share) * _LUNG_GAIN)
    hu[Tissue.LUNG_VESSEL] = hu[Tissue.BLOOD]
    if contrast == "none":
        hu[Tissue.VENOUS_BLOOD] = hu[Tissue.BLOOD]
    hu[Tissue.LUNG] = max((whole_lung - share * hu[Tissue.BLOOD]) / (1 - share), -955.0)
    hu[Tissue.FISSURE] = hu[Tissue.LUNG] + 150
    hu[Tissue.VISCERAL_FAT] = hu[Tissue.FAT] + 3
    hu[Tissue.BROWN_FAT] = hu[Tissue.FAT] + 25
    hu[Tissue.CORTICAL_BONE] = float(np.clip(hu[Tissue.CORTICAL_BONE], 700, 1500))
    hu[Tissue.CALCIUM] = float(np.clip(hu[Tissue.CALCIUM], 200, 1000))
    return hu


def whole_lung_hu(breath: float) -> float:
    """Mean CT number in HU of a lung with its vessels: -740 at free breathing (0.35), -860 at deep inspiration (0.9).

    Linear between and beyond: -664 HU at residual volume and -882 HU at total lung capacity, a little above the
    -728 and -928 HU of parenchyma alone (10.1136/thx.44.6.485). The two anchors are round figures.
    """
    return -740.0 - 120.0 * (breath - 0.35) / 0.55


def lung_vessel_share(breath: float) -> float:
    """Share of a lung's volume that vessels large enough to be painted take: 8 % at free breathing.

    The vessels keep their volume while the lung's follows from its density (no tissue is lost), so that the share falls
    to 4.3 % at deep inspiration. The 8 % are a round figure.
    """
    return 0.08 * (1000 + whole_lung_hu(breath)) / (1000 + whole_lung_hu(0.35))


def _aged(hu: dict[Tissue, float], age: float) -> dict[Tissue, float]:
    """Tissues that change with age; the standard deviations are already in `hu`."""
    # through the means of the youngest (about 26 years) and the oldest group (about 92 years)
    bone_loss = (226.0 - 89.0) / (92 - 26) * (age - 26)
    vertebral = max(hu[Tissue.VERTEBRAL_MARROW] - bone_loss, 20.0)
    fat = hu[Tissue.FAT]
    involution = float(np.clip((age - 20) / 40, 0, 1))
    return {
        Tissue.VERTEBRAL_MARROW: vertebral,
        Tissue.TRABECULAR_BONE: max(0.85 * vertebral + hu[Tissue.TRABECULAR_BONE], 10.0),
        Tissue.CORTICAL_BONE: hu[Tissue.CORTICAL_BONE] - 3 * (age - 60),
        Tissue.CARTILAGE: max(hu[Tissue.CARTILAGE] + 1.2 * (age - 55), 60.0),
        Tissue.THYMUS: (1 - involution) * hu[Tissue.THYMUS] + involution * (fat + 15),
        Tissue.BREAST: max(hu[Tissue.BREAST] - 0.9 * (age - 55), fat + 5),
        Tissue.PAROTID: max(hu[Tissue.PAROTID] - 0.4 * (age - 55), -60.0),
        Tissue.PANCREAS: hu[Tissue.PANCREAS] - 0.2 * (age - 55),
        Tissue.MUSCLE: hu[Tissue.MUSCLE] - 0.15 * (age - 55),
    }


def _steatosis(rng: np.random.Generator, body_mass_index: float) -> float:
    """What fat takes from the liver's CT number in HU; 0 in most of the lean."""
    chance = 1 / (1 + math.exp(-0.3 * (body_mass_index - 33)))
    return float(min((rng.random() < chance) * (5 + rng.exponential(12)), 60))


_NATIVE: dict[Tissue, tuple[float, float]] = {
    Tissue.SKIN: (40, 10),
    Tissue.FAT: (-100, 7),
    Tissue.VISCERAL_FAT: (-97, 7),
    Tissue.BROWN_FAT: (-75, 7),
    Tissue.MUSCLE: (52, 6),
    Tissue.BREAST: (-25, 25),
    Tissue.CORTICAL_BONE: (1050, 150),
    Tissue.TRABECULAR_BONE: (0, 20),  # added to a share of the vertebral marrow's
    Tissue.VERTEBRAL_MARROW: (226, 40),  # at 26 years
    Tissue.DISC: (85, 12),
    Tissue.CARTILAGE: (110, 20),
    Tissue.SPINAL_CORD: (36, 4),
    Tissue.CSF: (8, 3),
    Tissue.AIR: (-985, 6),
    Tissue.AIRWAY_WALL: (25, 12),
    Tissue.LUNG: (-780, 0),
    Tissue.FISSURE: (-630, 0),
    Tissue.EMPHYSEMA: (-970, 7),
    Tissue.ATELECTASIS: (35, 10),
    Tissue.PLEURAL_EFFUSION: (10, 5),
    Tissue.LUNG_VESSEL: (40, 0),
    Tissue.BLOOD: (40, 5),
    Tissue.VENOUS_BLOOD: (40, 5),
    Tissue.VESSEL_WALL: (45, 5),
    Tissue.LEFT_VENTRICLE_WALL: (42, 6),
    Tissue.HEART_WALL: (42, 6),
    Tissue.THYMUS: (45, 8),
    Tissue.LYMPH_NODE: (36, 7),
    Tissue.OESOPHAGUS: (35, 6),
    Tissue.THYROID: (105, 12),
    Tissue.LARYNX: (55, 10),
    Tissue.PAROTID: (5, 15),
    Tissue.SUBMANDIBULAR: (45, 8),
    Tissue.TONSIL: (45, 6),
    Tissue.GREY_MATTER: (38, 2),
    Tissue.WHITE_MATTER: (30, 2),
    Tissue.CEREBELLUM: (36, 2),
    Tissue.EYE: (10, 4),
    Tissue.LIVER: (63, 6),  # without fat
    Tissue.GALLBLADDER: (8, 5),
    Tissue.SPLEEN: (49, 5),
    Tissue.PANCREAS: (40, 8),
    Tissue.ADRENAL: (22, 9),
    Tissue.STOMACH_WALL: (40, 7),
    Tissue.STOMACH_CONTENT: (20, 12),
    Tissue.DUODENUM: (35, 7),
    Tissue.SMALL_BOWEL: (35, 8),
    Tissue.COLON_WALL: (36, 7),
    Tissue.COLON_CONTENT: (35, 25),
    Tissue.BOWEL_GAS: (-960, 15),
    Tissue.RENAL_CORTEX: (32, 5),
    Tissue.RENAL_MEDULLA: (29, 5),
    Tissue.RENAL_PELVIS: (6, 4),
    Tissue.URETER: (9, 4),
    Tissue.BLADDER: (6, 4),
    Tissue.PROSTATE: (38, 6),
    Tissue.UTERUS: (45, 7),
    Tissue.TESTIS: (30, 5),
    Tissue.CALCIUM: (480, 160),
    Tissue.METAL: (3071, 0),
    Tissue.COUCH: (-150, 30),
    Tissue.COUCH_CORE: (-920, 15),
}
"""Mean and standard deviation in HU without contrast medium, at 55 years where age matters."""

_LUNG_GAIN = 12.0
"""HU that contrast medium in vessels too small to be painted adds to lung."""

_PORTAL_GAIN: dict[Tissue, float] = {
    Tissue.SKIN: 8,
    Tissue.MUSCLE: 10,
    Tissue.BREAST: 8,
    Tissue.VERTEBRAL_MARROW: 12,
    Tissue.TRABECULAR_BONE: 8,
    Tissue.SPINAL_CORD: 3,
    Tissue.AIRWAY_WALL: 30,
    Tissue.ATELECTASIS: 60,
    Tissue.BLOOD: 110,
    Tissue.VENOUS_BLOOD: 112,
    Tissue.VESSEL_WALL: 40,
    Tissue.LEFT_VENTRICLE_WALL: 65,
    Tissue.HEART_WALL: 60,
    Tissue.THYMUS: 15,
    Tissue.LYMPH_NODE: 45,
    Tissue.OESOPHAGUS: 35,
    Tissue.THYROID: 75,
    Tissue.LARYNX: 25,
    Tissue.PAROTID: 35,
    Tissue.SUBMANDIBULAR: 50,
    Tissue.TONSIL: 40,
    Tissue.GREY_MATTER: 4,
    Tissue.WHITE_MATTER: 2,
    Tissue.CEREBELLUM: 4,
    Tissue.LIVER: 52,
    Tissue.GALLBLADDER: 0,
    Tissue.SPLEEN: 71,
    Tissue.PANCREAS: 60,
    Tissue.ADRENAL: 40,
    Tissue.STOMACH_WALL: 50,
    Tissue.DUODENUM: 50,
    Tissue.SMALL_BOWEL: 50,
    Tissue.COLON_WALL: 45,
    Tissue.RENAL_CORTEX: 160,
    Tissue.RENAL_MEDULLA: 150,
    Tissue.PROSTATE: 30,
    Tissue.UTERUS: 60,
    Tissue.TESTIS: 15,
}
"""Mean HU that contrast medium adds in the portal phase: liver to 110, spleen to 120, blood to 150, kidney to 190."""
