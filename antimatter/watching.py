"""What the train stage makes of the records of a run: curves and tags for the tracking store, text, names of documents.

The engine knows neither tokenizer nor documents nor store: it writes numbers down (train/journal.py), and they are
understood here. What it is asked on the way, prompts and questions, is turned into ids here.
"""

import importlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import harmonic_mean
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.execution.observer import Observer
from antimatter.model import text
from antimatter.model.files import write_text
from antimatter.params.train import Quiz
from antimatter.train.journal import standing
from antimatter.train.post_mortem import NAME
from antimatter.train.quiz import Question
from antimatter.train.watch import Record, say

SAMPLES = "samples.md"
PREFIXES = {"train": "", "validation": "validation.", "quiz": "quiz."}
"""Of the names of curves, by kind of record."""
MOST_POINTS = 500


class BrokenQuestion(AntiMatterError, ValueError):
    """An item of train.quiz cannot be asked; the message names it."""


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

    def questions(self, quiz: Quiz) -> list[Question]:
        """The first items of the file that train.quiz names, as token ids; none if it is off.

        Raises: SourceError for a file that is not there, not the one pinned, or broken; BrokenQuestion.
        """
        if not quiz.every:
            return []
        # by name: who reads evaluation sets must not become a dependency of the stage, whose weights do not hang on it
        benchmark = importlib.import_module("antimatter.params.benchmarks").Benchmark
        asked = benchmark(name="train.quiz", path=quiz.path, format="multiple_choice", sha256=quiz.sha256)
        items = importlib.import_module("antimatter.collect.benchmarks").read_items(asked)[: quiz.items]
        if not items:
            raise BrokenQuestion(f"train.quiz: {quiz.path} holds no item")
        return [self._question(item) for item in items]

    def _question(self, item: Mapping[str, Any]) -> Question:
        """As lm-evaluation-harness has it (0.4.13, api/model.py, _encode_pair): query and choice are joined by a space
        and tokenized together, white space at the end of the query belongs to the choice, and the tokens of a choice
        are those after as many as the query has alone."""
        query, choices = item["query"].rstrip(), item["choices"]
        space = item["query"][len(query) :] + " "
        head = self._text.encode(query) if query else []
        tails = [self._text.encode(query + space + choice)[len(head) :] for choice in choices]
        if not all(choice.strip() and tail for choice, tail in zip(choices, tails, strict=True)):
            raise BrokenQuestion(
                f"train.quiz: item {item['id']} has a choice without words: nothing of it can be scored"
            )
        return Question((self._text.bos, *head), tuple(map(tuple, tails)), tuple(map(len, choices)), item["gold"])

    def samples(self, records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """What the model wrote on the way, by step and prompt, for data/model/samples.json; what a rollback took back
        is left out. A text holds prompt and continuation."""
        found = []
        for record in standing(records, "sample"):
            for prompt, continuation in self._texts(record):
                found.append({"step": record["step"], "prompt": prompt, "text": prompt + continuation})
        return found

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
        if kind in PREFIXES and step > self._reached.get(kind, 0):
            self._reached[kind] = step
            self._observer.metrics(numbers_of(record, PREFIXES[kind]), step)

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
        lines = self._texts(record)
        path = self._training / SAMPLES
        with path.open("a", encoding="utf-8") as file:
            for prompt, continuation in lines:
                file.write(f"step {record['step']}: **{prompt}**{continuation}\n\n")
        for prompt, continuation in lines:
            say(f"train: step {record['step']} writes: {json.dumps(prompt + continuation, ensure_ascii=False)}")
        self._observer.text(SAMPLES, path.read_text(encoding="utf-8"))

    def _texts(self, record: Mapping[str, Any]) -> list[tuple[str, str]]:
        """(prompt, continuation) of each text of a sample."""
        texts = []
        for ids, length in zip(record["ids"], record["prompt_lengths"], strict=True):
            prompt, added = ids[1:length], [i for i in ids[length:] if i != self._text.eos]
            texts.append((self._text.decode(prompt), self._text.after(prompt, added)))
        return texts


def measured(records: Iterable[Mapping[str, Any]], speed: Mapping[str, Any]) -> dict[str, Any]:
    """The content of work/measured/train.json.

    tokens_per_second  [step, value]: at most 500 points, each over an equal number of intervals between log lines
    seconds            wall time by activity, of the first process; they add up to speed.seconds
    speed              the rest of speed.json
    """
    rates = [(record["step"], record["tokens_per_second"]) for record in standing(records, "train")]
    together = max(1, -(-len(rates) // MOST_POINTS))
    points = []
    for start in range(0, len(rates), together):
        steps, values = zip(*rates[start : start + together], strict=True)
        points.append([steps[-1], round(harmonic_mean(values), 1)])  # equal numbers of tokens, unequal times
    rest = {name: value for name, value in speed.items() if name != "spent"}
    return {"tokens_per_second": points, "seconds": dict(speed["spent"]), "speed": rest}


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
