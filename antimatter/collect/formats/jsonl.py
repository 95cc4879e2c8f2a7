"""JSON lines: one object a line, one document an object.

    {"text": "one", "url": "http://a"}\\n{"text": "two"}\\n
    ^ crawl.jsonl:0                     ^ crawl.jsonl:35      plain file: by byte offset, so it can be cut anywhere
    ^ crawl.jsonl.gz:0                  ^ crawl.jsonl.gz:1    stream: by line

A line belongs to the range in which it starts: wherever a file is cut, every line is read once.
"""

from collections.abc import Iterator
from typing import BinaryIO

from antimatter.collect import drafts
from antimatter.collect.drafts import Broken, Draft, Oversized, parse_json
from antimatter.collect.formats.fields import draft_of
from antimatter.params.collect import Source

_CHUNK_BYTES = 1_000_000


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """Every line of a stream of UTF-8, named by its number from 0."""
    offset = 0
    for number, (line, size) in enumerate(_lines(stream)):
        yield from _items(line, size, f"{origin}:{number}", offset, source.text_field)
        offset += size


def read_range(
    stream: BinaryIO, start: int, stop: int, origin: str, source: Source
) -> Iterator[Draft | Broken | Oversized]:
    """The lines of a seekable file that start in [start, stop), named by their byte offset."""
    if start:
        stream.seek(start - 1)
        start += _skip_line(stream, stop - start + 1) - 1  # the end of a line that started earlier, at the least its \n
    for line, size in _lines(stream) if start < stop else ():
        yield from _items(line, size, f"{origin}:{start}", start, source.text_field)
        start += size
        if start >= stop:
            return


def _lines(stream: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(line with its end, bytes); of a line that is too long the beginning alone."""
    limit = drafts.LARGEST_DOCUMENT_BYTES
    while line := stream.readline(limit + 1):
        size = len(line)
        if size > limit and not line.endswith(b"\n"):
            line = line[:1]
            size += _skip_line(stream)
        yield line, size


def _skip_line(stream: BinaryIO, most: int | None = None) -> int:
    """Bytes passed over up to the end of the line, or a little beyond `most`; holds little of it in memory."""
    passed = 0
    while most is None or passed < most:
        chunk = stream.readline(_CHUNK_BYTES)
        passed += len(chunk)
        if not chunk or chunk.endswith(b"\n"):
            break
    return passed


def _items(line: bytes, size: int, origin: str, offset: int, text_field: str) -> Iterator[Draft | Broken | Oversized]:
    if size > drafts.LARGEST_DOCUMENT_BYTES:
        yield Oversized(origin, size, drafts.LARGEST_DOCUMENT_BYTES)
    elif not line.isspace():
        try:
            yield draft_of(parse_json(line), origin, text_field)
        except ValueError as error:
            yield Broken.by(error, origin, offset, line)
