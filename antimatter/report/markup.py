"""HTML of our pages: one file each, which needs no network, no script and no server; light or dark as the reader is.

Whatever is given to `words`, `cell`, `number`, `note`, `method` and `quoted` is escaped, and what could turn a line or
hide in it is written out; the other functions take finished HTML.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from antimatter.terminal import visible

_STYLE = """
:root{color-scheme:light dark;--ink:#24292f;--soft:#5b6570;--paper:#fff;--card:#f5f7f9;--line:#dfe4e8;--accent:#1f6feb;
--bar:#c5d9f7;--second:#bc4c00;--warn:#fff4e0;--warn-line:#e0a93b;--ins:#d3f2dc;--ins-ink:#0b5a25;--del:#ffe0db;
--del-ink:#8c2314}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--paper:#0f141a;--card:#171d25;--line:#2b323b;
--accent:#6cb0ff;--bar:#22406b;--second:#f0883e;--warn:#2b2210;--warn-line:#8a6a1f;--ins:#123c22;--ins-ink:#8ee3a8;
--del:#4a1d1a;--del-ink:#ffb4a8}}
*{box-sizing:border-box}
html{scroll-padding-top:16px;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);overflow-wrap:break-word}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:28px;line-height:1.25;margin:0}
h2{font-size:21px;line-height:1.3;margin:56px 0 14px;padding-top:14px;border-top:1px solid var(--line)}
h3{font-size:16px;margin:28px 0 8px}h4{font-size:14px;margin:16px 0 6px}
p{margin:8px 0}.lead{font-size:18px;line-height:1.5;max-width:70ch;margin:12px 0}
.soft{color:var(--soft)}small,.small{font-size:13px}
a{color:var(--accent);overflow-wrap:anywhere}
nav ul{list-style:none;margin:16px 0;padding:0;display:flex;flex-wrap:wrap;gap:8px 6px}
nav a{display:block;padding:6px 12px;border-radius:16px;background:var(--card);text-decoration:none;font-size:14px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(136px,1fr));gap:10px;margin:20px 0 8px}
.tile{background:var(--card);border-radius:8px;padding:10px 12px}.tile b{display:block;font-size:21px;line-height:1.3}
.tile span{display:block;line-height:1.35}
.note{background:var(--warn);border-left:4px solid var(--warn-line);border-radius:4px;padding:8px 12px;margin:8px 0}
.method{font-size:13px;line-height:1.45;color:var(--soft);max-width:78ch;margin:6px 0 20px}
details.method{margin:-16px 0 20px}details.method summary{font-size:13px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 20px}
figure{margin:14px 0;overflow-x:auto}figure svg{display:block;max-width:100%;height:auto}
.chart{display:block;width:100%;max-width:480px;height:auto;margin:12px 0}
.wide,.steps{overflow-x:auto;background:
linear-gradient(90deg,var(--paper) 40%,transparent) 0/36px 100% no-repeat local,
linear-gradient(270deg,var(--paper) 40%,transparent) 100%/36px 100% no-repeat local,
linear-gradient(90deg,var(--line),transparent) 0/10px 100% no-repeat scroll,
linear-gradient(270deg,var(--line),transparent) 100%/10px 100% no-repeat scroll}
.wide{margin:6px 0}table{border-collapse:collapse;font-size:14px;width:100%}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
th:last-child,td:last-child{padding-right:2px}
th{color:var(--soft);font-weight:500;vertical-align:bottom;white-space:normal;line-height:1.3}
.n{text-align:right;font-variant-numeric:tabular-nums}
td small{display:block;line-height:1.3;color:var(--soft)}tr.ours td{font-weight:600}tr.ours td small{font-weight:400}
details{margin:0}summary{cursor:pointer;padding:4px 0;color:var(--accent);font-size:14px}
details>.in{border-left:2px solid var(--line);padding-left:14px}
td.bar{width:34%;min-width:90px}.short{max-width:480px}.short td:first-child{white-space:normal}
td.bar i{display:block;height:12px;margin-top:5px;border-radius:2px;background:var(--bar)}
td.wrap{white-space:normal;min-width:170px}td.mix{width:26%;min-width:90px}td.long{white-space:normal;min-width:240px}
td.mix span{display:flex;height:12px;margin-top:5px;border-radius:2px;overflow:hidden;background:var(--line)}
td.mix i{background:var(--line)}td.mix .s0{background:var(--accent)}td.mix .s1{background:var(--second)}
td.mix .s2{background:var(--bar)}td.mix .s3{background:var(--soft)}
.text{background:var(--card);border-radius:8px;padding:10px 14px;margin:8px 0;white-space:pre-wrap;font-size:15px}
.text{unicode-bidi:plaintext}.text,code{overflow-wrap:anywhere}.text b{color:var(--accent);font-weight:500}
.text.small{font-size:13px;line-height:1.45}.tall{max-height:340px;overflow-y:auto}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,280px),1fr));gap:0 14px}
.pair h4{margin:8px 0 0;color:var(--soft);font-weight:500;font-size:13px}
.steps{display:grid;grid-auto-flow:column;grid-auto-columns:minmax(176px,1fr);gap:12px;overflow-x:auto}
ins{background:var(--ins);color:var(--ins-ink);text-decoration:underline;text-decoration-thickness:1px}
del{background:var(--del);color:var(--del-ink)}ins,del{border-radius:3px}.gap{color:var(--soft);font-style:italic}
code{background:var(--card);border-radius:4px;padding:1px 5px;font-size:13px}pre code{display:block;padding:10px 14px}
pre{margin:8px 0;overflow-x:auto}
@media(max-width:520px){body{font-size:15px}main{padding:16px 14px 48px}.tiles{grid-template-columns:1fr 1fr}
td.bar{width:auto;min-width:44px}th,td{padding-right:10px}td.n:last-child{padding-right:2px}
h2{margin-top:44px}.tile b{font-size:19px}}
@media print{main{max-width:none;padding:0}nav{display:none}details::details-content{content-visibility:visible}
.tall{max-height:none}.text,.tile,tr,figure{break-inside:avoid}h2,h3,h4{break-after:avoid}.wide,.steps{overflow:visible}
th,td{white-space:normal}a{color:inherit}.steps{display:block}}
""".strip()
_NO_ANCHOR = re.compile(r"[^a-z0-9]+")
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What no browser shows as it is, or what turns the direction of what follows."""
LONG_METHOD, SHOWN_OF_METHOD = 480, 160
"""Characters from which a method is folded, and how many of it stay in sight at least, up to the end of a sentence."""
_CODE = re.compile(r"`([^`\n]+)`")


