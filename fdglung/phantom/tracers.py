"""PET tracers: what they are called in DICOM, how they decay, and where they go in a healthy body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from fdglung.phantom.organs import Tissue


@dataclass(frozen=True)
class Tracer:
    """A PET tracer.

    Attributes
    ----------
    key
        Name in `TRACERS`.
    name
        As headers have it in Radiopharmaceutical (0018,0031).
    radiopharmaceutical, radionuclide
        Codes of DICOM PS3.16 CID 4021 and 4020, but for FAPI, which has no code there (pydicom 3.0.2): a code of this
        project's own scheme stands for it, as an extensible group allows.
    half_life_s
        In seconds: F-18 as scanners write it, Ga-68 67.71 min.
    positron_fraction
        Positrons a decay (Decay Data Evaluation Project).
    uptake_s
        From injection to scan, customary, in seconds.
    dose_mbq_per_kg
        Customary activity; a round figure.
    blood_share_per_hour
        What is left of the blood's SUV after another hour; a round figure.
    tumour_rise_per_hour
        By which share of its value at `uptake_s` a tumour's SUV rises an hour: FDG 0.118, the median of 134 lung
        cancers between 1 and 2 h (PMID 26426969); round figures for the others.
    suv
        SUVbw in g/ml by tissue at `uptake_s` in a subject of 24.5 kg/m2: mean and standard deviation.

    """

    key: str
    name: str
    radiopharmaceutical: Code
    radionuclide: Code
    half_life_s: float
    positron_fraction: float
    uptake_s: float
    dose_mbq_per_kg: float
    blood_share_per_hour: float
    tumour_rise_per_hour: float
    suv: Mapping[Tissue, tuple[float, float]]


_F18 = (codes.cid4020._18Fluorine, 6586.2, 0.9686)
_GA68 = (codes.cid4020._68Gallium, 4062.6, 0.8888)

_EMPTY: dict[Tissue, tuple[float, float]] = {
    Tissue.AIR: (0.0, 0.0),
    Tissue.BOWEL_GAS: (0.0, 0.0),
    Tissue.METAL: (0.0, 0.0),
    Tissue.COUCH: (0.0, 0.0),
    Tissue.COUCH_CORE: (0.0, 0.0),
}

_FDG: dict[Tissue, tuple[float, float]] = _EMPTY | {
    Tissue.SKIN: (0.5, 0.12),
    Tissue.FAT: (0.30, 0.08),
    Tissue.VISCERAL_FAT: (0.38, 0.10),
    Tissue.BROWN_FAT: (0.35, 0.10),
    Tissue.MUSCLE: (0.65, 0.12),
    Tissue.BREAST: (0.55, 0.18),
    Tissue.CORTICAL_BONE: (0.5, 0.12),
    Tissue.TRABECULAR_BONE: (0.9, 0.25),
    Tissue.VERTEBRAL_MARROW: (1.4, 0.3),
    Tissue.DISC: (0.6, 0.15),
    Tissue.CARTILAGE: (0.5, 0.12),
    Tissue.SPINAL_CORD: (1.6, 0.3),
    Tissue.CSF: (0.5, 0.12),
    Tissue.AIRWAY_WALL: (1.0, 0.2),
    Tissue.LUNG: (0.60, 0.14),
    Tissue.FISSURE: (0.60, 0.14),
    Tissue.EMPHYSEMA: (0.25, 0.06),
    Tissue.ATELECTASIS: (1.8, 0.5),
    Tissue.PLEURAL_EFFUSION: (0.8, 0.25),
    Tissue.LUNG_VESSEL: (1.6, 0.2),
    Tissue.BLOOD: (1.6, 0.2),
    Tissue.VENOUS_BLOOD: (1.6, 0.2),
    Tissue.VESSEL_WALL: (1.6, 0.3),
    Tissue.LEFT_VENTRICLE_WALL: (1.8, 0.4),
    Tissue.HEART_WALL: (1.6, 0.3),
    Tissue.THYMUS: (1.4, 0.4),
    Tissue.LYMPH_NODE: (1.1, 0.3),
    Tissue.OESOPHAGUS: (1.7, 0.4),
    Tissue.THYROID: (1.3, 0.4),
    Tissue.LARYNX: (1.9, 0.7),
    Tissue.PAROTID: (1.8, 0.6),
    Tissue.SUBMANDIBULAR: (2.1, 0.6),
    Tissue.TONSIL: (3.45, 1.3),
    Tissue.GREY_MATTER: (8.0, 1.8),
    Tissue.WHITE_MATTER: (3.5, 0.8),
    Tissue.CEREBELLUM: (8.0, 2.0),
    Tissue.EYE: (1.0, 0.3),
    Tissue.LIVER: (2.1, 0.33),
    Tissue.GALLBLADDER: (0.8, 0.3),
    Tissue.SPLEEN: (1.7, 0.3),
    Tissue.PANCREAS: (1.5, 0.3),
    Tissue.ADRENAL: (1.5, 0.4),
    Tissue.STOMACH_WALL: (2.0, 0.7),
    Tissue.STOMACH_CONTENT: (0.5, 0.2),
    Tissue.DUODENUM: (1.8, 0.5),
    Tissue.SMALL_BOWEL: (1.4, 0.3),
    Tissue.COLON_WALL: (1.5, 0.3),
    Tissue.COLON_CONTENT: (0.6, 0.2),
    Tissue.RENAL_CORTEX: (2.8, 0.6),
    Tissue.RENAL_MEDULLA: (3.5, 1.0),
    Tissue.RENAL_PELVIS: (14.0, 8.0),
    Tissue.URETER: (6.0, 4.0),
    Tissue.BLADDER: (28.0, 15.0),
    Tissue.PROSTATE: (1.9, 0.5),
    Tissue.UTERUS: (2.1, 0.8),
    Tissue.TESTIS: (2.57, 0.5),
    Tissue.CALCIUM: (0.5, 0.15),
}
"""Liver between 1.85 (10.5812/iranjradiol.84881) and 2.34, blood 1.57 (Istanbul Med J 2019;20(5)). Lung: with 8 % of
vessels 0.68, halfway between the lower back, 0.804, and the upper front, which it exceeds by 41 % (10.1007/BF00833385).
Cerebellum, tonsil and testis: 10.1007/s11307-006-0075-y. The rest are round figures."""

_PSMA_11 = _FDG | {
    Tissue.BROWN_FAT: (0.3, 0.08),
    Tissue.MUSCLE: (0.6, 0.12),
    Tissue.TRABECULAR_BONE: (0.5, 0.12),
    Tissue.VERTEBRAL_MARROW: (0.8, 0.2),
    Tissue.SPINAL_CORD: (0.5, 0.12),
    Tissue.LUNG: (0.35, 0.08),
    Tissue.FISSURE: (0.35, 0.08),
    Tissue.ATELECTASIS: (1.0, 0.3),
    Tissue.LUNG_VESSEL: (1.6, 0.35),
    Tissue.BLOOD: (1.6, 0.35),
    Tissue.VENOUS_BLOOD: (1.6, 0.35),
    Tissue.VESSEL_WALL: (1.4, 0.3),
    Tissue.LEFT_VENTRICLE_WALL: (1.5, 0.3),
    Tissue.HEART_WALL: (1.5, 0.3),
    Tissue.THYMUS: (0.8, 0.2),
    Tissue.LYMPH_NODE: (0.9, 0.3),
    Tissue.OESOPHAGUS: (1.4, 0.3),
    Tissue.THYROID: (1.4, 0.4),
    Tissue.LARYNX: (2.2, 0.7),
    Tissue.PAROTID: (14.5, 4.5),
    Tissue.SUBMANDIBULAR: (13.0, 4.0),
    Tissue.TONSIL: (2.5, 0.8),
    Tissue.GREY_MATTER: (0.15, 0.05),
    Tissue.WHITE_MATTER: (0.12, 0.04),
    Tissue.CEREBELLUM: (0.18, 0.05),
    Tissue.LIVER: (5.4, 1.7),
    Tissue.GALLBLADDER: (3.0, 2.0),
    Tissue.SPLEEN: (8.1, 3.5),
    Tissue.PANCREAS: (2.2, 0.6),
    Tissue.ADRENAL: (4.0, 1.2),
    Tissue.STOMACH_WALL: (2.5, 0.8),
    Tissue.DUODENUM: (11.0, 4.5),
    Tissue.SMALL_BOWEL: (5.0, 2.0),
    Tissue.COLON_WALL: (1.8, 0.6),
    Tissue.RENAL_CORTEX: (46.0, 14.0),
    Tissue.RENAL_MEDULLA: (32.0, 10.0),
    Tissue.RENAL_PELVIS: (30.0, 18.0),
    Tissue.URETER: (12.0, 8.0),
    Tissue.BLADDER: (35.0, 25.0),
    Tissue.PROSTATE: (2.4, 0.8),
    Tissue.UTERUS: (1.5, 0.4),
    Tissue.TESTIS: (1.4, 0.4),
}
"""Kidney 41.7, parotid 14.5, submandibular 13.0, prostate 2.4 (10.1038/s41598-020-60099-y); liver 5.4 +- 1.7 and spleen
8.1 +- 3.5 (10.1186/s13550-024-01097-3); duodenum and adrenal from maxima (PMID 28481787). The rest are round."""

_PSMA_1007 = _PSMA_11 | {
    Tissue.MUSCLE: (0.75, 0.15),
    Tissue.VERTEBRAL_MARROW: (1.1, 0.25),
    Tissue.TRABECULAR_BONE: (0.7, 0.2),
    Tissue.LUNG_VESSEL: (2.6, 0.6),
    Tissue.BLOOD: (2.6, 0.6),
    Tissue.VENOUS_BLOOD: (2.6, 0.6),
    Tissue.LIVER: (11.7, 3.9),
    Tissue.SPLEEN: (11.2, 3.5),
    Tissue.GALLBLADDER: (45.0, 35.0),
    Tissue.PANCREAS: (3.0, 0.8),
    Tissue.RENAL_CORTEX: (19.0, 5.0),
    Tissue.RENAL_MEDULLA: (13.0, 4.0),
    Tissue.RENAL_PELVIS: (5.0, 3.0),
    Tissue.URETER: (2.5, 1.0),
    Tissue.BLADDER: (4.0, 2.5),
}
"""Liver and spleen: 10.1186/s13550-024-01097-3. It leaves by the bile, hardly by the urine; the rest are round."""

_DOTATATE = _PSMA_11 | {
    Tissue.MUSCLE: (0.7, 0.15),
    Tissue.VERTEBRAL_MARROW: (1.0, 0.25),
    Tissue.LUNG: (0.40, 0.1),
    Tissue.FISSURE: (0.40, 0.1),
    Tissue.LUNG_VESSEL: (1.2, 0.3),
    Tissue.BLOOD: (1.2, 0.3),
    Tissue.VENOUS_BLOOD: (1.2, 0.3),
    Tissue.THYMUS: (1.2, 0.3),
    Tissue.THYROID: (2.6, 1.0),
    Tissue.PAROTID: (1.9, 0.6),
    Tissue.SUBMANDIBULAR: (2.2, 0.7),
    Tissue.TONSIL: (3.0, 0.9),
    Tissue.LIVER: (6.5, 1.7),
    Tissue.GALLBLADDER: (2.0, 0.8),
    Tissue.SPLEEN: (19.0, 6.0),
    Tissue.PANCREAS: (3.6, 1.2),
    Tissue.ADRENAL: (14.0, 4.5),
    Tissue.STOMACH_WALL: (5.0, 1.6),
    Tissue.DUODENUM: (5.0, 1.5),
    Tissue.SMALL_BOWEL: (4.5, 1.4),
    Tissue.COLON_WALL: (2.2, 0.7),
    Tissue.RENAL_CORTEX: (12.0, 3.0),
    Tissue.RENAL_MEDULLA: (9.0, 2.5),
    Tissue.RENAL_PELVIS: (18.0, 10.0),
    Tissue.BLADDER: (30.0, 20.0),
    Tissue.PROSTATE: (3.8, 1.3),
    Tissue.UTERUS: (2.5, 0.8),
}
"""Maxima of spleen 24.7, kidney 14.3, adrenal 13.7, liver 9.1 (10.1007/s12149-013-0718-4), of which large organs'
means are taken as about three quarters; the others follow the order of 10.4274/mirt.galenos.2021.37268."""

_FAPI = _PSMA_11 | {
    Tissue.SKIN: (0.9, 0.25),
    Tissue.FAT: (0.35, 0.1),
    Tissue.MUSCLE: (1.2, 0.3),
    Tissue.CORTICAL_BONE: (0.3, 0.12),
    Tissue.TRABECULAR_BONE: (0.5, 0.15),
    Tissue.VERTEBRAL_MARROW: (0.6, 0.18),
    Tissue.LUNG: (0.40, 0.1),
    Tissue.FISSURE: (0.40, 0.1),
    Tissue.LUNG_VESSEL: (1.5, 0.35),
    Tissue.BLOOD: (1.5, 0.35),
    Tissue.VENOUS_BLOOD: (1.5, 0.35),
    Tissue.LEFT_VENTRICLE_WALL: (1.5, 0.35),
    Tissue.THYROID: (2.0, 0.8),
    Tissue.PAROTID: (1.9, 0.5),
    Tissue.SUBMANDIBULAR: (3.2, 0.9),
    Tissue.TONSIL: (1.8, 0.5),
    Tissue.GREY_MATTER: (0.1, 0.04),
    Tissue.WHITE_MATTER: (0.1, 0.04),
    Tissue.CEREBELLUM: (0.12, 0.04),
    Tissue.LIVER: (1.1, 0.35),
    Tissue.GALLBLADDER: (4.0, 3.0),
    Tissue.SPLEEN: (1.0, 0.3),
    Tissue.PANCREAS: (2.0, 0.7),
    Tissue.ADRENAL: (1.2, 0.3),
    Tissue.STOMACH_WALL: (1.2, 0.4),
    Tissue.DUODENUM: (1.5, 0.6),
    Tissue.SMALL_BOWEL: (1.2, 0.4),
    Tissue.COLON_WALL: (1.0, 0.3),
    Tissue.RENAL_CORTEX: (1.9, 0.5),
    Tissue.RENAL_MEDULLA: (1.9, 0.5),
    Tissue.RENAL_PELVIS: (3.6, 1.8),
    Tissue.URETER: (3.0, 1.5),
    Tissue.BLADDER: (20.0, 14.0),
    Tissue.PROSTATE: (1.6, 0.5),
    Tissue.UTERUS: (3.6, 1.6),
    Tissue.TESTIS: (1.2, 0.3),
    Tissue.BREAST: (0.9, 0.35),
}
"""Gallbladder, uterus, submandibular glands and renal pelvis 2.9 to 4.2, bone 0.3 to 0.9, soft tissue 0.9 to 1.5
(10.3389/fnume.2022.927843); the rest are round figures."""

_FAPI_CODE = Code("FAPI-04-F18", "99FDGLUNG", "AlF-NOTA-FAPI-04 F^18^")

_ALL = (
    Tracer(
        "fdg", "Fluorodeoxyglucose F^18^", codes.SCT.FluorodeoxyglucoseF18, *_F18, 3600, 4.0, 0.74, 0.118,
        MappingProxyType(_FDG),
    ),
    Tracer(
        "psma_11", "PSMA-11 Ga^68^", codes.cid4021.PSMA11Ga68, *_GA68, 3600, 2.0, 0.75, 0.10,
        MappingProxyType(_PSMA_11),
    ),
    Tracer(
        "psma_1007", "PSMA-1007 F^18^", codes.cid4021.PSMA1007F18, *_F18, 5400, 4.0, 0.65, 0.20,
        MappingProxyType(_PSMA_1007),
    ),
    Tracer(
        "dotatate", "Dotatate Ga^68^", codes.cid4021.DotatateGa68, *_GA68, 3600, 2.0, 0.70, 0.05,
        MappingProxyType(_DOTATATE),
    ),
    Tracer(
        "fapi", "FAPI-04 F^18^", _FAPI_CODE, *_F18, 3600, 3.5, 0.70, 0.0,
        MappingProxyType(_FAPI),
    ),
)  # fmt: skip

TRACERS: Mapping[str, Tracer] = MappingProxyType({tracer.key: tracer for tracer in _ALL})
"""By key: FDG, PSMA-11 (Ga-68), PSMA-1007 (F-18), DOTATATE (Ga-68) and FAPI-04 (F-18)."""
