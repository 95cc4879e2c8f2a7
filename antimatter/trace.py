"""Which documents a training step read: from the step's number to the texts, with nothing recorded on the way.

step -> cursor (train.interventions) -> windows (train.data) -> tokens of the split -> rows of documents.parquet

window w of length T:      tokens [w T, w T + T] of the training split, its shards end to end (T + 1 of them:
document  | window         the last is a target only)
..........|xxxxxxx|xxx|    a piece is what a window holds of a document; its tokens are counted inside the document
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antimatter.corpus.reports import read_json
from antimatter.errors import AntiMatterError
from antimatter.params import loader
from antimatter.params.train import Train
from antimatter.train.data import samples_at, window_count
from antimatter.train.interventions import Intervention, cursor_of_step
from antimatter.train.schedule import resolved
from antimatter.train.tokens import Split, Tokens, TokensError, open_tokens

TOKENS, MODEL, PARAMS = Path("data/tokens"), Path("data/model"), Path("params.yaml")
_AGAIN = "Run `dvc repro train`, or trace what params.yaml would train: antimatter trace --params --step N"


class NotTraceable(AntiMatterError, LookupError):
    """What was asked for was not trained, or not on these tokens."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What decides which windows a step reads."""

    told_by: Path
    seed: int
    length: int
    batch: int
    """Sequences in a step."""
    steps: int
    interventions: tuple[Intervention, ...] = ()


