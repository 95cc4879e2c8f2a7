"""Streams of lines arrive as UTF-8, whatever they were written in."""

import codecs
import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from antimatter.collect import transcode
from antimatter.collect.compression import buffered
from antimatter.collect.errors import DamagedStream
from antimatter.collect.transcode import as_utf8, encoding_of

GERMAN = "Die Größe der Straße, süße Äpfel und die Übung am späten Abend.\n" * 5
RUSSIAN = "Все счастливые семьи похожи друг на друга, каждая несчастлива по-своему.\n" * 5


@pytest.mark.parametrize(
    "mark_and_encoding",
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
    ],
    ids=str,
)
@given(text=st.text(st.characters(codec="utf-8"), min_size=1), block=st.integers(1, 9))
def test_a_byte_order_mark_decides_and_is_not_part_of_the_text(mark_and_encoding, text, block):
    mark, encoding = mark_and_encoding
    assume(mark or not text.startswith("\ufeff"))
    assume(not text.startswith("\0"))  # a mark of UTF-16 and a NUL are a mark of UTF-32
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcode, "_BLOCK_BYTES", block)
        stream, _ = as_utf8(io.BytesIO(mark + text.encode(encoding)), "", True)
        assert stream.read() == text.encode()


@pytest.mark.parametrize(
    ("text", "encoding"), [(GERMAN, "windows-1252"), (RUSSIAN, "windows-1251"), (RUSSIAN, "koi8-r")]
)
def test_an_older_encoding_is_detected_or_named(text, encoding):
    data = text.encode(encoding)
    for named in ("", encoding):
        stream, found = as_utf8(io.BytesIO(data), named, True)
        assert stream.readline() == text.splitlines(keepends=True)[0].encode()
        assert codecs.lookup(found).name == codecs.lookup(encoding).name
        assert len(stream.read()) == len(text.encode()) - len(text.splitlines(keepends=True)[0].encode())


def test_utf8_whose_sample_ends_inside_a_character_is_utf8(monkeypatch):
    monkeypatch.setattr(transcode, "SAMPLE_BYTES", 5)
    assert encoding_of("ab€€€".encode()[:5], "", True) == "utf-8"
    stream, _ = as_utf8(io.BytesIO("ab€€€".encode()), "", True)
    assert stream.read() == "ab€€€".encode()


def test_bytes_against_the_named_encoding_are_damage_after_what_was_right():
    stream, _ = as_utf8(io.BytesIO("Привет\n".encode("utf-16") + b"\x00\xd8\x00\xd8"), "utf-16", False)
    with pytest.raises(DamagedStream, match="taken for utf-16"):
        while stream.readline():
            pass


def test_one_bad_byte_does_not_make_mojibake_of_all_the_others():
    damaged = (GERMAN * 3).encode() + b"caf\xe9\n"
    assert encoding_of(damaged, "", guess=True) == "utf-8"
    assert encoding_of(GERMAN.encode("latin-1"), "", guess=True) == "cp1252"
    assert encoding_of(GERMAN.encode("latin-1"), "", guess=False) == "utf-8"


def test_what_comes_before_a_damage_is_delivered_first():
    def cut():
        yield GERMAN.encode()
        raise DamagedStream("ends in the middle")

    stream, _ = as_utf8(buffered(cut()), "", False)
    assert [stream.readline() for _ in range(5)] == [line.encode() for line in GERMAN.splitlines(keepends=True)]
    with pytest.raises(DamagedStream, match="ends in the middle"):
        stream.readline()

    wrong = GERMAN.encode("utf-16") + b"\x00\xd8\x00\xd8" + GERMAN.encode("utf-16-le")
    stream, _ = as_utf8(io.BytesIO(wrong), "", False)
    assert [stream.readline() for _ in range(5)] == [line.encode() for line in GERMAN.splitlines(keepends=True)]
    with pytest.raises(DamagedStream, match="taken for utf-16"):
        stream.readline()


def test_one_bad_line_behind_a_byte_order_mark_is_one_bad_line():
    stream, encoding = as_utf8(io.BytesIO(codecs.BOM_UTF8 + b"one\n\xff\nthree\n"), "", False)
    assert (stream.read(), encoding) == (b"one\n\xff\nthree\n", "utf-8")
