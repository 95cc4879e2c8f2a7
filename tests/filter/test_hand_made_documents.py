"""Every signal on documents small enough to count by hand: what the definition and the kernels both must say."""

from math import log

import pytest

from antimatter.filter.signals import measure_text
from tests.filter import oracle

IMPLEMENTATIONS = {"definition": oracle.signals, "kernel": measure_text}
DUPLICATES = [
    f"{kind}_share{counting}"
    for counting in ("", "_datatrove")
    for kind in (*(f"top_{n}gram" for n in (2, 3, 4)), *(f"duplicate_{n}gram" for n in range(5, 11)))
]
REPETITION = [
    "duplicate_line_share", "duplicate_line_character_share",
    "duplicate_paragraph_share", "duplicate_paragraph_character_share",
    "repeated_line_share", "repeated_line_character_share", "repeated_line_character_share_fineweb",
    "repeated_paragraph_share", "repeated_paragraph_character_share",
]  # fmt: skip


@pytest.fixture(params=IMPLEMENTATIONS)
def expect(request):
    """expect(text, words=3, ...): these signals have exactly these values."""
    measured = IMPLEMENTATIONS[request.param]

    def compare(text, **values):
        found = measured(text)
        assert {name: found[name] for name in values} == values, text

    return compare


@pytest.fixture(params=IMPLEMENTATIONS)
def nonzero(request):
    """The signals of a text that are not 0."""
    return lambda text: {name: value for name, value in IMPLEMENTATIONS[request.param](text).items() if value != 0}


# Nothing, or nearly nothing


def test_an_empty_text_has_nothing(nonzero):
    assert nonzero("") == {}


def test_a_text_of_spaces_has_characters_and_nothing_else(nonzero):
    assert nonzero(" \n\t \u3000\n") == {"characters": 6, "whitespace_share": 1.0}
    assert nonzero("\n\n\n") == {"characters": 3, "whitespace_share": 1.0}, "characters less line feeds are 0 here"


def test_one_word_repeats_nothing(nonzero):
    assert nonzero("cat") == {
        "characters": 3, "words": 1, "lines": 1, "paragraphs": 1, "sentences": 1,
        "longest_word": 3, "mean_word_length": 3.0, "mean_line_length": 3.0,
        "alphabetic_word_share": 1.0, "unique_word_share": 1.0, "letter_share": 1.0,
        "short_line_share": 1.0, "short_line_share_datatrove": 1.0,
    }  # fmt: skip


def test_marks_without_a_letter_are_no_word(nonzero):
    assert nonzero("\u0301\u0302 \u0301") == {
        "characters": 4, "lines": 1, "paragraphs": 1, "mean_line_length": 4.0,
        "short_line_share": 1.0, "short_line_share_datatrove": 1.0,
        "whitespace_share": 1 / 4, "non_alphanumeric_share": 3 / 4,
    }  # fmt: skip


def test_emoji_are_no_words(nonzero):
    # thumb (So), skin tone (Sk), space, heart (So), variation selector (Mn)
    assert nonzero("\U0001f44d\U0001f3fd \u2764\ufe0f") == {
        "characters": 5, "lines": 1, "paragraphs": 1, "mean_line_length": 5.0,
        "short_line_share": 1.0, "short_line_share_datatrove": 1.0,
        "whitespace_share": 1 / 5, "symbol_share": 3 / 5, "non_alphanumeric_share": 4 / 5,
    }  # fmt: skip


def test_a_digit_in_an_emoji_is_a_word_with_its_marks(expect):
    expect("1\ufe0f\u20e3", words=1, longest_word=3, alphabetic_word_share=0.0, digit_share=1 / 3)


# Words


