"""A job: everything that a training process must be told, as one JSON file.

Runtime settings (device, processes, threads, micro_batch) may be 0 or "auto"; `placed` decides them once. A run that
resumes keeps the ones it began with, because equal bytes need an equal order of additions.
"""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from antimatter.model.config import ModelConfig, from_settings
from antimatter.model.files import write_text
from antimatter.params.model import Model
from antimatter.params.train import Balance, Guard, Quiz, Samples, Train
from antimatter.train.device import choose_device, choose_micro_batch, choose_precision
from antimatter.train.quiz import Question


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training run."""

    model: Model
    train: Train
    tokens: str
    """Folder that the tokenize stage wrote."""
    work: str
    """Folder for checkpoints, logs and the result; belongs to these settings and tokens alone."""
    device: str = "auto"
    processes: int = 0
    """Processes on this machine; 0 is one for each GPU, or one on a CPU."""
    threads: int = 0
    """Threads of each process; 0 shares the cores out."""
    micro_batch: int = 0
    """Sequences in one forward pass of one process; 0 is as many as should fit."""
    sharding: str = "off"
    """off: a whole model on each device; on: shared out over them; offload: and kept in main memory."""
    activation_checkpointing: bool = False
    """Compute intermediate results again in the backward pass, for less memory."""
    prompts: tuple[tuple[int, ...], ...] = ()
    """train.samples.prompts as token ids: the engine knows no tokenizer."""
    questions: tuple[Question, ...] = ()
    """The items of train.quiz."""
    stage_pid: int = 0
    """The process on whose behalf we train: when it is gone, the run saves and stops. 0 watches nobody."""
    attempt: str = ""
    """Set by `launch`, so that it knows its own worker's records from those of an earlier start."""
    torchrun: tuple[str, ...] = ()
    """Arguments of torchrun for several machines, such as ("--nnodes=2", "--rdzv-endpoint=host:29500", ...)."""

    def write(self, path: Path) -> None:
        """As JSON, whole or not at all. Ids take one line: ten thousand questions with a line for each id are 20 MB."""
        fields = dataclasses.asdict(dataclasses.replace(self, questions=()))
        ids = {"prompts": fields.pop("prompts"), "questions": [vars(question) for question in self.questions]}
        lines = [
            json.dumps(fields, indent=2)[:-2],
            *(f'  "{name}": {json.dumps(value)}' for name, value in ids.items()),
        ]
        write_text(path, ",\n".join(lines) + "\n}\n")


def read_job(path: Path | str) -> Job:
    """The job that `Job.write` wrote. Raises ValueError naming the file if it is something else."""
    try:
        values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        model, train = values["model"], values["train"]
        values["model"] = Model(**{**model, "adaptive_softmax": tuple(model["adaptive_softmax"])})
        nested = {
            "checkpoints_at": tuple(train["checkpoints_at"]),
            "guard": Guard(**train["guard"]),
            "token_balance": Balance(**train["token_balance"]),
            "samples": Samples(**{**train["samples"], "prompts": tuple(train["samples"]["prompts"])}),
            "quiz": Quiz(**train["quiz"]),
        }
        values["train"] = Train(**{**train, **nested})
        values["prompts"] = tuple(map(tuple, values["prompts"]))
        values["questions"] = tuple(map(_question, values["questions"]))
        return Job(**{**values, "torchrun": tuple(values["torchrun"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a job of this version: {error!r}") from error


def _question(fields: dict[str, Any]) -> Question:
    query, characters = tuple(fields["query"]), tuple(fields["characters"])
    return Question(query, tuple(map(tuple, fields["choices"])), characters, fields["gold"])


@dataclass(frozen=True)
class Placement:
    """Where and how a run computes. Equal placements on one kind of device give equal bytes."""

    device: str
    precision: str
    world: int
    """Processes over all machines."""
    micro_batch: int
    threads: int
    sharding: str = "off"
    activation_checkpointing: bool = False


def placed(
    job: Job, vocabulary_size: int, recorded: dict[str, Any] | None, world: int, say: Callable[[str], None]
) -> tuple[Placement, ModelConfig]:
    """Decide what the job leaves open. `recorded` is the placement in the checkpoint; `world` 0 asks for a choice.

    Raises DeviceError if the batch cannot be spread like that.
    """
    config = from_settings(job.model, vocabulary_size)
    device = choose_device(job.device)
    kept = dict(recorded or {})
    if kept and kept["device"] != device:
        say(f"this run began on {kept['device']} and goes on on {device}: the result will differ by rounding")
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    asked_world = world or job.processes or gpus or 1
    if kept and gpus and not job.torchrun and kept["world"] > gpus:
        say(f"this run began with {kept['world']} processes, here are {gpus} GPUs: the result will differ by rounding")
        kept = {"precision": kept["precision"]}
    asked: dict[str, Any] = {"world": world or job.processes, "threads": job.threads, "micro_batch": job.micro_batch}
    for name, value in asked.items():
        if value and name in kept and kept[name] != value:
            say(f"{name} is {value} now, but this run began with {kept[name]} and keeps it, for equal bytes")
    final_world = world or kept.get("world") or asked_world
    if kept.get("world", final_world) != final_world:
        kept.pop("micro_batch", None)  # torchrun was started by hand with another number: nothing to keep
    threads = kept.get("threads") or job.threads or max(1, _cores() // (job.processes or final_world))
    asked_micro = kept.get("micro_batch") or job.micro_batch
    settings = job.train
    length, batch = settings.sequence_length, settings.batch_sequences
    micro_batch = choose_micro_batch(asked_micro, config, length, batch, final_world, device)
    precision = kept.get("precision") or choose_precision(settings.precision, device, named=job.device != "auto")
    place = Placement(device, precision, final_world, micro_batch, threads, job.sharding, job.activation_checkpointing)
    return place, config


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