def document(title: str, sections: Iterable[str], style: str = "") -> str:
    """A page of these sections; empty ones are left out. `style`: a style sheet beside that of all pages."""
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}{style}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main></body></html>\n"
    )
    return _HIDDEN.sub(lambda found: repr(found[0])[1:-1], page)  # whoever made the parts: pictures, other modules


def section(title: str, *parts: str) -> str:
    """A chapter that a link may point to; empty without any part."""
    body = "".join(parts)
    return f'<section id="{anchor(title)}"><h2>{escape(title)}</h2>{body}</section>' if body else ""


def anchor(title: str) -> str:
    """What a link to a section is called: "Text and sources" is text-and-sources."""
    return _NO_ANCHOR.sub("-", title.lower()).strip("-")


def contents(titles: Iterable[str]) -> str:
    """Links to these sections."""
    links = "".join(f'<li><a href="#{anchor(title)}">{escape(title)}</a></li>' for title in titles)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>' if links else ""


def block(title: str, *parts: str) -> str:
    """A part of a section under its own heading; empty without any part."""
    body = "".join(parts)
    return f"<h3>{escape(title)}</h3>{body}" if body else ""


def fold(title: str, *parts: str) -> str:
    """A part that the reader opens; empty without any part."""
    body = "".join(parts)
    return f'<details><summary>{words(title)}</summary><div class="in">{body}</div></details>' if body else ""


