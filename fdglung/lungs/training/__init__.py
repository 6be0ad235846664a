"""Training of a narrow network in lungmask's format, as `fdglung train-lungs` does it."""
