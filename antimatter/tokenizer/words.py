"""Training words: what SentencePiece gets to see of a text, each distinct one with the number of times it occurs.

    whitespace_pieces    "if x:\\n    f( y )"  ->  "if" " x" ":N...." "f" "(" " y" " )"      N: \\n, .: a space of a run
    otherwise            "if x:\\n    f( y )"  ->  "if" " x" ":" "    f" "(" " y" " )"

A word is what no piece may reach across. SentencePiece would learn the same pieces from the whole text, for it parts it
by the same rules, but it would have to hold the text. Words are defined one by one: the first word of a text, then the
words of the rest.

    one space before a character    begins the word of that character
    other whitespace                with whitespace_pieces: becomes STAND_INS, which SentencePiece takes for ordinary
                                    characters; it ends the word in front if it begins with a line break or a tab and
                                    the character before is Common or of no script that `kinds` knows (no digit or
                                    control symbol that is a word by itself); else it is a word of its own. Without: a
                                    run of spaces begins a word, a line break is left out, a tab is TAB
    a change of script              ends a word, as does a digit with split_digits: SentencePiece makes no piece across
                                    (`kinds` knows the common scripts; what stays in one word only costs memory)
    a control symbol spelt out      is a word of its own: SentencePiece makes nothing of it
    LONGEST bytes                   end a word, for SentencePiece numbers the characters of one in 16 bits
"""

import functools

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from antimatter.text.characters import buffers, decode
from antimatter.text.words import mix
from antimatter.tokenizer.dictionary import FULL, SEED, Dictionary, find_or_add, hash_step
from antimatter.tokenizer.vocabulary import CONTROL, PAD, SPECIAL, WHITESPACE_MARK

STAND_INS = {" ": "\x11", "\n": "\x12", "\t": "\x13"}
"""Control characters that clean text does not hold: one byte each, script Common. A word with one is unusable."""
TAB = SPECIAL[PAD]
"""SentencePiece's TSV files cannot hold a tab. This it reads as a character that is in no piece, but counts for the
coverage: what it made of tabs before 0.2.3, which learns them."""
MARKERS = (*SPECIAL, *CONTROL)
"""Spelt out in a text, with <0x00> to <0xFF>, they are what SentencePiece does not learn from."""
LONGEST = 4096
"""Bytes of a word."""
_SYMBOL_SPACE = ord(WHITESPACE_MARK)

UNSURE, COMMON, LATIN, GREEK, CYRILLIC, HEBREW, ARABIC, DEVANAGARI, THAI, HANGUL, HAN = range(11)
DIGIT, WHITE, MARKED, UNUSABLE = 252, 253, 254, 255
"""Kinds of characters: scripts, as SentencePiece sees them (kana is Han), and what the kernel looks at."""
SCRIPTS = {
    COMMON: ((0x01, 0x40), (0x5B, 0x60), (0x7B, 0xA9), (0xAB, 0xB9), (0xBB, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7),
             (0x2010, 0x2027), (0x2030, 0x205E), (0x3001, 0x3004), (0x3008, 0x3020), (0xFF01, 0xFF0F),
             (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65)),
    LATIN: ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x2AF), (0x1E00, 0x1EFF)),
    GREEK: ((0x388, 0x38A), (0x38E, 0x3A1), (0x3A3, 0x3E1)),
    CYRILLIC: ((0x400, 0x482), (0x48A, 0x52F)),
    HEBREW: ((0x5D0, 0x5EA),),
    ARABIC: ((0x620, 0x63F), (0x641, 0x64A), (0x671, 0x6D3)),
    DEVANAGARI: ((0x904, 0x939), (0x958, 0x961)),
    THAI: ((0xE01, 0xE3A), (0xE40, 0xE5B)),
    HANGUL: ((0xAC00, 0xD7A3),),
    HAN: ((0x3041, 0x3096), (0x30A1, 0x30FA), (0x30FC, 0x30FC), (0x3400, 0x4DB5), (0x4E00, 0x9FA5)),
}  # fmt: skip
"""Code points, both ends in, whose script is beyond doubt; of others nothing is known, and no word ends at them."""


