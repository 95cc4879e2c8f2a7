"""Watching a run: each record once, whatever was killed or taken back, and a line for a person."""

import json
import sys

import pytest

from antimatter.train import watch
from antimatter.train.watch import Echo, Follower, describe, say

START = {"kind": "start", "step": 0, "attempt": "a"}
TRAIN = {
    "kind": "train", "step": 10, "steps": 100, "loss": 3.0, "smoothed_loss": 3.25, "gradient_norm": 1.5,
    "learning_rate": 1e-3, "tokens": 1000, "tokens_per_second": 100.0, "mfu": None, "memory": None,
}  # fmt: skip
ROLLBACK = {
    "kind": "rollback", "step": 8, "number": 1, "reason": "loss nan", "target_step": 4, "rate": 0.5, "skip_from": 32,
    "skip_to": 80,
}  # fmt: skip


def train(*steps):
    return [{"kind": "train", "step": step} for step in steps]


@pytest.fixture
def write(tmp_path):
    """write(record, ...) appends lines to records.jsonl, as the worker does."""

    def append(*records):
        with (tmp_path / "records.jsonl").open("a") as file:
            file.write("".join(json.dumps(record) + "\n" for record in records))

    return append


def seen(follower):
    return [(record["kind"], record["step"]) for record in follower.new()]


def test_before_the_worker_writes_there_is_nothing(tmp_path):
    follower = Follower(tmp_path, "a")
    assert seen(follower) == []
    follower.remember()
    assert not list(tmp_path.iterdir())


def test_after_a_rollback_the_steps_behind_its_target_are_delivered_anew(tmp_path, write):
    follower = Follower(tmp_path, "a")
    write(START, *train(2, 4, 6), {"kind": "validation", "step": 6}, ROLLBACK, *train(4, 6))
    write({"kind": "validation", "step": 6}, *train(6, 8))
    assert seen(follower) == [
        ("start", 0), ("train", 2), ("train", 4), ("train", 6), ("validation", 6), ("rollback", 8),
        ("train", 6), ("validation", 6), ("train", 8),
    ]  # fmt: skip
    assert seen(follower) == []


@pytest.mark.parametrize("kind", ["train", "validation", "quiz"])
def test_what_was_delivered_before_a_kill_is_not_delivered_again(tmp_path, write, kind):
    first = Follower(tmp_path, "a")
    write(START, *({"kind": kind, "step": step} for step in (1, 2, 3)))
    assert len(seen(first)) == 4
    first.remember()
    (tmp_path / "records.jsonl").unlink()  # the worker cuts it back to its checkpoint
    write({"kind": kind, "step": 1}, START | {"step": 1, "attempt": "b"})
    write(*({"kind": kind, "step": step} for step in (2, 3, 4)))
    assert seen(Follower(tmp_path, "b")) == [("start", 1), (kind, 4)]


def test_a_rollback_is_remembered_over_a_kill(tmp_path, write):
    first = Follower(tmp_path, "a")
    write(START, *train(3, 6), ROLLBACK)
    assert len(seen(first)) == 4
    first.remember()
    write(START | {"step": 4, "attempt": "b"}, *train(3, 6))
    assert seen(Follower(tmp_path, "b")) == [("start", 4), ("train", 6)]


def test_what_was_delivered_is_written_down_when_it_changes_and_only_then(tmp_path, write):
    follower, marker = Follower(tmp_path, "a"), tmp_path / "delivered.json"
    write(START, {"kind": "note", "step": 0, "text": "hello"})
    assert len(seen(follower)) == 2
    follower.remember()
    assert not marker.exists()
    write(*train(1))
    assert len(seen(follower)) == 1
    follower.remember()
    assert json.loads(marker.read_text()) == {"train": 1}
    marker.unlink()
    follower.remember()
    assert not marker.exists()


def test_half_a_line_waits_for_its_end(tmp_path, write):
    follower = Follower(tmp_path, "a")
    write(START)
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write('{"kind": "train", ')
    assert seen(follower) == [("start", 0)]
    assert seen(follower) == []
    with (tmp_path / "records.jsonl").open("a") as file:
        file.write('"step": 1}\n')
    assert seen(follower) == [("train", 1)]


def test_a_file_that_the_worker_replaces_before_it_begins_is_read_from_its_start(tmp_path, write):
    """The records of an earlier start may be cut to fewer bytes, and grow beyond what they were."""
    write(START, *train(*range(1, 50)))
    follower = Follower(tmp_path, "b")
    assert seen(follower) == []
    (tmp_path / "records.jsonl").unlink()
    write(START, START | {"attempt": "b"}, *train(1))
    assert seen(follower) == [("start", 0), ("train", 1)]
    write(*train(2))
    assert seen(follower) == [("train", 2)]


