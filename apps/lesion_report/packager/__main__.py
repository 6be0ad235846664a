"""`python -m apps.lesion_report.packager {image,context} [OUT]`: build the package, or its build context alone."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import fdglung
from apps.lesion_report.packager.build_tools import BuildError
from apps.lesion_report.packager.staging import ROOT, Staged, packager_arguments, stage
from fdglung.errors import FdglungError
from fdglung.files import check_free

TAG = f"fdglung-lesion-report:{fdglung.__version__}"
"""Name of the image; the packager puts platform and architecture into it."""


def main(arguments: list[str] | None = None) -> int:
    """Build, and return the exit code: 0 done, 2 not possible here."""
    options = _parser().parse_args(arguments)
    try:
        if options.what == "image":
            build_image(tools=options.tools, tag=options.tag)
        else:
            build_context(options.out, tools=options.tools, tag=options.tag)
    except FdglungError as error:
        print(f"packager: {error}", file=sys.stderr)
        return 2
    return 0


def build_image(*, tools: Path, tag: str = TAG) -> None:
    """Build the image by ``monai-deploy package``.

    Raises
    ------
    BuildError
        There is no container engine, or the packager failed.

    """
    if not has_engine():
        raise BuildError(
            "no container engine answers, so no image can be built",
            attribute="docker",
            remedy="Start Docker with buildx, or make the build context alone: make map-context",
        )
    from apps.lesion_report.packager.builder import MapBuilder

    with tempfile.TemporaryDirectory(prefix="fdglung-map-") as temporary:
        _package(stage(Path(temporary) / "staged", tools=tools), MapBuilder, tag)


def build_context(out: Path, *, tools: Path, tag: str = TAG) -> None:
    """Make the folder that a container engine would build the image from, by the packager's own modules.

    Parameters
    ----------
    out
        Must not exist or be empty.
    tools
        Where the environment of build tools is, or is made.
    tag
        Of the image.

    Raises
    ------
    BuildError, OutputExistsError
        The context cannot be made.

    """
    from apps.lesion_report.packager.builder import ContextBuilder

    check_free(out)
    with tempfile.TemporaryDirectory(prefix="fdglung-map-") as temporary:
        ContextBuilder.out = Path(temporary) / "context"
        _package(stage(Path(temporary) / "staged", tools=tools), ContextBuilder, tag)
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.is_dir():
            out.rmdir()
        shutil.move(ContextBuilder.out, out)
    print(f"The build context is in {out}. No image was built: `make map` builds one where a container engine is.")


def has_engine() -> bool:
    """Tell whether a Docker daemon answers."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def _package(staged: Staged, builder: type, tag: str) -> None:
    """Call the packager's own command line with our builder in the place of its own."""
    from holoscan_cli import __main__ as command
    from holoscan_cli.packager import packager

    for note in staged.notes:
        print(note)
    builder.packages = staged.packages  # type: ignore[attr-defined]
    original = packager.PythonAppBuilder
    packager.PythonAppBuilder = builder
    try:
        command.main(packager_arguments(staged, tag=tag))
    except SystemExit as ended:
        raise BuildError("the packager failed; it says above why", remedy="Mend it and run again") from ended
    finally:
        packager.PythonAppBuilder = original


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="packager", description="Research software. Not a medical device.")
    parser.add_argument("what", choices=("image", "context"), help="an image, or its build context alone")
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "build" / "map", help="folder of the context")
    parser.add_argument("--tools", type=Path, default=ROOT / "build" / "map-tools", help="environment of build tools")
    parser.add_argument("--tag", default=TAG, help="name of the image")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
