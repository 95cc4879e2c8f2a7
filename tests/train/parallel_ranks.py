"""Run by torchrun in test_parallel.py: train a little under every kind of sharding, leave what came out as files.

`train` is also what the test runs alone, in one process, to compare with.
"""

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from antimatter.model import AntiMatter
from antimatter.model.config import from_settings
from antimatter.params.model import Model
from antimatter.params.train import Train
from antimatter.train.device import autocast
from antimatter.train.job import Placement
from antimatter.train.loss import LossOf
from antimatter.train.loss_scale import LossScale
from antimatter.train.optimizer import Optimizer
from antimatter.train.parallel import eager, load_weights, no_sync, published_weights, wrap
from antimatter.train.peers import Peers
from antimatter.train.shards import full, is_shared_out

SHAPE = Model(layers=2, width=16, heads=2, feed_forward=32, context=16, vocabulary_multiple=16)
MODELS = {
    "tied": SHAPE,
    "untied": dataclasses.replace(SHAPE, tied_embeddings=False),
    "adaptive": dataclasses.replace(SHAPE, tied_embeddings=False, adaptive_softmax=(10, 20)),
}
VOCABULARY, BATCH, PASSES = 37, 8, 2
TRAIN = Train(sequence_length=16, batch_tokens=128, epsilon=1e-4)  # a large epsilon: Adam magnifies rounding near 0
TOKENS = torch.randint(0, VOCABULARY, (BATCH, 17), generator=torch.Generator().manual_seed(5))


def build(kind: str, sharding: str, world: int, rank: int, recompute: bool = False, precision: str = "fp32"):
    """(model, its wrapped loss, its optimizer)."""
    model = AntiMatter(from_settings(MODELS[kind], VOCABULARY), seed=3)
    if model.adaptive is not None:
        model.adaptive.set_frequencies(torch.arange(VOCABULARY))
    model.activation_checkpointing = recompute
    place = Placement("cpu", precision, world, BATCH // world // PASSES, 1, sharding, recompute)
    loss = wrap(LossOf(model, chunked=kind == "tied"), model, place, rank)
    return model, loss, Optimizer(model, TRAIN, "cpu")


def gradients(loss: torch.nn.Module, world: int, rank: int, scale: float = 1.0) -> float:
    """Accumulate the gradient of the mean loss over the batch, as the training loop does. Returns this rank's sum."""
    micro_batch, total = BATCH // world // PASSES, 0.0
    for k, rows in enumerate(TOKENS.view(PASSES, world, micro_batch, 17)[:, rank]):
        with no_sync(loss, alone=k < PASSES - 1):
            objective = loss(rows[:, :-1], rows[:, 1:])[0]
            (objective * (scale * world / TRAIN.batch_tokens)).backward()
        total += objective.item()
    return total


def train(
    kind: str,
    sharding: str = "off",
    world: int = 1,
    rank: int = 0,
    steps: int = 2,
    recompute: bool = False,
    start: Mapping[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Weights, optimizer state and the last step's gradient after `steps`, from fresh weights or from `start`."""
    model, loss, optimizer = build(kind, sharding, world, rank, recompute)
    if start is not None:
        load_weights(model, part(start, "weights"), "the test")
        optimizer.restore(part(start, "optimizer"))
    for _ in range(steps):
        optimizer.zero_grad()
        gradients(loss, world, rank)
        taken = {name: full(p.grad).clone() for name, p in model.named_parameters()}
        optimizer.step(1e-2, torch.zeros(()))
    whole = {"weights": published_weights(model), "optimizer": optimizer.state(), "gradient": taken}
    return {f"{group}/{name}": t.clone() for group, tensors in whole.items() for name, t in tensors.items()}


def part(result: Mapping[str, Tensor], group: str) -> dict[str, Tensor]:
    """One of "weights", "optimizer", "gradient" of what `train` returned."""
    return {name.removeprefix(f"{group}/"): t for name, t in result.items() if name.startswith(f"{group}/")}


def read_and_load(sharding: str, world: int, rank: int) -> dict[str, Tensor]:
    """Losses in validation before and after other weights are loaded; how much of the model lies here."""
    model, loss, _ = build("tied", sharding, world, rank)
    heads = []
    model.final_norm.register_forward_hook(lambda *_: heads.append(model.head_weight))
    found = {}
    for name in ("before", "after"):
        with torch.no_grad():
            found[name] = eager(loss)(TOKENS[:, :-1], TOKENS[:, 1:])[1]
        found[f"whole {name}"] = torch.tensor(sum(not is_shared_out(parameter) for parameter in model.parameters()))
        other = AntiMatter(model.config, seed=4).published_weights()
        load_weights(model, other, "the test")
    found["heads are whole"] = torch.tensor([list(head.shape) == [48, 16] for head in heads])
    found["heads are plain"] = torch.tensor([not is_shared_out(head) for head in heads])
    found["kept"] = torch.tensor(len(published_weights(model, keep=False)))
    held = sum((p.to_local() if is_shared_out(p) else p).numel() for p in model.parameters())
    return {**found, "share": torch.tensor(held / sum(p.numel() for p in model.parameters()))}


def talks() -> dict[str, Tensor]:
    """Whether copies exchange gradients in a micro-batch before the last, and in the last."""
    _, loss, _ = build("tied", "off", 2, 0)
    found = []
    for alone in (True, False):
        with no_sync(loss, alone):
            found.append(loss.require_backward_grad_sync)
    return {"talks": torch.tensor(found)}


def overflow(sharding: str, world: int, rank: int) -> dict[str, Tensor]:
    """An fp16 step in which a single number of the last rank's gradient is infinite."""
    model, loss, optimizer = build("tied", sharding, world, rank, precision="fp16")
    scale, before = LossScale("cpu", TRAIN, enabled=True), published_weights(model)
    with autocast("cpu", "fp16", keep_casts=False):
        gradients(loss, world, rank, scale=scale.current().item())
    gradient = next(model.parameters()).grad
    local = gradient.to_local() if is_shared_out(gradient) else gradient
    if rank == world - 1:
        local.flatten()[0] = float("inf")
    norm = scale.unscale(optimizer, list(model.parameters()))
    scale.clip(list(model.parameters()), norm, 1.0)
    optimizer.step(1e-2, (~torch.isfinite(norm)).float())
    scale.update()
    after = published_weights(model)
    unchanged = all(torch.equal(before[name], after[name]) for name in before)
    return {"norm": norm, "unchanged": torch.tensor(unchanged), "scale": scale.current()}


def main(folder: Path) -> None:
    """All that test_parallel.py asks of two processes."""
    torch.set_num_threads(1)
    peers = Peers()
    peers.connect("cpu")
    rank, world = peers.rank, peers.world
    alone = load_file(folder / "alone.safetensors")
    results = {
        **{f"{kind} {how}": train(kind, how, world, rank) for kind in MODELS for how in ("off", "on", "offload")},
        "recomputing on": train("tied", "on", world, rank, recompute=True),
        "from alone on": train("tied", "on", world, rank, start=alone),
        "reading off": read_and_load("off", world, rank),
        "reading on": read_and_load("on", world, rank),
        "overflow on": overflow("on", world, rank),
        "talking off": talks(),
    }
    for name, tensors in results.items():
        save_file({key: t.contiguous() for key, t in tensors.items()}, folder / f"{name} {rank}.safetensors")
    peers.leave()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
