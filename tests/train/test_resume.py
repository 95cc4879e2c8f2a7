"""Resuming: every byte of the result equals the undisturbed run's."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from antimatter.errors import AntiMatterError
from antimatter.model import files
from antimatter.params.train import Balance
from antimatter.train import checkpoint, journal, loop, result
from antimatter.train.checkpoint import newest
from stages import train as stage


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


VARIANTS = {
    "fp32": {},
    "fp16 whose scale moves": {"precision": "fp16", "initial_loss_scale": 2.0**24},
    "bf16 with dropout and accumulation": {"precision": "bf16", "dropout": 0.2, "micro_batch": 2},
    "an untied head": {"tied_embeddings": False},
    "a second epoch": {"batch_tokens": 384},
    "a plateau that was met": {
        "schedule": "plateau",
        "plateau_patience": 1,
        "learning_rate": 1e-9,
        "validate_every": 3,
    },
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_a_stopped_run_ends_with_the_bytes_of_an_undisturbed_one(make_job, train_here, outputs, variant, stop_at):
    settings = {**VARIANTS[variant], "checkpoints_at": (6,)}
    undisturbed, stopped = make_job("undisturbed", **settings), make_job("stopped", **settings)
    assert train_here(undisturbed)
    assert not train_here(stopped, stop_at=stop_at)
    assert train_here(stopped)
    assert outputs(stopped) == outputs(undisturbed)


def test_counts_that_balance_the_loss_survive_a_stop(make_job, train_here, outputs, monkeypatch):
    monkeypatch.setattr(loop, "ABSORB_EVERY", 3)
    jobs = [make_job(name, steps=40, token_balance=Balance(mode="dynamic")) for name in ("undisturbed", "stopped")]
    train_here(jobs[0])
    assert not train_here(jobs[1], stop_at=20)
    assert train_here(jobs[1])
    assert outputs(jobs[0]) == outputs(jobs[1])


def test_a_run_killed_again_and_again_ends_with_them_too(make_job, train_here, outputs, monkeypatch):
    """Die at the 1st, 8th, 15th, ... point where a file reaches the disk, resume, die there again, until the end."""
    undisturbed, killed = make_job("undisturbed", checkpoints_at=(6,)), make_job("killed", checkpoints_at=(6,))
    train_here(undisturbed)
    deaths, finished = 0, False
    while not finished:
        left = 1 + 7 * deaths

        def dying(path, real=files.sync):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            real(path)

        with monkeypatch.context() as patch:
            for module in (files, checkpoint, result):
                patch.setattr(module, "sync", dying)
            try:
                finished = train_here(killed)
            except Killed:
                deaths += 1
    assert deaths > 3
    assert outputs(killed) == outputs(undisturbed)


def test_half_files_of_a_killed_process_are_neither_kept_nor_published(
    make_job, train_here, outputs, monkeypatch, tmp_path
):
    undisturbed, killed = make_job("undisturbed", checkpoints_at=(6,)), make_job("killed", checkpoints_at=(6,))
    train_here(undisturbed)

    def dying(path):
        if path.name.startswith(".model.safetensors.") and path.parent.name == "result":
            path.write_bytes(path.read_bytes()[:100])
            raise Killed

    with monkeypatch.context() as patch:  # another process, killed in the middle of the final weights
        patch.setattr(os, "getpid", lambda: 4242)
        patch.setattr(files, "sync", dying)
        with pytest.raises(Killed):
            train_here(killed)
    work = Path(killed.work)
    leftovers = [work / "result/.model.safetensors.4242.part", work / "result/.config.json.4242.part"]
    leftovers += [work / ".summary.json.4242.part", work / ".log.csv.4242.part"]
    assert leftovers[0].exists()
    for leftover in leftovers:
        leftover.write_text("half")
    train_here(killed)
    assert not list(work.rglob(".*.part"))
    assert outputs(killed) == outputs(undisturbed)
    monkeypatch.setattr(stage, "TOKENIZER", tmp_path / "tokenizer")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer/antimatter.model").write_text("a tokenizer")
    leftovers[0].write_text("half")  # even if one were there
    published = []
    for job in (killed, undisturbed):
        target = tmp_path / "data" / Path(job.work).name
        stage.publish(Path(job.work), target, {"model_id": "m"})
        published.append({str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*") if p.is_file()})
    assert published[0] == published[1]


def test_a_damaged_checkpoint_costs_steps_but_not_the_result(make_job, train_here, outputs):
    undisturbed, damaged = make_job("undisturbed"), make_job("damaged")
    train_here(undisturbed)
    train_here(damaged, stop_at=10)
    weights = Path(damaged.work) / "checkpoints/step_00000010/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    lines = []
    train_here(damaged, say=lines.append)
    assert any("step_00000010 is not used: model.safetensors has" in line for line in lines)
    assert outputs(damaged) == outputs(undisturbed)


def test_the_loss_scale_survives_a_resume(make_job, train_here, new_training):
    job = make_job(precision="fp16", initial_loss_scale=2.0**24)
    train_here(job, stop_at=9)
    saved = newest(Path(job.work) / "checkpoints", print).state
    assert saved["loss_scale"]["scale"] < 2.0**24 and saved["overflows"] > 0
    resumed = new_training(job)
    assert resumed.scale.current().item() == saved["loss_scale"]["scale"]
    assert resumed.scale.state() == saved["loss_scale"]


def test_a_resumed_run_keeps_its_placement_and_says_so(make_job, train_here, outputs):
    undisturbed, moved = make_job("undisturbed", micro_batch=2), make_job("moved", micro_batch=2)
    train_here(undisturbed)
    train_here(moved, stop_at=5)
    lines = []
    train_here(dataclasses.replace(moved, micro_batch=8, threads=2), say=lines.append)
    assert [line.split(",")[0] for line in lines] == ["threads is 2 now", "micro_batch is 8 now"]
    assert outputs(moved) == outputs(undisturbed)


@pytest.mark.parametrize(("change", "named"), [({"seed": 12}, "train.seed"), ({"layers": 2}, "model.layers")])
def test_a_checkpoint_of_other_settings_is_not_continued(make_job, train_here, change, named):
    train_here(make_job(), stop_at=5)
    with pytest.raises(AntiMatterError, match=f"belongs to another run .*{named}"):
        train_here(make_job(**change))


def test_a_checkpoint_of_other_tokens_is_not_continued(make_job, train_here, write_tokens):
    train_here(make_job(), stop_at=5)
    with pytest.raises(AntiMatterError, match=r"belongs to another run \(tokens digest"):
        train_here(make_job(tokens=write_tokens(name="others", digest="d2")))


def test_nothing_in_a_result_tells_the_time_or_the_machine(make_job, train_here):
    job = make_job()
    train_here(job)
    assert "seconds" not in json.dumps(json.loads((Path(job.work) / "summary.json").read_text()))
    assert not {"seconds", "time", "tokens_per_second"} & set(journal.LOG)
