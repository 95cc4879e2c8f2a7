"""A training run that is killed again and again, against one that is left alone: are the bytes equal?

    python benchmarks/kill_resume.py [--kills 10] [--steps 300] [--processes 1] [--seed 0]

Kills are SIGKILL to the whole process group of the worker, at steps drawn from the seed, on the demo's model with few
steps between saves. Prints where each kill came and what the next start went on from, then the digests of both results.
Exit code 1 if anything differs.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from antimatter.params.model import Model
from antimatter.params.train import Balance, Train
from antimatter.train.job import Job
from antimatter.train.journal import read_records
from antimatter.train.launch import command
from benchmarks.train import write_tokens

ROOT = Path(__file__).resolve().parent.parent
COMPARED = ("result/model.safetensors", "log.csv", "validation.csv", "summary.json", "result/training.json")


def start(job: Job) -> subprocess.Popen[bytes]:
    """The run in a process group of its own."""
    work = Path(job.work)
    work.mkdir(parents=True, exist_ok=True)
    job.write(work / "job.json")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (work / "worker.log").open("ab") as log:
        return subprocess.Popen(
            command(job, work / "job.json"), env=environment, stdout=log, stderr=log, start_new_session=True
        )


def reached(job: Job) -> int:
    """The last step on record."""
    return max((r["step"] for r in read_records(Path(job.work) / "records.jsonl")), default=0)


def kill_again_and_again(job: Job, kills: list[int]) -> None:
    """Run to the end, killed once at each of these steps."""
    for step in kills:
        process = start(job)
        while reached(job) < step and process.poll() is None:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        died = reached(job)
        whole = sorted(path.name for path in (Path(job.work) / "checkpoints").glob("step_*"))
        print(f"killed at step {died:4d}, checkpoints {', '.join(whole) or 'none yet'}", flush=True)
    if start(job).wait() != 0:
        sys.exit((Path(job.work) / "worker.log").read_text()[-3000:])


def digests(job: Job) -> dict[str, str]:
    """Of everything that must be equal."""
    return {name: hashlib.sha256((Path(job.work) / name).read_bytes()).hexdigest()[:16] for name in COMPARED}


def main() -> None:
    """Run both, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_tokens(folder / "tokens", 512, 200_000)
        train = Train(
            steps=options.steps, sequence_length=64, batch_tokens=512, warmup_steps=20, log_every=1, validate_every=20,
            validation_sequences=16, save_every=7, keep_best=True, token_balance=Balance(mode="dynamic"),
        )  # fmt: skip
        model = Model(layers=2, width=64, heads=2, feed_forward=128, context=64, dropout=0.1)
        alone, killed = (
            Job(model=model, train=train, tokens=str(folder / "tokens"), work=str(folder / work), device="cpu",
                processes=options.processes, threads=1, micro_batch=4)
            for work in ("alone", "killed")
        )  # fmt: skip
        if start(alone).wait() != 0:
            sys.exit((Path(alone.work) / "worker.log").read_text()[-3000:])
        kill_again_and_again(
            killed, sorted(random.Random(options.seed).choices(range(1, options.steps), k=options.kills))
        )
        print(f"{'':28s} {'left alone':18s} killed {options.kills} times")
        first, second = digests(alone), digests(killed)
        for file in COMPARED:
            verdict = "equal" if first[file] == second[file] else "DIFFER"
            print(f"{file:28s} {first[file]:18s} {second[file]:18s} {verdict}")
        print(json.dumps({"equal": first == second, "kills": options.kills, "processes": options.processes}))
        sys.exit(first != second)


if __name__ == "__main__":
    main()
