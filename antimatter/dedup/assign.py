"""Which copy stays: a document leaves only for a better-ranked document that stays and was verified against it.

Documents are ranked by a total order (longest text, then content digest, then id), so the answer depends on no order
of reading. In rank order, each document meets the *kept* members of its buckets, best first; the first that verifies
keeps it out. There are no chains: a ~ b and b ~ c remove c only if a or another kept document matches c itself.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Halves = NDArray[np.uint64]


class Verdict(NamedTuple):
    """The document of rank `removed` leaves for the one of rank `keeper`, which it resembles by `similarity`."""

    removed: int
    keeper: int
    similarity: float
    exact: bool


def rank_order(lengths: NDArray[np.int64], digests: Halves, ids: Halves) -> NDArray[np.int64]:
    """Document indices from best to worst: longest first, then smallest digest, then smallest id.

    lengths [n]: UTF-8 bytes. digests, ids: uint64 [n, 2], 16 bytes as two big-endian halves.
    """
    return np.lexsort((ids[:, 1], ids[:, 0], digests[:, 1], digests[:, 0], -lengths))


def exact_duplicates(digests: Halves) -> list[Verdict]:
    """Verdicts among documents with equal content digests; digests uint64 [n, 2] in rank order."""
    order = np.lexsort((np.arange(len(digests)), digests[:, 1], digests[:, 0]))
    verdicts, keeper = [], -1
    for position, rank in enumerate(order.tolist()):
        if position and (digests[rank] == digests[order[position - 1]]).all():
            verdicts.append(Verdict(rank, keeper, 1.0, True))
        else:
            keeper = rank
    return sorted(verdicts)


def resolve(exact: list[Verdict], near: list[Verdict]) -> list[Verdict]:
    """All verdicts, so that every keeper is kept.

    An exact copy has the shingles of its keeper. Where the keeper itself left for a third document, that document was
    verified against those same shingles: it becomes the copy's keeper, at the same similarity.
    """
    left_for = {verdict.removed: verdict for verdict in near}
    resolved = [
        left_for[verdict.keeper]._replace(removed=verdict.removed) if verdict.keeper in left_for else verdict
        for verdict in exact
    ]
    return sorted(resolved + near)


def near_duplicates(
    bucket: NDArray[np.int64],
    rank: NDArray[np.int64],
    similarity: Callable[[int, int], float],
    threshold: float,
) -> tuple[list[Verdict], int]:
    """Verdicts among the members of buckets, and how many pairs were verified.

    bucket, rank:  int64 [m], members of buckets as from bands.buckets; numbers of distinct buckets differ.
    similarity:    exact, of two ranks; asked at most once a pair.
    """
    order = np.lexsort((bucket, rank))
    bucket, rank = bucket[order], rank[order]
    bounds = np.flatnonzero(np.concatenate([[True], rank[1:] != rank[:-1], [True]])) if len(rank) else np.array([0])
    leaders: dict[int, list[int]] = {}
    verdicts, compared = [], 0
    for start, end in itertools.pairwise(bounds):
        document = int(rank[start])
        homes = bucket[start:end].tolist()
        for keeper in sorted({leader for home in homes for leader in leaders.get(home, ())}):
            compared += 1
            found = similarity(keeper, document)
            if found >= threshold:
                verdicts.append(Verdict(document, keeper, found, False))
                break
        else:
            for home in homes:
                leaders.setdefault(home, []).append(document)
    return verdicts, compared
