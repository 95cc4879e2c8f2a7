from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from antimatter.errors import AntiMatterError
from antimatter.model import AntiMatter, ModelConfig
from antimatter.params.train import Train
from antimatter.train import muon
from antimatter.train import optimizer as module
from antimatter.train.loss_scale import LossScale
from antimatter.train.muon import Muon
from antimatter.train.optimizer import Optimizer, OptimizerStateError, adamw
from antimatter.train.shards import full, shared_out_like

CONFIG = ModelConfig(
    vocabulary_size=37, vocabulary_multiple=16, layers=2, width=16, heads=2, feed_forward=32, context=16
)
SETTINGS = {kind: Train(learning_rate=0.01, initial_loss_scale=64.0, optimizer=kind) for kind in ("adamw", "muon")}
APPLY, SKIP = torch.zeros(()), torch.ones(())

both = pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)


def take_gradients(model: AntiMatter, seed: int) -> None:
    """Random ones; padding rows get none, as in training."""
    random = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        whole = torch.zeros(parameter.shape)
        rows = model.unpadded(name, whole)
        rows.copy_(torch.randn(rows.shape, generator=random))
        parameter.grad = shared_out_like(whole, parameter)


def snapshot(model: AntiMatter, optimizer: Optimizer) -> dict[str, torch.Tensor]:
    """All weights, padding too, and the optimizer's state."""
    tensors = {**dict(model.named_parameters()), **optimizer.state()}
    return {name: full(tensor.detach()).clone() for name, tensor in tensors.items()}


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    """To the bit, the sign of zeros included."""
    return one.keys() == two.keys() and all(
        torch.equal(one[n].view(torch.int32), two[n].view(torch.int32)) for n in one
    )


def test_matrices_decay_and_vectors_do_not():
    model = AntiMatter(CONFIG)
    decayed, free = adamw(model, SETTINGS["adamw"], "cpu").param_groups
    assert decayed["weight_decay"] == 0.1 and all(p.dim() == 2 for p in decayed["params"])
    assert free["weight_decay"] == 0.0 and all(p.dim() == 1 for p in free["params"])
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_muon_takes_the_matrices_of_the_blocks_and_adamw_all_else():
    model = AntiMatter(CONFIG)
    names = {parameter: name for name, parameter in model.named_parameters()}
    adam, other = Optimizer(model, SETTINGS["muon"], "cpu").parts
    packed, single = ([names[p] for p in group["params"]] for group in other.param_groups)
    assert packed == [f"blocks.{i}.attention.queries_keys_values.weight" for i in range(2)]
    assert [group["parts"] for group in other.param_groups] == [3, 1]
    inside = ("attention.projection.weight", "feed_forward.expansion.weight", "feed_forward.projection.weight")
    assert single == [f"blocks.{i}.{name}" for i in range(2) for name in inside]
    rest = [names[p] for group in adam.param_groups for p in group["params"]]
    assert sorted([*packed, *single, *rest]) == sorted(names.values())


def test_without_muon_steps_are_those_of_torchs_adamw_at_the_asked_rates():
    model, twin = AntiMatter(CONFIG), AntiMatter(CONFIG)
    ours, theirs = Optimizer(model, SETTINGS["adamw"], "cpu"), adamw(twin, SETTINGS["adamw"], "cpu")
    for step, rate in enumerate((0.01, 0.003, 0.02)):
        take_gradients(model, step)
        take_gradients(twin, step)
        ours.step(rate, APPLY)
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True))


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "not fused"])
@both
def test_a_skipped_step_changes_no_bit_and_leaves_no_trace_in_later_ones(monkeypatch, settings, fused):
    monkeypatch.setattr(module, "fused_kernel_skips", lambda device: fused)
    model, twin = AntiMatter(CONFIG), AntiMatter(CONFIG)
    disturbed, calm = Optimizer(model, settings, "cpu"), Optimizer(twin, settings, "cpu")
    for step in range(3):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, torch.nan if step % 2 else 1e9)
        before = snapshot(model, disturbed)
        disturbed.step(0.5, SKIP)
        assert equal(snapshot(model, disturbed), before)
        take_gradients(model, step)
        take_gradients(twin, step)
        disturbed.step(0.01, APPLY)
        calm.step(0.01, APPLY)
        assert not equal(snapshot(model, disturbed), before)
    assert equal(snapshot(model, disturbed), snapshot(twin, calm))
    assert disturbed.state()["final_norm.weight:step"].item() == 3


@both
def test_the_host_does_not_wait_to_learn_whether_a_step_is_skipped(monkeypatch, settings):
    model = AntiMatter(CONFIG)
    optimizer = Optimizer(model, settings, "cpu")
    take_gradients(model, 0)

    def wait(*_: object) -> None:
        raise AssertionError("this reads a value from the device")

    with monkeypatch.context() as patch:
        for reading in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy", "nonzero"):
            patch.setattr(torch.Tensor, reading, wait)
        optimizer.step(0.01, SKIP)
        optimizer.step(0.01, APPLY)


