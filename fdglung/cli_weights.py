"""The command `fdglung weights`: lungmask's published weights into lungmask's own cache."""

from __future__ import annotations

import argparse
from pathlib import Path
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
    expand = actions.add_parser(
        "expand",
        help="put a narrow network into the only width that lungmask itself loads",
        description="Write a state dict of lungmask's own shape with the output of a narrow one, for "
        f"lungmask.LMInferer(modelpath=...). {RESEARCH_NOTICE}",
    )
    expand.add_argument("narrow", type=Path, metavar="NARROW", help="weights of any width, in lungmask's format")
    expand.add_argument("out", type=Path, metavar="OUT", help="file to write (.pth)")
    expand.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    expand.set_defaults(run=_expand)
    onnx = actions.add_parser(
        "onnx",
        help="write weights as an ONNX file, which needs neither torch nor lungmask",
        description=f"Write a state dict of lungmask's network as ONNX, for OpenVINO or ONNX Runtime. "
        f"{RESEARCH_NOTICE}",
    )
    onnx.add_argument("weights", type=Path, metavar="WEIGHTS", help="weights of any width, in lungmask's format")
    onnx.add_argument("out", type=Path, metavar="OUT", help="file to write (.onnx)")
    onnx.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    onnx.set_defaults(run=_onnx)


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


def _expand(options: argparse.Namespace) -> dict[str, object]:
    import io

    import torch

    from fdglung.files import write_files
    from fdglung.lungs.unet import expanded
    from fdglung.lungs.weights import read_state_dict

    buffer = io.BytesIO()
    torch.save(expanded(read_state_dict(options.narrow)), buffer)
    write_files({options.out: buffer.getvalue()})
    if not options.json:
        print(options.out)
    return {"file": str(options.out)}


def _onnx(options: argparse.Namespace) -> dict[str, object]:
    from fdglung.lungs.inference import write_onnx

    write_onnx(options.weights, options.out)
    if not options.json:
        print(options.out)
    return {"file": str(options.out)}
