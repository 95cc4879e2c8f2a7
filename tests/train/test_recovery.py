"""Losses that explode in real runs: what is skipped, where the run goes back to, and that a kill loses no decision."""

import dataclasses
import errno
import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import antimatter
from antimatter.model import AntiMatter
from antimatter.params.train import Balance, Guard
from antimatter.train import checkpoint, recovery
from antimatter.train.checkpoint import CheckpointFailed
from antimatter.train.guard import GuardGaveUp
from antimatter.train.journal import Journal, read_csv, read_records
from antimatter.train.loop import Loop
from antimatter.train.stability import Stability
from antimatter.train.step import Stepper
from antimatter.train.training import Training

GUARD = Guard(window=16, healthy_steps=3, distance=4, skip_beyond=2, rewarm_steps=3)
SETTINGS = {"steps": 110, "save_every": 10, "validate_every": 50, "guard": GUARD}


@pytest.fixture
def disturb(monkeypatch):
    """disturb({step: how}, times=1): at these steps `how(stepper, sums)` spoils a step, so many times each."""

    real = Stepper.forward_backward

    def spoil(steps, times=1):
        left = dict.fromkeys(steps, times)

        def spoiled(stepper, step, *arguments):
            sums = real(stepper, step, *arguments)
            if left.get(step, 0):
                left[step] -= 1
                steps[step](stepper, sums)
            return sums

        monkeypatch.setattr(Stepper, "forward_backward", spoiled)

    return spoil


def nan_weights(stepper, sums):
    with torch.no_grad():
        stepper._parameters[0][8:] = torch.nan
    sums[:2] = torch.nan


def loss_times(factor):
    def spoil(stepper, sums):
        sums[1] *= factor

    return spoil


def huge_gradient(stepper, sums):
    stepper._parameters[0].grad *= 1e6


def events_of(job, kind):
    return [event for event in read_records(Path(job.work) / "events.jsonl") if event["kind"] == kind]


def weights_of(job):
    return AntiMatter.from_pretrained(Path(job.work) / "result").published_weights()


def test_a_clean_run_is_left_alone(make_job, train_here, outputs):
    watched, alone = make_job("watched", **SETTINGS), make_job("alone", **{**SETTINGS, "guard": Guard(mode="off")})
    train_here(watched)
    train_here(alone)
    assert not read_records(Path(watched.work) / "events.jsonl")
    assert outputs(watched)["result/model.safetensors"] == outputs(alone)["result/model.safetensors"]


@pytest.mark.parametrize("how", [loss_times(1.9), huge_gradient])
def test_an_update_far_out_of_line_is_not_applied(make_job, train_here, disturb, how):
    job = make_job(**SETTINGS)
    disturb({90: how})
    assert train_here(job)
    (event,) = events_of(job, "skipped")
    assert event["step"] == 90 and not events_of(job, "rollback")
    assert json.loads((Path(job.work) / "summary.json").read_text())["skipped_steps"] == 1


def test_weights_that_are_no_numbers_go_back_to_a_sound_checkpoint_and_past_the_data(make_job, train_here, disturb):
    job = make_job(**SETTINGS)
    disturb({88: nan_weights})
    assert train_here(job)
    (event,) = events_of(job, "rollback")
    # not finite twice running; 80 is nearer than 4 steps or not yet stable by what came after it
    assert event["step"] in (88, 89) and event["target_step"] in (70, 80)
    assert event["skip_from"] == event["target_step"] * 8
    assert event["skip_to"] >= (event["step"] + 2) * 8
    assert len(event["samples"]) == 8
    assert all(torch.isfinite(weight).all() for weight in weights_of(job).values())
    log = read_csv(Path(job.work) / "log.csv")
    assert [row["step"] for row in log] == list(range(1, 111))
    assert log[event["target_step"]]["cursor"] == event["skip_to"]
    lost = read_csv(Path(job.work) / "abandoned.csv")
    assert lost[0]["step"] == event["target_step"] + 1 and {row["rollback"] for row in lost} == {1}
    assert log[-1]["learning_rate"] == pytest.approx(0.5 * job.train.learning_rate * 0.1, rel=1e-3)
    told = json.loads((Path(job.work) / "result/training.json").read_text())["interventions"]
    assert told == [dataclasses.asdict(i) for i in recovery.read_interventions(Path(job.work))]


def test_a_checkpoint_written_on_the_way_to_the_spike_is_not_used(make_job, train_here, disturb):
    job = make_job(**SETTINGS)
    disturb({91: nan_weights})  # right after the save of step 90
    assert train_here(job)
    assert events_of(job, "rollback")[0]["target_step"] == 80


