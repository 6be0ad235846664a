"""The command `fdglung weights`: lungmask's published weights into lungmask's own cache."""

from __future__ import annotations

import argparse
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar, part


def add_weights(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "weights",
        help="fetch the weights of lungmask's network",
        description=f"Weights of lungmask's network, as its authors publish them. {RESEARCH_NOTICE}",
    )
    actions = command.add_subparsers(title="actions", required=True, metavar="ACTION")
    fetch = actions.add_parser(
        "fetch",
        help="fetch weights into lungmask's own cache and check them",
        description="Fetch R231 (right and left lung), LTRCLobes (five lobes) and R231CovidWeb (with opacities) from "
        "lungmask's releases into the cache of torch.hub, where lungmask looks for them. What is there and whole is "
        f"not fetched again. {RESEARCH_NOTICE}",
    )
    fetch.add_argument(
        "names", nargs="*", metavar="NAME", help="R231, LTRCLobes or R231CovidWeb; several (default: all three)"
    )
    fetch.add_argument("--base-url", metavar="URL", help="a mirror of lungmask's releases")
    fetch.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    fetch.set_defaults(run=_fetch)


def _fetch(options: argparse.Namespace) -> dict[str, object]:
    from fdglung.lungs.fetching import RELEASE_URL, fetch_weights
    from fdglung.lungs.weights import PUBLISHED, sha256_of

    names = list(dict.fromkeys(options.names or PUBLISHED))
    results = []
    for done, name in enumerate(names):
        with ProgressBar() as tell:
            told = part(tell, done / len(names), (done + 1) / len(names))
            path, fetched = fetch_weights(name, base_url=options.base_url or RELEASE_URL, progress=told)
        results.append({"name": name, "file": str(path), "sha256": sha256_of(path), "fetched": fetched})
        if not options.json:
            print(f"{name}: {path} ({'fetched' if fetched else 'was there'})")
    return {"weights": results}
