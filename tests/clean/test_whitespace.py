"""Whitespace: what is invisible becomes regular, what carries meaning stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.clean.whitespace import blank_lines, line_ends, spaces

spaced = st.text(alphabet=st.one_of(st.sampled_from(" \t\n\xa0\u3000.|ab"), st.characters()))


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x0b", "\x0c", "\u2028", "\u2029"])
def test_every_line_end_becomes_a_line_feed(end):
    assert line_ends(f"one{end}two\nthree") == ("one\ntwo\nthree", 1, {})


def test_a_next_line_control_stays_because_it_may_be_a_misread_ellipsis():
    assert line_ends("one\x85two") == ("one\x85two", 0, {})


def test_line_feeds_stay_and_crlf_is_one_line_end():
    assert line_ends("one\ntwo") == ("one\ntwo", 0, {})
    assert line_ends("a\r\n\r\nb\n\rc").text == "a\n\nb\n\nc"


@pytest.mark.parametrize("space", "\u00a0\u1680\u2000\u2003\u2009\u200a\u202f\u205f\u3000")
def test_every_space_of_unicode_becomes_a_plain_one(space):
    assert spaces(f"one{space}two") == ("one two", 1, {})


def test_spaces_and_tabs_at_line_ends_go():
    assert spaces("one \t\ntwo  \n\t\nthree ") == ("one\ntwo\n\nthree", 6, {})


def test_a_line_of_prose_has_single_spaces():
    assert spaces("One.  Two words.   Three  more here.").text == "One. Two words. Three more here."
    assert spaces('He said "so."  Then  he left').text == 'He said "so." Then he left'


@pytest.mark.parametrize(
    "line",
    [
        "    return  x  # indented",
        "\tx  = 1",
        "a\tb  c",
        "| a  | b |",
        "name    size",  # one gap of four
        "name  size  date",  # two gaps of two
        "x = 1    # a comment",
        "...   return x",  # a prompt, and then the indentation of the code
        ">>>  x = 1",
        "//   indented in a comment",
        "-  bullet",
        "x = f(1)  # a comment as PEP 8 wants it",
        "int x;  // the same in C",
        '>>> print("a  b")',
        "Yes.     No.",
        'x = "a  b"',
        'return re.compile("  ")',
        "print('Name:  value')",
    ],
)
def test_code_and_tables_keep_their_spaces(line):
    assert spaces(f"Some prose.\n{line}\nmore") == (f"Some prose.\n{line}\nmore", 0, {})


@pytest.mark.parametrize(
    "block",
    [
        "Package    Version\n---------- -------\ncontourpy  1.2.0\npip  23.0",
        "name  size\nlong  12\nshort 3",  # two gaps end in one column
        "x  = 1\ny = 'a  b'",
    ],
)
def test_one_line_of_code_or_of_a_table_keeps_the_gaps_of_its_block(block):
    text = f"Prose.  And more.\n\n{block}\n\nProse.  The end."
    assert spaces(text).text == text.replace("Prose.  ", "Prose. ")


def test_a_paragraph_of_typewritten_sentences_shrinks_wherever_its_gaps_end():
    text = "One two.  Then 'three'\nten two.  Don't.  \n  An indent.  Stays\n\"I went.  He came,\" she said."
    assert spaces(text).text == (
        "One two. Then 'three'\nten two. Don't.\n  An indent.  Stays\n\"I went. He came,\" she said."
    )


def test_runs_of_blank_lines_shrink_to_the_maximum():
    assert blank_lines("a\n\n\n\nb\n\nc\nd", 1) == ("a\n\nb\n\nc\nd", 2, {})
    assert blank_lines("a\n\n\n\nb", 0).text == "a\nb"
    assert blank_lines("a\n \t \n\nb", 1).text == "a\n\nb"
    assert blank_lines("a\n\n\n\nb", 5).text == "a\n\n\n\nb"


def test_the_ends_lose_blank_lines_and_the_first_line_keeps_its_indentation():
    assert blank_lines("\n \n  indented\n\n", 1).text == "  indented"
    assert blank_lines("one  \n \n", 1).text == "one  ", "spaces at a line's end are the step spaces' subject"
    assert blank_lines(" \n\t", 1).text == ""


@pytest.mark.parametrize("edit", [line_ends, spaces, lambda text: blank_lines(text, 1)])
@given(text=spaced)
def test_twice_changes_nothing_more_and_the_count_tells_whether_anything_changed(edit, text):
    once = edit(text)
    assert (once.characters > 0) == (once.text != text)
    assert edit(once.text) == (once.text, 0, {})


@given(spaced)
def test_no_visible_character_is_lost_or_moved(text):
    def visible(s):
        return [c for c in s if not c.isspace()]

    assert visible(blank_lines(spaces(line_ends(text).text).text, 1).text) == visible(text)


@pytest.mark.parametrize(
    "nasty",
    [
        "a  b\n\n" * 150_000,
        "a.  b\n" * 150_000,
        "'a.  b" * 150_000,
        " " * 1_000_000 + "x",
        "x" + " \t" * 500_000 + "x",
        "\n " * 500_000 + "x",
        " \n" * 500_000,
    ],
)
def test_a_megabyte_of_blanks_keeps_its_words(nasty):
    """Patterns that look back from every blank would not end on these."""
    assert spaces(nasty).text.split() == nasty.split()
    assert blank_lines(nasty, 100).text.split() == nasty.split()
