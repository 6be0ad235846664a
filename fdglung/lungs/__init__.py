"""The lungs of a CT: their mask, and the box around them that no lesion at the lungs reaches out of."""

from fdglung.lungs.extension import AVID_SUV, holding_avid_tissue
from fdglung.lungs.finding import segment
from fdglung.lungs.labels import LEFT, LOBES, RIGHT
from fdglung.lungs.region import Corner, LungRegion, bounding_box_mm
from fdglung.lungs.weights import PUBLISHED, R231_FILE, cached_weights

__all__ = [
    "AVID_SUV",
    "LEFT",
    "LOBES",
    "PUBLISHED",
    "R231_FILE",
    "RIGHT",
    "Corner",
    "LungRegion",
    "bounding_box_mm",
    "cached_weights",
    "holding_avid_tissue",
    "segment",
]
