"""Versions of labels in a folder: one folder a version, written whole or not at all, never replaced."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.errors import OutputExistsError, OutputWriteError, ParameterError, UnknownStudyError
from fdglung.files import write_nifti_image, written_together

LABEL_FILE = "label.nii.gz"
"""The label image, uint16 on the PET's grid, hottest lesion first from 1."""

SEG_FILE = "label.seg.dcm"
"""The same as DICOM SEG; of DICOM studies only."""

INFO_FILE = "label.json"
"""Who, when, what with: written last of all."""

FINAL = "final"
"""Tag of what an annotator submits."""

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_VERSION = re.compile(r"v(\d{4,})")
_LONGEST_NAME = 64
_CLAIM_SECONDS = 3600.0


@dataclass(frozen=True)
class LabelVersion:
    """One version of a study's label.

    Attributes
    ----------
    study
        Name of the study.
    tag
        Kind of label, such as `FINAL`.
    number
        From 1, over all annotators of the study and tag.
    annotator
        Who made it.
    saved
        When, UTC, ISO 8601.
    folder
        Where its files are.
    info
        Everything else that was written of it.

    """

    study: str
    tag: str
    number: int
    annotator: str
    saved: str
    folder: Path
    info: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """The label image."""
        return self.folder / LABEL_FILE

    @property
    def seg(self) -> Path | None:
        """The DICOM SEG; None of a NIfTI study."""
        path = self.folder / SEG_FILE
        return path if path.is_file() else None


def check_tag(tag: str) -> str:
    """Return a tag that may name a folder.

    Raises
    ------
    ParameterError
        It holds other signs than letters, digits, ``_`` and ``-``, or is too long.

    """
    if not _TAG.fullmatch(tag):
        raise ParameterError(
            "the tag holds signs that no tag has",
            attribute="tag",
            remedy="Use up to 32 letters, digits, underscores and hyphens",
        )
    return tag


def annotator_name(name: object) -> str:
    """Return a name as it is written: one line, at most 64 signs; ``unknown`` for none."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in str(name or "")).split())
    return text[:_LONGEST_NAME] or "unknown"


def save_version(
    folder: Path | str,
    study: str,
    label: sitk.Image,
    *,
    annotator: str,
    tag: str = FINAL,
    seg: Any = None,
    info: Mapping[str, Any] | None = None,
) -> LabelVersion:
    """Write a label as the next version.

    Parameters
    ----------
    folder
        Of all labels.
    study
        Name of the study.
    label
        uint16 on the PET's grid.
    annotator
        Who made it.
    tag
        Kind of label.
    seg
        The same as DICOM SEG, to be saved by its ``save_as``; called with the version's number where it is a function.
        Its SOPInstanceUID is kept as ``sop_instance_uid``.
    info
        Plain JSON values to keep beside it.

    Returns
    -------
    LabelVersion
        On the disk as a whole. Two savers at once get two numbers.

    Raises
    ------
    ParameterError
        The tag can name no folder.
    OutputWriteError
        Writing failed, for a full disk for example; nothing was left and no version is lost.

    """
    home = Path(folder) / study / check_tag(tag)
    number = max((version.number for version in versions(folder, study, tag)), default=0) + 1
    while True:
        with _claimed(home, number) as mine:
            if mine:
                with suppress(OutputExistsError):
                    return _write(home, study, tag, number, label, annotator_name(annotator), seg, dict(info or {}))
        # Another saver, perhaps of another process, was quicker with this number.
        number += 1


def versions(folder: Path | str, study: str, tag: str = FINAL) -> tuple[LabelVersion, ...]:
    """Return a study's versions, oldest first; folders that are no whole version are passed over."""
    home = Path(folder) / study / check_tag(tag)
    found = []
    for path in home.iterdir() if home.is_dir() else ():
        match = _VERSION.fullmatch(path.name)
        if match is None or not (path / LABEL_FILE).is_file():
            continue
        try:
            info = json.loads((path / INFO_FILE).read_text(encoding="utf-8"))
            found.append(
                LabelVersion(study, tag, int(match[1]), str(info["annotator"]), str(info["saved"]), path, info)
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return tuple(sorted(found, key=lambda version: version.number))


def tags(folder: Path | str, study: str) -> tuple[str, ...]:
    """Return the tags under which a study has labels."""
    home = Path(folder) / study
    names = [path.name for path in home.iterdir() if path.is_dir()] if home.is_dir() else []
    return tuple(sorted(name for name in names if _TAG.fullmatch(name) and versions(folder, study, name)))


def version_of(folder: Path | str, study: str, tag: str = FINAL, number: int | None = None) -> LabelVersion:
    """Return a version, or the latest.

    Raises
    ------
    UnknownStudyError
        There is none.

    """
    for version in reversed(versions(folder, study, tag)):
        if number in (None, version.number):
            return version
    raise UnknownStudyError(
        "the study has no such label", attribute="label", remedy="Ask for a label that /datastore/ lists"
    )


def latest_by_annotator(found: tuple[LabelVersion, ...]) -> dict[str, LabelVersion]:
    """Return each annotator's latest version, in the order of the names."""
    latest = {version.annotator: version for version in found}
    return {name: latest[name] for name in sorted(latest)}


@contextmanager
def _claimed(home: Path, number: int) -> Iterator[bool]:
    """Tell whether a number is ours alone while the block runs; creating a file is what no two can do at once."""
    claim = home / f".v{number:04d}.claim"
    try:
        home.mkdir(parents=True, exist_ok=True)
        claim.touch(exist_ok=False)
    except FileExistsError:
        # Its saver may be done, and the claim gone, by now.
        with suppress(FileNotFoundError):
            if time.time() - claim.stat().st_mtime > _CLAIM_SECONDS:
                # Its saver was killed; its version is not there, or is whole and will not be replaced.
                claim.unlink(missing_ok=True)
        yield False
        return
    except OSError as error:
        raise OutputWriteError(
            f"the label could not be written ({error.strerror or type(error).__name__})",
            attribute="labels folder",
            remedy="Free space on the disk, or name a folder that you may write to with --labels",
        ) from error
    try:
        yield True
    finally:
        claim.unlink(missing_ok=True)


def _write(
    home: Path,
    study: str,
    tag: str,
    number: int,
    label: sitk.Image,
    annotator: str,
    seg: Any,
    info: dict[str, Any],
) -> LabelVersion:
    target = home / f"v{number:04d}"
    saved = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with written_together(target) as temporary:
        write_nifti_image(label, temporary / LABEL_FILE)
        made = seg(number) if callable(seg) else seg
        if made is not None:
            made.save_as(temporary / SEG_FILE)
            info = {**info, "sop_instance_uid": str(made.SOPInstanceUID)}
        content = {
            **info,
            "annotator": annotator,
            "tag": tag,
            "version": number,
            "saved": saved,
            "sha256": hashlib.sha256((temporary / LABEL_FILE).read_bytes()).hexdigest(),
            "software": f"fdglung {__version__}",
            "notice": RESEARCH_NOTICE,
        }
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (temporary / INFO_FILE).write_text(text, encoding="utf-8")
    return LabelVersion(study, tag, number, annotator, saved, target, content)
