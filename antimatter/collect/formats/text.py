"""Text files: one document a file, or documents between separators.

    letters/1790.txt                    one document
    books.txt, separator "<|end|>"      It was the best ...<|end|>Call me ...
                                        ^ books.txt:0            ^ books.txt:1043       (.gz: books.txt.gz:0, :1)

A document belongs to the range in which it starts. What lies between two separators and is only white space is none.
"""

from collections.abc import Iterator
from typing import BinaryIO

from antimatter.collect import drafts
from antimatter.collect.compression import buffered, read_whole
from antimatter.collect.drafts import Broken, Draft, Oversized, decode
from antimatter.collect.encodings import decode_named
from antimatter.params.collect import Source

_CHUNK_BYTES = 1_000_000


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """The document of a stream in any encoding; or, of a stream of UTF-8, those between separators, numbered from 0."""
    if source.separator:
        if "\n" in source.separator:
            stream = buffered(_with_plain_line_ends(stream))
        for number, found in enumerate(_between(stream, source.separator.encode())):
            yield from _draft(f"{origin}:{number}", *found)
        return
    data, size = read_whole(stream, drafts.LARGEST_DOCUMENT_BYTES)
    if size > drafts.LARGEST_DOCUMENT_BYTES:
        yield Oversized(origin, size, drafts.LARGEST_DOCUMENT_BYTES)
        return
    try:
        text, encoding = decode_named(data, source.encoding)
    except ValueError as error:
        yield Broken.by(error, origin, 0, data)
        return
    yield Draft(origin, text, metadata={} if encoding == "utf-8" else {"encoding": encoding})


def read_range(
    stream: BinaryIO, start: int, stop: int, origin: str, source: Source
) -> Iterator[Draft | Broken | Oversized]:
    """The documents of a seekable file of UTF-8 that start in [start, stop), named by their byte offset."""
    separator = source.separator.encode()
    first = max(0, start - len(separator))  # a separator that ends just here begins a document of this range
    stream.seek(first)
    for offset, data, size in _between(stream, separator, stop - first if start else None):
        place = first + offset
        if place >= stop:
            return
        if place >= start:
            yield from _draft(f"{origin}:{place}", place, data, size)


def can_be_cut(separator: str) -> bool:
    """Whether occurrences of the separator are the same from wherever one begins to look: not if it can overlap itself.

    >>> can_be_cut("<|end|>"), can_be_cut("==="), can_be_cut("\\n")
    (True, False, False)
    """
    data = separator.encode()
    if b"\n" in data:  # may stand for \r\n, which has another length
        return False
    return bool(data) and not any(data.startswith(data[shift:]) for shift in range(1, len(data)))


def _draft(origin: str, offset: int, data: bytes, size: int) -> Iterator[Draft | Broken | Oversized]:
    if size > drafts.LARGEST_DOCUMENT_BYTES:
        yield Oversized(origin, size, drafts.LARGEST_DOCUMENT_BYTES)
    elif data and not data.isspace():
        try:
            yield Draft(origin, decode(data))
        except UnicodeDecodeError as error:
            yield Broken.by(error, origin, offset, data)


def _with_plain_line_ends(stream: BinaryIO) -> Iterator[bytes]:
    """CRLF and CR as LF: the separator is written with LF."""
    held = b""
    while chunk := stream.read(_CHUNK_BYTES):
        chunk = held + chunk
        held = b"\r" if chunk.endswith(b"\r") else b""  # perhaps the first half of an end
        yield chunk.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    yield held.replace(b"\r", b"\n")


def _between(stream: BinaryIO, separator: bytes, within: int | None = None) -> Iterator[tuple[int, bytes, int]]:
    """(offset, bytes, size) of what lies between separators; of what is too large the last bytes alone. Nothing if
    `within` so many bytes no separator ends: then no document begins there."""
    held, start, size = bytearray(), 0, 0  # size: bytes since start, of which `held` are the last
    while chunk := stream.read(_CHUNK_BYTES):
        search = max(0, len(held) - len(separator) + 1)
        held += chunk
        size += len(chunk)
        while (found := held.find(separator, search)) >= 0:
            length = size - len(held) + found
            yield start, bytes(held[:found]), length
            del held[: found + len(separator)]
            start += length + len(separator)
            size = len(held)
            search = 0
        if within is not None and start == 0 and size - len(separator) >= within:
            return
        if len(held) > drafts.LARGEST_DOCUMENT_BYTES:
            del held[: len(held) - len(separator) + 1]
    yield start, bytes(held), size
