"""Candidates: shingles and signatures of the documents that share a bucket, in rank order, in mapped files.

    offsets.npy      int64[C+1]      where the place of each rank begins in shingles.u64; it may be too long
    counts.i64       int64[C]        shingles of each rank
    shingles.u64     uint64[...]     ascending and distinct within each rank
    signatures.u64   uint64[C, P]

Workers fill the places of their shard's documents, each place once and always with the same bytes.
"""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

from antimatter.dedup.shingles import Shingles
from antimatter.errors import AntiMatterError
from antimatter.execution.scratch import allocate, save


class DamagedScratch(AntiMatterError, RuntimeError):
    """Scratch files are not what an unfinished run left."""


class Candidates(NamedTuple):
    """The mapped files; see the module."""

    offsets: np.ndarray
    counts: np.ndarray
    shingles: np.ndarray
    signatures: np.ndarray


def create(folder: Path, room: np.ndarray, permutations: int) -> None:
    """Files for C >= 1 candidates with room for room[rank] shingles each; those of a killed run are taken over.

    Raises: DiskFull, DamagedScratch if files of other candidates are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    offsets = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
    sizes = {
        "counts.i64": 8 * len(room),
        "shingles.u64": 8 * int(offsets[-1]),
        "signatures.u64": 8 * len(room) * permutations,
    }
    if (folder / "offsets.npy").exists():  # written last: the others are whole
        found = {name: (folder / name).stat().st_size if (folder / name).exists() else 0 for name in sizes}
        if found != sizes or not np.array_equal(np.load(folder / "offsets.npy"), offsets):
            raise DamagedScratch(f"{folder} holds other candidates than these. ANTIMATTER_FRESH=1 starts over.")
        return
    for name, size in sizes.items():
        allocate(folder / name, size)
    save(folder / "offsets.npy", offsets)


def require_filled(folder: Path) -> None:
    """Raises DamagedScratch unless every candidate has shingles."""
    if not view(folder).counts.all():
        raise DamagedScratch(f"{folder} lacks shingles that were recorded as written. ANTIMATTER_FRESH=1 starts over.")


def view(folder: Path, mode: str = "r") -> Candidates:
    """The files, mapped; mode as of numpy.memmap."""
    offsets = np.load(folder / "offsets.npy")

    def mapped(name: str, kind: str) -> np.ndarray:
        # a plain array over the mapping: numba compiles nothing for the subclass
        return np.memmap(folder / name, dtype=kind, mode=mode).view(np.ndarray)  # type: ignore[call-overload, no-any-return]

    signed = mapped("signatures.u64", "<u8").reshape(len(offsets) - 1, -1)
    return Candidates(offsets, mapped("counts.i64", "<i8"), mapped("shingles.u64", "<u8"), signed)


def fill(folder: Path, ranks: np.ndarray, shingles: Shingles, signed: np.ndarray) -> None:
    """Write the candidates of these ranks (int64[n]) and wait until they are on disk."""
    if not len(ranks):
        return
    files = view(folder, "r+")
    files.counts[ranks] = np.diff(shingles.starts)
    files.signatures[ranks] = signed
    _place(ranks, shingles.starts, shingles.hashes, files.offsets, files.shingles)
    for name in ("counts.i64", "shingles.u64", "signatures.u64"):
        with open(folder / name, "rb") as file:
            os.fsync(file.fileno())


@njit(cache=True)
def _place(ranks, starts, hashes, offsets, target):  # type: ignore[no-untyped-def]
    for d in range(len(ranks)):
        first = offsets[ranks[d]]
        for index in range(starts[d], starts[d + 1]):
            target[first + index - starts[d]] = hashes[index]
