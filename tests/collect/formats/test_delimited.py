"""CSV and TSV: what a spreadsheet exports arrives row by row; what cannot be right is quarantined."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.collect import drafts
from antimatter.collect.drafts import ENCODING, FIELD, SHAPE, Broken, Draft, Oversized, Unread
from antimatter.collect.formats import delimited
from antimatter.params.collect import Source

SOURCE = Source(name="s", kind="files", path="input")


def read(data, **fields):
    source = Source(**{"name": "s", "kind": "files", "path": "input", **fields})
    return list(delimited.read(io.BytesIO(data), "a", source))


def test_a_row_is_a_document_and_quoted_fields_may_hold_anything():
    data = b'id,text,url\r\n7,"He said ""no"",\nand left.",http://a\r\n8,Plain,\r\n'
    assert read(data) == [
        Draft("a:0", 'He said "no",\nand left.', metadata={"id": "7", "url": "http://a"}),
        Draft("a:1", "Plain", metadata={"id": "8", "url": ""}),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_that_gives_the_text_column(delimiter):
    data = delimiter.join(["id", "text"]) + "\n" + delimiter.join(["1", '"a,b;c"']) + "\n"
    assert [item.text for item in read(data.encode())] == ["a,b;c"]


def test_a_tsv_is_cut_at_tabs():
    assert [item.text for item in read(b"text\tn\na, b\t1\n", format="tsv")] == ["a, b"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"id,body\n1,x\n", "no column 'text'; it has id, body"),
        (b"", "no header line"),
        (b"text,text\na,b\n", "same name"),
        (b"te\xffxt\na\n", "header cannot be read"),
    ],
)
def test_a_file_without_a_text_column_is_told_whole(data, words):
    (unread,) = read(data)
    assert isinstance(unread, Unread)
    assert words in unread.error and unread.cause == FIELD


@pytest.mark.parametrize(
    ("row", "cause"),
    [(b"1,a,b\n", SHAPE), (b"1\n", SHAPE), (b'1,"a"b\n', SHAPE), (b"1,caf\xe9\n", ENCODING)],
)
def test_a_bad_row_is_kept_as_its_bytes_and_its_neighbours_are_read(row, cause):
    before, broken, after = read(b"id,text\n0,good\n" + row + b"2,good\n")
    assert (before.text, after.text, after.origin) == ("good", "good", "a:2")
    assert isinstance(broken, Broken)
    assert (broken.origin, broken.offset, broken.data, broken.cause) == ("a:1", 15, row, cause)


def test_a_quote_that_nobody_closes_is_told_with_all_that_it_swallowed():
    (good, broken) = read(b'id,text\n0,good\n1,"open\n2,x\n3,y\n')
    assert good.text == "good"
    assert (broken.data, broken.cause) == (b'1,"open\n2,x\n3,y\n', SHAPE)


def test_a_quote_that_swallows_more_than_a_document_may_hold_is_given_up(monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 100)
    items = read(b'text\n"open\n' + b"x" * 60 + b"\n" + b"y" * 60 + b"\nlast\n" + b"z" * 500 + b"\nend\n")
    assert items == [Oversized("a:0", 128, 100), Draft("a:1", "last"), Oversized("a:2", 501, 100), Draft("a:3", "end")]


def test_empty_lines_are_no_rows_and_nul_bytes_stay():
    assert [(item.origin, item.text) for item in read(b"text,n\n\na\0b,1\n\nc,2\n")] == [("a:0", "a\0b"), ("a:1", "c")]


CELLS = st.text(st.characters(codec="utf-8"), max_size=10)


@given(rows=st.lists(st.tuples(CELLS, CELLS), max_size=10))
def test_what_the_csv_module_writes_is_read_back(rows):
    target = io.StringIO(newline="")
    csv.writer(target).writerows([("text", "other"), *rows])
    items = read(target.getvalue().encode())
    assert [(item.text, item.metadata["other"]) for item in items] == rows


def by_ranges(data, part_bytes):
    source = Source(name="s", kind="files", path="input")
    cut = delimited.pieces(io.BytesIO(data), "a", len(data), part_bytes, source)
    items = []
    for piece in cut:
        read_range = delimited.read_range
        items += read_range(io.BytesIO(data), piece.start, piece.stop, piece.number, "a", source)
    return items


@given(
    body=st.lists(st.sampled_from([b'"', b",", b"\n", b"\r\n", b"\r", b"a", b"\xe9", b'""', b"b c"]), max_size=60),
    part_bytes=st.integers(1, 30),
    limit=st.integers(4, 60),
)
@settings(max_examples=300, deadline=None)
def test_wherever_a_file_is_cut_every_row_is_read_once_be_it_ever_so_broken(body, part_bytes, limit):
    with pytest.MonkeyPatch.context() as patch:
        data = b"id,text\n" + b"".join(body)
        patch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", max(limit, 8))
        patch.setattr("antimatter.collect.formats.records._BLOCK_BYTES", 7)
        assert by_ranges(data, part_bytes) == list(delimited.read(io.BytesIO(data), "a", SOURCE))


def test_a_large_file_is_cut_into_pieces_of_about_equal_size():
    rows = [[str(index), f'text "{index}",\n' * (index % 7 + 1)] for index in range(1000)]
    target = io.StringIO(newline="")
    csv.writer(target).writerows([("id", "text"), *rows])
    data = target.getvalue().encode()
    sizes = [piece.size for piece in delimited.pieces(io.BytesIO(data), "a", len(data), 5_000, SOURCE)]
    assert len(sizes) == pytest.approx(len(data) / 5_000, abs=2)
    assert [item.text for item in by_ranges(data, 5_000)] == [row[1] for row in rows]
