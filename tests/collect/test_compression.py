"""Compressed streams are read to their end; damage costs what lies behind it, and a bomb is stopped."""

import bz2
import gzip
import io
import lzma
import random
import struct
import zlib

import pyarrow as pa
import pytest

from antimatter.collect import compression
from antimatter.collect.compression import AbsurdExpansion, buffered, opened, split_suffix
from antimatter.collect.errors import DamagedStream


def zstd(data):
    return pa.Codec("zstd").compress(data).to_pybytes()


COMPRESS = {"gz": gzip.compress, "zst": zstd, "bz2": bz2.compress, "xz": lzma.compress}
WORDS = {"gz": "gzip", "zst": "zstd", "bz2": "bzip2", "xz": "xz"}
each = pytest.mark.parametrize("kind", COMPRESS)

_draw = random.Random(7)
TEXT = "".join(f"{number} {_draw.random()} " + "\n" * (number % 9 == 0) for number in range(20_000)).encode()


def stream_of(data, kind, on_disk=0):
    return opened(io.BytesIO(data), kind, on_disk)


def read_until_damage(stream, size=100_000):
    """(what could be had, what the error says)"""
    got = b""
    with pytest.raises(DamagedStream) as caught:
        while part := stream.read(size):
            got += part
    return got, str(caught.value)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.jsonl.gz", ("a.jsonl", "gz")),
        ("A.TXT.ZST", ("A.TXT", "zst")),
        ("a.zstd", ("a", "zst")),
        ("a.gzip", ("a", "gz")),
        ("a.bz2", ("a", "bz2")),
        ("d/a.warc.xz", ("d/a.warc", "xz")),
        ("a.txt", ("a.txt", "")),
        ("d/.gz", ("d/.gz", "")),
        ("gz", ("gz", "")),
    ],
)
def test_the_suffix_names_the_compression(name, parts):
    assert split_suffix(name) == parts


@each
def test_a_stream_gives_the_bytes_that_were_compressed(kind):
    assert stream_of(COMPRESS[kind](TEXT), kind).read() == TEXT
    assert list(stream_of(COMPRESS[kind](TEXT), kind)) == TEXT.splitlines(keepends=True)


@each
@pytest.mark.parametrize("size", [1, 1000, 65_536, 3_000_000])
def test_a_read_gives_as_much_as_was_asked_for(kind, size):
    stream = stream_of(COMPRESS[kind](TEXT), kind)
    assert [stream.read(size), stream.read(0), stream.read(5)] == [TEXT[:size], b"", TEXT[size : size + 5]]


@each
def test_all_members_are_read_not_only_the_first(kind):
    several = b"".join(COMPRESS[kind](part) for part in (b"one\n", b"", TEXT, b"three\n"))
    assert stream_of(several, kind).read() == b"one\n" + TEXT + b"three\n"


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_zeros_after_the_end_are_padding(kind):
    assert stream_of(COMPRESS[kind](b"text") + bytes(200_000), kind).read() == b"text"


@each
def test_an_empty_file_is_truncated_and_no_empty_text(kind):
    with pytest.raises(DamagedStream, match="is empty"):
        stream_of(b"", kind).read()


