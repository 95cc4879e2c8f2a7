"""HTML to text, by resiliparse: of a page the main content alone, of a fragment all of it.

A page's encoding: the user's word (source.encoding), else byte order mark, UTF-8, what the page declares, detection.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import DOMNode, HTMLTree

from antimatter.collect import drafts, encodings
from antimatter.collect.compression import read_whole
from antimatter.collect.drafts import ENCODING, SHAPE, Broken, Draft, Oversized
from antimatter.params.collect import Source

_NAVIGATION = ["a.headerlink", "div[role=navigation]", "nav"]
# a row that holds one of these lays out a page; the others hold data
_LAYOUT = "table, pre, ul, ol, dl, h1, h2, h3, h4, p + p"
_NESTING = re.compile(
    r"<(/?)(?:div|section|article|main|aside|header|footer|center|font|span|table|form|fieldset|blockquote|ul|ol|dl|a|b|i)"
    r"[\s>]",
    re.IGNORECASE,
)
_DEEPEST = 1000
_MOST_TAGS = 1_000_000  # about 500 bytes of memory each

_PRESCAN_BYTES = 4096
_COMMENT = re.compile(rb"<!--.*?(-->|$)", re.DOTALL)
_META = re.compile(rb"<meta[\s/]([^>]{0,1000})", re.IGNORECASE)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)
_XML = re.compile(rb"\s*<\?xml[^>]{0,200}encoding\s*=\s*[\"']([A-Za-z0-9_.:+-]{1,40})", re.IGNORECASE)


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """One page, one document: its main content, its title in the metadata; "" where nothing but navigation is left."""
    data, size = read_whole(stream, drafts.LARGEST_DOCUMENT_BYTES)
    if size > drafts.LARGEST_DOCUMENT_BYTES:
        yield Oversized(origin, size, drafts.LARGEST_DOCUMENT_BYTES)
    else:
        yield document(data, origin, source)


def document(data: bytes, origin: str, source: Source, declared: str = "") -> Draft | Broken:
    """The document of one page. declared: the charset that a HTTP header names; it comes before the page's own word."""
    try:
        page, encoding = encodings.decode_named(data, source.encoding, declared or declared_charset(data))
    except UnicodeDecodeError as error:
        return Broken(origin, 0, str(error), data, ENCODING)
    if page.count("<") > _MOST_TAGS:
        return Broken(origin, 0, f"a page of more than {_MOST_TAGS:,} tags", data, SHAPE)
    title, text = main_content(page)
    labels = {"title": title, "encoding": "" if encoding == "utf-8" else encoding}
    return Draft(origin, text, metadata={name: value for name, value in labels.items() if value})


def declared_charset(data: bytes) -> str:
    """What the beginning of a page says of its encoding, in an XML declaration or a <meta>; "" if nothing.

    >>> declared_charset(b'<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">')
    'koi8-r'
    """
    head = data[:_PRESCAN_BYTES]
    if declaration := _XML.match(head):
        return declaration[1].decode("ascii")
    for meta in _META.finditer(_COMMENT.sub(b"", head)):
        if charset := _CHARSET.search(meta[1]):
            label = charset[1].decode("ascii")
            # a page in UTF-16 could not be read as far as this <meta>
            return "utf-8" if label.lower().startswith(("utf-16", "utf-32")) else label
    return ""


def main_content(page: str) -> tuple[str, str]:
    """(title, text) of a page without navigation, header and footer.

    Paragraphs, lists and <pre> keep their lines; a row of a table is a line, its cells apart by " | " (resiliparse
    alone would make a paragraph of every cell). Of a page nested too deeply for any layout all text is taken.
    """
    tree = HTMLTree.parse(page)
    if tree.body is not None:
        # [:], because going through the collection itself looks every element up from the first one on
        for row in tree.body.query_selector_all("tr")[:]:
            if row.query_selector(_LAYOUT) is None:
                cells = [" ".join((cell.text or "").split()) for cell in row.child_nodes[:] if cell.tag in ("td", "th")]
                row.text = " | ".join(cells).rstrip(" |")
        for code in tree.body.query_selector_all("pre")[:]:
            _break_after(tree, code)
    flat = _depth(page) <= _DEEPEST
    text = extract_plain_text(tree, main_content=flat, preserve_formatting=True, skip_elements=_NAVIGATION)
    return " ".join((tree.title or "").split()), text


def _depth(page: str) -> int:
    """How deep elements that need an end tag are nested, about: finding the main content takes the square of it."""
    if page.count("<") <= _DEEPEST:
        return 0
    depth = deepest = 0
    for tag in _NESTING.finditer(page):
        depth = max(0, depth - 1) if tag[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _break_after(tree: HTMLTree, node: DOMNode) -> None:
    """resiliparse ends <pre> with one line end: what follows would look like code."""
    parent, following, line_break = node.parent, node.next, tree.create_element("br")
    if parent is not None and following is not None and line_break is not None:
        parent.insert_before(line_break, following)


def fragment_text(fragment: str) -> str:
    """The text of a few inline or block elements: tags go, entities are decoded, paragraphs stay apart.

    >>> fragment_text("<p>Bread &amp; butter</p><p>Tea<br>Milk</p>")
    'Bread & butter\\n\\nTea\\nMilk'
    """
    if "<" not in fragment and "&" not in fragment:
        return fragment.strip()
    text = extract_plain_text(fragment, preserve_formatting=True)
    return re.sub(r"\n{3,}", "\n\n", text).strip()
