from hypothesis import given
from hypothesis import strategies as st

from antimatter.corpus.schema import document_id


def test_an_id_is_sixteen_bytes_and_stays_what_it_is():
    assert document_id("wiki", "a.txt").hex() == "d3f4107808a38697763f8e87e29ac84e"


def test_length_prefixes_keep_source_and_origin_apart():
    assert document_id("ab", "c") != document_id("a", "bc")


@given(st.tuples(st.text(), st.text()), st.tuples(st.text(), st.text()))
def test_two_ids_are_equal_exactly_if_their_provenance_is(one, other):
    assert (document_id(*one) == document_id(*other)) == (one == other)


def test_a_file_name_that_is_not_unicode_has_an_id_too():
    assert document_id("files", "caf\udce9.txt") != document_id("files", "café.txt")
