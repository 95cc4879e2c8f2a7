"""Whitespace: one kind of line end, one kind of space, no invisible tails. Code, tables and indentation keep theirs."""

import re

from antimatter.clean.edits import Edit

# Unicode 15 section 5.8: CRLF, CR, VT, FF, LS and PS all end a line
_OTHER_LINE_ENDS = "\r\x0b\x0c\u2028\u2029"
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\u2028\u2029]")

_OTHER_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # category Zs without the plain space
_TRAILING = re.compile(r"[ \t](?<![ \t]{2})[ \t]*(?=\n|\Z)")  # tried only where a run begins: linear in a run's length
_GAP = re.compile(r"  (?<=[^ \t\n]  )")  # the first two spaces of a run inside a line; the literal start makes it fast
_RUN = re.compile(r" {2,}")
# group 1 opens a text of a program: f("..", x = '..', ["..
_QUOTATION = re.compile(r"""(\w\(|[=\[{] ?)?(?:"[^"\n]*"|(?<!\w)[rbf]?'[^'\n]*')""")
_SENTENCE_END = frozenset(".!?:;。！？…")
_CLOSING = "\"')]»”’"
_PROMPTS = (">>> ", "... ", "$ ")
_COMMENTS = ("#", "//", "/*")  # after code, which style guides set off by two spaces
_WIDE = 4  # spaces; typists put two, or three, after a sentence, but nobody four inside prose


def line_ends(text: str) -> Edit:
    """Every convention of ending a line becomes a line feed, but for U+0085.

    That one (NEL) is the byte of an ellipsis in Windows-1252 far more often than the line end of a mainframe. ftfy
    makes that ellipsis of it; without ftfy it stays.

    >>> line_ends("one\\r\\ntwo\\x0cthree").text
    'one\\ntwo\\nthree'
    """
    if not any(end in text for end in _OTHER_LINE_ENDS):  # six searches for one character beat one for six
        return Edit(text)
    ended, number = _LINE_END.subn("\n", text)
    return Edit(ended, number)


def spaces(text: str) -> Edit:
    """Plain spaces, none at the end of a line, one at a time inside it.

    Left alone: all inside a line that is indented, and all gaps of a block (lines up to a blank one) that is code or a
    table. It is if one of its lines with a gap is: if it holds a tab or '|', if it begins with a prompt or a sign
    before its first gap (bullet, quote, comment), if a comment follows a gap, if a gap has four spaces or stands inside
    quotation marks (one after the end of a sentence only if the marks are those of a program), or if two gaps follow
    no end of a sentence; or if two of its lines have such a gap that ends in the same column. So gaps after sentences
    shrink in prose, and so does a stray one.

    >>> spaces("One.  Two\\u00a0three  four \\n\\nname    size  date\\na  1").text
    'One. Two three four\\n\\nname    size  date\\na  1'
    """
    edited = 0
    if not text.isascii():
        text, edited = _OTHER_SPACES.subn(" ", text)
    length = len(text)
    if " \n" in text or ("\t" in text and "\t\n" in text) or text[-1:] in (" ", "\t"):
        text = _TRAILING.sub("", text)
    if "  " in text:
        text = _single_gaps(text)
    return Edit(text, edited + length - len(text))


def _single_gaps(text: str) -> str:
    pieces, position = [], 0  # all before position is settled; blocks do not overlap, so each is looked at once
    gap = _GAP.search(text)
    while gap:
        border = text.rfind("\n\n", position, gap.start())
        start = position if border < 0 else border + 2
        end = text.find("\n\n", gap.start())
        end = len(text) if end < 0 else end
        block = text[start:end]
        lines = [line for line in block.split("\n") if "  " in line]
        if not _is_code_or_table(lines):
            pieces += [text[position:start], _shrunk(block)]
        else:
            pieces.append(text[position:end])
        position = end
        gap = _GAP.search(text, end)
    return "".join([*pieces, text[position:]]) if pieces else text


def _is_code_or_table(lines: list[str]) -> bool:
    """Whether the lines of a block that have gaps or indentation look so, as far as their spaces tell."""
    columns: set[int] = set()
    for line in lines:
        first = len(line) - len(line.lstrip(" \t"))
        gaps = [gap.span() for gap in _RUN.finditer(line, first)]
        if not gaps:
            continue
        inside = [(start, end) for start, end in gaps if not _follows_sentence(line, start)]
        ends = {end for _, end in inside}
        if (
            "\t" in line
            or "|" in line
            or len(inside) >= 2
            or not columns.isdisjoint(ends)
            or any(end - start >= _WIDE for start, end in gaps)
            or not any(map(str.isalnum, line[first : gaps[0][0]]))
            or line.startswith(_PROMPTS, first)
            or any(line.startswith(_COMMENTS, end) for _, end in gaps)
            or _quotes_code(line)
        ):
            return True
        columns |= ends
    return False


def _follows_sentence(line: str, start: int) -> bool:
    return line[max(0, start - 4) : start].rstrip(_CLOSING)[-1:] in _SENTENCE_END


def _quotes_code(line: str) -> bool:
    """Whether a quotation in the line holds a gap that is not the typist's after a sentence."""
    if '"' not in line and "'" not in line:
        return False
    return any(
        quotation[1] or not _follows_sentence(line, gap.start())
        for quotation in _QUOTATION.finditer(line)
        for gap in _RUN.finditer(line, quotation.start(), quotation.end())
    )


def _shrunk(block: str) -> str:
    return "\n".join(line if line[:1] in (" ", "\t") else _RUN.sub(" ", line) for line in block.split("\n"))


def blank_lines(text: str, maximum: int) -> Edit:
    """At most `maximum` blank lines in a row, none at the ends; the first line keeps its indentation.

    A line of spaces and tabs is blank.

    >>> blank_lines("\\n  one\\n\\n \\n\\ntwo\\n", 1).text
    '  one\\n\\ntwo'
    """
    length = len(text)
    if text[:1] in ("\n", " ", "\t") or text[-1:] in ("\n", " ", "\t"):
        text = _without_blank_ends(text)
    if "\n" * (maximum + 2) in text or "\n " in text or "\n\t" in text:
        text = re.sub(rf"\n(?:[ \t]*\n){{{maximum + 1},}}", "\n" * (maximum + 1), text)
    return Edit(text, length - len(text))


def _without_blank_ends(text: str) -> str:
    visible = text.rstrip(" \t\n")
    end = text.find("\n", len(visible))  # what follows the last word in its own line is not ours
    first = len(text) - len(text.lstrip(" \t\n"))
    start = text.rfind("\n", 0, first) + 1
    return text[start : len(text) if end < 0 else end] if visible else ""
