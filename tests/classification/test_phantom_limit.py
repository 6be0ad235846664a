from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.phantom_limit import described, described_in_context, match
from fdglung.phantom.lesions import draw_disease
from fdglung.phantom.uptake import time_factor


def truth_of(plans, *, left=0.99, waited_s=4200.0):
    started = datetime(2024, 1, 8, 12)
    rise = time_factor("tumour", waited_s)
    lesions = [
        SimpleNamespace(label=label, kind=plan.kind, signs=tuple(plan.signs), suv_max=left * rise * plan.suv_max)
        for label, plan in enumerate(plans, 1)
    ]
    acquisition = SimpleNamespace(started=started, injected=started - timedelta(seconds=waited_s), tracer="fdg")
    return SimpleNamespace(lesions=lesions, acquisition=acquisition)


def test_lesions_find_their_plans_where_some_had_no_room():
    disease = draw_disease(np.random.default_rng(3), "metastasis", overlap=0.0)
    kept = [plan for place, plan in enumerate(disease.plans) if place % 3 != 1]
    found = match(disease, truth_of(kept))
    assert len(kept) > 5
    assert [found[label] for label in range(1, len(kept) + 1)] == kept


def test_a_lesion_of_another_disease_has_no_plan():
    disease, other = (draw_disease(np.random.default_rng(n), "lung_cancer", overlap=0.0) for n in (1, 2))
    with pytest.raises(ValueError, match="lesion 1 has no plan"):
        match(disease, truth_of(other.plans))


def test_a_lesion_has_at_most_the_uptake_of_its_plan_and_a_fifth_less_at_most():
    disease = draw_disease(np.random.default_rng(3), "metastasis", overlap=0.0)
    (one, *_) = disease.plans
    alone = replace(disease, plans=(one,))
    assert match(alone, truth_of([one], left=0.85)) == {1: one}
    assert match(alone, truth_of([one], left=1.0)) == {1: one}
    for left in (0.75, 1.05):
        with pytest.raises(ValueError, match="lesion 1 has no plan"):
            match(alone, truth_of([one], left=left))


def test_a_described_lesion_has_what_its_plan_has():
    disease = draw_disease(np.random.default_rng(5), "lymphoma", overlap=0.0)
    lungs = [plan for plan in disease.plans if plan.kind == "lung"]
    table = described(lungs)
    for plan, row in zip(lungs, table.to_dict("records"), strict=True):
        assert np.exp(row["diameter"]) == pytest.approx(plan.diameter_mm)
        assert np.exp(row["suv_max"]) == pytest.approx(plan.suv_max)
        assert (row["texture"], row["hu"]) == (plan.texture, plan.hu)
        said = {name for name, value in row.items() if value == 1 and name not in ("diameter", "suv_max")}
        place = {f"form {plan.form}", f"lobe {plan.lobe.value}", f"zone {plan.zone}"}
        assert said == {str(sign) for sign in plan.signs} | place


def test_the_context_of_a_lesion_is_what_else_was_drawn_of_its_study():
    disease = next(
        one
        for one in (draw_disease(np.random.default_rng(n), "lung_cancer", overlap=0.0) for n in range(100))
        if [plan.kind for plan in one.plans].count("lung") > 1 and len(one.plans) > 2 and one.plans[-1].kind == "node"
    )
    lungs = [plan for plan in disease.plans if plan.kind == "lung"]
    table = described_in_context([(disease, lungs[1]), (disease, lungs[0])])
    assert table["lesions"].tolist() == [len(lungs)] * 2
    assert table["nodes"].tolist() == [len(disease.plans) - len(lungs)] * 2
    assert np.exp(table["diameter"]).tolist() == pytest.approx([lungs[1].diameter_mm, lungs[0].diameter_mm])
    middle = np.median([np.log(plan.suv_max) for plan in lungs])
    assert table["median suv_max"].tolist() == pytest.approx([middle] * 2)