def test_a_word_loses_what_surrounds_it(expect):
    # He said: "don't" -- (3 times!) ...     2 + 4 + 5 + 1 + 5 = 17 characters in words
    # 15 letters (1 capital), 1 digit, 6 spaces, 12 marks : " ' " - - ( ! ) . . .     = 34
    expect(
        'He said: "don\'t" -- (3 times!) ...',
        characters=34, words=5, longest_word=5, mean_word_length=17 / 5, alphabetic_word_share=4 / 5, sentences=1,
        letter_share=15 / 34, upper_case_share=1 / 15, digit_share=1 / 34, whitespace_share=6 / 34,
        punctuation_share=12 / 34, non_alphanumeric_share=12 / 34, bracket_share=2 / 34, curly_bracket_share=0.0,
        ellipsis_to_word_ratio=1 / 5,
    )  # fmt: skip


def test_marks_stay_with_the_letter_before_them(expect):
    expect("cafe\u0301!", words=1, longest_word=5)
    expect("\u0301a\u0301\u200d", words=1, longest_word=2)  # neither the mark before nor the joiner behind
    # six code points, two, three, two; a danda ends a sentence
    expect("हिन्दी है। ठीक है।", characters=18, words=4, mean_word_length=13 / 4, unique_word_share=3 / 4, sentences=2)


def test_each_han_character_and_each_kana_is_a_word(expect):
    expect("我们去了北京。", words=6, mean_word_length=1.0, sentences=1, end_mark_line_share=1.0)
    expect("我喜欢Python3和AI。", words=6, longest_word=7, capital_word_share=1 / 6)  # 我 喜 欢 Python3 和 AI
    expect("2024年", words=2, longest_word=4)
    expect("カード", words=3)
    expect("か\u3099く", words=2, mean_word_length=3 / 2)  # the voicing mark goes with its kana,
    expect("か\u3099abc", words=2, mean_word_length=5 / 2)  # also where a Latin word follows
    expect("한국어 텍스트", words=2, mean_word_length=3.0)  # Korean writes spaces


def test_each_thai_letter_is_a_word_with_its_marks(expect):
    # consonant, vowel sign above, tone mark; twice
    expect(
        "\u0e17\u0e35\u0e48\u0e19\u0e35\u0e48",
        words=2, mean_word_length=3.0, letter_share=2 / 6, non_alphanumeric_share=4 / 6,
    )  # fmt: skip
    expect("\u0e19\u0e49\u0e33", words=2)  # SARA AM is a letter to Unicode


def test_right_to_left_scripts_have_words_and_sentences_too(expect):
    expect("\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd.", characters=10, words=2, longest_word=4, sentences=1)
    # m a n, a n t, and the Arabic question mark
    expect(
        "\u0645\u064e\u0646 \u0623\u0646\u062a\u061f",
        characters=8, words=2, mean_word_length=3.0, sentences=1, end_mark_line_share_datatrove=1.0,
    )  # fmt: skip


def test_capital_words_hold_a_capital_and_no_small_letter(expect):
    # yes: NASA, U.S, 3D, DŽ in title case with A, İ; no: Ok, 42, ß.  10 capitals of 13 letters
    expect(
        "NASA U.S. Ok 3D 42 \u01c5A \u0130 \u00df",
        words=8, capital_word_share=5 / 8, alphabetic_word_share=7 / 8, upper_case_share=10 / 13,
    )  # fmt: skip


def test_stop_words_are_counted_in_lower_case_but_words_told_apart_as_they_stand(expect):
    # The cat and THE dog with a hat to be: the, and, with, to, be
    expect("The cat and THE dog, with a hat to be", stop_words=5, stop_word_share=6 / 10, unique_word_share=1.0)
    expect("of, THAT; have", stop_words=3, stop_word_share=1.0)
    expect("them into off", stop_words=0, stop_word_share=0.0)


def test_entropy_is_told_in_nats(expect):
    expect("a b a b", unigram_entropy=round(log(2), 9), unique_word_share=2 / 4)
    # -(3/4 ln 3/4 + 1/4 ln 1/4)
    expect("the the the The", unigram_entropy=0.562335145, unique_word_share=2 / 4)
    expect("no no no no", unigram_entropy=0.0, unique_word_share=1 / 4)


# Characters


