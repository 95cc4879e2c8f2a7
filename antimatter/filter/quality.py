"""A classifier's opinion of a text: the mean weight of its words and word pairs, as a number between 0 and 1.

    score(text) = 1 / (1 + exp(-(bias + mean of weights[bucket(g)] over all n-grams g of the text)))

N-grams of 1 to `ngrams` words, compared without case and without the punctuation around words, fall into buckets (a
million, say) by their hash: there is no vocabulary. That is what fastText's supervised mode computes for two classes
(Joulin et al. 2017, arXiv 1607.01759), whose layer in between adds nothing to a linear model; the filter of DCLM is one
(Li et al. 2024, arXiv 2406.11794, section 4.4). A text without words has the score of the bias alone.
antimatter/filter/train_quality.py makes models.
"""

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import safetensors
import safetensors.numpy
import xxhash
from numba import njit
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path
from antimatter.errors import AntiMatterError
from antimatter.filter import watched
from antimatter.params.filter import WatchedFile
from antimatter.text.words import Words, mix, segment

FORMAT = "antimatter.quality/1"
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_EXTREME = 36.0  # 1 / (1 + exp(-36)) is the last number before 1
_ORDERS = range(1, 6)
_BUCKETS = tuple(1 << bits for bits in range(10, 25))


class WrongModel(AntiMatterError):
    """A file is no quality model, or one that this version cannot use."""


class Model(NamedTuple):
    """A linear classifier over hashed n-grams."""

    weights: np.ndarray
    """float32[buckets], a power of two of them"""
    bias: np.float32
    ngrams: int
    """Words in the longest n-gram."""
    provenance: dict[str, Any]
    """How it was trained: seed, digests, versions; JSON."""


def score(words: Words, model: Model) -> NDArray[np.float64]:
    """float64[n] in (0, 1): near 1 for texts like the good examples, near 0 for texts like the bad ones."""
    return _score(words.starts, words.ids, words.folded, model.weights, float(model.bias), model.ngrams)  # type: ignore[no-any-return]


def features(words: Words, buckets: int, ngrams: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """(starts int64[n+1], buckets int32[F]) of all n-grams of each text: at each word those that begin there."""
    return _features(words.starts, words.ids, words.folded, buckets, ngrams)  # type: ignore[no-any-return]


def pack(model: Model) -> bytes:
    """The model as the bytes of a safetensors file; equal models give equal bytes."""
    about = {**model.provenance, "buckets": len(model.weights), "ngrams": model.ngrams, "words": _fingerprint()}
    # one entry: safetensors writes several in an order of its own
    metadata = {FORMAT: json.dumps(about, sort_keys=True)}
    tensors = {"weights": model.weights, "bias": np.array([model.bias], dtype=np.float32)}
    return bytes(safetensors.numpy.save(tensors, metadata))


def save(model: Model, path: Path) -> str:
    """Write the model; returns its sha256, for params.yaml."""
    content = pack(model)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def load(file: WatchedFile) -> Model:
    """The model that params.yaml names.

    Raises: WrongFile for an absent file or another digest; WrongModel if it is no model or cannot be used here.
    """
    return parse(watched.read(file, "filter.quality_model"), file.path)


def parse(content: bytes, name: str) -> Model:
    """The model in the bytes of a file, whatever they are. Raises: WrongModel naming it."""
    advice = "Make one with `antimatter train-quality`."
    try:
        tensors = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"][FORMAT])
        if not isinstance(about, dict):
            raise ValueError("its metadata is no object")
        weights, bias = tensors["weights"], tensors["bias"]
        buckets, ngrams, fingerprint = about.pop("buckets"), about.pop("ngrams"), about.pop("words")
    except (safetensors.SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise WrongModel(f"{name} is no quality model of format {FORMAT} ({error!r}). {advice}") from error
    if (
        not (type(buckets) is type(ngrams) is int and buckets in _BUCKETS and ngrams in _ORDERS)
        or ((weights.shape, bias.shape) != ((buckets,), (1,)))
        or not (weights.dtype == bias.dtype == np.float32)
        or not (np.isfinite(weights).all() and np.isfinite(bias).all())
    ):
        raise WrongModel(
            f"{name} holds no finite float32 weights for the {buckets} buckets and n-grams of 1 to {ngrams} words that "
            f"it promises. {advice}"
        )
    if fingerprint != _fingerprint():
        raise WrongModel(
            f"{name} was trained by a version that hashes words differently: its weights mean nothing here. {advice}"
        )
    return Model(weights, bias[0], ngrams, about)


def _fingerprint() -> str:
    """Changes whenever words or buckets do: with others a model's weights would be noise."""
    words = segment(pa.array(["The quality of mercy, ΣΊΣΥΦΟΣ, don't 第3章 1,000 İstanbul"]))
    _, buckets = features(words, 1 << 20, 3)
    return xxhash.xxh3_64_hexdigest(buckets.astype("<i4").tobytes())


@njit(cache=True)
def _shift(buckets):  # type: ignore[no-untyped-def]
    """What leaves of 64 bits as many as number the buckets."""
    shift = np.uint64(64)
    while buckets > 1:
        buckets >>= 1
        shift -= np.uint64(1)
    return shift


@njit(cache=True)
def _features(starts, ids, folded, buckets, ngrams):  # type: ignore[no-untyped-def]
    n = len(starts) - 1
    shift = _shift(buckets)
    begins = np.zeros(n + 1, np.int64)
    found = np.empty(len(ids) * ngrams, np.int32)
    count = 0
    for d in range(n):
        for i in range(starts[d], starts[d + 1]):
            key = np.uint64(0)
            for j in range(i, min(i + ngrams, starts[d + 1])):
                key = mix(key * np.uint64(_MULTIPLIER) + folded[ids[j]])
                found[count] = np.int32(key >> shift)
                count += 1
        begins[d + 1] = count
    return begins, found[:count]


@njit(cache=True)
def _score(starts, ids, folded, weights, bias, ngrams):  # type: ignore[no-untyped-def]
    """As _features, without keeping them."""
    n = len(starts) - 1
    shift = _shift(len(weights))
    scores = np.empty(n, np.float64)
    for d in range(n):
        total, count = 0.0, 0
        for i in range(starts[d], starts[d + 1]):
            key = np.uint64(0)
            for j in range(i, min(i + ngrams, starts[d + 1])):
                key = mix(key * np.uint64(_MULTIPLIER) + folded[ids[j]])
                total += weights[key >> shift]
                count += 1
        logit = bias + total / max(1, count)
        scores[d] = 1.0 / (1.0 + math.exp(-min(_EXTREME, max(-_EXTREME, logit))))
    return scores
