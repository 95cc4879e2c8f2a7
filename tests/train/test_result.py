"""What a finished run leaves, file by file; that equal runs leave equal bytes is in test_resume.py."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from antimatter.model import AntiMatter
from antimatter.params.train import Guard
from antimatter.train import checkpoint, loop, result
from antimatter.train.guard import Intervention
from antimatter.train.journal import Journal
from antimatter.train.step import Stepper
from antimatter.train.validation import Score

INTERVENTION = Intervention(1, "loss nan", 8, 4, 32, 80, 0.5)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def training(make_job, new_training):
    """A run that stands at step 6, keeps its best weights, and is about to write them down."""
    made = new_training(make_job(keep_best=True))
    made.step, made.best = 6, {"step": 6, "loss": 2.0}
    (made.work / "result").mkdir(parents=True)
    return made


@pytest.fixture
def journal(training):
    """Twelve steps of loss 12, 11, ... 1 and two validations, the first of them the better one."""
    written = Journal(training.work, 0)
    for step in range(1, 13):
        written.log(dict.fromkeys(("tokens", "epoch", "smoothed_loss", "learning_rate", "gradient_norm", "loss_scale",
                                   "cursor"), 0.0) | {"step": step, "loss": 13.0 - step})  # fmt: skip
    for step, loss, bits in ((5, 2.0, 1.5), (6, 3.0, None)):
        written.validation({"step": step, "tokens": 0, "loss": loss, "perplexity": loss * 2, "bits_per_byte": bits})
    written.sync()
    return written


def keep_best(training, step, value=0.0):
    """Keep weights that are all `value` as the best, at `step`."""
    weights = {name: torch.full_like(tensor, value) for name, tensor in training.weights().items()}
    training.step = step
    result.keep_weights(training, weights, result.best_folder(training.work, step))


def save_at(training, step, best):
    """A checkpoint that says which weights were the best so far."""
    training.step, training.best = step, best
    checkpoint.save(training.work / "checkpoints", **training.snapshot())


def kept(training):
    return sorted(folder.name for folder in (training.work / "best").iterdir())


def test_kept_weights_are_a_model_and_say_what_they_are(training):
    folder = result.chosen_folder(training.work, 6)
    training.guard._average, training.guard._averaged = 0.02 * 2.5, 1
    result.keep_weights(training, training.weights(), folder)
    assert read(folder / "metadata.json") == {
        "step": 6, "tokens": 6 * 128, "smoothed_train_loss": pytest.approx(2.5), "best_validation": training.best,
        "precision": "fp32",
    }  # fmt: skip
    loaded = AntiMatter.from_pretrained(folder).published_weights()
    assert all(torch.equal(loaded[name], weight) for name, weight in training.weights().items())


def test_weights_that_are_kept_again_replace_the_folder_and_what_a_kill_left(training):
    folder = result.best_folder(training.work, 6)
    keep_best(training, 6, value=1.0)
    (folder / "a leftover").touch()
    half = folder.with_name(f".writing-{folder.name}")
    half.mkdir()
    (half / "half a file").touch()
    keep_best(training, 6, value=2.0)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "metadata.json", "model.safetensors"]
    assert AntiMatter.from_pretrained(folder).token_embedding.weight[0, 0] == 2.0


def test_former_bests_stay_while_the_run_or_a_checkpoint_may_need_them(training):
    for step in (2, 3, 4, 5):
        keep_best(training, step)
    save_at(training, 3, {"step": 3, "loss": 3.0})
    save_at(training, 4, None)
    training.best = {"step": 5, "loss": 1.0}
    result.drop_former_best(training.work, training.best, training.step)
    assert kept(training) == ["step_00000003", "step_00000005"]
    checkpoint.reject_after(training.work / "checkpoints", 2)
    result.drop_former_best(training.work, training.best, training.step)
    assert kept(training) == ["step_00000005"]


def test_before_the_first_validation_nothing_is_the_best_and_nothing_fails(training):
    training.best = None
    result.drop_former_best(training.work, training.best, training.step)
    keep_best(training, 2)
    training.best = None
    result.drop_former_best(training.work, training.best, training.step)
    assert kept(training) == []


def test_the_best_weights_go_into_the_result_in_place_of_older_ones(training, journal):
    older = training.work / "result/checkpoints/best"
    older.mkdir(parents=True)
    (older / "a leftover").touch()
    keep_best(training, 5, value=1.0)
    training.step, training.best = 12, {"step": 5, "loss": 2.0}
    result.finish(training, training.weights(), {})
    assert sorted(path.name for path in older.iterdir()) == ["config.json", "metadata.json", "model.safetensors"]
    assert read(older / "metadata.json")["step"] == 5
    assert AntiMatter.from_pretrained(older).token_embedding.weight[0, 0] == 1.0
    assert AntiMatter.from_pretrained(training.work / "result").token_embedding.weight[0, 0] != 1.0


def test_training_json_holds_what_trace_needs(training, journal):
    training.best, training.step, training.overflows, training.skips = None, 12, 2, 3
    training.guard.interventions = (INTERVENTION,)
    result.finish(training, training.weights(), {"tokens_per_second": 1.0})
    assert read(training.work / "result/training.json") == {
        "format": result.FORMAT, "steps": 12, "tokens": 12 * 128, "precision": "fp32", "overflowed_steps": 2,
        # eight samples a step from 80 on, after the step that it went back to
        "epochs": (80 + (12 - 4) * 8) / training.windows, "skipped_steps": 3,
        "interventions": [dataclasses.asdict(INTERVENTION)],
    }  # fmt: skip
    assert read(training.work / "speed.json") == {"tokens_per_second": 1.0}


def test_the_summary_tells_the_curves_the_size_and_how_often_the_run_went_back(training, journal):
    training.best, training.by_frequency = None, [1.0, None]
    training.guard.interventions = (INTERVENTION,)
    result.finish(training, training.weights(), {})
    summary = read(training.work / "summary.json")
    counted = {name: tensor.numel() for name, tensor in training.weights().items()}
    assert summary["parameters"] == sum(counted.values())
    blocks = sum(count for name, count in counted.items() if "embedding" not in name)
    assert summary["parameters_without_embeddings"] == blocks
    assert summary["rollbacks"] == 1
    assert summary["train_loss"] == {"first": 12.0, "last": 5.5, "last_is": "mean of the last 10 logged steps"}
    last = {"step": 6, "loss": 3.0, "perplexity": 6.0, "bits_per_byte": None}
    best = {"step": 5, "loss": 2.0, "perplexity": 4.0, "bits_per_byte": 1.5}
    assert summary["validation"]["first"] == summary["validation"]["best"] == best
    assert summary["validation"]["last"] == last | {"loss_by_token_frequency": [1.0, None]}


def test_the_summary_comes_last(training, journal, monkeypatch):
    written, real = [], result.write_text

    def noted(path, text):
        written.append(path.name)
        real(path, text)

    monkeypatch.setattr(result, "write_text", noted)
    keep_best(training, 6)
    result.finish(training, training.weights(), {})
    assert written[-1] == "summary.json"


GUARD = Guard(window=8, healthy_steps=2, distance=2, skip_beyond=1, rewarm_steps=2)
SETTINGS = {"steps": 40, "save_every": 4, "validate_every": 4, "guard": GUARD, "keep_best": True}


def test_a_best_that_a_rollback_took_back_is_not_published(make_job, train_here, monkeypatch):
    """The validation just before the spike is the lowest of all, and by weights that the run goes back on."""
    job, real, spoiled, spiked_at = make_job(**SETTINGS), Stepper.forward_backward, [], 29
    losses = {16: 2.0, 28: 1.0}

    def spoiling(stepper, step, *arguments):
        sums = real(stepper, step, *arguments)
        if step == spiked_at and not spoiled:
            spoiled.append(step)
            with torch.no_grad():
                stepper._parameters[0][8:] = torch.nan
        return sums

    def scored(loss, model, *rest):
        step = training[0].step
        first_time = not spoiled
        return Score(losses.get(step, 3.0) if first_time else 3.0, 9.0, None, ())

    training = []
    begin = loop.Loop.__init__

    def noting(self, run, *rest):
        training.append(run)
        begin(self, run, *rest)

    monkeypatch.setattr(Stepper, "forward_backward", spoiling)
    monkeypatch.setattr(loop, "validate", scored)
    monkeypatch.setattr(loop.Loop, "__init__", noting)
    assert train_here(job)
    work = Path(job.work)
    (told,) = read(work / "result/training.json")["interventions"]
    assert 16 <= told["target_step"] < 28
    assert read(work / "result/checkpoints/best/metadata.json")["step"] == 16
    assert read(work / "result/checkpoints/best/metadata.json")["best_validation"] == {"step": 16, "loss": 2.0}
    assert read(work / "summary.json")["validation"]["best"]["step"] == 16
