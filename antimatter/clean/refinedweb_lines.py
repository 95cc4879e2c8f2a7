"""The line step of RefinedWeb (Penedo et al. 2023, arXiv 2306.01116, appendix G).

A line goes if more than half of its characters are capitals, if it is all digits, if it is a counter ("3 likes",
"1.2K views"), or if it is a single word. In lines of at most ten words "items in cart", a final "Read more..." and an
initial "Sign-in" are deleted, and what is left is judged again. Blank lines stay. The paper gives examples of counters
and phrases; the lists here are those of DCLM's reconstruction, compared without regard to case. Our own reading:
counters in the singular ("1 comment"), a space before the unit ("7 k shares"), signs around a counter ("- 3 likes -"),
and digits with spaces between them ("10 2023 7") as all digits.
"""

import re

from antimatter.clean.edits import Edit

MOST_CAPITALS = 0.5  # of a line's characters
FEWEST_WORDS = 2
SHORT_LINE = 10  # words
_DIGITS = re.compile(r"[\d\s]+")
_COUNTER = re.compile(
    r"\W*\d[\d.,]*\s?[kmb]?\s+"
    r"(?:like|share|comment|retweet|repost|quote|bookmark|upvote|downvote|download|view|follower)s?\W*",
    re.IGNORECASE,
)
_PHRASES = re.compile(r"\A\s*sign-in\b|\bitems in cart\b|read more\.\.\.\s*\Z", re.IGNORECASE)


def refinedweb_lines(text: str) -> Edit:
    """The lines that RefinedWeb would keep.

    Facts: lines_in and lines_removed (blank ones not counted), words_in and words_removed (by whitespace); RefinedWeb
    removes a page that lost more than 5 % of its words.
    """
    kept: list[str] = []
    lines_in = lines_kept = words_in = words_kept = 0
    for line in text.split("\n"):
        words = line.split()
        if words:
            lines_in += 1
            words_in += len(words)
            is_kept = not is_clutter(line, len(words))
            while is_kept and len(words) <= SHORT_LINE and (shorter := _PHRASES.sub("", line)) != line:
                line, words = shorter.strip(), shorter.split()
                is_kept = not is_clutter(line, len(words))
            if not is_kept:
                continue
            lines_kept += 1
            words_kept += len(words)
        kept.append(line)
    edited = "\n".join(kept)
    facts = {
        "lines_in": lines_in,
        "lines_removed": lines_in - lines_kept,
        "words_in": words_in,
        "words_removed": words_in - words_kept,
    }
    return Edit(edited, len(text) - len(edited), facts)


def is_clutter(line: str, words: int) -> bool:
    """Whether a line that is not blank goes as a whole.

    >>> [is_clutter(line, len(line.split())) for line in ("1,204 likes", "BUY IT Now", "2023", "Alone", "Two words")]
    [True, True, True, True, False]
    """
    line = line.strip()
    return (
        words < FEWEST_WORDS
        or sum(map(str.isupper, line)) > MOST_CAPITALS * len(line)
        or _DIGITS.fullmatch(line) is not None
        or _COUNTER.fullmatch(line) is not None
    )


FACTS = tuple(refinedweb_lines("").facts)
