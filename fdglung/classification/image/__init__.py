"""Classes of lesions from the image itself: a residual network on PET and CT patches, and attention over a patient."""
