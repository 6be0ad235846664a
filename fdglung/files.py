"""Several files written together or not at all."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import tempfile
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fdglung.errors import FdglungError, OutputExistsError, OutputWriteError

if TYPE_CHECKING:
    import SimpleITK as sitk

_NIFTI_HEADER_BYTES = 352


def cache_folder() -> Path:
    """Return the folder in the user's cache for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fdglung"


@contextmanager
def written_together(folder: Path | str, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder that becomes `folder` when the block ends well, and vanishes when it does not.

    The temporary folder lies beside `folder`, on the same file system, so that the last step is a rename. An earlier
    output that is overwritten stays in its place until the new one is complete, and then goes as a whole. A `folder`
    that cannot be renamed (the root of a volume, as containers have it) holds the temporary folder instead, and its
    files are renamed one by one at the end.

    Parameters
    ----------
    folder
        The output folder. Missing parents are made, and removed again on failure.
    overwrite
        Whether a non-empty `folder` may be replaced. It must then share a name with the new output: a folder of
        other things is never deleted.

    Yields
    ------
    Path
        The empty temporary folder to write into.

    Raises
    ------
    OutputExistsError
        `folder` is a file, or is not empty and may not be replaced.
    OutputWriteError
        An `OSError` was raised inside the block or while renaming (a full disk, a missing permission).

    """
    target = Path(folder).resolve()
    check_free(target, overwrite=overwrite)
    # Named before they are made, so that an interruption at any moment finds what to remove.
    parents = [parent for parent in target.parents if not parent.exists()][::-1]
    fixed = _is_fixed(target)
    temporary = (target if fixed else target.parent) / f".{target.name}.{uuid.uuid4().hex}.partial"
    try:
        try:
            for parent in parents:
                parent.mkdir(exist_ok=True)
            temporary.mkdir(mode=0o700)
            yield temporary
            (_fill if fixed else _replace)(target, temporary, overwrite=overwrite)
        except FdglungError:
            raise
        except OSError as error:
            raise _write_error(target, error) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in reversed(parents):
            with suppress(OSError):
                parent.rmdir()
        raise


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files beside their places and rename them, in the order given: where the last one is, all are whole.

    Parameters
    ----------
    contents
        Path to what is written; an earlier file is replaced. Missing folders are made.

    Raises
    ------
    OutputWriteError
        Writing failed; nothing half-written was left.

    """
    temporary = {target: target.with_name(f".{target.name}.{uuid.uuid4().hex}.partial") for target in contents}
    target = next(iter(contents))
    try:
        for target, content in contents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary[target].open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        for target in contents:
            os.replace(temporary[target], target)
    except OSError as error:
        raise OutputWriteError(
            f"Writing {target} failed ({error.strerror or type(error).__name__}); nothing half-written was left",
            attribute="output file",
            remedy="Check that the disk has room and can be written to, and try again",
        ) from error
    finally:
        for one in temporary.values():
            with suppress(OSError):
                one.unlink(missing_ok=True)


def check_free(folder: Path | str, *, overwrite: bool = False) -> None:
    """Refuse an output folder that may not be written, before any work is done.

    Parameters
    ----------
    folder
        The output folder; it need not exist.
    overwrite
        Whether a folder that is not empty may be replaced.

    Raises
    ------
    OutputExistsError
        `folder` is a file, or is not empty and may not be replaced.

    """
    target = Path(folder).resolve()
    if target.exists() and not target.is_dir():
        raise OutputExistsError(
            f"The output {target} is a file", attribute="output folder", remedy="Name a folder that does not exist yet"
        )
    if not overwrite and target.is_dir() and any(target.iterdir()):
        raise OutputExistsError(
            f"The output folder {target} exists and is not empty",
            attribute="output folder",
            remedy="Name another folder, or pass --overwrite to replace an earlier output",
        )


def write_nifti_image(image: sitk.Image, path: Path) -> None:
    """Write an image as NIfTI and make sure that it is whole: on a full disk SimpleITK truncates it and says nothing.

    Parameters
    ----------
    image
        Any image.
    path
        Ends in ``.nii.gz``.

    Raises
    ------
    OSError
        The file could not be written as a whole.

    """
    import SimpleITK as sitk

    voxel_bytes = image.GetSizeOfPixelComponent() * image.GetNumberOfComponentsPerPixel()
    expected = _NIFTI_HEADER_BYTES + voxel_bytes * image.GetNumberOfPixels()
    try:
        sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        with gzip.open(path) as stream:
            present = sum(len(block) for block in iter(lambda: stream.read(1 << 20), b""))
    except (RuntimeError, EOFError, zlib.error, gzip.BadGzipFile):
        present = 0
    if present < expected:
        # What failed was not said: a disk without room for what is missing is the likely cause.
        number = errno.ENOSPC if shutil.disk_usage(path.parent).free < expected else errno.EIO
        raise OSError(number, os.strerror(number))


def _is_fixed(target: Path) -> bool:
    """Tell whether `target` is there and cannot be renamed: a mount point, or a folder in a folder of others."""
    return target.is_dir() and (target.is_mount() or not os.access(target.parent, os.W_OK))


def _replace(target: Path, temporary: Path, *, overwrite: bool) -> None:
    check_free(target, overwrite=overwrite)
    # The temporary folder was its owner's alone; the output follows the umask like any other folder.
    mask = os.umask(0)
    os.umask(mask)
    temporary.chmod(0o777 & ~mask)
    if not target.is_dir():
        temporary.rename(target)
        return
    _check_earlier_output(target, temporary, list(target.iterdir()))
    backup = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".old", dir=target.parent))
    try:
        target.rename(backup)
        temporary.rename(target)
    except BaseException:
        if not target.exists():
            backup.rename(target)
        else:
            shutil.rmtree(backup, ignore_errors=True)
        raise
    shutil.rmtree(backup, ignore_errors=True)