def method(*sentences: Any) -> str:
    """How the numbers above were found, in small type."""
    told = [str(sentence).strip() for sentence in sentences if sentence]
    first, rest = _parted(" ".join(one if one.endswith((".", ":", ";")) else f"{one}." for one in told))
    if not first:
        return ""
    shown = f'<p class="method"><b>Method.</b> {_with_code(first)}</p>'
    folded = f'<details class="method"><summary>The whole method</summary>{_with_code(rest)}</details>' if rest else ""
    return shown + folded


def _parted(told: str) -> tuple[str, str]:
    """The sentences in sight and, of a long method, those that the reader opens; code is never cut."""
    if len(told) <= LONG_METHOD:
        return told, ""
    for place in (found.end() for found in re.finditer(r"\. (?=[A-Z])", told)):
        if place >= SHOWN_OF_METHOD and told[:place].count("`") % 2 == 0:
            return told[:place].rstrip(), told[place:]
    return told, ""


def note(text: Any) -> str:
    """What a reader must know before believing a number."""
    return f'<div class="note small">{_with_code(text)}</div>'


def _with_code(text: Any) -> str:
    """Words with `commands` between backticks set as such."""
    return _CODE.sub(r"<code>\1</code>", words(text))


def picture(svg: str) -> str:
    """An SVG file as a part of the page; what stands before its first element does not belong into HTML."""
    start = svg.find("<svg")
    return f"<figure>{svg[start:].strip()}</figure>" if start >= 0 else ""


def beside_each_other(*files: str) -> str:
    """SVG files beside each other where the page is wide enough."""
    shown = [drawn for file in files if (drawn := picture(file))]
    return f'<div class="figures">{"".join(shown)}</div>' if len(shown) > 1 else "".join(shown)


def quoted(text: Any, small: bool = False) -> str:
    """A text of the corpus or the model, lines as they are."""
    return f'<div class="text{" small" if small else ""}" dir="auto">{words(text)}</div>'


def words(text: Any) -> str:
    r"""Text as HTML: escaped, control characters and those that turn the direction of a line written out.

    >>> words('<a href="x">\x00\u202e\nb')
    '&lt;a href=&quot;x&quot;&gt;\\x00\\u202e\nb'
    """
    return escape("\n".join(visible(line) for line in str(text).split("\n")))


def table(head: Sequence[str], rows: Iterable[Sequence[str]], marked: Sequence[int] = ()) -> str:
    """`head`: titles, of number columns with a leading #; `rows`: finished cells; `marked`: rows that stand out."""
    titles = "".join(
        f'<th class="n">{words(t[1:])}</th>' if t.startswith("#") else f"<th>{words(t)}</th>" for t in head
    )
    opened = ("<tr>", '<tr class="ours">')
    body = "".join(f"{opened[place in marked]}{''.join(row)}</tr>" for place, row in enumerate(rows))
    top = f"<thead><tr>{titles}</tr></thead>" if any(title.strip("#") for title in head) else ""
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def facts(pairs: Mapping[str, str]) -> str:
    """A narrow table of names and values; empty without any."""
    rows = [[f'<td class="wrap">{words(name)}</td>', number(value)] for name, value in pairs.items()]
    return f'<div class="short">{table(["", "#"], rows)}</div>' if rows else ""


def cell(text: Any, below: Any = "", kind: str = "") -> str:
    """A cell of words; `below`: a second line in small type; `kind`: wrap or long, for cells of several lines."""
    second = f"<small>{words(below)}</small>" if below != "" else ""
    opened = f'<td class="{kind}">' if kind else "<td>"
    return f"{opened}{words(text)}{second}</td>"


def number(text: Any, below: Any = "") -> str:
    """A cell of a number column; `below`: a second line in small type."""
    return cell(text, below, "n")


def bar(part: float) -> str:
    """A cell with a bar of this share of its width."""
    return f'<td class="bar"><i style="width:{max(0.5, 100 * part):.1f}%"></i></td>'
