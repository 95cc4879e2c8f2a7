"""What a character is, as tables that kernels read: one flag word and one lower-case partner a code point.

The classes are Python's own (str.isalpha and its like, unicodedata.category), so they follow the Unicode version of the
interpreter (`UNICODE`), which reports record. Kernels take the tables as arguments: numba would copy a global one into
every compiled function.
"""

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

UNICODE = unicodedata.unidata_version

SPACE = 1 << 0
"""str.isspace"""
ALNUM = 1 << 1
LETTER = 1 << 2
"""str.isalpha: any script"""
MARK = 1 << 3
"""categories Mn, Mc, Me"""
DECIMAL = 1 << 4
UPPER = 1 << 5
LOWER = 1 << 6
PUNCTUATION = 1 << 7
"""categories P*"""
SYMBOL = 1 << 8
"""categories S*"""
END_MARK = 1 << 9
NO_SPACE_MARK = 1 << 10
"""an end mark behind which no space is needed"""
CLOSER = 1 << 11
"""what may stand between an end mark and the end of its sentence: categories Pe and Pf, and the straight quotes"""
BULLET = 1 << 12
STANDS_ALONE = 1 << 13
"""a letter of a script that is written without spaces: a word of its own"""
IGNORED = 1 << 14
"""no character to `segment`; set in the tables of `loose_flags` alone"""

