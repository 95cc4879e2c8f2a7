import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from antimatter.train.device import DeviceError
from antimatter.train.job import Placement
from antimatter.train.parallel import eager, no_sync, wrap
from tests.train import parallel_ranks as ranks


@pytest.fixture(scope="module")
def alone():
    """What one process computes, by kind of model."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {kind: ranks.train(kind) for kind in ranks.MODELS}
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def together(tmp_path_factory, alone):
    """together(name) -> what each of two processes left under it (parallel_ranks.main)."""
    folder = tmp_path_factory.mktemp("ranks")
    save_file(alone["tied"], folder / "alone.safetensors")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, ranks.__file__, str(folder)], env=environment, check=True, timeout=300)
    return lambda name: [load_file(folder / f"{name} {rank}.safetensors") for rank in (0, 1)]


def assert_equal_to_rounding(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.allclose(found[name], tensor, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("sharding", ["off", "on", "offload"])
@pytest.mark.parametrize("kind", ranks.MODELS)
def test_two_processes_compute_what_one_does(kind, sharding, alone, together):
    first, second = together(f"{kind} {sharding}")
    assert_equal_to_rounding(first, alone[kind])  # gradients of the second step, weights, moments after it
    for name, tensor in first.items():
        assert torch.equal(second[name], tensor), name


def test_sharding_and_copies_give_equal_weights(together):
    (copied, _), (shared_out, _), (offloaded, _) = (together(f"tied {how}") for how in ("off", "on", "offload"))
    assert_equal_to_rounding(shared_out, copied)
    for name, tensor in shared_out.items():
        assert torch.equal(offloaded[name], tensor), name


def test_a_single_process_may_offload_to_main_memory(alone):
    try:
        found = ranks.train("tied", "offload")
    finally:
        torch.distributed.destroy_process_group()
    assert_equal_to_rounding(found, alone["tied"])


def test_blocks_that_are_computed_again_in_the_backward_pass_may_be_shared_out(alone, together):
    assert_equal_to_rounding(together("recomputing on")[0], alone["tied"])


def test_what_one_process_saved_two_that_share_it_go_on_from_and_back(alone, together):
    longer = ranks.train("tied", steps=4)
    assert_equal_to_rounding(together("from alone on")[0], longer)
    assert_equal_to_rounding(ranks.train("tied", start=together("tied on")[0]), longer)


def test_a_model_that_is_shared_out_is_whole_in_its_loss_and_nowhere_else(together):
    for rank in together("reading on"):
        assert rank["heads are whole"].all() and rank["heads are plain"].all()
        assert rank["whole before"] == rank["whole after"] == 0  # an optimizer would not know them again
        assert rank["share"] == 0.5
        assert rank["kept"] == 0
    assert together("reading off")[0]["share"] == 1


def test_weights_loaded_after_a_validation_are_those_that_the_next_one_reads(together):
    for how in ("on", "off"):
        (first, second), loss = together(f"reading {how}"), ranks.read_and_load("off", 1, 0)
        assert not torch.allclose(loss["before"], loss["after"], rtol=1e-4)
        for name in ("before", "after"):
            assert torch.allclose(first[name], loss[name], rtol=1e-5)
            assert torch.equal(first[name], second[name])


def test_copies_exchange_gradients_in_the_last_micro_batch_alone(together):
    for rank in together("talking off"):
        assert rank["talks"].tolist() == [False, True]


def test_an_overflow_in_one_shard_skips_the_step_on_all_processes(together):
    for rank in together("overflow on"):
        assert not rank["norm"].isfinite()
        assert rank["unchanged"]
        assert rank["scale"] == ranks.TRAIN.initial_loss_scale / 2


def test_alone_nothing_is_wrapped():
    loss = nn.Linear(2, 2)
    for sharding in ("off", "on"):
        wrapped = wrap(loss, SimpleNamespace(blocks=[]), Placement("cpu", "fp32", 1, 1, 1, sharding), 0)
        assert wrapped is loss
        assert eager(wrapped) is loss
        with no_sync(wrapped, alone=True):
            pass


def test_validation_calls_what_was_not_compiled():
    loss = nn.Linear(2, 2)
    assert eager(torch.compile(loss, backend="eager")) is loss


def test_a_mac_cannot_offload_and_says_so():
    with pytest.raises(DeviceError, match="sharding: offload is not possible on mps"):
        wrap(nn.Linear(2, 2), SimpleNamespace(blocks=[]), Placement("mps", "fp32", 1, 1, 1, "offload"), 0)