def test_digits_of_every_script_are_digits_but_fractions_are_not(expect):
    # A b 1 _ two-raised half han-zero _ arabic-three _ $ + _ { [ (
    expect(
        "Ab1 ²½〇 \u0663 $+ {[(",
        characters=16, words=3, alphabetic_word_share=1 / 3, digit_share=2 / 16, letter_share=2 / 16,
        upper_case_share=1 / 2, whitespace_share=4 / 16, symbol_share=2 / 16, punctuation_share=3 / 16,
        bracket_share=3 / 16, curly_bracket_share=1 / 16, non_alphanumeric_share=5 / 16,
    )  # fmt: skip


def test_a_token_with_an_address_counts_whole(expect):
    # https://a.bc, has 13 characters, WWW.x.yz! has 9
    expect("See https://a.bc, WWW.x.yz! or wwwx", characters=35, url_share=22 / 35, words=5, longest_word=12)


def test_hashes_and_ellipses_are_counted_wherever_they_stand(expect):
    # # # ##; the character, and one ellipsis in four dots
    expect("#one #two ## three\u2026 four.... ..", words=4, hash_to_word_ratio=4 / 4, ellipsis_to_word_ratio=2 / 4)
    expect("one......", ellipsis_to_word_ratio=2.0)


# Lines


def test_lines_are_judged_without_the_space_around_them(expect):
    # "- one" 5, "• two" 5, "*three..." 9, "–four…" 6, "1. five" 7
    expect(
        "- one\n  \u2022 two  \n*three...\n\u2013four\u2026\n\n1. five\n",
        lines=5, paragraphs=2, mean_line_length=32 / 5, bullet_line_share=4 / 5, ellipsis_line_share=2 / 5,
        end_mark_line_share=1 / 5, end_mark_line_share_datatrove=1 / 5, newline_to_word_ratio=6 / 6,
    )  # fmt: skip


def test_behind_an_end_mark_quotation_marks_and_brackets_may_close_but_not_for_datatrove(expect):
    text = 'He left.\nShe said "no."\n(All gone.)\n«Fini.»\nplain\nWhy?!\n)\n他走了。」'
    expect(text, end_mark_line_share=6 / 8, end_mark_line_share_datatrove=2 / 8)


def test_a_line_of_thirty_characters_is_short_for_datatrove_only(expect):
    text = "\n".join(["x" * 29, "x" * 30, "x" * 31])
    expect(text, short_line_share=1 / 3, short_line_share_datatrove=2 / 3, mean_line_length=30.0)


def test_only_a_line_feed_ends_a_line(expect):
    expect("one\r\ntwo\r\n", characters=10, lines=2, mean_line_length=3.0, whitespace_share=4 / 10)
    expect("one\u2028two\x85three\x1cfour", lines=1, words=4, newline_to_word_ratio=0.0, mean_line_length=18.0)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("no end", 1),
        ("Is it? Yes!", 2),
        ("One line\nanother line", 2),
        ("One. \n\n ... \n!", 1),  # marks without a word are no sentence
        ("...", 0),
        ("Mr. Smith went. He slept.", 2),
        ("MR. SMITH", 1),
        ("Mr.) Smith came.", 1),
        ("Mr.. Smith", 2),  # the abbreviation has one full stop,
        ("Mr! Smith", 2),  # and no other mark
        ("Ask Dr.\nSmith", 2),  # the line's end is stronger
        ("See Fig. 3 and cf. Smith", 1),
        ("(He came vs. Smith.) They left.", 2),
        ("The U.S. Government spoke.", 1),
        ("J. R. R. Tolkien wrote it.", 1),
        ("It is vitamin C. We need it.", 1),  # an initial to us: wrong, and known
        ("Version 2. The next", 2),
        ('He asked: "Why?!" She left.', 2),
        ('"Why?" she asked.', 1),
        ("Well... he left.", 1),
        ("Well... He left.", 2),
        ("And then . . . End", 2),
        ("Pi is 3.14 and e is 2.71.", 1),
        ("Visit example.com. Then go.", 2),
        ("Stop.Go", 1),
        ("¿Qué? ¡No!", 2),
        ("One. \u00dftwo", 1),
        ("One. \u01c5", 2),  # title case is not lower case
        ("One.\u2003Two", 2),
        ("他来了。她走了！", 2),
        ("「来！」他说。", 2),
        ("\uff21\uff22\uff0e\uff23\uff24", 2),  # wide capitals around a wide full stop
        ("\uff41\uff42\uff0e\uff43\uff44", 1),  # and small letters
    ],
)
def test_sentences_by_hand(expect, text, sentences):
    expect(text, sentences=sentences)


