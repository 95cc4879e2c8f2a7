"""Evaluation items in documents: found by exact n-grams of words, with the item that each one belongs to.

    data/benchmarks/quiz.jsonl, item 17      query "Where did the ... to rest?"   choices "On the mat.", "On a chair."
    sought (13-grams)                        those of the query, of each choice, and of query + " " + each choice
    a document with three of them            matches 3, set quiz, item 17

The method is that of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C). Here we depart from it:

- Words are runs of letters, digits and marks in lower case (`segment(..., loose=True)`): no way of writing punctuation
  hides an item. Items are sought in NFC, and in NFKC where that differs: clean makes ligatures and wide letters plain.
- The words that most queries of a set begin or end with ("Question:") are a template and not sought, but for items
  that are too short without them.
- A query of fewer than `ngram` but at least `shortest` words is sought whole; of items with a shorter one query and
  choice together, if they have that many. What is shorter still is not sought, and counted. GPT-3's filter seeks
  13-grams alone; the analysis of overlaps after its training goes down to 8 words.
- Where most words of an item are single letters (Han, kana, Thai), both numbers are doubled: 26 letters say what 13
  words say, 13 are the name of a ministry.
- Sequences of fewer than four different words ("ha ha ha"), or without a letter (1 2 3 4), are not sought.
- A document is removed, or the shared words alone are cut out. GPT-3 cuts 200 characters on either side as well, drops
  pieces of under 200 characters, and documents that fell into more than 10 pieces.
- N-grams that occur in many documents count like all others: GPT-3 ignores those in more than 10. A licence text in an
  evaluation set would thus remove all its copies; the report tells the matches of each set.
- An n-gram of several items of a set belongs to the first of them, in the set's order.
"""

import itertools
import json
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path
from antimatter.filter import evaluation_sets
from antimatter.filter.evaluation_sets import Template
from antimatter.params.filter import Decontamination
from antimatter.text import phrases
from antimatter.text.phrases import Keyed, Matches, Phrases
from antimatter.text.words import ALONE_KIND, HAS_LETTER, segment

_SETS = b"antimatter.sets"
_ITEMS_AT_ONCE = 10_000
_FEWEST_WORDS = 4  # different ones in a sequence that is sought


class Sought(NamedTuple):
    """One evaluation set in the index."""

    name: str
    items: int
    sought: int
    """Items of which anything is sought; the others are too short."""
    template: str = ""
    """Words around most queries, which are not sought: "question ... answer"."""


class Index(NamedTuple):
    """What is sought. The owner of a phrase is 2 * the number of its item, counted through all sets; + 1 if the phrase
    is a whole query, or query and choice, of fewer words than an n-gram."""

    phrases: Phrases
    sets: tuple[Sought, ...]
    """By name."""
    ids: pa.Array
    """string[I]: of each item in its set"""

    @property
    def firsts(self) -> NDArray[np.int64]:
        """int64[S+1]: the items of set s have the numbers firsts[s] to firsts[s + 1] - 1."""
        return np.cumsum([0, *(sought.items for sought in self.sets)], dtype=np.int64)


class Contamination(NamedTuple):
    """What n documents share with S evaluation sets."""

    matches: np.ndarray
    """int32[n]: words of the document at which a sought phrase begins; at least the minimum if it is a whole one"""
    by_set: np.ndarray
    """int32[n, S]: the same by set; a phrase of two sets counts for both"""
    reaches: np.ndarray
    """bool[n]: matches >= minimum"""
    sets: pa.Array
    """string[n]: the set with most matches (of equals the first), null if there is none"""
    items: pa.Array
    """string[n]: id of the item with most matches in that set (of equals the first), null if there is none"""
    found: Matches
    """every place; owners are item numbers of the index"""


def build(folder: Path, settings: Decontamination) -> Index:
    """The index of all sets that the manifest of data/benchmarks lists.

    100,000 items of 80 words with 4 choices (6.8 million n-grams) take 6 s and 0.9 GB at the peak; what remains
    takes 133 MB. So it is built once a run, saved, and mapped by the workers.
    Raises: MissingData; DamagedBenchmark, see `evaluation_sets.read`.
    """
    sets: list[Sought] = []
    ids: list[str] = []
    parts: list[Keyed] = []
    for number, each in enumerate(evaluation_sets.read(folder)):
        template = evaluation_sets.template_of([unicodedata.normalize("NFC", query) for query, *_ in each.texts])
        sought = 0
        for start in range(0, len(each.texts), _ITEMS_AT_ONCE):
            items = each.texts[start : start + _ITEMS_AT_ONCE]
            parts.append(_keyed(items, template, settings, len(ids) + start, number))
            sought += len(np.unique(parts[-1].owners >> 1))
        sets.append(Sought(each.name, len(each.texts), sought, template.spelled))
        ids += each.ids
    return Index(phrases.build(parts), tuple(sets), pa.array(ids, pa.string()))


