"""Signals as rules judge them: shares and ratios of what was counted.

Here the counts of the kernels become the columns of data/filtered/signals. A share or ratio is one division of two
whole numbers, so it is the float64 nearest to the true value, and 0 where there is nothing to divide by: a text without
words has zero of everything, and a word count rule removes it.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from antimatter.filter.signals import repetition
from antimatter.filter.signals.characters import count_characters
from antimatter.filter.signals.lines import count_lines
from antimatter.filter.signals.sentences import count_sentences
from antimatter.filter.signals.words import count_words
from antimatter.text.words import Words, segment

NUMBERS = ("characters", "words", "lines", "paragraphs", "sentences", "stop_words", "longest_word")
"""Whole numbers; stop_words: distinct ones of the eight of Rae et al. 2021 (Gopher); longest_word: in characters."""

RATIOS: Mapping[str, tuple[str, str]] = {
    "mean_word_length": ("word_characters", "words"),
    "mean_line_length": ("line_characters", "lines"),
    "alphabetic_word_share": ("alphabetic_words", "words"),
    "capital_word_share": ("capital_words", "words"),
    "stop_word_share": ("stop_word_occurrences", "words"),
    "unique_word_share": ("distinct", "words"),
    "hash_to_word_ratio": ("hashes", "words"),
    "ellipsis_to_word_ratio": ("ellipses", "words"),
    "bullet_line_share": ("bullets", "lines"),
    "ellipsis_line_share": ("ellipsis_ends", "lines"),
    "end_mark_line_share": ("end_marks", "lines"),
    "end_mark_line_share_datatrove": ("bare_end_marks", "lines"),
    "short_line_share": ("below_30", "lines"),
    "short_line_share_datatrove": ("up_to_30", "lines"),
    "newline_to_word_ratio": ("newlines", "words"),
    "digit_share": ("digits", "characters"),
    "letter_share": ("letters", "characters"),
    "upper_case_share": ("upper_case", "letters"),
    "whitespace_share": ("spaces", "characters"),
    "punctuation_share": ("punctuation", "characters"),
    "symbol_share": ("symbols", "characters"),
    "bracket_share": ("brackets", "characters"),
    "curly_bracket_share": ("curly_brackets", "characters"),
    "non_alphanumeric_share": ("others", "characters"),
    "url_share": ("url_characters", "characters"),
    "duplicate_line_share": ("duplicate_lines", "lines"),
    "duplicate_line_character_share": ("duplicate_line_characters", "line_characters"),
    "duplicate_paragraph_share": ("duplicate_paragraphs", "paragraphs"),
    "duplicate_paragraph_character_share": ("duplicate_paragraph_characters", "line_characters"),
    **{f"top_{n}gram_share": (f"top_{n}gram", "word_characters") for n in repetition.TOP},
    **{f"duplicate_{n}gram_share": (f"duplicate_{n}gram", "word_characters") for n in repetition.DUPLICATE},
    "repeated_line_share": ("repeated_lines", "lines"),
    "repeated_line_character_share": ("repeated_line_characters", "characters"),
    "repeated_line_character_share_fineweb": ("repeated_line_characters", "characters_without_newlines"),
    "repeated_paragraph_share": ("repeated_paragraphs", "paragraphs"),
    "repeated_paragraph_character_share": ("repeated_paragraph_characters", "characters"),
    **{f"top_{n}gram_share_datatrove": (f"top_{n}gram_datatrove", "characters") for n in repetition.TOP},
    **{
        f"duplicate_{n}gram_share_datatrove": (f"duplicate_{n}gram_datatrove", "characters")
        for n in repetition.DUPLICATE
    },
}
"""Signal -> (count, count that divides it). docs/data.md says each in words."""

ENTROPY = "unigram_entropy"
_BEFORE_ENTROPY = (*NUMBERS, *list(RATIOS)[: list(RATIOS).index("unique_word_share") + 1])
TEXT_SIGNALS = (*_BEFORE_ENTROPY, ENTROPY, *(name for name in RATIOS if name not in _BEFORE_ENTROPY))
"""What is measured on the text alone, in the order of the columns; language and others come behind."""


def measure(texts: pa.Array, words: Words | None = None) -> dict[str, np.ndarray]:
    """The signals of n texts: int32[n] for NUMBERS, float64[n] for the others.

    texts  string or large_string without nulls
    words  segment(texts), if the caller has it
    """
    words = segment(texts) if words is None else words
    characters = count_characters(texts)
    lines = count_lines(texts, characters["newlines"])
    repeated, entropy = repetition.count_repetition(words)
    counts = {**characters, **lines, **repeated, **count_words(words), "sentences": count_sentences(texts)}
    counts["others"] = counts["characters"] - counts["alphanumeric"] - counts["spaces"]
    counts["characters_without_newlines"] = counts["characters"] - counts["newlines"]
    signals = {name: counts[name].astype(np.int32) for name in NUMBERS}
    for name, (part, whole) in RATIOS.items():
        signals[name] = _ratio(counts[part], counts[whole])
    signals[ENTROPY] = np.round(entropy, 9)
    return {name: signals[name] for name in TEXT_SIGNALS}


def measure_text(text: str) -> dict[str, int | float]:
    """The signals of one text as plain numbers."""
    return {name: values[0].item() for name, values in measure(pa.array([text], type=pa.large_string())).items()}


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros(len(part), dtype=np.float64), where=whole != 0)
    return ratio