# Repeated lines and paragraphs


def test_of_ten_lines_one_stands_four_times(expect):
    """Ten lines of six characters, 69 with the nine line feeds: gopher removes at 0.30, datatrove's counting keeps."""
    text = "\n".join(
        ["line a", "line x", "line b", "line x", "line c", "line x", "line d", "line x", "line e", "line f"]
    )
    expect(
        text,
        lines=10, duplicate_line_share=4 / 10, duplicate_line_character_share=24 / 60,
        repeated_line_share=3 / 10, repeated_line_character_share=18 / 69,
        repeated_line_character_share_fineweb=18 / 60,
    )  # fmt: skip


def test_blank_lines_are_no_duplicates(expect):
    expect("one\n\n\n\ntwo\n \n\t\nthree", lines=3, paragraphs=3, **dict.fromkeys(REPETITION, 0.0))


def test_lines_are_compared_without_the_space_around_them(expect):
    expect(
        "one\n  one  \ntwo",
        characters=15, duplicate_line_share=2 / 3, duplicate_line_character_share=6 / 9,
        repeated_line_share=1 / 3, repeated_line_character_share=3 / 15, repeated_line_character_share_fineweb=3 / 13,
        duplicate_paragraph_share=0.0,
    )  # fmt: skip


def test_a_paragraph_is_its_lines_in_order(expect):
    # (a b, c) (d) (a b, c) (a b, c): 13 characters in lines, 26 in all, 9 of them line feeds
    expect(
        "a b\nc\n\nd\n\na b\nc\n\n a b \n c ",
        characters=26, lines=7, paragraphs=4,
        duplicate_paragraph_share=3 / 4, duplicate_paragraph_character_share=12 / 13,
        repeated_paragraph_share=2 / 4, repeated_paragraph_character_share=8 / 26,
        duplicate_line_share=6 / 7, duplicate_line_character_share=12 / 13,
        repeated_line_share=4 / 7, repeated_line_character_share=8 / 26, repeated_line_character_share_fineweb=8 / 17,
    )  # fmt: skip
    expect("ab\nc\n\na\nbc", paragraphs=2, **dict.fromkeys(REPETITION, 0.0))
    expect("a\nb\n\nb\na", duplicate_line_share=1.0, duplicate_paragraph_share=0.0, repeated_paragraph_share=0.0)


# Repeated n-grams


def test_a_block_of_ten_words_stands_twice_among_eighty_others(expect):
    """Words of 5 characters: 500 in words, 599 in all. gopher removes at 0.15: only `covered` sees the whole block."""
    other = [f"w{number:04}" for number in range(80)]
    block = [f"b{number:04}" for number in range(10)]
    text = " ".join([*other[:40], *block, *other[40:], *block])
    expect(
        text,
        words=100, characters=599,
        top_2gram_share=20 / 500, top_3gram_share=30 / 500, top_4gram_share=40 / 500,
        duplicate_5gram_share=100 / 500, duplicate_6gram_share=100 / 500, duplicate_7gram_share=100 / 500,
        duplicate_8gram_share=100 / 500, duplicate_9gram_share=100 / 500, duplicate_10gram_share=100 / 500,
        # "b0000 b0001" has 11 characters; then 17 and 23
        top_2gram_share_datatrove=22 / 599, top_3gram_share_datatrove=34 / 599, top_4gram_share_datatrove=46 / 599,
        # two 5-grams fit into the second block, but only one of 6 to 10 words
        duplicate_5gram_share_datatrove=50 / 599, duplicate_6gram_share_datatrove=30 / 599,
        duplicate_7gram_share_datatrove=35 / 599, duplicate_8gram_share_datatrove=40 / 599,
        duplicate_9gram_share_datatrove=45 / 599, duplicate_10gram_share_datatrove=50 / 599,
    )  # fmt: skip


