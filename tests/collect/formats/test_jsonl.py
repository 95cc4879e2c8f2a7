"""Lines of JSON: every line once, wherever the file is cut; what is broken keeps its bytes."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect import drafts
from antimatter.collect.drafts import ENCODING, FIELD, SHAPE, Broken, Draft, Oversized
from antimatter.collect.formats import jsonl
from antimatter.params.collect import Source

SOURCE = Source(name="s", kind="files", path="input")


def by_offset(data, part_bytes=10_000):
    starts = range(0, len(data), part_bytes)
    pieces = [(start, min(start + part_bytes, len(data))) for start in starts]
    return [item for piece in pieces for item in jsonl.read_range(io.BytesIO(data), *piece, "a", SOURCE)]


def by_number(data):
    return list(jsonl.read(io.BytesIO(data), "a", SOURCE))


def test_a_line_is_a_document_with_its_offset_and_scalars():
    lines = [b'{"text": "one", "year": 1999, "ok": true, "url": "http://a", "tags": ["x"], "none": null}\r\n', b"\n"]
    first, second = by_offset(b"".join([*lines, b'{"text": "two"}']))
    assert first == Draft("a:0", "one", metadata={"year": "1999", "ok": "true", "url": "http://a"})
    assert second == Draft(f"a:{len(lines[0]) + 1}", "two")


def test_in_a_stream_a_line_has_a_number_and_blank_lines_count():
    assert [item.origin for item in by_number(b'{"text": "one"}\n\n{"text": "two"}')] == ["a:0", "a:2"]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"text": "caf\xe9"}', ENCODING),
        (b'{"text": "a\0"}', ENCODING),
        (b'{"content": "x"}', FIELD),
        (b'{"text": 1}', FIELD),
        (b'{"text": {"a": "b"}}', FIELD),
        (b"[]", FIELD),
        (b"{", SHAPE),
        (b'{"text": x}', SHAPE),
        (b'{"text": "a"} {"text": "b"}', SHAPE),
        (b'{"text": "a", "text": "b"}', SHAPE),
        (b"[" * 99_999, SHAPE),
        (b'{"text": "x", "n": ' + b"9" * 5000 + b"}", SHAPE),
    ],
    ids=str,
)
def test_a_broken_line_keeps_its_bytes_its_cause_and_its_neighbours(line, cause):
    good = b'{"text": "good"}\n'
    for read, origin in ((by_offset, "a:17"), (by_number, "a:1")):
        before, broken, after = read(good + line + b"\n" + good)
        assert (before.text, after.text) == ("good", "good")
        assert isinstance(broken, Broken)
        assert (broken.origin, broken.offset, broken.data, broken.cause) == (origin, 17, line + b"\n", cause)


def test_a_null_is_an_empty_text_and_a_lone_surrogate_arrives():
    assert [item.text for item in by_number(b'{"text": null}\n{"text": "\\ud800"}')] == ["", "\ud800"]


LINES = st.lists(
    st.text(max_size=20).map(lambda text: json.dumps({"text": text}).encode()) | st.sampled_from([b"", b"{"])
)


@given(lines=LINES, part_bytes=st.integers(1, 200), end=st.sampled_from([b"", b"\n", b"\r\n"]))
def test_wherever_a_file_is_cut_every_line_is_read_once(lines, part_bytes, end):
    data = b"\n".join(lines) + end
    assert by_offset(data, part_bytes) == by_offset(data, 1_000_000)
    assert len(by_offset(data)) == len(by_number(data)) == sum(bool(line) for line in lines)


@pytest.mark.parametrize("part_bytes", [1, 30, 10_000])
def test_a_line_of_absurd_length_is_named_and_its_neighbours_are_read(monkeypatch, part_bytes):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 100)
    monkeypatch.setattr(jsonl, "_CHUNK_BYTES", 16)
    long = b'{"text": "' + b"x" * 200 + b'"}\n'
    good = b'{"text": "good"}\n'
    data = good + long + good + b"y" * 101
    expected = [
        Draft("a:0", "good"),
        Oversized("a:17", len(long), 100),
        Draft(f"a:{17 + len(long)}", "good"),
        Oversized(f"a:{34 + len(long)}", 101, 100),
    ]
    assert by_offset(data, part_bytes) == expected
    assert [type(item) for item in by_number(data)] == [type(item) for item in expected]
