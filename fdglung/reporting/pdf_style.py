"""Type, colours and building blocks of the PDF report."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from reportlab import rl_config
from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import LongTable, Paragraph, TableStyle

# Pictures as bytes: as ASCII text, reportlab's default, they are a quarter larger and take it a second a report.
rl_config.useA85 = 0

INK = HexColor("#1b2733")
MUTED = HexColor("#5b6875")
LINE = HexColor("#c9d1d9")
SHADE = HexColor("#f3f6f8")
ACCENT = HexColor("#0b4f6c")
NOTICE = HexColor("#a4161a")

BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=8.5, leading=11.5, textColor=INK)
LABEL = ParagraphStyle("label", parent=BODY, textColor=MUTED)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=7.5, leading=9.6)
SMALL_RIGHT = ParagraphStyle("small-right", parent=SMALL, alignment=TA_RIGHT)
HEAD = ParagraphStyle("head", parent=SMALL, fontName="Helvetica-Bold", textColor=white)
HEAD_RIGHT = ParagraphStyle("head-right", parent=HEAD, alignment=TA_RIGHT)
CAPTION = ParagraphStyle("caption", parent=SMALL, textColor=MUTED, spaceBefore=2, spaceAfter=6)
TITLE = ParagraphStyle("title", parent=BODY, fontName="Helvetica-Bold", fontSize=17, leading=21, textColor=ACCENT)
HEADING = ParagraphStyle(
    "heading",
    parent=BODY,
    fontName="Helvetica-Bold",
    fontSize=11,
    leading=14,
    textColor=ACCENT,
    spaceBefore=10,
    spaceAfter=4,
)
BANNER = ParagraphStyle(
    "banner", parent=BODY, fontName="Helvetica-Bold", fontSize=9.5, leading=12, textColor=NOTICE, alignment=1
)
BULLET = ParagraphStyle("bullet", parent=BODY, leftIndent=9, bulletIndent=0, spaceAfter=2)

FALLBACK = "fdglung-fallback"
"""A font for names and texts beyond Western European letters; it covers Greek and Cyrillic too."""


def marked(text: str) -> str:
    """Escape a text for a paragraph; letters beyond Helvetica's come in a font that has them.

    Parameters
    ----------
    text
        Any text.

    Returns
    -------
    str
        Markup of reportlab's paragraphs.

    """
    clean = "".join(sign if sign.isprintable() else " " for sign in text)
    try:
        clean.encode("cp1252")
    except UnicodeEncodeError:
        _register_fallback()
        return f'<font name="{FALLBACK}">{escape(clean)}</font>'
    return escape(clean)


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    widths: Sequence[float],
    *,
    numeric: Sequence[int] = (),
    first_bold: bool = False,
) -> LongTable:
    """Lay out a table that flows over pages and repeats its header.

    Parameters
    ----------
    header
        Column titles; empty for none.
    rows
        Texts, as long as the header.
    widths
        Of the columns, in points.
    numeric
        Columns aligned to the right.
    first_bold
        Whether the first column stands out.

    Returns
    -------
    reportlab.platypus.LongTable
        The table.

    """

    def cells(row: Sequence[str], left: ParagraphStyle, right: ParagraphStyle) -> list[Paragraph]:
        return [Paragraph(marked(text), right if n in numeric else left) for n, text in enumerate(row)]

    lines = [cells(row, SMALL, SMALL_RIGHT) for row in rows]
    if first_bold:
        for line, row in zip(lines, rows, strict=True):
            line[0] = Paragraph(f"<b>{marked(row[0])}</b>", SMALL)
    style: list[tuple[object, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("TOPPADDING", (0, 0), (-1, -1), 2.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2.6),
        ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
    if header:
        lines.insert(0, cells(header, HEAD, HEAD_RIGHT))
        style.append(("BACKGROUND", (0, 0), (-1, 0), ACCENT))
        style.append(("VALIGN", (0, 0), (-1, 0), "BOTTOM"))
    style += [("BACKGROUND", (0, n), (-1, n), SHADE) for n in range(2 if header else 1, len(lines), 2)]
    return LongTable(lines, colWidths=list(widths), repeatRows=1 if header else 0, style=TableStyle(style))


def _register_fallback() -> None:
    if FALLBACK not in pdfmetrics.getRegisteredFontNames():
        import matplotlib

        path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
        pdfmetrics.registerFont(TTFont(FALLBACK, str(path)))
