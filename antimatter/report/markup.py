"""HTML of our pages: one file each, which needs no network, no script and no server; light or dark as the reader is.

Whatever is given to `cell` and `number` is escaped; the other functions take finished HTML.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark;--ink:#24292f;--soft:#65707c;--paper:#fff;--card:#f5f7f9;--line:#dfe4e8;--accent:#1f6feb;
--bar:#c5d9f7;--second:#bc4c00;--warn:#fff4e0;--warn-line:#e0a93b}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--paper:#0f141a;--card:#171d25;--line:#2b323b;
--accent:#6cb0ff;--bar:#22406b;--second:#f0883e;--warn:#2b2210;--warn-line:#8a6a1f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink)}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:26px;margin:0}h2{font-size:19px;margin:44px 0 12px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:20px 0 8px}p{margin:8px 0}.soft{color:var(--soft)}small,.small{font-size:13px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:10px;margin:20px 0}
.tile{background:var(--card);border-radius:8px;padding:10px 12px}.tile b{display:block;font-size:21px;line-height:1.3}
.note{background:var(--warn);border-left:4px solid var(--warn-line);border-radius:4px;padding:8px 12px;margin:8px 0}
.chart{display:block;width:100%;max-width:600px;height:auto;margin:12px 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px;width:100%}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
th{color:var(--soft);font-weight:500}.n{text-align:right;font-variant-numeric:tabular-nums}
details{margin:6px 0}summary{cursor:pointer;padding:4px 0}
td.bar{width:34%;min-width:90px}.short{max-width:440px}
td.bar i{display:block;height:12px;margin-top:5px;border-radius:2px;background:var(--bar)}
td.wrap{white-space:normal;min-width:170px}td.mix{width:26%;min-width:90px}
td.mix span{display:flex;height:12px;margin-top:5px;border-radius:2px;overflow:hidden;background:var(--line)}
td.mix i{background:var(--line)}td.mix .s0{background:var(--accent)}td.mix .s1{background:var(--second)}
td.mix .s2{background:var(--bar)}td.mix .s3{background:var(--soft)}
.text{background:var(--card);border-radius:8px;padding:10px 14px;margin:8px 0;white-space:pre-wrap}
.text,code{overflow-wrap:anywhere}.text b{color:var(--accent)}
code{background:var(--card);border-radius:4px;padding:1px 5px;font-size:14px}
""".strip()


def document(title: str, sections: Iterable[str], style: str = "") -> str:
    """A page of these sections; empty ones are left out. `style`: a style sheet beside that of all pages."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main></body></html>\n"
    )


def section(title: str, *parts: str) -> str:
    body = "".join(parts)
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`head`: titles, those of number columns with a leading #; `rows`: finished cells."""
    titles = "".join(
        f'<th class="n">{escape(t[1:])}</th>' if t.startswith("#") else f"<th>{escape(t)}</th>" for t in head
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    top = f"<thead><tr>{titles}</tr></thead>" if any(title.strip("#") for title in head) else ""
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def cell(words: Any) -> str:
    return f"<td>{escape(str(words))}</td>"


def number(words: str) -> str:
    return f'<td class="n">{escape(words)}</td>'


def bar(part: float) -> str:
    return f'<td class="bar"><i style="width:{max(0.5, 100 * part):.1f}%"></i></td>'
