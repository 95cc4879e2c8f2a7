"""Train the classifier of antimatter/filter/quality.py from examples of good and bad text.

    minimize   mean over both classes of log(1 + exp(-y (bias + mean of weights of the n-grams))) + l2 / 2 |weights|^2

y is 1 for good texts and -1 for bad ones; each class has half the weight, however many examples it has, so 0.5 is the
score of even chances. The function is convex: its minimum is found by L-BFGS (Liu and Nocedal 1989), without a random
number, so the order of the examples decides nothing but the last bits, and which of several copies is read. Texts of
the same words, whatever their case, punctuation and spacing, count once in a class. One in ten is held out by a keyed
hash of these words: copies fall on one side. Near-duplicates with other words still leak. Examples and n-grams stay in
memory: about 6 bytes for a byte of text.
"""

import itertools
import math
from collections import Counter, deque
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import xxhash
from numba import njit
from numpy.typing import NDArray

from antimatter.collect import files
from antimatter.collect.drafts import Draft, without_surrogates
from antimatter.collect.pieces import Piece
from antimatter.collect.reading import identify, read_pieces, suffix_of
from antimatter.errors import AntiMatterError
from antimatter.filter.quality import Model, features
from antimatter.params.collect import Source
from antimatter.text.characters import UNICODE
from antimatter.text.words import Words, fold, segment, words_of

HELD_OUT = 0.1
_MEMORY = 10  # pairs of steps and gradients that L-BFGS remembers
_MOST_STEPS = 200
_TOLERANCE = 1e-3  # of the first gradient's length
_FEWEST_DOCUMENTS = 5  # that a word must stand in to be called telling

Vector = NDArray[np.float64]


class TooFewExamples(AntiMatterError):
    """There is nothing to learn from, or nothing to test on."""


class Examples(NamedTuple):
    """The texts of one class."""

    texts: list[str]
    unread: int
    """records and files that could not be read"""
    ignored: dict[str, int]
    """files by suffix that nobody can read"""


class Estimate(NamedTuple):
    """A figure and its standard error."""

    value: float
    error: float


class Trained(NamedTuple):
    """A model and what it does on the texts that it has not seen."""

    model: Model
    good: int
    """examples with words, held-out ones among them, copies not"""
    bad: int
    copies: int
    """examples that were left out because their words stand in another one of their class"""
    held_out: int
    accuracy: Estimate
    """Mean of the shares of good and of bad texts that are told right."""
    auc: Estimate
    """Probability that a good text scores above a bad one."""
    telling_good: list[str]
    """words of the largest weights"""
    telling_bad: list[str]


def read_examples(path: str, text_field: str = "text") -> Examples:
    """Every text of a file, a folder or a pattern, in the formats of collect; one .txt file is one text.

    Raises: MissingSource if there is no such file, SourceError if the system refuses to read one.
    """
    source = Source(name="examples", kind="files", path=path, text_field=text_field)
    ignored: Counter[str] = Counter()
    root, names = files.find(path, ignored)
    texts: list[str] = []
    unread = 0
    for name in names:
        if identify(name, source) is None:
            ignored[suffix_of(name)] += 1
            continue
        for item in read_pieces(root, [Piece(name, 0, (root / name).stat().st_size)], source, ignored):
            if isinstance(item, Draft):
                texts.append(without_surrogates(item.text))
            else:
                unread += 1
    return Examples(texts, unread, {suffix: number for suffix, number in sorted(ignored.items()) if number})


