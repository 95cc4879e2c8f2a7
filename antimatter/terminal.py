"""Text for a terminal: nothing in it that drives one, and the columns that it takes there."""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

MOST_MARKS = 8
"""Characters without a column of their own that stay on one base: Vietnamese needs two, biblical Hebrew four."""
_JOINERS = "\u200c\u200d"  # Persian, Indic scripts and emoji need them; they take no column


def visible(text: str, exactly: bool = False) -> str:
    r"""The text with control characters, and whatever else could move the cursor or turn the line, written out; marks
    beyond MOST_MARKS on one base too.

    exactly   spaces other than U+0020 and joiners too, and a line break as ⏎: for what differs in them alone.

    >>> visible("a\x1b[2J\u202e\u00a0b"), visible("a\u00a0\n", exactly=True)
    ('a\\x1b[2J\\u202e\xa0b', 'a\\xa0⏎')
    """
    if not text.isprintable():
        text = "".join(_visible(character, exactly) for character in text)
    return text if len(text) <= MOST_MARKS or text.isascii() else "".join(_few_marks(text))


@lru_cache(maxsize=4096)
def _visible(character: str, exactly: bool) -> str:
    if character.isprintable():
        return character
    if exactly:
        return "⏎" if character == "\n" else repr(character)[1:-1]
    if character in _JOINERS or unicodedata.category(character) == "Zs":
        return character
    return {"\t": "    ", "\n": " "}.get(character, repr(character)[1:-1])


def _few_marks(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        marks = 0 if _columns(character) else marks + 1
        yield character if marks <= MOST_MARKS else character.encode("unicode_escape").decode()


def columns(text: str) -> int:
    """Columns that visible text takes: two for wide characters (UAX 11: W, F), none for marks above and below others.

    >>> columns("abc"), columns("漢字"), columns("e\u0301")
    (3, 4, 1)
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(maxsize=1 << 16)
def _columns(character: str) -> int:
    if character in _JOINERS or unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0  # U+1160..11FF: vowels and finals of Hangul, drawn into the consonant before them
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def pieces(text: str, most: int) -> Iterator[str]:
    """Visible text in pieces of at most so many columns (at least two); marks stay with what they stand on."""
    start = used = 0
    for place, character in enumerate(text):
        width = _columns(character)
        if used + width > most:
            yield text[start:place]
            start, used = place, 0
        used += width
    yield text[start:]
