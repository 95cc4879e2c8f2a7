"""Whitespace: one kind of line end, one kind of space, no invisible tails. Code, tables and indentation keep theirs."""

import re

from antimatter.clean.edits import Edit

# Unicode 15 section 5.8: CRLF, CR, NEL, VT, FF, LS and PS all end a line
_OTHER_LINE_ENDS = "\r\x0b\x0c\x85\u2028\u2029"
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")

_OTHER_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")  # category Zs without the plain space
_TRAILING = re.compile(r"[ \t](?<![ \t]{2})[ \t]*(?=\n|\Z)")  # tried only where a run begins: linear in a run's length
_GAP = re.compile(r"  (?<=[^ \t\n]  )")  # the first two spaces of a run inside a line; the literal start makes it fast
_RUN = re.compile(r" {2,}")
_SENTENCE_END = frozenset(".!?:;。！？…")
_CLOSING = "\"')]»”’"
_PROMPTS = (">>> ", "... ", "$ ")
_COMMENTS = ("#", "//", "/*")  # after code, which style guides set off by two spaces
_WIDE = 4  # spaces; typists put two, or three, after a sentence, but nobody four inside prose


def line_ends(text: str) -> Edit:
    """Every convention of ending a line becomes a line feed.

    >>> line_ends("one\\r\\ntwo\\x0cthree").text
    'one\\ntwo\\nthree'
    """
    if not any(end in text for end in _OTHER_LINE_ENDS):  # six searches for one character beat one for six
        return Edit(text)
    ended, number = _LINE_END.subn("\n", text)
    return Edit(ended, number)


def spaces(text: str) -> Edit:
    """Plain spaces, none at the end of a line, one at a time inside it.

    Left alone: indentation, and all inside a line that is indented (also behind a prompt, comment, quote or bullet
    sign), that holds a tab or '|', that looks like code with a comment after it, or that looks like columns: a gap of
    four spaces, or two gaps of two that do not follow the end of a sentence.

    >>> spaces("One.  Two\\u00a0three  four \\nname    size  date").text
    'One. Two three four\\nname    size  date'
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
    pieces, position = [], 0
    gap = _GAP.search(text)
    while gap:
        start = text.rfind("\n", 0, gap.start()) + 1
        end = text.find("\n", gap.start())
        end = len(text) if end < 0 else end
        line = text[start:end]
        if not _keeps_its_gaps(line):
            pieces += [text[position:start], _RUN.sub(" ", line)]
            position = end
        gap = _GAP.search(text, end)
    return "".join([*pieces, text[position:]]) if pieces else text


def _keeps_its_gaps(line: str) -> bool:
    """Whether a line is code or part of a table, as far as its spaces tell."""
    if line[0] in " \t" or "\t" in line or "|" in line:
        return True
    gaps = [gap.span() for gap in _RUN.finditer(line)]
    if any(end - start >= _WIDE for start, end in gaps):
        return True
    if not any(map(str.isalnum, line[: gaps[0][0]])) or line.startswith(_PROMPTS):
        return True
    if any(line.startswith(_COMMENTS, end) for _, end in gaps):
        return True
    inside = [start for start, _ in gaps if line[max(0, start - 4) : start].rstrip(_CLOSING)[-1:] not in _SENTENCE_END]
    return len(inside) >= 2


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
