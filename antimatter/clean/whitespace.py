"""Whitespace: one kind of space, no invisible tails. Indentation and tabs stay, because code needs them."""

import re

# Zs without the plain space, and the line separators of other conventions (ftfy has already made CRLF and CR to LF)
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_LINE_SEPARATORS = re.compile("[\u2028\u2029\u0085\x0b\x0c]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_NEWLINES = re.compile(r"\n{2,}")


def collapse(text: str, maximum_blank_lines: int) -> str:
    """Text with plain spaces, no trailing ones, at most `maximum_blank_lines` blank lines in a row, stripped.

    >>> collapse("one\\u00a0two  \\n\\n\\n\\n  three\\n", 1)
    'one two\\n\\n  three'
    """
    if not text.isascii():
        text = _SPACES.sub(" ", text)
    text = _LINE_SEPARATORS.sub("\n", text)
    text = _TRAILING.sub("", text)
    longest = maximum_blank_lines + 1
    text = _NEWLINES.sub(lambda run: "\n" * min(len(run.group()), longest), text)
    return text.strip("\n").rstrip()
