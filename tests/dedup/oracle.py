"""Deduplication by its definition: plain Python, slow, one function a sentence of the definition.

    pieces -> shingles -> J of two sets        what is compared
    digests, signatures -> who meets whom      exact step, near step
    verdicts                                   who left for whom; ledger and signals, field by field

It shares nothing with antimatter/dedup: words and their hashes are the plain twins in antimatter/text, signatures come
out of datasketch itself, bands are tuples of rows, buckets are dicts. The near step verifies every pair that meets: it
knows none of the ways in which the stage saves comparisons.
"""

import math
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import xxhash
from datasketch import MinHash

from antimatter.params.dedup import Dedup
from antimatter.text.loose_words import loose_words_of
from antimatter.text.words import fold, is_mark, stands_alone, word_hash

MULTIPLIER = 0x9E3779B97F4A7C15
RARE = 10**6

Incoming = tuple[bytes, str, str]
"""id (16 bytes), source, text"""


class Meeting(NamedTuple):
    """What a document found when it met a better ranked, kept one."""

    other: int
    """its number among the incoming documents"""
    similarity: float
    containment: float
    estimate: float
    """share of places in which the signatures agree"""
    bands: int
    """bands in which all rows agree"""
    is_certain: bool
    """neither sizes nor signatures allow to leave the comparison out"""


@dataclass
class Outcome:
    """What happened to every document."""

    kept: list[bytes] = field(default_factory=list)
    """ids in the order of arrival"""
    removed: list[dict[str, Any]] = field(default_factory=list)
    """ledger rows without stage, shard and row, in the order of arrival"""
    signals: list[dict[str, Any]] = field(default_factory=list)
    """one row a document in the order of arrival; for kept documents `nearest` is the best of the certain meetings"""
    met: dict[bytes, dict[bytes, Meeting]] = field(default_factory=dict)
    """by id: every meeting of a document that is the best of its copies"""
    pairs_met: int = 0
    comparisons_left_out: int = 0


def canonical(text: str) -> str:
    """The text after NFC."""
    return unicodedata.normalize("NFC", text)


def content_digest(text: str, normalization: str) -> bytes:
    """16 bytes, equal for exact copies.

    >>> content_digest("a  b\\n", "words") == content_digest(" a b", "words")
    True
    >>> content_digest("a  b", "none") == content_digest("a b", "none")
    False
    """
    text = canonical(text)
    return xxhash.xxh3_128((text if normalization == "none" else " ".join(text.split())).encode()).digest()


def pieces(text: str, normalization: str) -> list[str]:
    """What shingles are made of.

    >>> pieces("Don’t re\\u00adstart\\n\\t水は!", "words")
    ['don', 't', 'restart', '水', 'は']
    >>> pieces("Don’t stop\\n\\t水は!", "spacing")
    ['Don’t', 'stop', '水', 'は', '!']
    >>> pieces("if x:\\n\\ty", "none")
    ['if', ' ', 'x:', '\\n', '\\t', 'y']
    """
    text = canonical(text)
    if normalization == "words":
        return [fold(word) for word in loose_words_of(text)]
    found = [""]
    lone = False  # the last piece is a letter that stands alone, and its marks
    for character in text:
        if character.isspace():
            found += [character, ""] if normalization == "none" else [""]
            lone = False
        elif stands_alone(character):
            found.append(character)
            lone = True
        elif lone and not is_mark(character):
            found.append(character)
            lone = False
        else:
            found[-1] += character
    return [piece for piece in found if piece]


@lru_cache(maxsize=1 << 16)
def _piece_hash(piece: str) -> int:
    return word_hash(piece)


def shingles(text: str, settings: Dedup) -> set[int]:
    """The hashes of all runs of n pieces; of a shorter document, one hash of the whole.

    >>> settings = Dedup(shingle_words=2)
    >>> a, b, c = word_hash("a"), word_hash("b"), word_hash("c")
    >>> shingles("A b. C", settings) == {(a * MULTIPLIER + b) % 2**64, (b * MULTIPLIER + c) % 2**64}
    True
    >>> shingles("A", settings) == {a}, shingles("!", settings)
    (True, set())
    """
    hashes = [_piece_hash(piece) for piece in pieces(text, settings.normalization)]
    n = min(settings.shingle_words, len(hashes))
    powers = [pow(MULTIPLIER, n - 1 - i, 2**64) for i in range(n)]
    runs = range(len(hashes) - n + 1 if n else 0)
    return {sum(h * m for h, m in zip(hashes[start : start + n], powers, strict=True)) % 2**64 for start in runs}


def signature(hashes: set[int], settings: Dedup) -> tuple[int, ...]:
    """datasketch's signature, hash by hash.

    >>> signature({3}, Dedup(bands=1, rows=2)) == signature({3, 3}, Dedup(bands=2, rows=1))
    True
    """
    sketch = _empty(settings.bands * settings.rows, settings.seed).copy()
    for value in sorted(hashes):
        sketch.update(value)
    return tuple(sketch.hashvalues.tolist())


