"""The line step of C4 (Raffel et al. 2020, JMLR 21(140), section 2.2), in the order of its reference code.

A line, stripped, goes if: a word has more than 1000 characters; it does not end in . ? ! or ", or ends in "..."; it has
fewer than five words once citation marks are deleted; it mentions javascript, or the words of a policy page.
Page rules are judged elsewhere; for them the step tells what it saw on lines that had survived so far.

As datatrove has it (C4QualityFilter, 0.10): a line may also end in ', and three words are enough, counted before
citation marks are deleted; the numbers in these may be of any script.
"""

import re
from dataclasses import dataclass, replace

from antimatter.clean.edits import Edit

LONGEST_WORD = 1000  # characters
ELLIPSIS = "..."
POLICY = (
    "terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What the two implementations do not share."""

    end_marks: tuple[str, ...] | None
    """None: a line may end as it likes, in an ellipsis too."""
    fewest_words: int
    citations_are_words: bool
    """Whether a line's words are counted before citation marks are deleted."""
    citation: re.Pattern[str]


REFERENCE = Variant(
    end_marks=(".", "?", "!", '"'),
    fewest_words=5,
    citations_are_words=False,
    citation=re.compile(r"\[[0-9]*\]|\[edit\]|\[citation needed\]"),
)
DATATROVE = Variant(
    end_marks=(".", "?", "!", '"', "'"),
    fewest_words=3,
    citations_are_words=True,
    citation=re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]"),
)
FINEWEB = replace(DATATROVE, end_marks=None)
"""As FineWeb uses it (Penedo et al. 2024, arXiv 2406.17557, section 3.5): the rule on line ends alone cost 30 % of the
tokens."""


def c4_lines(text: str, variant: Variant = REFERENCE) -> Edit:
    """The lines that C4 would keep, stripped; no blank ones, because a blank line ends in no mark.

    Facts: lines_in and lines_removed (blank ones not counted), words_in and words_removed (by whitespace), lorem_ipsum
    and curly_brace (1 if a surviving line holds "lorem ipsum" or "{": C4 removes such a page whole).
    """
    kept: list[str] = []
    lines_in = words_in = words_kept = lorem_ipsum = curly_brace = 0
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        lines_in += 1
        words_in += len(words)
        if max(map(len, words)) > LONGEST_WORD:
            continue
        line = line.strip()
        remaining = words
        if "[" in line:
            line = variant.citation.sub("", line)
            remaining = line.split()
        counted = words if variant.citations_are_words else remaining
        if len(counted) < variant.fewest_words:
            continue
        if variant.end_marks and (not line.endswith(variant.end_marks) or line.endswith(ELLIPSIS)):
            continue
        lowered = line.lower()
        lorem_ipsum |= "lorem ipsum" in lowered
        if "javascript" in lowered:
            continue
        curly_brace |= "{" in line
        if any(phrase in lowered for phrase in POLICY):
            continue
        kept.append(line.strip())  # a citation mark at its start left a space
        words_kept += len(remaining)
    edited = "\n".join(kept)
    facts = {
        "lines_in": lines_in,
        "lines_removed": lines_in - len(kept),
        "words_in": words_in,
        "words_removed": words_in - words_kept,
        "lorem_ipsum": int(lorem_ipsum),
        "curly_brace": int(curly_brace),
    }
    return Edit(edited, 0 if edited == text else max(1, len(text) - len(edited)), facts)


FACTS = tuple(c4_lines("").facts)
