"""Two texts side by side: what differs is marked and nothing else, whatever they hold and however long they are."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.dedup import side_by_side
from antimatter.dedup.side_by_side import align, lines
from antimatter.terminal import columns

NASTY = st.text(
    st.one_of(
        st.sampled_from("ab .,\n\n\t\r\x1b\u200d\u00a0e\u0301漢字かไทย"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=120,
)

UNSEEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")


def shown(left: str, right: str, **more) -> list[str]:
    return list(lines(align(left, right), **{"width": 60, **more}))


def test_changed_words_are_marked_in_their_column():
    assert shown("the quick brown fox", "the quick red fox", width=63) == [
        "the quick [-brown-] fox        | the quick {+red+} fox"
    ]


def test_a_line_of_one_side_alone_stands_beside_nothing():
    assert shown("a\nb", "a\nnew line\nb") == [
        "a                              a",
        "                             > {+new line+}",
        "b                              b",
    ]
    assert shown("a\nold line\nb", "a\nb")[1] == "[-old line-]                 <"


def test_long_equal_stretches_are_folded_to_their_length():
    text = "".join(f"line {n}\n" for n in range(40))
    found = shown(text + "end", text + "END", context=2)
    assert found == ["... 38 equal lines ...", *(f"line {n}{' ' * 24}line {n}" for n in (38, 39)), found[-1]]
    assert found[-1].split() == ["[-end-]", "|", "{+END+}"]
    assert len(shown(text + "end", text + "END", context=None)) == 41
    assert shown(text, text) == ["... 40 equal lines ..."]


def test_a_text_wrapped_anew_lies_beside_its_copy():
    words = [f"word{n}" for n in range(40)]
    left, right = " ".join(words), "\n".join(" ".join(words[n : n + 3]) for n in range(0, 40, 3))
    assert align(left, right).equal_words == 40
    found = shown(left, right.replace("word20", "other"), context=0)
    assert next(line for line in found if "other" in line).count("[-word20-]") == 1
    assert "lines with equal words" in found[0]


def test_whitespace_is_a_difference_where_nothing_else_is():
    assert shown("a b\n\nc", "a  b\nc") == [
        "a[-·-]b                      ~ a{+··+}b",
        "[-⏎⏎-]c                      ~ {+⏎+}c",
    ]


def test_an_empty_line_between_paragraphs_stays():
    assert shown("a\n\nb", "a\n\nc") == ["a                              a", "", "[-b-]                        | {+c+}"]


def test_indentation_is_kept():
    assert shown("if x:\n    y = 1", "if x:\n    y = 2")[1].startswith("    y = [-1-]")


def test_scripts_without_spaces_are_compared_letter_by_letter():
    assert shown("漢字仮名交じり文", "漢字仮名まじり文") == ["漢字仮名[-交-]じり文         | 漢字仮名{+ま+}じり文"]
    assert align("ภาษาไทย", "ภาษาลาว").equal_words == 4


def test_marks_stay_with_their_letters():
    assert align("हिन्दी भाषा", "हिन्दी भाषा").left.words == ["हिन्दी", "भाषा"]
    assert align("e\u0301te\u0301", "x").left.words == ["e\u0301te\u0301"]


def test_colours_take_no_columns_and_end_on_their_line():
    (line,) = shown("one two", "one six", coloured=True)
    assert line == "one \x1b[31mtwo\x1b[0m                      | one \x1b[32msix\x1b[0m"


def test_titles_head_the_columns():
    assert shown("a", "a", titles=("removed", "kept"))[0] == "removed                        kept"


@pytest.mark.parametrize("texts", [("", ""), ("", "a"), ("a", ""), ("\n \n", ""), ("  a", "a  ")])
def test_texts_with_next_to_nothing(texts):
    assert len(shown(*texts)) <= 1


@given(NASTY, NASTY, st.integers(40, 80), st.booleans())
def test_no_text_drives_the_terminal_or_leaves_its_column(left, right, width, coloured):
    for line in shown(left, right, width=width, coloured=coloured, context=None):
        bare = re.sub(r"\x1b\[(31|32|0)m", "", line) if coloured else line
        assert all(c in "\u200c\u200d" or unicodedata.category(c) not in UNSEEN for c in bare)
        assert columns(bare) <= width


@given(NASTY, NASTY)
def test_what_is_not_marked_is_equal_and_every_word_is_shown(left, right):
    alignment = align(left, right)
    for one, other in ((alignment.left, alignment.right), (alignment.right, alignment.left)):
        matched = [(place, partner) for place, partner in enumerate(one.partners) if partner >= 0]
        assert all(one.words[place] == other.words[partner] and other.partners[partner] == place
                   for place, partner in matched)  # fmt: skip
    for text, found in ((left, alignment.left), (right, alignment.right)):
        assert "".join(space + word for space, word in zip(found.spaces, found.words, strict=True)) == text.rstrip()
    rows = side_by_side._rows(alignment, 20, 4)
    assert [n for row in rows for n in range(row.left, row.left_end)] == list(range(len(alignment.left.words)))
    assert [n for row in rows for n in range(row.right, row.right_end)] == list(range(len(alignment.right.words)))


def test_a_text_too_long_for_single_punctuation_marks_is_cut_coarsely(monkeypatch):
    monkeypatch.setattr(side_by_side, "MOST_WORDS", 4)
    assert align("{[(,;:)]} {}", "{}").left.words == ["{[(,;:)]}", "{}"]


def test_a_hundred_thousand_characters_without_a_line_break_are_cut_into_rows():
    left = " ".join(f"word{n}" for n in range(12_000))
    found = shown(left, left.replace("word6000 ", "gone "), width=80)
    assert len(found) == 9 and found[0].endswith("equal lines ...") and found[-1].endswith("equal lines ...")


def test_of_a_word_of_many_lines_the_first_and_the_last_are_shown():
    giant = "".join(f"{n:04}" for n in range(500))
    found = shown(f"a {giant} b", f"A {giant} b")
    (fold,) = [place for place, line in enumerate(found) if line == "... 70 lines of one word ..."]
    assert found[fold - 1] == f"{giant[:28]}   {giant[:28]}" and found[fold + 1].split() == [giant[-12:]] * 2
    assert len(found) == 5 and "".join(shown(f"a {giant}", f"A {giant}", context=None)).count("...") == 0


def test_a_changed_word_of_many_lines_is_shown_in_full_with_the_whole_texts_alone():
    left, right = "x" * 3000, "y" * 90
    first, fold, last = shown(left, right)
    assert first == f"[-{'x' * 24}-] | {{+{'y' * 24}+}}" and fold == "... 123 lines of one word ..."
    assert last.split()[1:] == ["|", "{+" + "y" * 18 + "+}"]
    assert len(shown(left, right, context=None)) == 125


def test_a_run_of_whitespace_of_many_lines_is_folded_too():
    for space in (" ", "\t", "\n"):
        found = shown(f"a{space * 5000}b", f"a{space}b")
        assert len(found) < 9 and any(line.endswith("lines of whitespace ...") for line in found)


@pytest.mark.parametrize("marks", ["\u0301" * 500, "\u0301\u200d" * 250])
def test_a_heap_of_marks_does_not_make_a_line_longer_than_eight_a_column(marks):
    for line in shown("a" + marks, "b " + marks):
        assert len(line) <= 60 * 9 and columns(line) <= 60


@pytest.mark.parametrize("piece", ["word ", "{}[];,", "漢", "a b ", "\x1b[2J "])
def test_long_texts_end_whatever_they_hold(piece):
    left, right = piece * (100_000 // len(piece)), piece[::-1] * (100_000 // len(piece))
    assert sum(1 for _ in lines(align(left, right), width=100))
