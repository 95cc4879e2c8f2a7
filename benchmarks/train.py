"""Our training step against the loops that people write, same model, same machine, step by step in turns in one run.

    python benchmarks/train.py [--shape demo|300m] [--device cpu|cuda] [--only ours,plain,...] [--steps 25]

plain          a GPT-2 written as most people would, eager fp32, all logits at once, AdamW as torch makes it, clipping
plain half     the same under torch.autocast (fp16 with a GradScaler on CUDA, bf16 on a CPU)
transformers   GPT2LMHeadModel of the same shape, eager fp32; "half" under autocast; "compiled" with torch.compile
ours           the Stepper with its loader, loss scale and guard, precision auto; also fp32, and bf16 on CUDA

Others use the machine too: the loops take turns, and the fastest tenth of the steps speaks beside the median. MFU
counts 6 (N - T d) + 12 L d T FLOPs a token against the peak that train/peaks.py names, and is left out for a device
without one. --shares measures what of our own step is loader, guard and log. Needs torch, numpy, safetensors, and
transformers where it is there.

On a GPU (not run by us so far; an H200 has room for 32 sequences a pass):
    python benchmarks/train.py --shape 300m --device cuda --micro-batch 32 --batch 64 --steps 60
"""

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.model.config import ModelConfig, flops_per_token, from_settings, parameter_count
from antimatter.params.model import Model
from antimatter.params.train import Train
from antimatter.train.device import peak_flops
from antimatter.train.guard import Seen
from antimatter.train.job import Job, placed
from antimatter.train.journal import Journal
from antimatter.train.peers import Peers
from antimatter.train.step import Fetched
from antimatter.train.tokens import Tokens, open_tokens
from antimatter.train.training import Training

SHAPES = {
    "demo": (Model(initial_std=0.04), 4096, 256, 16),
    "300m": (Model(layers=24, width=1024, heads=16, feed_forward=4096, context=2048), 50257, 2048, 64),
}
"""model, vocabulary, sequence length, sequences of a step"""
Step = Callable[[], None]


def write_tokens(folder: Path, vocabulary: int, count: int = 4_000_000) -> Tokens:
    """Random tokens: the content does not matter for speed."""
    splits: dict[str, Any] = {}
    for name in ("train", "validation"):
        (folder / name).mkdir(parents=True)
        ids = np.random.default_rng(0).integers(8, vocabulary, count).astype("<u2")
        ids.tofile(folder / name / "shard-00000.bin")
        shards = [{"file": f"{name}/shard-00000.bin", "tokens": count}]
        splits[name] = {"tokens": count, "documents": 1, "shards": shards}
    np.full(vocabulary, 4, dtype="<u2").tofile(folder / "token_bytes.bin")
    np.full(vocabulary, 100, dtype="<i8").tofile(folder / "token_counts.bin")
    meta = {
        "format": 2, "dtype": "uint16", "vocabulary_size": vocabulary, "bos": 1, "eos": 2, "pad": 0,
        "tokenizer_digest": "-", "digest": "-", "splits": splits, "token_bytes": "token_bytes.bin",
        "token_counts": "token_counts.bin",
    }  # fmt: skip
    (folder / "meta.json").write_text(json.dumps(meta))
    return open_tokens(folder)


class PlainBlock(nn.Module):
    """As in many a tutorial."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.heads = c.heads
        self.ln_1, self.ln_2 = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
        self.attention, self.out = nn.Linear(c.width, 3 * c.width), nn.Linear(c.width, c.width)
        self.up, self.down = nn.Linear(c.width, c.feed_forward), nn.Linear(c.feed_forward, c.width)

    def forward(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        parts = self.attention(self.ln_1(x)).split(D, dim=2)
        q, k, v = (part.view(B, T, self.heads, D // self.heads).transpose(1, 2) for part in parts)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).contiguous().view(B, T, D))
        added: Tensor = self.down(F.gelu(self.up(self.ln_2(x)), approximate="tanh"))
        return x + added


class PlainGpt(nn.Module):
    """Embeddings, blocks, a tied head, the loss."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(c.vocabulary_size, c.width), nn.Embedding(c.context, c.width)
        self.blocks = nn.ModuleList(PlainBlock(c) for _ in range(c.layers))
        self.norm, self.head = nn.LayerNorm(c.width), nn.Linear(c.width, c.vocabulary_size, bias=False)
        self.head.weight = self.tokens.weight
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        hidden = self.tokens(x) + self.places(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            hidden = block(hidden)
        logits = self.head(self.norm(hidden))
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.reshape(-1))


