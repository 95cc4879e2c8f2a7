"""A tiny corpus that can be learnt, tiny settings, and a way to train in this process."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from antimatter.params.model import Model
from antimatter.params.train import Train
from antimatter.train import checkpoint, recovery
from antimatter.train.data import window_count
from antimatter.train.job import Job, placed
from antimatter.train.journal import Journal
from antimatter.train.loop import Loop
from antimatter.train.peers import Peers
from antimatter.train.schedule import resolved
from antimatter.train.speed import Clock
from antimatter.train.tokens import open_tokens
from antimatter.train.training import Training

VOCABULARY = 40
MODEL = Model(layers=1, width=16, heads=2, feed_forward=32, context=16, vocabulary_multiple=16)
TRAIN = Train(
    seed=11, steps=12, sequence_length=16, batch_tokens=128, learning_rate=3e-3, warmup_steps=2, precision="fp32",
    log_every=1, validate_every=5, validation_sequences=9, save_every=4,
)  # fmt: skip


def counting(tokens: int, seed: int) -> np.ndarray:
    """Documents [BOS] n n+1 n+2 ... [EOS] from random starts: the next token is almost always certain."""
    random = np.random.default_rng(seed)
    out: list[int] = []
    while len(out) < tokens:
        start, length = random.integers(8, VOCABULARY), random.integers(5, 30)
        out += [1, *(8 + (start - 8 + i) % (VOCABULARY - 8) for i in range(length)), 2]
    return np.array(out[:tokens])


@pytest.fixture
def write_tokens(tmp_path) -> Callable[..., Path]:
    """write_tokens(train=[shard, ...], validation=[shard, ...], name=..., dtype=...) -> folder."""

    def write(
        train: Sequence[np.ndarray] | None = None,
        validation: Sequence[np.ndarray] | None = None,
        name: str = "tokens",
        dtype: str = "uint16",
        digest: str = "d1",
    ) -> Path:
        folder = tmp_path / name
        splits = {}
        train = [counting(700, 0), counting(333, 1)] if train is None else train
        validation = [counting(200, 2)] if validation is None else validation
        for split, shards in (("train", train), ("validation", validation)):
            (folder / split).mkdir(parents=True, exist_ok=True)
            listed = []
            for i, shard in enumerate(shards):
                on_disk = np.asarray(shard).astype("<u2" if dtype == "uint16" else "<u4")
                on_disk.tofile(folder / split / f"shard-{i:05d}.bin")
                listed.append({"file": f"{split}/shard-{i:05d}.bin", "tokens": len(shard)})
            splits[split] = {"tokens": sum(map(len, shards)), "documents": 1, "shards": listed}
        lengths = np.where(np.arange(VOCABULARY) < 8, 0, 2)
        lengths.astype("<u2").tofile(folder / "token_bytes.bin")
        counts = np.bincount(np.concatenate([np.asarray(s) for s in train]).astype(int), minlength=VOCABULARY)
        counts[:VOCABULARY].astype("<i8").tofile(folder / "token_counts.bin")
        meta = {
            "format": 2, "dtype": dtype, "vocabulary_size": VOCABULARY, "bos": 1, "eos": 2, "pad": 0,
            "tokenizer_digest": "t1", "digest": digest, "splits": splits, "token_bytes": "token_bytes.bin",
            "token_counts": "token_counts.bin",
        }  # fmt: skip
        (folder / "meta.json").write_text(json.dumps(meta))
        return folder

    return write


@pytest.fixture
def make_job(tmp_path, write_tokens) -> Callable[..., Job]:
    """make_job(work="name", steps=..., layers=..., device=...) -> Job; names decide where each setting goes."""
    shared: list[Path] = []

    def make(work: str = "work", tokens: Path | None = None, **changes: object) -> Job:
        if tokens is None and not shared:
            shared.append(write_tokens())
        groups = {
            cls: {k: v for k, v in changes.items() if k in {f.name for f in dataclasses.fields(cls)}}
            for cls in (Model, Train, Job)
        }
        settings = {"device": "cpu", "threads": 1, **groups[Job]}
        model, train = dataclasses.replace(MODEL, **groups[Model]), dataclasses.replace(TRAIN, **groups[Train])
        return Job(model=model, train=train, tokens=str(tokens or shared[0]), work=str(tmp_path / work), **settings)

    return make


def training_of(job: Job, say: Callable[[str], None] = lambda line: None) -> tuple[Training, int]:
    """A run set up in this process, restored if its work folder holds a checkpoint, and the step it stands at."""
    tokens = open_tokens(job.tokens)
    job = dataclasses.replace(job, train=resolved(job.train, window_count(tokens.train, job.train.sequence_length)))
    interventions = recovery.read_interventions(Path(job.work))
    saved = recovery.newest_current(Path(job.work), say)
    place, config = placed(job, tokens.vocabulary_size, saved.state["placement"] if saved else None, 1, say)
    torch.set_num_threads(place.threads)
    training = Training(job, config, place, tokens, Peers(), say)
    if saved or interventions:
        training.restore(saved, interventions)
    return training, training.step


@pytest.fixture
def new_training() -> Callable[..., Training]:
    """new_training(job) -> the Training that `train_here` would run."""
    return lambda job: training_of(job)[0]


@pytest.fixture
def train_here() -> Callable[..., bool]:
    """train_here(job, stop_at=None, say=...) trains in this process, as a worker does; True when finished."""

    def train(job: Job, stop_at: int | None = None, say: Callable[[str], None] = lambda line: None) -> bool:
        work = Path(job.work)
        work.mkdir(parents=True, exist_ok=True)
        training, step = training_of(job, say)
        checkpoint.sweep(work / "checkpoints", step)
        journal = Journal(work, step, recovery.as_json(recovery.read_interventions(work)))
        # asked while step stop_at is computed
        return Loop(training, journal, Clock(0.0, {})).run(lambda: training.step + 1 == stop_at)

    return train


@pytest.fixture
def outputs() -> Callable[[Job], dict[str, bytes]]:
    """outputs(job) -> everything that equal runs must make equal, by name."""

    def read(job: Job) -> dict[str, bytes]:
        work = Path(job.work)
        files = [work / "log.csv", work / "validation.csv", work / "summary.json"]
        files += [path for path in sorted((work / "result").rglob("*")) if path.is_file()]
        return {str(path.relative_to(work)): path.read_bytes() for path in files}

    return read
