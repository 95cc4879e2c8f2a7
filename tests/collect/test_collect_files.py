"""The user's own folder: every kind of file, every cut, nothing lost in silence."""

import json
import os
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.collect import files
from antimatter.collect.drafts import ENCODING, FIELD, SHAPE, Broken, Draft, Oversized
from antimatter.collect.errors import SourceError
from antimatter.collect.files import list_files, pieces_of, read_piece


def read(root, part_bytes=10_000):
    names, _ = list_files(root)
    pieces = [piece for name in names for piece in pieces_of(root, name, part_bytes, "text")]
    return [item for piece in pieces for item in read_piece(root, piece, "text")]


def test_text_files_are_one_document_each_in_sorted_order(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.md").write_bytes(b"# One\r\n")
    (tmp_path / "a.TXT").write_bytes(b"\xef\xbb\xbftwo")
    assert read(tmp_path) == [Draft("a.TXT", "two"), Draft("b/1.md", "# One\n")]


def test_what_is_not_read_is_counted(tmp_path):
    for name in ("README.md", ".hidden.txt", "notes.pdf", "more.pdf", "Makefile"):
        (tmp_path / name).write_text("x")
    for folder in ("sub", ".git"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "README.md").write_text("x")
    (tmp_path / "elsewhere").symlink_to("/tmp", target_is_directory=True)
    assert list_files(tmp_path) == (["sub/README.md"], {".pdf": 2, "linked folder": 1, "no suffix": 1})


def test_an_empty_folder_yields_nothing(tmp_path):
    assert read(tmp_path) == []


def test_a_line_of_jsonl_is_a_document_with_its_offset_and_scalars(tmp_path):
    lines = [b'{"text": "one", "year": 1999, "ok": true, "url": "http://a", "tags": ["x"], "none": null}\r\n', b"\n"]
    (tmp_path / "a.jsonl").write_bytes(b"".join([*lines, b'{"text": "two"}']))
    first, second = read(tmp_path)
    assert first == Draft("a.jsonl:0", "one", metadata={"year": "1999", "ok": "true", "url": "http://a"})
    assert second == Draft(f"a.jsonl:{len(lines[0]) + 1}", "two")


@pytest.mark.parametrize(
    "line",
    [b"{", b'{"text": 1}', b'{"content": "x"}', b"[]", b'{"text": "a", "text": "b"}', b'{"text": "\xff"}', b"[" * 9999],
)
def test_a_broken_line_keeps_its_bytes_and_its_neighbours(tmp_path, line):
    good = b'{"text": "good"}\n'
    (tmp_path / "a.jsonl").write_bytes(good + line + b"\n" + good)
    before, broken, after = read(tmp_path)
    assert (before.text, after.text) == ("good", "good")
    assert isinstance(broken, Broken)
    assert (broken.origin, broken.offset, broken.data) == ("a.jsonl:17", 17, line + b"\n")


LINES = st.lists(
    st.text(max_size=20).map(lambda text: json.dumps({"text": text}).encode()) | st.sampled_from([b"", b"{"])
)


@given(lines=LINES, part_bytes=st.integers(1, 200), end=st.sampled_from([b"", b"\n", b"\r\n"]))
def test_wherever_a_jsonl_file_is_cut_every_line_is_read_once(lines, part_bytes, end):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.jsonl").write_bytes(b"\n".join(lines) + end)
        assert read(Path(folder), part_bytes) == read(Path(folder), 1_000_000)


def test_an_undecodable_file_is_kept_whole(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    (broken,) = read(tmp_path)
    assert (broken.origin, broken.offset, broken.data) == ("a.txt", 0, b"caf\xe9")
    assert "position 3" in broken.error


def test_a_file_name_that_is_no_unicode_is_spelt_out(tmp_path):
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))).write_text("x")
    except OSError:
        pytest.skip("this file system wants Unicode names")
    assert read(tmp_path) == [Draft("caf\\xe9.txt", "x")]


@pytest.mark.parametrize("part_bytes", [1, 100, 1_000_000])
def test_a_row_of_parquet_is_a_document_however_the_row_groups_fall(tmp_path, part_bytes):
    rows = [{"text": f"row {i}" if i else None, "year": i, "tags": ["x"], "url": None} for i in range(7)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=2)
    expected = [Draft(f"a.parquet:{i}", row["text"] or "", metadata={"year": str(i)}) for i, row in enumerate(rows)]
    assert read(tmp_path, part_bytes) == expected