def _fill(target: Path, temporary: Path, *, overwrite: bool) -> None:
    """Move the new files into a folder that stays, and the old ones out of it; put all back if that fails."""
    old = [path for path in target.iterdir() if path != temporary]
    if old and not overwrite:
        check_free(target)
    _check_earlier_output(target, temporary, old)
    backup = temporary.with_suffix(".old")
    moved: list[tuple[Path, Path]] = []
    try:
        backup.mkdir(mode=0o700)
        for path, place in [(path, backup) for path in old] + [(path, target) for path in temporary.iterdir()]:
            moved.append((path, place / path.name))
            path.rename(place / path.name)
        temporary.rmdir()
    except BaseException:
        for origin, place in reversed(moved):
            if place.exists() and not origin.exists():
                place.rename(origin)
        shutil.rmtree(backup, ignore_errors=True)
        raise
    shutil.rmtree(backup, ignore_errors=True)


def _check_earlier_output(target: Path, temporary: Path, old: list[Path]) -> None:
    if old and not {path.name for path in old} & {path.name for path in temporary.iterdir()}:
        raise OutputExistsError(
            f"The folder {target} holds other files and no earlier output of this command",
            attribute="output folder",
            remedy="Name another folder; --overwrite replaces an earlier output only",
        )


def _write_error(target: Path, error: OSError) -> OutputWriteError:
    remedies = {
        errno.ENOSPC: "Free space on the disk, or name a folder on another one",
        errno.EDQUOT: "Free space within your quota, or name a folder on another disk",
        errno.EFBIG: "Raise the limit on file size, or name a folder on another disk",
        errno.EACCES: "Name a folder that you may write to",
        errno.EPERM: "Name a folder that you may write to",
        errno.EROFS: "Name a folder on a disk that can be written to",
    }
    what = error.strerror or type(error).__name__
    return OutputWriteError(
        f"Writing the output folder {target} failed ({what}); nothing half-written was left",
        attribute="output folder",
        remedy=remedies.get(error.errno or 0, "Check that the disk has room and can be written to, and try again"),
    )
