"""How often side and lobe of a lesion are told right, on a synthetic cohort.

`python -m benchmarks.placement FEATURES COHORT` reads the table that `python -m benchmarks.phantom_classes features`
makes of a cohort with `placement` in its settings, and the truth of the same studies. A lesion of the lungs lies in the
lobe that it was planned in; the masks are VOIs of the PET, and the lungs are found on the CT by the network for lobes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]

from benchmarks.phantom_tables import ALL
from fdglung.phantom.writer.truth import read_truth

LOBES = ("upper", "middle", "lower")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("features", type=Path, metavar="FEATURES")
    parser.add_argument("cohort", type=Path, metavar="COHORT")
    options = parser.parse_args()
    table = pd.read_csv(options.features)
    table = table[table["case"].str.endswith(f" {ALL}")]
    table = table.rename(columns={name: name.removeprefix("PLACEMENT_") for name in table.columns})
    truth = _truth(options.cohort, table["case"].unique())
    table = table.merge(truth, on=["case", "lesion"], validate="one_to_one")
    lungs, nodes = (table[table["kind"] == kind] for kind in ("lung", "node"))
    print("| true place | lesions | side right | lobe right | not known |\n| --- | --- | --- | --- | --- |")
    for place, part in [("any lobe", lungs), *lungs.groupby("place")]:
        known = part[part["upper_lobe"].notna()]
        side = known["place"].str.partition(" ")[0]
        lobe = known["place"].str.split(" ").str[1]
        right = sum((lobe == one) & (known[f"{one}_lobe"] == 1) for one in LOBES)
        sided = ((side == "left") & (known["left"] == 1)) | ((side == "right") & (known["right"] == 1))
        missing = len(part) - len(known)
        print(f"| {place} | {len(part)} | {sided.mean():.1%} | {right.mean():.1%} | {missing} |")
    print(f"\n{len(nodes)} avid nodes, {(nodes['mediastinum'] == 1).mean():.0%} of them away from both lungs")
    return 0


def _truth(cohort: Path, cases: list[str]) -> pd.DataFrame:
    rows = [
        {"case": case, "lesion": lesion.label, "kind": lesion.kind, "place": lesion.place}
        for case in cases
        for lesion in read_truth(cohort / Path(case.removesuffix(f" {ALL}")).name).lesions
    ]
    return pd.DataFrame(rows)


if __name__ == "__main__":
    raise SystemExit(main())
