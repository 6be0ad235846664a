from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fdglung.classification import CautionKind, from_mapping, read_labelled
from fdglung.classification.joined_tables import with_given
from fdglung.classification.model_file import load_model, model_bytes
from fdglung.classification.nested import macro_auc
from fdglung.classification.prediction import classify
from fdglung.classification.training import train
from fdglung.errors import ClinicalTableError, DecisionTableError, ParameterError
from tests.classification.made import CLASSES, codes_of, lesions, write

SMALL = {"model": {"grid": {"C": [1.0]}}, "validation": {"outer_folds": 3, "inner_folds": 3}}
COLUMNS = {"numbers": ["ldh"], "categories": ["history"]}


def config(join="features", **more):
    return from_mapping(
        {**SMALL, "clinical": COLUMNS, "fusion": {"join": join, "model": {"grid": {"C": [1.0]}}}, **more}
    )


def patients_table(given, *, gaps=0):
    """Return a clinical table: the history tells the third class, LDH the first; radiomics tells all a little."""
    random = np.random.default_rng(1)
    labels = dict(zip(given.patients, given.labels, strict=True))
    rows = []
    for place, (patient, label) in enumerate(labels.items()):
        ldh = f"{180 + 60 * (label == CLASSES[0]) + 20 * random.normal():.1f}"
        history = ("tumour" if label == CLASSES[2] else "none") if random.random() < 0.9 else "other"
        rows.append({"patient": patient, "ldh": "" if place < gaps else ldh, "history": history})
    return pd.DataFrame(rows)


def read(folder, given, table, how):
    features, labels = write(folder, given)
    table.to_csv(folder / "clinical.csv", index=False)
    return read_labelled([features], labels, how, clinical=folder / "clinical.csv")


@pytest.fixture(scope="module")
def weak():
    return lesions(150, 10, told=3, gap=0.6)


@pytest.mark.parametrize("join", ["features", "decisions"])
def test_clinical_columns_add_what_they_tell(join, weak, tmp_path):
    joined = train(read(tmp_path, weak, patients_table(weak), config(join)), config(join))
    alone = train(weak, from_mapping(SMALL))
    assert macro_auc(joined.codes, joined.probabilities) > macro_auc(alone.codes, alone.probabilities) + 0.1
    assert "CLINICAL_history=tumour" in joined.model.selected
    assert joined.probabilities.sum(axis=1) == pytest.approx(np.ones(len(weak)))
    if join == "decisions":
        assert joined.model.chosen == {"clinical.C": 1.0, "radiomics.C": 1.0}
        alone_in = joined.folds[0].part_scores
        assert joined.folds[0].score > max(alone_in.values())
        assert set(alone_in) == {"radiomics", "clinical"}


def test_clinical_columns_without_meaning_take_little_away(tmp_path):
    strong = lesions(150, 10, told=3, gap=1.5)
    table = patients_table(strong)
    table[["ldh", "history"]] = table[["ldh", "history"]].sample(frac=1, random_state=3).to_numpy()
    joined = train(read(tmp_path, strong, table, config("decisions")), config("decisions"))
    alone = train(strong, from_mapping(SMALL))
    assert macro_auc(joined.codes, joined.probabilities) > macro_auc(alone.codes, alone.probabilities) - 0.05


def test_categories_are_columns_of_their_levels_and_gaps_have_one(weak, tmp_path):
    found = read(tmp_path, weak, patients_table(weak, gaps=4), config())
    assert found.names[:5] == (
        "CLINICAL_ldh",
        "CLINICAL_ldh:missing",
        *(f"CLINICAL_history={level}" for level in ("none", "other", "tumour")),
    )
    assert np.isnan(found.values[:8, 0]).all()
    assert found.values[:10, 1].tolist() == [1.0] * 8 + [0.0] * 2
    assert (found.values[:, 2:5].sum(axis=1) == 1).all()
    (caution,) = (one for one in found.cautions if one.kind is CautionKind.MISSING_CLINICAL)
    assert "ldh (8 of 150)" in caution.text


