"""What the commands say about the model and its training: antimatter trace, and the table of antimatter check."""

import argparse
import dataclasses
import json
import math
import shutil
from pathlib import Path
from typing import Any


def add_trace(trace: argparse.ArgumentParser) -> None:
    """antimatter trace --step N [--sequence K] [--text] [--json] [--params]"""
    trace.add_argument("--step", type=int, required=True, metavar="N", help="the optimizer step, from 1")
    trace.add_argument("--sequence", type=int, metavar="K", help="one sequence of its batch alone, from 0")
    trace.add_argument("--text", action="store_true", help="what the model read of each document")
    trace.add_argument("--json", action="store_true", help="for programs")
    trace.add_argument("--params", action="store_true", help="follow params.yaml instead of data/model")
    trace.set_defaults(run=_trace)


def _trace(options: argparse.Namespace) -> None:
    from antimatter import trace, trace_table

    batch = trace.documents_in(options.step, options.sequence, from_params=options.params)
    if options.json:
        print(json.dumps(trace_table.plain(batch, options.text), indent=2))
        return
    width = max(trace_table.NARROWEST, shutil.get_terminal_size((trace_table.WIDTH, 24)).columns)
    for line in trace_table.lines(batch, width, options.text):
        print(line)


def print_model(groups: dict[str, Any]) -> None:
    """Shape, size and length of training that these parameters describe."""
    model, train, entries = groups["model"], groups["train"], _entries(groups["tokenizer"])
    count = size_of(groups, entries)
    vocabulary, total = "known once stage tokenizer has run", "known then too"
    if entries is not None:
        vocabulary, total = f"{entries:,}", f"{count.total:,}"
    rows = [
        ("layers", f"{model.layers} of width {model.width}, {model.heads} heads, feed-forward {model.feed_forward}"),
        ("tokens", f"vocabulary {vocabulary}, context {model.context:,}, trained at {train.sequence_length:,}"),
        ("parameters", total),
        ("  without embeddings", f"{count.blocks:,}"),
        *([("tying embeddings", _saving(groups, entries))] if entries and not model.adaptive_softmax else []),
        ("tokens per step", f"{train.batch_tokens:,} ({train.batch_sequences:,} x {train.sequence_length:,})"),
        ("tokens in total", _length(train)),
    ]
    reasons = _config(groups, entries).not_exportable()
    rows += [("no GGUF form", "; ".join(reasons))] if reasons else []
    for name, value in rows:
        print(f"{name:<22} {value}")


def _saving(groups: dict[str, Any], entries: int) -> str:
    tied = groups["model"].tied_embeddings
    other = {**groups, "model": dataclasses.replace(groups["model"], tied_embeddings=not tied)}
    smaller, larger = sorted(size_of(each, entries).total for each in (groups, other))
    share = 100 * (larger - smaller) / larger
    return f"{'saves' if tied else 'would save'} {larger - smaller:,} parameters, {share:.1f} %"


def _length(train: Any) -> str:
    if train.epochs:
        return f"those of {train.epochs:g} epochs: known once stage tokenize has run"
    steps = train.steps or math.ceil(train.tokens / train.batch_tokens)
    return f"{train.batch_tokens * steps:,} in {steps:,} steps"


def size_of(groups: dict[str, Any], entries: int | None = None) -> Any:
    """ParameterCount of the model that these parameters describe, with so many entries or as many as they say."""
    from antimatter.model import config

    return config.parameter_count(_config(groups, entries))


def _config(groups: dict[str, Any], entries: int | None) -> Any:
    from antimatter.model import config

    return config.from_settings(groups["model"], entries or groups["tokenizer"].entries)


def _entries(settings: Any) -> int | None:
    """Size of the vocabulary; None for a file that stage tokenizer has not taken yet."""
    if settings.kind in ("sentencepiece", "huggingface"):
        from antimatter.tokenizer import existing

        return existing.size_of_taken(settings, Path("data/tokenizer"))
    return int(settings.entries)
