"""Unicode repair equals ftfy; only the road there is shorter."""

import string

import ftfy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from antimatter.clean.unicode import repair

NASTY = [
    "schÃ¶n",
    "â€œquotedâ€\x9d",
    "&lt;b&gt; &amp;amp; &notanentity; & alone",
    "<p>&amp;</p>\n&amp; after the first tag entities stay\n&lt;",
    "&amp; before\n<p> from here on entities stay &amp;\n&amp;",
    "line one\r\nline two\rline three",
    "\x00\x08\x0b\x0c\x1b[31mred\x1b[0m\x7f",
    "ﬁne ｆｕｌｌ width ligatures",
    "e\u0301 decomposed",
    "\ufeffbom",
    "emoji 👩‍👩‍👧 kept",
    "\ud83d lone surrogate",
    "a" * 200 + "Ã©" + "\n" * 3 + "&eacute;",
    "",
    "\n",
    "\u2028separator\u0085next",
]
fragments = st.sampled_from([*NASTY, "plain words", "\n", "\t", "<", "&", "&amp;", "Ã", "©", "\r"])
text = st.one_of(st.text(), st.lists(st.one_of(fragments, st.text(max_size=20))).map("".join))


@pytest.mark.parametrize("nasty", NASTY)
def test_a_nasty_text_is_repaired_as_ftfy_would(nasty):
    assert repair(nasty) == ftfy.fix_text(nasty)


@given(text)
@example("&amp;\n<\n&amp;")
def test_any_text_is_repaired_as_ftfy_would(text):
    assert repair(text) == ftfy.fix_text(text)


@given(st.text(alphabet=string.printable.replace("&", "").replace("\r", "").replace("\x0b", "")))
def test_the_guard_is_right_that_ftfy_leaves_plain_ascii_alone(plain):
    assert ftfy.fix_text(plain) == plain


def test_a_line_beyond_ftfys_longest_segment_is_cut_where_ftfy_cuts_it():
    long = "x" * 999_999 + "Ã©" + "y" * 10
    assert repair(long) == ftfy.fix_text(long)
