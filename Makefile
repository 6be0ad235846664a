# Set-up, tests and demonstration. On a fresh machine: Python 3.11, a C compiler and make.
PYTHON ?= python3.11
VENV := .venv
RUN := $(VENV)/bin/python
DEMO := demo
LABEL_DEMO ?= $(DEMO)/label
STUDY ?=
SEED ?= 0
COHORT ?= out/cohort
export MAP_PYTHON ?=
# Without bytecode files every command would compile torch and MONAI anew, which takes longer than most of them.
export PYTHONDONTWRITEBYTECODE =

.PHONY: setup demo label-demo test test-slow lint format pictures benchmark benchmark-classification benchmark-phantom benchmark-phantom-classes benchmark-radiomics benchmark-map map map-context clean

setup: $(VENV)/ready

$(VENV)/ready: requirements.lock pyproject.toml scripts/setup
	PYTHON=$(PYTHON) scripts/setup $(VENV)
	touch $@

demo: setup
ifeq ($(STUDY),)
	$(RUN) -m fdglung phantom $(DEMO)/phantom-$(SEED) --seed $(SEED)
	$(RUN) -m fdglung analyze $(DEMO)/phantom-$(SEED)/study_0001/dicom $(DEMO)/report --overwrite
else
	$(RUN) -m fdglung analyze "$(STUDY)" $(DEMO)/report --overwrite
endif
	@echo "Open $(DEMO)/report/report.pdf"

# Orthanc, synthetic studies, the label server and both OHIF viewers on loopback, until Ctrl-C.
label-demo: setup
	$(RUN) -m labelapp.demo $(LABEL_DEMO)

test: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(RUN) -m pytest -m "not slow" -n 2 --dist loadfile --durations 40 --durations-min 5

test-slow: setup
	$(RUN) -m pytest -m slow

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: setup
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix .

pictures: setup
	$(RUN) docs/pictures.py

benchmark: setup
	$(RUN) -m benchmarks.study

benchmark-phantom: setup
	$(RUN) -m benchmarks.phantom_scanner
	$(RUN) -m benchmarks.phantom_realism
	$(RUN) -m benchmarks.phantom_pipeline
	$(RUN) -m benchmarks.phantom_speed

benchmark-classification: setup
	$(RUN) -m benchmarks.classification

# The shipped classifier of synthetic lesions, from nothing: hours for the studies, then minutes.
benchmark-phantom-classes: setup
	$(RUN) -m fdglung phantom $(COHORT)-training --cohort benchmarks/cohort_classes_training.yaml --workers 2
	$(RUN) -m fdglung phantom $(COHORT)-training-more --cohort benchmarks/cohort_classes_training_more.yaml --workers 2
	$(RUN) -m fdglung phantom $(COHORT)-tests --cohort benchmarks/cohort_classes.yaml --workers 2
	$(RUN) -m fdglung phantom $(COHORT)-centre --cohort benchmarks/cohort_external_centre.yaml --workers 2
	$(RUN) -m fdglung phantom $(COHORT)-further --cohort benchmarks/cohort.yaml --workers 2
	$(RUN) -m benchmarks.phantom_classes features $(COHORT)-trained $(COHORT)-training $(COHORT)-training-more --most 4
	$(RUN) -m benchmarks.phantom_classes features $(COHORT)-tested $(COHORT)-tests --set external=new_scanner
	$(RUN) -m benchmarks.phantom_classes features $(COHORT)-centre-tested $(COHORT)-centre --set external=external_centre
	$(RUN) -m benchmarks.phantom_classes features $(COHORT)-further-tested $(COHORT)-further --set train=further --set validation=further --set internal_test=further
	$(RUN) -m benchmarks.phantom_classes train $(COHORT)-trained
	$(RUN) -m benchmarks.phantom_classes evaluate $(COHORT)-trained --tests $(COHORT)-tested --centre $(COHORT)-centre-tested --further $(COHORT)-further-tested
	$(RUN) -m benchmarks.phantom_classes found $(COHORT)-trained $(COHORT)-tested
	$(RUN) -m benchmarks.phantom_classes found $(COHORT)-trained $(COHORT)-tested --method network
	$(RUN) -m benchmarks.phantom_classes found $(COHORT)-trained $(COHORT)-tested --method network_40
	$(RUN) -m benchmarks.phantom_classes checks $(COHORT)-trained $(COHORT)-tested

benchmark-radiomics: setup
	$(RUN) -m benchmarks.radiomics

# The MONAI Application Package: an image by `monai-deploy package`, or the folder that it is built from.
map: setup
	$(RUN) -m apps.lesion_report.packager image

map-context: setup
	$(RUN) -m apps.lesion_report.packager context build/map

# Sizes, start-up, time and memory of the package in a clean environment of the image's Python.
benchmark-map: setup
	rm -rf build/map-benchmark
	$(RUN) -m apps.lesion_report.packager context build/map-benchmark/context
	build/map-tools/bin/python -m venv build/map-benchmark/environment
	cd / && $(CURDIR)/build/map-benchmark/environment/bin/python -m pip install --quiet \
		-r $(CURDIR)/build/map-benchmark/context/pip/requirements.txt
	$(RUN) -m benchmarks.map build/map-benchmark/context build/map-benchmark/environment

benchmark-segmentation: setup
	$(RUN) -m fdglung phantom $(COHORT) --cohort benchmarks/cohort.yaml --workers 2
	$(RUN) -m benchmarks.segmentation phantoms $(COHORT)
	$(RUN) -m benchmarks.segmentation speed $(COHORT)

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info
