"""Signals: the quantities that rules judge, measured for every document, kept and removed alike.

A word is a run of non-space characters that holds at least one letter or digit, without the punctuation around it
(so "don't," counts as don't); a line is what lies between newlines and is not blank. Without words or lines every
ratio is 0, and the word count removes the document.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

import pyarrow as pa

STOP_WORDS = frozenset(["the", "be", "to", "of", "and", "that", "have", "with"])
BULLETS = ("\u2022", "\u2023", "\u25b6", "\u25c0", "\u25e6", "\u25a0", "\u25a1", "\u25aa", "\u25ab", "\u2013", "-", "*")
ELLIPSES = ("...", "\u2026")

SIGNALS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("characters", pa.int64()),
        pa.field("words", pa.int64()),
        pa.field("mean_word_length", pa.float64()),
        pa.field("hash_to_word_ratio", pa.float64()),
        pa.field("ellipsis_to_word_ratio", pa.float64()),
        pa.field("bullet_line_share", pa.float64()),
        pa.field("ellipsis_line_share", pa.float64()),
        pa.field("alphabetic_word_share", pa.float64()),
        pa.field("stop_words", pa.int64()),
        pa.field("language", pa.string()),
        pa.field("language_score", pa.float64()),
    ]
)

_TOKENS = re.compile(r"\S+")
_WORD_CHARACTERS = re.compile(r"[^\W_]")
_LETTER = re.compile(r"[^\W\d_]")
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")


def words_of(text: str) -> list[str]:
    """The words of a text in order; combining marks stay with their word.

    >>> words_of('He said: "don\\'t" -- 3 times!')
    ['He', 'said', "don't", '3', 'times']
    """
    found = []
    for token in _TOKENS.findall(text):
        if token.isalnum():
            found.append(token)
        elif _WORD_CHARACTERS.search(token):
            found.append(_strip(token))
    return found


def _strip(token: str) -> str:
    """Without punctuation at the edges, but with marks, which belong to the letter before them."""
    stripped = _EDGES.sub("", token)
    end = token.rindex(stripped) + len(stripped)
    while end < len(token) and unicodedata.category(token[end]).startswith("M"):
        stripped, end = stripped + token[end], end + 1
    return stripped


def measure(text: str) -> dict[str, float | int]:
    """The signals of one text, all but language. Ratios lie in [0, 1] except the two per-word ones."""
    words = words_of(text)
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    count = len(words)
    ellipses = text.count("\u2026") + text.count("...")
    return {
        "characters": len(text),
        "words": count,
        "mean_word_length": _ratio(sum(map(len, words)), count),
        "hash_to_word_ratio": _ratio(text.count("#"), count),
        "ellipsis_to_word_ratio": _ratio(ellipses, count),
        "bullet_line_share": _ratio(sum(line.startswith(BULLETS) for line in lines), len(lines)),
        "ellipsis_line_share": _ratio(sum(line.endswith(ELLIPSES) for line in lines), len(lines)),
        "alphabetic_word_share": _ratio(sum(1 for word in words if _LETTER.search(word)), count),
        "stop_words": len(STOP_WORDS.intersection(word.lower() for word in words)),
    }


def signals_table(ids: list[bytes], rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """Signals of a shard's documents in input order."""
    return pa.Table.from_pylist([{"id": id_, **row} for id_, row in zip(ids, rows, strict=True)], schema=SIGNALS)


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else 0.0
