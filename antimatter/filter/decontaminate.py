"""Evaluation items in documents: found by exact n-grams of words, with the item that each one belongs to.

    data/benchmarks/quiz.jsonl, item 17      query "Where did the ... to rest?"   choices "On the mat.", "On a chair."
    sought (13-grams)                        those of the query, of each choice, and of query + " " + each choice
    a document with three of them            matches 3, set quiz, item 17

The method is that of GPT-3 (Brown et al. 2020, arXiv 2005.14165, appendix C). Here we depart from it:

- Words are those of antimatter.text.words in lower case: punctuation around words does not count, inside it does.
- A query of fewer than `ngram` but at least `shortest` words is sought whole; of items with a shorter one query and
  choice together, if they have that many. What is shorter still is not sought, and counted. GPT-3's filter seeks
  13-grams alone; the analysis of overlaps after its training goes down to 8 words.
- A document is removed, or the shared words alone are cut out. GPT-3 cuts 200 characters on either side as well, drops
  pieces of under 200 characters, and documents that fell into more than 10 pieces.
- N-grams that occur in many documents count like all others: GPT-3 ignores those in more than 10. A licence text in an
  evaluation set would thus remove all its copies; the report tells the matches of each set.
- An n-gram of several items belongs to the first of them, by name of the set, then in the set's order.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import atomic_path, require
from antimatter.errors import AntiMatterError
from antimatter.params.filter import Decontamination
from antimatter.text import phrases
from antimatter.text.phrases import Keyed, Matches, Phrases
from antimatter.text.words import Words, segment, spans_of

PARAGRAPH_BREAK = "\n\n"
_SETS = b"antimatter.sets"
_ITEMS_AT_ONCE = 10_000


class DamagedBenchmark(AntiMatterError):
    """A file of data/benchmarks is not what its manifest promises."""


class Sought(NamedTuple):
    """One evaluation set in the index."""

    name: str
    items: int
    sought: int
    """Items of which anything is sought; the others are too short."""


class Index(NamedTuple):
    """What is sought. Owners of phrases are numbers of items, counted through all sets."""

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
    """int32[n]: places in the document where a sought phrase stands"""
    by_set: np.ndarray
    """int32[n, S]: the same by set"""
    sets: pa.Array
    """string[n]: the set with most matches (of equals the first), null if there is none"""
    items: pa.Array
    """string[n]: id of the item with most matches in that set (of equals the first), null if there is none"""
    found: Matches
    """every place; owners are item numbers of the index"""

    def reaches(self, minimum_matches: int) -> NDArray[np.bool_]:
        """bool[n]: whether a document has so many matches with one set."""
        return np.asarray((self.by_set >= minimum_matches).any(axis=1))


class Masked(NamedTuple):
    """Texts without the shared words."""

    texts: pa.Array
    """of the type that came; the very same array if nothing was cut"""
    characters: np.ndarray
    """int32[n]: characters that were cut: the words, what stands between them, the punctuation that hangs on them"""


def build(folder: Path, settings: Decontamination) -> Index:
    """The index of all sets that the manifest of data/benchmarks lists.

    100,000 items of 80 words with 4 choices (6.8 million n-grams) take 4 s and 0.9 GB at the peak; what remains
    takes 133 MB. So it is built once a run, saved, and mapped by the workers.
    Raises: MissingData; DamagedBenchmark if a file does not hold the items that the manifest counts.
    """
    entries = sorted(read_json(require(folder / "manifest.json"))["benchmarks"], key=lambda entry: str(entry["name"]))
    sets: list[Sought] = []
    ids: list[str] = []
    parts: list[Keyed] = []
    for entry in entries:
        first, sought = len(ids), 0
        for items in _slices(require(folder / f"{entry['name']}.jsonl")):
            part = _keyed([texts for _, texts in items], settings, len(ids))
            sought += len(np.unique(part.owners))
            parts.append(part)
            ids += [identity for identity, _ in items]
        if len(ids) - first != entry["items"]:
            raise DamagedBenchmark(
                f"{folder}/{entry['name']}.jsonl holds {len(ids) - first} items, manifest.json promises "
                f"{entry['items']}. Run `dvc repro benchmarks`."
            )
        sets.append(Sought(str(entry["name"]), len(ids) - first, sought))
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


def search(index: Index, words: Words) -> Contamination:
    """What each of the texts behind `words` shares with the evaluation sets."""
    documents, sets = len(words.starts) - 1, len(index.sets)
    found = phrases.search(index.phrases, words)
    set_of_match = np.searchsorted(index.firsts, found.owners, side="right") - 1
    by_set = np.bincount(found.documents * max(1, sets) + set_of_match, minlength=documents * sets)
    by_set = by_set.reshape(documents, sets).astype(np.int32)
    matches = phrases.count(found, documents)
    best_set, best_item = np.full(documents, -1), np.full(documents, -1)
    if len(found.documents):
        best = by_set.argmax(axis=1)
        of_best = best[found.documents] == set_of_match
        pairs, counts = np.unique(
            np.stack([found.documents[of_best], found.owners[of_best]]), axis=1, return_counts=True
        )
        order = np.lexsort((pairs[1], -counts, pairs[0]))
        rows, first = np.unique(pairs[0][order], return_index=True)
        best_set[rows], best_item[rows] = best[rows], pairs[1][order][first]
    names = pa.array([sought.name for sought in index.sets], pa.string())
    return Contamination(matches, by_set, _taken(names, best_set), _taken(index.ids, best_item), found)


def matched_items(index: Index, owners: NDArray[np.int64]) -> list[int]:
    """How many different items of each set are among these owners of matches."""
    found = np.unique(owners)
    return [int(number) for number in np.diff(np.searchsorted(found, index.firsts))]


def mask(texts: pa.Array, contamination: Contamination, minimum_matches: int = 1) -> Masked:
    """Documents with so many matches with one set lose all their matches; a paragraph break stands where words were.

    A cut goes from the start of the first matched word to the end of the last one; matches that overlap or touch make
    one. The punctuation that hangs on these words goes too, and white space around; the paragraph break is left out at
    either end of the text. What remains is not searched again: an item that stood around another one closes up. Plain
    Python, for matched documents alone.
    """
    characters = np.zeros(len(texts), dtype=np.int32)
    rows = np.flatnonzero(contamination.reaches(minimum_matches))
    edited = []
    documents, positions, lengths, _ = contamination.found
    for row in rows.tolist():
        begin, end = np.searchsorted(documents, [row, row + 1])
        starts, ends = positions[begin:end], positions[begin:end] + lengths[begin:end]
        text, characters[row] = _cut(texts[row].as_py(), starts.tolist(), ends.tolist())
        edited.append(text)
    if not edited:
        return Masked(texts, characters)
    is_edited = np.zeros(len(texts), dtype=bool)
    is_edited[rows] = True
    return Masked(pc.replace_with_mask(texts, pa.array(is_edited), pa.array(edited, texts.type)), characters)


def _cut(text: str, starts: Sequence[int], ends: Sequence[int]) -> tuple[str, int]:
    """(text without the words starts[i] to ends[i] - 1, characters cut); starts ascend."""
    spans = spans_of(text)
    runs: list[list[int]] = []
    for start, end in zip(starts, ends, strict=True):
        if runs and start <= runs[-1][1]:
            runs[-1][1] = max(runs[-1][1], end)
        else:
            runs.append([start, end])
    kept, position, characters = [], 0, 0
    for start, end in runs:
        first, last = spans[start][0], spans[end - 1][1]
        while first > (spans[start - 1][1] if start else 0) and not text[first - 1].isspace():
            first -= 1
        while last < (spans[end][0] if end < len(spans) else len(text)) and not text[last].isspace():
            last += 1
        kept.append(text[position:first])
        characters += last - first
        position = last
    kept.append(text[position:])
    kept = [kept[0].rstrip(), *(piece.strip() for piece in kept[1:-1]), kept[-1].lstrip()]
    return PARAGRAPH_BREAK.join(piece for piece in kept if piece), characters


def _taken(values: pa.Array, rows: NDArray[np.int64]) -> pa.Array:
    """values[rows], null where a row is negative."""
    return values.take(pa.array(rows, pa.int64(), mask=rows < 0))


def _slices(path: Path) -> Iterator[list[tuple[str, list[str]]]]:
    """[(id, [query, *choices])] of some items at a time of a file of data/benchmarks."""
    with open(path, encoding="utf-8") as file:
        lines = enumerate(file, start=1)
        while items := [_item(path, number, line) for number, line in itertools.islice(lines, _ITEMS_AT_ONCE)]:
            yield items


def _item(path: Path, number: int, line: str) -> tuple[str, list[str]]:
    try:
        item: dict[str, Any] = json.loads(line)
        return str(item["id"]), [item["query"], *item["choices"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedBenchmark(f"{path}, line {number} is no item ({error!r}). Run `dvc repro benchmarks`.") from error


def _keyed(items: list[list[str]], settings: Decontamination, first: int) -> Keyed:
    """What is sought of these items, the first of which has the number `first`."""
    words = segment(pa.array([text for texts in items for text in texts], pa.large_string()))
    texts = np.cumsum([0, *(len(texts) for texts in items)], dtype=np.int64)
    hashes = words.folded[words.ids]
    # all that is new against the words themselves are the seams: at most 2 (ngram - 1) words a choice
    room = len(hashes) + 2 * (settings.ngram - 1) * (len(words.starts) - 1)
    sought = _sought(hashes, words.starts, texts, settings.ngram, settings.shortest, room, first)
    return phrases.keyed(*sought)


@njit(cache=True)
def _sought(words, starts, firsts, ngram, shortest, room, number):  # type: ignore[no-untyped-def]
    """Phrases of items whose texts are firsts[item] to firsts[item + 1] - 1, the query first; item 0 is `number`."""
    joined = np.empty(room, np.uint64)
    joined[: len(words)] = words
    used = len(words)
    begins, lengths = np.empty(room + len(firsts), np.int64), np.empty(room + len(firsts), np.int64)
    owners = np.empty(room + len(firsts), np.int32)
    count = 0
    for item in range(len(firsts) - 1):
        query = firsts[item]
        query_words = starts[query + 1] - starts[query]
        for text in range(query, firsts[item + 1]):
            for begin in range(starts[text], starts[text + 1] - ngram + 1):
                begins[count], lengths[count], owners[count] = begin, ngram, number + item
                count += 1
        if shortest <= query_words < ngram:
            begins[count], lengths[count], owners[count] = starts[query], query_words, number + item
            count += 1
        before = min(query_words, ngram - 1)
        for choice in range(query + 1, firsts[item + 1]):
            choice_words = starts[choice + 1] - starts[choice]
            whole = query_words + choice_words
            if whole < ngram and (query_words >= shortest or whole < shortest):
                continue
            behind = min(choice_words, ngram - 1)
            length, whole = before + behind, min(whole, ngram)
            joined[used : used + before] = words[starts[query + 1] - before : starts[query + 1]]
            joined[used + before : used + length] = words[starts[choice] : starts[choice] + behind]
            for begin in range(used, used + length - whole + 1):
                begins[count], lengths[count], owners[count] = begin, whole, number + item
                count += 1
            used += length
    return joined[:used], begins[:count], lengths[:count], owners[:count]
