"""What the train stage makes of the records of a run: curves and tags for the tracking store, text, names of documents.

The engine knows neither tokenizer nor documents nor store: it writes numbers down (train/journal.py), and they are
understood here.
"""

import importlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.execution.observer import Observer
from antimatter.model import text
from antimatter.model.files import write_text
from antimatter.train.post_mortem import NAME
from antimatter.train.watch import Record, say

SAMPLES = "samples.md"


class Watcher:
    """Sees the records of one run, which works in `training`. `tokenizer`: data/tokenizer."""

    def __init__(self, observer: Observer, training: Path, tokenizer: Path, sequence_length: int) -> None:
        self._observer, self._training, self._tokenizer = observer, training, tokenizer
        self._length = sequence_length
        self._reached: dict[str, int] = {}
        self._rollbacks = 0

    @cached_property
    def _text(self) -> text.Text:
        return text.load(self._tokenizer.parent)

    def prompts(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts to be continued."""
        return [[self._text.bos, *self._text.encode(prompt)] for prompt in prompts]

    def see(self, record: Record) -> None:
        """Pass a record on to the store, and tell the person at the terminal what is more than numbers."""
        self.metrics(record)
        match record["kind"]:
            case "sample":
                self._sample(record)
            case "rollback":
                self._observer.tags({"rollbacks": str(record["number"]), f"rollback.{record['number']}": _told(record)})
                for line in self._documents(record.get("samples", ())):
                    say(line)
            case "given_up":
                self._observer.tags({"given_up": record["reason"]})

    def metrics(self, record: Record) -> None:
        """Points on the curves, each step once; again after the run went back."""
        kind, step = record["kind"], record["step"]
        if kind == "rollback" and record["number"] > self._rollbacks:  # each start tells all of them again
            self._rollbacks = record["number"]
            self._reached = {name: min(reached, record["target_step"]) for name, reached in self._reached.items()}
            self._observer.went_back(record["target_step"])
        if kind in ("train", "validation") and step > self._reached.get(kind, 0):
            self._reached[kind] = step
            self._observer.metrics(numbers_of(record, "validation." if kind == "validation" else ""), step)

    def after_failure(self) -> None:
        """Add the names of the documents to the post-mortem of a run that was given up, and print them."""
        path = self._training / NAME
        if not path.exists():
            return
        content = json.loads(path.read_text(encoding="utf-8"))
        content["documents"] = self._documents(content["samples"])
        write_text(path, json.dumps(content, indent=2) + "\n")
        for line in content["documents"]:
            say(line)

    def _documents(self, samples: Sequence[int]) -> list[str]:
        # by name: what names documents must not become a dependency of the stage
        trace_table = importlib.import_module("antimatter.trace_table")
        try:
            lines: list[str] = trace_table.post_mortem(samples, self._length)
        except (OSError, ValueError, AntiMatterError) as error:
            return [f"the documents of this batch cannot be named: {error}"]
        return lines

    def _sample(self, record: Record) -> None:
        lines = []
        for ids, length in zip(record["ids"], record["prompt_lengths"], strict=True):
            prompt, added = ids[1:length], [i for i in ids[length:] if i != self._text.eos]
            lines.append((self._text.decode(prompt), self._text.after(prompt, added)))
        path = self._training / SAMPLES
        with path.open("a", encoding="utf-8") as file:
            for prompt, continuation in lines:
                file.write(f"step {record['step']}: **{prompt}**{continuation}\n\n")
        for prompt, continuation in lines:
            say(f"train: step {record['step']} writes: {json.dumps(prompt + continuation, ensure_ascii=False)}")
        self._observer.text(SAMPLES, path.read_text(encoding="utf-8"))


def numbers_of(record: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of a record by metric name; those of a list by name and place.

    >>> numbers_of({"kind": "validation", "step": 5, "loss": 2.5, "by_frequency": (1.5, None, 3.0)})
    {'loss': 2.5, 'by_frequency.0': 1.5, 'by_frequency.2': 3.0}
    """
    flat: dict[str, Any] = {}
    for name, value in record.items():
        several = enumerate(value) if isinstance(value, list | tuple) else ()
        flat |= {f"{name}.{place}": each for place, each in several} or {name: value}
    return {prefix + name: value for name, value in flat.items() if isinstance(value, int | float) and name != "step"}


def _told(record: Record) -> str:
    return f"step {record['step']} -> {record['target_step']}: {record['reason']}"
