"""Content digests and canonical texts against their definition in plain Python."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from antimatter.dedup.contents import _doubtful, canonical, content_digest, content_digests
from antimatter.dedup.shard import equal_documents
from antimatter.params.dedup import Dedup
from antimatter.text.characters import buffers

texts = st.lists(st.text(st.sampled_from("ab é\u0301\u0300가각ᄀ\u1161\u11a8\u00a0\u2000\u2003\n\t \x1c,.😀\u0958")))
any_texts = st.lists(st.text(st.characters(codec="utf-8")))


def array(values, kind="string"):
    return pa.array(values, kind)


def digest_as_defined(text, collapse):
    text = unicodedata.normalize("NFC", text)
    return xxhash.xxh3_128(" ".join(text.split()).encode() if collapse else text.encode()).digest()


@given(texts | any_texts, st.booleans(), st.sampled_from(["string", "large_string"]))
def test_digests_are_those_of_the_definition(values, collapse, kind):
    found = content_digests(canonical(array(values, kind)), collapse)
    assert found.shape == (len(values), 2)
    expected = [digest_as_defined(text, collapse) for text in values]
    assert [row.astype(">u8").tobytes() for row in found] == expected
    assert [content_digest(text, collapse) for text in values] == expected


@given(texts | any_texts)
def test_canonical_texts_are_nfc(values):
    assert canonical(array(values)).to_pylist() == [unicodedata.normalize("NFC", text) for text in values]


def test_what_is_canonical_already_is_not_copied():
    values = array(["plain", "café – “quoted” €", ""])
    assert canonical(values) is values


def test_a_slice_of_an_array_is_read_as_that_slice():
    values = array(["x", "a  b", "e\u0301", "z"]).slice(1, 2)
    assert canonical(values).to_pylist() == ["a  b", "é"]
    assert content_digests(values)[0].astype(">u8").tobytes() == content_digest("a b")


def test_a_character_that_is_taken_for_canonical_at_sight_is_so_beside_any_other():
    seconds = {
        int(parts[1], 16)
        for point in range(0x110000)
        if len(parts := unicodedata.decomposition(chr(point)).split()) == 2 and not parts[0].startswith("<")
    }
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    doubtful = _doubtful(*buffers(array([chr(point) for point in points])))
    sure = np.array(points)[~doubtful]
    assert len(sure) > 0x300
    for point in sure.tolist():
        character = chr(point)
        assert unicodedata.normalize("NFC", character) == character
        assert unicodedata.combining(character) == 0
        assert point not in seconds


@pytest.mark.parametrize("wrong", [pa.array([1]), pa.array([b"x"])])
def test_texts_are_strings(wrong):
    with pytest.raises(TypeError, match="string"):
        content_digests(wrong)


def test_equal_contents_are_equal_in_both_halves_and_the_best_of_a_kind_stands_for_it():
    numbers = np.arange(4, dtype=np.uint64)
    columns = {
        "high": np.full(4, 7, dtype=np.uint64),
        "low": np.array([1, 2, 1, 2], dtype=np.uint64),
        "id_high": numbers,
        "id_low": numbers,
        "criterion_0": np.array([0.0, 0, -1, 0]),
    }
    assert [rows.tolist() for rows in equal_documents(columns, Dedup())] == [[0, 3], [2, 1]]
