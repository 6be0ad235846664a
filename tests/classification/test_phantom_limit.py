from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.phantom_limit import match
from fdglung.phantom.lesions import draw_disease
from fdglung.phantom.uptake import time_factor


def truth_of(plans, *, waited_s=4200.0):
    started = datetime(2024, 1, 8, 12)
    rise = time_factor("tumour", waited_s)
    lesions = [
        SimpleNamespace(label=label, kind=plan.kind, signs=tuple(plan.signs), suv_max=0.99 * rise * plan.suv_max)
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
