"""Anatomy: the parts of a synthetic body, modelled once in canonical coordinates.

Canonical coordinates are those of a man of 176 cm and 75 kg, supine, at a lung inflation of 0.9: mm along the
patient's left (x), back (y) and head (z), the carina near the origin. `fdglung.phantom.frame.BodyFrame` carries them
to a subject.
"""
