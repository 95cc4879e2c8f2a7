"""Arrow IPC: files by batches, streams from the start."""

import io
from pathlib import Path

import pyarrow as pa
import pytest

from antimatter.collect.drafts import Draft
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats import arrow
from antimatter.collect.formats.rows import NoTextColumn
from antimatter.params.collect import Source

SOURCE = Source(name="s", kind="files", path="input")
TABLE = pa.table({"text": [f"row {i}" for i in range(10)], "year": list(range(10))})
EXPECTED = [Draft(f"a:{i // 4}.{i % 4}", f"row {i}", metadata={"year": str(i)}) for i in range(10)]


def write(path, new, table=TABLE, options=None):
    with new(str(path), table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=4)
    return str(path)


@pytest.mark.parametrize("part_bytes", [1, 600, 10**6])
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_a_file_is_cut_by_batches(tmp_path, part_bytes, compression):
    path = write(tmp_path / "a", pa.ipc.new_file, options=pa.ipc.IpcWriteOptions(compression=compression))
    cut = list(arrow.pieces(path, "a", (tmp_path / "a").stat().st_size, part_bytes, SOURCE))
    assert len(cut) == {1: 3, 600: 3, 10**6: 1}[part_bytes]
    assert sum(piece.size for piece in cut) == (tmp_path / "a").stat().st_size
    assert [i for p in cut for i in arrow.read_batches(path, p.start, p.stop, "a", SOURCE)] == EXPECTED


def test_a_stream_is_one_piece_whatever_it_is_called(tmp_path):
    path = write(tmp_path / "a", pa.ipc.new_stream)
    assert not arrow.is_file(path)
    assert len(list(arrow.pieces(path, "a", 100, 1, SOURCE))) == 1
    with open(path, "rb") as file:
        assert list(arrow.read(file, "a", SOURCE)) == EXPECTED


@pytest.mark.parametrize("cut", [0.2, 0.6, 0.9])
def test_a_stream_that_ends_in_the_middle_gives_the_batches_before(tmp_path, cut):
    data = Path(write(tmp_path / "a", pa.ipc.new_stream)).read_bytes()
    items = []
    with pytest.raises(DamagedStream, match="cannot be read after batch"):
        for item in arrow.read(io.BytesIO(data[: int(cut * len(data))]), "a", SOURCE):
            items.append(item)
    assert items == EXPECTED[: len(items)] and len(items) % 4 == 0


def test_a_truncated_file_is_damaged(tmp_path):
    path = write(tmp_path / "a", pa.ipc.new_file)
    data = Path(path).read_bytes()
    (tmp_path / "a").write_bytes(data[: len(data) // 2])
    with pytest.raises(DamagedStream, match="no readable Arrow file"):
        list(arrow.pieces(path, "a", 100, 100, SOURCE))


def test_without_a_text_column_both_forms_say_what_they_have(tmp_path):
    table = pa.table({"content": ["x"]})
    with pytest.raises(NoTextColumn, match="it has content"):
        list(arrow.pieces(write(tmp_path / "a", pa.ipc.new_file, table), "a", 100, 100, SOURCE))
    with open(write(tmp_path / "b", pa.ipc.new_stream, table), "rb") as file, pytest.raises(NoTextColumn):
        list(arrow.read(file, "a", SOURCE))
