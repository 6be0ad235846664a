"""The command `fdglung harmonise`: tables of features of several centres, brought to one scale."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.errors import InputError, OutputExistsError, ParameterError

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]


def add_harmonise(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "harmonise",
        help="bring radiomics features of several centres to one scale (ComBat)",
        description="Learn each centre's effect on each feature by ComBat and take it out. With --train the effects "
        "are learned from those tables alone, and --unseen says what happens to a centre that they do not hold. "
        f"{RESEARCH_NOTICE}",
    )
    command.add_argument(
        "tables",
        nargs="+",
        metavar="[CENTRE=]TABLE",
        help="features.csv or .parquet, a row a lesion; its centre in front of the path, or in the column --centre",
    )
    command.add_argument("--out", type=Path, required=True, metavar="OUT", help="harmonised.csv")
    command.add_argument(
        "--train", nargs="+", metavar="[CENTRE=]TABLE", help="tables to learn from (default: those to be harmonised)"
    )
    command.add_argument("--centre", default="centre", metavar="COLUMN", help="names the centre (default: centre)")
    command.add_argument(
        "--covariate", action="append", default=[], metavar="COLUMN", help="its effect on features is kept; repeatable"
    )
    command.add_argument(
        "--unseen",
        choices=("error", "reference", "own"),
        default="error",
        help="cases of a centre without training data: refused (default), left as they are and marked, or harmonised "
        "by their own centre's cases",
    )
    command.add_argument(
        "--least-cases", type=int, default=20, metavar="N", help="of an unseen centre for `own` (default: 20)"
    )
    command.add_argument("--reference-centre", metavar="NAME", help="its cases stay, the others are given its scale")
    command.add_argument("--mean-only", action="store_true", help="harmonise the mean, not the spread")
    command.add_argument(
        "--incomplete",
        choices=("error", "features", "lesions"),
        default="error",
        help="where a feature is not defined for a lesion: refuse (default), or leave out such features or lesions",
    )
    command.add_argument("--overwrite", action="store_true", help="replace an earlier table")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.set_defaults(run=_harmonise)


def _harmonise(options: argparse.Namespace) -> dict[str, object]:
    import pandas as pd

    from fdglung.files import write_files
    from fdglung.radiomics.harmonisation import Harmoniser

    _check_output(options)
    table = _read(options.tables, options.centre)
    train = _read(options.train, options.centre) if options.train else table
    known = [options.centre, *options.covariate]
    features = _features(train, known)
    table, train, features, left_out = _complete(table, train, features, options.incomplete)
    harmoniser = Harmoniser(
        options.centre,
        covariates=options.covariate,
        unseen=options.unseen,
        least_cases=options.least_cases,
        reference_centre=options.reference_centre,
        mean_only=options.mean_only,
    )
    # A column that is missing is named by the harmoniser.
    used = [[name for name in (*known, *features) if name in part.columns] for part in (train, table)]
    done = harmoniser.fit(train[used[0]]).transform(table[used[1]])
    others = table.drop(columns=[name for name in table.columns if name in done.columns or _is_feature(name)])
    written = pd.concat([others, done[["harmonisation", *features]]], axis=1)
    write_files({options.out: written.to_csv(index=False, lineterminator="\n").encode()})
    counts = {str(name): int(count) for name, count in done["harmonisation"].value_counts().items()}
    if not options.json:
        print(f"{len(written)} lesions, {len(features)} features, centres learned: {', '.join(harmoniser.centres_)}")
        print("harmonisation: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
        for kind, names in (*left_out.items(), ("unvarying features as they are", harmoniser.left_features_)):
            if names:
                print(f"warning: {kind}: {len(names)}")
        print(f"written to {options.out}. {RESEARCH_NOTICE}")
    return {
        "notice": RESEARCH_NOTICE,
        "files": {options.out.name: str(options.out)},
        "centres": harmoniser.centres_,
        "cases": counts,
        "features": len(features),
        "left_features": harmoniser.left_features_,
        "left_out": left_out,
    }


def _check_output(options: argparse.Namespace) -> None:
    if options.out.suffix != ".csv":
        raise ParameterError(
            f"The name of the output {options.out.name} does not end in .csv",
            attribute="output file",
            remedy="Name it harmonised.csv",
        )
    if options.out.is_dir() or (options.out.exists() and not options.overwrite):
        raise OutputExistsError(
            f"The output {options.out} exists",
            attribute="output file",
            remedy="Name another file, or pass --overwrite",
        )


def _read(given: Sequence[str], centre: str) -> pd.DataFrame:
    import pandas as pd

    tables = []
    for one in given:
        name, found, path = one.partition("=")
        path = path if found and not Path(one).exists() else one
        try:
            table = (
                pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path, float_precision="round_trip")
            )
        except (OSError, ValueError, ImportError) as error:
            raise InputError(
                f"The table {path} cannot be read", attribute="TABLE", remedy="Give a table of `fdglung radiomics`"
            ) from error
        if path != one:
            table[centre] = name
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _features(table: pd.DataFrame, known: Sequence[str]) -> list[str]:
    found = [name for name in table.columns if _is_feature(name) and name not in known]
    if not found:
        raise InputError(
            "The tables hold no feature", attribute="TABLE", remedy="Give tables whose columns start with PET_ or CT_"
        )
    return found


def _is_feature(name: str) -> bool:
    return name.startswith(("PET_", "CT_", "FUSED_", "RATIO_", "DIFFERENCE_"))


def _complete(
    table: pd.DataFrame, train: pd.DataFrame, features: list[str], policy: str
) -> tuple[pd.DataFrame, pd.DataFrame, list[str], dict[str, list[str]]]:
    """Return both tables and the features that are left under the policy, and what was left out."""
    import numpy as np

    parts = [part.reindex(columns=features).replace([np.inf, -np.inf], np.nan) for part in (table, train)]
    none: dict[str, list[str]] = {"features left out": [], "lesions left out": []}
    if policy == "features":
        bad = parts[0].isna().any() | parts[1].isna().any()
        kept = [name for name in features if not bad[name]]
        if not kept:
            raise InputError(
                "No feature is defined for all lesions", attribute="--incomplete", remedy="Choose lesions instead"
            )
        return table, train, kept, none | {"features left out": [name for name in features if bad[name]]}
    if policy == "lesions":
        whole = [~part.isna().any(axis=1) for part in parts]
        gone = [str(row + 1) for row in np.flatnonzero(~whole[0].to_numpy())]
        return table[whole[0]], train[whole[1]], features, none | {"lesions left out": gone}
    return table, train, features, none
