"""How well proposed labels agree with what annotators saved."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import SimpleITK as sitk
from monailabel.interfaces.tasks.scoring import ScoringMethod

from fdglung import RESEARCH_NOTICE
from fdglung.annotation.agreement import label_agreement
from fdglung.annotation.versions import FINAL, version_of
from fdglung.errors import UnknownStudyError
from labelapp.datastore import FolderStore

ORIGINAL = "original"
"""Tag of what batch inference proposes."""


class ProposalScore(ScoringMethod):  # type: ignore[misc]
    """Dice and the F1 of lesions between two tags of each study, the latest version of each."""

    def __init__(self) -> None:
        super().__init__(f"Dice and lesions' F1 of what was proposed against what was saved. {RESEARCH_NOTICE}")

    def __call__(self, request: Mapping[str, Any], datastore: FolderStore) -> dict[str, Any]:
        """Compare the tags ``y`` (``final``) and ``y_pred`` (``original``) of the request; others are passed over."""
        tags = str(request.get("y") or FINAL), str(request.get("y_pred") or ORIGINAL)
        rows = {}
        for name in datastore.list_images():
            try:
                first, second = (sitk.ReadImage(str(version_of(datastore.labels, name, tag).path)) for tag in tags)
            except UnknownStudyError:
                continue
            found = label_agreement(first, second)
            rows[name] = {"dice": round(found.dice, 4), "lesion_f1": round(found.lesion_f1, 4)}
        mean = (
            {key: round(statistics.fmean(row[key] for row in rows.values()), 4) for key in ("dice", "lesion_f1")}
            if rows
            else {}
        )
        return {"studies": rows, "mean": mean, "notice": RESEARCH_NOTICE}
