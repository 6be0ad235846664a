"""Lung disease of four classes: how it looks, how far the classes overlap, where it lies, and how it is painted."""

from fdglung.phantom.lesions.drawing import draw_class, draw_disease
from fdglung.phantom.lesions.overlap import Descriptor, bayes_error, error_floor, posterior
from fdglung.phantom.lesions.placed import PlacedLesion
from fdglung.phantom.lesions.placement import confinement, place_lesions
from fdglung.phantom.lesions.plans import Disease, Form, LesionPlan, Sign, Station, Zone
from fdglung.phantom.lesions.profiles import DEFAULT_PRIORS, PROFILES
from fdglung.phantom.lesions.rendering import Rendered, render
from fdglung.phantom.lesions.truth import render_fine, true_lesion

__all__ = [
    "DEFAULT_PRIORS",
    "PROFILES",
    "Descriptor",
    "Disease",
    "Form",
    "LesionPlan",
    "PlacedLesion",
    "Rendered",
    "Sign",
    "Station",
    "Zone",
    "bayes_error",
    "confinement",
    "draw_class",
    "draw_disease",
    "error_floor",
    "place_lesions",
    "posterior",
    "render",
    "render_fine",
    "true_lesion",
]
