"""Two texts as one, with marks: either text can be read out of it again, long equal stretches are folded."""

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from antimatter.report import word_diff
from antimatter.report.word_diff import CONTEXT, MOST_WORDS, diff

WORDS = st.lists(st.sampled_from(["a", "b", "c", "<b>", "&"]), min_size=1, max_size=20)


def side(html: str, without: str) -> list[str]:
    """The words of one of the two texts."""
    kept = re.sub(rf"<{without}>.*?</{without}>", " ", html, flags=re.DOTALL)
    return unescape(re.sub(r"</?(ins|del)>", "", kept)).split()


@given(WORDS, WORDS)
def test_both_texts_can_be_read_out_of_a_short_diff(before, after):
    html = diff(" ".join(before), " ".join(after))
    if before == after:
        assert html == ""
    else:
        assert "".join(side(html, "ins")) == "".join(before)
        assert "".join(side(html, "del")) == "".join(after)


def test_of_a_changed_word_the_old_one_comes_first():
    assert diff("a brown fox", "a red fox") == "a <del>brown</del> <ins>red</ins> fox"


def test_texts_are_escaped_also_inside_of_marks():
    html = diff("x <script> y", "x <b> \x00 y")
    assert "<script" not in html and "<b>" not in html and "&lt;" in html and "\\x00" in html


def test_long_equal_stretches_are_counted_not_shown():
    equal = " ".join(f"w{number}" for number in range(1000))
    html = diff(f"one {equal} two", f"eins {equal} zwei")
    assert f"… {1000 - 2 * CONTEXT:,} equal words …" in html
    assert "w0 " in html and "w999" in html and "w500" not in html


def test_a_diff_ends_after_so_many_words_and_says_what_is_left():
    html = diff(" ".join(f"a{n}" for n in range(3000)), " ".join(f"b{n}" for n in range(3000)))
    assert len(html.split()) < 2 * MOST_WORDS and "more words" in html


def test_other_white_space_is_marked_only_where_no_word_differs():
    assert diff("a  b\nc", "a b c") == "a<del>··</del><ins>·</ins>b<del>⏎</del><ins>·</ins>c"
    assert diff("a  b\nc d", "a b c e") == "a b c <del>d</del> <ins>e</ins>"


def test_excerpts_may_end_at_different_words_of_one_text():
    before, after = "cut one\n\n\ntwo three fou", "cut one\n\ntwo three four fi"
    assert diff(before, after, are_excerpts=True) == "cut one<del>⏎⏎⏎</del><ins>⏎⏎</ins>two three"
    assert diff("same words fou", "same words four", are_excerpts=True) == "same words <del>fou</del> <ins>four</ins>"


def test_giant_texts_are_compared_up_to_a_length(monkeypatch):
    monkeypatch.setattr(word_diff, "LONGEST", 100)
    assert diff("a " * 50 + "x", "a " * 50 + "y") == ""
