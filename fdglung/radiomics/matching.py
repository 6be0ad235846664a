"""Which lesion of one study is which of another, once the two lie in one space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from fdglung.errors import InputError
from fdglung.settings_checks import number, require

Points = NDArray[np.float64]

MATCHED, MERGED, SPLIT, REGROUPED, NEW, GONE, OUTSIDE = (
    "matched",
    "merged",
    "split",
    "regrouped",
    "new",
    "gone",
    "outside",
)
"""What became of lesions: one to one, several to one, one to several, several to several, follow-up only, baseline
only; `OUTSIDE`: one study's only, at a place that the other study does not show."""

LEAST_SHARE = 0.1
"""Of the smaller of two lesions that the other must hold, for both to be one; a round figure."""

REACH_MM = 15.0
"""Gap across which lesions without any overlap are still taken for one, as breath may move them; a round figure."""

_SHOWN = 0.5
"""Share of a lesion that the other study must show before its absence there says something."""


@dataclass(frozen=True)
class Match:
    """Lesions of two studies that are one, or one that has no counterpart.

    Attributes
    ----------
    status
        `MATCHED`, `MERGED`, `SPLIT`, `REGROUPED`, `NEW`, `GONE` or `OUTSIDE`.
    baseline, followup
        Labels in either study.
    overlap
        Share of the smaller side that the other holds after registration; 0 where lesions were matched by nearness
        alone, None where there is no counterpart.
    distance_mm
        Between the centroids of both sides after registration; None where there is no counterpart.

    """

    status: str
    baseline: tuple[int, ...]
    followup: tuple[int, ...]
    overlap: float | None = None
    distance_mm: float | None = None


def match_lesions(
    baseline: sitk.Image,
    followup: sitk.Image,
    transform: sitk.Transform,
    *,
    baseline_view: sitk.Image | None = None,
    followup_view: sitk.Image | None = None,
    least_share: float = LEAST_SHARE,
    reach_mm: float = REACH_MM,
) -> tuple[Match, ...]:
    """Match the lesions of two studies.

    Two lesions are linked where either lies in the other by `least_share` of its voxels. Lesions that no link reaches
    are then linked one to one, the nearest first, across gaps of at most `reach_mm`. What links join is one match.

    Parameters
    ----------
    baseline, followup
        Label images on any grids.
    transform
        From points of the baseline study to points of the follow-up study (LPS, mm); linear.
    baseline_view, followup_view
        Images whose extent is what each study shows; None for those of the label images.
    least_share
        Above 0, at most 1.
    reach_mm
        From 0, between the nearest voxels' centres; 0 for overlap alone.

    Returns
    -------
    tuple of Match
        Those with baseline lesions first, by label. Each lesion is in one of them.

    Raises
    ------
    InputError
        Neither study has a lesion.
    ParameterError
        A bound that cannot be, or a transform that is not linear.

    """
    good = number(least_share) and 0 < least_share <= 1
    require(good, "least_share", "The share is not in (0, 1]", "Give a share of the smaller lesion, such as 0.1")
    require(number(reach_mm) and reach_mm >= 0, "reach_mm", "The gap is not from 0", "Give mm, such as 15")
    require(transform.IsLinear(), "transform", "The transform is not linear", "Give a rigid or affine one")
    forth, back = transform, transform.GetInverse()
    old, new = _points(baseline), _points(followup)
    if not old and not new:
        raise InputError("Neither study has a lesion", attribute="lesions", remedy="Give masks with values above 0")
    moved = {label: _through(forth, points) for label, points in old.items()}
    returned = {label: _through(back, points) for label, points in new.items()}
    held = _held(moved, followup)
    holding = _held(returned, baseline)
    links = {
        (a, b)
        for a in old
        for b in new
        if max(held[a].get(b, 0) / len(old[a]), holding[b].get(a, 0) / len(new[b])) >= least_share
    }
    links |= _nearest(
        {a: points for a, points in moved.items() if not any(a == one for one, _ in links)},
        {b: points for b, points in new.items() if not any(b == one for _, one in links)},
        reach_mm,
    )
    found = []
    for group in _groups(list(old), list(new), links):
        if group.baseline and group.followup:
            ahead = sum(held[a].get(b, 0) for a in group.baseline for b in group.followup)
            behind = sum(holding[b].get(a, 0) for a in group.baseline for b in group.followup)
            before = np.concatenate([moved[a] for a in group.baseline])
            after = np.concatenate([new[b] for b in group.followup])
            overlap = max(ahead / len(before), behind / len(after))
            distance = float(np.linalg.norm(before.mean(axis=0) - after.mean(axis=0)))
            found.append(replace(group, overlap=overlap, distance_mm=distance))
        else:
            points, view = (
                (moved[group.baseline[0]], followup_view or followup)
                if group.baseline
                else (returned[group.followup[0]], baseline_view or baseline)
            )
            shown = _indices(points, view)[1].mean() >= _SHOWN
            found.append(group if shown else replace(group, status=OUTSIDE))
    return tuple(found)


