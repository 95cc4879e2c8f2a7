"""Unicode repair equals ftfy; only the road there is shorter."""

import itertools
import random

import ftfy
import pytest
from ftfy.badness import MOJIBAKE_CATEGORIES
from hypothesis import example, given
from hypothesis import strategies as st

from antimatter.clean import unicode
from antimatter.clean.unicode import nfc, repair, repair_counted
from tests.clean.nasty_text import BAD_LETTERS, ENCODINGS, ODD, SENTENCES, documents, garble, members

NASTY = [
    "schÃ¶n",
    "â€œquotedâ€\x9d",
    "&lt;b&gt; &amp;amp; &notanentity; & alone",
    "<p>&amp;</p>\n&amp; after the first tag entities stay\n&lt;",
    "&amp; before\n<p> from here on entities stay &amp;\n&amp;",
    "＜ &amp; a wide sign is no tag\n&amp;",
    "line one\r\nline two\rline three\r",
    "\x00\x08\x0b\x0c\x1b[31mred\x1b[0m\x7f",
    "\x1b[３１mwide escape\x1b",
    "ﬁne ｆｕｌｌ width ligatures ŉ",
    "e\u0301 decomposed \u212b \u037e",
    "\ufeffbom",
    "emoji 👩‍👩‍👧 kept",
    "\ud83d lone surrogate, \ud83d\ude00 pair",
    "a" * 200 + "Ã©" + "\n" * 3 + "&eacute;",
    "&am\x00p; ＆amp； &am\u200bp; &amp\u037e",
    "“&rsquo;” x\u2028Ã €",
    "Ã\n Â x\nÃ x",
    "œ",
    "œ\n’",
    "",
    "\n",
    "\u2028separator\u0085next",
]
fragments = st.sampled_from([*NASTY, *SENTENCES, *ODD, "plain words", "Ã", "©"])
bad_letters = st.sampled_from(sorted(set("".join(map("".join, BAD_LETTERS)))))
text = st.one_of(
    st.text(),
    st.text(alphabet=st.one_of(bad_letters, st.sampled_from("aZ 0.\n"))),
    st.lists(st.one_of(fragments, st.text(max_size=20))).map("".join),
)


@pytest.mark.parametrize("nasty", NASTY)
def test_a_nasty_text_is_repaired_as_ftfy_would(nasty):
    assert repair(nasty) == ftfy.fix_text(nasty)


@given(text)
@example("&amp;\n<\n&amp;")
def test_any_text_is_repaired_as_ftfy_would(text):
    assert repair(text) == ftfy.fix_text(text)


def test_a_million_characters_of_every_kind_of_damage_are_repaired_as_ftfy_would():
    for damaged in documents(seed=20261121, characters=1_000_000):
        edit = repair_counted(damaged)
        assert edit.text == ftfy.fix_text(damaged), damaged
        assert (edit.characters > 0) == (edit.text != damaged), damaged
        assert edit.characters <= len(damaged), damaged


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS)))
def test_sentences_read_in_a_wrong_encoding_are_repaired_as_ftfy_would(encoding):
    for sentence, errors in itertools.product(SENTENCES, ("replace", "ignore")):
        once = sentence.encode().decode(encoding, errors)
        twice = once.encode().decode(encoding, errors)
        for damaged in (once, twice, once + sentence, once.replace("\xa0", " "), f"{sentence}\n{once}\n{sentence}"):
            assert repair(damaged) == ftfy.fix_text(damaged), damaged


@pytest.mark.parametrize("context", ["{0}", "a{0}b", " {0} ", "{0}{0}", "é{0}”"])
def test_every_character_is_treated_as_ftfy_would(context):
    """All of the BMP but the thick of Han and Hangul, and some beyond it."""
    points = [*range(0x3400), *range(0x3400, 0xF900, 211), *range(0xF900, 0x10000), *range(0x10000, 0x110000, 997)]
    odd = "\n".join(context.format(chr(point)) for point in points if point != 0xA)
    assert repair(odd).split("\n") == ftfy.fix_text(odd).split("\n")


def test_pairs_of_suspicious_characters_are_repaired_as_ftfy_would():
    draw = random.Random(5)
    classes = [members(letters) for letters in MOJIBAKE_CATEGORIES.values()]
    for first, second in itertools.product(classes, repeat=2):
        lines = [f"x {draw.choice(first)}{draw.choice(second)}{end}" for end in ("", "a", " ", "’", "2") for _ in "12"]
        damaged = "\n".join(lines)
        assert repair(damaged) == ftfy.fix_text(damaged), damaged


@given(st.text(alphabet=st.characters(max_codepoint=0x7E, exclude_characters="&\r\x0b", min_codepoint=0x20)))
def test_printable_ascii_without_ampersands_stays(plain):
    assert repair_counted(plain) == (plain, 0, {})


@pytest.mark.parametrize(
    "long",
    [
        "x" * 999_999 + "Ã©" + "y" * 10,
        "x" * 999_999 + "\r\n“y”",
        "x" * 1_000_000 + "\ne\u0301",
        "&amp;" + "x" * 1_000_000 + "&amp;<&amp;\n&amp;",
        "é" * 999_999 + "e\u0301",
    ],
    ids=["mojibake", "CRLF", "newline", "entities", "decomposed"],
)
def test_a_line_beyond_ftfys_longest_segment_is_cut_where_ftfy_cuts_it(long):
    assert repair(long) == ftfy.fix_text(long)


def test_another_release_of_ftfy_does_all_the_work_itself(monkeypatch):
    monkeypatch.setattr(ftfy, "__version__", "7.0")
    monkeypatch.setattr(ftfy, "fix_text", lambda text: text.upper())
    assert repair_counted("schÃ¶n") == ("SCHÃ¶N", 4, {})


def test_the_installed_ftfy_is_one_that_was_proven():
    assert ftfy.__version__ in unicode.PROVEN


@pytest.mark.parametrize(
    ("before", "after", "characters"),
    [
        ("“a”", '"a"', 2),
        ("Ã©", "é", 2),
        ("a\r\nb\r", "a\nb\n", 2),
        ("\x1b[31mred", "red", 5),
        ("e\u0301", "é", 2),
        ("\x1b[３m", "", 4),
        ("ŉ\u0301", "'ń", 2),
        ("a\r\n\x1b[0mb\x00", "a\nb", 6),
    ],
)
def test_it_tells_how_many_characters_were_replaced_or_removed(before, after, characters):
    assert repair_counted(before) == (after, characters, {})


def test_a_long_text_with_one_bad_line_is_repaired_there_alone():
    lines = ["“plain” text"] * 500 + [garble("é€", random.Random(1))] + ["“plain” text"] * 500
    damaged = "\n".join(lines)
    assert repair(damaged) == ftfy.fix_text(damaged)


def test_nfc_composes_and_does_not_flatten():
    assert nfc("e\u0301 x²").text == "é x²"
    assert nfc("é x²") == ("é x²", 0, {})
    assert nfc("q\u0307\u0323").characters == 1, "marks that only change places count too"
