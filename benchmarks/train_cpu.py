"""Our training loop against the plainest one, on this CPU, same model, step by step in turns in one run.

    python benchmarks/train_cpu.py [--batch 16] [--steps 25]

plain: eager fp32, all logits at once, torch.nn.functional.cross_entropy, AdamW as torch makes it, gradient clipping.
bf16:  the same under torch.autocast(bfloat16).
ours:  antimatter.train.loop.Training, precision auto (bf16 where the processor has it) and fp32.
Others use the machine too: the loops take turns, and the fastest tenth of the steps speaks beside the median.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.model import AntiMatter, ModelConfig
from antimatter.model.config import from_settings
from antimatter.params.model import Model
from antimatter.params.train import Train
from antimatter.train.job import Job, placed
from antimatter.train.loop import Training
from antimatter.train.peers import Peers
from antimatter.train.tokens import Tokens, open_tokens

VOCABULARY, LENGTH = 8192, 256


def write_tokens(folder: Path, count: int = 2_000_000) -> Tokens:
    """Random tokens: the content does not matter for speed."""
    splits = {}
    for name in ("train", "validation"):
        (folder / name).mkdir(parents=True)
        np.random.default_rng(0).integers(8, VOCABULARY, count).astype("<u2").tofile(folder / name / "shard-00000.bin")
        shards = [{"file": f"{name}/shard-00000.bin", "tokens": count}]
        splits[name] = {"tokens": count, "documents": 1, "shards": shards}
    np.full(VOCABULARY, 4, dtype="<u2").tofile(folder / "token_bytes.bin")
    meta = {
        "format": 2, "dtype": "uint16", "vocabulary_size": VOCABULARY, "bos": 1, "eos": 2, "pad": 0,
        "tokenizer_digest": "-", "digest": "-", "splits": splits, "token_bytes": "token_bytes.bin",
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(meta))
    return open_tokens(folder)


def plain(batch: int, bf16: bool) -> Callable[[], None]:
    """One step of the plainest loop."""
    model = AntiMatter(demo_config(), seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
    rows = torch.randint(8, VOCABULARY, (batch, LENGTH + 1))

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(rows[:, :-1])
            loss = F.cross_entropy(logits.view(-1, VOCABULARY), rows[:, 1:].reshape(-1))
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()

    return step


def ours(folder: Path, tokens: Tokens, batch: int, precision: Literal["auto", "fp32"]) -> Callable[[], None]:
    """One step of our loop, its figures fetched each time as plain fetches its loss."""
    train = Train(sequence_length=LENGTH, batch_sequences=batch, precision=precision, steps=100_000)
    job = Job(model=Model(), train=train, tokens=str(folder), work=str(folder / "work"), device="cpu")
    place, config = placed(job, VOCABULARY, None, 1, print)
    training = Training(job, config, place, tokens, Peers(), print)

    def step() -> None:
        training.step += 1
        training._one_step(training.step).tolist()

    return step


def demo_config() -> ModelConfig:
    """The demo's model."""
    return from_settings(Model(), VOCABULARY)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=25)
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokens = write_tokens(folder)
        loops = {
            "plain fp32": plain(options.batch, bf16=False),
            "plain bf16": plain(options.batch, bf16=True),
            "ours auto": ours(folder, tokens, options.batch, "auto"),
            "ours fp32": ours(folder, tokens, options.batch, "fp32"),
        }
        seconds: dict[str, list[float]] = {label: [] for label in loops}
        for turn in range(options.steps + 2):
            for label, step in loops.items():
                begin = time.perf_counter()
                step()
                if turn >= 2:
                    seconds[label].append(time.perf_counter() - begin)
    shape = f"{options.batch} x {LENGTH} tokens, V={VOCABULARY}"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {shape}")
    print("               median step        fastest tenth of the steps")
    step_tokens = options.batch * LENGTH
    speeds = {}
    for label, times in seconds.items():
        ordered = sorted(times)
        fastest = ordered[: max(1, len(ordered) // 10)]
        speeds[label] = step_tokens / statistics.median(times), step_tokens / statistics.mean(fastest)
        ratios = [own / base for own, base in zip(speeds[label], speeds["plain fp32"], strict=True)]
        columns = [f"{speed:8,.0f} tokens/s {ratio:5.2f} x" for speed, ratio in zip(speeds[label], ratios, strict=True)]
        print(f"{label:11s} {'   '.join(columns)}")


if __name__ == "__main__":
    main()