END_MARKS = frozenset(
    map(
        chr,
        [
            0x21, 0x2E, 0x3F, 0x589, *range(0x61D, 0x620), 0x6D4, *range(0x700, 0x703), 0x7F9, 0x837, 0x839, 0x83D,
            0x83E, 0x964, 0x965, 0x104A, 0x104B, 0x1362, 0x1367, 0x1368, 0x166E, 0x1735, 0x1736, 0x17D4, 0x17D5,
            0x1803, 0x1809, 0x1944, 0x1945, *range(0x1AA8, 0x1AAC), 0x1B4E, 0x1B4F, 0x1B5A, 0x1B5B, 0x1B5E, 0x1B5F,
            *range(0x1B7D, 0x1B80), 0x1C3B, 0x1C3C, 0x1C7E, 0x1C7F, 0x2024, 0x203C, 0x203D, *range(0x2047, 0x204A),
            *range(0x2CF9, 0x2CFC), 0x2E2E, 0x2E3C, 0x2E53, 0x2E54, 0x2E60, 0x2E61, 0x3002, 0xA4FF, 0xA60E, 0xA60F,
            0xA6F3, 0xA6F7, 0xA876, 0xA877, 0xA8CE, 0xA8CF, 0xA92F, 0xA9C8, 0xA9C9, *range(0xAA5D, 0xAA60), 0xAAF0,
            0xAAF1, 0xABEB, 0xFE12, 0xFE15, 0xFE16, 0xFE52, 0xFE56, 0xFE57, 0xFF01, 0xFF0E, 0xFF1F, 0xFF61, 0x10A56,
            0x10A57, *range(0x10F55, 0x10F5A), *range(0x10F86, 0x10F8A), 0x11047, 0x11048, *range(0x110BE, 0x110C2),
            *range(0x11141, 0x11144), 0x111C5, 0x111C6, 0x111CD, 0x111DE, 0x111DF, 0x11238, 0x11239, 0x1123B, 0x1123C,
            0x112A9, 0x113D4, 0x113D5, 0x1144B, 0x1144C, 0x115C2, 0x115C3, *range(0x115C9, 0x115D8), 0x11641, 0x11642,
            *range(0x1173C, 0x1173F), 0x11944, 0x11946, 0x11A42, 0x11A43, 0x11A9B, 0x11A9C, 0x11C41, 0x11C42, 0x11EF7,
            0x11EF8, 0x11F43, 0x11F44, 0x16A6E, 0x16A6F, 0x16AF5, 0x16B37, 0x16B38, 0x16B44, 0x16D6E, 0x16D6F,
            0x16E98, 0x1BC9F, 0x1DA88,
        ],
    )
)  # fmt: skip
"""The Unicode property Sentence_Terminal (UAX #44, PropList), which unicodedata does not have; 172 characters, as the
module regex 2026.11.15 knows them."""
NO_SPACE_MARKS = frozenset("。！．？｡")
BULLETS = frozenset("•‣▶◀●◦■□▪▫–-*")
STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The eight of Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A1.1."""
ABBREVIATIONS = frozenset(
    "mr mrs ms messrs dr prof st mt rev hon gen col maj capt cmdr lt sgt gov sen rep pres jr sr vs cf ca viz al pp vol "
    "fig eds approx dept est".split()
)
"""Behind these a full stop ends no sentence. Not here: words that often end one (no, etc, inc, a.m.)."""
ALONE = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19FF), (0x1A20, 0x1AAF), (0x2E80, 0x2FDF),
    (0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x3035), (0x3038, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF),
    (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xA9E0, 0xA9FF), (0xAA60, 0xAADF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F),
    (0x16FE0, 0x18D8F), (0x1AFF0, 0x1B2FF), (0x20000, 0x3FFFF),
)  # fmt: skip
"""Code points, both ends in, of scripts without spaces: Thai, Lao, Myanmar, Khmer, Tai, Han, kana, Bopomofo, Tangut,
Nushu. Letters in them are words of their own (Unicode UAX #29 has the same for Han and Hiragana; dictionaries would be
needed for more)."""

_LAST_LOWER = 0x1E943  # Adlam: behind it no letter has a lower-case partner
_LAST_ASSIGNED = 0x3FFFF  # planes 0 to 3; behind them lie only tags, variation selectors (marks) and private use
_SELECTORS = (0xE0100, 0xE01EF)


class Tables(NamedTuple):
    """What kernels know about characters."""

    flags: np.ndarray
    """uint16[0x110000]: the flags of this module by code point"""
    lower: np.ndarray
    """uint32[0x1E944]: the lower-case code point; the same one where lower case takes several, and behind the table"""


@functools.cache
def tables() -> Tables:
    """The tables of this process; made once, in about 0.1 s."""
    flags = np.zeros(0x110000, dtype=np.uint16)
    points = np.arange(_LAST_ASSIGNED + 1, dtype=np.uint32)
    points[0xD800:0xE000] = 0  # lone surrogates are no text
    one = points.view("<U1")
    known = flags[: len(points)]
    known[np.strings.isspace(one)] |= SPACE
    known[np.strings.isalnum(one)] |= ALNUM
    known[np.strings.isalpha(one)] |= LETTER
    known[np.strings.isdecimal(one)] |= DECIMAL
    known[np.strings.isupper(one)] |= UPPER
    known[np.strings.islower(one)] |= LOWER
    categories = np.array([unicodedata.category(chr(point)) for point in points.tolist()], dtype="<U2")
    first = categories.view("<U1")[::2]
    known[first == "M"] |= MARK
    known[first == "P"] |= PUNCTUATION
    known[first == "S"] |= SYMBOL
    known[(categories == "Pe") | (categories == "Pf")] |= CLOSER
    flags[_SELECTORS[0] : _SELECTORS[1] + 1] |= MARK
    for characters, flag in (
        (END_MARKS, END_MARK),
        (NO_SPACE_MARKS, NO_SPACE_MARK),
        (BULLETS, BULLET),
        ("\"'", CLOSER),
    ):
        flags[[ord(character) for character in sorted(characters)]] |= flag
    for low, high in ALONE:
        span = flags[low : high + 1]
        span[(span & LETTER) != 0] |= STANDS_ALONE
    lower = np.array([ord(fold_character(chr(point))) for point in range(_LAST_LOWER + 1)], dtype=np.uint32)
    flags.setflags(write=False)
    lower.setflags(write=False)
    return Tables(flags, lower)


@functools.cache
def loose_flags() -> np.ndarray:
    """uint16[0x110000] for comparing texts that were written down in different ways: whatever is no letter, digit or
    mark parts words (don't is two, so is don’t), and format characters (soft hyphens, joiners) are not there."""
    flags: np.ndarray = tables().flags.copy()
    flags[(flags & (ALNUM | MARK)) == 0] |= SPACE
    formats = [point for point in range(_LAST_ASSIGNED + 1) if unicodedata.category(chr(point)) == "Cf"]
    formats += [point for point in range(0xE0000, 0xE0080) if unicodedata.category(chr(point)) == "Cf"]
    flags[formats] = IGNORED
    flags.setflags(write=False)
    return flags


def fold_character(character: str) -> str:
    """Its lower case, where that is one character (İ would become two), else itself."""
    lowered = character.lower()
    return lowered if len(lowered) == 1 else character


def buffers(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """(data uint8[], offsets int64[n+1]) of an array of string or large_string; nothing of the text is copied.

    Raises: TypeError for another type, ValueError if there are nulls.
    """
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise TypeError(f"texts must be string or large_string, not {texts.type}")
    if texts.null_count:
        raise ValueError(f"{texts.null_count} of {len(texts)} texts are null")
    _, offsets, data = texts.buffers()
    width = np.dtype("<i8" if pa.types.is_large_string(texts.type) else "<i4")
    if offsets is None or len(texts) == 0:
        return np.zeros(0, dtype=np.uint8), np.zeros(1, dtype=np.int64)
    starts = np.frombuffer(offsets, dtype=width)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    return content, starts


@njit(cache=True)
def decode(data, i):  # type: ignore[no-untyped-def]
    """(code point, index behind it) of the character that begins at byte i; the bytes are valid UTF-8."""
    byte = data[i]
    if byte < 0x80:
        return np.uint32(byte), i + 1
    if byte < 0xE0:
        return np.uint32(((byte & 0x1F) << 6) | (data[i + 1] & 0x3F)), i + 2
    if byte < 0xF0:
        return np.uint32(((byte & 0x0F) << 12) | ((data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F)), i + 3
    high = ((byte & 0x07) << 18) | ((data[i + 1] & 0x3F) << 12)
    return np.uint32(high | ((data[i + 2] & 0x3F) << 6) | (data[i + 3] & 0x3F)), i + 4


@njit(cache=True)
def decode_before(data, i):  # type: ignore[no-untyped-def]
    """(code point, index of its first byte) of the character that ends before byte i."""
    i -= 1
    while data[i] & 0xC0 == 0x80:
        i -= 1
    point, _ = decode(data, i)
    return point, i