def test_after_going_back_the_run_is_a_fresh_start_from_there(make_job, train_here, disturb, outputs):
    """Same checkpoint, same interventions: same bytes, whoever was there before."""
    job, fresh = make_job("job", **SETTINGS), make_job("fresh", **SETTINGS)
    kept = Path(fresh.work) / "kept"
    real = recovery.write_interventions

    def also_keep(work, interventions):
        real(work, interventions)
        shutil.copytree(job.work, kept, dirs_exist_ok=True)

    disturb({88: nan_weights})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recovery, "write_interventions", also_keep)
        train_here(job)
    shutil.copytree(kept, fresh.work, dirs_exist_ok=True)
    shutil.rmtree(kept)
    assert train_here(fresh)
    assert outputs(fresh) == outputs(job)


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("moment", range(6))
def test_a_kill_while_going_back_loses_no_decision(make_job, train_here, disturb, outputs, monkeypatch, moment):
    undisturbed, killed = make_job("undisturbed", **SETTINGS), make_job("killed", **SETTINGS)
    moments = [
        (recovery, "write_interventions"),
        (checkpoint, "reject_after"),
        (Journal, "event"),
        (Journal, "take_back"),
        (Training, "restore"),
        (Stability, "promoted"),
    ]
    disturb({88: nan_weights})
    train_here(undisturbed)
    place, name = moments[moment]
    real, going_back = getattr(place, name), []
    go_back = Loop._go_back

    def noted(*arguments):
        going_back.append(True)
        return go_back(*arguments)

    def dying(*arguments, **named):
        if going_back:
            raise Killed
        return real(*arguments, **named)

    disturb({88: nan_weights}, times=2 if moment == 0 else 1)
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_go_back", noted)
        patch.setattr(place, name, dying)
        with pytest.raises(Killed):
            train_here(killed)
    assert train_here(killed)
    assert len(recovery.read_interventions(Path(killed.work))) == 1
    assert outputs(killed) == outputs(undisturbed)


def test_a_stop_in_the_step_of_a_rollback_keeps_the_checkpoint_to_go_back_to(make_job, train_here, disturb, outputs):
    undisturbed, stopped = make_job("undisturbed", **SETTINGS), make_job("stopped", **SETTINGS)

    def nan_weights_and_stop(stepper, sums):
        nan_weights(stepper, sums)
        sums[4] += 1

    disturb({88: nan_weights})
    train_here(undisturbed)
    (event,) = events_of(undisturbed, "rollback")
    disturb({88: nan_weights, event["step"]: nan_weights_and_stop})
    assert not train_here(stopped)
    assert event["target_step"] in checkpoint.stable_steps(Path(stopped.work) / "checkpoints")
    assert train_here(stopped)
    assert outputs(stopped) == outputs(undisturbed)


def test_a_stable_checkpoint_that_was_damaged_is_passed_over(make_job, train_here, disturb, monkeypatch):
    job = make_job(**SETTINGS)
    real, damaged, reached = checkpoint.stable_steps, [], []

    def nan_weights_now(stepper, sums):
        nan_weights(stepper, sums)
        reached.append(88)

    def stable_steps(root):
        steps = real(root)
        if damaged or 88 not in reached or threading.current_thread() is not threading.main_thread():
            return steps
        path = root / checkpoint.name_of(steps[-1]) / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-8])
        damaged.append(steps[-1])
        return steps

    disturb({88: nan_weights_now})
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "stable_steps", stable_steps)
        assert train_here(job)
    (event,) = events_of(job, "rollback")
    assert damaged == [80] and event["target_step"] == 70
    notes = [r["text"] for r in read_records(Path(job.work) / "records.jsonl") if r["kind"] == "note"]
    assert any("is not used" in note for note in notes)


def test_a_run_that_always_explodes_is_given_up_with_a_post_mortem(make_job, train_here, disturb):
    job = make_job(**SETTINGS)
    disturb(dict.fromkeys(range(75, 111), nan_weights), times=100)
    with pytest.raises(GuardGaveUp, match=r"post_mortem\.json"):
        train_here(job)
    assert events_of(job, "given_up")
    content = json.loads((Path(job.work) / "post_mortem.json").read_text())
    assert len(content["samples"]) == 8 and content["interventions"]
    assert {row["name"] for row in content["layers"]} >= {"token_embedding.weight", "final_norm.weight"}
    assert next(row for row in content["layers"] if row["name"] == "token_embedding.weight")["norm"] is None


def test_threshold_mode_reads_the_same_data_again_at_half_the_rate(make_job, train_here, disturb):
    job = make_job(**{**SETTINGS, "guard": dataclasses.replace(GUARD, mode="threshold")})
    disturb({90: loss_times(1.9), 95: loss_times(4.0)})
    assert train_here(job)
    assert not events_of(job, "skipped")
    (event,) = events_of(job, "rollback")
    assert event["step"] == 95 and event["rate"] == 0.5
    assert event["skip_from"] == event["skip_to"] == event["target_step"] * 8


