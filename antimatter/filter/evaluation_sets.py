"""The evaluation sets in data/benchmarks, read and checked, and the template that most queries of a set share.

    "Question: Which gas do plants take in?"        the words of most other queries begin with "question" too:
    "Question: What is a glacier made of?" ...      a template

The same item elsewhere need not have it, so it is not sought (antimatter/filter/decontaminate.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.collect.drafts import parse_json
from antimatter.corpus.shards import require
from antimatter.errors import AntiMatterError
from antimatter.text.loose_words import loose_words_of
from antimatter.text.words import fold, segment

_FEWEST_QUERIES = 20  # of which a template can be known
_LONGEST_TEMPLATE = 16
"""Words on either side: room for an instruction; of a passage that most queries share the rest remains."""
_ADVICE = "Run `dvc repro benchmarks`."


class DamagedBenchmark(AntiMatterError):
    """A file of data/benchmarks is not what its manifest promises."""


class EvaluationSet(NamedTuple):
    """One set, in the order of its file."""

    name: str
    ids: list[str]
    texts: list[list[str]]
    """[query, *choices] of each item"""


class Template(NamedTuple):
    """Loose words, folded, that stand around most queries of a set."""

    start: list[np.uint64]
    """hashes; the first word is the outermost one"""
    end: list[np.uint64]
    """hashes; the last word of a query comes first"""
    spelled: str
    """For the report: "question", "question ... answer"; empty if there is none."""


def read(folder: Path) -> Iterator[EvaluationSet]:
    """All sets that the manifest of data/benchmarks lists, by name.

    Raises: MissingData; DamagedBenchmark naming the file, and the line where there is one, if the manifest or an item
    has another shape, if a set does not hold the items that the manifest counts, or if the manifest leaves a set out.
    """
    manifest = require(folder / "manifest.json")
    counts = _counts(manifest)
    for path in sorted(folder.glob("*.jsonl")):
        if path.stem not in counts:
            raise DamagedBenchmark(
                f"{folder} holds {path.name}, which {manifest.name} does not list: its items are not sought. {_ADVICE}"
            )
    for name, count in sorted(counts.items()):
        path = require(folder / f"{name}.jsonl")
        with open(path, "rb") as file:
            items = [_item(path, number, line) for number, line in enumerate(file, start=1)]
        if len(items) != count:
            raise DamagedBenchmark(f"{path} holds {len(items)} items, {manifest.name} promises {count}. {_ADVICE}")
        yield EvaluationSet(name, [identity for identity, _ in items], [texts for _, texts in items])


def template_of(queries: list[str]) -> Template:
    """The words that more than half of the queries begin with or end with; of fewer than 20 queries none.

    One word after the other is taken away from the queries that have it, as long as most do.
    """
    words = segment(pa.array(queries, pa.large_string()), loose=True)
    hashes = words.folded[words.ids]
    begins, ends = words.starts[:-1].copy(), words.starts[1:].copy()
    found: dict[str, list[np.uint64]] = {"start": [], "end": []}
    spelled: dict[str, list[str]] = {"start": [], "end": []}
    for side, steps in found.items():
        for _ in range(_LONGEST_TEMPLATE if len(queries) >= _FEWEST_QUERIES else 0):
            rows = np.flatnonzero(begins < ends)
            places = begins[rows] if side == "start" else ends[rows] - 1
            values, firsts, counts = np.unique(hashes[places], return_index=True, return_counts=True)
            if not len(counts) or 2 * counts.max() <= len(queries):
                break
            first = firsts[counts.argmax()]
            row = rows[first]
            steps.append(values[counts.argmax()])
            spelled[side].append(fold(loose_words_of(queries[row])[places[first] - words.starts[row]]))
            has_word = rows[hashes[places] == steps[-1]]
            if side == "start":
                begins[has_word] += 1
            else:
                ends[has_word] -= 1
    around = " ... ".join(" ".join(part) for part in (spelled["start"], spelled["end"][::-1]) if part)
    return Template(found["start"], found["end"], around if spelled["start"] or not around else f"... {around}")


def without_template(
    hashes: NDArray[np.uint64], begins: NDArray[np.int64], ends: NDArray[np.int64], template: Template
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(begins, ends) in `hashes` of the queries' own words."""
    begins, ends = begins.copy(), ends.copy()
    for word in template.start:
        rows = np.flatnonzero(begins < ends)
        begins[rows[hashes[begins[rows]] == word]] += 1
    for word in template.end:
        rows = np.flatnonzero(begins < ends)
        ends[rows[hashes[ends[rows] - 1] == word]] -= 1
    return begins, ends


def _counts(manifest: Path) -> dict[str, int]:
    """Items by set."""
    try:
        counts: dict[str, int] = {}
        for entry in _expected(_expected(parse_json(manifest.read_bytes()), dict).get("benchmarks"), list):
            name, items = _expected(entry, dict).get("name"), entry.get("items")
            if _expected(name, str) in counts:
                raise ValueError(f"{name} stands twice")
            counts[name] = _expected(items, int)
    except ValueError as error:
        raise DamagedBenchmark(f"{manifest} is no list of sets and their items ({error}). {_ADVICE}") from error
    return counts


def _item(path: Path, number: int, line: bytes) -> tuple[str, list[str]]:
    """(id, [query, *choices])"""
    try:
        item = _expected(parse_json(line), dict)
        texts = [item.get("id"), item.get("query"), *_expected(item.get("choices"), list)]
        for text in texts:
            _expected(text, str).encode()  # what UTF-8 cannot hold is no text
    except ValueError as error:
        raise DamagedBenchmark(f"{path}, line {number} is no item ({error}). {_ADVICE}") from error
    return texts[0], texts[1:]


def _expected(value: Any, kind: type) -> Any:
    """The value itself. Raises: ValueError if it is of another type."""
    if type(value) is not kind:
        raise ValueError(f"{kind.__name__} expected, {value!r:.40} found")
    return value
