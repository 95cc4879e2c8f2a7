"""Words and phrases of a user's list in documents: what the page rule of C4 asks (Raffel et al. 2020, JMLR 21(140)).

    list    one word or phrase a line, UTF-8; blank lines do not count, and nothing is a comment
    count   places where an entry stands as whole words, of any case: "cat sat" stands in "The Cat -- sat", "cat" not
            in "category". In scripts without spaces every letter is a word, so there an entry is found anywhere.

An entry that its words do not spell whole is not sought: "a$$" would be the word "a", and an emoji is no word. Such
entries are named in `BadWords.unsought`. An entry inside another one counts beside it.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.filter import watched
from antimatter.filter.watched import WrongFile
from antimatter.params.filter import WatchedFile
from antimatter.text import phrases
from antimatter.text.phrases import Phrases
from antimatter.text.words import Words, segment, words_of


class BadWords(NamedTuple):
    """A list, ready to be sought."""

    phrases: Phrases
    """owners count the entries that are sought, in the file's order"""
    entries: int
    """lines that are not blank"""
    unsought: tuple[str, ...]
    """entries that cannot be sought, in the file's order"""

    @property
    def warning(self) -> str:
        """For the user: which entries are not sought; empty if all are."""
        if not self.unsought:
            return ""
        named = ", ".join(map(repr, self.unsought[:10])) + (", ..." if len(self.unsought) > 10 else "")
        return (
            f"{len(self.unsought)} of {self.entries} entries of filter.bad_words are not sought, because they hold "
            f"more than words: {named}"
        )


def load(file: WatchedFile) -> BadWords:
    """The list that params.yaml names.

    Raises: WrongFile if it cannot be read, has another digest, or is not UTF-8.
    """
    try:
        text = watched.read(file, "filter.bad_words").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongFile(f"filter.bad_words: {file.path} is not UTF-8 ({error}). Save it as UTF-8.") from error
    return parse(text)


def parse(text: str) -> BadWords:
    """The list in a text, one entry a line."""
    entries = [line.strip() for line in text.splitlines() if line.strip()]
    sought = [entry for entry in entries if "".join(words_of(entry)) == "".join(entry.split())]
    words = segment(pa.array(sought, pa.large_string()))
    numbers = np.arange(len(sought), dtype=np.int32)
    part = phrases.keyed(words.folded[words.ids], words.starts[:-1], np.diff(words.starts), numbers)
    is_sought = set(sought)
    return BadWords(phrases.build([part]), len(entries), tuple(entry for entry in entries if entry not in is_sought))


def count(bad_words: BadWords, words: Words) -> NDArray[np.int32]:
    """int32[n]: places in each of the texts where an entry stands."""
    return phrases.count(phrases.search(bad_words.phrases, words), len(words.starts) - 1)