@each
@pytest.mark.parametrize("cut", [3, 0.5, -1])
def test_of_a_truncated_file_the_beginning_is_read_and_then_every_read_fails(kind, cut):
    data = COMPRESS[kind](TEXT)
    stream = stream_of(data[: int(len(data) * cut) if isinstance(cut, float) else cut], kind)
    got, error = read_until_damage(stream)
    assert (
        error
        == f"ends in the middle (truncated { {'gz': 'gzip', 'zst': 'zstd', 'bz2': 'bzip2'}.get(kind, kind) } file)"
    )
    assert TEXT.startswith(got)
    block = {"gz": 1, "zst": 1 << 17, "bz2": 900_000, "xz": 1}[kind]  # comes whole or not at all
    assert len(got) >= {3: 0, 0.5: len(TEXT) // 3, -1: len(TEXT) - 1}[cut] // block * block
    for _ in range(2):
        with pytest.raises(DamagedStream):
            stream.read(1)


def test_of_a_truncated_gzip_file_not_one_byte_too_few_comes():
    data = gzip.compress(TEXT, mtime=0)[:-8]  # all but the checksum
    assert read_until_damage(stream_of(data, "gz"))[0] == TEXT


@each
def test_lines_come_whole_up_to_the_damage(kind):
    data = COMPRESS[kind](TEXT)
    stream, lines = stream_of(data[: len(data) - 20], kind), []
    with pytest.raises(DamagedStream):
        while line := stream.readline():
            lines.append(line)
    assert lines == TEXT.splitlines(keepends=True)[: len(lines)]
    assert len(lines) > 1000 or kind == "bz2"


@each
def test_corrupt_bytes_are_damage(kind):
    data = bytearray(COMPRESS[kind](TEXT))
    middle = len(data) // 2
    data[middle:] = b"\xff" * (len(data) - middle)
    got, error = read_until_damage(stream_of(bytes(data), kind))
    assert error.startswith("is damaged (") or kind == "gz"  # to deflate ones without end are a text cut short
    if kind != "bz2":  # it delivers a block before its checksum is compared
        assert got[:100_000] == TEXT[:100_000]


@each
def test_what_follows_the_end_and_is_no_member_is_damage(kind):
    got, error = read_until_damage(stream_of(COMPRESS[kind](b"text") + b"and then garbage", kind), size=1)
    assert error.startswith("is damaged (")
    assert got in (b"text", b"")


@each
def test_a_bomb_is_stopped_once_it_has_grown_too_much(kind, monkeypatch):
    monkeypatch.setattr(compression, "HARMLESS_BYTES", 1_000_000)
    got, error = read_until_damage(stream_of(COMPRESS[kind](bytes(20_000_000)), kind))
    assert "grows to more than 250 times its compressed size" in error
    assert len(got) < 18_000_000


def test_a_small_file_of_spaces_is_no_bomb():
    assert len(stream_of(gzip.compress(b" " * 10_000_000), "gz").read()) == 10_000_000


def test_a_bomb_inside_a_bomb_is_measured_by_what_lies_on_disk(monkeypatch):
    monkeypatch.setattr(compression, "HARMLESS_BYTES", 1_000_000)
    data = gzip.compress(TEXT * 4)
    assert len(stream_of(data, "gz", on_disk=len(data)).read()) == 4 * len(TEXT)
    with pytest.raises(AbsurdExpansion):
        list(stream_of(data, "gz", on_disk=1000))


def test_a_zstd_window_that_does_not_fit_into_memory_is_refused_with_a_reason():
    frame = struct.pack("<I", 0xFD2FB528) + bytes([0, 21 << 3]) + b"\1\0\0"  # 2 GiB, as zstd --long=31 writes it
    assert "window above 128 MiB" in read_until_damage(stream_of(frame, "zst"))[1]


def test_an_xz_dictionary_that_does_not_fit_into_memory_is_refused():
    small = bytearray(lzma.compress(b"text", preset=0))
    properties = small.index(bytes([0x21, 1])) + 2  # filter LZMA2, one byte of properties: the size of the dictionary
    small[properties] = 38  # 2 GiB
    small[20:24] = struct.pack("<I", zlib.crc32(small[12:20]))
    assert "is damaged (memory" in read_until_damage(stream_of(bytes(small), "xz"))[1]


@each
def test_damage_below_comes_through(kind):
    data = COMPRESS[kind](TEXT)

    def chunks():
        yield data[: len(data) // 2]
        raise DamagedStream("the member is damaged")

    got, error = read_until_damage(opened(buffered(chunks()), kind))
    assert error == "the member is damaged"
    assert TEXT.startswith(got)


def test_no_compression_is_the_stream_itself():
    stream = io.BytesIO(b"x")
    assert opened(stream, "") is stream


@each
def test_readinto_too_delivers_what_came_before_the_damage(kind):
    data = COMPRESS[kind](TEXT)
    stream, space = stream_of(data[:-4], kind), bytearray(len(TEXT) + 10)
    size = stream.readinto(space)
    assert size and space[:size] == TEXT[:size]
