"""What may be set with ``--conf KEY VALUE`` of ``monailabel start_server``, checked before anything starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fdglung.annotation.pacs import Service, is_address
from fdglung.annotation.pacs_studies import DEFAULT_CACHE_GB
from fdglung.annotation.studies import LABELS_FOLDER
from fdglung.errors import CheckpointError, ParameterError
from fdglung.lungs.weights import named_weights
from fdglung.pipeline import Settings
from fdglung.segmentation import SegmentationSettings

CACHE_FOLDER = ".cache"
"""In the labels' folder: what can be made or fetched again."""

DEFAULT_LIMIT_MB = 512
"""Largest request, in MB: a label of the largest PET, uncompressed."""


@dataclass(frozen=True)
class Configuration:
    """The application's settings.

    Attributes
    ----------
    labels
        Folder of labels and of what is derived from the studies.
    checkpoints
        Networks for the tool ``lesions``; none for thresholds.
    backend
        What runs them.
    lung_weights
        Weights for lungmask; None as in `fdglung.lungs.segment`.
    open_studies
        How many studies are held in memory.
    limit_mb
        Largest request in MB.
    allow_remote
        Whether other machines may ask.
    pacs
        The DICOMweb service that has the studies; None for a folder.
    cache
        Folder for what is fetched from it.
    cache_gb
        Size of that folder, in GB.

    """

    labels: Path
    checkpoints: tuple[str, ...] = ()
    backend: str = "auto"
    lung_weights: Path | None = None
    open_studies: int = 4
    limit_mb: float = DEFAULT_LIMIT_MB
    allow_remote: bool = False
    pacs: Service | None = None
    cache: Path | None = None
    cache_gb: float = DEFAULT_CACHE_GB

    @property
    def settings(self) -> Settings:
        """The same steps as `fdglung analyze`: by the network where there is one, else by thresholds."""
        segmentation = SegmentationSettings(
            method="network" if self.checkpoints else "threshold",
            checkpoints=self.checkpoints,
            backend=self.backend,  # type: ignore[arg-type]
        )
        return Settings(segmentation, lung_weights=self.lung_weights)


def configuration(studies: str, conf: Mapping[str, str]) -> Configuration:
    """Read the settings.

    Parameters
    ----------
    studies
        Folder of studies, or the address of a DICOMweb service.
    conf
        ``labels``, ``checkpoint`` (several parted by commas, or ``none``), ``backend``, ``lung_weights``,
        ``open_studies``, ``limit_mb``, ``allow_remote``; of DICOMweb ``dicomweb_user``, ``dicomweb_password``,
        ``dicomweb_token``, ``cache``, ``cache_gb``.

    Raises
    ------
    ParameterError
        A value cannot be used, or the key is unknown.
    CheckpointError
        A checkpoint is not there.

    """
    known = {"labels", "checkpoint", "backend", "lung_weights", "open_studies", "limit_mb", "allow_remote"}
    remote = is_address(studies)
    if remote:
        known |= {"dicomweb_user", "dicomweb_password", "dicomweb_token", "cache", "cache_gb"}
    unknown = set(conf) - known - {"server_mode"}
    if unknown:
        raise ParameterError(
            f"there is no setting {sorted(unknown)[0]!r}", attribute="--conf", remedy=f"Use {', '.join(sorted(known))}"
        )
    # Where a PACS has the studies, their labels have no other home than the folder that the server is started in.
    labels = Path(conf.get("labels") or (Path.cwd() if remote else Path(studies)) / LABELS_FOLDER)
    return Configuration(
        labels=labels,
        checkpoints=_checkpoints(conf.get("checkpoint", "")),
        backend=conf.get("backend") or "auto",
        lung_weights=named_weights(conf["lung_weights"]) if conf.get("lung_weights") else None,
        open_studies=int(_number(conf, "open_studies", 4, low=1)),
        limit_mb=_number(conf, "limit_mb", DEFAULT_LIMIT_MB, low=1),
        allow_remote=conf.get("allow_remote", "false").lower() in ("1", "true", "yes"),
        pacs=Service.of(studies, conf) if remote else None,
        cache=(Path(conf["cache"]) if conf.get("cache") else labels / CACHE_FOLDER) if remote else None,
        cache_gb=_number(conf, "cache_gb", DEFAULT_CACHE_GB, low=0.1),
    )


def _checkpoints(named: str) -> tuple[str, ...]:
    if named.lower() == "none":
        return ()
    paths = tuple(part.strip() for part in named.split(",") if part.strip())
    if paths:
        missing = [path for path in paths if not Path(path).is_file()]
        if missing:
            raise CheckpointError(
                "a checkpoint that was named is not there", attribute="checkpoint", remedy="Name an .onnx or .pt file"
            )
        return paths
    from fdglung.segmentation_network import default_checkpoints

    try:
        return tuple(str(path) for path in default_checkpoints())
    except CheckpointError:
        return ()


def _number(conf: Mapping[str, str], key: str, default: float, *, low: float) -> float:
    try:
        value = float(conf.get(key) or default)
    except ValueError:
        value = float("nan")
    if not value >= low:
        raise ParameterError(f"{conf.get(key)!r} is no number of at least {low:g}", attribute=key, remedy="Correct it")
    return value
