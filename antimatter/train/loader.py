"""The rows that a process computes in one step, read while the step before is computed.

    samples [cursor, cursor + B) of all processes  ->  this process's places  ->  a buffer of raw ids, pinned for CUDA
    ->  one copy to the device, as narrow as on disk  ->  widened there and cut into micro-batches

The next cursor is guessed: a step follows a step. After going back the guess is wrong; what was read is thrown away.
"""

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from antimatter.train.data import samples_at
from antimatter.train.tokens import Split

_NARROW = {2: torch.int16, 4: torch.int32}


class _Guess(NamedTuple):
    """What the thread reads ahead, and into which buffer."""

    cursor: int
    slot: int
    reading: "Future[None]"


class Loader:
    """Batches of one process by cursor. Any order of cursors is right; one after the other is fast.

    windows  of the whole split at this length (data.window_count)
    places   int64 [A, mb]: which places of a batch are this process's, by micro-batch (data.places_of_rank)
    """

    def __init__(
        self, split: Split, length: int, seed: int, batch: int, windows: int, places: NDArray[np.int64], device: str
    ) -> None:
        self._split, self._length, self._seed, self._batch, self._windows = split, length, seed, batch, windows
        self._places, self._device = places, device
        self._pinned = device.startswith("cuda")
        shape, narrow = (places.size, length + 1), _NARROW[split.dtype.itemsize]
        # two: the thread fills one while the other may still be on its way to the device
        self._buffers = [torch.empty(shape, dtype=narrow, pin_memory=self._pinned) for _ in range(2)]
        self._copied: list[Any] = [torch.cuda.Event() if self._pinned else None for _ in range(2)]  # type: ignore[no-untyped-call]
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="antimatter-loader")
        self._guess: _Guess | None = None
        self._waited = 0.0

    def rows(self, cursor: int) -> list[tuple[Tensor, Tensor]]:
        """(inputs, targets) of each micro-batch for the batch at `cursor`: int64 [mb, T] on the device.

        Raises: TokensError for an id outside the vocabulary and for a file that shrank; what reading a file raises.
        """
        guess = self._guess or _Guess(cursor, 0, self._ahead(cursor, 0))
        if guess.cursor != cursor:
            wait([guess.reading])  # it writes into the buffer that is needed now; how it ends is nobody's business
            guess = _Guess(cursor, guess.slot, self._ahead(cursor, guess.slot))
        self._guess = None
        begin = time.monotonic()
        guess.reading.result()
        self._waited += time.monotonic() - begin
        narrow = self._on_device(guess.slot)
        after = cursor + self._batch
        self._guess = _Guess(after, 1 - guess.slot, self._ahead(after, 1 - guess.slot))
        per_micro_batch = torch.split(narrow, self._places.shape[1])
        return [(_widened(rows[:, :-1]), _widened(rows[:, 1:])) for rows in per_micro_batch]

    def waited(self) -> float:
        """Seconds that `rows` waited for the disk since the last call."""
        seconds, self._waited = self._waited, 0.0
        return seconds

    def close(self) -> None:
        """End the thread. `rows` must not be called again."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _ahead(self, cursor: int, slot: int) -> "Future[None]":
        return self._thread.submit(self._fill, cursor, slot)

    def _fill(self, cursor: int, slot: int) -> None:
        samples = samples_at(self._seed, cursor, self._batch, self._windows)[self._places.ravel()]
        if copied := self._copied[slot]:
            copied.synchronize()
        raw = self._buffers[slot].numpy().view(self._split.dtype)
        read_rows(self._split, samples * self._length, raw)

    def _on_device(self, slot: int) -> Tensor:
        """[A * mb, T + 1], as narrow as on disk; on a CPU the buffer itself."""
        narrow = self._buffers[slot].to(self._device, non_blocking=self._pinned)
        if copied := self._copied[slot]:
            copied.record(torch.cuda.current_stream(self._device))
        return narrow


def _widened(narrow: Tensor) -> Tensor:
    """A contiguous copy as int64."""
    ids = narrow.to(torch.int64, memory_format=torch.contiguous_format)
    return ids.bitwise_and_(0xFFFF) if narrow.dtype == torch.int16 else ids  # uint16 above 32,767 came out below 0


def read_rows(split: Split, starts: NDArray[np.int64], out: NDArray[Any]) -> None:
    """Fill row i of `out` (the split's dtype, rows contiguous) with the ids from position starts[i] on.

    Rows in the order of the disk, each file opened once and closed again: a corpus may have more shards than a process
    may have files. Nothing is mapped, so memory does not grow with what was read.

    Raises: TokensError as `Split.read`.
    """
    count = out.shape[1]
    if len(starts) and not 0 <= starts.min() <= starts.max() <= split.tokens - count:
        wrong = starts[(starts < 0) | (starts > split.tokens - count)][0]
        split.read(int(wrong), count)
    ends = np.array(split.ends, dtype=np.int64)
    order = np.argsort(starts)
    shards = np.searchsorted(ends, starts[order], side="right")
    across = []
    for shard, of_shard in groupby(zip(shards.tolist(), order.tolist(), strict=True), key=lambda pair: pair[0]):
        first, end = (split.ends[shard - 1] if shard else 0), split.ends[shard]
        with split.files[shard].open("rb", buffering=0) as file:
            for _, row in of_shard:
                start = int(starts[row])
                file.seek((start - first) * split.dtype.itemsize)
                if start + count > end or file.readinto(out[row]) != out[row].nbytes:
                    across.append(row)  # it goes on in the next shard, or the file shrank
    for row in across:
        out[row] = split.read(int(starts[row]), count)
    if int(out.max(initial=0)) >= split.vocabulary_size:
        for row in np.flatnonzero((out >= split.vocabulary_size).any(axis=1)).tolist():
            out[row] = split.read(int(starts[row]), count)  # raises, and says where
