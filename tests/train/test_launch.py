"""Real processes: torchrun, signals, kill -9, locks. Each start costs seconds, so a test here asks several things."""

import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import antimatter
from antimatter.model import AntiMatter
from antimatter.train import Interrupted, TrainingFailed, launch, watch, worker
from antimatter.train.journal import read_csv, read_records
from antimatter.train.tokens import TokensError
from antimatter.train.watch import Follower, describe

ROOT = Path(antimatter.__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
LAUNCH = """
import sys
from antimatter.train import Interrupted, launch
from antimatter.train.job import read_job
try:
    launch(read_job(sys.argv[1]))
except Interrupted as error:
    print(error)
    sys.exit(75)
"""


def write(job) -> Path:
    Path(job.work).mkdir(parents=True, exist_ok=True)
    path = Path(job.work).with_suffix(".json")
    job.write(path)
    return path


def start_worker(job) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "antimatter.train", str(write(job))], env=ENVIRONMENT)


def start_launcher(job) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", LAUNCH, str(write(job))], env=ENVIRONMENT, stdout=subprocess.PIPE)


def wait_for_step(job, step: int, process: subprocess.Popen) -> int:
    """Until the run has logged `step`; returns the process id of the worker."""
    records = Path(job.work) / "records.jsonl"
    deadline = time.monotonic() + 60
    while not any(r["kind"] == "train" and r["step"] >= step for r in read_records(records)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    return int((Path(job.work) / "training.lock").read_text())


def test_two_processes_train_what_one_trains_and_every_record_arrives_once(make_job, train_here):
    alone = make_job("alone", steps=8)
    train_here(alone)
    records = []
    pair = make_job("pair", steps=8, processes=2, micro_batch=2)
    outcome = launch(pair, records.append)
    assert [r["step"] for r in records if r["kind"] == "train"] == list(range(1, 9))
    assert [r["step"] for r in records if r["kind"] == "validation"] == [5, 8]
    assert records[0]["kind"] == "start" and records[0]["world"] == 2
    folders = (Path(alone.work) / "result", outcome.result)
    ours, theirs = (AntiMatter.from_pretrained(folder).published_weights() for folder in folders)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)
    for file in ("log.csv", "validation.csv"):
        for one, two in zip(read_csv(Path(alone.work) / file), read_csv(Path(pair.work) / file), strict=True):
            assert one == pytest.approx(two, rel=1e-4)
    assert launch(pair, pytest.fail) == outcome  # finished work returns at once


def test_what_two_processes_began_one_goes_on_with_in_the_same_order(make_job, train_here):
    settings = {"steps": 60, "save_every": 60, "validate_every": 30}
    alone, begun = make_job("alone", **settings), make_job("begun", processes=2, micro_batch=4, **settings)
    train_here(alone)
    launcher = start_launcher(begun)
    wait_for_step(begun, 5, launcher)
    launcher.send_signal(signal.SIGTERM)
    launcher.communicate(timeout=60)
    said = []
    assert train_here(dataclasses.replace(begun, processes=1), say=said.append)
    logs = [read_csv(Path(job.work) / "log.csv") for job in (alone, begun)]
    assert [row["cursor"] for row in logs[0]] == [row["cursor"] for row in logs[1]] == list(range(0, 480, 8))
    assert logs[0][-1]["loss"] == pytest.approx(logs[1][-1]["loss"], rel=1e-3)


