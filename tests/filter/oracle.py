"""The signals of a text as they are defined, in plain Python: slow, short, and independent of the kernels.

Words are compared as words, never by a hash; every share is one division of two whole numbers. Only the lists of
characters, abbreviations and stop words are those of the product.
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from itertools import groupby, pairwise
from typing import TypeVar

from antimatter.text.characters import ABBREVIATIONS, ALONE, BULLETS, END_MARKS, NO_SPACE_MARKS, STOP_WORDS

ELLIPSES = ("...", "\u2026")
SHORT_LINE = 30  # characters
Item = TypeVar("Item", bound=Hashable)
WEB_ADDRESS = re.compile(r"://|www\.", re.IGNORECASE | re.ASCII)


def signals(text: str) -> dict[str, int | float]:
    """Every signal by name, in the order of the columns of data/filtered/signals.

    >>> found = signals("The cat sat.\\nThe cat sat.")
    >>> found["words"], found["duplicate_line_share"], found["repeated_line_share"]
    (6, 1.0, 0.5)
    """
    words, lines, paragraphs = words_of(text), lines_of(text), paragraphs_of(text)
    return {
        "characters": len(text),
        "words": len(words),
        "lines": len(lines),
        "paragraphs": len(paragraphs),
        "sentences": sentences_of(text),
        **signals_of_words(words),
        "mean_line_length": share(length(lines), len(lines)),
        **{f"{name}_word_share": share(count, len(words)) for name, count in kinds_of_words(words).items()},
        "unique_word_share": share(len(set(words)), len(words)),
        "unigram_entropy": entropy(words),
        "hash_to_word_ratio": share(text.count("#"), len(words)),
        "ellipsis_to_word_ratio": share(sum(map(text.count, ELLIPSES)), len(words)),
        **{name: share(count, len(lines)) for name, count in kinds_of_lines(lines).items()},
        "newline_to_word_ratio": share(text.count("\n"), len(words)),
        **shares_of_characters(text),
        **covered_repetition(words, lines, paragraphs),
        **datatrove_repetition(text, words, lines, paragraphs),
    }


def words_of(text: str) -> list[str]:
    """The words of a text: runs of non-space characters without what surrounds them, cut around letters of scripts
    that write no spaces.

    >>> words_of('"Don\\'t," they said (twice) -- 我们 well-known #tag')
    ["Don't", 'they', 'said', 'twice', '我', '们', 'well-known', 'tag']
    """
    return [word for token in text.split() for piece in pieces_of(token) if (word := trimmed(piece))]


def pieces_of(token: str) -> list[str]:
    """The token cut before and behind each letter that stands alone; its marks go with it."""
    cuts = [0]
    is_alone = False
    for place, character in enumerate(token):
        if stands_alone(character):
            cuts.append(place)
            is_alone = True
        elif is_alone and not is_mark(character):
            cuts.append(place)
            is_alone = False
    return [token[start:end] for start, end in pairwise([*cuts, len(token)])]


def trimmed(piece: str) -> str:
    """From the first letter or digit to the last one and the marks behind it; empty if there is none."""
    places = [place for place, character in enumerate(piece) if character.isalnum()]
    if not places:
        return ""
    end = places[-1] + 1
    while end < len(piece) and is_mark(piece[end]):
        end += 1
    return piece[places[0] : end]


def lines_of(text: str) -> list[str]:
    """Lines without the space around them; blank ones are none."""
    return [line.strip() for line in text.split("\n") if line.strip()]


def paragraphs_of(text: str) -> list[tuple[str, ...]]:
    """Lines in a row without a blank line between them."""
    runs = groupby(text.split("\n"), key=lambda line: line.strip() != "")
    return [tuple(line.strip() for line in run) for is_paragraph, run in runs if is_paragraph]


def sentences_of(text: str) -> int:
    """Sentences; a line holds whole ones.

    >>> sentences_of("Mr. Smith went home. He slept.\\nA heading")
    3
    """
    return sum(map(sentences_of_line, lines_of(text)))


def sentences_of_line(line: str) -> int:
    sentences = position = 0
    has_word = False
    while position < len(line):
        end = position + 1
        if line[position] in END_MARKS and has_word:
            while end < len(line) and (line[end] in END_MARKS or is_closer(line[end])):
                end += 1
            if is_boundary(line, position, end):
                sentences += 1
                has_word = False
        elif line[position].isalnum():
            has_word = True
        position = end
    return sentences + has_word


def is_boundary(line: str, start: int, end: int) -> bool:
    """Whether a sentence ends with the run line[start:end] of end marks and closers."""
    if end == len(line):
        return True
    run = line[start:end]
    if not line[end].isspace():
        return any(mark in NO_SPACE_MARKS for mark in run) and not line[end].islower()
    following = end
    while line[following].isspace():  # a stripped line does not end in space
        following += 1
    if line[following].islower():
        return False
    if [mark for mark in run if mark in END_MARKS] == ["."]:
        before = start
        while before > 0 and line[before - 1].isalnum():
            before -= 1
        word = line[before:start]
        is_initial = len(word) == 1 and word.isupper()
        return not is_initial and folded(word) not in ABBREVIATIONS
    return True


def folded(word: str) -> str:
    """In lower case, character by character, where that is one character."""
    return "".join(lower if len(lower := character.lower()) == 1 else character for character in word)


def stands_alone(character: str) -> bool:
    return character.isalpha() and any(first <= ord(character) <= last for first, last in ALONE)


def is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def is_closer(character: str) -> bool:
    return character in ("'", '"') or unicodedata.category(character) in ("Pe", "Pf")


def share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def length(texts: Iterable[str]) -> int:
    return sum(map(len, texts))


def signals_of_words(words: list[str]) -> dict[str, int | float]:
    return {
        "stop_words": len({folded(word) for word in words} & set(STOP_WORDS)),
        "longest_word": max(map(len, words), default=0),
        "mean_word_length": share(length(words), len(words)),
    }


def kinds_of_words(words: list[str]) -> dict[str, int]:
    """Words of each kind."""
    return {
        "alphabetic": sum(any(map(str.isalpha, word)) for word in words),
        "capital": sum(any(map(str.isupper, word)) and not any(map(str.islower, word)) for word in words),
        "stop": sum(folded(word) in STOP_WORDS for word in words),
    }


def entropy(words: list[str]) -> float:
    """Nats; a Counter keeps the order of first occurrence."""
    total = 0.0
    for count in Counter(words).values():
        total -= count / len(words) * math.log(count / len(words))
    return round(total, 9)


def kinds_of_lines(lines: list[str]) -> dict[str, int]:
    """Lines of each kind."""
    return {
        "bullet_line_share": sum(line[0] in BULLETS for line in lines),
        "ellipsis_line_share": sum(line.endswith(ELLIPSES) for line in lines),
        "end_mark_line_share": sum(ends_in_mark(line) for line in lines),
        "end_mark_line_share_datatrove": sum(line[-1] in END_MARKS for line in lines),
        "short_line_share": sum(len(line) < SHORT_LINE for line in lines),
        "short_line_share_datatrove": sum(len(line) <= SHORT_LINE for line in lines),
    }


def ends_in_mark(line: str) -> bool:
    """Whether the last character that closes no bracket or quotation is an end mark."""
    last = next((character for character in reversed(line) if not is_closer(character)), "")
    return last in END_MARKS


def shares_of_characters(text: str) -> dict[str, float]:
    categories = Counter(unicodedata.category(character)[0] for character in text)
    letters = sum(map(str.isalpha, text))
    counts = {
        "digit_share": sum(map(str.isdecimal, text)),
        "letter_share": letters,
        "upper_case_share": sum(character.isupper() and character.isalpha() for character in text),
        "whitespace_share": sum(map(str.isspace, text)),
        "punctuation_share": categories["P"],
        "symbol_share": categories["S"],
        "bracket_share": sum(map(text.count, "()[]{}")),
        "curly_bracket_share": sum(map(text.count, "{}")),
        "non_alphanumeric_share": sum(not (character.isalnum() or character.isspace()) for character in text),
        "url_share": length(token for token in text.split() if WEB_ADDRESS.search(token)),
    }
    wholes = {"upper_case_share": letters}
    return {name: share(count, wholes.get(name, len(text))) for name, count in counts.items()}


def covered_repetition(words: list[str], lines: list[str], paragraphs: list[tuple[str, ...]]) -> dict[str, int | float]:
    """Repetition where every member of a repeated group counts."""
    repeated_lines = members_of_repeated_groups(lines)
    repeated_paragraphs = members_of_repeated_groups(paragraphs)
    characters = length(words)
    return {
        "duplicate_line_share": share(len(repeated_lines), len(lines)),
        "duplicate_line_character_share": share(length(repeated_lines), length(lines)),
        "duplicate_paragraph_share": share(len(repeated_paragraphs), len(paragraphs)),
        "duplicate_paragraph_character_share": share(sum(map(length, repeated_paragraphs)), length(lines)),
        **{f"top_{n}gram_share": share(top_cover(words, n), characters) for n in (2, 3, 4)},
        **{f"duplicate_{n}gram_share": share(duplicate_cover(words, n), characters) for n in range(5, 11)},
    }


def members_of_repeated_groups(items: Sequence[Item]) -> list[Item]:
    counts = Counter(items)
    return [item for item in items if counts[item] >= 2]


def places_of_ngrams(words: list[str], n: int) -> dict[tuple[str, ...], list[int]]:
    """Positions at which each n-gram begins, in the order of first occurrence."""
    places = defaultdict(list)
    for start in range(len(words) - n + 1):
        places[tuple(words[start : start + n])].append(start)
    return dict(places)


def cover(words: list[str], starts: Iterable[int], n: int) -> int:
    """Characters of the words in these n-grams, each word once."""
    return sum(len(words[place]) for place in {start + step for start in starts for step in range(n)})


def top_cover(words: list[str], n: int) -> int:
    """What the most frequent n-gram covers if it is repeated; of equally frequent ones the one that covers most."""
    places = places_of_ngrams(words, n).values()
    most = max(map(len, places), default=0)
    return max(cover(words, starts, n) for starts in places if len(starts) == most) if most >= 2 else 0


def duplicate_cover(words: list[str], n: int) -> int:
    """What all repeated n-grams cover together."""
    repeated = [starts for starts in places_of_ngrams(words, n).values() if len(starts) >= 2]
    return cover(words, (start for starts in repeated for start in starts), n)


def datatrove_repetition(
    text: str, words: list[str], lines: list[str], paragraphs: list[tuple[str, ...]]
) -> dict[str, int | float]:
    """Repetition as datatrove counts it: what stood there before."""
    repeated_lines, repeated_paragraphs = repeats(lines), repeats(paragraphs)
    return {
        "repeated_line_share": share(len(repeated_lines), len(lines)),
        "repeated_line_character_share": share(length(repeated_lines), len(text)),
        "repeated_line_character_share_fineweb": share(length(repeated_lines), len(text) - text.count("\n")),
        "repeated_paragraph_share": share(len(repeated_paragraphs), len(paragraphs)),
        "repeated_paragraph_character_share": share(sum(map(length, repeated_paragraphs)), len(text)),
        **{f"top_{n}gram_share_datatrove": share(top_length(words, n), len(text)) for n in (2, 3, 4)},
        **{f"duplicate_{n}gram_share_datatrove": share(revisited(words, n), len(text)) for n in range(5, 11)},
    }


def repeats(items: Sequence[Item]) -> list[Item]:
    """The items that an earlier one equals."""
    seen = set()
    found = []
    for item in items:
        if item in seen:
            found.append(item)
        seen.add(item)
    return found


def top_length(words: list[str], n: int) -> int:
    """The most frequent n-gram, the first of equals, with spaces between its words: its length times its count."""
    places = places_of_ngrams(words, n)
    if not places:
        return 0
    top = max(places, key=lambda ngram: len(places[ngram]))
    return len(" ".join(top)) * len(places[top])


def revisited(words: list[str], n: int) -> int:
    """Characters of n-grams that were seen before; after one of them the walk goes on behind it."""
    visited = set()
    start = characters = 0
    while start + n <= len(words):
        ngram = tuple(words[start : start + n])
        if ngram in visited:
            characters += length(ngram)
            start += n
        else:
            visited.add(ngram)
            start += 1
    return characters
