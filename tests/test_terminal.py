"""What reaches a terminal: nothing that drives it, in columns as wide as they are counted."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from antimatter.terminal import MOST_MARKS, columns, pieces, visible

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(TEXT, st.booleans())
def test_no_character_that_moves_the_cursor_or_turns_the_line_is_left(text, exactly):
    shown = visible(text, exactly)
    joiners = "" if exactly else "\u200c\u200d"
    assert all(c in joiners or unicodedata.category(c)[0] != "C" for c in shown)
    assert "\u2028" not in shown and "\u2029" not in shown


def test_escapes_and_bidirectional_overrides_are_written_out():
    assert visible("\x1b[31m\r\u202e\x9b\u2066") == r"\x1b[31m\r\u202e\x9b\u2066"
    assert visible("a\tb\u00a0c\u200dd\u3000") == "a    b\u00a0c\u200dd\u3000"
    assert visible("a\tb\u00a0c\u200dd\n", exactly=True) == r"a\tb\xa0c\u200dd⏎"


def test_wide_characters_take_two_columns_and_marks_none():
    assert columns("かな漢字") == 8
    assert columns("한글") == 4 == columns(unicodedata.normalize("NFD", "한글"))
    assert columns("हि") == 2  # a consonant and a spacing vowel sign
    assert columns("e\u0301\u0323") == 1
    assert columns("Ａ") == 2


@given(TEXT.map(visible), st.integers(2, 20))
def test_pieces_fit_and_make_up_the_text(text, most):
    found = list(pieces(text, most))
    assert "".join(found) == text
    assert all(columns(piece) <= most for piece in found)
    assert not any(unicodedata.category(piece[0]) in ("Mn", "Me") for piece in found[1:])


def test_marks_beyond_eight_on_one_base_are_written_out():
    assert visible("e" + "\u0301" * 8) == "e" + "\u0301" * 8
    assert visible("ae" + "\u0301" * 10 + "b\u0302") == "ae" + "\u0301" * 8 + r"\u0301\u0301" + "b\u0302"
    assert visible("a" + "\u200d" * 9) == "a" + "\u200d" * 8 + r"\u200d"


@given(st.text(st.sampled_from("ab漢\u0301\u0302\u200d\u1161\x1b"), max_size=200).map(visible), st.integers(2, 20))
def test_no_piece_is_longer_than_its_columns_by_more_than_its_marks(text, most):
    assert all(len(piece) <= (most + 1) * (1 + MOST_MARKS) for piece in pieces(text, most))
