"""The mapped files of candidates, and what happens to them when a disk is full or a hand was in the folder."""

import errno
import os

import numpy as np
import pytest

from antimatter.dedup.candidates import DamagedScratch, create, fill, require_filled, view
from antimatter.dedup.shingles import Shingles
from antimatter.execution.scratch import DiskFull, allocate

SETS = [[1, 2, 3], [4], [5, 6]]
PLACES = np.array([3, 2, 2])  # the second document has a word that repeats: room for one more than it needs
SIGNED = np.arange(6, dtype=np.uint64).reshape(3, 2)


def shingles(*sets):
    return Shingles(np.cumsum([0, *map(len, sets)]), np.array([value for found in sets for value in found], np.uint64))


def contents(folder):
    files = view(folder)
    return [files.shingles[start : start + count].tolist() for start, count in zip(files.offsets, files.counts)]  # noqa: B905


def test_each_candidate_is_found_at_its_rank_whoever_wrote_it_first(tmp_path):
    create(tmp_path, PLACES, 2)
    fill(tmp_path, np.array([2, 0]), shingles(SETS[2], SETS[0]), SIGNED[[2, 0]])
    fill(tmp_path, np.array([1]), shingles(SETS[1]), SIGNED[[1]])
    require_filled(tmp_path)
    assert contents(tmp_path) == SETS
    assert view(tmp_path).signatures.tolist() == SIGNED.tolist()


def test_a_resumed_run_finds_what_was_written(tmp_path):
    create(tmp_path, PLACES, 2)
    fill(tmp_path, np.array([0]), shingles(SETS[0]), SIGNED[[0]])
    create(tmp_path, PLACES, 2)
    fill(tmp_path, np.array([1, 2]), shingles(*SETS[1:]), SIGNED[1:])
    assert contents(tmp_path) == SETS


def test_a_kill_before_the_files_were_complete_is_no_harm(tmp_path):
    create(tmp_path, PLACES, 2)
    (tmp_path / "offsets.npy").unlink()
    (tmp_path / "shingles.u64").write_bytes(b"half")
    create(tmp_path, PLACES, 2)
    fill(tmp_path, np.arange(3), shingles(*SETS), SIGNED)
    assert contents(tmp_path) == SETS


@pytest.mark.parametrize("name", ["shingles.u64", "counts.i64", "signatures.u64"])
def test_files_that_are_not_those_of_the_unfinished_run_are_refused(tmp_path, name):
    create(tmp_path, PLACES, 2)
    os.truncate(tmp_path / name, 8)
    with pytest.raises(DamagedScratch, match="ANTIMATTER_FRESH=1"):
        create(tmp_path, PLACES, 2)


def test_candidates_in_another_order_are_refused(tmp_path):
    create(tmp_path, PLACES, 2)
    with pytest.raises(DamagedScratch, match="other candidates"):
        create(tmp_path, PLACES[::-1], 2)


def test_a_candidate_that_was_never_written_is_noticed(tmp_path):
    create(tmp_path, PLACES, 2)
    fill(tmp_path, np.array([0, 2]), shingles(SETS[0], SETS[2]), SIGNED[[0, 2]])
    with pytest.raises(DamagedScratch, match="lacks shingles"):
        require_filled(tmp_path)


def test_a_full_disk_is_an_error_that_names_the_file_and_what_it_needs(tmp_path, monkeypatch):
    def full(descriptor, start, size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DiskFull, match=r"big needs 1,000,000 bytes: No space left on device. Make room"):
        allocate(tmp_path / "big", 1_000_000)


def test_an_empty_file_needs_no_room(tmp_path):
    allocate(tmp_path / "empty", 0)
    assert (tmp_path / "empty").stat().st_size == 0