class WordCounts:
    """The words of the texts added so far. Memory: their bytes and about 40 bytes each."""

    def __init__(self, split_digits: bool, whitespace_pieces: bool) -> None:
        self.whitespace_pieces = whitespace_pieces
        self.dictionary = Dictionary()
        self._counts = np.zeros(self._capacity(), dtype=np.int64)
        self._unusable = np.zeros(1, dtype=np.int64)
        self._kinds = kinds(split_digits, whitespace_pieces)

    def add(self, texts: pa.Array) -> None:
        """Count the words of an array of string or large_string without nulls."""
        data, offsets = buffers(texts)
        place = np.zeros(2, dtype=np.int64)
        word = np.empty(LONGEST, dtype=np.uint8)
        given = (data, offsets, self._kinds, marker_bytes(), self.whitespace_pieces)
        while needed := _count(*given, place, word, *self.dictionary.arrays, self._counts, self._unusable):
            self.dictionary.grow(needed)
            self._counts = np.concatenate([self._counts, np.zeros(self._capacity() - len(self._counts), np.int64)])

    @property
    def unusable(self) -> int:
        """Occurrences of words that hold a stand-in, NUL or U+2585 (SentencePiece's own); they are in no count."""
        return int(self._unusable[0])

    @property
    def words(self) -> pa.Array:
        """large_binary[n]: the distinct words in the order of their first occurrence; a space in front is " "."""
        size, (_, starts, arena, _) = len(self.dictionary), self.dictionary.arrays
        return pa.LargeBinaryArray.from_buffers(
            pa.large_binary(), size, [None, pa.py_buffer(starts[: size + 1]), pa.py_buffer(arena)]
        )

    @property
    def counts(self) -> NDArray[np.int64]:
        """[n]: how often each occurs."""
        return self._counts[: len(self.dictionary)]

    def hashes(self) -> NDArray[np.uint64]:
        """[n]: depends on a word alone."""
        found: NDArray[np.uint64] = _hashes(
            self.dictionary.arrays.starts, self.dictionary.arrays.arena, len(self.counts)
        )
        return found

    def _capacity(self) -> int:
        return len(self.dictionary.arrays.slots) // 2


@functools.cache
def kinds(split_digits: bool, whitespace_pieces: bool) -> NDArray[np.uint8]:
    """[0x10000]: the kind of each code point; those above are UNSURE."""
    table = np.full(0x10000, UNSURE, dtype=np.uint8)
    for script, ranges in SCRIPTS.items():
        for first, last in ranges:
            table[first : last + 1] = script
    table[[ord(" "), ord("\n"), ord("\t"), _SYMBOL_SPACE]] = WHITE
    table[[ord("["), ord("<")]] = MARKED
    table[[0, 0x2585]] = UNUSABLE
    if split_digits:
        table[ord("0") : ord("9") + 1] = DIGIT
    if whitespace_pieces:
        table[[ord(stand_in) for stand_in in STAND_INS.values()]] = UNUSABLE
    table.setflags(write=False)
    return table


@functools.cache
def marker_bytes() -> NDArray[np.uint8]:
    """[len(MARKERS), 16]: their bytes, filled up with zeros."""
    table = np.zeros((len(MARKERS), 16), dtype=np.uint8)
    for row, marker in zip(table, MARKERS, strict=True):
        row[: len(marker)] = np.frombuffer(marker.encode(), dtype=np.uint8)
    table.setflags(write=False)
    return table


@njit(cache=True)
def _count(data, offsets, kinds, markers, stands_in, place, word, slots, starts, arena, size, counts, unusable):  # type: ignore[no-untyped-def]
    """Count words from `place` (document, byte; 0: its first) on. Returns 0 at the end; where the dictionary is full,
    the length of the word that waits at `place`."""
    for document in range(place[0], len(offsets) - 1):
        end = offsets[document + 1]
        position = max(offsets[document], place[1])
        while position < end:
            value, after, limit, usable = np.uint64(SEED), position, min(end, position + LONGEST), True
            if data[after] == 0x20:  # a space and ASCII letters: most words, and found three times as fast
                word[0] = 0x20
                value = hash_step(value, 0x20)
                after += 1
            while after < limit and 0x61 <= data[after] | 0x20 <= 0x7A:
                word[after - position] = data[after]
                value = hash_step(value, data[after])
                after += 1
            length = after - position
            if length < 2 or after == limit or data[after] >= 0x80 or kinds[data[after]] == UNUSABLE:
                after, length, value, usable = _first_word(data, position, end, kinds, markers, stands_in, word)
            if not usable:
                unusable[0] += 1
            elif length > 0:
                number = find_or_add(slots, starts, arena, size, word, 0, length, mix(value))
                if number == FULL:
                    place[0], place[1] = document, position
                    return length
                counts[number] += 1
            position = after
    return 0