@lru_cache(maxsize=8)
def _empty(permutations: int, seed: int) -> MinHash:
    return MinHash(num_perm=permutations, seed=seed, scheme="affine64", hashfunc=int)


def jaccard(left: set[int], right: set[int]) -> float:
    """|left & right| / |left | right|.

    >>> jaccard({1, 2, 3}, {2, 3, 4})
    0.5
    """
    return len(left & right) / len(left | right)


def may_be_skipped(left: int, right: int, agreements: int, settings: Dedup) -> bool:
    """Whether a pair of sets of these sizes, whose signatures agree in so many places, need not be verified: their
    sizes exclude J >= threshold, or with J = threshold so few places agree less often than once in a million times.

    >>> may_be_skipped(79, 100, 112, Dedup()), may_be_skipped(80, 100, 112, Dedup())
    (True, False)
    >>> may_be_skipped(100, 100, 60, Dedup()), may_be_skipped(100, 100, 80, Dedup())
    (True, False)
    """
    if min(left, right) / max(left, right) < settings.threshold:
        return True
    return agreements < _least_agreements(settings.threshold, settings.bands * settings.rows)


@lru_cache(maxsize=64)
def _least_agreements(threshold: float, places: int) -> int:
    """The fewest that are not unlikely: in whole numbers, since a float is a fraction of them."""
    p, whole = threshold.as_integer_ratio()
    chance = 0  # of so few or fewer, times whole**places
    for agreements in range(places + 1):
        chance += math.comb(places, agreements) * p**agreements * (whole - p) ** (places - agreements)
        if chance * RARE >= whole**places:
            break
    return agreements


def ranking(
    documents: Sequence[Incoming], settings: Dedup, values: Mapping[str, Mapping[bytes, float | None]]
) -> list[int]:
    """Numbers of the documents, best first.

    >>> documents = [(b"a" * 16, "x", "long er"), (b"b" * 16, "y", "short"), (b"c" * 16, "x", "short")]
    >>> ranking(documents, Dedup(), {})
    [0, 1, 2]
    >>> ranking(documents, Dedup(keep=("source", "-length"), source_priority=("y",)), {})
    [1, 2, 0]
    """

    def key(number: int) -> list[Any]:
        id, source, text = documents[number]
        places: list[Any] = []
        for criterion in settings.keep:
            name = criterion.removeprefix("-")
            if name == "source":
                known = settings.source_priority
                places.append(known.index(source) if source in known else len(known))
                continue
            value = len(text.encode()) if name == "length" else values[name][id]
            # a document without a value stands behind those that have one
            sign = 1 if criterion.startswith("-") else -1
            places += [value is None, 0 if value is None else sign * value]
        return [*places, content_digest(text, settings.normalization), id]

    return sorted(range(len(documents)), key=key)


