"""Parquet: every row once, however the row groups fall and wherever the file is cut."""

import io
import random
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.collect import drafts
from antimatter.collect.drafts import FIELD, Draft, Oversized, Unread
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats import parquet
from antimatter.collect.formats.rows import NoTextColumn
from antimatter.params.collect import Source

SOURCE = Source(name="s", kind="files", path="input")


def read(path, part_bytes=10_000):
    cut = parquet.pieces(str(path), "a", part_bytes, SOURCE)
    return [item for piece in cut for item in parquet.read_rows(str(path), piece.start, piece.stop, "a", SOURCE)]


@pytest.mark.parametrize("part_bytes", [1, 100, 1_000_000])
def test_a_row_is_a_document_however_the_row_groups_fall(tmp_path, part_bytes):
    rows = [{"text": f"row {i}" if i else None, "year": i, "tags": ["x"], "url": None} for i in range(7)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=2)
    expected = [Draft(f"a:{i}", row["text"] or "", metadata={"year": str(i)}) for i, row in enumerate(rows)]
    assert read(tmp_path / "a.parquet", part_bytes) == expected


ROWS = st.lists(st.text(max_size=20) | st.none(), max_size=30)


@settings(deadline=None)
@given(rows=ROWS, part_bytes=st.integers(1, 300), group=st.integers(1, 30), batch=st.integers(1, 200))
def test_wherever_a_file_is_cut_every_row_is_read_once(rows, part_bytes, group, batch):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "_BATCH_BYTES", batch)
        path = f"{folder}/a.parquet"
        pq.write_table(pa.table({"text": pa.array(rows, pa.string())}), path, row_group_size=group)
        assert read(path, part_bytes) == [Draft(f"a:{index}", text or "") for index, text in enumerate(rows)]


def test_a_large_row_group_is_many_pieces_and_small_ones_go_together(tmp_path):
    rows = [f"{index:04d}" * 25 for index in range(1000)]
    path = str(tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": rows, "other": rows}), path, use_dictionary=False)
    pieces = list(parquet.pieces(path, "a", 20_000, SOURCE))
    assert 5 <= len(pieces) <= 7
    assert all(piece.size <= 20_000 and 140 <= piece.stop - piece.start <= 200 for piece in pieces)
    assert len(list(parquet.pieces(path, "a", 1_000, SOURCE))) == 8, "each decodes the row group from its start"
    pq.write_table(pa.table({"text": rows}), path, use_dictionary=False, row_group_size=10)
    assert 10 <= len(list(parquet.pieces(path, "a", 12_000, SOURCE))) <= 12


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())], ids=str)
def test_every_type_of_text_column_is_read(tmp_path, kind):
    column = pa.array(["one", None, "one"]).cast(kind)
    pq.write_table(pa.table({"text": column, "topic": column}), tmp_path / "a.parquet")
    one = {"metadata": {"topic": "one"}}
    assert read(tmp_path / "a.parquet") == [Draft("a:0", "one", **one), Draft("a:1", ""), Draft("a:2", "one", **one)]


def test_a_list_of_messages_becomes_lines(tmp_path):
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    call = [{"role": "user", "content": "Hi"}, {"role": "tool", "content": None}]
    pq.write_table(pa.table({"text": [talk, None, [], call]}), tmp_path / "a.parquet")
    assert [item.text for item in read(tmp_path / "a.parquet")] == ["Hi\nHello.", "", "", "Hi"]


def test_a_row_of_lists_that_are_no_messages_costs_itself_alone(tmp_path):
    pq.write_table(pa.table({"text": [["one"], ["two", None], ["three"]]}), tmp_path / "a.parquet")
    first, broken, last = read(tmp_path / "a.parquet")
    assert (first.text, last.text) == ("one", "three")
    assert (broken.origin, broken.data, broken.cause) == ("a:1", b'["two", null]', FIELD)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"content": ["x"]}, "no column 'text'; it has content"),
        ({"text": [1]}, "column 'text' is of type int64, not text"),
        ({"text": [[1]]}, "is of type list<.*not text"),
    ],
)
def test_a_file_without_text_says_what_it_has(tmp_path, columns, words):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(NoTextColumn, match=words):
        read(tmp_path / "a.parquet")


@pytest.mark.parametrize("keep", [0, 4, 12, 500, -20, -1])
def test_a_truncated_file_is_damaged_and_its_path_is_not_told(tmp_path, keep):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [str(index) * 50 for index in range(100)]}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedStream) as told:
        read(path)
    assert str(tmp_path) not in str(told.value)


def test_a_damaged_row_group_costs_itself_alone(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [random.Random(index).randbytes(500).hex() for index in range(100)]
    pq.write_table(pa.table({"text": rows}), path, row_group_size=10, compression="zstd", use_dictionary=False)
    data = bytearray(path.read_bytes())
    middle = data.index(b"\x28\xb5\x2f\xfd", len(data) // 2)  # a zstd frame
    data[middle + 4 : middle + 400] = bytes(396)
    path.write_bytes(data)
    items = list(parquet.read_rows(str(path), 0, None, "a", SOURCE))
    (unread,) = [item for item in items if isinstance(item, Unread)]
    first = items.index(unread)
    assert unread.origin == f"a[{first}:{first + 10}]" and 9_000 < unread.size < 13_000
    assert [item.text for item in items if item is not unread] == rows[:first] + rows[first + 10 :]


def test_a_row_of_absurd_size_is_named_and_its_neighbours_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 100)
    pq.write_table(pa.table({"text": ["x" * 101, "\u00e9" * 51, "good"]}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [
        Oversized("a:0", 101, 100),
        Oversized("a:1", 102, 100),
        Draft("a:2", "good"),
    ]


def test_bytes_in_memory_are_read_like_a_file(tmp_path):
    target = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", "two"]}), target)
    assert len(list(parquet.read_rows(io.BytesIO(target.getvalue()), 0, None, "a", SOURCE))) == 2
