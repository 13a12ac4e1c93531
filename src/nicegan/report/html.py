"""The parts of an HTML page: sections, tables, pictures. Nothing here knows what they show."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Sequence
from typing import Any

FLAG = re.compile(r"--[a-z][\w.-]*\w")
LONGEST_NUMBER = 24  # characters of a cell that is never broken: "-1234.56 ± 1234.56"

STYLE = """
:root { color-scheme: light }
body { font: 16px/1.5 system-ui, sans-serif; color: #1d2430; background: #f6f7f9; margin: 0 }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px }
h1 { font-size: 1.7rem; margin: .4em 0 0 } h2 { font-size: 1.15rem; margin: 2em 0 .6em }
h3 { font-size: 1rem; margin: 2em 0 .4em } .scroll { margin: 12px 0 }
p.lead { color: #5a6577; margin: .2em 0 1.2em } p.note { color: #5a6577; font-size: .9rem; margin: .5em 0 }
section { background: #fff; border: 1px solid #e2e6ec; border-radius: 8px; padding: 4px 20px 20px; margin: 20px 0 }
table { border-collapse: collapse; width: 100% } .scroll { overflow-x: auto }
th, td { text-align: left; padding: 6px 14px 6px 0; border-bottom: 1px solid #eceff3; vertical-align: top }
th { color: #5a6577; font-weight: 600 } td.number { font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto; display: block } figure { margin: 12px 0 } figcaption { color: #5a6577 }
.hint { border-left: 4px solid #d55e00; padding-left: 12px; margin: 14px 0 } .hint h3 { margin: 0 }
.hint p { margin: .3em 0 } code { white-space: nowrap; background: #f1f3f6; border-radius: 3px; padding: 0 3px }
.wide img { min-width: 720px } td { overflow-wrap: anywhere }
td:first-child { overflow-wrap: normal; min-width: 6.5em } td.number { white-space: nowrap }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 8px 20px }
.panels figcaption { display: none } pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem }
summary { cursor: pointer }
@media (max-width: 600px) { th, td { padding-right: 8px; font-size: .85rem } td.number { white-space: normal }
  td:first-child { min-width: 5em } }
"""


def page(title: str, lead: str, sections: Sequence[str]) -> str:
    """Return the whole page, which needs nothing else."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}: nicegan report</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{html.escape(title)}</h1><p class=lead>{html.escape(lead)}</p>"
        f"{''.join(sections)}</main></body></html>"
    )


def section(title: str, content: str) -> str:
    """Return a titled box."""
    return f"<section><h2>{html.escape(title)}</h2>{content}</section>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table that scrolls sideways on narrow screens."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns) if any(columns) else ""
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def _cell(words: str) -> str:
    kind = " class=number" if len(words) <= LONGEST_NUMBER else ""
    return f"<td{kind}>{html.escape(words)}</td>"


def subtitle(words: str) -> str:
    """Return the title of a part of a box."""
    return f"<h3>{html.escape(words)}</h3>"


def paragraph(words: str) -> str:
    """Return a line of text."""
    return f"<p>{html.escape(words)}</p>"


def hint(title: str, measured: str, advice: str) -> str:
    """Return a titled block of two lines; settings in the advice are never broken across lines."""
    marked = FLAG.sub(r"<code>\g<0></code>", html.escape(advice))
    return f"<div class=hint><h3>{html.escape(title)}</h3>{paragraph(measured)}<p>{marked}</p></div>"


def note(words: str) -> str:
    """Return a line of text that matters less than others."""
    return f"<p class=note>{html.escape(words)}</p>"


def figure(png: bytes, caption: str, *, wide: bool = False) -> str:
    """Return a picture inside the page; a wide one scrolls sideways on narrow screens instead of shrinking."""
    data = base64.b64encode(png).decode()
    frame = "scroll wide" if wide else ""
    return (
        f'<figure><div class="{frame}"><img alt="{html.escape(caption)}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def text(value: Any) -> str:
    """JSON, safe inside HTML."""
    return html.escape(json.dumps(value, indent=1))