PLACE = {
    "steps": 100, "world": 2, "device": "cuda", "precision": "fp16", "micro_batch": 8, "threads": 1, "sharding": "off",
    "activation_checkpointing": False,
}  # fmt: skip
LINES = {
    "a start": (START | PLACE, "starts at step 0 of 100 (2 x cuda, fp16, micro-batch 8)"),
    "a resume": (
        START | PLACE | {"step": 7, "sharding": "on", "activation_checkpointing": True},
        "resumes after step 7 of 100 (2 x cuda, fp16, micro-batch 8, sharding on, activation checkpointing)",
    ),
    "a step": (TRAIN, "step 10/100  loss 3.0000 (smoothed 3.2500)  norm 1.50  rate 1.00e-03  100 tokens/s  90 s left"),
    "a step before the average": (
        TRAIN | {"smoothed_loss": None, "mfu": 0.25, "memory": 3e9},
        "step 10/100  loss 3.0000 (smoothed nan)  norm 1.50  rate 1.00e-03  100 tokens/s  MFU 25.0%  3.0 GB  90 s left",
    ),
    "a validation": (
        {"kind": "validation", "step": 5, "loss": 2.5, "bits_per_byte": 1.25},
        "step 5  validation loss 2.5000  1.2500 bits/byte",
    ),
    "a validation without bytes": (
        {"kind": "validation", "step": 5, "loss": 2.5, "bits_per_byte": None},
        "step 5  validation loss 2.5000",
    ),
    "a quiz": (
        {
            "kind": "quiz",
            "step": 5,
            "accuracy": 0.3,
            "error": 0.0205,
            "accuracy_norm": 1.0,
            "error_norm": None,
            "items": 500,
        },
        "step 5  quiz 30.0 % +- 2.1, by length 100.0 %, of 500 items",
    ),
    "a skip": (
        {"kind": "skipped", "step": 6, "reason": "loss 9 is above 5", "loss": 9.0, "gradient_norm": None},
        "step 6 was not applied (loss 9 is above 5): loss 9, gradient norm nan",
    ),
    "a rollback": (
        ROLLBACK,
        "ROLLBACK 1 at step 8: loss nan. Back to step 4, learning rate x 0.5, samples 32 to 80 are left out",
    ),
    "an end": ({"kind": "given_up", "step": 9, "reason": "why"}, "GIVEN UP at step 9"),
    "a note": ({"kind": "note", "step": 0, "text": "hello"}, "hello"),
}


@pytest.mark.parametrize("record", LINES)
def test_what_happens_is_one_line_for_a_person(record):
    given, line = LINES[record]
    assert describe(given) == f"train: {line}"


@pytest.mark.parametrize("kind", ["checkpoint", "sample", "interrupted", "a kind of tomorrow"])
def test_what_is_for_machines_is_no_line(kind):
    assert describe({"kind": kind, "step": 3}) is None


@pytest.fixture
def clock(monkeypatch):
    """clock[0] is the time in seconds."""
    now = [1000.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_step_now_and_then_and_all_else_at_once(monkeypatch, capsys, clock):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    echo = Echo()
    note = {"kind": "note", "step": 0, "text": "hello"}
    for moment, record in enumerate([TRAIN, TRAIN, note, note, {"kind": "checkpoint", "step": 3}, TRAIN]):
        clock[0] = 1000.0 + moment
        echo.show(record)
    clock[0] += 10.0
    echo.show(TRAIN)
    step = describe(TRAIN)
    assert capsys.readouterr().err.splitlines() == [step, "train: hello", "train: hello", step]


def test_a_terminal_has_one_line_of_progress_that_is_written_over(monkeypatch, capsys, clock):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    echo = Echo()
    echo.show(TRAIN)
    echo.show(TRAIN)
    echo.show({"kind": "note", "step": 0, "text": "hello"})
    over, step = "\r\033[K", describe(TRAIN)
    assert capsys.readouterr().err == f"{over}{step}{over}{step}{over}train: hello\n"


def test_lines_of_others_take_the_place_of_the_progress_too_and_what_follows_begins_a_line(monkeypatch, capsys, clock):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    echo, over = Echo(), "\r\033[K"
    echo.show(TRAIN)
    say("a document")
    echo.show(TRAIN)
    echo.end()
    assert capsys.readouterr().err == f"{over}{describe(TRAIN)}{over}a document\n{over}{describe(TRAIN)}{over}"


def test_a_log_gets_no_signs_of_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    echo = Echo()
    say("a document")
    echo.end()
    assert capsys.readouterr().err == "a document\n"
