"""The lines of RefinedWeb, by hand."""

import pytest

from antimatter.clean.refinedweb_lines import refinedweb_lines

PAGE = """Sign-in to read our news
BREAKING NEWS Today

The cat sat on the mat.
3 likes
2023
Alone
It was a fine day in the old town. Read more...
A short one. Read more...
There are 2 items in cart
"""


def test_a_page_loses_its_clutter_and_keeps_its_blank_lines():
    edit = refinedweb_lines(PAGE)
    assert edit.text == (
        "to read our news\n\nThe cat sat on the mat.\nIt was a fine day in the old town. Read more...\n"
        "A short one.\nThere are 2\n"
    )
    assert edit.facts == {
        "lines_in": 9,
        "lines_removed": 4,
        "words_in": 5 + 3 + 6 + 2 + 1 + 1 + 11 + 5 + 6,
        "words_removed": 1 + 3 + 2 + 1 + 1 + 2 + 3,
    }
    assert edit.characters == len(PAGE) - len(edit.text)


@pytest.mark.parametrize(
    "line", ["3 likes", "1.2K views", "12,345 Followers", "1 comment", "- 4M downloads -", "7 k shares", "2b upvotes!"]
)
def test_a_counter_goes(line):
    assert refinedweb_lines(line).text == ""


@pytest.mark.parametrize(
    "line", ["3 likes and 4 dislikes", "He likes 3 views", "3 cats", "many likes", "ABc deF", "3 2 x", "Two words"]
)
def test_other_lines_stay(line):
    assert refinedweb_lines(line)[:2] == (line, 0)


def test_more_than_half_of_a_line_in_capitals_removes_it():
    assert refinedweb_lines("ABCD efg").text == "ABCD efg", "4 of 8 is not more than half"
    assert refinedweb_lines("ABCDE fg").text == ""


def test_digits_alone_go_even_in_several_words():
    assert refinedweb_lines("10 2023 7").text == ""


def test_a_line_that_held_nothing_but_a_phrase_goes():
    edit = refinedweb_lines("items in cart")
    assert (edit.text, edit.facts["lines_removed"], edit.facts["words_removed"]) == ("", 1, 3)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("Sign-in sign-in to read", "to read"),
        ("Sign-in 3 likes", ""),
        ("Alone Read more...", ""),
        ("2023 items in cart", ""),
    ],
)
def test_what_a_phrase_leaves_is_judged_again(line, left):
    assert refinedweb_lines(line).text == left
    assert refinedweb_lines(left).text == left


def test_phrases_in_lines_of_more_than_ten_words_stay():
    line = "one two three four five six seven eight nine items in cart"
    assert refinedweb_lines(line).text == line
