from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from fdglung import cli
from fdglung.radiomics.harmonisation import Harmoniser

SHIFTS = {"Ulm": (0.0, 1.0), "Bonn": (5.0, 2.0)}
FEATURES = ["PET_suv_max", "PET_original_stat_mean_Q4LE", "CT_original_stat_mean_Q4LE"]


def centre_table(name, *, cases=40, seed=0):
    """Return lesions of one distribution, then shifted and scaled as the centre does."""
    shift, scale = SHIFTS.get(name, (-4.0, 0.5))
    values = np.random.default_rng([seed, len(name)]).normal(10, 1, (cases, 3))
    table = pd.DataFrame(shift + scale * values, columns=FEATURES)
    table.insert(0, "lesion", range(1, cases + 1))
    table.insert(1, "status", "ok")
    table["volume_group"] = ["a", "b"] * (cases // 2)
    return table


@pytest.fixture
def files(tmp_path):
    paths = {}
    for name in ("Ulm", "Bonn", "Jena"):
        paths[name] = tmp_path / f"{name}.csv"
        centre_table(name).to_csv(paths[name], index=False)
    return paths


def named(files, *names):
    return [f"{name}={files[name]}" for name in names]


def run(*given):
    return cli.main(["harmonise", *map(str, given)])


def test_centres_come_to_one_mean_and_spread(files, tmp_path, capsys):
    out = tmp_path / "harmonised.csv"
    assert run(*named(files, "Ulm", "Bonn"), "--out", out, "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    done = pd.read_csv(out)
    assert (printed["centres"], printed["cases"]) == (["Bonn", "Ulm"], {"fitted": 80})
    groups = done.groupby("centre")[FEATURES]
    before = abs(centre_table("Ulm")[FEATURES].mean() - centre_table("Bonn")[FEATURES].mean())
    assert (before > 10).all()
    assert (abs(groups.mean().loc["Ulm"] - groups.mean().loc["Bonn"]) < 0.05 * before).all()
    # Spreads twice as wide; empirical Bayes, with three features only, draws factors somewhat towards each other.
    assert (abs(np.log(groups.std().loc["Ulm"] / groups.std().loc["Bonn"])) < 0.2).all()
    assert done["lesion"].tolist() == [*range(1, 41)] * 2
    assert set(done["volume_group"]) == {"a", "b"}


def test_the_column_names_the_centre_as_well_and_values_are_the_estimators(files, tmp_path):
    both = pd.concat([centre_table(name).assign(site=name) for name in ("Ulm", "Bonn")], ignore_index=True)
    both.to_csv(tmp_path / "both.csv", index=False)
    out = tmp_path / "harmonised.csv"
    given = ("--centre", "site", "--covariate", "volume_group", "--reference-centre", "Ulm")
    assert run(tmp_path / "both.csv", "--out", out, *given) == 0
    estimator = Harmoniser("site", covariates=["volume_group"], reference_centre="Ulm")
    truth = estimator.fit_transform(both[["site", "volume_group", *FEATURES]])
    done = pd.read_csv(out, float_precision="round_trip")
    np.testing.assert_allclose(done[FEATURES], truth[FEATURES], rtol=1e-12)
    np.testing.assert_array_equal(done[FEATURES][:40], both[FEATURES][:40])


def test_an_unseen_centre_is_refused_unless_a_policy_is_chosen(files, tmp_path, capsys):
    out = tmp_path / "harmonised.csv"
    train = ("--train", *named(files, "Ulm", "Bonn"))
    assert run(*named(files, "Jena"), "--out", out, *train) == cli.EXIT_BAD_INPUT
    assert "no case of Jena" in capsys.readouterr().err
    assert not out.exists()
    assert run(*named(files, "Jena"), "--out", out, *train, "--unseen", "reference") == 0
    done = pd.read_csv(out)
    assert set(done["harmonisation"]) == {"left"}
    np.testing.assert_allclose(done[FEATURES], centre_table("Jena")[FEATURES], rtol=1e-12)
    assert run(*named(files, "Jena"), "--out", out, *train, "--unseen", "own", "--overwrite") == 0
    done = pd.read_csv(out)
    assert set(done["harmonisation"]) == {"own"}
    pooled = pd.concat([centre_table("Ulm"), centre_table("Bonn")])[FEATURES].mean()
    np.testing.assert_allclose(done[FEATURES].mean(), pooled, rtol=1e-9)


def test_a_feature_that_a_lesion_lacks_is_refused_or_left_out_as_asked(files, tmp_path, capsys):
    holed = centre_table("Ulm")
    holed.loc[3, FEATURES[0]] = np.nan
    holed.to_csv(files["Ulm"], index=False)
    out = tmp_path / "harmonised.csv"
    given = (*named(files, "Ulm", "Bonn"), "--out", out)
    assert run(*given) == cli.EXIT_BAD_INPUT
    assert FEATURES[0] in capsys.readouterr().err
    assert run(*given, "--incomplete", "features", "--json") == 0
    assert json.loads(capsys.readouterr().out)["left_out"]["features left out"] == [FEATURES[0]]
    assert FEATURES[0] not in pd.read_csv(out).columns
    assert run(*given, "--incomplete", "lesions", "--overwrite", "--json") == 0
    assert json.loads(capsys.readouterr().out)["left_out"]["lesions left out"] == ["4"]
    done = pd.read_csv(out)
    assert len(done) == 79
    assert not done[FEATURES].isna().any().any()


def test_what_cannot_be_used_ends_with_its_reason(files, tmp_path, capsys):
    out = tmp_path / "harmonised.csv"
    for given, said in (
        ((tmp_path / "none.csv", "--out", out), "cannot be read"),
        ((files["Ulm"], "--out", out), "centre"),
        ((*named(files, "Ulm", "Bonn"), "--out", tmp_path / "a.xls"), "output file"),
        ((*named(files, "Ulm", "Bonn"), "--out", out, "--covariate", "age"), "age"),
        ((*named(files, "Ulm", "Bonn"), "--out", files["Jena"]), "exists"),
    ):
        assert run(*given) == cli.EXIT_BAD_INPUT
        assert said in capsys.readouterr().err