def save(index: Index, path: Path) -> None:
    """Write the index as one Arrow file (a row of lists) for `load`."""
    columns = {
        name: pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), pa.array(values))
        for name, values in (*index.phrases._asdict().items(), ("ids", index.ids))
    }
    schema = pa.schema(
        [pa.field(name, column.type) for name, column in columns.items()],
        {_SETS: json.dumps([list(sought) for sought in index.sets])},
    )
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, schema) as file:
        file.write_batch(pa.record_batch(list(columns.values()), schema=schema))


def load(path: Path) -> Index:
    """The index that `save` wrote, mapped: it takes no time, and all workers of a machine share its memory."""
    with pa.memory_map(str(path)) as mapped:
        table = pa.ipc.open_file(mapped).read_all()
    values = {name: table.column(name).chunk(0).values for name in table.column_names}
    arrays = [values[name].to_numpy(zero_copy_only=True) for name in Phrases._fields]
    sets = tuple(Sought(*row) for row in json.loads(table.schema.metadata[_SETS]))
    return Index(Phrases(*arrays), sets, values["ids"])


def search(index: Index, texts: pa.Array, minimum_matches: int = 1) -> Contamination:
    """What each of the texts (string or large_string) shares with the evaluation sets.

    A short item that stands whole counts as `minimum_matches`, because it cannot have more.
    """
    documents, sets = len(texts), len(index.sets)
    found = _found(index, texts)
    items, is_whole = found.owners >> 1, found.owners & 1 == 1
    set_of = np.searchsorted(index.firsts, items, side="right") - 1
    places, _ = _different(found.documents, found.positions)
    matches = np.bincount(places, minlength=documents).astype(np.int32)
    rows, columns, _ = _different(found.documents, set_of, found.positions)
    by_set = np.bincount(rows * max(1, sets) + columns, minlength=documents * sets)
    by_set = by_set.reshape(documents, sets).astype(np.int32)
    np.maximum.at(matches, found.documents[is_whole], minimum_matches)
    np.maximum.at(by_set, (found.documents[is_whole], set_of[is_whole]), minimum_matches)
    best_set, best_item = np.full(documents, -1), np.full(documents, -1)
    if len(items):
        best = by_set.argmax(axis=1)
        of_best = best[found.documents] == set_of
        pairs, pair_of = np.unique(np.stack([found.documents[of_best], items[of_best]]), axis=1, return_inverse=True)
        weights = np.bincount(pair_of.reshape(-1), np.where(is_whole[of_best], minimum_matches, 1))
        order = np.lexsort((pairs[1], -weights, pairs[0]))
        rows, first = np.unique(pairs[0][order], return_index=True)
        best_set[rows], best_item[rows] = best[rows], pairs[1][order][first]
    names = pa.array([sought.name for sought in index.sets], pa.string())
    return Contamination(
        matches,
        by_set,
        matches >= minimum_matches,
        _taken(names, best_set),
        _taken(index.ids, best_item),
        found._replace(owners=items),
    )


def _found(index: Index, texts: pa.Array) -> Matches:
    """Every place; without anything to seek, texts are not looked at."""
    if not len(index.phrases.keys):
        return Matches(*(np.zeros(0, dtype=np.int64) for _ in Matches._fields))
    return phrases.search(index.phrases, segment(texts, loose=True))


