"""A quiz on the way: right marks, whoever shares the work, and no trace of it in the weights."""

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from antimatter.model import AntiMatter, ModelConfig
from antimatter.params.train import Guard, Quiz
from antimatter.train import launch, quiz, result
from antimatter.train.job import read_job
from antimatter.train.journal import read_csv, read_records
from antimatter.train.loop import Loop
from antimatter.train.loss import LossOf
from antimatter.train.peers import Peers
from antimatter.train.quiz import Marks, Question, choice_nats, marks, take
from antimatter.train.speed import Clock
from antimatter.train.step import Stepper

CONFIG = ModelConfig(vocabulary_size=40, layers=2, width=16, heads=2, feed_forward=32, context=16, dropout=0.5)
ASKED = Quiz(every=3, path="h.jsonl", sha256="0" * 64, items=7)


def questions(count, longest=12, seed=0):
    """Random items of 2 to 5 choices; some are longer than the context of 16."""
    random = np.random.default_rng(seed)

    def ids(low, high):
        return tuple(random.integers(8, 40, random.integers(low, high)).tolist())

    items = []
    for _ in range(count):
        choices = tuple(ids(1, longest) for _ in range(random.integers(2, 6)))
        characters = tuple(int(random.integers(1, 5)) * len(choice) for choice in choices)
        items.append(Question((1, *ids(0, longest)), choices, characters, int(random.integers(len(choices)))))
    return tuple(items)


def by_hand(model, question):
    """-ln p of each choice: one row, one token at a time, from all logits."""
    nats = []
    for choice in question.choices:
        row = [*question.query, *choice]
        kept = row[-model.config.context - 1 :]
        logs = torch.log_softmax(model(torch.tensor([kept[:-1]]))[0].double(), -1)
        counted = min(len(choice), len(kept) - 1)
        nats.append(-sum(logs[place - 1, kept[place]].item() for place in range(len(kept) - counted, len(kept))))
    return nats


@pytest.mark.parametrize("pass_tokens", [64, 4096])
def test_marks_are_those_of_each_choice_computed_alone(monkeypatch, pass_tokens):
    monkeypatch.setattr(quiz, "PASS_TOKENS", pass_tokens)
    model, items = AntiMatter(CONFIG, seed=1), questions(60)
    with torch.no_grad():
        model.token_embedding.weight.mul_(20)  # fresh weights hardly tell one token from another
    loss = LossOf(model.train(), True)
    found = choice_nats(items, loss, model, "fp32", Peers())
    model.eval()
    expected = [by_hand(model, item) for item in items]
    assert any(len(item.query) + len(choice) > 17 for item in items for choice in item.choices)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)
    right = np.mean([nats.index(min(nats)) == item.gold for nats, item in zip(expected, items, strict=True)])
    per_letter = [
        [n / c for n, c in zip(nats, i.characters, strict=True)] for nats, i in zip(expected, items, strict=True)
    ]
    by_length = np.mean([rates.index(min(rates)) == item.gold for rates, item in zip(per_letter, items, strict=True)])
    whole = take(items, loss, model, "fp32", Peers())
    assert (whole.accuracy, whole.accuracy_norm, whole.items) == (right, by_length, 60)
    assert right != by_length and 0 < right < 1
    assert whole.error == pytest.approx(math.sqrt(right * (1 - right) / 59))


def test_the_error_is_that_of_a_mean_of_noughts_and_ones():
    easy = Question((1,), ((8,), (9,)), (1, 1), 0)
    right, wrong = np.array([1.0, 2.0]), np.array([2.0, 1.0])
    found = marks([easy] * 5, [right, right, wrong, right, wrong])
    assert found.error == pytest.approx(np.std([1, 1, 0, 1, 0], ddof=1) / math.sqrt(5))
    assert marks([easy], [right]) == Marks(1.0, None, 1.0, None, 1)


def test_of_equal_scores_the_first_choice_wins():
    twins = Question((1,), ((8,), (8,)), (1, 1), 1)
    assert marks([twins, twins], [np.array([1.0, 1.0])] * 2).accuracy == 0.0


@pytest.mark.parametrize("world", [2, 3, 50])
def test_ranks_together_give_to_the_bit_what_one_process_gives_in_equally_many_passes(monkeypatch, world):
    monkeypatch.setattr(quiz, "PASS_TOKENS", 64)
    model, items = AntiMatter(CONFIG, seed=1), questions(20)
    alone = np.concatenate(choice_nats(items, LossOf(model, True), model, "fp32", Peers()))
    shares, passes = [], []
    for rank in range(world):
        peers, loss, calls = Peers(), LossOf(model, True), []
        peers.rank, peers.world = rank, world
        peers.sum = lambda values: shares.append(values) or values
        loss.register_forward_pre_hook(lambda _, inputs, calls=calls: calls.append(1))
        choice_nats(items, loss, model, "fp32", peers)
        passes.append(len(calls))
    assert len(set(passes)) == 1  # what shares a model out must agree
    assert np.array_equal(np.sum(shares, axis=0), alone)
    assert all((np.array(share) == 0).sum() > 0 for share in shares)


