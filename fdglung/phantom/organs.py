"""What a synthetic body is made of: organs with their labels, and tissues with one CT number and one uptake each."""

from __future__ import annotations

from enum import IntEnum, StrEnum, auto


class Organ(IntEnum):
    """Labels of the organ map; 0 is what no organ takes."""

    BRAIN = 1
    PAROTID_GLANDS = 2
    SUBMANDIBULAR_GLANDS = 3
    THYROID = 4
    AIRWAYS = 5
    OESOPHAGUS = 6
    RIGHT_UPPER_LOBE = 7
    RIGHT_MIDDLE_LOBE = 8
    RIGHT_LOWER_LOBE = 9
    LEFT_UPPER_LOBE = 10
    LEFT_LOWER_LOBE = 11
    MYOCARDIUM = 12
    HEART_CHAMBERS = 13
    AORTA = 14
    PULMONARY_ARTERY = 15
    SUPERIOR_VENA_CAVA = 16
    INFERIOR_VENA_CAVA = 17
    THYMUS = 18
    LIVER = 19
    GALLBLADDER = 20
    SPLEEN = 21
    PANCREAS = 22
    STOMACH = 23
    DUODENUM = 24
    SMALL_BOWEL = 25
    COLON = 26
    RIGHT_ADRENAL = 27
    LEFT_ADRENAL = 28
    RIGHT_KIDNEY = 29
    LEFT_KIDNEY = 30
    URINARY_BLADDER = 31
    PROSTATE = 32
    UTERUS = 33
    VERTEBRAE = 34
    RIBS = 35
    STERNUM = 36
    SCAPULAE = 37
    CLAVICLES = 38
    HUMERI = 39
    HIP_BONES = 40
    SACRUM = 41
    FEMORA = 42
    SKULL = 43
    SPINAL_CORD = 44
    MUSCLE = 45
    FAT = 46
    SKIN = 47
    BREASTS = 48
    PLEURAL_EFFUSION = 49
    TESTES = 50


LOBES = (
    Organ.RIGHT_UPPER_LOBE,
    Organ.RIGHT_MIDDLE_LOBE,
    Organ.RIGHT_LOWER_LOBE,
    Organ.LEFT_UPPER_LOBE,
    Organ.LEFT_LOWER_LOBE,
)
"""The five lobes of the lungs."""


class Tissue(StrEnum):
    """What has one CT number and one uptake in a subject."""

    SKIN = auto()
    FAT = auto()
    VISCERAL_FAT = auto()
    BROWN_FAT = auto()
    MUSCLE = auto()
    BREAST = auto()
    CORTICAL_BONE = auto()
    TRABECULAR_BONE = auto()
    VERTEBRAL_MARROW = auto()
    DISC = auto()
    CARTILAGE = auto()
    SPINAL_CORD = auto()
    CSF = auto()
    AIR = auto()
    AIRWAY_WALL = auto()
    LUNG = auto()
    FISSURE = auto()
    EMPHYSEMA = auto()
    ATELECTASIS = auto()
    PLEURAL_EFFUSION = auto()
    LUNG_VESSEL = auto()
    BLOOD = auto()
    VENOUS_BLOOD = auto()
    VESSEL_WALL = auto()
    LEFT_VENTRICLE_WALL = auto()
    HEART_WALL = auto()
    THYMUS = auto()
    LYMPH_NODE = auto()
    OESOPHAGUS = auto()
    THYROID = auto()
    LARYNX = auto()
    PAROTID = auto()
    SUBMANDIBULAR = auto()
    TONSIL = auto()
    GREY_MATTER = auto()
    WHITE_MATTER = auto()
    CEREBELLUM = auto()
    EYE = auto()
    LIVER = auto()
    GALLBLADDER = auto()
    SPLEEN = auto()
    PANCREAS = auto()
    ADRENAL = auto()
    STOMACH_WALL = auto()
    STOMACH_CONTENT = auto()
    DUODENUM = auto()
    SMALL_BOWEL = auto()
    COLON_WALL = auto()
    COLON_CONTENT = auto()
    BOWEL_GAS = auto()
    RENAL_CORTEX = auto()
    RENAL_MEDULLA = auto()
    RENAL_PELVIS = auto()
    URETER = auto()
    BLADDER = auto()
    PROSTATE = auto()
    UTERUS = auto()
    TESTIS = auto()
    CALCIUM = auto()
    METAL = auto()
    COUCH = auto()
    COUCH_CORE = auto()
