"""What each organ of the label map is called in DICOM: coded property types, sides and colours of a segmentation."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from fdglung.phantom.organs import Organ

ANATOMY: Code = codes.SCT.AnatomicalStructure
"""Segmented property category (PS3.16 CID 7150) of all organs but those named here."""

_TISSUE: Code = codes.SCT.Tissue
_SUBSTANCE: Code = codes.SCT.BodySubstance


@dataclass(frozen=True)
class OrganCode:
    """A coded organ.

    Attributes
    ----------
    category
        Segmented property category (PS3.16 CID 7150).
    kind
        Segmented property type (SNOMED CT, from PS3.16 CID 7151 and the contexts below it).
    laterality
        "left" or "right" for one of a pair and for the lobes of the lungs; None otherwise.

    """

    category: Code
    kind: Code
    laterality: Literal["left", "right"] | None = None


def organ_name(organ: Organ) -> str:
    """Return an organ's name in words, such as ``right upper lobe``."""
    return organ.name.lower().replace("_", " ")


def organ_color(organ: Organ) -> tuple[int, int, int]:
    """Return red, green and blue (0 to 255) that tell an organ from its neighbours in the list."""
    # steps of the golden section around the colour wheel keep neighbours far apart
    hue = organ.value * 0.61803398875 % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.55 + 0.35 * (organ.value % 2), 0.95 - 0.25 * (organ.value % 3 == 0))
    return round(255 * red), round(255 * green), round(255 * blue)


def _organ(kind: Code, laterality: Literal["left", "right"] | None = None, *, category: Code = ANATOMY) -> OrganCode:
    return OrganCode(category, kind, laterality)


_SCT = codes.SCT
ORGAN_CODES = {
    Organ.BRAIN: _organ(_SCT.Brain),
    Organ.PAROTID_GLANDS: _organ(_SCT.ParotidGland),
    Organ.SUBMANDIBULAR_GLANDS: _organ(_SCT.SubmandibularGland),
    Organ.THYROID: _organ(_SCT.Thyroid),
    Organ.AIRWAYS: _organ(_SCT.TracheaAndBronchus),
    Organ.OESOPHAGUS: _organ(_SCT.Esophagus),
    Organ.RIGHT_UPPER_LOBE: _organ(_SCT.UpperLobeOfLung, "right"),
    Organ.RIGHT_MIDDLE_LOBE: _organ(_SCT.MiddleLobeOfRightLung, "right"),
    Organ.RIGHT_LOWER_LOBE: _organ(_SCT.LowerLobeOfLung, "right"),
    Organ.LEFT_UPPER_LOBE: _organ(_SCT.UpperLobeOfLung, "left"),
    Organ.LEFT_LOWER_LOBE: _organ(_SCT.LowerLobeOfLung, "left"),
    Organ.MYOCARDIUM: _organ(_SCT.CardiacMuscle),
    Organ.HEART_CHAMBERS: _organ(_SCT.Heart),
    Organ.AORTA: _organ(_SCT.Aorta),
    Organ.PULMONARY_ARTERY: _organ(_SCT.PulmonaryArtery),
    Organ.SUPERIOR_VENA_CAVA: _organ(_SCT.SuperiorVenaCava),
    Organ.INFERIOR_VENA_CAVA: _organ(_SCT.InferiorVenaCava),
    Organ.THYMUS: _organ(_SCT.Thymus),
    Organ.LIVER: _organ(_SCT.Liver),
    Organ.GALLBLADDER: _organ(_SCT.Gallbladder),
    Organ.SPLEEN: _organ(_SCT.Spleen),
    Organ.PANCREAS: _organ(_SCT.Pancreas),
    Organ.STOMACH: _organ(_SCT.Stomach),
    Organ.DUODENUM: _organ(_SCT.Duodenum),
    Organ.SMALL_BOWEL: _organ(_SCT.SmallIntestine),
    Organ.COLON: _organ(_SCT.Colon),
    Organ.RIGHT_ADRENAL: _organ(_SCT.AdrenalGland, "right"),
    Organ.LEFT_ADRENAL: _organ(_SCT.AdrenalGland, "left"),
    Organ.RIGHT_KIDNEY: _organ(_SCT.Kidney, "right"),
    Organ.LEFT_KIDNEY: _organ(_SCT.Kidney, "left"),
    Organ.URINARY_BLADDER: _organ(_SCT.Bladder),
    Organ.PROSTATE: _organ(_SCT.Prostate),
    Organ.UTERUS: _organ(_SCT.Uterus),
    Organ.VERTEBRAE: _organ(_SCT.Vertebra),
    Organ.RIBS: _organ(_SCT.Rib),
    Organ.STERNUM: _organ(_SCT.Sternum),
    Organ.SCAPULAE: _organ(_SCT.Scapula),
    Organ.CLAVICLES: _organ(_SCT.Clavicle),
    Organ.HUMERI: _organ(_SCT.Humerus),
    Organ.HIP_BONES: _organ(_SCT.Hip),
    Organ.SACRUM: _organ(_SCT.Sacrum),
    Organ.FEMORA: _organ(_SCT.Femur),
    Organ.SKULL: _organ(_SCT.Skull),
    Organ.SPINAL_CORD: _organ(_SCT.SpinalCord),
    Organ.MUSCLE: _organ(_SCT.MuscleTissue, category=_TISSUE),
    Organ.FAT: _organ(_SCT.AdiposeTissue, category=_TISSUE),
    Organ.SKIN: _organ(_SCT.Skin),
    Organ.BREASTS: _organ(_SCT.Breast),
    Organ.PLEURAL_EFFUSION: _organ(_SCT.PleuralEffusion, category=_SUBSTANCE),
    Organ.TESTES: _organ(_SCT.Testis),
}
"""Codes of every organ. The heart's chambers have none of their own in DICOM's groups and take the heart's; those of
the myocardium and of a pleural effusion stand in other groups than CID 7151, which may be extended."""
