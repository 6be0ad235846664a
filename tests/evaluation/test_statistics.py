from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from scipy import stats

from fdglung import RESEARCH_NOTICE, cli
from fdglung.errors import OutputExistsError, UnknownResponseError
from fdglung.evaluation.corrections import holm
from fdglung.evaluation.statistics import analyse_table
from fdglung.evaluation.statistics_settings import StatisticsSettings

FILES = {"table_one.csv", "values.csv", "tests.csv", "spearman.csv", "response.csv", "statistics.md", "statistics.json"}
SETTINGS = StatisticsSettings(categorical=("stage",), response="response")
RANDOM = np.random.default_rng(0)
N = 80
GROUP = np.array(["old", "new"])[np.arange(N) % 2]
AGE = np.round(RANDOM.normal(60, 9, N) + 5 * (GROUP == "new"), 1)
SUV = np.round(RANDOM.lognormal(2, 0.7, N), 3)
SUV[[4, 5, 10]] = np.nan
STAGE = RANDOM.integers(1, 5, N)
RESPONSE = RANDOM.choice(["CR", "PR", "SD", "PD", "NE", ""], N)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("statistics") / "t.csv"
    lines = [
        f"p{n},{GROUP[n]},{AGE[n]},{'' if np.isnan(SUV[n]) else SUV[n]},{STAGE[n]},{RESPONSE[n]}" for n in range(N)
    ]
    path.write_text("\n".join(["patient,group,age,suv|max,stage,response", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def done(path):
    return analyse_table(path, path.parent / "out", by="group", settings=SETTINGS)


def table(path):
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def split(values):
    return [values[name == GROUP] for name in ("new", "old")]


def test_a_column_that_looks_normal_has_means_and_welchs_t(done):
    row = done.find("age")
    new, old = split(AGE)
    assert (row.groups[0].mean, row.groups[0].sd) == pytest.approx((new.mean(), new.std(ddof=1)))
    assert row.test.name == "Welch's t"
    assert row.test.p == pytest.approx(stats.ttest_ind(new, old, equal_var=False).pvalue)
    spread = np.sqrt((new.var(ddof=1) + old.var(ddof=1)) / 2)
    assert row.difference == pytest.approx(abs(new.mean() - old.mean()) / spread)


def test_a_column_that_does_not_has_medians_and_counts_what_is_missing(done):
    row = done.find("suv|max")
    new, old = (values[~np.isnan(values)] for values in split(SUV))
    assert [side.missing for side in row.groups] == [1, 2]
    assert row.total.missing == 3
    assert (row.groups[1].median, row.groups[1].n) == (pytest.approx(np.median(old)), 38)
    assert row.test.name == "Mann-Whitney U, exact"
    assert row.test.p == pytest.approx(stats.mannwhitneyu(new, old, method="exact").pvalue)


def test_categories_are_counted_and_compared(done):
    row = done.find("stage")
    counts = np.array([[np.sum(values == stage) for stage in range(1, 5)] for values in split(STAGE)])
    assert np.array_equal([side.counts for side in row.groups], counts)
    assert row.test.p == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue)


def test_p_values_are_corrected_for_all_columns(done):
    p = [row.test.p for row in done.rows]
    assert [row.p_holm for row in done.rows] == pytest.approx(holm(p))
    assert len(done.rows) == 4


def test_columns_are_correlated_in_pairs(done):
    (one,) = done.correlations
    kept = ~np.isnan(SUV)
    assert (one.first, one.second) == ("age", "suv|max")
    assert one.found.rho == pytest.approx(stats.spearmanr(AGE[kept], SUV[kept]).statistic)


def test_response_stands_by_group(done):
    for name in ("old", "new"):
        texts = RESPONSE[name == GROUP]
        found = done.response.groups[name]
        assert found.objective.count == np.isin(texts, ["CR", "PR"]).sum()
        assert (found.objective.n, found.missing) == ((texts != "").sum(), (texts == "").sum())


def test_all_files_are_there_and_say_the_same(done):
    assert set(done.files) == FILES
    (age,) = [row for row in table(done.files["tests.csv"]) if row["column"] == "age"]
    assert float(age["p"]) == pytest.approx(done.find("age").test.p, rel=1e-7)
    (value,) = [row for row in table(done.files["values.csv"]) if (row["column"], row["group"]) == ("age", "new")]
    assert float(value["mean"]) == pytest.approx(done.find("age").groups[0].mean, rel=1e-7)
    document = json.loads(done.files["statistics.json"].read_text(encoding="utf-8"))
    assert document["notice"] == RESEARCH_NOTICE
    assert document["groups"] == {"new": 40, "old": 40}
    assert document["settings"]["variances"] == "unequal"
    assert document["software"]["scipy"]
    assert len(document["tests"]) == 4


def test_table_one_is_printed_as_a_paper_has_it(done):
    lines = table(done.files["table_one.csv"])
    new = split(AGE)[0]
    assert lines[0]["new (n=40)"] == f"{new.mean():.4g} ({new.std(ddof=1):.4g})"
    assert lines[1]["category"] == "median (Q1 to Q3)"
    assert lines[1]["missing"] == "1 / 2"
    count = np.sum(split(STAGE)[0] == 1)
    assert lines[2]["new (n=40)"] == f"{count} ({100 * count / 40:.1f} %)"


def test_the_page_has_the_notice_and_whole_tables(done):
    page = done.files["statistics.md"].read_text(encoding="utf-8")
    assert RESEARCH_NOTICE in page
    assert "suv\\|max" in page
    for title in ("Table 1", "Tests", "Spearman's correlation", "Treatment response"):
        assert f"## {title}\n" in page


def test_three_groups_and_many_columns_are_taken_too(tmp_path):
    random = np.random.default_rng(1)
    names = [f"f{n}" for n in range(25)]
    lines = [f"{'abc'[n % 3]},{','.join(map(repr, random.normal(size=25).tolist()))}" for n in range(90)]
    (tmp_path / "t.csv").write_text("\n".join([f"arm,{','.join(names)}", *lines]))
    found = analyse_table(tmp_path / "t.csv", tmp_path / "out", by="arm")
    assert {row.test.statistic_name for row in found.rows} <= {"F", "H"}
    assert "25 columns of numbers are many" in found.absent["correlations"]
    assert "spearman.csv" not in found.files
    chosen = StatisticsSettings(correlate=("f3", "f7", "f9"))
    again = analyse_table(tmp_path / "t.csv", tmp_path / "out", by="arm", settings=chosen, overwrite=True)
    assert [(one.first, one.second) for one in again.correlations] == [("f3", "f7"), ("f3", "f9"), ("f7", "f9")]


def test_a_bad_table_leaves_nothing_behind_and_an_earlier_output_stays(path, done, tmp_path):
    (tmp_path / "t.csv").write_text("group,response\na,CR\na,PD\nb,good\nb,CR\n")
    with pytest.raises(UnknownResponseError, match="good"):
        analyse_table(
            tmp_path / "t.csv", tmp_path / "out", by="group", settings=StatisticsSettings(response="response")
        )
    assert [one.name for one in tmp_path.iterdir()] == ["t.csv"]
    with pytest.raises(OutputExistsError):
        analyse_table(path, path.parent / "out", by="group")


def test_the_command_prints_tests_and_the_notice(path, tmp_path, capsys):
    command = ["statistics", str(path), "--by", "group", "--out", str(tmp_path / "out"), "--variances", "equal"]
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert "new (n=40), old (n=40)" in out
    assert "Student's t" in out
    assert "not there: response: no column was named" in out
    assert RESEARCH_NOTICE in out


def test_the_command_gives_json_and_the_kind_of_an_error(path, tmp_path, capsys):
    command = ["statistics", str(path), "--out", str(tmp_path / "out"), "--json", "--ignore", "stage", "--by"]
    assert cli.main([*command, "group"]) == 0
    found = json.loads(capsys.readouterr().out)["summary"]
    assert [row["column"] for row in found["tests"]] == ["age", "suv|max", "response"]
    assert cli.main([*command, "arm", "--overwrite"]) == cli.EXIT_BAD_INPUT
    assert json.loads(capsys.readouterr().out)["error"] == "MissingColumnError"
