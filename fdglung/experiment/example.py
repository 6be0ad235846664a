"""A commented configuration of a study."""

EXAMPLE = """\
# A study: what stands here but for title, out, data and sets is the default. Paths start from this file's folder.
format: fdglung study
format_version: 1
title: FDG-avid lung lesions, four classes
out: study                      # output folder; the same command takes up a run that was interrupted

data:
  cohort: cohort                # a folder of `fdglung phantom --format nifti`, or instead of it:
  # studies: studies.csv        # study, pet (SUVbw, NIfTI), ct (HU), reference (label image), patient, centre, set, and
                                # class if all lesions of a study share it; or a MONAI datalist (.json)
  # lesions: lesions.csv        # study, lesion (value in the reference), class
  # clinical: clinical.csv      # patient, and any columns: age, sex, LDH ...
  centre: centre                # the column that names the centre (of a cohort: scanner)
  synthetic: false              # true where no person was scanned; a cohort is
  at_most: {}                   # {training: 60} uses the first 60 studies of a set

sets:                           # set of the report: values of the column set; other values are left out, and counted
  training: [train, validation]
  internal_test: [internal_test]
  external: [external]

reference:                      # lesions of the references below these are neither right nor false where they are found
  min_suv_max: 0                # g/ml, in the image
  min_volume_ml: 0

segmentation:                   # as `fdglung analyze`
  method: threshold             # or network
  region: lungs                 # or all
  checkpoints: []               # files of networks; none for the one that ships
  backend: auto
  flips: false
  probability: 0.5              # network: lowest probability of a voxel
  min_suv: 0
  min_volume_ml: 0.3
  seed_suv: 2.5                 # threshold: lowest SUVmax
  reference_factor: 1.5
  saddle_fraction: 0.7
  overlap: 0.5
lung_weights: null              # of lungmask's network; sides, lobes: a narrow one

voi_percent: 40                 # a lesion's VOI: voxels of its outline from this percentage of its SUVmax on

radiomics: {}                   # keys of `fdglung radiomics --settings`, or the name of such a file

classifiers:                    # the first is the main one; the others are compared with it on the same lesions
  radiomics:
    config: {}                  # keys of `fdglung train-classifier --config`
  # conventional:               # SUV, volume and TLG alone: does radiomics add to them?
  #   config: {features: [PET_suv_, PET_mtv_ml, PET_tlg_g]}
  # image:                      # a residual network of PET and CT patches about each VOI
  #   network: {}               # keys of `fdglung train-image-classifier --config`
  # other:                      # ran elsewhere on OUT/studies/*/lesions/voi.nii.gz
  #   predictions: other.csv    # case, lesion, probability_CLASS of every lesion of the test sets
  #   about: a network of ours

evaluation: {resamples: 2000, seed: 0, confidence: 0.95, bins: 10, tolerance_mm: 2}

statistics:
  table: null                   # a CSV; null for the table of patients that the study makes
  groups: [class, set]          # columns to group by, an analysis each
  categorical: []
  ignore: []
  correlate: null
  response: null                # column of treatment response
  variances: unequal
  alpha: 0.05
  confidence: 0.95
  resamples: 100000
  seed: 0

answers: {}                     # what only the authors can say of a checklist's items, by number:
  # metrics: {2: {answer: yes, evidence: "Adults with ..., see the section on patients"}}
  # claim: {44: {answer: yes, evidence: "Funded by ..."}}

workers: 1                      # processes of radiomics and training
"""
"""Every key, with its default where it has one."""
