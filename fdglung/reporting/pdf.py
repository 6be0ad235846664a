"""The report as a PDF for people: pictures, table, where the numbers come from, and every warning."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping

from pydicom import Dataset
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
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
from fdglung.findings import by_reason
from fdglung.lesion_classes import Classification
from fdglung.lesions import Lesion
from fdglung.pipeline import Analysis
from fdglung.reporting.dicom_common import pet_headers
from fdglung.reporting.pdf_style import (
    ACCENT,
    BANNER,
    BODY,
    BULLET,
    CAPTION,
    HEADING,
    LABEL,
    LINE,
    MUTED,
    NOTICE,
    SHADE,
    SMALL,
    TITLE,
    marked,
    table,
)

MARGIN = 18 * mm
WIDTH = A4[0] - 2 * MARGIN

MOST_ATTENTION = 8
"""Lesions whose weight in the patient's class is named; the JSON file holds all."""

MOST_EXCLUDED = 20
"""Rows of the table of uptake that was not reported; the JSON file holds all."""


def build(
    analysis: Analysis, *, mip: bytes, views: Mapping[int, bytes], maps: Mapping[int, bytes] | None = None
) -> bytes:
    """Lay out the report; the same analysis gives the same bytes.

    Parameters
    ----------
    analysis
        A study with its findings.
    mip
        PNG of the projections.
    views
        Lesion number to PNG of its triplane view; lesions may be left out.
    maps
        Lesion number to PNG of where an image classifier looks, to stand below the view; None for none.

    Returns
    -------
    bytes
        A PDF, A4, with the research notice on every page.

    Raises
    ------
    NoPetError
        The study has no PET.

    """
    header = pet_headers(analysis)[0]
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=20 * mm,
        bottomMargin=20 * mm,
        title="FDG-avid lung lesions",
        author=f"fdglung {__version__}",
        subject=RESEARCH_NOTICE,
        invariant=1,
    )
    frame = Frame(MARGIN, 20 * mm, WIDTH, A4[1] - 40 * mm, 0, 0, 0, 0)
    document.addPageTemplates(PageTemplate(frames=[frame], onPage=lambda canvas, _: _page(canvas, header)))
    document.build(
        [
            *_front(analysis, header, mip),
            *_lesions(analysis),
            *_classes(analysis),
            *_warnings(analysis),
            *_views(analysis, views, maps or {}),
            *_excluded(analysis),
            *_suv(analysis),
            *_method(analysis),
        ]
    )
    return buffer.getvalue()


def _page(canvas: Canvas, header: Dataset) -> None:
    """Draw what stands on every page: whose study it is, the notice, the number."""
    canvas.saveState()
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, A4[1] - 15 * mm, A4[0] - MARGIN, A4[1] - 15 * mm)
    canvas.line(MARGIN, 15 * mm, A4[0] - MARGIN, 15 * mm)
    patient = Paragraph(
        f"{marked(_name(header))} &nbsp;&#183;&nbsp; {marked(_value(header, 'PatientID'))}"
        f" &nbsp;&#183;&nbsp; {_date(header)}",
        SMALL.clone("running", textColor=MUTED),
    )
    patient.wrap(WIDTH * 0.7, 12)
    patient.drawOn(canvas, MARGIN, A4[1] - 13.2 * mm)
    canvas.setFillColor(MUTED)
    canvas.setFont("Helvetica", 7.5)
    canvas.drawRightString(A4[0] - MARGIN, A4[1] - 12.5 * mm, f"fdglung {__version__}")
    canvas.drawRightString(A4[0] - MARGIN, 10.5 * mm, f"Page {canvas.getPageNumber()}")
    canvas.setFillColor(NOTICE)
    canvas.setFont("Helvetica-Bold", 8)
    canvas.drawString(MARGIN, 10.5 * mm, RESEARCH_NOTICE)
    canvas.restoreState()


