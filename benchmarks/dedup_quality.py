"""Deduplication judged: against every pair there is, against labels, against what was planted.

    python benchmarks/dedup_quality.py [WHEEL]      licensedcode_data-32.1.0-py3-none-any.whl, as collect downloads it

WHEEL holds labelled texts: licences, and notices that are a licence's text, of at least 500 characters; the label is
the licence. Labels say "the same work", Jaccard similarity judges the algorithm: both are reported.

What a deduplication should have removed depends on which copies it keeps. So documents are judged by what is left:
    right     removed, and a kept document reaches the threshold with it     precision = right / removed
    missed    kept, though removing duplicates among the kept would remove it   recall = right / (right + missed)
"""

import argparse
import math
import re
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numba import njit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.corpus.reports import read_json
from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import read_shard, shard_name, shard_paths, write_shard
from antimatter.dedup.bands import find_probability
from antimatter.dedup.contents import canonical
from antimatter.dedup.corpus import deduplicate
from antimatter.dedup.shingles import Shingles, shingle_sets
from antimatter.dedup.signatures import band_keys, permutations, signatures
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup

BANDS = ((14, 8), (9, 13), (20, 5), (25, 10), (40, 6))
THRESHOLDS = (0.7, 0.8, 0.9)
LEADERS = (1, 2, 8, 32, 128)
LEAST_CHARACTERS = 500
CATCH_ALL = ("free-unknown", "other-permissive", "proprietary-license")  # labels of what is no one work
PLANTED = 2000  # pairs of each similarity
SHARD = 50_000  # documents


# --- every pair ---------------------------------------------------------------------------------------------------


class Pairs(NamedTuple):
    """All pairs of documents whose Jaccard similarity reaches a threshold, in no order that means anything."""

    left: np.ndarray
    """int32[p], documents"""
    right: np.ndarray
    similarity: np.ndarray
    """float64[p]"""

    def at(self, threshold: float) -> "Pairs":
        chosen = self.similarity >= threshold
        return Pairs(self.left[chosen], self.right[chosen], self.similarity[chosen])