def test_a_full_disk_stops_the_run_loudly_and_costs_no_good_checkpoint(make_job, train_here, outputs, monkeypatch):
    undisturbed, full = make_job("undisturbed", steps=30, save_every=5), make_job("full", steps=30, save_every=5)
    train_here(undisturbed)
    real, calls = checkpoint._write_bytes, []

    def filling(path, content):
        calls.append(path)
        if len(calls) > 8:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_write_bytes", filling)
        with pytest.raises(CheckpointFailed, match="No space left on device"):
            train_here(full)
    left = checkpoint.newest(Path(full.work) / "checkpoints", pytest.fail)
    assert left is not None and left.state["step"] % 5 == 0
    assert train_here(full)
    assert outputs(full) == outputs(undisturbed)


ONE_RANK = """
import sys
import threading
import torch
from antimatter.train.job import read_job
from antimatter.train.step import Stepper
from antimatter.train.training import Training
from antimatter.train.worker import work_on

job, real, done = read_job(sys.argv[1]), Stepper.forward_backward, []

def spoiled(stepper, step, *arguments):
    if step == 88 and not done and stepper._peers.rank == 1:
        done.append(step)
        with torch.no_grad():
            stepper._parameters[0][8:] = torch.nan
    return real(stepper, step, *arguments)

Stepper.forward_backward = spoiled
sys.exit(work_on(job))
"""


def test_what_breaks_in_one_of_two_processes_takes_both_back_to_the_same_step(make_job, tmp_path):
    job = make_job(**SETTINGS, processes=2, micro_batch=4)
    Path(job.work).mkdir()
    job.write(tmp_path / "job.json")
    (tmp_path / "one_rank.py").write_text(ONE_RANK)
    root = str(Path(antimatter.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    run = subprocess.run(
        [*torchrun, str(tmp_path / "one_rank.py"), str(tmp_path / "job.json")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert len(events_of(job, "rollback")) == 1
    assert all(torch.isfinite(weight).all() for weight in weights_of(job).values())


@pytest.mark.parametrize("stop_at", [95, 100, 107])
def test_a_stop_counts_no_batch_twice(make_job, train_here, outputs, stop_at):
    balance = Balance(mode="dynamic")
    settings = {"steps": 110, "save_every": 50, "validate_every": 110, "token_balance": balance}
    undisturbed, stopped = make_job("undisturbed", **settings), make_job("stopped", **settings)
    train_here(undisturbed)
    assert not train_here(stopped, stop_at=stop_at)
    assert train_here(stopped)
    assert outputs(stopped) == outputs(undisturbed)


@pytest.mark.parametrize("stop_at", [25, 88, 89])
def test_a_stop_does_not_change_where_a_rollback_goes(make_job, train_here, disturb, outputs, stop_at):
    undisturbed, stopped = make_job("undisturbed", **SETTINGS), make_job("stopped", **SETTINGS)
    disturb({88: nan_weights})
    train_here(undisturbed)
    disturb({88: nan_weights})
    assert not train_here(stopped, stop_at=stop_at)
    assert train_here(stopped)
    assert outputs(stopped) == outputs(undisturbed)
    (rollback,) = events_of(stopped, "rollback")
    stable = checkpoint.stable_steps(Path(stopped.work) / "checkpoints")
    assert stable == checkpoint.stable_steps(Path(undisturbed.work) / "checkpoints")
    assert rollback["target_step"] == events_of(undisturbed, "rollback")[0]["target_step"]


def test_with_few_steps_between_saves_checkpoints_become_stable_all_the_same(make_job, train_here):
    guard = dataclasses.replace(GUARD, healthy_steps=10, distance=10)
    job = make_job(**{**SETTINGS, "save_every": 2, "guard": guard})
    train_here(job)
    stable = checkpoint.stable_steps(Path(job.work) / "checkpoints")
    assert len(stable) == 3 and stable[0] > 50
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(stable))


def test_weights_that_break_in_the_last_step_are_not_published(make_job, train_here, disturb):
    job = make_job(**SETTINGS)
    disturb({110: nan_weights})
    assert train_here(job)
    assert len(events_of(job, "rollback")) == 1
    assert all(torch.isfinite(weight).all() for weight in weights_of(job).values())


def test_a_last_loss_that_is_no_number_does_not_spoil_the_summary(make_job, train_here, disturb):
    job = make_job(**SETTINGS)

    def lose_the_loss(stepper, sums):
        sums[1] = torch.nan

    disturb({110: lose_the_loss})
    assert train_here(job)
    assert [event["step"] for event in events_of(job, "skipped")] == [110]
    summary = json.loads((Path(job.work) / "summary.json").read_text())
    rows = read_csv(Path(job.work) / "log.csv")
    assert math.isnan(rows[-1]["loss"])
    assert summary["train_loss"]["last"] == pytest.approx(sum(row["loss"] for row in rows[-10:-1]) / 9)
