"""Compressed files as streams of decompressed bytes: to the end of the last member, in little memory, no bombs.

    split_suffix("crawl.jsonl.zst")  ->  ("crawl.jsonl", "zst")
    opened(file, "zst", size)        ->  read(), readline(): the lines of crawl.jsonl

What can be had before a damage is delivered first: bytes up to it by read(), whole lines by readline(). Then every
further call raises DamagedStream. Where bytes were altered, some wrong ones come before that (up to 900 kB of bzip2, in
gzip all up to the end of the member): checksums stand behind what they are of.
"""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import pyarrow as pa

from antimatter.collect.errors import DamagedStream

LARGEST_EXPANSION = 250
"""Times the compressed bytes. Text shrinks to a third, logs that repeat themselves to a hundredth."""
HARMLESS_BYTES = 64_000_000
"""So many decompressed bytes are delivered whatever the expansion: a file of spaces is no attack."""
_READ_BYTES, _CHUNK_BYTES = 1 << 16, 1 << 18
_SMALL_READ_BYTES, _LAST_READ_BYTES = 1 << 14, 1 << 7
_XZ_MEMORY_BYTES = 256 << 20

_SUFFIXES = {".gz": "gz", ".gzip": "gz", ".zst": "zst", ".zstd": "zst", ".bz2": "bz2", ".xz": "xz"}


class AbsurdExpansion(DamagedStream):
    """More decompressed bytes than any text would give: a bomb."""


def split_suffix(name: str) -> tuple[str, str]:
    """(name without the suffix of a compression, "gz", "zst", "bz2", "xz" or "").

    >>> split_suffix("a/crawl.jsonl.GZ"), split_suffix("notes.txt"), split_suffix(".gz")
    (('a/crawl.jsonl', 'gz'), ('notes.txt', ''), ('.gz', ''))
    """
    for suffix, compression in _SUFFIXES.items():
        stem = name[: -len(suffix)]
        if name.lower().endswith(suffix) and stem and not stem.endswith("/"):
            return stem, compression
    return name, ""


def opened(stream: BinaryIO, compression: str, compressed_bytes: int = 0) -> BinaryIO:
    """The decompressed bytes of a binary stream; the stream itself where compression is "".

    compressed_bytes  what it takes on disk (of an archive's member: in the archive); 0 = not known.
    Reading raises DamagedStream if the stream ends in the middle or is corrupt, AbsurdExpansion if more than 250 times
    the bytes on disk, or read so far, come out of it. Closing it leaves `stream` open.
    """
    if not compression:
        return stream
    source = _Source(stream)
    return buffered(_measured(_DECOMPRESS[compression](source), source, compressed_bytes))


def buffered(chunks: Iterator[bytes]) -> BinaryIO:
    """A stream of the chunks, one after another. What the iterator raises comes out of read(), again at every call."""
    return cast(BinaryIO, _Stream(_Raw(chunks), _READ_BYTES))


def read_whole(stream: BinaryIO, limit: int) -> tuple[bytes, int]:
    """(all bytes of a stream, how many); no bytes of one that is larger than the limit, which is passed over.

    Raises: DamagedStream; one call of read() is not enough, because what came before a damage is delivered first.
    """
    data, more = stream.read(limit + 1), stream.read(1)
    if not more:
        return (data, len(data)) if len(data) <= limit else (b"", len(data))
    size = len(data) + len(more)
    while chunk := stream.read(_CHUNK_BYTES):
        size += len(chunk)
    return b"", size


class _Raw(io.RawIOBase):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._failure: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if self._failure:  # an iterator that raised would say "end" the next time
                raise self._failure
            try:
                self._rest = memoryview(next(self._chunks))
            except StopIteration:
                return 0
            except Exception as error:
                self._failure = error
                raise
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


class _Stream(io.BufferedReader):
    """BufferedReader.read forgets what it has when the next bytes cannot be read; this one delivers it first."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = float("inf") if size is None or size < 0 else size
        parts: list[bytes] = []
        while wanted:
            try:
                part = self.read1(int(min(wanted, _CHUNK_BYTES)))
            except DamagedStream:
                if parts:
                    break
                raise
            if not part:
                break
            if len(part) == size:
                return part
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def readinto(self, buffer: Any, /) -> int:
        with memoryview(buffer).cast("B") as view:
            data = self.read(len(view))
            view[: len(data)] = data
        return len(data)


class _Source:
    """The compressed side: small reads, counted, one ahead, so that the last one is known as the last."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._ahead: bytes | None = None
        self.failure: Exception | None = None
        self.consumed = 0

    def peek(self) -> bool:
        """Whether there is anything at all."""
        self._ahead = self._fetch() if self._ahead is None else self._ahead
        return bool(self._ahead)

    @property
    def ended(self) -> bool:
        """Whether all compressed bytes have been handed out."""
        return self._ahead == b""

    def read(self, size: int = _READ_BYTES) -> bytes:
        """The next bytes, b"" at the end."""
        if self.failure:
            raise self.failure
        data = self._fetch() if self._ahead is None else self._ahead
        data, rest = data[:size], data[size:]
        self.consumed += len(data)
        self._ahead = b""
        if data:
            try:
                self._ahead = rest or self._fetch()
            except Exception as error:  # kept until what came before it is used up
                self.failure = error
        return data

    def close(self) -> None:
        """Nothing: who opened the stream closes it."""

    def _fetch(self) -> bytes:
        return self._stream.read(_READ_BYTES)


