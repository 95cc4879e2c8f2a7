"""Scores of texts in any script, and what chance gives."""

import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, sampled_from, text

from antimatter.evaluate import text_metrics
from antimatter.evaluate.shuffling import derangement

RUSSIAN = ["Старый дом стоял в конце длинной улицы", "Река течёт через город к морю"]
CHINESE = ["今天天气很好我们去公园", "他在图书馆里看书"]


def subsequence(one, other):
    """Length of the longest common subsequence, by its definition."""
    table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@pytest.mark.parametrize("texts", [RUSSIAN, CHINESE, ["Über Nacht", "हिन्दी में लिखा"]])
def test_a_text_beside_itself_has_rouge_1_in_any_script(texts):
    assert text_metrics.rouge_l(texts, texts) == 1.0


@given(*2 * [lists(sampled_from(["the", "cat", "sat", "река", "天"]), min_size=1, max_size=9)])
def test_rouge_l_is_the_harmonic_mean_of_the_common_subsequences_shares(one, other):
    common = subsequence(one, other)
    expected = 2 * common / (len(one) + len(other))
    assert text_metrics.rouge_l([" ".join(one)], [" ".join(other)]) == pytest.approx(expected)


def test_letters_of_scripts_without_spaces_are_words_with_their_marks():
    assert text_metrics.Words().tokenize("Don't 天气 हिन्दी, ก็! x2²") == [
        "don", "t", "天", "气", "हिन्दी", "ก็", "x2²",
    ]  # fmt: skip


@given(text(max_size=40))
def test_words_hold_no_space_and_every_letter_or_digit(some):
    words = text_metrics.Words().tokenize(some)
    assert all(word and not any(map(str.isspace, word)) for word in words)
    kept = [character for character in "".join(words) if character.isalnum()]
    assert kept == [character for character in some.lower() if character.isalnum()]


def test_bleu_and_chrf_of_equal_texts_are_100_and_the_signature_is_recorded():
    bleu, signature = text_metrics.bleu(RUSSIAN, RUSSIAN)
    assert bleu == pytest.approx(100)
    assert "tok:13a" in signature and "version:" in signature
    chrf, signature = text_metrics.chrf(RUSSIAN, RUSSIAN)
    assert chrf == pytest.approx(100)
    assert "nc:6" in signature


def test_bleu_of_texts_under_four_words_is_absent_rather_than_0():
    assert text_metrics.bleu(["one two three"], ["one two three"])[0] is None


def test_repetition_is_the_share_of_4_grams_that_stood_before_in_the_same_text():
    assert text_metrics.repetition(["a b c d e"]) == 0
    assert text_metrics.repetition(["a b c d a b c d"]) == pytest.approx(1 - 4 / 5)
    assert text_metrics.repetition(["a b c d", "a b c d", "x"]) == 0  # another text is no repetition, a short one none
    assert text_metrics.repetition(["one two"]) is None


def test_distinct_counts_over_all_texts_together():
    assert text_metrics.distinct(["a b a", "A c"], 1) == pytest.approx(3 / 5)
    assert text_metrics.distinct(["a b a", "a b"], 2) == pytest.approx(2 / 3)
    assert text_metrics.distinct(["", "!"], 1) is None


@given(integers(2, 50), integers(0, 2**32))
def test_a_derangement_permutes_and_leaves_nothing_in_its_place(count, seed):
    found = derangement(count, seed).tolist()
    assert sorted(found) == list(range(count))
    assert all(index != other for index, other in enumerate(found))
    assert found == derangement(count, seed).tolist()


def test_one_thing_cannot_be_deranged():
    with pytest.raises(ValueError, match="1 cannot"):
        derangement(1, 0)