def components(count: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """For each of `count` numbers, one that stands for its connected component.

    >>> components(5, [(0, 1), (3, 1)])
    [0, 0, 2, 0, 4]
    """
    parents = list(range(count))

    def root(number: int) -> int:
        while parents[number] != number:
            number = parents[number]
        return number

    for left, right in pairs:
        low, high = sorted((root(left), root(right)))
        parents[high] = low
    return [root(number) for number in range(count)]


def meetings(
    ranked: Sequence[int],
    homes: Mapping[int, Sequence[Hashable]],
    compare: Callable[[int, int], Meeting],
    settings: Dedup,
) -> tuple[dict[int, list[Meeting]], int]:
    """The near step. ranked: documents, best first; homes: the buckets of each.

    Returns: whom each document met, best first; what the cap on leaders left out.
    """
    position = {number: rank for rank, number in enumerate(ranked)}
    leaders: dict[Hashable, list[int]] = defaultdict(list)
    met: dict[int, list[Meeting]] = {}
    left_out = 0
    for number in ranked:
        others: set[int] = set()
        for home in homes[number]:
            others.update(leaders[home][-settings.leaders_per_bucket :])
            left_out += max(0, len(leaders[home]) - settings.leaders_per_bucket)
        found = [compare(number, other) for other in others]
        met[number] = sorted(found, key=lambda meeting: (-meeting.similarity, position[meeting.other]))
        if not (found and met[number][0].similarity >= settings.threshold):
            for home in homes[number]:
                leaders[home].append(number)
    return met, left_out


def deduplicate(
    documents: Sequence[Incoming],
    settings: Dedup,
    values: Mapping[str, Mapping[bytes, float | None]] | None = None,
) -> Outcome:
    """Everything that the stage says about these documents.

    values  by name of a signal, then by id: what `keep` may rank by

    >>> texts = ["one two three four five", "One, two, three, four, five!", "one two  three four five", "else"]
    >>> documents = [(bytes([n]) * 16, "s", text) for n, text in enumerate(texts)]
    >>> outcome = deduplicate(documents, Dedup(shingle_words=2))
    >>> [id[0] for id in outcome.kept]
    [1, 3]
    >>> [(row["id"][0], row["reason"], row["kept_id"][0], row["similarity"]) for row in outcome.removed]
    [(0, 'dedup.near', 1, 1.0), (2, 'dedup.near', 1, 1.0)]
    >>> [(row["copies"], row["stands_for"], row["cluster"][0], row["cluster_size"]) for row in outcome.signals]
    [(2, 0, 1, 3), (1, 3, 1, 3), (2, 0, 1, 3), (1, 1, 3, 1)]
    """
    ranked = ranking(documents, settings, values or {})
    scopes = [source if settings.scope == "source" else None for _, source, _ in documents]
    sets = [shingles(text, settings) for _, _, text in documents]
    signatures = [signature(hashes, settings) for hashes in sets]

    copies: dict[Hashable, list[int]] = defaultdict(list)
    for number in ranked:
        copies[scopes[number], content_digest(documents[number][2], settings.normalization)].append(number)
    representative = {number: group[0] for group in copies.values() for number in group}

    def bands(number: int) -> list[tuple[int, ...]]:
        rows = settings.rows
        return [signatures[number][band * rows : (band + 1) * rows] for band in range(settings.bands)]

    def compare(number: int, other: int) -> Meeting:
        agreements = sum(a == b for a, b in zip(signatures[number], signatures[other], strict=True))
        return Meeting(
            other,
            jaccard(sets[number], sets[other]),
            len(sets[number] & sets[other]) / len(sets[number]),
            agreements / (settings.bands * settings.rows),
            sum(a == b for a, b in zip(bands(number), bands(other), strict=True)),
            not may_be_skipped(len(sets[number]), len(sets[other]), agreements, settings),
        )

    chosen = [number for number in ranked if representative[number] == number]
    homes = {
        number: [(scopes[number], band, rows) for band, rows in enumerate(bands(number))] if sets[number] else []
        for number in chosen
    }
    met, left_out = meetings(chosen, homes, compare, settings)
    keeper = {number: found[0] for number, found in met.items() if found and found[0].similarity >= settings.threshold}

    verified = [
        (number, found.other) for number in chosen for found in met[number] if found.similarity >= settings.threshold
    ]
    cluster = components(len(documents), [*verified, *representative.items()])
    members: dict[int, list[int]] = defaultdict(list)
    for number in ranked:
        members[cluster[number]].append(number)

    outcome = Outcome(pairs_met=sum(map(len, met.values())), comparisons_left_out=left_out)
    outcome.met = {documents[n][0]: {documents[found.other][0]: found for found in met[n]} for n in chosen}
    stands_for: dict[int, int] = defaultdict(lambda: 1)
    nearest: list[Meeting | None] = []
    for number in range(len(documents)):
        best = representative[number]
        found = keeper.get(best)
        if found is not None:
            stands_for[found.other] += 1
        elif best != number:
            found = Meeting(best, 1.0, 1.0, math.nan, 0, True)
            stands_for[best] += 1
        nearest.append(found)
    for number, (id, source, text) in enumerate(documents):
        group = members[cluster[number]]
        belongs = {"cluster": documents[group[0]][0], "cluster_size": len(group)}
        best, found = representative[number], nearest[number]
        is_exact = best != number and best not in keeper
        is_kept = found is None
        if found is None:
            outcome.kept.append(id)
            found = next((meeting for meeting in met[number] if meeting.is_certain), None)
        else:
            outcome.removed.append(
                {
                    "id": id,
                    "source": source,
                    "reason": "dedup.exact" if is_exact else "dedup.near",
                    "value": found.similarity,
                    "threshold": settings.threshold,
                    "kept_id": documents[found.other][0],
                    "similarity": found.similarity,
                    "also_failed": [],
                    "detail": None,
                    "containment": found.containment,
                    "estimated_similarity": None if is_exact else found.estimate,
                    "bands": None if is_exact else found.bands,
                    **belongs,
                }
            )
        outcome.signals.append(
            {
                "id": id,
                "source": source,
                "copies": len(copies[scopes[number], content_digest(text, settings.normalization)]),
                "stands_for": stands_for[number] if is_kept else 0,
                **belongs,
                "nearest_id": documents[found.other][0] if found else None,
                "nearest_similarity": found.similarity if found else None,
                "nearest_containment": found.containment if found else None,
                "nearest_estimate": found.estimate if found and not is_exact else None,
                "nearest_bands": found.bands if found and not is_exact else None,
            }
        )
    return outcome