def test_a_parquet_file_without_the_text_column_is_an_error_that_lists_its_columns(tmp_path):
    pq.write_table(pa.table({"content": ["x"]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match="no text column 'text'; it has content"):
        read(tmp_path)


def test_a_damaged_parquet_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(SourceError, match=r"a\.parquet is no readable Parquet file"):
        read(tmp_path)


ROWS = st.lists(st.text(max_size=20) | st.none(), max_size=30)


@settings(deadline=None)
@given(rows=ROWS, part_bytes=st.integers(1, 300), group=st.integers(1, 30), batch=st.integers(1, 200))
def test_wherever_a_parquet_file_is_cut_every_row_is_read_once(rows, part_bytes, group, batch):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BATCH_BYTES", batch)
        pq.write_table(pa.table({"text": pa.array(rows, pa.string())}), f"{folder}/a.parquet", row_group_size=group)
        expected = [Draft(f"a.parquet:{index}", text or "") for index, text in enumerate(rows)]
        assert read(Path(folder), part_bytes) == expected


def test_one_row_group_of_a_large_parquet_file_is_many_pieces(tmp_path):
    rows = [f"{index:04d}" * 25 for index in range(1000)]
    pq.write_table(pa.table({"text": rows, "other": rows}), tmp_path / "a.parquet", use_dictionary=False)
    pieces = list(pieces_of(tmp_path, "a.parquet", 10_000, "text"))
    assert 10 <= len(pieces) <= 12
    assert all(piece.size <= 10_000 and 80 <= piece.stop - piece.start <= 100 for piece in pieces)
    small = tmp_path / "b.parquet"
    pq.write_table(pa.table({"text": rows}), small, use_dictionary=False, row_group_size=10)
    assert 10 <= len(list(pieces_of(tmp_path, "b.parquet", 12_000, "text"))) <= 12


@pytest.mark.parametrize(
    "kind",
    [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_every_type_of_text_column_is_read(tmp_path, kind):
    column = pa.array(["one", None, "one"]).cast(kind)
    pq.write_table(pa.table({"text": column, "topic": column}), tmp_path / "a.parquet")
    one = {"metadata": {"topic": "one"}}
    assert read(tmp_path) == [
        Draft("a.parquet:0", "one", **one),
        Draft("a.parquet:1", ""),
        Draft("a.parquet:2", "one", **one),
    ]


def test_a_text_column_that_holds_no_text_is_an_error_that_names_its_type(tmp_path):
    pq.write_table(pa.table({"text": [[1]]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"column 'text' is of type list<.*text_field"):
        read(tmp_path)


@pytest.mark.parametrize("part_bytes", [1, 30, 10_000])
def test_a_document_of_absurd_size_is_named_and_its_neighbours_are_read(tmp_path, monkeypatch, part_bytes):
    monkeypatch.setattr(files, "LARGEST_DOCUMENT_BYTES", 100)
    monkeypatch.setattr(files, "_CHUNK_BYTES", 16)
    long = b'{"text": "' + b"x" * 200 + b'"}\n'
    good = b'{"text": "good"}\n'
    (tmp_path / "a.jsonl").write_bytes(good + long + good + b"y" * 101)
    (tmp_path / "b.txt").write_bytes(b"x" * 101)
    (tmp_path / "c.txt").write_bytes(b"x" * 100)
    pq.write_table(pa.table({"text": ["x" * 101, "good"]}), tmp_path / "d.parquet")
    assert read(tmp_path, part_bytes) == [
        Draft("a.jsonl:0", "good"),
        Oversized("a.jsonl:17", len(long), 100),
        Draft(f"a.jsonl:{17 + len(long)}", "good"),
        Oversized(f"a.jsonl:{34 + len(long)}", 101, 100),
        Oversized("b.txt", 101, 100),
        Draft("c.txt", "x" * 100),
        Oversized("d.parquet:0", 101, 100),
        Draft("d.parquet:1", "good"),
    ]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"text": "caf\xe9"}', ENCODING),
        ('{"text": "x"}'.encode("utf-16-le"), ENCODING),
        (b'{"content": "x"}', FIELD),
        (b"{", SHAPE),
    ],
)
def test_a_broken_line_tells_what_is_wrong_with_it(tmp_path, line, cause):
    (tmp_path / "a.jsonl").write_bytes(line)
    (broken,) = read(tmp_path)
    assert broken.cause == cause