def _front(analysis: Analysis, header: Dataset, mip: bytes) -> list[Flowable]:
    banner = Table(
        [[Paragraph(marked(RESEARCH_NOTICE), BANNER)]],
        colWidths=[WIDTH],
        style=TableStyle([("BOX", (0, 0), (-1, -1), 0.8, NOTICE), ("BOTTOMPADDING", (0, 0), (-1, -1), 5)]),
    )
    facts = [
        ("Patient", _name(header)),
        ("Patient ID", _value(header, "PatientID")),
        ("Born, sex", f"{_date(header, 'PatientBirthDate')}, {_value(header, 'PatientSex')}"),
        ("Study date", _date(header)),
        ("Study", _value(header, "StudyDescription")),
        ("Accession number", _value(header, "AccessionNumber")),
    ]
    pairs = [[*facts[n], *facts[n + 1]] for n in range(0, len(facts), 2)]
    identity = Table(
        [[Paragraph(marked(text), LABEL if n % 2 == 0 else BODY) for n, text in enumerate(row)] for row in pairs],
        colWidths=[24 * mm, WIDTH / 2 - 24 * mm, 30 * mm, WIDTH / 2 - 30 * mm],
        style=TableStyle(
            [
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        ),
    )
    return [
        Paragraph("FDG-avid lung lesions", TITLE),
        Spacer(1, 2 * mm),
        banner,
        Spacer(1, 3 * mm),
        identity,
        Spacer(1, 3 * mm),
        _summary(analysis),
        Spacer(1, 4 * mm),
        _picture(mip, WIDTH),
        Paragraph(
            "PET maximum intensity projections from the front and from the left, SUVbw 0 to 7 g/ml, with the outlines "
            "and numbers of the lesions.",
            CAPTION,
        ),
    ]


def _summary(analysis: Analysis) -> Table:
    findings = analysis.findings
    tiles = [
        ("Lesions", f"{len(findings.lesions)}"),
        ("Total MTV", f"{findings.total_mtv_ml:.1f} ml"),
        ("Total TLG", f"{findings.total_tlg_g:.1f} g"),
        ("Dmax", "-" if findings.dmax_mm is None else f"{findings.dmax_mm:.0f} mm"),
    ]
    big = BODY.clone("big", fontName="Helvetica-Bold", fontSize=15, leading=18, textColor=ACCENT)
    cells = [[Paragraph(title, SMALL), Paragraph(value, big)] for title, value in tiles]
    style = [
        ("BACKGROUND", (0, 0), (-1, -1), SHADE),
        ("LINEBEFORE", (1, 0), (-1, -1), 0.6, LINE),
        ("LEFTPADDING", (0, 0), (-1, -1), 8),
        ("TOPPADDING", (0, 0), (-1, -1), 5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 7),
    ]
    return Table([cells], colWidths=[WIDTH / 4] * 4, style=TableStyle(style))


def _lesions(analysis: Analysis) -> list[Flowable]:
    findings = analysis.findings
    if not findings.lesions:
        return [Paragraph("Lesions", HEADING), Paragraph("No avid lung lesion was found.", BODY)]
    header = ["No.", "SUVmax\n(g/ml)", "SUVmean\n(g/ml)", "SUVpeak\n(g/ml)", "MTV\n(ml)", "TLG\n(g)"]
    header += ["Longest\ndiameter (mm)", "Place", "To lung\nborder (mm)", "VOI (% of\nSUVmax)"]
    rows = [_row(lesion) for lesion in findings.lesions]
    widths = [11, 16, 17, 17, 16, 18, 22, 22, 19, 16]
    scaled = [WIDTH * part / sum(widths) for part in widths]
    bounded = (
        "the network's outline, whose coolest voxel has the stated share of SUVmax"
        if findings.networks
        else "voxels of at least the stated share of the lesion's own SUVmax"
    )
    note = (
        f"SUV by body weight. MTV, TLG, SUVmean and the longest diameter refer to the VOI: {bounded}. "
        "SUVpeak is the highest mean over a sphere of 1 cm<super>3</super>. "
        "Distance to the lung border: negative inside the lung, 0 across its border. Dmax is the largest distance "
        "between the centroids of two lesions."
    )
    return [
        Paragraph("Lesions", HEADING),
        table(header, rows, scaled, numeric=(1, 2, 3, 4, 5, 6, 8, 9), first_bold=True),
        Paragraph(note, CAPTION),
    ]


def _row(lesion: Lesion) -> list[str]:
    return [
        str(lesion.label),
        f"{lesion.suv_max:.2f}",
        f"{lesion.suv_mean:.2f}",
        f"{lesion.suv_peak:.2f}",
        f"{lesion.mtv_ml:.2f}",
        f"{lesion.tlg_g:.2f}",
        f"{lesion.longest_diameter_mm:.1f}",
        lesion.lobe or lesion.side.value,
        "-" if lesion.lung_distance_mm is None else f"{lesion.lung_distance_mm:.1f}",
        f"{100 * lesion.voi_fraction:.0f}",
    ]


def _classes(analysis: Analysis) -> list[Flowable]:
    found = analysis.findings.classification
    if found is None or not found.lesions:
        return []
    header = [
        "No.",
        "Class",
        "Not ruled out",
        # A space, at which long names go to the next line whole.
        *(f"P {name}".replace("_", " ") for name in found.classes),
        "As far",
        "Nearest training lesions",
    ]
    rows = [
        [
            str(lesion.label),
            lesion.name,
            ", ".join(lesion.prediction_set).replace("_", " "),
            *(f"{lesion.probabilities[name]:.2f}" for name in found.classes),
            f"{lesion.as_far:.2f}",
            ", ".join(f"{count} {name}".replace("_", " ") for name, count in lesion.nearest.items() if count),
        ]
        for lesion in found.lesions
    ]
    widths = [8, 22, 26, *(18 for _ in found.classes), 12, 40]
    scaled = [WIDTH * part / sum(widths) for part in widths]
    numeric = range(3, 4 + len(found.classes))
    note = (
        f"By {found.model} (SHA-256 {found.model_sha256[:12]}). P: calibrated probability. Not ruled "
        f"out: classes of a set that, for {found.prediction_set_coverage:.0%} of lesions like the training's, holds "
        "their class. As far: the share of "
        "cases like the training's that are as unlike the training lesions as this one; a lesion unlike them is "
        "undetermined, whatever its probabilities."
    )
    return [
        KeepTogether(
            [
                Paragraph("Classes of lesions", HEADING),
                Paragraph(f"<b>{marked(found.notice)}</b>", BODY),
                Spacer(1, 1.5 * mm),
                table(header, rows, scaled, numeric=tuple(numeric), first_bold=True),
                Paragraph(marked(note), CAPTION),
                *_patient(found),
            ]
        )
    ]


def _patient(found: Classification) -> list[Flowable]:
    if found.patient is None:
        return []
    shares = ", ".join(f"{name} {share:.2f}" for name, share in found.patient.probabilities.items())
    most = sorted(found.patient.attention.items(), key=lambda item: -item[1])[:MOST_ATTENTION]
    weights = ", ".join(f"lesion {label} {weight:.2f}" for label, weight in most)
    text = (
        f"All lesions together: {found.patient.name} (calibrated probabilities: {shares}). Weight of the lesions in "
        f"this: {weights}{', and less for the others' if len(found.patient.attention) > MOST_ATTENTION else ''}."
    )
    return [Spacer(1, 1.5 * mm), Paragraph(marked(text), BODY)]


def _warnings(analysis: Analysis) -> list[Flowable]:
    study, lungs = analysis.study, analysis.lungs
    sources = [analysis.findings.warnings, study.warnings]
    sources += [part.warnings for part in (study.suv, lungs) if part is not None]
    texts = list(dict.fromkeys(warning for source in sources for warning in source))
    for lesion in analysis.findings.lesions:
        name = f"Lesion {lesion.label}"
        named = [text if text.startswith(f"{name}:") else f"{name}: {text}" for text in lesion.warnings]
        texts = [text for text in texts if text not in lesion.warnings and text not in named] + named
    if not texts:
        return [Paragraph("Warnings", HEADING), Paragraph("None.", BODY)]
    bullets = [Paragraph(marked(text), BULLET, bulletText="\u2022") for text in texts]
    return [KeepTogether([Paragraph("Warnings", HEADING), bullets[0]]), *bullets[1:]]


def _views(analysis: Analysis, views: Mapping[int, bytes], maps: Mapping[int, bytes]) -> list[Flowable]:
    lesions = analysis.findings.lesions
    if not views:
        return []
    fused = "PET in colour over the CT's lung window" if analysis.study.ct is not None else "PET alone, no CT"
    lead = f"{fused}; planes through the hottest voxel; the outline is the VOI; positions in patient coordinates (LPS)."
    if len(views) < len(lesions):
        lead += f" Only the {len(views)} largest of {len(lesions)} lesions by MTV are shown; the table lists all."
    found = analysis.findings.classification
    if maps and found is not None:
        lead += (
            " Below it, where the classifier looks: red where covering a place lowers the probability of the lesion's "
            f"most probable class, blue where it raises it. {found.notice} A map shows what a network uses, not why."
        )
    blocks: list[Flowable] = []
    for lesion in lesions:
        if lesion.label not in views:
            continue
        title = (
            f"<b>Lesion {lesion.label}</b> &nbsp; SUVmax {lesion.suv_max:.2f} g/ml, MTV {lesion.mtv_ml:.2f} ml, "
            f"{lesion.side.value}"
        )
        shown = [_picture(source[lesion.label], WIDTH) for source in (views, maps) if lesion.label in source]
        block = [Paragraph(title, BODY), Spacer(1, 1 * mm), *shown, Spacer(1, 3 * mm)]
        if not blocks:
            block = [Paragraph("Lesion views", HEADING), Paragraph(marked(lead), CAPTION), *block]
        blocks.append(KeepTogether(block))
    return blocks


def _excluded(analysis: Analysis) -> list[Flowable]:
    excluded = sorted(analysis.findings.excluded, key=lambda uptake: -uptake.suv_max)
    heading = Paragraph("Avid uptake not reported as a lung lesion", HEADING)
    if not excluded:
        none = "None in the region that was searched."
        if analysis.findings.networks:
            none = "None. What the network took for no lesion is not listed, but for uptake in fat."
        return [KeepTogether([heading, Paragraph(none, BODY)])]
    groups = by_reason(analysis.findings.excluded)
    summary = "; ".join(f"{reason}: {len(group)}" for reason, group in groups.items())
    rows = [
        [
            uptake.reason,
            f"{uptake.suv_max:.2f}",
            f"{uptake.volume_ml:.1f}",
            ", ".join(f"{part:.0f}" for part in uptake.suv_max_position_mm),
        ]
        for uptake in excluded[:MOST_EXCLUDED]
    ]
    header = ["Reason", "SUVmax (g/ml)", "Volume (ml)", "Hottest voxel (LPS, mm)"]
    widths = [0.5 * WIDTH, 0.14 * WIDTH, 0.14 * WIDTH, 0.22 * WIDTH]
    lead = f"Foci by reason: {summary}."
    if len(excluded) > MOST_EXCLUDED:
        lead += f" The {MOST_EXCLUDED} hottest of {len(excluded)} follow; findings.json lists all."
    return [
        KeepTogether([heading, Paragraph(marked(lead), BODY), Spacer(1, 1.5 * mm)]),
        table(header, rows, widths, numeric=(1, 2, 3)),
    ]


def _suv(analysis: Analysis) -> list[Flowable]:
    suv = analysis.study.suv
    if suv is None:
        return []
    factors = suv.slice_factors
    spread = f"{min(factors):.6g}" if min(factors) == max(factors) else f"{min(factors):.6g} to {max(factors):.6g}"
    facts = [
        ("Rule", suv.rule),
        ("Units of the series", suv.units),
        ("SUVbw per rescaled value", f"{spread} g/ml"),
        ("Weight, height, sex", f"{_number(suv.weight_kg)} kg, {_number(suv.height_m)} m, {suv.sex or '-'}"),
        ("Injected dose", f"{_number(suv.injected_dose_bq, 1e-6)} MBq"),
        ("Dose at the reference time", f"{_number(suv.decayed_dose_bq, 1e-6)} MBq"),
        ("Uptake time", f"{_number(suv.uptake_seconds, 1 / 60)} min"),
        ("Half-life", f"{_number(suv.half_life_seconds, 1 / 60)} min"),
    ]
    facts += [(f"From SUVbw to {name}", _number(factor)) for name, factor in suv.conversions.items()]
    attributes = [[item.name, item.tag, item.value[:200], item.role] for item in suv.attributes]
    widths = [0.26 * WIDTH, 0.2 * WIDTH, 0.2 * WIDTH, 0.34 * WIDTH]
    parts: list[Flowable] = [
        KeepTogether([Paragraph("How PET became SUV", HEADING), _facts(facts)]),
        Spacer(1, 3 * mm),
    ]
    if attributes:
        parts.append(table(["Attribute", "Tag", "Value", "Used for"], attributes, widths))
    return parts


def _method(analysis: Analysis) -> list[Flowable]:
    findings, study = analysis.findings, analysis.study
    lungs = analysis.lungs.method if analysis.lungs else "none: the whole PET was searched, without a lung mask"
    found_by = ", ".join(findings.networks)
    facts = [("Lungs", lungs), ("Lesions", f"network {found_by}" if found_by else "thresholds")]
    facts += [
        (f"Reference uptake, {name}", f"SUVmean {value:.2f} g/ml") for name, value in findings.reference_uptake.items()
    ]
    parts: list[Flowable] = [KeepTogether([Paragraph("Method", HEADING), _facts(facts)])]
    if study.series:
        rows = [
            [
                item.modality,
                "-" if item.number is None else str(item.number),
                str(item.images),
                "taken" if item.taken else "left",
                item.reason,
            ]
            for item in study.series
        ]
        widths = [0.1 * WIDTH, 0.1 * WIDTH, 0.1 * WIDTH, 0.1 * WIDTH, 0.6 * WIDTH]
        header = ["Modality", "Series no.", "Images", "Choice", "Reason"]
        parts += [Paragraph("Series", HEADING), table(header, rows, widths, numeric=(1, 2))]
    uids = [
        ("StudyInstanceUID", findings.study_instance_uid),
        ("PET SeriesInstanceUID", findings.pet_series_uid),
        ("CT SeriesInstanceUID", findings.ct_series_uid or "-"),
        ("FrameOfReferenceUID", findings.frame_of_reference_uid),
    ]
    parts += [Paragraph("Provenance", HEADING), _facts([*uids, *_flat(_own(findings.provenance))])]
    return parts


def _own(provenance: Mapping[str, object]) -> dict[str, object]:
    """Leave out what the report shows in tables of its own."""
    return {key: value for key, value in provenance.items() if key not in ("suv", "series", "notice")}


def _flat(value: object, name: str = "") -> list[tuple[str, str]]:
    """List nested JSON values as rows; long lists are cut, the JSON file holds them whole."""
    if isinstance(value, Mapping):
        rows = []
        for key, item in value.items():
            rows += _flat(item, f"{name}.{key}" if name else str(key))
        return rows
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return [(name, text if len(text) <= 400 else f"{text[:400]} ... (whole in findings.json)")]


def _facts(rows: list[tuple[str, str]]) -> Table:
    return table([], [list(row) for row in rows], [0.3 * WIDTH, 0.7 * WIDTH])


def _picture(data: bytes, width: float) -> Image:
    columns, rows = ImageReader(io.BytesIO(data)).getSize()
    return Image(io.BytesIO(data), width=width, height=width * rows / columns)


def _number(value: float | None, factor: float = 1.0) -> str:
    return "-" if value is None else f"{value * factor:.4g}"


def _name(header: Dataset) -> str:
    name = header.get("PatientName")
    if not name:
        return "-"
    # Only the alphabetic group: the report's fonts hold no ideographs.
    family_first = str(name).split("=")[0] or str(name)
    return ", ".join(part for part in (" ".join(p.split()) for p in family_first.split("^")) if part) or "-"


def _value(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "-")


def _date(header: Dataset, keyword: str = "StudyDate") -> str:
    text = str(header.get(keyword) or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text or "-"
