"""Lines and paragraphs against their definition in plain Python."""

import doctest
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.dedup import units as module
from antimatter.dedup.units import LOW_MULTIPLIER, LOW_SEED, find_units, without
from antimatter.text.words import fold, word_hash, words_of
from tests.filter.nasty_documents import FIXED, documents

KINDS = ("line", "paragraph")
LINES = st.sampled_from(["", "", " ", "\t\u3000", "a", "A ", "  b c", "one two", "é\u0301", "我们", "\x85", "x\x0by"])
ENDS = st.sampled_from(["\r", "a\r", "b c\r"])
FORMS = st.sampled_from(["é", "e\u0301 \u1112\u1161\u11ab", "\u2000", "\u304b\u3099 \u037e"])
TEXTS = st.one_of(documents(), st.lists(st.one_of(LINES, ENDS, FORMS), max_size=12).map("\n".join))
_MASK = 2**64 - 1


def plain_units(text: str, kind: str) -> list[tuple[int, int]]:
    """(first line, line behind the last) of each unit, by number in text.split("\\n")."""
    lines = text.split("\n")
    found: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        if kind == "paragraph" and found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found


def plain_contents(text: str, kind: str) -> list[str]:
    """What each unit is compared by."""
    lines = unicodedata.normalize("NFC", text).split("\n")
    return [" ".join(fold(" ".join(lines[first:behind])).split()) for first, behind in plain_units(text, kind)]


def plain_without(text: str, kind: str, leaving: list[bool]) -> str:
    """The text without some of its units."""
    going = {
        number
        for (first, behind), leaves in zip(plain_units(text, kind), leaving, strict=True)
        if leaves
        for number in range(first, behind)
    }
    remaining: list[str] = []
    blank: list[str] = []
    is_cut = False
    for number, line in enumerate(text.split("\n")):
        if not line.strip():
            blank.append(line)
        elif number in going:
            is_cut = True
        else:
            if is_cut:
                blank = ["\r" if remaining[-1].endswith("\r") else ""] if remaining and blank else []
            remaining += [*blank, line]
            blank, is_cut = [], False
    return "\n".join(remaining).removesuffix("\r") if is_cut else "\n".join([*remaining, *blank])


def plain_low(content: str) -> int:
    value = LOW_SEED
    for character in content:
        value = ((value ^ ord(character)) * LOW_MULTIPLIER) & _MASK
        value ^= value >> 29
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(TEXTS, max_size=4), kind=st.sampled_from(KINDS), is_large=st.booleans())
def test_the_kernel_equals_the_definition(texts, kind, is_large):
    require_equal(texts, kind, pa.large_string() if is_large else pa.string())


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_equals_the_definition_on_texts_that_once_went_wrong(kind):
    require_equal([text for text in FIXED if len(text) < 2_500], kind, pa.string())


def require_equal(texts, kind, string):
    array = pa.array(["before", *texts], string)[1:]
    units = find_units(array, kind)
    data = b"".join(text.encode() for text in ["before", *texts])
    contents = [plain_contents(text, kind) for text in texts]
    together = [content for of_text in contents for content in of_text]
    assert np.diff(units.starts).tolist() == [len(of_text) for of_text in contents]
    assert units.high.tolist() == [word_hash(content) for content in together]
    assert units.low.tolist() == [plain_low(content) for content in together]
    assert units.words.tolist() == [len(words_of(content)) for content in together]
    spans = [data[begin:end].decode() for begin, end in zip(units.begins, units.ends, strict=True)]
    assert spans == [
        "\n".join(text.split("\n")[first:behind]) for text in texts for first, behind in plain_units(text, kind)
    ]


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(TEXTS, max_size=4), kind=st.sampled_from(KINDS), data=st.data())
def test_a_text_without_some_units_equals_the_definition(texts, kind, data):
    array = pa.array(["before", *texts])[1:]
    sizes = [len(plain_units(text, kind)) for text in texts]
    leaving = [data.draw(st.lists(st.booleans(), min_size=size, max_size=size)) for size in sizes]
    flat = np.array([flag for flags in leaving for flag in flags], dtype=bool)
    edited = without(array, find_units(array, kind), flat)
    edited.validate(full=True)
    assert edited.type == array.type
    assert edited.to_pylist() == [plain_without(text, kind, flags) for text, flags in zip(texts, leaving, strict=True)]


def edited(text: str, kind: str, *leaving: int) -> str:
    array = pa.array([text], pa.large_string())
    units = find_units(array, kind)
    return without(array, units, np.isin(np.arange(len(units.high)), leaving))[0].as_py()


def test_a_line_goes_with_its_line_break():
    assert edited("one\ntwo\nthree", "line", 1) == "one\nthree"
    assert edited("one\ntwo\nthree\n", "line", 2) == "one\ntwo"
    assert edited("one\ntwo", "line", 0) == "two"


def test_blank_lines_around_what_went_become_one():
    assert edited("one\n\n \ntwo\n\n\n\nthree", "line", 1) == "one\n\nthree"
    assert edited("one\ntwo\n\nthree", "line", 1) == "one\n\nthree"
    assert edited("one\n\ntwo\nand more\n\nthree", "paragraph", 1) == "one\n\nthree"


def test_no_blank_line_is_left_at_the_ends():
    assert edited("\n\none\n\n two\n\nthree\n", "line", 0, 2) == " two"
    assert edited("\none\n\n", "paragraph", 0) == ""


def test_blank_lines_elsewhere_stay():
    assert edited("\n\none\n\n\n\ntwo\nthree\nfour\n\n", "line", 2) == "\n\none\n\n\n\ntwo\nfour\n\n"


def test_a_paragraph_in_other_lines_and_another_case_is_the_same():
    units = find_units(pa.array(["It sat on\nthe mat.", "  IT SAT\u3000on the\t\tmat.\n\n"]), "paragraph")
    assert units.high[0] == units.high[1] and units.low[0] == units.low[1]
    assert units.words.tolist() == [5, 5]


def test_composed_and_decomposed_lines_are_the_same_and_none_is_changed():
    texts = ["Le café est là.\nVoilà.", unicodedata.normalize("NFD", "LE CAFÉ EST LÀ.\nVoilà."), "plain"]
    array = pa.array(["before", *texts])[1:]
    units = find_units(array, "line")
    assert units.high[:2].tolist() == units.high[2:4].tolist()
    assert units.low[:2].tolist() == units.low[2:4].tolist()
    leaving = np.array([False, False, False, True, False])
    assert without(array, units, leaving).to_pylist() == [texts[0], texts[1].split("\n")[0], "plain"]


def test_line_ends_of_windows_stay_what_they_are():
    assert edited("one\r\ntwo\r\nthree\r\n", "line", 1) == "one\r\nthree\r\n"
    assert edited("one\r\n\r\ntwo\r\n\r\nthree", "line", 1) == "one\r\n\r\nthree"
    assert edited("one\r\n\r\ntwo\r\n", "paragraph", 1) == "one"


def test_there_are_lines_and_paragraphs_only():
    with pytest.raises(ValueError, match="line, paragraph, not 'page'"):
        find_units(pa.array(["a"]), "page")


def test_the_examples_in_the_module():
    assert doctest.testmod(module).failed == 0 < doctest.testmod(module).attempted
