"""The tables of characters are Python's own judgement, code point by code point."""

import itertools
import unicodedata

import numpy as np
import pyarrow as pa
import pytest

from antimatter.text import characters
from antimatter.text.characters import buffers, decode, decode_before, fold_character, tables

SAMPLE = [
    *range(0x3000),
    *range(0x3000, 0x40000, 7),
    *range(0xE0000, 0xE01F0),
    0xF0000,
    0x10FFFF,
]


def expected(character: str) -> int:
    category = unicodedata.category(character)
    claims = {
        characters.SPACE: character.isspace(),
        characters.ALNUM: character.isalnum(),
        characters.LETTER: character.isalpha(),
        characters.MARK: category[0] == "M",
        characters.DECIMAL: character.isdecimal(),
        characters.UPPER: character.isupper(),
        characters.LOWER: character.islower(),
        characters.PUNCTUATION: category[0] == "P",
        characters.SYMBOL: category[0] == "S",
        characters.END_MARK: character in characters.END_MARKS,
        characters.NO_SPACE_MARK: character in characters.NO_SPACE_MARKS,
        characters.CLOSER: category in ("Pe", "Pf") or character in "\"'",
        characters.BULLET: character in characters.BULLETS,
        characters.STANDS_ALONE: character.isalpha()
        and any(low <= ord(character) <= high for low, high in characters.ALONE),
    }
    return sum(flag for flag, holds in claims.items() if holds)


def test_flags_are_what_python_says():
    flags = tables().flags
    wrong = [point for point in SAMPLE if not 0xD800 <= point < 0xE000 and int(flags[point]) != expected(chr(point))]
    assert wrong == []


def test_lower_case_is_one_character_or_none():
    lower = tables().lower
    wrong = [point for point in SAMPLE if point < len(lower) and chr(lower[point]) != fold_character(chr(point))]
    assert wrong == []
    assert fold_character("İ") == "İ"
    assert all(fold_character(chr(point)) == chr(point) for point in range(len(lower), 0x20000))


def test_utf8_is_read_forwards_and_backwards():
    text = "a\u00e9\u20ac\U0001f600\x00\U0010ffff"
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    forwards, backwards, i = [], [], 0
    while i < len(data):
        point, i = decode(data, i)
        forwards.append(chr(point))
    while i > 0:
        point, i = decode_before(data, i)
        backwards.append(chr(point))
    assert "".join(forwards) == "".join(reversed(backwards)) == text


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_buffers_follow_the_slice_of_an_array(kind):
    texts = pa.array(["zero", "eins", "", "drei"], kind).slice(1, 3)
    data, offsets = buffers(texts)
    assert [bytes(data[a:b]).decode() for a, b in itertools.pairwise(offsets)] == ["eins", "", "drei"]


def test_arrays_that_hold_no_texts_are_refused():
    with pytest.raises(TypeError, match="int64"):
        buffers(pa.array([1]))
    with pytest.raises(ValueError, match="1 of 2"):
        buffers(pa.array(["a", None]))
    assert len(buffers(pa.array([], pa.string()))[1]) == 1