@both
def test_state_comes_back_by_name_and_continues_to_the_bit(settings):
    model, twin = AntiMatter(CONFIG, seed=1), AntiMatter(CONFIG, seed=2)
    optimizer, other = Optimizer(model, settings, "cpu"), Optimizer(twin, settings, "cpu")
    for seed, one, its in ((1, model, optimizer), (2, model, optimizer), (3, twin, other)):
        take_gradients(one, seed)
        its.step(0.01, APPLY)
    state = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    assert state["token_embedding.weight:exp_avg"].shape == (37, 16)
    assert ("blocks.0.attention.projection.weight:momentum" in state) == (settings.optimizer == "muon")
    twin.load_weights(model.published_weights(), "memory")
    other.restore(state)
    for one, its in ((model, optimizer), (twin, other)):
        take_gradients(one, 4)
        its.step(0.01, APPLY)
    assert equal(snapshot(model, optimizer), snapshot(twin, other))


@both
def test_an_empty_state_is_the_one_before_the_first_step(settings):
    model = AntiMatter(CONFIG)
    optimizer = Optimizer(model, settings, "cpu")
    fresh = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    take_gradients(model, 0)
    optimizer.step(0.01, APPLY)
    assert not equal(optimizer.state(), fresh)
    optimizer.restore({})
    assert equal(optimizer.state(), fresh)


def test_a_state_that_does_not_fit_is_refused_whole_with_every_reason():
    model = AntiMatter(CONFIG)
    optimizer = Optimizer(model, SETTINGS["adamw"], "cpu")
    before = snapshot(model, optimizer)
    state = {key: torch.ones_like(tensor) for key, tensor in before.items() if ":" in key}
    del state["final_norm.bias:step"]
    state["blocks.0.attention.projection.weight:momentum"] = torch.ones(16, 16)
    state["token_embedding.weight:exp_avg"] = torch.ones(48, 16)
    with pytest.raises(OptimizerStateError) as caught:
        optimizer.restore(state)
    assert isinstance(caught.value, AntiMatterError) and isinstance(caught.value, ValueError)
    for part in (
        "final_norm.bias:step is missing", "projection.weight:momentum is not known",
        "token_embedding.weight:exp_avg is [48, 16], expected [37, 16]",
    ):  # fmt: skip
        assert part in str(caught.value)
    assert equal(snapshot(model, optimizer), before)


@both
def test_gradients_are_forgotten_in_every_part(settings):
    model = AntiMatter(CONFIG)
    optimizer = Optimizer(model, settings, "cpu")
    take_gradients(model, 0)
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def shared_out_steps(rank: int, folder: str) -> None:
    """One of two processes: compare a model that is shared out with a whole one, step by step; then restore it."""
    from torch.distributed.fsdp import fully_shard  # a second of imports that no other test needs

    torch.set_num_threads(1)
    muon.iteration_dtype = lambda device: torch.float32  # bf16 would make more of a last digit of the norm
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    whole, shared = AntiMatter(CONFIG), AntiMatter(CONFIG)
    for module_ in (*shared.blocks, shared):
        fully_shard(module_, mesh=dist.device_mesh.init_device_mesh("cpu", (2,)))
    pair = []
    for model in (whole, shared):
        optimizer, scale = Optimizer(model, SETTINGS["muon"], "cpu"), LossScale("cpu", SETTINGS["muon"], enabled=True)
        parameters = list(model.parameters())
        for step in range(3):
            take_gradients(model, step)
            for parameter in parameters:
                parameter.grad *= scale.current().item()
            if step == 1:  # in the first shard alone: the other process must hear of it
                local = parameters[0].grad
                (local.to_local() if model is shared else local)[:1] += torch.inf if rank == 0 or model is whole else 0
            norm = scale.unscale(optimizer, parameters)
            scale.clip(parameters, norm, 1.0)
            optimizer.step(0.01, (~torch.isfinite(norm)).float())
            scale.update()
        pair.append((norm.item(), scale.current().item(), snapshot(model, optimizer)))
    (norm_of_whole, scale_of_whole, alone), (norm_of_shared, scale_of_shared, together) = pair
    assert norm_of_shared == pytest.approx(norm_of_whole) and scale_of_shared == scale_of_whole == 32.0
    assert alone.keys() == together.keys()
    apart = [name for name in alone if not torch.allclose(alone[name], together[name], atol=1e-6)]
    assert not apart
    assert isinstance(optimizer.parts[1], Muon) and alone["final_norm.weight:step"].item() == 2
    state = {key: tensor.clone() for key, tensor in optimizer.state().items()}
    optimizer.restore({})
    assert not any(tensor.any() for tensor in optimizer.state().values())
    optimizer.restore(state)
    assert equal(snapshot(shared, optimizer), together)
    dist.destroy_process_group()


def test_a_model_shared_out_over_two_processes_steps_saves_and_restores_as_a_whole_one(tmp_path: Path):
    torch.multiprocessing.spawn(shared_out_steps, args=(str(tmp_path),), nprocs=2)
