"""CSV and TSV: a header line, then one document a row.

    id,text,url
    7,"He said ""no"",
    and left.",http://a         export.csv:0     (origin by row from 0; a quoted field may hold line ends)

The delimiter is the comma (csv) or the tab (tsv); if the header has no text column so, the semicolon, tab or bar that
gives it one (spreadsheets of many countries export with semicolons). A row with more or fewer fields than the header,
or with a stray quote, is quarantined whole: guessing which comma was text would lose some of it in silence.
"""

import csv
import itertools
from collections.abc import Iterator
from typing import BinaryIO

from antimatter.collect import drafts
from antimatter.collect.drafts import FIELD, SHAPE, Broken, Draft, Oversized, Unread
from antimatter.collect.formats.fields import draft_of
from antimatter.collect.pieces import Piece
from antimatter.params.collect import Source


class _TooLong(Exception):
    """A record that goes on beyond the largest document: most often a quote that nobody closed."""


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized | Unread]:
    """Every row of a stream of UTF-8 after the header, named by its number from 0."""
    lines = _Lines(stream)
    header, delimiter, problem = _header(lines, source)
    if problem:
        yield Unread(origin, problem, 0, FIELD)
    else:
        yield from _rows(lines, 0, None, header, delimiter, origin, source)


def read_range(
    stream: BinaryIO, start: int, stop: int, number: int, origin: str, source: Source
) -> Iterator[Draft | Broken | Oversized | Unread]:
    """The rows of a seekable file of UTF-8 that start in [start, stop), the first of which has this number; ranges come
    from `pieces`."""
    header, delimiter, _ = _header(_Lines(stream), source)
    stream.seek(start)
    lines = _Lines(stream, start)
    yield from _rows(lines, number, stop, header, delimiter, origin, source)


def pieces(stream: BinaryIO, name: str, size: int, part_bytes: int, source: Source) -> Iterator[Piece]:
    """A seekable file of UTF-8 in pieces of about part_bytes that begin with a row; one piece if it has no text.

    Reads the whole file once, at memory speed: whether a line end lies inside quotes hangs on everything before it.
    """
    from antimatter.collect.formats.records import find_cuts  # numba: only where a large file asks for it

    lines = _Lines(stream)
    _, delimiter, problem = _header(lines, source)
    if problem:
        yield Piece(name, 0, size)
        return
    stream.seek(lines.size)
    cuts = find_cuts(stream, lines.size, delimiter.encode(), part_bytes, drafts.LARGEST_DOCUMENT_BYTES)
    for (start, number), (stop, _) in itertools.pairwise([*cuts, (size, 0)]):
        if start < stop:
            yield Piece(name, start, stop, number=number)


def _rows(
    lines: "_Lines", number: int, stop: int | None, header: list[str], delimiter: str, origin: str, source: Source
) -> Iterator[Draft | Broken | Oversized]:
    csv.field_size_limit(drafts.LARGEST_DOCUMENT_BYTES)
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.begin()
        if stop is not None and lines.offset >= stop:
            return
        place = f"{origin}:{number}"
        number += 1
        try:
            row = next(rows, None)
        except _TooLong:
            yield Oversized(place, lines.size + lines.skip_line(), drafts.LARGEST_DOCUMENT_BYTES)
            rows = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        except csv.Error as error:
            yield Broken.by(ValueError(str(error)), place, lines.offset, lines.data())
            rows = csv.reader(lines, delimiter=delimiter, strict=True)  # the old one still waits for its quote
            continue
        if row is None:
            return
        if not row:  # an empty line
            number -= 1
        elif lines.undecodable:
            yield Broken.by(lines.undecodable, place, lines.offset, lines.data())
        elif len(row) != len(header):
            words = f"{len(row)} fields, the header has {len(header)}"
            yield Broken(place, lines.offset, words, lines.data(), SHAPE)
        else:
            yield draft_of(dict(zip(header, row, strict=True)), place, source.text_field)


def _header(lines: "_Lines", source: Source) -> tuple[list[str], str, str]:
    """(names of the columns, delimiter, what is wrong)."""
    usual = "\t" if source.format == "tsv" else ","
    lines.begin()
    try:
        line = next(lines, "").removeprefix("\ufeff")
    except _TooLong:
        return [], usual, "its header has no end"
    if lines.undecodable:
        return [], usual, f"its header cannot be read ({lines.undecodable})"
    if not line.strip():
        return [], usual, "it has no header line"
    names: list[str] = []
    for delimiter in dict.fromkeys((usual, ",", ";", "\t", "|")):
        try:
            found = [name.strip() for name in next(csv.reader([line], delimiter=delimiter, strict=True))]
        except csv.Error:
            continue
        names = names or found
        if source.text_field in found:
            if len(set(found)) < len(found):
                return found, delimiter, f"two of its columns have the same name ({', '.join(found)})"
            return found, delimiter, ""
    return names, usual, f"it has no column {source.text_field!r}; it has {', '.join(names)[:500] or 'none'}"


class _Lines:
    """The lines of a stream as text, for csv.reader; remembers the bytes of the record that it is asked for."""

    def __init__(self, stream: BinaryIO, offset: int = 0) -> None:
        self.stream, self.offset, self.size = stream, offset, 0
        self.record = bytearray()
        self.undecodable: UnicodeDecodeError | None = None

    def begin(self) -> None:
        """A new record begins here."""
        self.offset += self.size
        self.record.clear()
        self.size = 0
        self.undecodable = None

    def data(self) -> bytes:
        return bytes(self.record)

    def skip_line(self) -> int:
        """Bytes to the end of a line of which a part was read."""
        passed = 0
        while self.record and not self.record.endswith(b"\n") and (chunk := self.stream.readline(1_000_000)):
            passed += len(chunk)
            self.record[:] = chunk[-1:]
        self.size += passed
        return passed

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.stream.readline(drafts.LARGEST_DOCUMENT_BYTES + 1)
        if not line:
            raise StopIteration
        self.record += line
        self.size += len(line)
        if self.size > drafts.LARGEST_DOCUMENT_BYTES:
            self.record[:] = line[-1:]
            raise _TooLong
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError as error:  # where the record ends must not hang on it
            self.undecodable = self.undecodable or error
            return line.decode("utf-8", "surrogateescape")