def train(
    good: list[str], bad: list[str], *, ngrams: int = 2, buckets: int = 1 << 20, l2: float = 1e-7, seed: int = 0
) -> Trained:
    """Fit a model to all but the held-out texts, and judge it on those. Texts without words and copies are left out.

    Raises: TooFewExamples naming the class that has no text to learn from or none to test on.
    """
    texts = pa.array([*good, *bad], pa.large_string())
    is_good = np.arange(len(texts)) < len(good)
    keys = _keys_of_words(texts, seed)
    is_first = np.zeros(len(texts), dtype=bool)
    for rows in (np.flatnonzero(is_good), np.flatnonzero(~is_good)):
        is_first[rows[np.unique(keys[rows], return_index=True)[1]]] = True
    words = segment(texts)
    has_words = np.diff(words.starts) > 0
    counts, is_held_out = has_words & is_first, keys < np.uint64(int(HELD_OUT * 2**64))
    learns, tests = counts & ~is_held_out, counts & is_held_out
    for name, mine in (("good", is_good), ("bad", ~is_good)):
        if not (learns & mine).any() or not (tests & mine).any():
            raise TooFewExamples(
                f"the {name} examples hold {(learns & mine).sum()} texts with words to learn from and "
                f"{(tests & mine).sum()} to test on: give at least 100, better thousands, or another --seed"
            )
    starts, grams = features(words, buckets, ngrams)
    sides = np.where(is_good, 1.0, -1.0)
    shares = np.where(is_good, 0.5 / (learns & is_good).sum(), 0.5 / (learns & ~is_good).sum()) * learns
    solution = minimize(lambda point: _objective(point, starts, grams, sides, shares, l2), np.zeros(buckets + 1))
    weights, bias = solution[:-1].astype(np.float32), np.float32(solution[-1])
    logits = _logits(solution, starts, grams)
    wins, losses = logits[tests & is_good], logits[tests & ~is_good]
    provenance = {
        "seed": seed,
        "l2": l2,
        "good": {"texts": len(good), "digest": _digest(good)},
        "bad": {"texts": len(bad), "digest": _digest(bad)},
        "versions": {"antimatter": version("antimatter"), "unicode": UNICODE},
    }
    telling = _telling(texts, words, learns, weights)
    return Trained(
        model=Model(weights, bias, ngrams, provenance),
        good=int((counts & is_good).sum()),
        bad=int((counts & ~is_good).sum()),
        copies=int((has_words & ~is_first).sum()),
        held_out=int(tests.sum()),
        accuracy=balanced_accuracy(wins, losses),
        auc=area_under_curve(wins, losses),
        telling_good=telling(-1),
        telling_bad=telling(1),
    )


def balanced_accuracy(good: Vector, bad: Vector) -> Estimate:
    """From the logits of good and bad texts. The error takes one more right and one more wrong text in each class, so
    that it is not 0 where all are right (Agresti and Coull 1998)."""
    rights = (good > 0).sum(), (bad < 0).sum()
    sizes = len(good), len(bad)
    value = sum(right / size for right, size in zip(rights, sizes, strict=True)) / 2
    chances = [(right + 1) / (size + 2) for right, size in zip(rights, sizes, strict=True)]
    variance = sum(chance * (1 - chance) / (size + 2) for chance, size in zip(chances, sizes, strict=True)) / 4
    return Estimate(float(value), math.sqrt(variance))


def area_under_curve(good: Vector, bad: Vector) -> Estimate:
    """From the logits of good and bad texts; ties count half.

    Error: Hanley and McNeil 1982, Radiology 143(1), for the area that one more good and one more bad text would leave
    if they won half of their pairs: so it is not 0 where all pairs are in order, but about 1 / (n sqrt(2)).
    """
    ordered = np.sort(bad)
    below, upto = np.searchsorted(ordered, good, side="left"), np.searchsorted(ordered, good, side="right")
    wins, pairs = float((below + upto).sum()) / 2, len(good) * len(bad)
    more_good, more_bad = len(good) + 1, len(bad) + 1
    area = (wins + (len(good) + more_bad) / 2) / (more_good * more_bad)
    variance = area * (1 - area)
    variance += len(good) * (area / (2 - area) - area**2) + len(bad) * (2 * area**2 / (1 + area) - area**2)
    return Estimate(wins / pairs, math.sqrt(variance / (more_good * more_bad)))


def minimize(function: Callable[[Vector], tuple[float, Vector]], start: Vector) -> Vector:
    """Where a convex function that gives (value, gradient) is least: L-BFGS with steps halved until they descend."""
    point = start
    value, gradient = function(point)
    first = math.sqrt(_dot(gradient, gradient))
    pairs: deque[tuple[Vector, Vector, float]] = deque(maxlen=_MEMORY)
    for _ in range(_MOST_STEPS):
        if math.sqrt(_dot(gradient, gradient)) <= _TOLERANCE * first:
            break
        direction = _direction(gradient, pairs)
        slope = _dot(gradient, direction)
        length = 1.0 if pairs else 1.0 / first
        for _ in range(40):
            candidate = point + length * direction
            new_value, new_gradient = function(candidate)
            if new_value <= value + 1e-4 * length * slope:
                break
            length /= 2
        else:  # no descent that floating point can tell
            break
        step, change = candidate - point, new_gradient - gradient
        curvature = _dot(step, change)
        if curvature > 0:
            pairs.append((step, change, curvature))
        point, value, gradient = candidate, new_value, new_gradient
    return point


def _direction(gradient: Vector, pairs: "deque[tuple[Vector, Vector, float]]") -> Vector:
    """The two loops of L-BFGS."""
    direction = -gradient
    factors = []
    for step, change, curvature in reversed(pairs):
        factor = _dot(step, direction) / curvature
        factors.append(factor)
        direction -= factor * change
    if pairs:
        _, change, curvature = pairs[-1]
        direction *= curvature / _dot(change, change)
    for (step, change, curvature), factor in zip(pairs, reversed(factors), strict=True):
        direction += (factor - _dot(change, direction) / curvature) * step
    return direction


