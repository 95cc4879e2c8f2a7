import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers

from antimatter.train.device import DeviceError, divisors
from antimatter.train.fit import USABLE, fit_micro_batch, likely, most_that_fit


def alone(number: int) -> int:
    return number


class Device:
    """A device with so much memory; a pass takes `fixed` and so much for each sequence."""

    def __init__(self, memory: int, fixed: int = 10, each: int = 7) -> None:
        self.memory, self.fixed, self.each, self.tried = memory, fixed, each, list[int]()

    def peak(self, sequences: int) -> int:
        self.tried.append(sequences)
        needed = self.fixed + self.each * sequences
        if needed > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. Of the allocated memory 1 GiB")
        return needed


def test_the_largest_micro_batch_that_fits_is_taken_and_none_is_tried_after_it():
    device = Device(memory=45)  # room for 5
    assert fit_micro_batch(device.peak, [12, 6, 4, 3, 2, 1], alone) == 4
    assert device.tried == [12, 6, 4]


def test_what_fits_nowhere_is_an_error_that_says_what_would_help():
    with pytest.raises(DeviceError) as refused:
        fit_micro_batch(Device(memory=5).peak, [2, 1], alone)
    for words in ("1 sequence does not", "Tried to allocate 2 GiB.)", "activation_checkpointing: on", "sharding: on"):
        assert words in str(refused.value)
    assert "sequence_length" in str(refused.value) and "Of the allocated" not in str(refused.value)


def test_other_errors_than_of_memory_are_not_swallowed():
    def broken(sequences: int) -> None:
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        fit_micro_batch(broken, [2, 1], alone)


@pytest.mark.parametrize("words", ["MPS backend out of memory (MPS allocated: 8 GB)", "CUBLAS_STATUS_ALLOC_FAILED"])
def test_devices_that_have_no_class_for_it_run_out_of_memory_too(words):
    def small(sequences: int) -> None:
        if sequences > 1:
            raise RuntimeError(words)

    assert fit_micro_batch(small, [4, 2, 1], alone) == 1


def test_one_process_with_less_memory_decides_for_all():
    answers = {8: 0, 4: 0, 2: 1}  # the least of what all said: another one fails with 8 and 4
    device = Device(memory=1000)
    assert fit_micro_batch(device.peak, [8, 4, 2, 1], lambda own: min(own, answers[device.tried[-1]])) == 2
    with pytest.raises(DeviceError, match="another process"):
        fit_micro_batch(device.peak, [8], lambda own: 0)


@given(memory=integers(1, 400), fixed=integers(0, 50), each=integers(1, 50), share=integers(1, 60))
def test_the_estimate_leaves_out_only_what_would_not_do(memory, fixed, each, share):
    device, candidates = Device(memory, fixed, each), divisors(share)
    found = likely(candidates, device.peak, memory, alone)
    assert found == candidates[len(candidates) - len(found) :]
    do = [n for n in candidates if fixed + each * n <= USABLE * memory]
    if share == 1 or fixed + 2 * each > memory:
        assert found == [1]
    else:
        assert set(do) <= set(found) <= {*do, 1} | {n for n in candidates if fixed + each * n <= USABLE * memory + 1}
    assert set(device.tried) <= {1, 2}


def test_processes_with_unequal_memory_try_the_same_sizes():
    said = []

    def least(own: int) -> int:
        said.append(own)
        return min(own, 3)

    assert likely(divisors(12), Device(1000).peak, 1000, least) == [3, 2, 1]
    assert len(said) == 3  # one pass, two passes, the line through them


def test_on_a_gpu_the_estimate_comes_first_and_failed_passes_are_cleared(monkeypatch):
    device, cleared = Device(memory=100, fixed=0, each=9), []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: cleared.append(len(device.tried)))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (80, 100))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 20)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: device.each * device.tried[-1])

    def trial(sequences: int) -> None:
        device.peak(sequences + 2 * (sequences > 8))  # needs more than the line says

    assert most_that_fit(trial, 20, alone) == 5
    assert device.tried == [1, 2, 12, 5]
    assert cleared == [0, 0, 1, 3]
