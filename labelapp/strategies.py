"""What to annotate next, as MONAI Label's strategies: choice and leases are the library's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monailabel.interfaces.tasks.strategy import Strategy

from fdglung.annotation import sampling, versions
from fdglung.annotation.sampling import Candidate, Leases, Signs
from fdglung.errors import InputError
from labelapp.annotator import annotator_of
from labelapp.datastore import FolderStore

DESCRIPTIONS: Mapping[sampling.Strategy, str] = {
    "diversity": "What is least like the labelled studies, unseen studies first",
    "random": "By chance, unseen studies first",
    "first": "In the order of names, unseen studies first",
    "uncertainty": "Where the automatic lesions are least sure, unseen studies first",
    "disagreement": "Where networks and their mirror images disagree most, unseen studies first",
    "volume_error": "Where most of the volume is expected to be wrong, unseen studies first",
}
"""The strategies there are; clients offer the first one first."""


class NextStudy(Strategy):  # type: ignore[misc]
    """One strategy; all share the leases."""

    def __init__(self, kind: sampling.Strategy, leases: Leases, signs: Callable[[str], Signs | None]) -> None:
        super().__init__(DESCRIPTIONS[kind])
        self.kind = kind
        self.leases = leases
        self.signs = signs
        self.refused: dict[str, str] = {}

    def __call__(self, request: Mapping[str, Any], datastore: FolderStore) -> dict[str, Any] | None:
        """Return the id of a study that no one else holds and that can be opened; None where there is none."""
        annotator = annotator_of(request)
        while True:
            chosen = self.leases.take(annotator, lambda held: self._choose(annotator, held, datastore))
            if chosen is None:
                return None
            try:
                path = datastore.get_image_uri(chosen)
            except InputError as error:
                # A study that cannot be read would stop the annotator; it is passed over and listed as refused.
                self.refused[chosen] = error.kind
                self.leases.release(chosen, annotator)
                continue
            return {"id": chosen, "path": path, "lease_seconds": self.leases.seconds}

    def _choose(self, annotator: str, held: Mapping[str, str], datastore: FolderStore) -> str | None:
        candidates, centres = [], []
        for name in datastore.list_images():
            if name in self.refused:
                continue
            who = {version.annotator for version in versions.versions(datastore.labels, name)}
            signs = self.signs(name)
            if signs is not None and (who or name in held):
                centres.append(signs.descriptor)
            if name not in held:
                candidates.append(Candidate(name, labelled=bool(who), mine=annotator in who, signs=signs))
        chosen = sampling.choose_next(candidates, self.kind, centres=centres)
        return None if chosen is None else chosen.name