def test_after_accumulation_both_ranks_hold_the_gradient_of_one_process(make_job, new_training):
    job = make_job("ranks", micro_batch=2)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = str(Path(__file__).with_name("two_ranks.py"))
    subprocess.run([*torchrun, script, str(write(job))], env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"}, check=True)
    first, second = (load_file(Path(job.work) / f"gradients-{rank}.safetensors") for rank in (0, 1))
    alone = new_training(dataclasses.replace(job, micro_batch=8))
    alone.stepper.forward_backward(2, alone.cursor(2), None, False)
    for name, gradient in ((name, parameter.grad) for name, parameter in alone.model.named_parameters()):
        assert torch.equal(first[name], second[name]), name
        assert torch.allclose(first[name], gradient, atol=1e-7, rtol=1e-4), name


def test_kill_9_and_a_half_written_checkpoint_leave_no_trace_in_the_result(make_job, train_here, outputs):
    settings = {"steps": 400, "save_every": 25, "validate_every": 100}
    undisturbed, killed = make_job("undisturbed", **settings), make_job("killed", **settings)
    train_here(undisturbed)
    process = start_worker(killed)
    wait_for_step(killed, 60, process)
    process.kill()
    process.wait()
    checkpoints = Path(killed.work) / "checkpoints"
    newest = max(checkpoints.glob("step_*"))
    (checkpoints / ".writing-step_00000999").mkdir()
    half = checkpoints / "step_00000999"
    half.mkdir()
    (half / "model.safetensors").write_bytes((newest / "model.safetensors").read_bytes()[:100])
    records = []
    launch(killed, records.append)
    assert records[0]["step"] % 25 == 0 and records[0]["step"] >= 25
    assert any("step_00000999 is not used" in r.get("text", "") for r in records)
    assert outputs(killed) == outputs(undisturbed)


def test_sigterm_saves_exits_resumable_and_the_next_start_goes_on(make_job, train_here, outputs):
    settings = {"steps": 500, "save_every": 500, "validate_every": 250}
    undisturbed, stopped = make_job("undisturbed", **settings), make_job("stopped", **settings)
    train_here(undisturbed)
    launcher = start_launcher(stopped)
    wait_for_step(stopped, 20, launcher)
    launcher.send_signal(signal.SIGTERM)
    said = launcher.communicate(timeout=60)[0].decode()
    assert launcher.returncode == worker.INTERRUPTED
    assert "training stopped at step" in said and "Start it again" in said
    assert len(list((Path(stopped.work) / "checkpoints").glob("step_*"))) == 1
    process = start_worker(stopped)
    assert process.wait(timeout=60) == 0
    assert outputs(stopped) == outputs(undisturbed)


def test_a_worker_told_to_stop_exits_with_its_own_code(make_job):
    job = make_job(steps=100_000, save_every=100_000, validate_every=100_000)
    process = start_worker(job)
    wait_for_step(job, 5, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 75
    assert read_records(Path(job.work) / "records.jsonl")[-1]["reason"] == "SIGINT"


def test_a_run_whose_stage_is_gone_saves_and_stops(make_job):
    job = make_job(steps=100_000, save_every=100_000, validate_every=100_000)
    launcher = start_launcher(job)
    pid = wait_for_step(job, 5, launcher)
    launcher.kill()  # and not yet reaped: a zombie counts as gone
    deadline = time.monotonic() + 60
    while worker.alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    launcher.wait()
    launcher.stdout.close()
    assert not worker.alive(pid)
    last = read_records(Path(job.work) / "records.jsonl")[-1]
    assert (last["kind"], last["reason"]) == ("interrupted", "the stage that started this training is gone")
    assert len(list((Path(job.work) / "checkpoints").glob("step_*"))) == 1


TELLS = """
import json, sys
from pathlib import Path
path = Path(sys.argv[1])
attempt = json.loads(path.read_text())["attempt"]
note = {"kind": "note", "step": 0, "text": "it happened"}
lines = [{"kind": "note", "step": 0, "attempt": attempt, "text": "begins"}, note]
(path.parent / "records.jsonl").write_text("".join(json.dumps(line) + chr(10) for line in lines))
for name in ("speed.json", "summary.json"):
    (path.parent / name).write_text("{}")
"""


def test_what_happened_is_told_before_what_is_known_of_it(make_job, monkeypatch, capsys):
    module = sys.modules[launch.__module__]
    monkeypatch.setattr(module, "command", lambda job, path: [sys.executable, "-c", TELLS, str(path)])
    launch(make_job(), lambda record: watch.say(f"  known of {record['text']}"))
    told = ["train: begins", "  known of begins", "train: it happened", "  known of it happened"]
    assert capsys.readouterr().err.splitlines() == told


def test_a_failing_worker_shows_the_end_of_its_log(make_job, monkeypatch):
    without_torchrun = [sys.executable, "-m", "antimatter.train"]
    module = sys.modules[launch.__module__]  # the package's attribute `launch` is the function
    monkeypatch.setattr(module, "command", lambda job, path: [*without_torchrun, str(path)])
    job = make_job()
    Path(job.work).mkdir()
    (Path(job.work) / "log.csv").mkdir()  # the worker cannot write its log
    with pytest.raises(TrainingFailed, match=r"(?s)worker.log:.*IsADirectoryError"):
        launch(job)


def test_an_error_for_the_user_arrives_as_its_message_alone(make_job, train_here):
    train_here(make_job(), stop_at=5)
    other = make_job(seed=12, processes=2)  # both ranks refuse the checkpoint
    work = Path(other.work)
    (work / worker.ERROR).write_text('{"type": "TokensError", "message": "of an earlier start"}')
    with pytest.raises(TrainingFailed) as failed:
        launch(other)
    said = str(failed.value)
    assert "belongs to another run (train.seed differ)" in said and said.endswith("restore what it was trained with.")
    assert "Traceback" not in said and "worker.log" not in said and "\n" not in said
    assert json.loads((work / worker.ERROR).read_text()) == {"type": "AntiMatterError", "message": said}
    log = (work / "worker.log").read_text()
    assert "AntiMatterError: " in log and "antimatter/train/loop.py" not in log  # no traceback of ours
    assert not list(work.rglob(".*.part"))


def test_a_split_without_two_tokens_is_refused_before_any_process_starts(make_job, write_tokens):
    job = make_job(tokens=write_tokens(validation=[[]], name="few"))
    with pytest.raises(TokensError, match="split 'validation' holds 0 tokens"):
        launch(job)
    assert not (Path(job.work) / "worker.log").exists()


def test_a_work_folder_in_use_is_refused_with_the_other_process_named(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "LOCK_SECONDS", 0.3)
    with (tmp_path / "training.lock").open("w") as other:
        other.write("4242")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(worker.WorkFolderBusy, match="in use by process 4242"), worker.claimed(tmp_path):
            pass
    with worker.claimed(tmp_path):
        assert (tmp_path / "training.lock").read_text() == str(os.getpid())


def test_records_of_an_earlier_start_are_not_delivered_again(tmp_path):
    def lines(*records):
        return "".join(json.dumps(r) + "\n" for r in records)

    path = tmp_path / "records.jsonl"
    begun = {"kind": "start", "step": 0, "attempt": "first"}
    path.write_text(lines(begun, {"kind": "train", "step": 1}, {"kind": "train", "step": 2}) + '{"kind": "tr')
    first = Follower(tmp_path, "first")
    assert [r["step"] for r in first.new()] == [0, 1, 2]
    first.remember()
    second = Follower(tmp_path, "second")
    assert list(second.new()) == []
    path.write_text(lines(begun, {"kind": "train", "step": 1}))  # cut back to a checkpoint of step 1
    assert list(second.new()) == []
    with path.open("a") as file:
        file.write(lines({"kind": "start", "step": 1, "attempt": "second"}, {"kind": "train", "step": 2}))
    assert [(r["kind"], r["step"]) for r in second.new()] == [("start", 1)]
    with path.open("a") as file:
        file.write(lines({"kind": "train", "step": 3}))
    assert [(r["kind"], r["step"]) for r in second.new()] == [("train", 3)]


def test_progress_is_one_line_for_a_person():
    record = {
        "kind": "train", "step": 50, "steps": 110, "loss": 4.25, "smoothed_loss": 4.5, "gradient_norm": 0.75,
        "learning_rate": 1e-3, "tokens": 5000, "tokens_per_second": 100.0, "mfu": None, "memory": 2_500_000_000,
    }  # fmt: skip
    assert describe(record) == (
        "train: step 50/110  loss 4.2500 (smoothed 4.5000)  norm 0.75  rate 1.00e-03  100 tokens/s  2.5 GB  60 s left"
    )
    assert describe(record | {"mfu": 0.41234}).split("  ")[5] == "MFU 41.2%"
    assert describe({"kind": "checkpoint", "step": 5}) is None


def test_an_interrupted_run_is_told_apart_from_a_failed_one():
    assert not issubclass(Interrupted, TrainingFailed) and not issubclass(TrainingFailed, Interrupted)
