"""One training process, as torchrun starts it: claim the work folder, find the checkpoint, train, leave in order.

Exit codes: 0 finished, 75 stopped on request and resumable (EX_TEMPFAIL), anything else failed.
"""

import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import torch

from antimatter.errors import AntiMatterError
from antimatter.train import checkpoint
from antimatter.train.data import window_count
from antimatter.train.device import choose_device
from antimatter.train.job import Job, placed
from antimatter.train.journal import Journal
from antimatter.train.loop import Loop
from antimatter.train.peers import Peers
from antimatter.train.recovery import as_json, newest_current, read_interventions
from antimatter.train.schedule import resolved
from antimatter.train.speed import Clock
from antimatter.train.tokens import open_tokens
from antimatter.train.training import Training

INTERRUPTED = 75
LOCK_SECONDS = 30.0
STOP = "stop"
"""A file of this name in the work folder asks the run to save and stop."""
ERROR = "error.json"
"""{"type", "message"} of the first AntiMatterError that a worker met: what the person at the keyboard should read."""


class WorkFolderBusy(AntiMatterError, RuntimeError):
    """Another process trains in this work folder."""


def work_on(job: Job) -> int:
    """Train `job` in this process (and its peers). Returns the exit code."""
    stop = StopRequest(job)
    work, peers, notes = Path(job.work), Peers(), list[str]()
    say = notes.append if peers.rank == 0 else (lambda _: None)
    work.mkdir(parents=True, exist_ok=True)
    with claimed(work) if peers.rank == 0 else contextlib.nullcontext():
        device = choose_device(job.device)
        _prepare(device, peers)
        peers.connect(device)
        if peers.any((work / "summary.json").exists()):
            return 0
        tokens = open_tokens(job.tokens)
        job = dataclasses.replace(job, train=resolved(job.train, window_count(tokens.train, job.train.sequence_length)))
        root, interventions = work / "checkpoints", read_interventions(work)
        saved = newest_current(work, say) if peers.rank == 0 else None  # who holds the lock chooses
        step = peers.from_first(saved.state["step"] if saved else 0)
        if step and saved is None:
            saved = checkpoint.read(root / checkpoint.name_of(step), say)
        recorded = saved.state["placement"] if saved else None
        place, config = placed(job, tokens.vocabulary_size, recorded, peers.world, say)
        torch.set_num_threads(place.threads)
        training = Training(job, config, place, tokens, peers, say, fit=not job.micro_batch and not saved)
        if saved or interventions:
            training.restore(saved, interventions)
        journal = None
        if peers.rank == 0:
            checkpoint.sweep(root, step)
            rollbacks = as_json(interventions)
            journal = Journal(work, step, rollbacks)
        steady = saved.environment["steady"] if saved else {}
        clock = Clock(journal.seconds_before if journal else 0.0, steady)
        if journal:
            journal.record("start", step, attempt=job.attempt, steps=job.train.steps, **vars(training.place))
            for rollback in rollbacks:  # whoever watches may not know of the last one: a kill came between
                journal.record("rollback", rollback["trigger_step"], **rollback)
            for note in notes:
                journal.record("note", step, text=note)
        finished = Loop(training, journal, clock).run(stop.asked)
        if journal and not finished:
            (work / STOP).unlink(missing_ok=True)  # obeyed: the next start shall not find it
            why = stop.reason or "asked to stop on another process"
            journal.record("interrupted", training.step, attempt=job.attempt, reason=why, seconds=clock.seconds())
        peers.leave()
    return 0 if finished else INTERRUPTED


class StopRequest:
    """SIGTERM, SIGINT, the stop file, or the end of the stage that we work for: all ask the same."""

    def __init__(self, job: Job) -> None:
        self.reason = ""
        self._file, self._stage = Path(job.work) / STOP, job.stage_pid
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)

    def asked(self) -> bool:
        """Whether to save and stop; cheap enough for every step."""
        if not self.reason and self._stage and not alive(self._stage):
            self.reason = "the stage that started this training is gone"
        if not self.reason and self._file.exists():
            self.reason = self._file.read_text(encoding="utf-8") or "asked to stop"
        return bool(self.reason)

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self.reason = signal.Signals(number).name


def alive(pid: int) -> bool:
    """Whether process `pid` runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:  # not Linux, or it ended just now: the next step will tell
        return True


@contextlib.contextmanager
def claimed(work: Path) -> Iterator[None]:
    """Hold work/training.lock. Raises WorkFolderBusy if another process keeps it for 30 seconds."""
    try:
        import fcntl
    except ImportError:  # Windows: nothing keeps two runs apart there
        yield
        return
    with (work / "training.lock").open("a+", encoding="utf-8") as file:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    file.seek(0)
                    raise WorkFolderBusy(
                        f"{work} is in use by process {file.read().strip() or 'unknown'}, which still trains there "
                        f"after {LOCK_SECONDS:.0f} s. Wait for it, or end it (kill -TERM lets it save first)."
                    ) from None
                time.sleep(0.2)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _prepare(device: str, peers: Peers) -> None:
    torch.set_flush_denormal(True)  # Adam's second moments can get so small that x86 slows down on them
    if device == "cuda":
        torch.cuda.set_device(peers.local_rank)
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
