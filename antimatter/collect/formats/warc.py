"""Web archives (WARC 0.18 to 1.1, and WET): a page a record; origin  crawl.warc.gz:<number of the record, from 0>.

    response     HTML or plain text that came with HTTP status 200: its main content, its text
    resource     the same, stored without HTTP
    conversion   text that others took from a page (WET): as it is

Passed over, because they are no documents: requests, warcinfo, metadata, revisits, DNS answers, continuations, other
statuses (moved, not found), other content (images, JSON, style sheets). Their numbers show in the origins: they count.

The records are read here and not by fastwarc, which panics (2.0.1) at a stream that cannot seek, as ours out of
archives and compressed files cannot; the tests compare with it.
"""

import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from antimatter.collect import drafts, encodings
from antimatter.collect.compression import opened
from antimatter.collect.drafts import ENCODING, SHAPE, Broken, Draft, Oversized
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats import html
from antimatter.params.collect import Source

_WANTED = ("response", "resource", "conversion")
_HTML = ("text/html", "application/xhtml+xml")
_LONGEST_LINE, _MOST_LINES = 1 << 16, 1000
_CHUNK_BYTES = 1 << 20


class Record(NamedTuple):
    """One record; header names in lower case."""

    number: int
    headers: Mapping[str, str]
    offset: int
    """Of the block in the stream."""
    size: int
    block: bytes | None
    """None where the record is passed over or too large."""


class Payload(NamedTuple):
    """What a server sent or a tool made."""

    data: bytes
    media_type: str
    charset: str


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """The pages of an archive, in its order.

    Raises: DamagedStream where it is truncated or holds something else; what came before is whole.
    """
    for record in records(stream):
        place = f"{origin}:{record.number}"
        if record.size > drafts.LARGEST_DOCUMENT_BYTES and _is_wanted(record.headers):
            yield Oversized(place, record.size, drafts.LARGEST_DOCUMENT_BYTES)
        elif record.block is not None:
            try:
                payload = _payload(record.headers, record.block)
            except ValueError as error:
                yield Broken(place, record.offset, str(error), record.block, SHAPE)
                continue
            if payload and len(payload.data) > drafts.LARGEST_DOCUMENT_BYTES:
                yield Oversized(place, len(payload.data), drafts.LARGEST_DOCUMENT_BYTES)
            elif payload and payload.media_type in (*_HTML, "text/plain"):
                yield _document(payload, record, place, source)


def _document(payload: Payload, record: Record, place: str, source: Source) -> Draft | Broken:
    item: Draft | Broken
    if payload.media_type in _HTML:
        item = html.document(payload.data, place, source, payload.charset)
    else:
        try:
            text, encoding = encodings.decode_named(payload.data, source.encoding, payload.charset)
            item = Draft(place, text, metadata={} if encoding == "utf-8" else {"encoding": encoding})
        except UnicodeDecodeError as error:
            item = Broken(place, 0, str(error), payload.data, ENCODING)
    if isinstance(item, Broken):
        return replace(item, offset=record.offset + max(0, (record.block or b"").find(payload.data)))
    facts = {
        "url": record.headers.get("warc-target-uri", "").strip("<>"),
        "date": record.headers.get("warc-date", ""),
        "content_type": payload.media_type,
    }
    return replace(item, metadata={**{name: value for name, value in facts.items() if value}, **item.metadata})


def records(stream: BinaryIO) -> Iterator[Record]:
    """All records; with their blocks where they may hold a document. Raises: DamagedStream."""
    number = position = 0
    while line := stream.readline(_LONGEST_LINE):
        position += len(line)
        if not line.strip():
            continue
        if not line.startswith(b"WARC/"):
            raise DamagedStream(f"holds something else than a WARC record before byte {position:,}")
        headers, length = _headers(stream)
        position += length
        digits = headers.get("content-length", "")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
            raise DamagedStream(f"holds a WARC record without a length before byte {position:,}")
        size = int(digits)
        if size <= drafts.LARGEST_DOCUMENT_BYTES and _is_wanted(headers):
            block = stream.read(size)
            missing = size - len(block)
        else:
            block, missing = None, size
            while missing and (chunk := stream.read(min(missing, _CHUNK_BYTES))):
                missing -= len(chunk)
        if missing:
            stream.read(1)  # a damaged stream says here what is wrong with it
            raise _cut()
        yield Record(number, headers, position, size, block)
        number, position = number + 1, position + size


def _is_wanted(headers: Mapping[str, str]) -> bool:
    kind, media_type = headers.get("warc-type", "").lower(), _media_type(headers.get("content-type", ""))[0]
    return kind in _WANTED and (kind != "response" or media_type == "application/http")


