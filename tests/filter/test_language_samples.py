"""Samples: half from the start and half from the middle, cut without decoding the text; what in them can speak."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.filter.language.samples import SPACES, _count, pack, samples_of, shorter, speaking
from antimatter.text.characters import tables
from antimatter.text.words import stands_alone

ALPHABET = "ab \n\t.é\u0301ß中文ไทย😀𝔘\u2003"
BLANKS = b" \t\n\v\f\r"


def plain_sample(text: str, characters: int) -> str:
    """The definition, in code points as far as that goes."""
    if len(text) <= characters:
        return text
    half = (characters - 1) // 2
    first = behind_space(text[: characters - half - 1])
    size = len(text.encode())
    middle = next(i for i in range(len(text) + 1) if len(text[:i].encode()) >= size // 2)
    middle = max(middle, characters - half - 1)
    second = text[middle : middle + half]
    ends = middle + half >= len(text)
    reached = second.encode()[:40]
    space = next((i for i, byte in enumerate(reached) if byte in BLANKS), None)
    if space is not None:
        second = second.encode()[space + 1 :].decode()
    second = second if ends else behind_space(second)
    return f"{first}\n{second}" if second else first


def behind_space(piece: str) -> str:
    """Up to its last blank in the last 40 bytes, if there is one."""
    data = piece.encode()
    for end in range(len(data), max(len(data) - 40, 0), -1):
        if data[end - 1] in BLANKS:
            return data[:end].decode()
    return piece


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(st.text(ALPHABET, max_size=300), max_size=6), characters=st.integers(2, 120), large=st.booleans())
def test_the_kernel_cuts_as_defined(texts, characters, large):
    array = pa.array(["before", *texts, "behind"], pa.large_string() if large else pa.string()).slice(1, len(texts))
    samples = samples_of(array, characters)
    assert samples == [plain_sample(text, characters) for text in texts]
    assert all(len(sample) <= max(characters, 0) for sample in samples)


def test_a_short_text_is_taken_whole_and_a_long_one_in_two_pieces_at_spaces():
    text = " ".join(f"word{number:03}" for number in range(100))
    assert samples_of(pa.array(["brief", text]), 40) == ["brief", "word000 word001 \nword050 word051 "]


def test_a_text_of_many_bytes_a_character_is_not_cut_inside_one():
    (sample,) = samples_of(pa.array(["𝔘" * 1000]), 101)
    assert sample == "𝔘" * 50 + "\n" + "𝔘" * 50


def test_no_texts_no_samples():
    assert samples_of(pa.array([], pa.string()), 100) == []
    assert samples_of(pa.array(["", ""]), 100) == ["", ""]


def test_a_sample_without_two_halves_is_refused():
    with pytest.raises(ValueError, match="no two halves"):
        samples_of(pa.array(["a"]), 1)


@given(text=st.text(max_size=100), characters=st.integers(3, 60))
def test_a_shorter_sample_is_no_longer_than_asked(text, characters):
    assert (
        shorter(text, characters) == text if len(text) <= characters else len(shorter(text, characters)) == characters
    )


@given(texts=st.lists(st.text(st.characters() | st.sampled_from("中あก"), max_size=40), max_size=5))
def test_letters_are_counted_as_python_counts_them_and_twice_where_words_have_no_spaces(texts):
    letters, upper, lower = _count(*pack(texts), tables().flags)
    assert letters.tolist() == [sum(map(str.isalpha, text)) + sum(map(stands_alone, text)) for text in texts]
    assert upper.tolist() == [sum(map(str.isupper, text)) for text in texts]
    assert lower.tolist() == [sum(map(str.islower, text)) for text in texts]


def test_addresses_go_and_capitals_are_lowered():
    rows, texts = speaking(["too short", "see http://a.b/c?d=e, or write to a.b+c@d.e: 好的", "MOSTLY LOUD, this"], 10)
    assert (rows, texts) == ([1, 2], ["see   or write to  : 好的", "mostly loud, this"])
    assert speaking(["see\u2028this"], 1) == ([0], ["see this"])
    assert speaking(["看http://a.b/c看 看a@b.c看"], 1) == ([0], ["看 看 看 看"])


def test_every_space_that_detectors_do_not_know_becomes_a_plain_one():
    assert set(SPACES) == {chr(point) for point in range(0x80, 0x110000) if chr(point).isspace()}
    assert speaking([f"one{SPACES}two\tthree\nfour"], 1) == ([0], ["one" + " " * len(SPACES) + "two\tthree\nfour"])
