"""A report as what it holds, whatever it is written as: sections of paragraphs, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Subheading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes
    ----------
    header, rows
        Texts; each row is as long as the header.
    numeric
        Columns aligned to the right.
    caption
        Below it; may be empty.

    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    """Figures side by side, at most two in a row.

    Attributes
    ----------
    paths
        PNG files.
    captions
        Of each; also what is read aloud in its place.

    """

    paths: tuple[Path, ...]
    captions: tuple[str, ...]


Block = Text | Subheading | Bullets | Grid | Pictures


@dataclass(frozen=True)
class Section:
    """A part of a report."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes
    ----------
    title
        Of the study.
    banners
        What every reader must know first, such as the research notice.
    sections
        In order.

    """

    title: str
    banners: tuple[str, ...]
    sections: tuple[Section, ...]