@pytest.mark.parametrize("join", ["features", "decisions"])
def test_a_model_from_a_file_works_with_missing_clinical_values_and_says_so(join, weak, tmp_path):
    done = train(read(tmp_path, weak, patients_table(weak), config(join)), config(join))
    path = tmp_path / "model.skops"
    path.write_bytes(model_bytes(done.model))
    model = load_model(path)
    new = replace(lesions(6, 10, told=3, gap=0.6, seed=5), labels=("",) * 6)
    pd.DataFrame({"patient": ["p000", "p001"], "ldh": ["", "200"], "history": ["tumour", "odd"]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    found = classify(model, with_given(model, new, tmp_path / "new.csv", {}))
    texts = {one.kind: one.text for one in found.cautions}
    assert np.isfinite(found.probabilities).all()
    assert "rows 5, 6 have no clinical value history" in texts[CautionKind.MISSING_CLINICAL]
    assert "rows 3, 4: history is odd" in texts[CautionKind.UNKNOWN_LEVEL]
    # Lesion 1 is told to be of the third class by its history, lesion 5 by nothing.
    bare = classify(model, new)
    assert (found.probabilities[:2, 2] > bare.probabilities[:2, 2]).all()
    assert found.probabilities[4:] == pytest.approx(bare.probabilities[4:])
    assert any(one.kind is CautionKind.MISSING_CLINICAL for one in bare.cautions)


def test_the_table_that_cannot_be_is_an_error_with_its_rows_and_columns(weak, tmp_path):
    table = patients_table(weak)
    with pytest.raises(ClinicalTableError, match=r"ldh.*rows 3, 4.*no number: high"):
        read(tmp_path, weak, table.assign(ldh=["1", "high", *["2"] * (len(table) - 2)]), config())
    with pytest.raises(ClinicalTableError, match="no column history"):
        read(tmp_path, weak, table.drop(columns="history"), config())
    with pytest.raises(ClinicalTableError, match=r"row 76 of .* name"):
        read(tmp_path, weak, pd.concat([table, table[:1]]), config())
    with pytest.raises(ClinicalTableError, match="shares no column"):
        read(tmp_path, weak, table.rename(columns={"patient": "who"}), config())
    with pytest.raises(ClinicalTableError, match="75 different texts"):
        read(tmp_path, weak, table.assign(history=table["patient"]), config())


def test_columns_of_the_labels_are_taken_too(weak, tmp_path):
    features, labels = write(tmp_path, weak)
    table = pd.read_csv(labels, dtype=str)
    table["ldh"], table["history"] = "200", "none"
    table.loc[0, "history"] = "tumour"
    table.to_csv(labels, index=False)
    found = read_labelled([features], labels, config())
    assert found.values[:3, found.names.index("CLINICAL_history=tumour")].tolist() == [1.0, 0.0, 0.0]


def decisions(given, path, *, noise, folds=True):
    """Write what another model says: the truth, more or less."""
    random = np.random.default_rng(2)
    chances = np.exp(1.5 * np.eye(3)[codes_of(given)] + noise * random.normal(size=(len(given), 3)))
    table = pd.DataFrame({"patient": given.patients, "lesion": given.keys["lesion"], **({"fold": 1} if folds else {})})
    for code, name in enumerate(CLASSES):
        table[f"probability_{name}"] = chances[:, code] / chances.sum(axis=1)
    table.to_csv(path, index=False)
    return path


def test_another_models_decisions_are_joined(weak, tmp_path):
    how = from_mapping({**SMALL, "fusion": {"join": "decisions", "model": {"grid": {"C": [1.0]}}}})
    features, labels = write(tmp_path, weak)
    image = decisions(weak, tmp_path / "image.csv", noise=1.0)
    given = read_labelled([features], labels, how, decisions={"image": image})
    joined = train(given, how)
    scores = {name: [fold.part_scores[name] for fold in joined.folds] for name in ("radiomics", "image")}
    alone = train(weak, from_mapping(SMALL))
    assert np.mean(scores["image"]) > np.mean(scores["radiomics"])
    assert macro_auc(joined.codes, joined.probabilities) > macro_auc(alone.codes, alone.probabilities) + 0.1
    bare = classify(joined.model, replace(weak, labels=("",) * len(weak)))
    assert any(one.kind is CautionKind.MISSING_DECISIONS for one in bare.cautions)
    assert np.isfinite(bare.probabilities).all()
    with pytest.raises(ParameterError, match="without decisions of other"):
        with_given(joined.model, weak, None, {"other": image})


def test_decisions_that_cannot_be_are_errors_and_unknown_folds_are_told(weak, tmp_path):
    features, labels = write(tmp_path, weak)
    how = from_mapping(SMALL)
    image = decisions(weak, tmp_path / "image.csv", noise=1.0, folds=False)
    found = read_labelled([features], labels, how, decisions={"image": image})
    assert CautionKind.UNKNOWN_FOLDS in {one.kind for one in found.cautions}
    table = pd.read_csv(image)
    table.drop(columns="probability_benign").to_csv(image, index=False)
    with pytest.raises(DecisionTableError, match="no column probability_benign"):
        read_labelled([features], labels, how, decisions={"image": image})
    table.loc[4, "probability_benign"] = 1.5
    table.to_csv(image, index=False)
    with pytest.raises(DecisionTableError, match="row 5 of"):
        read_labelled([features], labels, how, decisions={"image": image})