def _different(*columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The different rows of these columns, in order."""
    order = np.lexsort(columns[::-1])
    ordered = [column[order] for column in columns]
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = np.any([column[1:] != column[:-1] for column in ordered], axis=0)
    return [column[is_first] for column in ordered]


def matched_items(index: Index, owners: NDArray[np.int64]) -> list[int]:
    """How many different items of each set are among these owners of matches."""
    found = np.unique(owners)
    return [int(number) for number in np.diff(np.searchsorted(found, index.firsts))]


def _taken(values: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    """values[rows], null where a row is negative."""
    return values.take(pa.array(rows, pa.int64(), mask=rows < 0))


def _keyed(items: list[list[str]], template: Template, settings: Decontamination, first: int, group: int) -> Keyed:
    """What is sought of these items of a set, the first of which has the number `first`."""
    ways, numbers = [], []
    for number, texts in enumerate(items, start=first):
        plain = [unicodedata.normalize("NFC", text) for text in texts]
        compatible = [unicodedata.normalize("NFKC", text) for text in texts]
        ways += [plain] if compatible == plain else [plain, compatible]
        numbers += [number] if compatible == plain else [number, number]
    words = segment(pa.array(itertools.chain.from_iterable(ways), pa.large_string()), loose=True)
    firsts = np.cumsum([0, *(len(texts) for texts in ways)], dtype=np.int64)
    hashes, kinds = words.folded[words.ids], words.kinds[words.ids]
    begins, ends = words.starts[firsts[:-1]], words.starts[firsts[:-1] + 1]
    begins, ends = evaluation_sets.without_template(hashes, begins, ends, template)
    # all that is new against the words themselves are the seams: two at most before each choice
    room = len(hashes) + 4 * (2 * settings.ngram - 1) * int(firsts[-1])
    sizes = settings.ngram, settings.shortest, room
    owners = np.array(numbers, np.int32)
    joined, starts, lengths, owners = _sought(hashes, kinds, words.starts, begins, ends, firsts, owners, *sizes)
    return phrases.keyed(joined, starts, lengths, owners, group)


@njit(cache=True)
def _sought(words, kinds, starts, begins, ends, firsts, numbers, ngram, shortest, room):  # type: ignore[no-untyped-def]
    """(words, begins, lengths, owners) of the phrases of items.

    The texts of item i are firsts[i] to firsts[i + 1] - 1, the query first; its own words, without the template, are
    begins[i] to ends[i] - 1.
    """
    joined, has_letter = np.empty(room, np.uint64), np.empty(room, np.bool_)
    joined[: len(words)], has_letter[: len(words)] = words, kinds & HAS_LETTER != 0
    used = len(words)
    rows, count = np.empty((room + 2 * len(firsts), 3), np.int64), 0
    for item in range(len(firsts) - 1):
        query, behind, owner = firsts[item], firsts[item + 1], 2 * np.int64(numbers[item])
        alone = 0
        for place in range(starts[query], starts[behind]):
            alone += kinds[place] & ALONE_KIND != 0
        factor = 2 if 2 * alone > starts[behind] - starts[query] else 1
        most, least = factor * ngram, factor * shortest
        begin, end, whole_begin, whole_end = begins[item], ends[item], starts[query], starts[query + 1]
        own = end - begin
        if own >= least:
            count = _windows(joined, has_letter, begin, end, most, owner, rows, count)
        elif (
            own > 0 and whole_end - whole_begin >= least
        ):  # too short without its template: n-grams that hold all of it
            low, high = max(whole_begin, end - most), min(whole_end, begin + most)
            count = _windows(joined, has_letter, low, high, most, owner, rows, count)
        for choice in range(query + 1, behind):
            start, stop = starts[choice], starts[choice + 1]
            if stop - start >= most:
                count = _windows(joined, has_letter, start, stop, most, owner, rows, count)
            whole = own + stop - start
            template = whole_end - end  # its words between query and choice
            if own < least <= whole or whole >= most:
                length = _seam(joined, has_letter, used, begin, end, start, stop, most)
                if length >= min(whole, most):
                    count = _windows(joined, has_letter, used, used + length, most, owner, rows, count)
                used += length
            elif own > 0 and whole < least <= whole_end - whole_begin + stop - start and whole + template <= most:
                length = _seam(joined, has_letter, used, whole_begin, whole_end, start, stop, most)
                count = _windows(
                    joined, has_letter, used + max(0, length - most), used + length, most, owner, rows, count
                )
                used += length
            if own < least <= whole + template and 0 < template < most:
                length = _seam(joined, has_letter, used, begin, whole_end, start, stop, most)
                if length >= min(whole + template, most):
                    count = _windows(joined, has_letter, used, used + length, most, owner, rows, count)
                used += length
    return joined[:used], rows[:count, 0].copy(), rows[:count, 1].copy(), rows[:count, 2].astype(np.int32)


@njit(cache=True)
def _seam(words, has_letter, used, begin, end, start, stop, most):  # type: ignore[no-untyped-def]
    """Put the words around the border of two texts behind the others: all windows that reach over it lie there.
    Returns how many words."""
    before, after = min(end - begin, most - 1), min(stop - start, most - 1)
    words[used : used + before] = words[end - before : end]
    words[used + before : used + before + after] = words[start : start + after]
    has_letter[used : used + before] = has_letter[end - before : end]
    has_letter[used + before : used + before + after] = has_letter[start : start + after]
    return before + after


@njit(cache=True)
def _windows(words, has_letter, start, stop, most, owner, rows, count):  # type: ignore[no-untyped-def]
    """Enter (begin, length, owner) of all windows of `most` words, or of the one whole, that say enough; returns how
    many rows there are now."""
    length = min(most, stop - start)
    for begin in range(start, stop - length + 1):
        different, letters = 0, False
        for place in range(begin, begin + length):
            if different < _FEWEST_WORDS:
                is_new = True
                for earlier in range(begin, place):
                    is_new &= words[earlier] != words[place]
                different += is_new
            letters |= has_letter[place]
            if letters and different == _FEWEST_WORDS:
                rows[count, 0], rows[count, 1], rows[count, 2] = begin, length, owner + (length < most)
                count += 1
                break
    return count