def similar_pairs(shingles: Shingles, threshold: float) -> Pairs:
    """Exact, through an inverted index of each document's rarest shingles: two sets of which neither holds one of the
    other's len - ceil(threshold len) + 1 rarest cannot reach the threshold (Bayardo et al. 2007, All-Pairs)."""
    sizes = np.diff(shingles.starts)
    by_size = np.argsort(sizes, kind="stable")
    place = np.empty(len(sizes), dtype=np.int64)
    place[by_size] = np.arange(len(sizes))
    _, tokens, counts = np.unique(shingles.hashes, return_inverse=True, return_counts=True)
    rarity = np.empty(len(counts), dtype=np.int64)
    rarity[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    tokens = rarity[tokens]
    owner = np.repeat(place, sizes)
    tokens = tokens[np.lexsort((tokens, owner))]
    sizes = sizes[by_size]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    least = np.ceil(threshold * sizes - 1e-9).astype(np.int64)
    seen = np.where(sizes > 0, sizes - least + 1, 0)
    posted = np.arange(len(tokens)) - np.repeat(starts[:-1], sizes) < np.repeat(seen, sizes)
    holders = np.repeat(np.arange(len(sizes), dtype=np.int32), seen)
    holders = holders[np.argsort(tokens[posted], kind="stable")]
    lists = np.concatenate([[0], np.cumsum(np.bincount(tokens[posted], minlength=len(counts)))])
    smallest = np.searchsorted(sizes, least)
    found, document = [], 0
    while document < len(sizes):
        left = np.empty(max(1 << 20, len(sizes)), dtype=np.int32)
        right, similarity = np.empty_like(left), np.empty(len(left))
        document, count = _join(
            document, starts, tokens, seen, lists, holders, smallest, threshold, left, right, similarity
        )
        found.append((by_size[left[:count]], by_size[right[:count]], similarity[:count].copy()))
    left, right, similarity = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Pairs(left, right, similarity)


@njit(cache=True)
def _join(document, starts, tokens, seen, lists, holders, smallest, threshold, left, right, similarity):  # type: ignore[no-untyped-def]
    """Pairs of documents from `document` on with smaller ones, until the arrays may not hold the next one's; (document
    to go on from, pairs)."""
    last = np.full(len(starts) - 1, -1, np.int64)
    count = 0
    while document < len(starts) - 1 and count + document <= len(left):
        first = starts[document]
        for position in range(first, first + seen[document]):
            for index in range(lists[tokens[position]], lists[tokens[position] + 1]):
                other = holders[index]
                if other >= document:
                    break
                if other < smallest[document] or last[other] == document:
                    continue
                last[other] = document
                i, j, shared = first, starts[other], 0
                while i < starts[document + 1] and j < starts[other + 1]:
                    one, two = tokens[i], tokens[j]
                    shared += one == two
                    i += one <= two
                    j += two <= one
                union = starts[document + 1] - first + starts[other + 1] - starts[other] - shared
                if shared / union >= threshold:
                    left[count], right[count], similarity[count] = document, other, shared / union
                    count += 1
        document += 1
    return document, count


def ranks_of(texts: Sequence[str]) -> np.ndarray:
    """int64[n]: 0 for the best: the longest in UTF-8, then the smallest content digest, then the first."""
    digests = [xxhash.xxh3_128_digest(" ".join(unicodedata.normalize("NFC", text).split()).encode()) for text in texts]
    order = sorted(range(len(texts)), key=lambda row: (-len(texts[row].encode()), digests[row], row))
    ranks = np.empty(len(texts), dtype=np.int64)
    ranks[order] = np.arange(len(texts))
    return ranks


def keepers(pairs: Pairs, ranks: np.ndarray) -> np.ndarray:
    """int64[n]: for whom each document leaves, -1 if it stays. In rank order a document leaves if a better one that
    stays is its pair: for the most similar of these, then the best."""
    swapped = ranks[pairs.left] > ranks[pairs.right]
    better = np.where(swapped, pairs.right, pairs.left)
    worse = np.where(swapped, pairs.left, pairs.right)
    order = np.lexsort((ranks[better], -pairs.similarity, ranks[worse]))
    chosen = np.full(len(ranks), -1, dtype=np.int64)
    for other, document in zip(better[order].tolist(), worse[order].tolist(), strict=True):
        if chosen[document] < 0 and chosen[other] < 0:
            chosen[document] = other
    return chosen


class Judged(NamedTuple):
    """A choice of documents beside all pairs; see the head of this file."""

    removed: int
    right: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / self.removed if self.removed else math.nan

    @property
    def recall(self) -> float:
        return self.right / (self.right + self.missed) if self.right + self.missed else math.nan


def judge(kept: np.ndarray, pairs: Pairs, ranks: np.ndarray) -> Judged:
    """kept: bool[n]."""
    has_kept = np.zeros(len(kept), dtype=bool)
    has_kept[pairs.left[kept[pairs.right]]] = True
    has_kept[pairs.right[kept[pairs.left]]] = True
    both = kept[pairs.left] & kept[pairs.right]
    left_over = keepers(Pairs(pairs.left[both], pairs.right[both], pairs.similarity[both]), ranks)
    return Judged(int((~kept).sum()), int((~kept & has_kept).sum()), int((left_over >= 0).sum()))


# --- the stage ----------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What the stage made of n documents."""

    keeper: np.ndarray
    """int64[n]: the document that each left for, -1 if it stayed"""
    similarity: np.ndarray
    """float64[n]: with it, nan if it stayed"""
    cluster: np.ndarray
    """int64[n]: the best document of its connected component"""
    report: dict[str, Any]

    @property
    def kept(self) -> np.ndarray:
        return self.keeper < 0

    @property
    def stars(self) -> np.ndarray:
        """int64[n]: clusters of a kept document and those that left for it."""
        return np.where(self.kept, np.arange(len(self.keeper)), self.keeper)


def ids_of(count: int) -> pa.Array:
    """Of documents of the source "texts" by their numbers."""
    return pa.array([document_id("texts", str(number)) for number in range(count)], type=pa.binary(16))


def write_texts(texts: pa.Array, folder: Path, first: int = 0) -> None:
    """Shards as filter leaves them. first: the number of the first shard, and of its first document by SHARD."""
    for start in range(0, len(texts), SHARD):
        part = texts.slice(start, SHARD).cast(pa.string())
        numbers = range(first * SHARD + start, first * SHARD + start + len(part))
        columns = {
            "id": pa.array([document_id("texts", str(number)) for number in numbers], type=pa.binary(16)),
            "text": part,
            "source": pa.array(["texts"] * len(part)),
            "origin": pa.array([str(number) for number in numbers]),
        }
        missing = {name: pa.nulls(len(part), DOCUMENT.field(name).type) for name in DOCUMENT.names[4:]}
        table = pa.table({**columns, **missing}, schema=DOCUMENT)
        write_shard(folder / shard_name(first + start // SHARD), table)


def run_stage(documents: Path, folder: Path, settings: Dedup, signals: Path | None = None) -> Workspace:
    """The stage as DVC runs it, without publication; its outputs lie in the workspace's folder."""
    work = Workspace("dedup", settings, folder / "work", [], folder / "report.json")
    work.report(deduplicate(work, documents, signals or folder / "no signals", settings))
    work.executor.close()
    return work


def outcome(work: Workspace, count: int) -> Outcome:
    """Of documents written by write_texts."""
    ids = ids_of(count)
    removed = pa.concat_tables(
        read_shard(path, ["id", "kept_id", "similarity"]) for path in shard_paths(work.output / "removed")
    )
    signals = pa.concat_tables(read_shard(path, ["id", "cluster"]) for path in shard_paths(work.output / "signals"))
    keeper, similarity = np.full(count, -1, dtype=np.int64), np.full(count, np.nan)
    rows = _numbers(removed["id"], ids)
    keeper[rows] = _numbers(removed["kept_id"], ids)
    similarity[rows] = removed["similarity"].to_numpy()
    cluster = np.empty(count, dtype=np.int64)
    cluster[_numbers(signals["id"], ids)] = _numbers(signals["cluster"], ids)
    return Outcome(keeper, similarity, cluster, read_json(work.folder / "report.json"))


def _numbers(column: pa.ChunkedArray, ids: pa.Array) -> np.ndarray:
    return np.asarray(
        pc.index_in(column.combine_chunks(), value_set=ids).to_numpy(zero_copy_only=False), dtype=np.int64
    )


def deduplicated(texts: pa.Array, settings: Dedup) -> Outcome:
    with tempfile.TemporaryDirectory() as name:
        write_texts(texts, Path(name) / "documents")
        return outcome(run_stage(Path(name) / "documents", Path(name), settings), len(texts))


# --- texts --------------------------------------------------------------------------------------------------------


class Labelled(NamedTuple):
    text: str
    label: str


def licences(wheel: Path) -> list[Labelled]:
    """Licences and notices of the wheel in the order of their names."""
    found = []
    with zipfile.ZipFile(wheel) as archive:
        for name in sorted(archive.namelist()):
            if not re.fullmatch(r"licensedcode/data/(licenses/.*\.LICENSE|rules/.*\.RULE)", name):
                continue
            _, facts, text = archive.read(name).decode().split("---", 2)
            values = dict(re.findall(r"^(\w+): *(.*?) *$", facts, re.MULTILINE))
            is_text = name.endswith(".LICENSE") or values.get("is_license_text") == "yes"
            label = values.get("key") or values.get("license_expression", "")
            if is_text and len(text.strip()) >= LEAST_CHARACTERS:
                found.append(Labelled(text.strip(), label))
    return found


SYLLABLES = [
    first + vowel for first in "b d f g h j k l m n p r s t v w st tr".split() for vowel in "a e i o u".split()
]
VOCABULARY = 50_000


class Words(NamedTuple):
    """n made-up documents as indices of words, common ones small."""

    starts: np.ndarray
    """int64[n+1]"""
    ids: np.ndarray
    """int32[w]"""

    def texts(self) -> pa.Array:
        """Words of one to three syllables, one space between them."""
        size = len(SYLLABLES)
        vocabulary = []
        for number in range(VOCABULARY):
            word = ""
            while number >= 0:
                word += SYLLABLES[number % size]
                number = number // size - 1
            vocabulary.append(word)
        words = pa.array(vocabulary).take(pa.array(self.ids))
        return pc.binary_join(pa.ListArray.from_arrays(self.starts.astype(np.int32), words), " ")

    def cut(self, rows: np.ndarray, head: np.ndarray | int = 0) -> "Words":
        """Some documents, without their first `head` words."""
        lengths = self.starts[rows + 1] - self.starts[rows] - head
        starts = np.concatenate([[0], np.cumsum(lengths)])
        return Words(
            starts, self.ids[np.arange(starts[-1]) + np.repeat(self.starts[rows] + head - starts[:-1], lengths)]
        )

    def other_ends(self, tail: np.ndarray, draw: np.random.Generator) -> "Words":
        """The last `tail` words of each document drawn anew."""
        lengths = np.diff(self.starts)
        from_end = np.repeat(self.starts[1:], lengths) - np.arange(len(self.ids))
        return Words(self.starts, np.where(from_end <= np.repeat(tail, lengths), drawn(len(self.ids), draw), self.ids))

    def joined(self, other: "Words") -> "Words":
        starts = np.concatenate([self.starts, other.starts[1:] + self.starts[-1]])
        return Words(starts, np.concatenate([self.ids, other.ids]))


def drawn(count: int, draw: np.random.Generator) -> np.ndarray:
    """int32[count] words with the frequencies of Zipf and Mandelbrot: 1 / (rank + 2.7)."""
    limits = np.cumsum(1 / (np.arange(VOCABULARY) + 2.7))
    found = np.empty(count, dtype=np.int32)
    for start in range(0, count, 1 << 22):
        part = found[start : start + (1 << 22)]
        part[:] = np.searchsorted(limits, draw.random(len(part)) * limits[-1])
    return found


def written(lengths: np.ndarray, draw: np.random.Generator) -> Words:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return Words(starts, drawn(int(starts[-1]), draw))


HIGH, LOW = ((0, 1), (1, 0), (2, 0)), ((0, 2), (4, 0), (1, 2))  # (words cut, words drawn anew): J >= 0.9, 0.8 to 0.9


def planted(count: int, seed: int) -> tuple[Words, np.ndarray]:
    """Documents of 30 to 40 words in random order, a tenth of them made from another one, half of these with Jaccard
    similarities of 0.9 and above, half of 0.8 to 0.9.

    Returns the documents, and int64[pairs, 2]: (original, copy).
    """
    draw = np.random.default_rng(seed)
    copies = count // 10
    originals = written(draw.integers(30, 41, count - copies), draw)
    edits = np.array([*HIGH, *LOW])[draw.integers(0, 3, copies) + 3 * (np.arange(copies) % 2)]
    edited = originals.cut(np.arange(copies), edits[:, 0]).other_ends(edits[:, 1], draw)
    order = draw.permutation(count)
    place = np.empty(count, dtype=np.int64)
    place[order] = np.arange(count)
    pairs = np.stack([place[:copies], place[count - copies :]], axis=1)
    return originals.joined(edited).cut(order), pairs


def shingles_of(texts: pa.Array, settings: Dedup) -> Shingles:
    return shingle_sets(canonical(texts), settings.normalization, settings.shingle_words)


# --- tables -------------------------------------------------------------------------------------------------------


def against_every_pair(texts: pa.Array) -> None:
    """Thresholds and bands: which pairs share a bucket, which documents leave."""
    shingles = shingles_of(texts, Dedup())
    ranks = ranks_of(texts.to_pylist())
    every = similar_pairs(shingles, min(THRESHOLDS))
    print(f"\n{'':>9}{'':>7}{'pairs':>29}{'':>10}{'documents':>20}")
    print(
        f"{'threshold':>9}{'bands':>7}{'there':>11}{'found':>9}{'expected':>9}"
        f"{'removable':>12}{'removed':>9}{'right':>8}{'missed':>8}{'recall':>8}{'precision':>11}"
    )
    for threshold in THRESHOLDS:
        pairs = every.at(threshold)
        removable = int((keepers(pairs, ranks) >= 0).sum())
        for bands, rows in BANDS:
            settings = Dedup(bands=bands, rows=rows, threshold=threshold)
            share, expected = found_share(shingles, pairs, settings)
            found = judge(deduplicated(texts, settings).kept, pairs, ranks)
            print(
                f"{threshold:>9}{f'{bands}x{rows}':>7}{len(pairs.left):>11}{share:>9.4f}{expected:>9.4f}"
                f"{removable:>12}{found.removed:>9}{found.right:>8}{found.missed:>8}"
                f"{found.recall:>8.4f}{found.precision:>11.4f}",
                flush=True,
            )


def found_share(shingles: Shingles, pairs: Pairs, settings: Dedup) -> tuple[float, float]:
    """Share of pairs that share a bucket, and the share that the S-curve promises for their similarities."""
    signed = signatures(shingles, permutations(settings.bands * settings.rows, settings.seed))
    keys = band_keys(signed, settings.bands, np.zeros(len(signed), dtype=np.uint64))
    shared = np.zeros(len(pairs.left), dtype=bool)
    for band in range(settings.bands):
        shared |= keys[pairs.left, band] == keys[pairs.right, band]
    promised = [find_probability(float(j), settings.bands, settings.rows) for j in np.unique(pairs.similarity)]
    where = np.searchsorted(np.unique(pairs.similarity), pairs.similarity)
    return float(shared.mean()), float(np.array(promised)[where].mean())


def against_labels(documents: list[Labelled], texts: pa.Array) -> None:
    """Pairs of one cluster beside pairs of one label; documents of catch-all labels take part but are not judged."""
    labels = np.unique([document.label for document in documents], return_inverse=True)[1]
    judged = np.array([document.label not in CATCH_ALL for document in documents])
    print(f"\n{'threshold':>9}  {'clusters':<12}{'number':>8}{'precision':>11}{'recall':>8}{'F1':>8}{'ARI':>8}")
    for threshold in THRESHOLDS:
        result = deduplicated(texts, Dedup(threshold=threshold))
        for name, clusters in (("keepers", result.stars), ("components", result.cluster)):
            precision, recall, index = agreement(clusters[judged], labels[judged])
            f1 = 2 * precision * recall / (precision + recall)
            number = len(np.unique(clusters))
            print(f"{threshold:>9}  {name:<12}{number:>8}{precision:>11.4f}{recall:>8.4f}{f1:>8.4f}{index:>8.4f}")


def agreement(clusters: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """(precision, recall) of pairs that share a cluster, as to sharing a label; adjusted Rand index (Hubert & Arabie
    1985, equation 5)."""

    def pairs(*columns: np.ndarray) -> float:
        counts = np.unique(np.stack(columns), axis=1, return_counts=True)[1].astype(np.float64)
        return float((counts * (counts - 1) / 2).sum())

    both, one, other = pairs(clusters, labels), pairs(clusters), pairs(labels)
    expected = one * other / (len(labels) * (len(labels) - 1) / 2)
    return both / one, both / other, (both - expected) / ((one + other) / 2 - expected)


def leaders(texts: pa.Array) -> None:
    print(f"\n{'leaders_per_bucket':>18}{'removed':>9}{'comparisons':>13}{'left out':>10}")
    for most in LEADERS:
        result = deduplicated(texts, Dedup(leaders_per_bucket=most))
        compared, left_out = comparisons(result.report)
        print(f"{most:>18}{int((~result.kept).sum()):>9}{compared:>13}{left_out:>10}")


def comparisons(report: dict[str, Any]) -> tuple[int, int]:
    """Exact comparisons, and leaders that a full bucket kept a document from meeting."""
    return report["candidates"]["compared"], report["candidates"]["left_out"]


def planted_similarities() -> None:
    """Pairs of made-up documents of 204 words, 200 shingles, one of them with other words at its end."""
    draw = np.random.default_rng(5)
    targets = np.repeat(np.arange(50, 101, 5) / 100, PLANTED)
    originals = written(np.full(len(targets), 204), draw)
    tails = np.round(200 * (1 - targets) / (1 + targets)).astype(np.int64)
    copies = originals.other_ends(tails, draw)
    settings = Dedup(threshold=0.4)
    result = deduplicated(originals.joined(copies).texts(), settings)
    n = len(targets)
    found = (result.keeper[:n] == np.arange(n, 2 * n)) | (result.keeper[n:] == np.arange(n))
    print(f"\n{PLANTED} planted pairs each, {settings.bands} bands of {settings.rows}")
    print(f"{'similarity':>10}{'found':>9}{'S-curve':>9}{'deviations':>12}")
    for target in np.unique(targets):
        chosen = targets == target
        tail = int(tails[chosen][0])
        promised = find_probability((200 - tail) / (200 + tail), settings.bands, settings.rows)
        share = float(found[chosen].mean())
        spread = math.sqrt(promised * (1 - promised) / PLANTED)
        apart = f"{(share - promised) / spread:>12.1f}" if spread > 1e-9 else f"{'-':>12}"
        print(f"{(200 - tail) / (200 + tail):>10.3f}{share:>9.4f}{promised:>9.4f}{apart}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, nargs="?", help="licensedcode_data-32.1.0-py3-none-any.whl")
    options = parser.parse_args()
    planted_similarities()
    if options.wheel is None:
        print("no WHEEL: what follows with one is left out")
        return
    documents = licences(options.wheel)
    texts = pa.array([document.text for document in documents], type=pa.large_string())
    labels = {document.label for document in documents}
    print(f"\n{len(documents)} licence texts of {len(labels)} labels, {texts.nbytes / 1e6:.1f} MB")
    against_every_pair(texts)
    against_labels(documents, texts)
    leaders(texts)


if __name__ == "__main__":
    main()
