"""JSON files: an array of objects, one object, or several behind one another; one document an object.

    [{"text": "one"}, {"text": "two"}]        pages.json:0   pages.json:1
    {"text": "one"} {"text": "two"}           the same

The values are found by their brackets and parsed one by one, so that a file of any size needs the memory of its largest
document, and a broken value costs itself alone.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from antimatter.collect import drafts
from antimatter.collect.drafts import Broken, Draft, Oversized, parse_json
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats.fields import draft_of
from antimatter.params.collect import Source

_CHUNK_BYTES = 1_000_000
_OUTSIDE = re.compile(rb'["\[\]{},]')
_INSIDE = re.compile(rb'["\\]')
_SPACE = b" \t\r\n"


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """Every value of a stream of UTF-8, named by its number from 0. Raises: DamagedStream if the last has no end."""
    for number, (offset, value, size) in enumerate(_values(stream)):
        place = f"{origin}:{number}"
        if value is None:
            yield Oversized(place, size, drafts.LARGEST_DOCUMENT_BYTES)
            continue
        try:
            yield draft_of(parse_json(value), place, source.text_field)
        except ValueError as error:
            yield Broken.by(error, place, offset, value)


def _values(stream: BinaryIO) -> Iterator[tuple[int, bytes | None, int]]:
    """(byte offset, bytes, size) of the elements of top-level arrays and of other top-level values; None for the bytes
    of one that is too large."""
    scanner = _Scanner()
    while chunk := stream.read(_CHUNK_BYTES):
        yield from scanner.feed(chunk)
    yield from scanner.end()


class _Scanner:
    """Cuts bytes at the brackets and commas that lie outside of strings."""

    def __init__(self) -> None:
        self.held = bytearray()
        """The value that is being read, from its first byte on."""
        self.first, self.dropped, self.too_large = 0, 0, False
        self.depth, self.in_array, self.in_string, self.escaped = 0, False, False, False

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes | None, int]]:
        position = taken = 0
        while True:
            if self.escaped:  # what follows a backslash, perhaps in the next chunk
                if position == len(chunk):
                    break
                position, self.escaped = position + 1, False
            match = (_INSIDE if self.in_string else _OUTSIDE).search(chunk, position)
            if match is None:
                break
            position = match.end()
            mark = match.group()
            if self.in_string:
                self.escaped, self.in_string = mark == b"\\", mark == b"\\"
            elif mark == b'"':
                self.in_string = True
            elif mark in b"[{":
                if (
                    mark == b"["
                    and self.depth == 0
                    and not self.in_array
                    and not self._pending(chunk, taken, position - 1)
                ):
                    self._drop(chunk, taken, position)
                    taken, self.in_array = position, True
                else:
                    self.depth += 1
            elif mark in b"]}" and self.depth:
                self.depth -= 1
                if self.depth == 0:
                    yield from self._cut(chunk, taken, position)
                    taken = position
            elif self.depth == 0:  # a comma between elements, or the end of the array
                yield from self._cut(chunk, taken, position - 1)
                self._drop(chunk, position - 1, position)
                taken = position
                self.in_array = self.in_array and mark == b","
        self._hold(chunk[taken:])

    def end(self) -> Iterator[tuple[int, bytes | None, int]]:
        """The last value, if it stands alone. Raises: DamagedStream if an array, an object or a string is open."""
        cut_off = self.depth or self.in_string or self.in_array
        yield from self._cut(b"", 0, 0)
        if cut_off:
            raise DamagedStream("the JSON ends in the middle of a value")

    def _pending(self, chunk: bytes, start: int, stop: int) -> bool:
        return bool(self.held.strip(_SPACE) or chunk[start:stop].strip(_SPACE) or self.too_large)

    def _hold(self, data: bytes) -> None:
        if len(self.held) + len(data) > drafts.LARGEST_DOCUMENT_BYTES:
            self.too_large = True
        if self.too_large:
            self.dropped += len(self.held) + len(data)
            self.held.clear()
        else:
            self.held += data

    def _drop(self, chunk: bytes, start: int, stop: int) -> None:
        self.first += len(self.held) + self.dropped + stop - start
        self.held.clear()
        self.dropped, self.too_large = 0, False

    def _cut(self, chunk: bytes, start: int, stop: int) -> Iterator[tuple[int, bytes | None, int]]:
        self._hold(chunk[start:stop])
        size = len(self.held) + self.dropped
        if self.too_large:
            yield self.first, None, size
        else:
            value = bytes(self.held)
            if value.strip(_SPACE):
                lead = len(value) - len(value.lstrip(_SPACE))
                yield self.first + lead, value.strip(_SPACE), size
        self.first += size
        self.held.clear()
        self.dropped, self.too_large = 0, False