def _headers(stream: BinaryIO) -> tuple[dict[str, str], int]:
    """(header lines up to the blank one, their bytes); a line that begins with a blank goes on with the one before."""
    lines: list[bytes] = []
    length = 0
    while line := stream.readline(_LONGEST_LINE):
        length += len(line)
        if not line.strip():
            return _fields(lines), length
        lines.append(line)
        if len(lines) > _MOST_LINES:
            raise DamagedStream(f"holds a WARC record of more than {_MOST_LINES} header lines")
    raise _cut()


def _fields(lines: list[bytes]) -> dict[str, str]:
    fields: dict[str, str] = {}
    last = ""
    for line in lines:
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if line[:1] in b" \t" and last:
            fields[last] += " " + line.decode("utf-8", "replace").strip()
        elif colon:
            last = name.strip().lower()
            fields.setdefault(last, value.strip())
    return fields


def _payload(headers: Mapping[str, str], block: bytes) -> Payload | None:
    """What the record holds, decoded as far as HTTP encoded it; None for what is no document. Raises: ValueError."""
    if headers.get("warc-type", "").lower() != "response":
        return Payload(block, *_media_type(headers.get("content-type", "")))
    blank = min((at for at in (block.find(b"\r\n\r\n"), block.find(b"\n\n")) if at >= 0), default=-1)
    if blank < 0:
        raise ValueError("a HTTP response without an end of its headers")
    status, *lines = block[:blank].split(b"\n")
    http = _fields(lines)
    if status.split()[1:2] != [b"200"]:
        return None
    media_type, charset = _media_type(http.get("content-type") or headers.get("warc-identified-payload-type", ""))
    if media_type not in (*_HTML, "text/plain"):
        return None
    data = block[blank + (4 if block.startswith(b"\r\n\r\n", blank) else 2) :]
    if "chunked" in http.get("transfer-encoding", "").lower():
        data = _unchunked(data)
    for coding in reversed(http.get("content-encoding", "").lower().replace(" ", "").split(",")):
        data = _uncompressed(data, coding)
    return Payload(data, media_type, charset)


def _unchunked(data: bytes) -> bytes:
    """The chunks joined; many crawlers do that themselves and leave the header as it was: then data is no chunks."""
    parts: list[bytes] = []
    position = 0
    while True:
        end = data.find(b"\n", position, position + 1000)
        digits = data[position:end].partition(b";")[0].strip() if end >= 0 else b""
        if not digits or digits.strip(b"0123456789abcdefABCDEF") or len(digits) > 15:
            return data if not parts else b"".join(parts)  # what is left was cut
        size = int(digits, 16)
        if size == 0:
            return b"".join(parts)
        parts.append(data[end + 1 : end + 1 + size])
        position = end + 1 + size
        position += 2 if data.startswith(b"\r\n", position) else data.startswith(b"\n", position)


def _uncompressed(data: bytes, coding: str) -> bytes:
    """Without its content coding, which many crawlers have taken off already and left in the header."""
    if coding in ("gzip", "x-gzip") and data.startswith(b"\x1f\x8b"):
        return _limited(opened(io.BytesIO(data), "gz", len(data)))
    if coding == "zstd" and data.startswith(b"\x28\xb5\x2f\xfd"):
        return _limited(opened(io.BytesIO(data), "zst", len(data)))
    if coding == "deflate":
        for wbits in (zlib.MAX_WBITS, -zlib.MAX_WBITS):  # with zlib's frame as it should be, without as it often is
            try:
                return zlib.decompressobj(wbits).decompress(data, drafts.LARGEST_DOCUMENT_BYTES + 1)
            except zlib.error:
                continue
    if coding == "br" and not data.lstrip()[:1] == b"<":
        raise ValueError("compressed with Brotli, which is not read")
    return data


def _limited(stream: BinaryIO) -> bytes:
    return stream.read(drafts.LARGEST_DOCUMENT_BYTES + 1)  # of a truncated answer what there is of it


def _media_type(content_type: str) -> tuple[str, str]:
    """(media type, charset), in lower case.

    >>> _media_type('text/html; Charset="ISO-8859-1"')
    ('text/html', 'iso-8859-1')
    """
    media_type, *parameters = content_type.lower().split(";")
    pairs = [parameter.partition("=") for parameter in parameters]
    return media_type.strip(), next((value.strip(" \"'") for name, _, value in pairs if name.strip() == "charset"), "")


def _cut() -> DamagedStream:
    return DamagedStream("ends in the middle (truncated WARC file)")
