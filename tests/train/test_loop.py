"""Training in this process: what the loop promises. Kills come in test_resume.py, processes in test_launch.py."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from antimatter.model import AntiMatter
from antimatter.params.train import Guard, Samples
from antimatter.train import checkpoint, optimizer
from antimatter.train.data import read_windows, samples_of_step
from antimatter.train.device import DeviceError
from antimatter.train.guard import GuardGaveUp
from antimatter.train.journal import read_csv, read_records
from antimatter.train.loop import Loop
from antimatter.train.schedule import learning_rate
from antimatter.train.speed import Clock


def weights_of(job):
    return AntiMatter.from_pretrained(Path(job.work) / "result").published_weights()


def test_the_loop_equals_the_plainest_loop_one_can_write(make_job, train_here, new_training):
    job = make_job(micro_batch=2, steps=6)
    train_here(job)
    training = new_training(make_job("plain"))
    model, settings = training.model, job.train
    adamw = optimizer.adamw(model, settings, "cpu")
    for step in range(1, 7):
        rows = torch.from_numpy(read_windows(training.tokens.train, samples_of_step(11, step, 8, training.windows), 16))
        F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.gradient_clip)
        for group in adamw.param_groups:
            group["lr"] = learning_rate(settings, step)
        adamw.step()
        adamw.zero_grad()
    for name, weight in weights_of(job).items():
        assert torch.allclose(weight, model.published_weights()[name], atol=2e-5), name


def test_the_micro_batch_changes_nothing_but_rounding(make_job, train_here):
    jobs = [make_job(f"micro{m}", micro_batch=m) for m in (8, 4, 1)]
    for job in jobs:
        train_here(job)
    first, *others = map(weights_of, jobs)
    for other in others:
        assert all(torch.allclose(first[name], other[name], atol=2e-4) for name in first)


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_equal_runs_give_equal_bytes(make_job, train_here, outputs, precision):
    jobs = [make_job(f"run{i}", precision=precision, dropout=0.1, micro_batch=4) for i in range(2)]
    for job in jobs:
        train_here(job)
        torch.manual_seed(99)  # a stray draw between runs must not matter
    assert outputs(jobs[0]) == outputs(jobs[1])


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_predictable_sequence_is_learnt(make_job, train_here, precision):
    job = make_job(steps=200, learning_rate=2e-2, precision=precision, log_every=50, validate_every=200, save_every=200)
    train_here(job)
    summary = json.loads((Path(job.work) / "summary.json").read_text())
    assert summary["train_loss"]["first"] == pytest.approx(math.log(40), rel=0.03)
    assert summary["validation"]["last"]["loss"] < 1.2
    assert summary["precision"] == precision


def test_the_log_and_the_summary_tell_the_run(make_job, train_here):
    job = make_job(steps=12, log_every=5, validate_every=5, checkpoints_at=(3, 12))
    train_here(job)
    work = Path(job.work)
    log, validation = read_csv(work / "log.csv"), read_csv(work / "validation.csv")
    assert [row["step"] for row in log] == [1, 5, 10, 12]
    assert [row["tokens"] for row in log] == [128, 640, 1280, 1536]
    assert log[2]["learning_rate"] == pytest.approx(learning_rate(job.train, 10))
    assert log[3]["epoch"] == pytest.approx(12 * 8 / 64)
    assert [row["step"] for row in validation] == [5, 10, 12]
    summary = json.loads((work / "summary.json").read_text())
    assert (summary["steps"], summary["tokens"], summary["overflowed_steps"]) == (12, 1536, 0)
    assert summary["train_loss"]["last"] == pytest.approx(np.mean([row["loss"] for row in log]))
    assert summary["validation"]["best"]["loss"] == min(row["loss"] for row in validation)
    assert sorted(p.name for p in (work / "result/checkpoints").iterdir()) == ["step_00000003", "step_00000012"]
    last = (work / "result/checkpoints/step_00000012/model.safetensors").read_bytes()
    assert last == (work / "result/model.safetensors").read_bytes()
    speed = json.loads((work / "speed.json").read_text())
    assert speed["mfu"] is None and speed["goodput_tokens_per_second"] > 0


@pytest.mark.parametrize("mode", ["off", "threshold", "full"])
def test_a_loss_that_is_never_finite_ends_the_run(make_job, new_training, monkeypatch, mode):
    training = new_training(make_job(save_every=1, guard=Guard(mode=mode)))
    monkeypatch.setattr(training.model, "initialise", lambda seed: None)
    monkeypatch.setattr(
        AntiMatter, "initialise", lambda model, seed: model.token_embedding.weight.data.fill_(torch.nan)
    )
    with torch.no_grad():
        training.model.token_embedding.weight.fill_(torch.nan)
    with pytest.raises(GuardGaveUp, match=r"step [12]: loss nan.*lower train.learning_rate"):
        Loop(training, None, Clock(0.0, {})).run(lambda: False)


def test_an_fp16_overflow_is_skipped_counted_and_survived(make_job, train_here):
    job = make_job(precision="fp16", initial_loss_scale=2.0**24, steps=30)
    train_here(job)
    log = read_csv(Path(job.work) / "log.csv")
    skipped = json.loads((Path(job.work) / "summary.json").read_text())["overflowed_steps"]
    assert 0 < skipped < 20
    assert log[-1]["loss_scale"] == 2.0 ** (24 - skipped)
    assert log[-1]["loss"] < log[0]["loss"]


def test_twenty_overflows_in_a_row_stop_the_run(make_job, new_training):
    settings = {"steps": 100, "warmup_steps": 0, "save_every": 100, "validate_every": 100, "guard": Guard(mode="off")}
    training = new_training(make_job(precision="fp16", initial_loss_scale=1.0, **settings))
    real = training.stepper.forward_backward

    def overflowing(*arguments):
        sums = real(*arguments)
        training.model.token_embedding.weight.grad.fill_(torch.inf)
        return sums

    training.stepper.forward_backward = overflowing
    with pytest.raises(GuardGaveUp, match=r"step 20: gradients were not finite in 20 steps in a row"):
        Loop(training, None, Clock(0.0, {})).run(lambda: False)


def test_a_stop_that_comes_in_the_last_step_changes_nothing(make_job, train_here):
    job = make_job(steps=8, save_every=4)
    assert train_here(job, stop_at=8)
    assert (Path(job.work) / "summary.json").exists()
    assert checkpoint.steps(Path(job.work) / "checkpoints") == [4]  # the result is there: no checkpoint of the end


def test_a_plateau_lowers_the_rate_of_the_steps_after_it(make_job, train_here):
    job = make_job(schedule="plateau", plateau_patience=1, plateau_improvement=10.0, validate_every=3)
    train_here(job)
    rates = [row["learning_rate"] for row in read_csv(Path(job.work) / "log.csv")]
    assert rates[5] == job.train.learning_rate and rates[6] == pytest.approx(0.5 * rates[5])


def test_samples_are_greedy_continuations_of_the_prompts_and_change_nothing(make_job, train_here, outputs):
    sampled = make_job("sampled", samples=Samples(every=4, tokens=3, prompts=("x",)), prompts=((1, 9), (1, 10, 11)))
    silent = make_job("silent", samples=Samples(prompts=("x",), tokens=3), prompts=())
    train_here(sampled)
    train_here(silent)
    records = [r for r in read_records(Path(sampled.work) / "records.jsonl") if r["kind"] == "sample"]
    assert [r["step"] for r in records] == [4, 8, 12]
    last = records[-1]
    assert last["prompt_lengths"] == [2, 3] and [ids[:2] for ids in last["ids"]] == [[1, 9], [1, 10]]
    model = AntiMatter.from_pretrained(Path(sampled.work) / "result")
    assert last["ids"][0][2] == model(torch.tensor([last["ids"][0][:2]]))[0, -1].argmax().item()
    assert outputs(sampled) == outputs(silent)


def test_a_batch_that_cannot_be_shared_out_is_an_error(make_job, new_training):
    with pytest.raises(DeviceError, match="micro_batch 3 does not divide a process's 8 sequences"):
        new_training(make_job(micro_batch=3))
