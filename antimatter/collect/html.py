"""HTML to text, by resiliparse: of a page the main content alone, of a fragment all of it."""

import re

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import DOMNode, HTMLTree

_NAVIGATION = ["a.headerlink", "div[role=navigation]", "nav"]
# a row that holds one of these lays out a page; the others hold data
_LAYOUT = "table, pre, ul, ol, dl, h1, h2, h3, h4, p + p"


def main_content(page: str) -> tuple[str, str]:
    """(title, text) of a page without navigation, header and footer.

    Paragraphs, lists and <pre> keep their lines; a row of a table is a line, its cells apart by " | " (resiliparse
    alone would make a paragraph of every cell).
    """
    tree = HTMLTree.parse(page)
    if tree.body is not None:
        for row in tree.body.query_selector_all("tr"):
            if row.query_selector(_LAYOUT) is None:
                cells = [" ".join((cell.text or "").split()) for cell in row.child_nodes if cell.tag in ("td", "th")]
                row.text = " | ".join(cells).rstrip(" |")
        for code in tree.body.query_selector_all("pre"):
            _break_after(tree, code)
    text = extract_plain_text(tree, main_content=True, preserve_formatting=True, skip_elements=_NAVIGATION)
    return " ".join((tree.title or "").split()), text


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
