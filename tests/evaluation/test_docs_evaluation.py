from __future__ import annotations

import json
import re
import shlex

from fdglung import cli
from tests.cases import ROOT

PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def run_examples(page, which):
    """Run an example of a page in the current folder: its Python, and the command that stands below it."""
    code, below = re.findall(r"```python\n(.*?)```(.*?)(?=```python|\Z)", page, re.DOTALL)[which]
    exec(compile(code, "example", "exec"), {})
    command = re.search(r"```console\n\$ (.*?)```", below, re.DOTALL)[1].replace("\\\n", " ")
    assert cli.main(shlex.split(command)[1:]) == 0


def test_the_example_of_segmentation_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_examples(PAGE, 0)
    counts = json.loads((tmp_path / "evaluation" / "summary.json").read_text(encoding="utf-8"))["counts"]
    assert (counts["cases"], counts["patients"], counts["cases_without_lesions"]) == (12, 6, 3)


def test_the_example_of_classification_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_examples(PAGE, 1)
    document = json.loads((tmp_path / "classification" / "classification.json").read_text(encoding="utf-8"))
    (found,) = [
        row
        for row in document["comparison"]
        if (row["level"], row["set"], row["centre"], row["measure"], row["over"])
        == ("lesion", "external", "", "auc", "macro")
    ]
    assert found["difference_low"] > 0
    assert found["patients"] == 60
    for name in (tmp_path / "classification").iterdir():
        known = name.stem.split("_", 1)[1] if name.suffix in (".png", ".svg") else ""
        assert f"`{name.name}`" in PAGE or f"`…_{known}`" in PAGE


def test_the_example_of_statistics_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    run_examples(page, 0)
    document = json.loads((tmp_path / "statistics" / "statistics.json").read_text(encoding="utf-8"))
    assert document["groups"] == {"new": 30, "old": 30}
    assert len(document["tests"]) == 6
    for name in (tmp_path / "statistics").iterdir():
        assert f"`{name.name}`" in page


def test_the_page_names_every_file_that_is_written():
    for name in ("cases.csv", "lesions.csv", "predicted.csv", "summary.csv", "summary.json", "froc.csv"):
        assert f"`{name}`" in PAGE