def _telling(
    texts: pa.Array, words: Words, learns: NDArray[np.bool_], weights: NDArray[np.float32]
) -> Callable[[int], list[str]]:
    """side (-1: largest weights first, 1: smallest) -> 15 words of the training texts."""
    folded, alike = np.unique(words.folded, return_inverse=True)
    documents = _documents_with(words.starts, words.ids, alike, learns, len(folded))
    one_each = np.arange(len(folded) + 1)
    single = words._replace(starts=one_each, ids=one_each[:-1].astype(np.int32), folded=folded)
    _, buckets = features(single, len(weights), 1)
    places = np.empty(len(folded), dtype=np.int64)
    places[alike[words.ids[::-1]]] = np.arange(len(words.ids))[::-1]  # of several places the last one stays: the first

    def spell(word: int) -> str:
        place = places[word]
        document = int(np.searchsorted(words.starts, place, side="right")) - 1
        return fold(words_of(texts[document].as_py())[place - words.starts[document]])

    def telling(side: int) -> list[str]:
        order = np.lexsort((folded, side * weights[buckets]))
        order = order[(documents[order] >= _FEWEST_DOCUMENTS) & (side * weights[buckets][order] < 0)]
        return [spell(word) for word in order[:15].tolist()]

    return telling


def _keys_of_words(texts: pa.Array, seed: int) -> NDArray[np.uint64]:
    """uint64[n]: hash of the loose words of each text, without case."""
    words = segment(texts, loose=True)
    folded = words.folded[words.ids].astype("<u8")
    spans = itertools.pairwise(words.starts.tolist())
    return np.array([xxhash.xxh3_64_intdigest(folded[start:end].tobytes(), seed) for start, end in spans], np.uint64)


def _digest(texts: list[str]) -> str:
    """xxh3_128 (hex) of the texts in order."""
    digest = xxhash.xxh3_128()
    for text in texts:
        content = text.encode()
        digest.update(f"{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def _objective(
    point: Vector, starts: NDArray[np.int64], grams: NDArray[np.int32], sides: Vector, shares: Vector, l2: float
) -> tuple[float, Vector]:
    """(value, gradient float64[buckets + 1]) at (weights, bias); a text of share 0 does not count."""
    gradient = l2 * point
    gradient[-1] = 0.0  # the bias is free
    value = l2 / 2 * _dot(point[:-1], point[:-1])
    return value + _losses(point, starts, grams, sides, shares, gradient), gradient


@njit(cache=True)
def _dot(left, right):  # type: ignore[no-untyped-def]
    """In one order, on any number of cores: BLAS would split it."""
    total = 0.0
    for i in range(len(left)):
        total += left[i] * right[i]
    return total


@njit(cache=True)
def _logits(point, starts, grams):  # type: ignore[no-untyped-def]
    """float64[n]: bias (the last entry) and mean weight of each text's n-grams."""
    logits = np.empty(len(starts) - 1, np.float64)
    for d in range(len(logits)):
        total = 0.0
        for i in range(starts[d], starts[d + 1]):
            total += point[grams[i]]
        logits[d] = point[-1] + total / max(1, starts[d + 1] - starts[d])
    return logits


@njit(cache=True)
def _losses(point, starts, grams, sides, shares, gradient):  # type: ignore[no-untyped-def]
    """The sum of share * log(1 + exp(-side * logit)); adds its gradient."""
    loss = 0.0
    logits = _logits(point, starts, grams)
    for d in range(len(logits)):
        if shares[d] == 0.0:
            continue
        margin = sides[d] * logits[d]
        small = math.exp(-abs(margin))
        loss += shares[d] * (math.log1p(small) + max(0.0, -margin))
        slope = -sides[d] * shares[d] * (small if margin > 0 else 1.0) / (1.0 + small)
        gradient[-1] += slope
        slope /= max(1, starts[d + 1] - starts[d])
        for i in range(starts[d], starts[d + 1]):
            gradient[grams[i]] += slope
    return loss


@njit(cache=True)
def _documents_with(starts, ids, alike, counts, size):  # type: ignore[no-untyped-def]
    """int64[size]: in how many of the texts that count each folded word stands."""
    documents = np.zeros(size, np.int64)
    last = np.full(size, -1, np.int64)
    for d in range(len(starts) - 1):
        if counts[d]:
            for i in range(starts[d], starts[d + 1]):
                word = alike[ids[i]]
                if last[word] != d:
                    last[word] = d
                    documents[word] += 1
    return documents