@pytest.mark.parametrize("training", [True, False])
def test_a_quiz_touches_neither_random_numbers_nor_the_mode_of_the_model(training):
    model, state = AntiMatter(CONFIG, seed=1), torch.get_rng_state()
    loss = LossOf(model, True).train(training)
    assert take(questions(9), loss, model, "bf16", Peers()) == take(questions(9), loss, model, "bf16", Peers())
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training == loss.training == training


def summary_of(job):
    return json.loads((Path(job.work) / "summary.json").read_text())


def test_a_run_with_a_quiz_leaves_the_weights_of_one_without(make_job, train_here, outputs):
    settings = {"dropout": 0.2, "keep_best": True}
    asked = make_job("asked", quiz=ASKED, questions=questions(7), **settings)
    silent = make_job("silent", **settings)
    train_here(asked)
    train_here(silent)
    ours, theirs = outputs(asked), outputs(silent)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == ["summary.json"]
    rows = read_csv(Path(asked.work) / "quiz.csv")
    assert [row["step"] for row in rows] == [3, 6, 9, 12] and rows[0]["tokens"] == 384
    last = {name: rows[-1][name] for name in ("step", "accuracy", "error", "accuracy_norm", "error_norm")}
    told = summary_of(asked)["quiz"]
    chance = sum(1 / len(question.choices) for question in asked.questions) / 7
    assert (told["name"], told["items"], told["chance"]) == ("h", 7, pytest.approx(chance, abs=1e-6))
    assert told["last"] == pytest.approx(last)
    assert "quiz" not in summary_of(silent) and read_csv(Path(silent.work) / "quiz.csv") == []
    model = AntiMatter.from_pretrained(Path(asked.work) / "result")
    final = take(asked.questions, LossOf(model, True), model, "fp32", Peers())
    assert rows[-1]["accuracy"] == pytest.approx(final.accuracy)
    records = [r for r in read_records(Path(asked.work) / "records.jsonl") if r["kind"] == "quiz"]
    assert [r["accuracy"] for r in records] == pytest.approx([row["accuracy"] for row in rows])


def test_the_last_step_is_asked_whatever_its_number(make_job, train_here):
    job = make_job(quiz=dataclasses.replace(ASKED, every=5), questions=questions(3))
    train_here(job)
    assert [row["step"] for row in read_csv(Path(job.work) / "quiz.csv")] == [5, 10, 12]


@pytest.mark.parametrize("stop_at", [1, 4, 7, 8])
def test_a_stopped_run_ends_with_the_table_of_an_undisturbed_one(make_job, train_here, outputs, stop_at):
    settings = {"quiz": ASKED, "questions": questions(7)}
    undisturbed, stopped = make_job("undisturbed", **settings), make_job("stopped", **settings)
    train_here(undisturbed)
    assert not train_here(stopped, stop_at=stop_at)
    assert train_here(stopped)
    assert outputs(stopped) == outputs(undisturbed)
    table, other = ((Path(job.work) / "quiz.csv").read_bytes() for job in (stopped, undisturbed))
    assert table == other


def test_a_job_reads_back_as_it_was_with_all_questions_on_one_line(make_job, tmp_path):
    job = make_job(quiz=ASKED, questions=questions(50), prompts=((1, 9), (1,)))
    job.write(tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job
    (line,) = [line for line in (tmp_path / "job.json").read_text().splitlines() if "characters" in line]
    assert line.count("characters") == 50


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("killed_in", ["_quiz", "_sample", "_save"])
def test_a_kill_at_a_step_with_a_checkpoint_costs_no_row(make_job, train_here, monkeypatch, killed_in):
    settings = {"quiz": dataclasses.replace(ASKED, every=4), "questions": questions(7), "prompts": ((1, 9),)}
    settings["samples"] = dataclasses.replace(make_job().train.samples, every=4, prompts=("x",), tokens=3)
    undisturbed, killed = make_job("undisturbed", **settings), make_job("killed", **settings)
    train_here(undisturbed)
    real = getattr(Loop, killed_in)

    def dying(loop):
        real(loop)
        if loop.training.step == 8:
            if loop.writer:
                loop.writer.wait()
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Loop, killed_in, dying)
        with pytest.raises(Killed):
            train_here(killed)
    assert train_here(killed)
    for kind in ("quiz", "sample"):
        ours, theirs = (
            [{k: v for k, v in r.items() if k != "seconds"} for r in read_records(Path(job.work) / "records.jsonl")
             if r["kind"] == kind]
            for job in (killed, undisturbed)
        )  # fmt: skip
        assert ours == theirs and [r["step"] for r in ours] == [4, 8, 12]
    assert (Path(killed.work) / "quiz.csv").read_bytes() == (Path(undisturbed.work) / "quiz.csv").read_bytes()


