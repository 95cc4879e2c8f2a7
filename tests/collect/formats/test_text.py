"""Text files: whole, or between separators, in whatever encoding."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect import drafts
from antimatter.collect.drafts import ENCODING, Broken, Draft, Oversized
from antimatter.collect.formats import text
from antimatter.params.collect import Source


def source(**fields):
    return Source(name="s", kind="files", path="input", **fields)


def whole(data, **fields):
    return list(text.read(io.BytesIO(data), "a", source(**fields)))


def by_ranges(data, part_bytes, separator):
    return [
        item
        for start in range(0, len(data), part_bytes)
        for item in text.read_range(
            io.BytesIO(data), start, min(start + part_bytes, len(data)), "a", source(separator=separator)
        )
    ]


def test_a_file_is_a_document_without_its_byte_order_mark_and_foreign_line_ends():
    assert whole(b"\xef\xbb\xbfTo be,\r\nor not\rto be") == [Draft("a", "To be,\nor not\nto be")]


def test_another_encoding_is_told_in_the_metadata():
    (draft,) = whole("Größe und Übermaß der Straße in München, für Käse".encode("latin-1"))
    assert draft.text == "Größe und Übermaß der Straße in München, für Käse"
    assert draft.metadata == {"encoding": "windows-1252"}
    (named,) = whole("Привет".encode("koi8-r"), encoding="koi8-r")
    assert named.text == "Привет"


def test_what_is_in_no_encoding_keeps_its_bytes():
    data = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe\0"
    (broken,) = whole(data)
    assert isinstance(broken, Broken)
    assert (broken.origin, broken.data, broken.cause) == ("a", data, ENCODING)


def test_separators_make_documents_and_blank_ones_are_none():
    items = whole(b"one<|end|>\ntwo<|end|> \n<|end|>three", separator="<|end|>")
    assert items == [Draft("a:0", "one"), Draft("a:1", "\ntwo"), Draft("a:3", "three")]
    assert [item.text for item in whole(b"a\n\nb\n\n\n\nc", separator="\n\n")] == ["a", "b", "c"]


@given(
    documents=st.lists(st.text(alphabet="ab<|\n\u00e9", max_size=12), min_size=1, max_size=8),
    part_bytes=st.integers(1, 40),
    separator=st.sampled_from(["<|e|>", "#", "~~!"]),
    chunk=st.integers(1, 50),
)
def test_wherever_a_file_is_cut_every_document_is_read_once(documents, part_bytes, separator, chunk):
    data = separator.join(documents).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_CHUNK_BYTES", chunk)
        items = by_ranges(data, part_bytes, separator)
    assert items == by_ranges(data, 1_000_000, separator)
    assert [item.text for item in items] == [document for document in documents if document.strip()]


def test_a_separator_that_overlaps_itself_is_not_cut_at():
    assert not text.can_be_cut("\n\n") and not text.can_be_cut("") and not text.can_be_cut("aba")
    assert not text.can_be_cut("\n"), "it may stand for two bytes"
    assert text.can_be_cut("===X") and text.can_be_cut("<|end|>")


def test_documents_of_absurd_size_are_named_and_their_neighbours_are_read(monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 100)
    monkeypatch.setattr(text, "_CHUNK_BYTES", 30)
    assert whole(b"x" * 250) == [Oversized("a", 250, 100)]
    data = b"one#" + b"x" * 250 + b"#two#" + b"y" * 180
    expected = [Draft("a:0", "one"), Oversized("a:4", 250, 100), Draft("a:255", "two"), Oversized("a:259", 180, 100)]
    assert by_ranges(data, 10_000, "#") == by_ranges(data, 7, "#") == expected


def test_a_document_between_separators_that_is_no_utf8_is_broken_alone():
    good, broken, last = by_ranges(b"one#caf\xe9#two", 1000, "#")
    assert (good.text, last.text) == ("one", "two")
    assert (broken.origin, broken.offset, broken.data) == ("a:4", 4, b"caf\xe9")


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_a_separator_of_line_ends_means_those_of_any_system(monkeypatch, chunk):
    monkeypatch.setattr(text, "_CHUNK_BYTES", chunk)
    for end in (b"\n", b"\r\n", b"\r"):
        assert [item.text for item in whole(b"a" + end * 2 + b"b" + end + b"c" + end, separator="\n\n")] == [
            "a",
            "b\nc\n",
        ]


def test_a_range_in_which_nothing_begins_is_not_read_to_the_end_of_the_file(monkeypatch):
    monkeypatch.setattr(text, "_CHUNK_BYTES", 100)
    stream = io.BytesIO(b"x" * 100_000)
    assert list(text.read_range(stream, 1000, 2000, "a", source(separator="#"))) == []
    assert stream.tell() <= 2200


def test_the_users_word_on_the_encoding_goes_before_what_the_bytes_look_like():
    (draft,) = whole("caf\u00e9".encode(), encoding="latin-1")
    assert draft.text == "caf\u00c3\u00a9"
