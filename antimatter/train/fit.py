"""How many sequences fit into one pass on a device: an estimate from two small passes, then trying, largest first.

Everything that stays on the device (weights, moments of the optimizer) must be there already. Fewer sequences a pass
mean more passes a step; the result differs by rounding alone.
"""

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from antimatter.train.device import DeviceError, divisors

USABLE = 0.9
"""Share of the free memory that an estimate may fill: allocators lose some between pieces of different size."""

T = TypeVar("T")
Trial = Callable[[int], None]
"""Forward and backward with so many sequences. It forgets all gradients first, also those of a pass that failed."""


def most_that_fit(trial: Trial, share: int, agree: Callable[[int], int]) -> int:
    """Sequences in one pass on this CUDA device: the most that fit and divide its `share` of a batch.

    agree: the least of the numbers that the processes pass to it, all together. Raises DeviceError if 1 is too much.
    """
    _forget()
    room = torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()

    def peak(sequences: int) -> int:
        _forget()
        torch.cuda.reset_peak_memory_stats()
        trial(sequences)
        return torch.cuda.max_memory_reserved()

    return fit_micro_batch(trial, likely(divisors(share), peak, room, agree), agree)


def likely(candidates: Sequence[int], peak: Callable[[int], int], room: int, agree: Callable[[int], int]) -> list[int]:
    """Those of `candidates`, which fall, that should do with USABLE of `room` bytes; the last one in any case.

    peak: bytes in use at the height of a pass with so many sequences. The line through 1 and 2 is continued.
    """
    if candidates[0] == 1:
        return [1]
    heights = []
    for sequences in (1, 2):
        height, failure = _attempt(peak, sequences)
        if not agree(int(not failure)):
            return [candidates[-1]]
        heights.append(height or 0)
    one, two = heights
    most = agree(1 + int(USABLE * room - one) // max(1, two - one))
    return [n for n in candidates if n <= most or n == candidates[-1]]


def fit_micro_batch(trial: Trial, candidates: Sequence[int], agree: Callable[[int], int]) -> int:
    """The first of `candidates`, which fall, with which no process runs out of memory.

    Raises DeviceError with what torch said about the last one, and what needs less memory.
    """
    failure = ""
    for sequences in candidates:
        _, own = _attempt(trial, sequences)
        if agree(int(not own)):
            return sequences
        failure = own or failure or "another process ran out of memory"
        _forget()
    amount = "1 sequence does" if candidates[-1] == 1 else f"{candidates[-1]} sequences do"
    raise DeviceError(
        f"{amount} not fit into the memory of this device ({failure}). What needs less, in runtime.yaml: "
        f"activation_checkpointing: on; sharding: on, with several GPUs; sharding: offload. In params.yaml: a shorter "
        f"train.sequence_length, or a smaller model."
    )


def _attempt(call: Callable[[int], T], sequences: int) -> tuple[T | None, str]:
    """(what it returned, ""), or (None, how it ran out of memory). Other errors pass."""
    try:
        return call(sequences), ""
    except RuntimeError as error:  # CUDA has a class of its own for this; other devices, and cuBLAS, have not
        known = isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)
        if not known and "ALLOC_FAILED" not in str(error):
            raise
        return None, str(error).partition(" Of the allocated memory")[0].strip() or "out of memory"


def _forget() -> None:
    # an error's traceback holds the tensors of the pass that failed, in a cycle
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
