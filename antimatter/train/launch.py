"""Start a training run, watch it, bring it to an end: what the train stage calls.

stage -- launch() -- torchrun -- worker 0..N-1        one way for one process and for many
           ^                        |
           +---- records.jsonl -----+                 workers write, the launcher reads
           +---- error.json --------+                 a worker's last words, where they are for the user
           +---- stop (a file) ---->+                 the launcher asks, workers save and exit with 75
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import antimatter
from antimatter.errors import AntiMatterError
from antimatter.train.data import window_count
from antimatter.train.job import Job, placed
from antimatter.train.post_mortem import NAME as POST_MORTEM
from antimatter.train.recovery import newest_current
from antimatter.train.schedule import resolved
from antimatter.train.tokens import open_tokens, require_targets
from antimatter.train.watch import Echo, Follower, Record, say
from antimatter.train.worker import ERROR, STOP

SPAWNS = ("antimatter.train.__main__",)  # started by name (execution/imports.py)
POLL_SECONDS = 0.1
TAIL_LINES = 40


class Interrupted(AntiMatterError, RuntimeError):
    """Training stopped because it was asked to; starting it again goes on where it stopped."""


class TrainingFailed(AntiMatterError, RuntimeError):
    """The training processes failed; the message is the error that a worker named, or the end of their log."""


@dataclass(frozen=True)
class Outcome:
    """A finished run."""

    work: Path
    summary: dict[str, Any]
    """Of summary.json: equal runs give equal ones."""
    speed: dict[str, Any]
    """Of speed.json: this machine's."""

    @property
    def result(self) -> Path:
        """Folder with model.safetensors, config.json and, where asked for, checkpoints/step_XXXXXXXX/."""
        return self.work / "result"


def launch(job: Job, on_record: Callable[[Record], None] = lambda record: None) -> Outcome:
    """Train `job` to its end, going on from the newest whole checkpoint in job.work; finished work returns at once.

    `on_record` gets each record of this run once, as it comes, over all starts ("train", "validation", "checkpoint",
    "note", ... in `kind`, always with `step`). Call from the main thread: SIGTERM and SIGINT then reach the workers.

    Raises: Interrupted after a signal; TrainingFailed with a worker's AntiMatterError or the end of worker.log;
    TokensError, DeviceError.
    """
    work = Path(job.work)
    if not (work / "summary.json").exists():
        work.mkdir(parents=True, exist_ok=True)
        job = _resolved(job)
        job.write(work / "job.json")
        for name in (STOP, ERROR, POST_MORTEM):
            (work / name).unlink(missing_ok=True)
        _watch(job, work, on_record)
    summary, speed = (json.loads((work / name).read_text("utf-8")) for name in ("summary.json", "speed.json"))
    return Outcome(work, summary, speed)


def _resolved(job: Job) -> Job:
    """The job with every open choice made: torchrun must know the number of processes before any worker runs."""
    tokens = open_tokens(job.tokens)
    require_targets(tokens)
    job = dataclasses.replace(job, train=resolved(job.train, window_count(tokens.train, job.train.sequence_length)))
    saved = newest_current(Path(job.work), lambda line: None)  # the worker will say it
    recorded = saved.state["placement"] if saved else None
    if job.torchrun:  # several machines: nodes x processes is not known here, and nobody there can watch our pid
        return dataclasses.replace(job, attempt=uuid.uuid4().hex, processes=job.processes or 1, stage_pid=0)
    place, _ = placed(job, tokens.vocabulary_size, recorded, 0, say)
    return dataclasses.replace(
        job,
        device=place.device,
        processes=place.world,
        threads=place.threads,
        stage_pid=job.stage_pid or os.getpid(),
        attempt=uuid.uuid4().hex,
    )


def _watch(job: Job, work: Path, on_record: Callable[[Record], None]) -> None:
    follower, echo = Follower(work, job.attempt), Echo()
    last: Record = {}
    with (work / "worker.log").open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            command(job, work / "job.json"),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=_environment(job),
            start_new_session=True,  # Ctrl-C in a terminal must reach us alone: the workers save first
        )
        with _forwarded_signals(work, process) as asked:
            running, answered = True, False
            while running:
                if asked and not answered:
                    answered = True
                    say("train: this step is finished and saved, then training stops; a second signal ends it now")
                running = process.poll() is None
                for record in follower.new():
                    echo.show(record)  # first: what on_record has to say explains this line
                    on_record(record)
                    last = record if record["kind"] in ("start", "interrupted") else last
                follower.remember()
                if running:
                    time.sleep(POLL_SECONDS)
    echo.end()
    if (work / "summary.json").exists():
        return
    interrupted = last.get("kind") == "interrupted"
    if (work / ERROR).exists() and not interrupted:
        raise TrainingFailed(json.loads((work / ERROR).read_text("utf-8"))["message"])
    if interrupted or asked:
        raise Interrupted(
            f"training stopped at step {last.get('step', 0)} of {job.train.steps} "
            f"({last.get('reason', 'before it began')}). Start it again to go on from there."
        )
    with (work / "worker.log").open("rb") as log:
        log.seek(begin)
        tail = "\n".join(log.read().decode("utf-8", "replace").splitlines()[-TAIL_LINES:])
    raise TrainingFailed(f"training failed (exit code {process.returncode}). The end of {work / 'worker.log'}:\n{tail}")


def command(job: Job, path: Path) -> list[str]:
    """The torchrun command line for a resolved job written at `path`."""
    where = list(job.torchrun) or ["--standalone"]
    run = [sys.executable, "-m", "torch.distributed.run", *where, "--max-restarts=0"]
    return [*run, f"--nproc-per-node={job.processes}", "-m", "antimatter.train", str(path)]


def _environment(job: Job) -> dict[str, str]:
    root = str(Path(antimatter.__file__).parent.parent)  # the workers must import the code that launched them
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    threads = {"OMP_NUM_THREADS": str(job.threads)} if job.threads else {}
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def _forwarded_signals(work: Path, process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Yields the list of signals received. The first asks the workers to save and stop; a second ends torchrun."""
    received: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            # not a signal to torchrun: it would kill workers that need more than 30 s to save
            (work / STOP).write_text(signal.Signals(number).name, encoding="utf-8")
        else:
            process.terminate()

    before = {}
    with contextlib.suppress(ValueError):  # not the main thread: then the caller handles signals
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, forward)
    try:
        yield received
    except BaseException:
        process.terminate()  # on_record failed: no orphan stays behind
        process.wait()
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
