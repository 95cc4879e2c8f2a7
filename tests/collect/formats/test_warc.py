"""Of a web archive the pages become documents, exactly, and damage costs what lies behind it."""

import gzip
import io
import zlib
from types import SimpleNamespace

import pytest
from fastwarc.warc import ArchiveIterator

from antimatter.collect import drafts
from antimatter.collect.compression import buffered, opened
from antimatter.collect.drafts import ENCODING, SHAPE, Broken, Draft, Oversized
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats import warc

SOURCE = SimpleNamespace(encoding="")
PAGE = b"<html><head><title>A page</title></head><body><main><p>The text of the page.</p></main></body></html>"


def record(kind, block, content_type="application/http; msgtype=response", url="http://a.example/"):
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2024-01-01T00:00:00Z\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def response(body=PAGE, *headers, status="200 OK", content_type="text/html"):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *headers]
    return record("response", "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def read(data):
    return list(warc.read(data if hasattr(data, "read") else io.BytesIO(data), "a.warc", SOURCE))


def test_a_page_becomes_its_main_content_with_url_date_and_title():
    assert read(response()) == [
        Draft(
            "a.warc:0",
            "The text of the page.",
            metadata={
                "url": "http://a.example/",
                "date": "2024-01-01T00:00:00Z",
                "content_type": "text/html",
                "title": "A page",
            },
        )
    ]


def test_the_text_of_a_wet_record_stays_as_it_is():
    (draft,) = read(record("conversion", "Zürich\r\n\r\nein  Text".encode(), "text/plain"))
    assert draft.text == "Zürich\n\nein  Text"


def test_every_record_of_a_sound_file_is_what_fastwarc_reads():
    """fastwarc is the oracle, not the reader: it wants streams that can be sought in."""
    blocks = [PAGE, b"", b"WARC/1.0\r\nWARC-Type: response\r\n\r\n", b"\r\n" * 3, bytes(range(256)) * 50]
    data = b"".join(
        record(kind, block) for kind in ("response", "resource", "conversion", "request") for block in blocks
    )
    theirs = [
        (dict(r.headers)["WARC-Type"], r.reader.read()) for r in ArchiveIterator(io.BytesIO(data), parse_http=False)
    ]
    wanted = [block for kind, block in theirs if kind != "request"]
    ours = [found.block for found in warc.records(io.BytesIO(data)) if found.block is not None]
    assert len(theirs) == 20 and ours == wanted


def test_a_resource_and_plain_text_are_documents_too():
    data = record("resource", PAGE, "text/html") + response(b"just text", content_type="text/plain")
    assert [draft.text for draft in read(data)] == ["The text of the page.", "just text"]


def test_other_records_are_passed_over_but_counted_in_the_origins():
    others = [
        record("warcinfo", b"software: x\r\n", "application/warc-fields"),
        record("request", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
        record("metadata", b"a: b", "application/warc-fields"),
        record("revisit", b"HTTP/1.1 200 OK\r\n\r\n"),
        record("response", b"20240101 a.example 1.2.3.4", "text/dns"),
        response(status="404 Not Found"),
        response(status="301 Moved"),
        response(b"\x89PNG", content_type="image/png"),
        response(b"{}", content_type="application/json"),
    ]
    assert [item.origin for item in read(b"".join(others) + response())] == ["a.warc:9"]


def test_every_record_of_a_thousand_is_read_from_members_of_their_own():
    data = b"".join(
        gzip.compress(response(PAGE.replace(b"The text", b"%d" % n)) if n % 2 else record("request", b"x"))
        for n in range(1000)
    )
    found = read(opened(io.BytesIO(data), "gz", len(data)))
    assert [draft.origin for draft in found] == [f"a.warc:{n}" for n in range(1, 1000, 2)]
    assert [draft.text for draft in found] == [f"{n} of the page." for n in range(1, 1000, 2)]


@pytest.mark.parametrize(
    ("content_type", "meta", "encoding"),
    [
        ("text/html; charset=ISO-8859-1", "", "windows-1252"),
        ("text/html", '<meta charset="iso-8859-1">', "windows-1252"),
        ("text/html; charset=koi8-r", '<meta charset="iso-8859-1">', "koi8-r"),
    ],
)
def test_the_header_names_the_charset_before_the_page_does(content_type, meta, encoding):
    word = "Привет" if encoding == "koi8-r" else "café"
    page = f"<html><head>{meta}</head><body><p>{word} text here</p></body></html>".encode(
        "koi8-r" if encoding == "koi8-r" else "latin-1"
    )
    (draft,) = read(response(page, content_type=content_type))
    assert (draft.text, draft.metadata["encoding"]) == (f"{word} text here", encoding)


def chunked(data, size=7):
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (chunked(PAGE), ["Transfer-Encoding: chunked"]),
        (PAGE, ["Transfer-Encoding: chunked"]),
        (gzip.compress(PAGE), ["Content-Encoding: gzip"]),
        (PAGE, ["Content-Encoding: gzip"]),
        (zlib.compress(PAGE), ["Content-Encoding: deflate"]),
        (zlib.compress(PAGE)[2:-4], ["Content-Encoding: deflate"]),
        (chunked(gzip.compress(PAGE)), ["Content-Encoding: gzip", "Transfer-Encoding: chunked"]),
        (PAGE, ["Content-Encoding: br"]),
    ],
)
def test_what_http_encoded_is_decoded_and_what_the_crawler_decoded_is_left(body, headers):
    assert [draft.text for draft in read(response(body, *headers))] == ["The text of the page."]


def test_what_cannot_be_decoded_is_quarantined_with_its_place():
    noise = bytes(range(256)) * 4
    first, second, third = read(response(noise) + response(b"\x8b\x02\x80", "Content-Encoding: br") + response())
    assert isinstance(first, Broken) and isinstance(second, Broken) and isinstance(third, Draft)
    assert (first.cause, second.cause) == (ENCODING, SHAPE)
    assert response(noise)[first.offset :].startswith(first.data)


def test_a_record_that_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 1000)
    large, small = read(response(b"x" * 2000) + response())
    assert isinstance(large, Oversized) and large.size > 2000 and small.origin == "a.warc:1"


@pytest.mark.parametrize("cut", [1, 20, 200, 250, 300])
def test_of_a_truncated_archive_the_whole_records_stay(cut):
    items = warc.read(io.BytesIO(response() + response()[:cut]), "a.warc", SOURCE)
    assert next(items).origin == "a.warc:0"
    with pytest.raises(DamagedStream):
        next(items)


def test_garbage_between_records_is_damage_and_no_page_is_lost_in_silence():
    items = warc.read(io.BytesIO(response() + b"garbage\r\n" + response()), "a.warc", SOURCE)
    assert next(items).origin == "a.warc:0"
    with pytest.raises(DamagedStream, match="something else than a WARC record"):
        next(items)


@pytest.mark.parametrize("length", ["x", "-1", "9" * 30, ""])
def test_a_record_without_a_length_is_damage(length):
    with pytest.raises(DamagedStream, match="without a length"):
        read(f"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: {length}\r\n\r\n".encode())


def test_damage_of_the_stream_below_arrives_as_it_is():
    def chunks():
        yield response() + response()[:-50]
        raise DamagedStream("ends in the middle (truncated gzip file)")

    items = warc.read(buffered(chunks()), "a.warc", SOURCE)
    assert next(items).origin == "a.warc:0"
    with pytest.raises(DamagedStream, match="truncated gzip file"):
        next(items)