def _measured(chunks: Iterator[bytes], source: _Source, compressed_bytes: int) -> Iterator[bytes]:
    delivered = 0
    if not source.peek():
        raise DamagedStream("is empty, which no compressed file is")
    for chunk in chunks:
        delivered += len(chunk)
        on_disk = min(source.consumed, compressed_bytes or source.consumed)
        if delivered > HARMLESS_BYTES and delivered > LARGEST_EXPANSION * on_disk:
            raise AbsurdExpansion(
                f"grows to more than {LARGEST_EXPANSION} times its compressed size, as no text does: not read further"
            )
        yield chunk


def _gunzip(source: _Source) -> Iterator[bytes]:
    """All members; zeros after them (a tape's padding) are passed over."""
    data = source.read()
    while data:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            data = data or source.read()
            before = member.copy()
            try:
                chunk = member.decompress(data, _CHUNK_BYTES)
            except zlib.error as error:
                yield _up_to_damage(before, data)
                raise DamagedStream(f"is damaged ({_words(error)} in a gzip file)") from error
            if not data and not chunk and not member.eof:
                raise _truncated("gzip")
            yield chunk
            data = member.unconsumed_tail
        data = _after_padding(member.unused_data, source)


def _up_to_damage(member: Any, data: bytes) -> bytes:
    """What zlib decompresses before the byte at which it fails: it gives nothing of a chunk with a bad byte in it."""
    parts = []
    try:
        for position in range(len(data)):
            parts.append(member.decompress(data[position : position + 1]))
    except zlib.error:
        pass
    return b"".join(parts)


def _bunzip2(source: _Source) -> Iterator[bytes]:
    return _streams(source, bz2.BZ2Decompressor, OSError, "bzip2")


def _unxz(source: _Source) -> Iterator[bytes]:
    return _streams(
        source, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES), lzma.LZMAError, "xz"
    )


def _streams(source: _Source, new: Callable[[], Any], failure: type[Exception], kind: str) -> Iterator[bytes]:
    data = source.read()
    while data:
        decoder = new()
        while not decoder.eof:
            if decoder.needs_input and not data and not (data := source.read()):
                raise _truncated(kind)
            try:
                chunk = decoder.decompress(data, _CHUNK_BYTES)
            except failure as error:
                raise DamagedStream(f"is damaged ({_words(error)} in a file of {kind})") from error
            data = b""
            yield chunk
        data = _after_padding(decoder.unused_data, source)


def _unzstd(source: _Source) -> Iterator[bytes]:
    """All frames, by Arrow's copy of libzstd. It gives nothing of a read in which it fails: hence small reads."""
    decoder = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")
    try:
        while chunk := decoder.read(_LAST_READ_BYTES if source.ended else _SMALL_READ_BYTES):
            yield chunk
    except OSError as error:
        if source.failure:
            raise source.failure from None
        if "runcated" in str(error):
            raise _truncated("zstd") from error
        if "too much memory" in str(error):
            raise DamagedStream(
                "was compressed with a window above 128 MiB (zstd --long or --ultra), which would not fit into "
                "memory: compress it again without"
            ) from error
        raise DamagedStream(f"is damaged ({_words(error)} in a zstd file)") from error


_DECOMPRESS: dict[str, Callable[[_Source], Iterator[bytes]]] = {
    "gz": _gunzip,
    "zst": _unzstd,
    "bz2": _bunzip2,
    "xz": _unxz,
}


def _after_padding(data: bytes, source: _Source) -> bytes:
    data = data.lstrip(b"\0")
    while not data and (more := source.read()):
        data = more.lstrip(b"\0")
    return data


def _truncated(kind: str) -> DamagedStream:
    return DamagedStream(f"ends in the middle (truncated {kind} file)")


def _words(error: Exception) -> str:
    """What the library says, without its numbers.

    >>> _words(ValueError("Error -3 while decompressing data: incorrect header check"))
    'incorrect header check'
    """
    return str(error).rpartition(": ")[2].strip().lower().rstrip(".") or type(error).__name__
