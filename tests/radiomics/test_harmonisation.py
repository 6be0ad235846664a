from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fdglung.errors import InputError, ParameterError
from fdglung.radiomics.harmonisation import ENGINES, FITTED, LEFT, OWN, Harmoniser, UnseenCentreError

FEATURES = [f"f{index}" for index in range(40)]
UNITS = np.geomspace(1e-6, 1e4, len(FEATURES))
"""Spread of the features: coarseness is about 1e-4, a volume 1e4."""


def truth(cases, *, seed=0):
    """Return features without any effect of a centre, of very different units; 10 spreads above 0."""
    return (10 + np.random.default_rng(seed).standard_normal((cases, len(FEATURES)))) * UNITS


def effect(seed):
    """Return a shift, in spreads, and a factor for each feature."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, len(FEATURES)), np.exp(rng.normal(0, 0.5, len(FEATURES)))


def scanned(values, seed):
    """Return values as a centre would measure them: spread about their level by a factor, and shifted."""
    shift, factor = effect(seed)
    return (values - 10 * UNITS) * factor + (10 + shift) * UNITS


def table_of(values, centre, **columns):
    return pd.DataFrame(values, columns=FEATURES).assign(centre=centre, **columns)


def cohort(*, cases=3000):
    """Return the same cases at centres A, B and C, each with its effect; A has none."""
    values = truth(cases)
    parts = [table_of(values if seed is None else scanned(values, seed), name) for name, seed in CENTRES.items()]
    return pd.concat(parts, ignore_index=True)


CENTRES = {"A": None, "B": 5, "C": 6}


def numbers(table):
    return table[FEATURES].to_numpy()


def gap(table, centres, first, second):
    """Return the largest difference of means in spreads, and the largest ratio of spreads."""
    one, other = (numbers(table)[(centres == name).to_numpy()] for name in (first, second))
    means = np.abs(one.mean(axis=0) - other.mean(axis=0)) / one.std(axis=0)
    ratios = np.abs(np.log(one.std(axis=0) / other.std(axis=0)))
    return means.max(), np.exp(ratios.max())


def test_shifts_and_factors_of_centres_are_taken_out():
    table = cohort()
    before = gap(table, table["centre"], "A", "B")
    done = Harmoniser().fit_transform(table)
    assert before[0] > 3
    assert before[1] > 2
    for centre in ("B", "C"):
        means, ratio = gap(done, table["centre"], "A", centre)
        # Empirical Bayes pulls an effect towards that of other features by a few in the number of cases.
        assert means < 0.02
        assert ratio < 1.02
    assert set(done["harmonisation"]) == {FITTED}


def test_location_and_scale_are_those_of_johnsons_equations():
    """Biostatistics 2007;8:118, section 3: posterior means, found by repeated substitution."""
    table = cohort(cases=30)
    values = numbers(table) / UNITS
    centres = table["centre"].to_numpy()
    own_means = table.groupby("centre")[FEATURES].transform("mean").to_numpy() / UNITS
    pooled = ((values - own_means) ** 2).mean(axis=0)
    z = (values - values.mean(axis=0)) / np.sqrt(pooled)
    truth_of = np.empty_like(values)
    for centre in CENTRES:
        part = z[centres == centre]
        n, gamma, delta = len(part), part.mean(axis=0), part.var(axis=0, ddof=1)
        mean, spread = gamma.mean(), gamma.var(ddof=1)
        m, s = delta.mean(), delta.var(ddof=1)
        shape, rate = m**2 / s + 2, m**3 / s + m
        gamma_star, delta_star = gamma, delta
        for _ in range(500):
            gamma_star = (n * spread * gamma + delta_star * mean) / (n * spread + delta_star)
            delta_star = (rate + ((part - gamma_star) ** 2).sum(axis=0) / 2) / (n / 2 + shape - 1)
        adjusted = (part - gamma_star) / np.sqrt(delta_star)
        truth_of[centres == centre] = adjusted * np.sqrt(pooled) + values.mean(axis=0)
    found = numbers(Harmoniser().fit_transform(table)) / UNITS
    np.testing.assert_allclose(found, truth_of, rtol=0, atol=1e-6)


def test_engine_combatlearn_gives_that_packages_values():
    combatlearn = pytest.importorskip("combatlearn", reason="combatlearn is not installed")
    table = mixed(cases=60)
    # In spreads, so that the 1e-8 that it adds to variances does not count.
    values = pd.DataFrame(numbers(table) / UNITS)
    package = combatlearn.ComBat(
        table["centre"],
        discrete_covariates=table[["kind"]],
        continuous_covariates=table[["age"]],
        method="fortin",
    )
    package_values = package.fit_transform(values).to_numpy()
    found = Harmoniser(covariates=["kind", "age"], engine="combatlearn").fit_transform(table)
    np.testing.assert_allclose(numbers(found) / UNITS, package_values, rtol=0, atol=1e-5)
    by_paper = Harmoniser(covariates=["kind", "age"]).fit_transform(table)
    assert np.abs(numbers(by_paper) / UNITS - package_values).max() > 1e-3


def test_the_same_case_has_the_same_features_at_every_centre():
    table = cohort()
    done = Harmoniser(status_column=None).fit_transform(table)
    a, b = (numbers(done)[(table["centre"] == name).to_numpy()] for name in "AB")
    assert np.abs((a - b) / UNITS).max() < 0.2
    assert min(np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(len(FEATURES))) > 1 - 1e-9


def test_small_units_are_harmonised_like_large_ones():
    """combatlearn by itself adds 1e-8 to variances, ten thousand times that of the smallest feature here."""
    table = cohort(cases=100)
    scaled = table.assign(**{name: table[name] / unit for name, unit in zip(FEATURES, UNITS, strict=True)})
    for engine in ENGINES:
        if engine == "combatlearn":
            pytest.importorskip("combatlearn", reason="combatlearn is not installed")
        plain, other = (numbers(Harmoniser(engine=engine).fit_transform(one)) for one in (table, scaled))
        np.testing.assert_allclose(plain / UNITS, other, rtol=1e-7)


def test_cases_of_the_reference_centre_stay_and_others_join_them():
    table = cohort()
    done = Harmoniser(reference_centre="A").fit_transform(table)
    here = (table["centre"] == "A").to_numpy()
    np.testing.assert_allclose(numbers(done)[here], numbers(table)[here], rtol=1e-12)
    means, ratio = gap(done, table["centre"], "A", "C")
    assert means < 0.02
    assert ratio < 1.02


def test_mean_only_leaves_the_spread():
    table = cohort()
    done = Harmoniser(mean_only=True).fit_transform(table)
    for centre in "AB":
        here = (table["centre"] == centre).to_numpy()
        np.testing.assert_allclose(numbers(done)[here].std(axis=0), numbers(table)[here].std(axis=0), rtol=1e-9)
    assert gap(done, table["centre"], "A", "B")[0] < 0.1


def mixed(*, cases=400, size=2.0):
    """Return two centres with 80 and 20 % of a class that raises every feature by `size` spreads; and by 0.1 a year."""
    rng = np.random.default_rng(1)
    parts = []
    for name, share, seed in (("A", 0.8, None), ("B", 0.2, 5)):
        group = rng.random(cases) < share
        age = rng.uniform(40, 80, cases)
        values = truth(cases, seed=len(parts)) + (size * group + 0.1 * (age - 60))[:, None] * UNITS
        if seed is not None:
            shift, factor = effect(seed)
            values = (values - 10 * UNITS) * factor + (10 + shift) * UNITS
        parts.append(table_of(values, name, kind=np.where(group, "tumour", "benign"), age=age))
    return pd.concat(parts, ignore_index=True)


def slopes(table, covariates):
    """Return effects of class and age, in spreads, by least squares over both centres without regard to centre."""
    group = (covariates["kind"] == "tumour").to_numpy(float)
    design = np.column_stack([np.ones(len(group)), group, covariates["age"] - 60])
    return np.linalg.lstsq(design, numbers(table) / UNITS, rcond=None)[0][1:]


def test_effects_of_covariates_are_kept():
    table = mixed()
    kept = slopes(Harmoniser(covariates=["kind", "age"]).fit_transform(table), table)
    lost = slopes(Harmoniser().fit_transform(table.drop(columns=["kind", "age"])), table)
    # ComBat's scale lies between those of the centres, whose factors have a mean logarithm of about 0.
    assert kept[0].mean() == pytest.approx(2.0, rel=0.2)
    assert kept[1].mean() == pytest.approx(0.1, rel=0.2)
    assert lost[0].mean() < 0.75 * kept[0].mean()


def test_a_shift_beside_a_covariate_is_taken_out_and_the_covariate_is_not():
    """With factors of 1 there is a closed form: the effects are 2 and 0.1 spreads."""
    table = mixed()
    at_b = (table["centre"] == "B").to_numpy()
    _, factor = effect(5)
    shift, _ = effect(5)
    plain = (numbers(table)[at_b] - (10 + shift) * UNITS) / factor + 10 * UNITS
    table.loc[at_b, FEATURES] = plain + shift * UNITS
    done = Harmoniser(covariates=["kind", "age"]).fit_transform(table)
    kept = slopes(done, table)
    # The standard error of a mean difference of 800 cases is 0.07.
    np.testing.assert_allclose(kept[0], 2.0, atol=0.35)
    np.testing.assert_allclose(kept[1], 0.1, atol=0.02)
    assert kept[0].mean() == pytest.approx(2.0, abs=0.05)


def test_cases_depend_on_the_training_data_and_on_no_other_case():
    table = cohort(cases=60)
    train, rest = table.iloc[::2], table.iloc[1::2]
    fitted = Harmoniser().fit(train)
    together = fitted.transform(rest)
    for start in range(0, len(rest), 17):
        alone = fitted.transform(rest.iloc[start : start + 1])
        np.testing.assert_allclose(numbers(alone), numbers(together)[start : start + 1], rtol=1e-12)
    shuffled = fitted.transform(rest.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(shuffled.loc[rest.index], together, rtol=1e-12)


def test_categories_mean_the_same_in_any_part_of_the_table():
    table = mixed(cases=80)
    fitted = Harmoniser(covariates=["kind", "age"]).fit(table)
    whole = fitted.transform(table)
    for kind in ("benign", "tumour"):
        part = table[table["kind"] == kind]
        pd.testing.assert_frame_equal(fitted.transform(part), whole.loc[part.index], rtol=1e-12)


def unseen(*, cases=200, seed=9):
    return table_of(scanned(truth(cases, seed=77), seed), "D")


def test_an_unseen_centre_is_refused_by_name_unless_a_policy_is_chosen():
    fitted = Harmoniser().fit(cohort(cases=50))
    with pytest.raises(UnseenCentreError, match="no case of D") as caught:
        fitted.transform(unseen())
    assert caught.value.attribute == "centre"
    assert 'unseen="own"' in caught.value.remedy
    assert isinstance(caught.value, InputError)


def test_policy_reference_leaves_cases_as_they_are_and_says_so():
    table, new = cohort(cases=50), unseen()
    both = pd.concat([table.iloc[:5], new], ignore_index=True)
    done = Harmoniser(unseen="reference", reference_centre="A").fit(table).transform(both)
    np.testing.assert_array_equal(numbers(done)[5:], numbers(new))
    assert list(done["harmonisation"]) == [FITTED] * 5 + [LEFT] * len(new)


def test_policy_own_gives_an_unseen_centre_the_pooled_mean_and_variance():
    table, new = cohort(), unseen()
    fitted = Harmoniser(unseen="own").fit(table)
    done = fitted.transform(new)
    assert set(done["harmonisation"]) == {OWN}
    # Weighted mean of centres' means, and mean square about them.
    means = table.groupby("centre")[FEATURES].transform("mean")
    pooled_mean = numbers(table).mean(axis=0)
    pooled_variance = ((numbers(table) - means.to_numpy()) ** 2).mean(axis=0)
    np.testing.assert_allclose(numbers(done).mean(axis=0), pooled_mean, rtol=1e-9)
    np.testing.assert_allclose(numbers(done).var(axis=0, ddof=1), pooled_variance, rtol=1e-6)
    for i in range(0, len(FEATURES), 7):
        assert np.corrcoef(numbers(done)[:, i], numbers(new)[:, i])[0, 1] == pytest.approx(1, abs=1e-9)


def test_policy_own_takes_another_mix_of_covariates_for_what_it_is():
    """A new centre with none but tumours must not be pulled to the mean of a mixed training set."""
    table = mixed(size=4.0)
    rng = np.random.default_rng(3)
    age = rng.uniform(40, 80, 300)
    clean = truth(300, seed=8) + (4.0 + 0.1 * (age - 60))[:, None] * UNITS
    new = table_of(clean + 7 * UNITS, "D", kind="tumour", age=age)
    fitted = Harmoniser(covariates=["kind", "age"], unseen="own").fit(table)
    trained = fitted.transform(table)
    tumours = numbers(trained)[(table["kind"] == "tumour").to_numpy()].mean(axis=0)
    everyone = numbers(trained).mean(axis=0)
    found = numbers(fitted.transform(new)).mean(axis=0)
    assert np.abs((found - tumours) / UNITS).mean() < 0.15
    assert ((found - everyone) / UNITS).mean() > 1


def test_policy_own_needs_enough_cases():
    fitted = Harmoniser(unseen="own", least_cases=30).fit(cohort(cases=50))
    assert len(fitted.transform(unseen(cases=30))) == 30
    with pytest.raises(UnseenCentreError, match=r"D \(29\): at least 30"):
        fitted.transform(unseen(cases=29))


def test_known_cases_come_out_the_same_beside_an_unseen_centre():
    table = cohort(cases=50)
    fitted = Harmoniser(unseen="own").fit(table)
    alone = fitted.transform(table)
    beside = fitted.transform(pd.concat([unseen(cases=40), table], ignore_index=True))
    np.testing.assert_allclose(numbers(beside)[40:], numbers(alone), rtol=1e-12)


def test_features_that_do_not_vary_within_centres_are_left_and_named():
    table = cohort(cases=50)
    table["f3"] = 2.5
    table["f4"] = table["centre"].map({"A": 1.0, "B": 2.0, "C": 3.0})
    fitted = Harmoniser().fit(table)
    assert fitted.left_features_ == ["f3", "f4"]
    done = fitted.transform(table)
    np.testing.assert_array_equal(done[["f3", "f4"]], table[["f3", "f4"]])
    assert np.isfinite(numbers(done)).all()


def test_it_lives_in_a_pipeline_and_is_fitted_in_each_fold():
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(4)
    group = rng.random(240) < 0.5
    values = truth(240, seed=2)
    values[:, :3] += 1.5 * group[:, None] * UNITS[:3]
    at_b = np.arange(240) % 2 == 1
    values[at_b] = scanned(values[at_b], 5)
    table = table_of(values, np.where(at_b, "B", "A"))
    step = Harmoniser(status_column=None)
    scores = cross_val_score(
        make_pipeline(step, StandardScaler(), LogisticRegression(C=0.05)), table, group, cv=4, scoring="roc_auc"
    )
    assert scores.mean() > 0.9
    assert clone(step).get_params() == step.get_params()
    assert not hasattr(step, "features_")


def test_index_and_names_of_the_table_are_kept():
    table = cohort(cases=20)
    table.index = [f"case {i}" for i in range(len(table))]
    fitted = Harmoniser().fit(table)
    done = fitted.transform(table[::-1])
    assert list(done.index) == list(table.index[::-1])
    assert list(done.columns) == list(fitted.get_feature_names_out()) == [*FEATURES, "harmonisation"]


@pytest.mark.parametrize(
    ("options", "change", "attribute"),
    [
        ({"unseen": "ignore"}, {}, "unseen"),
        ({"least_cases": 1}, {}, "least_cases"),
        ({"engine": "sva"}, {}, "engine"),
        ({"covariates": "kind"}, {}, "covariates"),
        ({"covariates": ["age"]}, {}, "age"),
        ({"reference_centre": "Z"}, {}, "reference_centre"),
        ({}, {"centre": "A"}, "centre"),
        ({}, {"f2": np.nan}, "f2"),
        ({}, {"f2": "high"}, "f2"),
        ({"covariates": ["vendor"]}, {"vendor": "as centre"}, "vendor=B, vendor=C"),
    ],
)
def test_what_cannot_be_is_refused_by_name(options, change, attribute):
    table = cohort(cases=20)
    change = {name: table["centre"] if value == "as centre" else value for name, value in change.items()}
    with pytest.raises(ParameterError) as caught:
        Harmoniser(**options).fit(table.assign(**change))
    assert caught.value.attribute == attribute


def test_a_category_or_column_that_training_had_not_is_refused_by_name():
    table = mixed(cases=40)
    fitted = Harmoniser(covariates=["kind", "age"]).fit(table)
    with pytest.raises(ParameterError, match="no scar"):
        fitted.transform(table.assign(kind="scar"))
    with pytest.raises(ParameterError, match="f7"):
        fitted.transform(table.drop(columns="f7"))