class HuggingFace(nn.Module):
    """transformers' GPT-2 with the loss outside, as PlainGpt computes it."""

    def __init__(self, c: ModelConfig) -> None:
        super().__init__()
        from transformers import GPT2Config, GPT2LMHeadModel

        config = GPT2Config(
            vocab_size=c.vocabulary_size, n_positions=c.context, n_embd=c.width, n_layer=c.layers, n_head=c.heads,
            n_inner=c.feed_forward, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, use_cache=False,
        )  # fmt: skip
        self.model = GPT2LMHeadModel(config)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        logits = self.model(input_ids=x).logits
        return F.cross_entropy(logits.view(-1, logits.shape[-1]).float(), y.reshape(-1))


def usual(model: nn.Module, half: bool, vocabulary: int, length: int, batch: int, micro: int, device: str) -> Step:
    """One step of the loop that most people write around a model."""
    model.to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1)
    dtype = torch.float16 if device == "cuda" else torch.bfloat16
    scaler = torch.amp.GradScaler(device, enabled=half and device == "cuda")
    data = np.random.default_rng(0).integers(8, vocabulary, 4_000_000).astype("<u2")
    random = np.random.default_rng(1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        for _ in range(batch // micro):
            starts = random.integers(0, len(data) - length - 1, micro)
            rows = torch.from_numpy(np.stack([data[s : s + length + 1].astype(np.int64) for s in starts])).to(device)
            with torch.autocast(device, dtype, enabled=half):
                loss = model(rows[:, :-1], rows[:, 1:]) * micro / batch
            scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        loss.item()

    return step


class Ours:
    """One step of our loop, its figures read one step late, as the loop does it."""

    def __init__(self, model: Model, vocabulary: int, tokens: Tokens, train: Train, micro: int, device: str) -> None:
        work = tokens.folder / "work" / train.precision
        work.mkdir(parents=True, exist_ok=True)
        job = Job(
            model=model, train=train, tokens=str(tokens.folder), work=str(work), device=device, micro_batch=micro
        )  # fmt: skip
        self.place, config = placed(job, vocabulary, None, 1, print)
        self.training = Training(job, config, self.place, tokens, Peers(), print)
        self.journal = Journal(work, 0)
        self.pending: Fetched | None = None
        self.seconds = {"loader": 0.0, "guard": 0.0, "log": 0.0}

    def __call__(self) -> None:
        t = self.training
        t.step += 1
        sums = t.stepper.forward_backward(t.step, t.cursor(t.step), None, False)
        if self.pending is not None:
            figures = self.pending.read()
            seen = Seen(
                step=figures.step, loss=figures.loss, norm=figures.norm, overflow=False, skipped=figures.skipped,
                scale=None,
            )  # fmt: skip
            self._timed("guard", lambda: t.guard.observe(seen))
            if figures.step % 10 == 0:
                row = dict.fromkeys(("epoch", "smoothed_loss", "learning_rate", "loss_scale"), 1.0)
                row |= {
                    "loss": figures.loss,
                    "gradient_norm": figures.norm,
                    "step": figures.step,
                    "tokens": 1,
                    "cursor": 1,
                }
                self._timed("log", lambda: (self.journal.log(row), self.journal.record("train", **row)))
        thresholds = self._timed("guard", t.guard.thresholds)
        self.pending = Fetched(t.step, t.stepper.update(sums, t.rate(t.step), *thresholds), sums)

    def _timed(self, name: str, call: Callable[[], Any]) -> Any:
        begin = time.perf_counter()
        result = call()
        self.seconds[name] += time.perf_counter() - begin
        return result

    def time_loader(self) -> None:
        """From now on count what the step waits for its data."""
        rows = self.training.loader.rows
        self.training.loader.rows = lambda cursor: self._timed("loader", lambda: rows(cursor))  # type: ignore[method-assign]


def loops(options: argparse.Namespace, folder: Path) -> tuple[dict[str, Any], ModelConfig, int, int]:
    """The loops by name, the shape, tokens of a step, sequence length."""
    model, vocabulary, length, batch = SHAPES[options.shape]
    batch = options.batch or batch
    micro = options.micro_batch or batch
    device = options.device
    config = from_settings(model, vocabulary)
    train: dict[str, Any] = {
        "sequence_length": length, "batch_tokens": batch * length, "steps": 1_000_000, "warmup_steps": 100
    }  # fmt: skip
    shape = (vocabulary, length, batch, micro, device)
    tokens = write_tokens(folder, vocabulary)
    has_transformers = importlib.util.find_spec("transformers") is not None
    makers: dict[str, Callable[[], Any]] = {
        "plain": lambda: usual(PlainGpt(config), False, *shape),
        "plain half": lambda: usual(PlainGpt(config), True, *shape),
        "ours": lambda: Ours(model, vocabulary, tokens, Train(**train), micro, device),
        "ours fp32": lambda: Ours(model, vocabulary, tokens, Train(**train, precision="fp32"), micro, device),
    }
    if device == "cuda":
        makers["ours bf16"] = lambda: Ours(model, vocabulary, tokens, Train(**train, precision="bf16"), micro, device)
    if has_transformers:
        makers["transformers"] = lambda: usual(HuggingFace(config), False, *shape)
        makers["transformers half"] = lambda: usual(HuggingFace(config), True, *shape)
        if device == "cuda":
            makers["transformers half compiled"] = lambda: usual(
                torch.compile(HuggingFace(config)), True, *shape  # type: ignore[arg-type]
            )  # fmt: skip
    else:
        print("transformers is not installed here, so it is left out")
    chosen = options.only.split(",") if options.only else list(makers)
    return {name: makers[name]() for name in chosen}, config, batch * length, length


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="demo")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--micro-batch", type=int, default=0)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--only", default="")
    parser.add_argument("--shares", action="store_true")
    options = parser.parse_args()
    torch.set_flush_denormal(True)
    with tempfile.TemporaryDirectory() as name:
        steps, config, step_tokens, length = loops(options, Path(name))
        seconds: dict[str, list[float]] = {label: [] for label in steps}
        for turn in range(options.steps + 3):
            if turn == 3 and options.shares:
                for loop in steps.values():
                    if isinstance(loop, Ours):
                        loop.seconds = dict.fromkeys(loop.seconds, 0.0)
                        loop.time_loader()
            for label, step in steps.items():
                begin = time.perf_counter()
                step()
                if options.device == "cuda":
                    torch.cuda.synchronize()
                if turn >= 3:
                    seconds[label].append(time.perf_counter() - begin)
        report(options, config, step_tokens, length, steps, seconds)
        for loop in steps.values():
            if isinstance(loop, Ours):
                loop.training.loader.close()