@njit(cache=True, inline="always")
def _first_word(data, start, end, kinds, markers, stands_in, word):  # type: ignore[no-untyped-def]
    """Write the first word of data[start:end] into `word`: (where it ends, its length, its hash before `mix`,
    whether SentencePiece can take it). The length is 0 for a line break that is left out."""
    value, length, usable = np.uint64(SEED), 0, True
    position, before = start, UNSURE
    kind, point, after = _look(data, position, kinds)
    if kind == WHITE:
        if stands_in:
            if not _is_space(point) or after == end or _look(data, after, kinds)[0] == WHITE:
                position, length, value = _white(data, position, end, kinds, word, length, value)
                return position, length, value, True
        elif point == 0x0A:
            return after, 0, value, True
        elif point == 0x09:
            length, value = _put(markers[0], 0, 5, word, length, value)
            return after, length, value, True
        while kind == WHITE and _is_space(point) and length < LONGEST:
            word[length] = 0x20
            value = hash_step(value, 0x20)
            length += 1
            position = after
            if position == end:
                return position, length, value, True
            kind, point, after = _look(data, position, kinds)
    while position < end:
        kind, point, after = _look(data, position, kinds)
        if kind == WHITE:
            break
        if kind == MARKED:
            size = _marker_size(data, position, end, markers)
            if size > 0:
                if length == 0:
                    length, value = _put(data, position, position + size, word, length, value)
                    return position + size, length, value, True
                return position, length, value, usable
            kind = COMMON
        elif kind == DIGIT:
            if length == 0:
                length, value = _put(data, position, after, word, length, value)
                return after, length, value, True
            return position, length, value, usable
        elif kind == UNUSABLE:
            usable = False
            kind = UNSURE
        if (before != kind and before != UNSURE and kind != UNSURE) or length + after - position > LONGEST:
            return position, length, value, usable
        length, value = _put(data, position, after, word, length, value)
        position, before = after, kind
    if stands_in and position < end and not _is_space(point) and before <= COMMON:
        position, length, value = _white(data, position, end, kinds, word, length, value)
    return position, length, value, usable


@njit(cache=True)
def _look(data, position, kinds):  # type: ignore[no-untyped-def]
    """(kind, code point, index behind it) of the character there."""
    if data[position] < 0x80:
        return kinds[data[position]], np.uint32(data[position]), position + 1
    point, after = decode(data, position)
    return kinds[point] if point < 0x10000 else np.uint8(UNSURE), point, after


@njit(cache=True)
def _is_space(point):  # type: ignore[no-untyped-def]
    return point == 0x20 or point == _SYMBOL_SPACE


@njit(cache=True)
def _put(data, start, end, word, length, value):  # type: ignore[no-untyped-def]
    for position in range(start, end):
        word[length] = data[position]
        value = hash_step(value, data[position])
        length += 1
    return length, value


@njit(cache=True)
def _white(data, position, end, kinds, word, length, value):  # type: ignore[no-untyped-def]
    """Append the stand-ins of the whitespace there."""
    while position < end and length < LONGEST:
        kind, point, after = _look(data, position, kinds)
        if kind != WHITE:
            break
        stand_in = 0x12 if point == 0x0A else (0x13 if point == 0x09 else 0x11)
        word[length] = stand_in
        value = hash_step(value, stand_in)
        length += 1
        position = after
    return position, length, value


@njit(cache=True)
def _marker_size(data, start, end, markers):  # type: ignore[no-untyped-def]
    """Bytes of the control symbol or byte token that is spelt out there; 0 if there is none."""
    is_long = end - start >= 6 and data[start] == 0x3C and data[start + 1] == 0x30 and data[start + 2] == 0x78
    if is_long and _is_hex(data[start + 3]) and _is_hex(data[start + 4]) and data[start + 5] == 0x3E:
        return 6
    for row in range(len(markers)):
        size = 0
        while start + size < end and markers[row, size] != 0 and markers[row, size] == data[start + size]:
            size += 1
        if markers[row, size] == 0:
            return size
    return 0


@njit(cache=True)
def _is_hex(byte):  # type: ignore[no-untyped-def]
    return 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x46


@njit(cache=True)
def _hashes(starts, arena, size):  # type: ignore[no-untyped-def]
    found = np.empty(size, dtype=np.uint64)
    for number in range(size):
        value = np.uint64(SEED)
        for position in range(starts[number], starts[number + 1]):
            value = hash_step(value, arena[position])
        found[number] = mix(value)
    return found
