"""JSON values cut out of a stream: any nesting, any chunk, and only the broken one is lost."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect import drafts
from antimatter.collect.drafts import FIELD, SHAPE, Broken, Draft, Oversized
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats import json_values
from antimatter.params.collect import Source

SOURCE = Source(name="s", kind="files", path="input")


def read(data, chunk=1_000_000):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_values, "_CHUNK_BYTES", chunk)
        return list(json_values.read(io.BytesIO(data), "a", SOURCE))


@pytest.mark.parametrize(
    "data",
    [
        b'[{"text": "one"}, {"text": "two"}]',
        b'{"text": "one"} {"text": "two"}',
        b'{"text": "one"}\n{"text": "two"}\n',
        b' [\n{"text": "one"}\n,{"text":"two"} ]\n',
        b'[{"text": "one"}][{"text": "two"}]',
    ],
)
def test_an_array_and_several_objects_are_a_document_a_value(data):
    assert read(data) == read(data, 1) == [Draft("a:0", "one"), Draft("a:1", "two")]


def test_one_object_is_one_document_and_an_empty_file_is_none():
    assert read(b'{"text": "one", "year": 3}') == [Draft("a:0", "one", metadata={"year": "3"})]
    assert read(b"") == read(b" \n") == read(b"[]") == []


RECORDS = st.lists(
    st.dictionaries(st.text(max_size=3), st.recursive(st.text(max_size=4), st.lists, max_leaves=4), max_size=2).map(
        lambda fields: {**fields, "text": "x"}
    ),
    max_size=5,
)


@given(records=RECORDS, chunk=st.integers(1, 20), ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_whatever_json_writes_is_read_record_by_record(records, chunk, ascii_only, indent):
    data = json.dumps(records, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    assert [item.origin for item in read(data, chunk)] == [f"a:{number}" for number in range(len(records))]


@pytest.mark.parametrize("broken", [b'{"text": 1}', b'{"content": "x"}', b"7", b"null", b'"x"', b"[[1]]", b'{"a" "b"}'])
def test_a_broken_value_keeps_its_bytes_and_its_neighbours(broken):
    for chunk in (1, 1000):
        before, middle, after = read(b'[{"text": "a"}, ' + broken + b' , {"text": "b"}]', chunk)
        assert (before.text, after.text) == ("a", "b")
        assert isinstance(middle, Broken)
        assert (middle.origin, middle.offset, middle.data) == ("a:1", 16, broken)
        assert middle.cause in (FIELD, SHAPE)


def test_deep_nesting_is_broken_and_not_a_crash():
    before, deep, after = read(b'[{"text": "a"},' + b"[" * 100_000 + b"]" * 100_000 + b',{"text": "b"}]')
    assert (before.text, deep.error, after.text) == ("a", "too deeply nested", "b")


@pytest.mark.parametrize("end", [b"", b'{"text": "tw', b'{"text": "two"', b'{"text": "two"}'])
def test_a_file_that_ends_in_the_middle_is_damaged_but_gives_what_is_whole(end):
    items = []
    with pytest.raises(DamagedStream, match="ends in the middle"):
        for item in json_values.read(io.BytesIO(b'[{"text": "one"},' + end), "a", SOURCE):
            items.append(item)
    assert items[0] == Draft("a:0", "one")


def test_a_value_of_absurd_size_is_named_and_its_neighbours_are_read(monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 100)
    data = b'[{"text": "a"},{"text": "' + b"x" * 300 + b'"},{"text": "b"}]'
    for chunk in (7, 1000):
        first, large, last = read(data, chunk)
        assert (first.text, last.text) == ("a", "b")
        assert large == Oversized("a:1", 312, 100)
