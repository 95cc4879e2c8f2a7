"""Train the model: data/tokens -> data/model.  Alone: python -m stages.train

data/model/model.safetensors, config.json   from training      tokenizer/   data/tokenizer
           provenance.json                  parameters and digests of the inputs; their digest is the model id
           samples.json                     what it wrote on the way, by step; only if train.samples asks
"""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from antimatter import params
from antimatter.corpus.reports import read_json, write_json
from antimatter.corpus.shards import file_digest, require
from antimatter.errors import AntiMatterError
from antimatter.execution import entry, workspace
from antimatter.execution.trees import link_tree
from antimatter.params.loader import to_plain
from antimatter.params.model import Model
from antimatter.params.train import Train
from antimatter.train.job import Job
from antimatter.train.journal import read_records
from antimatter.train.launch import Interrupted, TrainingFailed, launch
from antimatter.train.watch import say
from antimatter.watching import Watcher, measured

TOKENS, TOKENIZER, TARGET = Path("data/tokens"), Path("data/tokenizer"), Path("data/model")
CURVES = {"log.csv": "train_loss.csv", "validation.csv": "train_validation.csv", "quiz.csv": "train_quiz.csv"}
"""Tables of the engine, and what they are called in reports/; without a quiz, its table has no row."""


class TokenizerMismatch(AntiMatterError, ValueError):
    """The tokens were written with another tokenizer than the one that would be published with the model."""


def main() -> None:
    model, train = params.load(Model), params.load(Train)

    def build(work: workspace.Workspace) -> None:
        origin = provenance(model, train)
        work.tag(model_id=origin["model_id"])
        training = work.scratch / "training"
        watcher = Watcher(work.observer, training, TOKENIZER, train.sequence_length)
        for record in read_records(training / "records.jsonl"):  # a kill may have cost the store the last ones
            watcher.metrics(record)
        job = Job(
            model=model,
            train=train,
            tokens=str(TOKENS),
            work=str(training),
            device=work.runtime.device,
            processes=work.runtime.processes,
            threads=work.runtime.threads,
            micro_batch=work.runtime.micro_batch,
            sharding=work.runtime.sharding,
            activation_checkpointing=work.runtime.activation_checkpointing == "on",
            prompts=tuple(map(tuple, watcher.prompts(train.samples.prompts))) if train.samples.every else (),
            questions=tuple(watcher.questions(train.quiz)),
            stage_pid=os.getpid(),
        )
        try:
            outcome = launch(job, watcher.see)  # prints the progress
        except Interrupted as error:
            say(f"train: {error}")
            raise KeyboardInterrupt from error
        except TrainingFailed:
            watcher.after_failure()
            raise
        records = read_records(training / "records.jsonl")
        work.measured(measured(records, outcome.speed))  # times never enter a report
        publish(training, work.output / TARGET.name, origin)
        if samples := watcher.samples(records):
            write_json(work.output / TARGET.name / "samples.json", samples)
        curves = work.folder / "reports"
        curves.mkdir(exist_ok=True)
        for table, curve in CURVES.items():
            shutil.copyfile(training / table, curves / curve)
        work.report({"model_id": origin["model_id"], **outcome.summary})

    workspace.run("train", [model, train], reads=[TOKENS, TOKENIZER], writes=[TARGET], build=build)


def provenance(model: Model, train: Train) -> dict[str, Any]:
    """Content of provenance.json. `model_id` is the SHA-256 of everything else in it: no time, host, run or commit.

    Raises: TokenizerMismatch if tokens and tokenizer do not belong together.
    """
    meta = read_json(require(TOKENS / "meta.json"))
    tokenizer = read_json(require(TOKENIZER / "meta.json"))
    present = file_digest(require(TOKENIZER / tokenizer["file"]))  # what lies there, not what should
    if meta["tokenizer_digest"] != present:
        raise TokenizerMismatch(
            f"{TOKENS}/meta.json was written with tokenizer {meta['tokenizer_digest']}, "
            f"but {TOKENIZER} is now {present}: training would read wrong token ids. Run `dvc repro tokenize`."
        )
    origin = {
        "format": 1,
        "parameters": {"model": to_plain(model), "train": to_plain(train)},
        "inputs": {TOKENS.as_posix(): meta["digest"], TOKENIZER.as_posix(): present},
    }
    canonical = json.dumps(origin, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return {"model_id": hashlib.sha256(canonical.encode()).hexdigest(), **origin}


def publish(training: Path, target: Path, origin: dict[str, Any]) -> None:
    """Compose data/model from the result of training, the tokenizer and the provenance."""
    link_tree(training / "result", target)
    shutil.copytree(TOKENIZER, target / "tokenizer")
    write_json(target / "provenance.json", origin)


if __name__ == "__main__":
    entry.run(main)
