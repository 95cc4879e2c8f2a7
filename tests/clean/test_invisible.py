"""Invisible characters: gone where they do nothing, kept where they shape what is seen."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.clean.invisible import invisible, shows_nothing

WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"


@pytest.mark.parametrize(
    "character",
    "\x00\x08\x0e\x1b\x1f\x7f\x80\x84\x86\x9f\u00ad\u200b\u200c\u200d\u200e\u200f\u061c\u180e\u202a\u202e\u2060\u2064\u2066"
    "\u2069\u206a\u206f\ufeff\ufff9\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff\U000e0001\U000e0041\U000e007f",
)
def test_between_letters_it_goes(character):
    assert invisible(f"so{character}ft") == ("soft", 1, {})
    assert invisible(f"né{character}e") == ("née", 1, {})


@pytest.mark.parametrize("character", "\t\n\r\x0b\x0c\x85\u2028\u2029 \xa0\u3000\u034f\ufe0f\u180b\U000e0100\u2800")
def test_tabs_line_breaks_spaces_and_variation_selectors_stay(character):
    assert invisible(f"a{character}b") == (f"a{character}b", 0, {})


@pytest.mark.parametrize(
    "text",
    [
        "می\u200cروم",  # Persian: I go
        "क्\u200dष क्\u200cष",  # Devanagari: two forms of kṣa
        "ශ්\u200dරී",  # Sinhala: Sri
        "က္\u200cက",  # Myanmar
        "ב\u200dֽ",  # Hebrew: the place of the meteg
        "abc \u200dه",  # the final form of heh
        "می\u200c\u200cروم",
        "ภาษา\u200bไทย ພາສາ\u200bລາວ ភាសា\u200bខ្មែរ မြန်မာ\u200bစာ",  # word borders
        "ᠠ\u180eᠨ",  # Mongolian vowel separator
        "👩\u200d👩\u200d👧 🏳️\u200d🌈 👍🏽 ❤\ufe0f\u200d🔥 🧔🏻\u200d♂️",
        f"flags {WALES}!",
    ],
)
def test_what_shapes_letters_and_emoji_stays(text):
    assert invisible(text) == (text, 0, {})


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("می\u200c\u200c\u200cروم", "می\u200c\u200cروم"),
        ("ไทย\u200b\u200bไทย\u200b ไทย\u200ba", "ไทย\u200bไทย ไทยa"),
        ("👩\u200d mother", "👩 mother"),
        ("a\u200d👩", "a👩"),
        ("\u200dstart", "start"),
        ("\U0001f3f4\U000e0067\U000e0062 unended", "\U0001f3f4 unended"),
        ("hidden\U000e0049\U000e0067", "hidden"),
        ("x\u180e y", "x y"),
    ],
)
def test_joiners_separators_and_tags_without_their_neighbours_go(text, seen):
    assert invisible(text).text == seen


@given(
    st.text(
        alphabet=st.one_of(
            st.characters(),
            st.sampled_from(
                "\u200b\u200c\u200d\u180e👩a🏳\ufe0f\U000e0067\U000e007f\U0001f3f4ᠠمกe\u0301\u00ad\u1100\u1161"
            ),
        )
    )
)
def test_twice_changes_nothing_more_and_the_count_is_what_went(text):
    once = invisible(text)
    assert invisible(once.text) == (once.text, 0, {})
    assert len(text) >= once.characters >= len(text) - len(once.text)
    assert unicodedata.is_normalized("NFC", once.text) or not unicodedata.is_normalized("NFC", text)


def test_what_they_kept_apart_is_composed():
    assert invisible("caf" + "e\u00ad\u0301") == ("café", 3, {})
    assert invisible("\u1100\u200b\u1161").text == "가"


@pytest.mark.parametrize(
    "text", ["", " \n", "\ufe0f", "\u034f\u2800", "\u3164 \u115f\u1160", "\u0301", "\u200b\x00\ue000"]
)
def test_marks_fillers_and_spaces_show_nothing(text):
    assert shows_nothing(text)
    assert not shows_nothing(f"{text}.")


def test_every_noncharacter_of_unicode_goes():
    noncharacters = [*range(0xFDD0, 0xFDF0), *(p * 0x10000 + end for p in range(17) for end in (0xFFFE, 0xFFFF))]
    assert len(noncharacters) == 66
    assert sys.maxunicode in noncharacters
    assert invisible("".join(map(chr, noncharacters))).text == ""
