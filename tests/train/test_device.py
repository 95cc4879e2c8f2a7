from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers

from antimatter.model.config import from_settings
from antimatter.params.model import Model
from antimatter.train import device
from antimatter.train.device import DeviceError, choose_device, choose_micro_batch, choose_precision, divisors
from antimatter.train.peaks import PEAKS, peak_of

CONFIG = from_settings(Model(), 8192)


@pytest.fixture
def machine(monkeypatch):
    """machine(cuda=..., mps=..., name=..., bf16=...): pretend that torch sees these devices."""

    def pretend(cuda: bool = False, mps: bool = False, name: str = "Tesla T4", bf16: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
        # torch counts emulated bf16 as support unless told otherwise
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or bf16
        )

    return pretend


def test_auto_takes_the_fastest_kind_of_device_that_is_there(machine):
    for present, chosen in (({"cuda": True, "mps": True}, "cuda"), ({"mps": True}, "mps"), ({}, "cpu")):
        machine(**present)
        assert choose_device("auto") == chosen
        assert choose_device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(machine):
    machine(mps=True)
    with pytest.raises(DeviceError, match=r"'cuda' is not available; here: mps, cpu\. Set device to auto"):
        choose_device("cuda")


def test_fp16_without_a_gpu_is_an_error_with_two_ways_out(machine):
    machine()
    with pytest.raises(DeviceError, match=r"no GPU was found.*train\.precision to auto .*device: cpu in runtime\.yaml"):
        choose_precision("fp16", choose_device("auto"), named=False)
    assert choose_precision("fp16", "cpu", named=True) == "fp16"
    assert choose_precision("bf16", "cpu", named=False) == "bf16"


def test_bf16_is_refused_by_gpus_that_only_emulate_it(machine):
    machine(cuda=True, name="Tesla T4", bf16=False)
    with pytest.raises(DeviceError, match=r"Tesla T4 has no bf16 units .* Set train\.precision to fp16"):
        choose_precision("bf16", "cuda")
    assert choose_precision("fp16", "cuda") == "fp16"
    machine(cuda=True, name="NVIDIA H200", bf16=True)
    assert choose_precision("bf16", "cuda") == "bf16"


def test_a_mac_gets_the_precisions_that_torch_has_there(monkeypatch):
    zeros = torch.zeros

    def zeros_without_bf16(size, dtype, device):
        if dtype == torch.bfloat16:
            raise TypeError("BFloat16 is not supported on MPS")
        return zeros(size, dtype=dtype)

    monkeypatch.setattr(torch, "zeros", zeros_without_bf16)
    assert choose_precision("fp16", "mps") == "fp16"
    assert choose_precision("fp32", "mps") == "fp32"
    with pytest.raises(DeviceError, match="bf16, which torch lacks on this Mac"):
        choose_precision("bf16", "mps")


def test_auto_precision_is_what_the_device_is_good_at(monkeypatch):
    assert choose_precision("auto", "cuda") == "fp16"
    assert choose_precision("auto", "mps") == "fp32"
    for flags, precision in (("fpu sse avx512_bf16", "bf16"), ("fpu sse", "fp32")):
        monkeypatch.setattr(Path, "read_text", lambda self, flags=flags, **_: flags)
        assert choose_precision("auto", "cpu", named=False) == precision


def test_the_peak_of_a_gpu_depends_on_its_exact_name_and_the_precision(machine):
    machine(cuda=True, name="NVIDIA H200")
    assert device.peak_flops("cuda", "fp16") == device.peak_flops("cuda", "bf16") == (989.4e12, PEAKS[-2].source)
    assert device.peak_flops("cuda", "fp32") is None
    assert device.peak_flops("cpu", "bf16") is None
    machine(cuda=True, name="NVIDIA H200 of tomorrow")
    assert device.peak_flops("cuda", "fp16") is None
    assert peak_of("Tesla V100-SXM2-16GB", "fp16") == (125e12, PEAKS[0].source)
    assert peak_of("Tesla V100-SXM2-16GB", "bf16") is None


def test_every_peak_is_the_dense_figure_of_its_source_and_no_gpu_has_two():
    names = [name for peak in PEAKS for name in peak.names]
    assert len(names) == len(set(names))
    for peak in PEAKS:
        dense, sparse = f" {peak.fp16 / 1e12:g} TFLOPS", f" {2 * peak.fp16 / 1e12:,.0f} TFLOPS with sparsity"
        assert (dense in peak.source) or (sparse in peak.source), peak


@given(batch=integers(1, 200), world=integers(1, 8), length=integers(8, 5000))
def test_a_chosen_micro_batch_divides_the_share_of_a_process(batch, world, length):
    if batch % world:
        with pytest.raises(DeviceError, match=f"multiple of {world * length}"):
            choose_micro_batch(0, CONFIG, length, batch, world, "cpu")
        return
    micro_batch = choose_micro_batch(0, CONFIG, length, batch, world, "cpu")
    assert batch // world % micro_batch == 0
    assert micro_batch == 1 or micro_batch * length <= device.CPU_MICRO_BATCH_TOKENS


def test_a_micro_batch_that_was_asked_for_is_taken_or_refused_with_those_that_would_do():
    assert choose_micro_batch(3, CONFIG, 100, 12, 2, "cpu") == 3
    with pytest.raises(DeviceError, match=r"micro_batch 4 .* 6 sequences .* one of 6, 3, 2, 1, or to 0"):
        choose_micro_batch(4, CONFIG, 100, 12, 2, "cpu")


@given(integers(1, 500))
def test_divisors_fall_from_the_whole_share_to_one(share):
    found = divisors(share)
    assert found == sorted({n for n in range(1, share + 1) if share % n == 0}, reverse=True)


def test_half_precision_copies_of_weights_are_not_kept_where_a_model_is_shared_out():
    weight, row = torch.ones(2, 2, requires_grad=True), torch.ones(1, 2)
    for keep, shared in ((True, 1), (False, 2)):
        with device.autocast("cpu", "bf16", keep_casts=keep):
            casts = {(row @ weight).grad_fn.next_functions[1][0] for _ in range(2)}
        assert len(casts) == shared
