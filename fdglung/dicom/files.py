"""DICOM files found in a folder, a zip or a single file, their headers read and their pixels left for later."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal, cast

import pydicom
from pydicom import Dataset
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage
from pydicom.valuerep import VR

from fdglung.dicom.attributes import text
from fdglung.errors import NotDicomError, TruncatedFileError

IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
}
"""SOP classes of PET and CT images (classic, enhanced, legacy converted enhanced) and the modality each holds."""

_HEAD_BYTES = 144
_BYTE_ORDERS: tuple[Literal["little"], Literal["big"]] = ("little", "big")
_MAX_NESTED_ZIPS = 8
_SPOOL_BYTES = 64 << 20
_VRS = {str(vr).encode() for vr in VR if len(str(vr)) == 2}


@dataclass(frozen=True, eq=False)
class DicomFile:
    """One DICOM file.

    Attributes
    ----------
    header
        All attributes before the pixel data.
    position
        Its place among all files that were looked at, from 1, in sorted order.
    open
        Opens it again from its start.
    size
        In bytes.
    truncated
        Whether it ends before its pixel data begin, or before they end.

    """

    header: Dataset = field(repr=False)
    position: int
    open: Callable[[], BinaryIO] = field(repr=False)
    size: int
    truncated: bool


@dataclass(frozen=True, eq=False)
class Found:
    """What a source holds.

    Attributes
    ----------
    files
        DICOM files other than DICOMDIR, in sorted order of their paths.
    looked_at
        Number of all files.
    skipped
        Number of files that are no DICOM.
    unreadable
        Number of files that the operating system refused to open.

    """

    files: tuple[DicomFile, ...]
    looked_at: int
    skipped: int
    unreadable: int


@contextmanager
def opened(source: Path | str, *, progress: Callable[[str, float], None] | None = None) -> Iterator[Found]:
    """Find the DICOM files of a source and read their headers; zips stay open until the block ends.

    Parameters
    ----------
    source
        A folder, searched to its depth; a zip, with zips inside it; or one DICOM file. What is no DICOM is skipped and
        counted. Files without preamble or file meta information are read when they begin like a data set.
    progress
        Called with the name of the step and the fraction done.

    Yields
    ------
    Found
        The files, whose `open` works inside the block.

    Raises
    ------
    NotDicomError
        The source does not exist, or holds no DICOM at all.
    TruncatedFileError
        The source is a zip that is cut short or damaged.

    """
    path = Path(source)
    if not path.exists():
        raise NotDicomError(
            "The path given does not exist", attribute="STUDY", remedy="Name a folder, a zip or a file of DICOM"
        )
    with ExitStack() as archives:
        entries = list(_entries(path, archives))
        files: list[DicomFile] = []
        skipped = unreadable = 0
        for position, entry in enumerate(entries, start=1):
            if progress is not None and position % 16 == 1:
                progress("reading headers", (position - 1) / len(entries))
            try:
                file = _read_header(entry, position)
            except zipfile.BadZipFile as error:
                raise _damaged_zip() from error
            except OSError:
                unreadable += 1
                continue
            if file is None:
                skipped += 1
            elif text(file.header, "SOPClassUID") != MediaStorageDirectoryStorage:
                files.append(file)
        if not files:
            raise NotDicomError(
                f"None of {len(entries)} file{'' if len(entries) == 1 else 's'} is a DICOM image or document"
                + (f", and {unreadable} could not be opened" if unreadable else ""),
                attribute="STUDY",
                remedy="Name a folder, a zip or a file that holds the DICOM series of a PET/CT",
            )
        if progress is not None:
            progress("reading headers", 1.0)
        yield Found(tuple(files), len(entries), skipped, unreadable)


@dataclass(frozen=True)
class _Entry:
    """Something that may be a DICOM file: how to open it, and how to read its first bytes cheaply."""

    open: Callable[[], BinaryIO]
    head: Callable[[], bytes]


def _entries(path: Path, archives: ExitStack) -> Iterator[_Entry]:
    for file in _walk(path):
        try:
            with file.open("rb") as stream:
                head = stream.read(4)
            is_zip = head == b"PK\x03\x04" and zipfile.is_zipfile(file)
        except OSError:
            head, is_zip = b"", False
        if is_zip:
            yield from _zip_entries(archives.enter_context(zipfile.ZipFile(file)), archives, depth=1)
        elif head == b"PK\x03\x04" and file == path:
            raise _damaged_zip()
        else:
            yield _file_entry(file)


def _walk(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    seen: set[Path] = set()
    for folder, folders, names in os.walk(path, followlinks=True):
        # A link may lead back to a folder above it.
        real = Path(folder).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            # A pipe or socket would block whoever opens it; a dangling link is unreadable and counted as such.
            if file.is_file() or file.is_symlink():
                yield file


def _file_entry(file: Path) -> _Entry:
    def open_file() -> BinaryIO:
        # Opened by descriptor, so that pydicom knows no file name to log: names of files may name patients.
        return os.fdopen(os.open(file, os.O_RDONLY), "rb")

    def head() -> bytes:
        with file.open("rb") as stream:
            return stream.read(_HEAD_BYTES)

    return _Entry(open_file, head)


def _zip_entries(archive: zipfile.ZipFile, archives: ExitStack, *, depth: int) -> Iterator[_Entry]:
    for info in sorted(archive.infolist(), key=lambda info: info.filename):
        if info.is_dir():
            continue
        if info.flag_bits & 1:
            raise NotDicomError(
                "The zip is encrypted", attribute="STUDY", remedy="Unpack it with its password and name the folder"
            )
        entry = _member_entry(archive, info)
        try:
            is_zip = depth <= _MAX_NESTED_ZIPS and entry.head()[:4] == b"PK\x03\x04"
            if is_zip:
                spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES))  # noqa: SIM115
                archives.callback(spool.close)
                with archive.open(info) as stream:
                    shutil.copyfileobj(stream, spool, 1 << 20)
                is_zip = zipfile.is_zipfile(spool)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise _damaged_zip() from error
        if is_zip:
            nested = archives.enter_context(zipfile.ZipFile(spool))
            yield from _zip_entries(nested, archives, depth=depth + 1)
        else:
            yield entry


def _member_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Entry:
    def open_member() -> BinaryIO:
        try:
            return BytesIO(archive.read(info))
        except (zlib.error, EOFError, NotImplementedError) as error:
            raise zipfile.BadZipFile from error

    def head() -> bytes:
        with archive.open(info) as stream:
            return stream.read(_HEAD_BYTES)

    return _Entry(open_member, head)


def _damaged_zip() -> TruncatedFileError:
    return TruncatedFileError(
        "The zip is damaged or cut short",
        attribute="STUDY",
        remedy="Copy or download it again, and compare its size or checksum with the source",
    )


def _read_header(entry: _Entry, position: int) -> DicomFile | None:
    head = entry.head()
    has_preamble = head[128:132] == b"DICM"
    if not has_preamble and not _begins_like_a_data_set(head):
        return None
    with entry.open() as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        header, complete = _parse(stream, force=not has_preamble)
        if not has_preamble and not (text(header, "SOPClassUID") and text(header, "SOPInstanceUID")):
            return None
        truncated = not complete or _ends_early(stream, header, size)
    if not text(header, "SOPClassUID"):
        header.SOPClassUID = text(getattr(header, "file_meta", Dataset()), "MediaStorageSOPClassUID")
    return DicomFile(header, position, entry.open, size, truncated)


def _begins_like_a_data_set(head: bytes) -> bool:
    """Whether a file without preamble begins with an element of group 2 or 8, as PS3.5 7.1 lays it out."""
    for order in _BYTE_ORDERS:
        group, element = (int.from_bytes(head[i : i + 2], order) for i in (0, 2))
        if group not in (2, 8) or element > 0x0100:
            continue
        length = int.from_bytes(head[4:8], "little")
        if head[4:6] in _VRS or (order == "little" and 0 < length <= 256):
            return True
    return False


def _parse(stream: BinaryIO, *, force: bool) -> tuple[Dataset, bool]:
    """Read up to the pixel data; an empty data set, and False, where even that cannot be parsed."""
    with warnings.catch_warnings():
        # pydicom warns of what is then judged here by itself.
        warnings.simplefilter("ignore")
        try:
            return pydicom.dcmread(stream, stop_before_pixels=True, force=force), True
        except (OSError, MemoryError):
            raise
        except Exception:
            # A broken file makes pydicom raise almost anything: struct.error, ValueError, zlib.error, ...
            return Dataset(), False


def _ends_early(stream: BinaryIO, header: Dataset, size: int) -> bool:
    """Whether an image's file ends before its pixel data do, as far as the header tells."""
    meta = getattr(header, "file_meta", Dataset())
    syntax = text(meta, "TransferSyntaxUID")
    sop_class = text(header, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    if sop_class and sop_class not in IMAGE_CLASSES and "Rows" not in header:
        # A class that nobody knows, of no series: the UID itself was cut.
        return UID(sop_class).name == sop_class and "SeriesInstanceUID" not in header
    # Without a class it ends before it tells what it is; a deflated data set is read to its end already.
    if sop_class and syntax == DeflatedExplicitVRLittleEndian:
        return "SeriesInstanceUID" not in header
    implicit, little = header.original_encoding
    order = _BYTE_ORDERS[0] if little or little is None else _BYTE_ORDERS[1]
    element = stream.read(12)
    group = int.from_bytes(element[:2], order)
    if len(element) < 8 or group != 0x7FE0:
        return True
    length = int.from_bytes(element[4:8] if implicit else element[8:12], order)
    if length == 0xFFFFFFFF:
        return False
    return stream.tell() - (4 if implicit else 0) + length > size
