"""How fast a model of ours reads and writes on this machine. Times differ from run to run: never part of a report."""

import contextlib
import platform
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from antimatter.evaluate.subject import OurModel
from antimatter.model.cache import KeyValueCache
from antimatter.model.generate import Sampling, generate_batch

PREFILL_BATCHES = (1, 8)
DECODE_BATCHES = (1, 8, 32)
PROMPT_TOKENS = 16
"""Before decoding: short, so that every step counts."""
SECONDS_EACH = 0.5
"""Spent on each batch size, warm-up aside; what has begun is finished."""

METHOD = (
    "fp32, random tokens, after a warm-up, about {seconds} s for each number of texts. Prefill: {prompt} tokens a text "
    "in one pass that fills the cache, median. Decode: steps of one token a text with the key-value cache, greedy, "
    "after {short} tokens, choice of the token included; percentiles over {steps} to {most} steps."
)


class _Enough(Exception):
    """The time for this measurement is over."""


def measure(subject: OurModel, seconds_each: float | None = None) -> dict[str, Any]:
    """{"device", "prefill", "decode", "memory_bytes", "size_bytes", "method"}.

    memory_bytes: the most that torch held on CUDA meanwhile; elsewhere the most that this process ever held.
    size_bytes: computed from the number of parameters. seconds_each: SECONDS_EACH unless said otherwise.
    """
    seconds_each = SECONDS_EACH if seconds_each is None else seconds_each
    is_cuda = subject.device.type == "cuda"
    if is_cuda:
        torch.cuda.reset_peak_memory_stats(subject.device)
    prompt = max(1, subject.context // 2)
    prefill = [_prefill(subject, batch, prompt, seconds_each) for batch in PREFILL_BATCHES]
    decode, steps = [], []
    for batch in DECODE_BATCHES:
        gaps = _step_seconds(subject, batch, seconds_each)
        steps.append(len(gaps))
        decode.append(_decode_row(batch, gaps))
    parameters = subject.facts()["parameters"]
    return {
        "device": _device(subject.device),
        "prefill": prefill,
        "decode": decode,
        "memory_bytes": torch.cuda.max_memory_allocated(subject.device) if is_cuda else _peak_of_process(),
        "size_bytes": {"fp32": 4 * parameters, "fp16": 2 * parameters},
        "method": METHOD.format(
            seconds=seconds_each, prompt=prompt, short=PROMPT_TOKENS, steps=min(steps), most=max(steps)
        ),
    }


@torch.inference_mode()
def _prefill(subject: OurModel, batch: int, length: int, seconds: float) -> dict[str, Any]:
    inputs_BT = torch.tensor(_random_ids(subject, batch, length), device=subject.device)

    def read() -> None:
        cache = KeyValueCache(batch, length)
        subject.model.logits(subject.model.hidden(inputs_BT, cache=cache)[:, -1])

    times = _repeated(read, subject.device, seconds)
    return {"batch": batch, "tokens_per_second": round(batch * length / float(np.median(times)), 1)}


def _step_seconds(subject: OurModel, batch: int, seconds: float) -> list[float]:
    """Seconds of single steps; at least one."""
    length = min(PROMPT_TOKENS, max(1, subject.context // 2))
    steps = max(2, subject.context - length)  # the window never moves meanwhile
    prompts = _random_ids(subject, batch, length)
    endless = Sampling(temperature=0.0, suppress=(subject.eos,), eos=subject.eos)
    generate_batch(subject.model, prompts, 2, endless)  # warm-up
    found: list[float] = []
    deadline = time.perf_counter() + seconds
    while not found or time.perf_counter() < deadline:
        marks: list[float] = []

        def on_token(row: int, token: int, marks: list[float] = marks) -> None:
            if row == 0:  # its token is chosen first, from logits that are here: the device has nothing left to do
                marks.append(time.perf_counter())
                if marks[-1] > deadline and len(marks) > 1:
                    raise _Enough

        with contextlib.suppress(_Enough):
            generate_batch(subject.model, prompts, steps, endless, on_token=on_token)
        found += np.diff(marks).tolist()
    return found


def _decode_row(batch: int, gaps: list[float]) -> dict[str, Any]:
    p50, p95 = np.percentile(gaps, (50, 95)) * 1000
    return {
        "batch": batch,
        "tokens_per_second": round(batch * len(gaps) / sum(gaps), 1),
        "ms_per_token_p50": round(float(p50), 3),
        "ms_per_token_p95": round(float(p95), 3),
    }


def _repeated(work: Callable[[], None], device: torch.device, seconds: float) -> list[float]:
    """Seconds of each repetition, at least 3, after one that does not count."""
    times: list[float] = []
    deadline = float("inf")
    while len(times) < 4 or time.perf_counter() < deadline:
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
        if len(times) == 1:
            deadline = time.perf_counter() + seconds
    return times[1:]


def _random_ids(subject: OurModel, batch: int, length: int) -> list[list[int]]:
    size = subject.model.config.vocabulary_size
    found: list[list[int]] = np.random.default_rng(0).integers(0, size, size=(batch, length)).tolist()
    return found


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({platform.machine()}), {torch.get_num_threads()} threads"


def _peak_of_process() -> int:
    import resource  # not on Windows

    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
