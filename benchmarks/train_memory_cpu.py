"""Memory of a training step with and without activation checkpointing, and its price in time, on this CPU.

    python benchmarks/train_memory_cpu.py [--shape compact-32k --batch 8] [--shape antimatter-300m --batch 1]

Each measurement is a process of its own: the most memory that it held (ru_maxrss) in three steps of forward, backward
and AdamW, less what it held before the first one with the weights in place; and the bytes that autograd keeps from
forward to backward, counted exactly (weights and their half-precision copies left out).
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.model import AntiMatter
from antimatter.model.config import from_settings, parameter_count
from antimatter.params import loader, profiles
from antimatter.train.device import autocast, choose_precision
from antimatter.train.loss import LossOf


def measure(shape: str, batch: int, on: bool) -> None:
    """Print one line of JSON."""
    from ruamel.yaml import YAML

    groups = loader.check(YAML().load(profiles.compose(shape)), shape)
    config = from_settings(groups["model"], groups["tokenizer"].entries)
    length, precision = groups["train"].sequence_length, choose_precision("auto", "cpu")
    model = AntiMatter(config)
    model.activation_checkpointing = on
    loss = LossOf(model, chunked=True).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    weights = {parameter.shape for parameter in model.parameters()} | {
        p.T.shape for p in model.parameters() if p.dim() > 1
    }
    rows = torch.randint(config.vocabulary_size, (batch, length + 1), generator=torch.Generator().manual_seed(0))
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.shape not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for step in range(3):
        begin = time.perf_counter()
        with autocast("cpu", precision):
            if step == 0:
                with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                    objective = loss(rows[:, :-1], rows[:, 1:])[0]
            else:
                objective = loss(rows[:, :-1], rows[:, 1:])[0]
        (objective / rows.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begin)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({
        "parameters": parameter_count(config).total, "length": length, "precision": precision,
        "kept": sum(kept.values()), "peak": 1024 * after, "above": 1024 * (after - before), "seconds": min(seconds),
    }))  # fmt: skip


def main() -> None:
    """Measure each shape with and without, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", action="append")
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--one", choices=("off", "on"))
    options = parser.parse_args()
    shapes = list(zip(options.shape or ["compact-32k"], options.batch or [8], strict=True))
    if options.one:
        measure(*shapes[0], on=options.one == "on")
        return
    for shape, batch in shapes:
        rows = {}
        for mode in ("off", "on"):
            command = [sys.executable, __file__, "--shape", shape, "--batch", str(batch), "--one", mode]
            rows[mode] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        off, on = rows["off"], rows["on"]
        print(f"{shape}: {off['parameters']:,} parameters, {batch} x {off['length']} tokens, {off['precision']}")
        for key, unit in (("kept", 1e6), ("above", 1e6), ("peak", 1e6), ("seconds", 1.0)):
            change = 100 * (on[key] / off[key] - 1)
            print(f"  {key:8s} {off[key] / unit:10,.1f} off {on[key] / unit:10,.1f} on  {change:+6.1f} %")


if __name__ == "__main__":
    main()