def test_five_different_words_repeat_nothing_but_datatrove_sees_a_top_ngram(expect):
    expect(
        "alpha bravo delta eagle fever",
        **dict.fromkeys(DUPLICATES, 0.0)
        | {
            "top_2gram_share_datatrove": 11 / 29,  # "alpha bravo", once: above gopher's 0.20
            "top_3gram_share_datatrove": 17 / 29,
            "top_4gram_share_datatrove": 23 / 29,
        },
    )


def test_words_are_not_glued_when_ngrams_are_compared(expect):
    # (ab c d e f) is not (a bc d e f); (d e f) stands twice.  12 characters in words, 21 in all
    expect(
        "ab c d e f a bc d e f",
        top_2gram_share=4 / 12, top_3gram_share=6 / 12, top_4gram_share=0.0,
        top_2gram_share_datatrove=6 / 21, top_3gram_share_datatrove=10 / 21, top_4gram_share_datatrove=8 / 21,
        duplicate_5gram_share=0.0, duplicate_5gram_share_datatrove=0.0,
    )  # fmt: skip


def test_of_equally_frequent_ngrams_the_largest_counts_and_for_datatrove_the_first(expect):
    expect("a b x cc dd y a b z cc dd", top_2gram_share=8 / 15, top_2gram_share_datatrove=6 / 25)
    expect("cc dd x a b y a b z cc dd", top_2gram_share=8 / 15, top_2gram_share_datatrove=10 / 25)


def test_a_word_in_overlapping_ngrams_counts_once_but_for_datatrove_again_and_again(expect):
    # 8 characters in words, 11 in all; "na na" three times, "na na na" twice
    expect(
        "na na na na",
        top_2gram_share=1.0, top_3gram_share=1.0, top_4gram_share=0.0,
        top_2gram_share_datatrove=15 / 11, top_3gram_share_datatrove=16 / 11, top_4gram_share_datatrove=11 / 11,
    )  # fmt: skip
    # 24 and 35; the first n-gram is new, from the second word on 5-grams fit twice, longer ones once
    expect(
        " ".join(["na"] * 12),
        duplicate_5gram_share=1.0, duplicate_10gram_share=1.0,
        duplicate_5gram_share_datatrove=20 / 35, duplicate_6gram_share_datatrove=12 / 35,
        duplicate_7gram_share_datatrove=14 / 35, duplicate_8gram_share_datatrove=16 / 35,
        duplicate_9gram_share_datatrove=18 / 35, duplicate_10gram_share_datatrove=20 / 35,
    )  # fmt: skip


def test_a_repeated_ngram_may_overlap_its_second_occurrence(expect):
    # a b a b a b: (a b a b a) stands once and (b a b a b) once; with a seventh word (a b a b a) stands twice
    expect("a b a b a b", duplicate_5gram_share=0.0)
    expect("a b a b a b a", duplicate_5gram_share=1.0, duplicate_5gram_share_datatrove=5 / 13)
    # the last word is in no repeated 5-gram
    expect("a b a b a b a ccc", duplicate_5gram_share=7 / 10)


def test_ngrams_keep_case_ignore_punctuation_and_cross_lines(expect):
    # (The cat) twice, (the cat) once
    expect("The cat, the cat; The cat!", top_2gram_share=12 / 18)
    expect("a, b.\n\nA\n\na b", top_2gram_share=4 / 5)


def test_fewer_words_than_an_ngram_has_repeat_nothing(expect):
    expect("ab", **dict.fromkeys(DUPLICATES, 0.0))
    expect("ab ab", **dict.fromkeys(DUPLICATES, 0.0) | {"top_2gram_share_datatrove": 5 / 5})


def test_every_implementation_has_the_same_signals_in_the_same_order():
    names = [list(measured("The cat sat.")) for measured in IMPLEMENTATIONS.values()]
    assert names == [names[0]] * len(names)
