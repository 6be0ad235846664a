"""A report as PDF, A4, with the notices on every page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    Image,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
    TableStyle,
)

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.experiment.document import Block, Bullets, Document, Grid, Pictures, Subheading, Text
from fdglung.reporting.pdf_style import (
    BANNER,
    BODY,
    BULLET,
    CAPTION,
    HEAD,
    HEADING,
    LINE,
    MUTED,
    NOTICE,
    SMALL,
    TITLE,
    marked,
    table,
)

MARGIN = 16 * mm
WIDTH = A4[0] - 2 * MARGIN
_HEIGHT = A4[1] - 40 * mm
_SUBHEADING = HEADING.clone("subheading", fontSize=9.5, leading=12, spaceBefore=7, spaceAfter=2)
_PADDING = 9.0
_MOST_WORD, _MOST_LINE = 110.0, 260.0
"""Widths in points beyond which a word is broken, and a line is not waited for."""


def to_pdf(document: Document) -> bytes:
    """Return a report as a PDF; the same report gives the same bytes."""
    buffer = io.BytesIO()
    template = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title=document.title,
        author=f"fdglung {__version__}",
        subject=" ".join(document.banners),
        invariant=1,
    )
    frame = Frame(MARGIN, 20 * mm, WIDTH, _HEIGHT, 0, 0, 0, 0)
    template.addPageTemplates(PageTemplate(frames=[frame], onPage=lambda canvas, _: _page(canvas, document)))
    parts: list[Flowable] = [Paragraph(marked(document.title), TITLE), Spacer(1, 3 * mm)]
    for text in document.banners:
        style = TableStyle([("BOX", (0, 0), (-1, -1), 0.8, NOTICE), ("BOTTOMPADDING", (0, 0), (-1, -1), 5)])
        parts += [Table([[Paragraph(marked(text), BANNER)]], colWidths=[WIDTH], style=style), Spacer(1, 1.5 * mm)]
    for section in document.sections:
        heading: Flowable = _Outlined(section.title)
        for number, block in enumerate(section.blocks):
            made = _block(block)
            if number == 0:
                # A heading stays with what it is over.
                parts += [KeepTogether([heading, made[0]]), *made[1:]] if _is_short(block) else [heading, *made]
            else:
                parts += made
    template.build(parts)
    return buffer.getvalue()


class _Outlined(Paragraph):
    """A heading that the outline of the file names."""

    def __init__(self, title: str) -> None:
        super().__init__(marked(title), HEADING.clone("section", fontSize=13, leading=16, keepWithNext=1))
        self._title = title

    def draw(self) -> None:
        """Draw it, and put it into the outline."""
        self.canv.bookmarkPage(self._title)
        self.canv.addOutlineEntry(self._title, self._title, 0)
        super().draw()


def _page(canvas: Canvas, document: Document) -> None:
    canvas.saveState()
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, A4[1] - 15 * mm, A4[0] - MARGIN, A4[1] - 15 * mm)
    canvas.line(MARGIN, 15 * mm, A4[0] - MARGIN, 15 * mm)
    canvas.setFillColor(MUTED)
    canvas.setFont("Helvetica", 7.5)
    canvas.drawRightString(A4[0] - MARGIN, A4[1] - 12.5 * mm, f"fdglung {__version__}")
    canvas.drawRightString(A4[0] - MARGIN, 10.5 * mm, f"Page {canvas.getPageNumber()}")
    title = Paragraph(marked(document.title), CAPTION)
    title.wrap(WIDTH * 0.8, 10)
    title.drawOn(canvas, MARGIN, A4[1] - 13.5 * mm)
    canvas.setFillColor(NOTICE)
    canvas.setFont("Helvetica-Bold", 8)
    synthetic = " Synthetic data." if len(document.banners) > 1 else ""
    canvas.drawString(MARGIN, 10.5 * mm, RESEARCH_NOTICE + synthetic)
    canvas.restoreState()


def _is_short(block: Block) -> bool:
    return isinstance(block, (Text, Subheading))


def _block(block: Block) -> list[Flowable]:
    if isinstance(block, Text):
        return [Paragraph(marked(block.text), BODY), Spacer(1, 1.5 * mm)]
    if isinstance(block, Subheading):
        return [Paragraph(marked(block.text), _SUBHEADING.clone("kept", keepWithNext=1))]
    if isinstance(block, Bullets):
        return [Paragraph(marked(text), BULLET, bulletText="\u2022") for text in block.texts]
    if isinstance(block, Grid):
        made: list[Flowable] = [table(block.header, block.rows, _widths(block), numeric=block.numeric)]
        return [*made, Paragraph(marked(block.caption), CAPTION) if block.caption else Spacer(1, 2 * mm)]
    return _pictures(block)


def _widths(grid: Grid) -> list[float]:
    """Return widths by the texts: each word has room where it can, and what is left goes where lines are long."""
    least, wanted = [], []
    for column in range(len(grid.header)):
        texts = [(grid.header[column], HEAD), *((row[column], SMALL) for row in grid.rows)]
        words = [stringWidth(word, style.fontName, style.fontSize) for text, style in texts for word in text.split()]
        lines = [stringWidth(text, style.fontName, style.fontSize) for text, style in texts]
        least.append(min(max(words, default=0.0), _MOST_WORD) + _PADDING)
        wanted.append(max(least[-1], min(max(lines), _MOST_LINE) + _PADDING))
    room = WIDTH - sum(least)
    if room <= 0:
        return [WIDTH * width / sum(least) for width in least]
    more = [width - low for width, low in zip(wanted, least, strict=True)]
    total = sum(more)
    if total <= room:
        # What nobody wants is shared by all.
        return [width + (room - total) / len(wanted) for width in wanted]
    return [low + room * extra / total for low, extra in zip(least, more, strict=True)]


def _pictures(pictures: Pictures) -> list[Flowable]:
    pairs = list(zip(pictures.paths, pictures.captions, strict=True))
    if len(pairs) == 1:
        return [KeepTogether([_picture(pairs[0][0], WIDTH), Paragraph(marked(pairs[0][1]), CAPTION)])]
    rows: list[Flowable] = []
    for start in range(0, len(pairs), 2):
        cells: Sequence[object] = [
            [_picture(path, WIDTH / 2 - 3 * mm), Paragraph(marked(caption), CAPTION)]
            for path, caption in pairs[start : start + 2]
        ]
        style = TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
        padded = [*cells, *[""] * (2 - len(cells))]
        rows.append(KeepTogether([Table([padded], colWidths=[WIDTH / 2] * 2, style=style)]))
    return rows


def _picture(path: Path, width: float) -> Image:
    columns, rows = ImageReader(str(path)).getSize()
    scale = min(width / columns, 0.85 * _HEIGHT / rows)
    return Image(str(path), width=columns * scale, height=rows * scale)
