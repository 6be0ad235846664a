"""NVIDIA's builder of images, with our wheels, complete manifests and an entry script that tells how a run ended."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import ClassVar

from holoscan_cli.packager.container_builder import PythonAppBuilder
from holoscan_cli.packager.parameters import PlatformBuildResults, PlatformParameters

from apps.lesion_report.packager.build_tools import BuildError
from apps.lesion_report.packager.manifests import complete_files

PACKAGES = "packages"
"""Folder of our wheels beside requirements.txt; the packager's .dockerignore would leave out one named wheels."""

_COPY_REQUIREMENTS = "COPY ./pip/requirements.txt /tmp/requirements.txt\n"
_COPY_PACKAGES = f"COPY ./pip/{PACKAGES} /tmp/{PACKAGES}\n"
_END_OF_RUN = '            fi\n        else\n            fatal "Failed to launch application;'
_END_WITH_ITS_CODE = (
    '            fi\n            exit ${exit_code}\n        else\n            fatal "Failed to launch application;'
)


class MapBuilder(PythonAppBuilder):
    """Builds the image by a container engine."""

    packages: ClassVar[Path]
    """Folder of our wheels, set before the packager is called."""

    def _copy_supporting_files(self, platform_parameters: PlatformParameters) -> None:
        super()._copy_supporting_files(platform_parameters)
        shutil.copytree(self.packages, Path(self._temp_dir) / "pip" / PACKAGES)
        complete_files(Path(self._temp_dir) / "map")

    def _copy_script(self) -> str:
        """Copy the entry script, whose exit code is otherwise 0 whatever the application's was."""
        path: str = super()._copy_script()
        Path(path).write_text(replaced_once(Path(path).read_text(), _END_OF_RUN, _END_WITH_ITS_CODE), encoding="utf-8")
        Path(path).chmod(0o755)
        return path

    def _get_template(self, platform_parameters: PlatformParameters) -> str:
        text: str = super()._get_template(platform_parameters)
        return replaced_once(text, _COPY_REQUIREMENTS, _COPY_REQUIREMENTS + _COPY_PACKAGES)


class ContextBuilder(MapBuilder):
    """Keeps the build context and builds no image."""

    out: ClassVar[Path]
    """Where the context goes; set before the packager is called."""

    def _build_internal(self, dockerfile: str, platform_parameters: PlatformParameters) -> PlatformBuildResults:
        shutil.copytree(self._temp_dir, self.out)
        result = PlatformBuildResults(platform_parameters)
        result.succeeded = True
        return result


def replaced_once(text: str, old: str, new: str) -> str:
    """Replace what stands exactly once in a text of the packager.

    Raises
    ------
    BuildError
        It is not there, or more than once: the packager is of another version.

    """
    if text.count(old) != 1:
        raise BuildError(
            f"the packager's text {old.strip().splitlines()[0]!r} stands there {text.count(old)} times",
            attribute="holoscan-cli",
            remedy="Install holoscan-cli==4.2.0",
        )
    return text.replace(old, new)
