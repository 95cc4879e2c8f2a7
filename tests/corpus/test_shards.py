import errno
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antimatter.corpus import shards
from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import (
    DamagedShard,
    MissingData,
    atomic_path,
    folder_digest,
    read_shard,
    require,
    shard_digest,
    shard_in_pieces,
    shard_name,
    shard_paths,
    table_digest,
    verify_shard,
    write_shard,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
ROW = st.fixed_dictionaries(
    {
        "id": st.binary(min_size=16, max_size=16),
        "text": TEXT,
        "language": st.none() | TEXT,
        "score": st.none() | st.floats(0, 1),
        "kept_id": st.none() | st.binary(min_size=16, max_size=16),
        "metadata": st.none() | st.lists(st.tuples(TEXT, st.none() | TEXT), max_size=3),
        "also": st.none() | st.lists(st.none() | TEXT, max_size=3),
        "flag": st.none() | st.booleans(),
        "count": st.none() | st.integers(-(2**31), 2**31 - 1),
        "large": st.none() | TEXT,
    }
)
SCHEMA = pa.schema(
    {
        "id": pa.binary(16),
        "text": pa.string(),
        "language": pa.string(),
        "score": pa.float64(),
        "kept_id": pa.binary(16),
        "metadata": pa.map_(pa.string(), pa.string()),
        "also": pa.list_(pa.string()),
        "flag": pa.bool_(),
        "count": pa.int32(),
        "large": pa.large_string(),
    }
)


def table_of(rows: list[dict]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def documents(*texts: str) -> pa.Table:
    rows = [
        {
            "id": document_id("wiki", str(row)), "text": text, "source": "wiki", "origin": str(row), "language": None,
            "language_score": None, "metadata": {"title": text} if row % 2 else None,
        }
        for row, text in enumerate(texts)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=DOCUMENT)


def rechunked(rows: list[dict], cut: int) -> pa.Table:
    """The same rows in two chunks, each a slice out of the middle of something larger, with bitmaps everywhere."""

    def slice_of(some: list[dict]) -> pa.Table:
        around = table_of([*rows[:1], *some, *rows[-1:], dict.fromkeys(SCHEMA.names)])
        return around.slice(len(rows[:1]), len(some))

    return pa.concat_tables([slice_of(rows[:cut]), slice_of(rows[cut:])])


@given(rows=st.lists(ROW, max_size=6), cut=st.integers(0, 6))
def test_equal_content_has_an_equal_digest_however_it_lies_in_memory(rows, cut):
    assert table_digest(rechunked(rows, cut)) == table_digest(table_of(rows))


@given(one=st.lists(ROW, max_size=3), other=st.lists(ROW, max_size=3))
def test_different_content_has_a_different_digest(one, other):
    assert (table_digest(table_of(one)) == table_digest(table_of(other))) == (repr(one) == repr(other))


@pytest.mark.parametrize(
    "one, other",
    [
        ({"a": [["x"], ["y", "z"]]}, {"a": [["x", "y"], ["z"]]}),
        ({"a": ["ab", "c"]}, {"a": ["a", "bc"]}),
        ({"a": [None, "x"]}, {"a": ["", "x"]}),
        ({"a": [[], ["x"]]}, {"a": [None, ["x"]]}),
        ({"a": ["x"]}, {"b": ["x"]}),
        ({"a": ["x"]}, {"a": [b"x"]}),
        ({"a": [0]}, {"a": [None, 0]}),
        ({"a": [0.0]}, {"a": [0]}),
    ],
)
def test_near_misses_differ(one, other):
    assert table_digest(pa.table(one)) != table_digest(pa.table(other))


def test_what_lies_under_a_null_does_not_count():
    values = pa.array([b"a" * 16, b"b" * 16], pa.binary(16))
    mask = pa.py_buffer(b"\x01")
    hidden = pa.Array.from_buffers(pa.binary(16), 2, [mask, values.buffers()[1]])
    assert hidden.to_pylist() == [b"a" * 16, None]
    plain = pa.array([b"a" * 16, None], pa.binary(16))
    assert table_digest(pa.table({"id": hidden})) == table_digest(pa.table({"id": plain}))


def test_entries_under_a_null_map_do_not_count():
    kind = pa.map_(pa.string(), pa.string())
    full = pa.array([[("a", "b")], [("c", "d")]], kind)
    entries = pa.StructArray.from_arrays([full.keys, full.items], fields=[kind.key_field, kind.item_field])
    hidden = pa.Array.from_buffers(kind, 2, [pa.py_buffer(b"\x01"), full.buffers()[1]], children=[entries])
    plain = pa.array([[("a", "b")], None], kind)
    assert hidden.to_pylist() == plain.to_pylist()
    assert table_digest(pa.table({"m": hidden})) == table_digest(pa.table({"m": plain}))


def test_types_that_no_digest_covers_are_refused():
    with pytest.raises(TypeError, match="struct"):
        table_digest(pa.table({"a": [{"x": 1}]}))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(rows=st.lists(ROW, max_size=6), cut=st.integers(0, 6))
def test_a_shard_gives_back_its_rows_and_the_same_rows_give_the_same_bytes(tmp_path, rows, cut):
    digest = write_shard(tmp_path / "a.parquet", table_of(rows))
    write_shard(tmp_path / "b.parquet", rechunked(rows, cut))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    back = read_shard(tmp_path / "a.parquet")
    assert back.schema.equals(SCHEMA)
    assert back.to_pylist() == table_of(rows).to_pylist()
    assert shard_digest(tmp_path / "a.parquet") == digest == table_digest(back)
    verify_shard(tmp_path / "a.parquet")


def test_many_row_groups_do_not_depend_on_chunks_either(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 2_000)
    table = documents(*(f"text {row} " * 20 for row in range(200)))
    write_shard(tmp_path / "a.parquet", table)
    pieces = [table.slice(start, 7) for start in range(0, 200, 7)]
    write_shard(tmp_path / "b.parquet", pa.concat_tables(pieces))
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups > 5
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_document_whose_schema_carries_metadata_gives_the_same_bytes(tmp_path):
    table = documents("one", "two")
    noted = table.cast(pa.schema([field.with_metadata({"note": "x"}) for field in table.schema], {"pandas": "{}"}))
    write_shard(tmp_path / "a.parquet", table)
    write_shard(tmp_path / "b.parquet", noted)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_a_shard_read_and_written_again_is_the_same_file(tmp_path):
    row = {"metadata": [("title", "x")], "also": ["a", None], "text": "t", "id": b"i" * 16}
    write_shard(tmp_path / "a.parquet", table_of([row]))
    write_shard(tmp_path / "b.parquet", read_shard(tmp_path / "a.parquet"))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_an_empty_shard_is_a_shard(tmp_path):
    write_shard(tmp_path / "shard-00000.parquet", documents())
    assert read_shard(tmp_path / "shard-00000.parquet").schema.equals(DOCUMENT)
    verify_shard(tmp_path / "shard-00000.parquet")


def test_single_columns_can_be_read(tmp_path):
    write_shard(tmp_path / "s.parquet", documents("one", "two"))
    assert read_shard(tmp_path / "s.parquet", ["text"]).to_pydict() == {"text": ["one", "two"]}


def test_a_column_that_is_not_there_is_an_error(tmp_path):
    write_shard(tmp_path / "s.parquet", documents("one"))
    with pytest.raises(DamagedShard, match="no column quality; it has id, text"):
        read_shard(tmp_path / "s.parquet", ["id", "quality"])


def test_no_flipped_bit_passes_unnoticed(tmp_path):
    path = tmp_path / "s.parquet"
    table = documents("the cat sat on the mat", "on the mat sat the cat")
    write_shard(path, table)
    whole = path.read_bytes()
    silent = 0
    for position in range(0, len(whole), 7):
        broken = bytearray(whole)
        broken[position] ^= 1 << position % 8
        path.write_bytes(broken)
        try:
            verify_shard(path)
        except DamagedShard:
            continue
        silent += 1  # in the footer lie statistics and sizes that nobody reads
        assert read_shard(path).to_pylist() == table.to_pylist()
    assert silent < len(whole) / 6


def test_a_flipped_bit_in_a_page_is_found_by_reading_alone(tmp_path):
    path = tmp_path / "s.parquet"
    write_shard(path, documents("the cat sat on the mat", "on the mat sat the cat"))
    column = pq.read_metadata(path).row_group(0).column(1)
    broken = bytearray(path.read_bytes())
    broken[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(broken)
    with pytest.raises(DamagedShard, match=r"s\.parquet cannot be read .*[Cc]hecksum"):
        read_shard(path)


def test_a_shard_cut_short_is_damaged_for_every_reader(tmp_path):
    path = tmp_path / "cleaned" / "shard-00000.parquet"
    write_shard(path, documents("one"))
    path.write_bytes(path.read_bytes()[:-20])
    for read in (read_shard, verify_shard, shard_digest):
        with pytest.raises(DamagedShard, match=r"Delete it .* `dvc repro clean`"):
            read(path)


def test_a_shard_whose_footer_lies_is_damaged(tmp_path):
    footer = {"antimatter.schema": "1", "antimatter.rows": "1", "antimatter.digest": "0" * 32}
    pq.write_table(documents("one").replace_schema_metadata(footer), tmp_path / "s.parquet")
    with pytest.raises(DamagedShard, match="the footer promises 000"):
        verify_shard(tmp_path / "s.parquet")


def test_a_foreign_parquet_file_is_no_shard(tmp_path):
    pq.write_table(documents("one"), tmp_path / "s.parquet")
    with pytest.raises(DamagedShard, match="not written by this version"):
        read_shard(tmp_path / "s.parquet")
    with pytest.raises(DamagedShard, match="not one of our shards"):
        shard_digest(tmp_path / "s.parquet")


def test_a_trouble_of_the_system_is_not_called_damage(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(pq, "ParquetFile", fail)
    with pytest.raises(OSError, match="Too many open files") as caught:
        read_shard(tmp_path / "s.parquet")
    assert not isinstance(caught.value, DamagedShard)


def test_a_missing_folder_names_the_stage_to_run(tmp_path):
    for read in (shard_paths, require):
        with pytest.raises(MissingData, match=r"Run `dvc repro filter` \(or python -m stages.filter\)"):
            read(tmp_path / "data" / "filtered" / "documents")
    with pytest.raises(MissingData, match="dvc repro collect"):
        read_shard(tmp_path / "data" / "raw" / "documents" / shard_name(0))


def test_a_gap_between_shards_is_an_error(tmp_path):
    for index in (0, 2):
        write_shard(tmp_path / shard_name(index), documents("one"))
    with pytest.raises(DamagedShard, match=r"shard-00001.parquet is missing \(found shard-00002.parquet\)"):
        shard_paths(tmp_path)


def test_shards_stay_in_order_beyond_five_digits(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "shard_name", lambda index: f"shard-{index:01d}.parquet")
    for index in range(12):
        (tmp_path / f"shard-{index}.parquet").touch()
    assert [path.name for path in shard_paths(tmp_path)] == [f"shard-{index}.parquet" for index in range(12)]


def test_a_failed_write_leaves_what_was_there_before(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]
    assert path.read_text() == "before"


def test_writing_a_shard_anew_never_writes_through_a_hard_link(tmp_path):
    write_shard(tmp_path / "work.parquet", documents("one"))
    os.link(tmp_path / "work.parquet", tmp_path / "published.parquet")
    os.chmod(tmp_path / "work.parquet", 0o444)
    before = (tmp_path / "published.parquet").read_bytes()
    write_shard(tmp_path / "work.parquet", documents("two"))
    assert (tmp_path / "published.parquet").read_bytes() == before


def test_the_digest_of_a_folder_sees_names_and_contents_and_skips_half_written_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("one")
    first = folder_digest(tmp_path)
    (tmp_path / "a" / ".x.txt.123.part").write_text("half")
    assert folder_digest(tmp_path) == first
    (tmp_path / "a" / "x.txt").write_text("two")
    second = folder_digest(tmp_path)
    (tmp_path / "a" / "x.txt").rename(tmp_path / "a" / "y.txt")
    assert len({first, second, folder_digest(tmp_path)}) == 3


def test_the_digest_of_a_folder_takes_peoples_own_files_for_what_they_are(tmp_path):
    pq.write_table(pa.table({"text": ["mine"]}), tmp_path / "shard-00000.parquet")
    (tmp_path / "shard-of-bone.parquet").write_text("not Parquet at all")
    first = folder_digest(tmp_path)
    pq.write_table(pa.table({"text": ["yours"]}), tmp_path / "shard-00000.parquet")
    assert folder_digest(tmp_path) != first


def test_the_digest_of_a_single_file_is_a_digest_of_a_folder_too(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    assert folder_digest(tmp_path / "a.txt") == folder_digest(tmp_path / "a.txt")


def many_kinds(rows: int) -> pa.Table:
    numbers = list(range(rows))
    return pa.table(
        {
            "flag": pa.array([number % 3 == 0 for number in numbers]),
            "text": pa.array([f"text {number}" * (number % 5) for number in numbers]),
            "share": pa.array([None if number % 7 == 0 else number / 3 for number in numbers]),
            "names": pa.array([["a"] * (number % 3) for number in numbers], pa.list_(pa.string())),
        }
    )


@pytest.mark.parametrize("cut", [1, 103, 5000])
def test_a_shard_in_pieces_has_the_bytes_of_the_whole_also_with_several_row_groups(tmp_path, monkeypatch, cut):
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 20_000)
    table = many_kinds(2000)
    write_shard(tmp_path / "whole.parquet", table)
    pieces = [table.slice(start, cut) for start in range(0, 2000, cut)]
    write_shard(tmp_path / "chunks.parquet", pa.concat_tables(pieces))
    with shard_in_pieces(tmp_path / "pieces.parquet") as add:
        for piece in pieces:
            add(piece)
    whole = (tmp_path / "whole.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "whole.parquet").num_row_groups > 3
    assert (tmp_path / "chunks.parquet").read_bytes() == whole
    assert (tmp_path / "pieces.parquet").read_bytes() == whole


def test_a_shard_in_pieces_that_fails_leaves_nothing_and_one_that_was_killed_is_swept_up(tmp_path):
    (tmp_path / ".shard-00000.parquet.1.pieces.part").write_bytes(b"left by a kill")
    with pytest.raises(ZeroDivisionError):
        with shard_in_pieces(tmp_path / "shard-00000.parquet") as add:
            add(many_kinds(3))
            1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="needs a piece"):
        with shard_in_pieces(tmp_path / "shard-00000.parquet"):
            pass
