"""A report as one HTML file that needs nothing else: style and pictures lie in it."""

from __future__ import annotations

import base64
from html import escape

from fdglung import __version__
from fdglung.experiment.document import Block, Bullets, Document, Grid, Pictures, Subheading, Text

_STYLE = """
:root { --ink: #1b2733; --muted: #5b6875; --line: #c9d1d9; --shade: #f3f6f8; --accent: #0b4f6c; --notice: #a4161a; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; color: var(--ink); background: white; font: 16px/1.5 system-ui, Roboto, Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 1rem; }
h1 { color: var(--accent); font-size: 1.6rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { color: var(--accent); font-size: 1.3rem; margin: 2.5rem 0 .75rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
p, ul { margin: .5rem 0; max-width: 75ch; }
.banner { border: 2px solid var(--notice); color: var(--notice); font-weight: 700; padding: .6rem; margin: .5rem 0; }
nav { background: var(--shade); padding: .6rem .8rem; margin: 1rem 0; columns: 14rem; }
nav a { display: block; color: var(--accent); padding: .2rem 0; }
.wide { overflow-x: auto; margin: .75rem 0 .25rem; }
table { border-collapse: collapse; font-size: .85rem; min-width: 60%; }
th { background: var(--accent); color: white; text-align: left; vertical-align: bottom; padding: .35rem .5rem; }
td { border-bottom: 1px solid var(--line); vertical-align: top; padding: .3rem .5rem; }
tr:nth-child(even) td { background: var(--shade); }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.caption, figcaption { color: var(--muted); font-size: .85rem; margin: .25rem 0 1rem; max-width: 75ch; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: .5rem 0; }
figure img { width: 100%; height: auto; border: 1px solid var(--line); }
footer { border-top: 1px solid var(--line); margin-top: 2rem; color: var(--muted); font-size: .85rem; }
@media print { nav { display: none; } .wide { overflow: visible; } }
"""


def to_html(document: Document) -> str:
    """Return a report as HTML 5; the same report gives the same text."""
    titles = [section.title for section in document.sections]
    links = "".join(f'<a href="#part-{n}">{escape(title)}</a>' for n, title in enumerate(titles, start=1))
    banners = "".join(f'<p class="banner" role="note">{escape(text)}</p>' for text in document.banners)
    parts = "\n".join(
        f'<section aria-labelledby="part-{n}"><h2 id="part-{n}">{escape(section.title)}</h2>\n'
        + "\n".join(_block(block) for block in section.blocks)
        + "\n</section>"
        for n, section in enumerate(document.sections, start=1)
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="fdglung {__version__}">\n<title>{escape(document.title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(document.title)}</h1>\n{banners}\n"
        f'<nav aria-label="Contents">{links}</nav>\n{parts}\n'
        f"<footer>{escape(' '.join(document.banners))} fdglung {__version__}</footer>\n</main>\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Subheading):
        return f"<h3>{escape(block.text)}</h3>"
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in block.texts) + "</ul>"
    if isinstance(block, Grid):
        return _grid(block)
    return _pictures(block)


def _grid(grid: Grid) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        kinds = [' class="number"' if n in grid.numeric else "" for n in range(len(row))]
        return "".join(f"<{tag}{kind}>{escape(text)}</{tag}>" for text, kind in zip(row, kinds, strict=True))

    head = f"<thead><tr>{cells(grid.header, 'th')}</tr></thead>"
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in grid.rows)
    caption = f'<p class="caption">{escape(grid.caption)}</p>' if grid.caption else ""
    return f'<div class="wide" tabindex="0"><table>{head}<tbody>{body}</tbody></table></div>{caption}'


def _pictures(pictures: Pictures) -> str:
    figures = []
    for path, caption in zip(pictures.paths, pictures.captions, strict=True):
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        image = f'<img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        figures.append(f"<figure>{image}<figcaption>{escape(caption)}</figcaption></figure>")
    return f'<div class="figures">{"".join(figures)}</div>'