class Piece(NamedTuple):
    """Tokens [start, end) of a document, of which the training split holds `length`, frame included."""

    id: bytes
    source: str
    origin: str
    start: int
    end: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Window:
    """One sequence of a batch: tokens [start, end) of the training split."""

    place: int
    """In the batch, from 0: (k W + r) micro_batch + i, as train.data counts."""
    number: int
    start: int
    end: int
    pieces: tuple[Piece, ...]

    def share(self, piece: Piece) -> float:
        """How much of the window a piece is."""
        return (piece.end - piece.start) / (self.end - self.start)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What a step read, or the one sequence of it that was asked for."""

    run: Run
    step: int
    cursor: int
    """The sample that it begins with, counted since the start."""
    available: int
    """Windows of the split: samples in one epoch."""
    undone: tuple[tuple[int, Intervention], ...]
    """Cursors at which this step was computed before, each with the return that took it back."""
    windows: tuple[Window, ...]


def documents_in(step: int, sequence: int | None = None, from_params: bool = False) -> Batch:
    """The documents in the batch of a step (from 1), or in one sequence of it (from 0).

    from_params  follow params.yaml, as a run that never goes back would, instead of data/model

    Raises: NotTraceable, TokensError, what reading params.yaml raises; the messages say what to run.
    """
    tokens = open_tokens(TOKENS)
    run = run_of_params(tokens) if from_params else run_of_model(tokens)
    available = window_count(tokens.train, run.length)
    if not 1 <= step <= run.steps:
        raise NotTraceable(f"there is no step {step:,}: {run.told_by} has steps 1 to {run.steps:,}.")
    if sequence is not None and not 0 <= sequence < run.batch:
        raise NotTraceable(
            f"there is no sequence {sequence:,}: a step reads {run.batch:,}, from 0 to {run.batch - 1:,}."
        )
    cursor = cursor_of_step(step, run.batch, run.interventions)
    samples = samples_at(run.seed, cursor, run.batch, available).tolist()
    places = range(run.batch) if sequence is None else [sequence]
    windows = tuple(windows_at([(place, samples[place]) for place in places], run.length, tokens))
    undone = tuple(_undone(step, run))
    return Batch(run=run, step=step, cursor=cursor, available=available, undone=undone, windows=windows)


def _undone(step: int, run: Run) -> Iterator[tuple[int, Intervention]]:
    for number, back in enumerate(run.interventions):
        if back.target_step < step <= back.trigger_step:
            yield cursor_of_step(step, run.batch, run.interventions[:number]), back


def run_of_model(tokens: Tokens) -> Run:
    """How data/model was trained. Raises NotTraceable: there is none, or on other tokens, or of another version."""
    path = MODEL / "provenance.json"
    if not path.exists():
        raise NotTraceable(f"{path} does not exist: no model has been trained. {_AGAIN}")
    origin = read_json(path)
    settings: dict[str, Any] = origin.get("parameters", {}).get("train", {})
    if lacking := [name for name in ("seed", "sequence_length", "batch_tokens") if name not in settings]:
        raise NotTraceable(
            f"{path} was written by another version: its parameters lack train.{', train.'.join(lacking)}. {_AGAIN}"
        )
    trained_on = origin.get("inputs", {}).get(TOKENS.as_posix())
    if trained_on != tokens.digest:
        raise NotTraceable(
            f"{MODEL} was trained on tokens {trained_on}, but {TOKENS} is now {tokens.digest}: its steps read other "
            f"text. Run `dvc repro train` for a model of these tokens, or `dvc checkout` for the tokens of dvc.lock."
        )
    told = MODEL / "training.json"
    training: dict[str, Any] = read_json(told) if told.exists() else {}
    try:
        interventions = tuple(Intervention(**fields) for fields in training.get("interventions", ()))
    except TypeError as error:
        raise NotTraceable(f"{told} was written by another version ({error}). {_AGAIN}") from error
    length = int(settings["sequence_length"])
    return Run(
        told_by=MODEL,
        seed=int(settings["seed"]),
        length=length,
        batch=int(settings["batch_tokens"]) // length,
        steps=int(training.get("steps", settings.get("steps", 0))),
        interventions=interventions,
    )


def run_of_params(tokens: Tokens) -> Run:
    """How params.yaml would train, undisturbed."""
    settings = loader.load(Train, PARAMS)
    settings = resolved(settings, window_count(tokens.train, settings.sequence_length))
    return Run(
        told_by=PARAMS,
        seed=settings.seed,
        length=settings.sequence_length,
        batch=settings.batch_sequences,
        steps=settings.steps,
    )


def windows_at(places: Sequence[tuple[int, int]], length: int, tokens: Tokens) -> Iterator[Window]:
    """The windows of some (place, number), in that order."""
    spans = [(number * length, number * length + length + 1) for _, number in places]
    for (place, number), (start, end), pieces in zip(places, spans, pieces_of(spans, tokens), strict=True):
        yield Window(place=place, number=number, start=start, end=end, pieces=tuple(pieces))


def pieces_of(spans: Sequence[tuple[int, int]], tokens: Tokens) -> list[list[Piece]]:
    """For each span [start, end) of the training split its documents, in order. Reads a row group at a time.

    Raises: TokensError if documents.parquet does not tell every token of the spans.
    """
    found: list[list[Piece]] = [[] for _ in spans]
    starts, ends = np.array(spans, dtype=np.int64).reshape(-1, 2).T
    with pq.ParquetFile(tokens.folder / "documents.parquet") as file:
        for group in range(file.num_row_groups):
            begins, lengths = _positions(file, group, tokens.train)
            first = np.searchsorted(begins + lengths, starts, side="right")
            after = np.searchsorted(begins, ends, side="left")
            if not (first < after).any():
                continue
            names = file.read_row_group(group, columns=["id", "source", "origin"])
            for span, pieces in enumerate(found):
                for row in range(int(first[span]), int(after[span])):
                    begin, length = int(begins[row]), int(lengths[row])
                    named = {name: names.column(name)[row].as_py() for name in names.column_names}
                    low, high = max(int(starts[span]) - begin, 0), min(int(ends[span]) - begin, length)
                    pieces.append(Piece(**named, start=low, end=high, length=length))
    for (start, end), pieces in zip(spans, found, strict=True):
        if sum(piece.end - piece.start for piece in pieces) != end - start:
            raise TokensError(
                f"{tokens.folder}/documents.parquet does not say whose the tokens {start:,} to {end:,} of the training "
                f"split are. Run `dvc repro tokenize`; `antimatter tokens verify` looks for what else is wrong."
            )
    return found


def _positions(file: pq.ParquetFile, group: int, split: Split) -> tuple[Any, Any]:
    """int64 [rows] each: position in the split and length; rows of another split lie behind its end.

    The stage writes documents in the order of their positions, the training split first, so both only grow.
    """
    table = file.read_row_group(group, columns=["split", "shard", "start", "length"])
    is_here = pc.equal(table.column("split"), split.name).to_numpy()
    shards, starts, lengths = (table.column(name).to_numpy() for name in ("shard", "start", "length"))
    firsts = np.array([0, *split.ends], dtype=np.int64)
    begins = np.where(is_here, firsts[np.clip(shards, 0, len(split.ends))] + starts, split.tokens)
    return begins, lengths
