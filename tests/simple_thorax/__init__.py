"""A thorax of smooth solids with balls as lesions: quick to make, and every volume known in closed form."""

from tests.simple_thorax.dicom import write_dicom
from tests.simple_thorax.phantom import DEFAULT_LESIONS, Phantom, SphereLesion, simple_thorax

__all__ = ["DEFAULT_LESIONS", "Phantom", "SphereLesion", "simple_thorax", "write_dicom"]
