"""Shingles: the runs of n words that a document is compared by, as 64-bit hashes.

    "the cat sat on the mat", n = 5   ->   {"the cat sat on the", "cat sat on the mat"}

Word hashes are xxh3_64; a shingle's hash mixes those of its words so that order counts:
    h = 0;  h = fmix64(h * M + word)  for each word      (fmix64: the finalizer of MurmurHash3, Appleby 2011)
A document of fewer than n words is one shingle as a whole, so equal short documents still meet. Two documents that
differ in one inner word of w share (w - 9) of (w + 1) shingles for n = 5: below 50 words that is under 0.8.
"""

import re
import unicodedata
from functools import lru_cache

import numpy as np
import xxhash
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_MASK = 2**64 - 1


def normalize(text: str, how: str) -> str:
    """Text as compared: none | spacing | words (see params.dedup.normalization). NFC first, always.

    >>> normalize("The  cat,\\nthe 2 hats", "words")
    'the cat the 2 hats'
    """
    text = unicodedata.normalize("NFC", text)
    if how == "words":
        text = _PUNCTUATION.sub(" ", _keep_marks(text.lower()))
    if how != "none":
        text = " ".join(text.split())
    return text


def _keep_marks(text: str) -> str:
    r"""\w leaves combining marks out, and with them the vowel signs of Indic scripts: stand-ins keep them."""
    if text.isascii():
        return text
    return "".join(_stand_in(c) if unicodedata.category(c) in ("Mn", "Mc") else c for c in text)


@lru_cache(maxsize=4096)
def _stand_in(mark: str) -> str:
    """A CJK extension letter that stands for a mark: a letter for \\w, one to one, and seen by nobody."""
    return chr(0x20000 + ord(mark) % 0xA000)


def content_digest(text: str) -> bytes:
    """16 bytes, equal for texts that are equal after NFC and with whitespace collapsed: the exact duplicates."""
    return xxhash.xxh3_128(
        " ".join(unicodedata.normalize("NFC", text).split()).encode("utf-8", "surrogatepass")
    ).digest()


def shingle_hashes(text: str, size: int) -> Hashes:
    """Sorted distinct 64-bit hashes of the word n-grams of a normalized text, uint64 [shingles].

    At least one for a text with words; none for a text without.
    """
    words = text.split()
    if not words:
        return np.empty(0, dtype=np.uint64)
    hashes = np.fromiter((_word_hash(word) for word in words), dtype=np.uint64, count=len(words))
    return np.unique(combine(hashes, min(size, len(words))))


def combine(words: Hashes, size: int) -> Hashes:
    """Hash of every run of `size` word hashes, uint64 [words - size + 1]; see the module's formula."""
    runs = len(words) - size + 1
    mixed = np.zeros(runs, dtype=np.uint64)
    for position in range(size):
        mixed = fmix64(mixed * np.uint64(MULTIPLIER) + words[position : position + runs])
    return mixed


def fmix64(values: Hashes) -> Hashes:
    """MurmurHash3's finalizer, elementwise."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


@lru_cache(maxsize=1 << 18)
def _word_hash(word: str) -> int:
    return xxhash.xxh3_64_intdigest(word.encode("utf-8", "surrogatepass"))