def report(
    options: argparse.Namespace, config: ModelConfig, step_tokens: int, length: int, steps: dict[str, Any],
    seconds: dict[str, list[float]],
) -> None:  # fmt: skip
    """The table."""
    where = torch.cuda.get_device_name() if options.device == "cuda" else f"{torch.get_num_threads()} threads"
    size = parameter_count(config).total
    print(f"torch {torch.__version__}, {where}, {size:,} parameters, {step_tokens:,} tokens a step, T={length}")
    print(f"{'':26s}      median step             fastest tenth of the steps")
    base = seconds.get("plain", next(iter(seconds.values())))
    flops = flops_per_token(config, length)
    for label, times in seconds.items():
        columns = []
        for pick in (statistics.median, _fastest):
            rate, ratio = step_tokens / pick(times), pick(base) / pick(times)
            columns.append(f"{rate:9,.0f} tokens/s {ratio:5.2f} x")
        loop = steps[label]
        precision = loop.place.precision if isinstance(loop, Ours) else ""
        peak = peak_flops(options.device, precision or ("fp16" if "half" in label else "fp32"))
        mfu = f"   MFU {step_tokens / statistics.median(times) * flops / peak[0]:.1%}" if peak else ""
        print(f"{label + (f' ({precision})' if precision else ''):26s} {'   '.join(columns)}{mfu}")
        if options.shares and isinstance(loop, Ours):
            whole = sum(times)
            print(f"{'':26s} " + ", ".join(f"{n} {100 * s / whole:.3f} %" for n, s in loop.seconds.items()))


def _fastest(times: list[float]) -> float:
    return statistics.mean(sorted(times)[: max(1, len(times) // 10)])


if __name__ == "__main__":
    main()
