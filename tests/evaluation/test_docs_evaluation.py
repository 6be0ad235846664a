from __future__ import annotations

import json
import re
import shlex

from fdglung import cli
from tests.cases import ROOT

PAGE = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(code, "docs/evaluation.md", "exec"), {})
    command = re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)[-1].replace("\\\n", " ")
    assert cli.main(shlex.split(command)[1:]) == 0
    counts = json.loads((tmp_path / "evaluation" / "summary.json").read_text(encoding="utf-8"))["counts"]
    assert (counts["cases"], counts["patients"], counts["cases_without_lesions"]) == (12, 6, 3)


def test_the_page_names_every_file_that_is_written():
    for name in ("cases.csv", "lesions.csv", "predicted.csv", "summary.csv", "summary.json", "froc.csv"):
        assert f"`{name}`" in PAGE
