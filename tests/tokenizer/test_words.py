"""Training words: the kernel equals its definition, which parts no piece that SentencePiece would learn."""

from collections import Counter
from io import BytesIO

import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.train import FIXED, fixed_settings
from antimatter.tokenizer.vocabulary import parse
from antimatter.tokenizer.words import (
    ARABIC,
    COMMON,
    CYRILLIC,
    DEVANAGARI,
    GREEK,
    HAN,
    HANGUL,
    HEBREW,
    LATIN,
    LONGEST,
    SCRIPTS,
    THAI,
    WordCounts,
)
from tests.tokenizer.plain_words import plain_words

FRAGMENTS = [
    " ", "  ", "\n", "\t", "\r\n", "\n\n    ", "\u2581", "\u2585", "\0", "\x11", "\x12", "\x13", "a", "Zebra", "the",
    "7", "42", ".", ")", "[PAD]", "[PAD", "<|user|>", "<|us", "<0x0A>", "<0x0a>", "[", "<", "é", "e\u0301", "Жук",
    "漢字", "かな", "ー", "。", "한국", "ไทย", "שלום", "مرحبا", "½", "👍🏽", "\u00a0", "\u3000", "𝒳", "７", "ª", "\x7f",
]  # fmt: skip
TEXTS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30),
)
MODES = [(digits, white) for digits in (True, False) for white in (True, False)]


def counted(texts, split_digits, whitespace_pieces):
    counts = WordCounts(split_digits, whitespace_pieces)
    for array in texts:
        counts.add(array)
    words = [word.decode() for word in counts.words.to_pylist()]
    return dict(zip(words, counts.counts.tolist(), strict=True)), counts.unusable


def plainly_counted(texts, split_digits, whitespace_pieces):
    found = [plain_words(text, split_digits, whitespace_pieces) for text in texts]
    return dict(Counter(word for words, _ in found for word in words)), sum(unusable for _, unusable in found)


@pytest.mark.parametrize(("digits", "white"), MODES)
@given(texts=st.lists(TEXTS, max_size=4))
def test_the_kernel_equals_its_definition(texts, digits, white):
    assert counted([pa.array(texts, pa.string())], digits, white) == plainly_counted(texts, digits, white)


def test_whitespace_joins_what_is_in_front_of_it():
    text = "if x:\n    f( y )\n\tz = 1  # two\n"
    assert plain_words(text, True, True)[0] == [
        "if", " x", ":\x12\x11\x11\x11\x11", "f", "(", " y", " )\x12\x13", "z", " =", " ", "1", "\x11\x11", "#", " two",
        "\x12",
    ]  # fmt: skip
    assert plain_words(text, True, False)[0] == [
        "if", " x", ":", "    f", "(", " y", " )", "[PAD]", "z", " =", " ", "1", "  #", " two",
    ]  # fmt: skip


AHEAD = {
    COMMON: ([")", "=", "7", "\u3002", "[", "<"], True),
    "unsure": (["e\u0301", "½", "👍", "𝒳", "ª"], True),
    LATIN: (["a", "the", "é"], False), GREEK: (["λ"], False), CYRILLIC: (["Ж"], False), HEBREW: (["ש"], False),
    ARABIC: (["م"], False), DEVANAGARI: (["न"], False), THAI: (["ไ"], False), HANGUL: (["한"], False),
    HAN: (["漢", "か", "ー"], False), "marker": (["<|end|>", "<0x0A>"], False),
}  # fmt: skip
"""What may stand in front of a line break, by the kind of its last character, and whether the break joins it."""


def test_every_script_is_tried_in_front_of_a_line_break():
    assert {*SCRIPTS} <= AHEAD.keys()


@pytest.mark.parametrize(("word", "joins"), [(word, joins) for words, joins in AHEAD.values() for word in words])
def test_a_line_break_joins_what_is_of_no_script_and_never_a_letter(word, joins):
    for white, stand_ins in (("\n", "\x12"), ("\t ", "\x13\x11")):
        expected = {word + stand_ins: 1} if joins else {word: 1, stand_ins: 1}
        assert counted([pa.array([word + white])], False, True) == (expected, 0)
        assert counted([pa.array([f"{word}  {white}"])], False, True) == ({word: 1, "\x11\x11" + stand_ins: 1}, 0)


def test_a_digit_that_stands_alone_is_joined_by_nothing():
    assert counted([pa.array(["7\n"])], True, True) == ({"7": 1, "\x12": 1}, 0)


@pytest.mark.parametrize("unit", ["a", " ", "\n", "é", "漢", ".", "e\u0301"])
@pytest.mark.parametrize("white", [True, False])
def test_no_word_is_longer_than_the_longest(unit, white):
    text = "x." + unit * (3 * LONGEST // len(unit.encode()) - 1) + " end"
    found = counted([pa.array([text])], True, white)
    assert found == plainly_counted([text], True, white)
    assert max(len(word.encode()) for word in found[0]) <= LONGEST


def test_words_that_sentencepiece_cannot_take_are_counted_and_left_out():
    assert counted([pa.array(["a\0b c\u2585 \x12 d"])], True, True) == ({" d": 1}, 3)
    assert counted([pa.array(["\x12 d"])], True, False) == ({"\x12": 1, " d": 1}, 0)


def test_many_words_make_the_dictionary_grow_without_losing_count():
    words = ["".join(chr(97 + n // 26**place % 26) for place in range(4)) for n in range(90_000)]
    text = " " + " ".join(words)
    assert counted([pa.array([text, text]), pa.array([text])], True, True) == ({f" {word}": 3 for word in words}, 0)


def test_a_slice_of_an_array_is_counted_alone():
    assert counted([pa.array(["one", "two", "three"]).slice(1, 1)], True, True) == ({"two": 1}, 0)


def test_words_have_the_same_hash_wherever_they_stand():
    first, second = WordCounts(True, True), WordCounts(True, True)
    first.add(pa.array(["a bc d"]))
    second.add(pa.array(["x d", " bc", "a"]))
    of_first = dict(zip(first.words.to_pylist(), first.hashes().tolist(), strict=True))
    of_second = dict(zip(second.words.to_pylist(), second.hashes().tolist(), strict=True))
    assert {word: of_second[word] for word in of_first} == of_first


def test_sentencepiece_learns_no_piece_across_scripts():
    """What `kinds` says of scripts, for every character: beside one of another script it is never merged."""
    characters = {script: [chr(n) for a, b in ranges for n in range(a, b + 1)] for script, ranges in SCRIPTS.items()}
    characters[COMMON] = [character for character in characters[COMMON] if character not in " \n\r"]
    ones = {script: found[-1] for script, found in characters.items()}
    pairs = [
        pair
        for script, found in characters.items()
        for other in (ones if len(found) < 1000 else (COMMON, LATIN))
        if other != script
        for character in found
        for pair in (character + ones[other], ones[other] + character)
    ]
    model = BytesIO()
    settings = fixed_settings(Tokenizer(character_coverage=1.0, split_digits=False))
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*pairs, "th"]),
        model_writer=model,
        vocab_size=60_000,
        hard_vocab_limit=False,
        **settings,
    )
    pieces = [entry.piece for entry in parse(model.getvalue()).pieces][FIXED:]
    assert [piece for piece in pieces if len(piece) > 1] == ["th"]
    own_boundary = {"\x1f"}
    assert {character for found in characters.values() for character in found} - set(pieces) == own_boundary