def test_rows_behind_the_target_of_a_rollback_are_withdrawn(make_job, train_here, monkeypatch):
    guard = Guard(window=8, healthy_steps=2, distance=2, skip_beyond=1, rewarm_steps=2)
    job = make_job(
        steps=36, save_every=4, guard=guard, quiz=dataclasses.replace(ASKED, every=2), questions=questions(5)
    )
    real, spoiled, taken = Stepper.forward_backward, [], []

    def spoiling(stepper, step, *arguments):
        sums = real(stepper, step, *arguments)
        if step == 29 and not spoiled:
            spoiled.append(step)
            with torch.no_grad():
                stepper._parameters[0][8:] = torch.nan
        return sums

    def counted(loop):
        taken.append(loop.training.step)
        asking(loop)

    asking = Loop._quiz
    monkeypatch.setattr(Stepper, "forward_backward", spoiling)
    monkeypatch.setattr(Loop, "_quiz", counted)
    assert train_here(job)
    assert [row["step"] for row in read_csv(Path(job.work) / "quiz.csv")] == list(range(2, 37, 2))
    assert len(taken) > 18  # some of them twice


def test_a_job_without_questions_says_that_none_are_asked(make_job, new_training, train_here):
    job = make_job(quiz=ASKED)
    train_here(job)
    notes = [r["text"] for r in read_records(Path(job.work) / "records.jsonl") if r["kind"] == "note"]
    assert "no quiz is taken: this job holds no questions" in notes
    assert "quiz" not in summary_of(job)


def test_a_model_that_is_shared_out_is_asked_too_and_the_questions_arrive(make_job):
    """Through a job file, torchrun and shards: as its own weights answer afterwards."""
    job = make_job(steps=4, processes=2, sharding="on", quiz=ASKED, questions=questions(30), micro_batch=2)
    records = []
    outcome = launch(job, records.append)
    model = AntiMatter.from_pretrained(outcome.result)
    final = take(job.questions, LossOf(model, True), model, "fp32", Peers())
    assert outcome.summary["quiz"]["last"]["accuracy"] == pytest.approx(final.accuracy)
    assert [r["step"] for r in records if r["kind"] == "quiz"] == [3, 4]
    assert outcome.speed["spent"]["quiz"] > 0


@pytest.fixture
def time_goes(monkeypatch):
    """time_goes(seconds) moves the clock on."""
    now = [100.0]
    monkeypatch.setattr("antimatter.train.speed.time.monotonic", lambda: now[0])

    def go(seconds):
        now[0] += seconds

    return go


def test_the_parts_of_the_time_make_up_the_whole(time_goes):
    clock = Clock(0.0, {})
    time_goes(5)
    with clock.doing("validation"):
        time_goes(2)
        with clock.doing("checkpoints"):
            time_goes(4)
        time_goes(1)
    time_goes(3)
    clock.of_which("waiting_for_data", 1.5)
    kept = clock.state()
    expected = {"computing": 6.5, "validation": 3.0, "checkpoints": 4.0, "waiting_for_data": 1.5}
    assert clock.spent() == expected | {"lost_to_interruptions": 0.0}
    assert sum(clock.spent().values()) == clock.seconds() == 15.0
    time_goes(10)  # and a kill: the next start knows of 25 seconds, and of a checkpoint after 15
    later = Clock(25.0, kept)
    time_goes(1)
    assert later.spent() == expected | {"computing": 7.5, "lost_to_interruptions": 10.0}


def test_an_error_inside_an_activity_ends_it(time_goes):
    clock = Clock(0.0, {})
    with pytest.raises(ZeroDivisionError), clock.doing("quiz"):
        time_goes(1)
        raise ZeroDivisionError
    time_goes(2)
    assert clock.spent() == {"quiz": 1.0, "computing": 2.0, "lost_to_interruptions": 0.0}


def test_weights_of_a_step_that_training_reached_meanwhile_are_not_removed_as_a_former_best(tmp_path):
    """The writing thread may come to it late: the best of step 16 is there when step 12 says what was best."""
    for step in (4, 12, 16):
        (tmp_path / "best" / f"step_{step:08d}").mkdir(parents=True)
    result.drop_former_best(tmp_path, {"step": 12, "loss": 1.0}, 12)
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == ["step_00000012", "step_00000016"]
