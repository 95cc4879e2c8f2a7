"""Whitespace: what is invisible becomes regular, what carries meaning stays."""

from hypothesis import given
from hypothesis import strategies as st

from antimatter.clean.whitespace import collapse


def test_unicode_spaces_become_plain_ones_and_trailing_ones_go():
    assert collapse("one\u00a0two\u3000three \t\nfour", 1) == "one two three\nfour"


def test_indentation_and_tabs_inside_stay():
    assert collapse("def f():\n    return\t1", 1) == "def f():\n    return\t1"


def test_runs_of_blank_lines_shrink_to_the_maximum():
    assert collapse("a\n\n\n\nb\n\nc\nd", 1) == "a\n\nb\n\nc\nd"
    assert collapse("a\n\n\n\nb", 0) == "a\nb"
    assert collapse("a\n \t \n\nb", 1) == "a\n\nb"


def test_the_first_line_keeps_its_indentation():
    assert collapse("\n\n  indented\n\n", 1) == "  indented"


@given(st.text(), st.integers(0, 3))
def test_collapsing_twice_changes_nothing_more(text, blank_lines):
    once = collapse(text, blank_lines)
    assert collapse(once, blank_lines) == once


@given(st.text())
def test_no_visible_character_is_lost_or_moved(text):
    def visible(s):
        return [c for c in s if not c.isspace() and c not in "\x1c\x1d\x1e\x1f"]

    assert visible(collapse(text, 1)) == visible(text)