def _points(labels: sitk.Image) -> dict[int, Points]:
    """Return the voxel centres (x, y, z in mm) of each label."""
    array = sitk.GetArrayViewFromImage(labels)
    if array.dtype.kind not in "iu":
        array = np.rint(np.nan_to_num(array)).astype(np.int64)
    found = {}
    for label, box in enumerate(ndimage.find_objects(array), start=1):
        if box is not None:
            inside = np.argwhere(array[box] == label) + [part.start for part in box]
            matrix = np.array(labels.GetDirection()).reshape(3, 3) * np.array(labels.GetSpacing())
            found[label] = inside[:, ::-1] @ matrix.T + np.array(labels.GetOrigin())
    return found


def _through(transform: sitk.Transform, points: Points) -> Points:
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    columns = [np.array(transform.TransformPoint(tuple(axis))) - origin for axis in np.eye(3)]
    return np.asarray(points @ np.array(columns) + origin)


def _held(points: Mapping[int, Points], labels: sitk.Image) -> dict[int, dict[int, int]]:
    """Return how many points of each lesion lie in which label."""
    array = sitk.GetArrayViewFromImage(labels)
    counts = {}
    for label, own in points.items():
        places, inside = _indices(own, labels)
        hit = np.rint(array[tuple(places[inside].T[::-1])]).astype(np.int64)
        values, numbers = np.unique(hit[hit > 0], return_counts=True)
        counts[label] = dict(zip(values.tolist(), numbers.tolist(), strict=True))
    return counts


def _indices(points: Points, image: sitk.Image) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the voxels (x, y, z) that points lie in, and which of them the image has."""
    matrix = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    places = np.rint((points - np.array(image.GetOrigin())) @ np.linalg.inv(matrix).T).astype(np.int64)
    return places, ((places >= 0) & (places < np.array(image.GetSize()))).all(axis=1)


def _nearest(old: Mapping[int, Points], new: Mapping[int, Points], reach_mm: float) -> set[tuple[int, int]]:
    trees = {b: cKDTree(points) for b, points in new.items()}
    gaps = sorted((float(trees[b].query(points)[0].min()), a, b) for a, points in old.items() for b in new)
    links: set[tuple[int, int]] = set()
    for gap, a, b in gaps:
        if gap <= reach_mm and not any(a == one or b == other for one, other in links):
            links.add((a, b))
    return links if reach_mm > 0 else set()


def _groups(old: list[int], new: list[int], links: set[tuple[int, int]]) -> list[Match]:
    """Return what links join, those with baseline lesions first."""
    left, groups = sorted(old), []
    while left:
        before, after = {left[0]}, set[int]()
        while True:
            reached = {b for a, b in links if a in before}
            more = {a for a, b in links if b in reached}
            if reached == after and more <= before:
                break
            after, before = reached, before | more
        left = [label for label in left if label not in before]
        groups.append(Match(_status(len(before), len(after)), tuple(sorted(before)), tuple(sorted(after))))
    taken = {label for group in groups for label in group.followup}
    return groups + [Match(NEW, (), (label,)) for label in sorted(set(new) - taken)]


def _status(before: int, after: int) -> str:
    if not after:
        return GONE
    if before > 1:
        return MERGED if after == 1 else REGROUPED
    return MATCHED if after == 1 else SPLIT
