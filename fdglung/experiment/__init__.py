"""A whole study from a configuration: segmentation, radiomics, classifiers, evaluation, statistics and one report.

`run_experiment` is in `fdglung.experiment.run`; the configuration is read by `fdglung.experiment.config`.
"""
