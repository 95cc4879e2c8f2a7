import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

import antimatter
from antimatter.train import checkpoint
from antimatter.train.checkpoint import CheckpointFailed
from antimatter.train.writer import Writer


def arguments(step, value=1.0):
    return {
        "step": step,
        "weights": {"a": torch.full((2, 3), value), "b": torch.arange(6.0).view(2, 3).T.to(torch.bfloat16)},
        "optimizer": {"a:exp_avg": torch.full((2, 3), value), "a:step": torch.tensor(value)},
        "extra": {"seen": torch.tensor([2**40, 1]), "a": torch.full((2, 3), -value)},  # a name may come twice
        "state": {"step": step, "guard": {"losses": [value]}},
        "environment": {"steady": {"steps": step}},
    }


@pytest.fixture
def writer(tmp_path):
    return Writer(tmp_path / "checkpoints")


@pytest.fixture
def gate(monkeypatch):
    """Writing begins when this event is set."""
    opened, real = threading.Event(), checkpoint.save

    def save(*arguments):
        assert opened.wait(60)
        return real(*arguments)

    monkeypatch.setattr(checkpoint, "save", save)
    yield opened
    opened.set()


@pytest.fixture
def full_disk(monkeypatch):
    """full_disk(True) leaves no room, full_disk(False) what there is."""
    real = shutil.disk_usage

    def switch(full):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=0) if full else real(path))

    return switch


def newest(writer):
    return checkpoint.newest(writer.root, pytest.fail)


def test_in_the_background_the_same_bytes_are_written(tmp_path, writer):
    given = arguments(10)
    writer.save(**given)
    writer.wait()
    given["weights"]["b"] = given["weights"]["b"].contiguous()
    expected = checkpoint.save(tmp_path / "expected", **given)
    assert sorted(p.name for p in expected.iterdir()) == sorted(p.name for p in newest(writer).folder.iterdir())
    for path in expected.iterdir():
        assert (newest(writer).folder / path.name).read_bytes() == path.read_bytes(), path.name


def test_what_changes_after_save_returned_is_not_what_was_saved(writer, gate):
    given = arguments(10)
    writer.save(**given)
    for group in ("weights", "optimizer", "extra"):
        for tensor in given[group].values():
            tensor.zero_()
        given[group].clear()
    given["state"]["guard"]["losses"].append(5.0)
    given["environment"]["steady"].clear()
    gate.set()
    writer.wait()
    saved, expected = newest(writer), arguments(10)
    for group in ("weights", "optimizer", "extra"):
        found = getattr(saved, group)()
        assert {name: tensor.tolist() for name, tensor in found.items()} == {
            name: tensor.tolist() for name, tensor in expected[group].items()
        }
    assert (saved.state, saved.environment) == (expected["state"], expected["environment"])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_may_change_its_tensors_at_once(writer):
    weights = {str(i): torch.full((1024, 1024), float(i), device="cuda") for i in range(20)}
    for step in (1, 2):
        writer.save(step, weights, {}, {}, {"step": step}, {})
        for tensor in weights.values():
            tensor += 1
    writer.wait()
    assert [t.unique().tolist() for t in newest(writer).weights().values()] == [
        [float(name) + 1] for name in newest(writer).weights()
    ]


def test_tensors_may_change_their_shape_and_number_from_save_to_save(writer):
    for step, shapes in enumerate([{"a": (2,)}, {"a": (3,), "b": ()}, {"b": (1, 1)}]):
        writer.save(step, {name: torch.ones(shape) for name, shape in shapes.items()}, {}, {}, {"step": step}, {})
        writer.wait()
        assert {name: tuple(tensor.shape) for name, tensor in newest(writer).weights().items()} == shapes


def test_a_save_waits_for_the_one_before(writer, monkeypatch):
    events, asking, real = [], threading.Event(), checkpoint.save

    def save(root, step, *rest):
        events.append(("begin", step))
        assert asking.wait(60)
        real(root, step, *rest)
        events.append(("end", step))

    monkeypatch.setattr(checkpoint, "save", save)
    writer.save(**arguments(10))
    asking.set()
    writer.save(**arguments(20, value=2.0))
    events.append(("asked", 20))
    writer.wait()
    assert events.index(("end", 10)) < events.index(("asked", 20))
    assert [event for event in events if event[0] != "asked"] == [(e, s) for s in (10, 20) for e in ("begin", "end")]
    first = checkpoint.read(writer.root / checkpoint.name_of(10), pytest.fail)
    assert (first.state["guard"]["losses"], first.optimizer()["a:step"].item()) == ([1.0], 1.0)


def test_a_step_may_be_promoted_while_it_is_on_its_way_to_disk(writer, gate):
    writer.save(**arguments(10))
    writer.promote(10)
    assert checkpoint.steps(writer.root) == []
    gate.set()
    writer.wait()
    assert checkpoint.stable_steps(writer.root) == [10]


def test_old_ones_are_removed_once_the_new_one_is_there(writer, gate):
    for step in (10, 20):
        gate.set()
        writer.save(**arguments(step))
    writer.wait()
    gate.clear()
    writer.save(**arguments(30))
    writer.retain(latest=1, also=(10,))
    assert checkpoint.steps(writer.root) == [10, 20]
    gate.set()
    writer.wait()
    assert checkpoint.steps(writer.root) == [10, 30]


def test_each_step_is_told_once_when_it_is_on_disk(writer, gate):
    writer.save(**arguments(10))
    assert writer.check() == []
    gate.set()
    writer.save(**arguments(20))
    writer.save(**arguments(30))
    assert writer.wait() == [10, 20, 30]
    assert (writer.check(), writer.wait()) == ([], [])


@pytest.mark.parametrize(
    "ask", [lambda writer: writer.save(**arguments(30)), Writer.check, Writer.wait], ids=["save", "check", "wait"]
)
def test_what_failed_is_raised_by_the_next_call_and_only_once(writer, full_disk, ask):
    writer.save(**arguments(10))
    writer.wait()
    full_disk(True)
    writer.save(**arguments(20))
    writer._last.result()
    with pytest.raises(CheckpointFailed, match=r"step 20 could not be written.*step_00000010"):
        ask(writer)
    full_disk(False)
    assert writer.wait() == []
    assert checkpoint.steps(writer.root) == [10]
    writer.save(**arguments(40))
    assert writer.wait() == [40]


def test_after_a_failure_nothing_is_done_until_it_was_raised(writer, gate, full_disk):
    gate.set()
    for step in (10, 20, 30):
        writer.save(**arguments(step))
    assert writer.wait() == [10, 20, 30]
    gate.clear()
    full_disk(True)
    writer.save(**arguments(40))
    writer.promote(20)
    writer.retain(latest=1)
    gate.set()
    writer._last.result()
    writer.promote(30)
    with pytest.raises(CheckpointFailed):
        writer.check()
    assert (checkpoint.steps(writer.root), checkpoint.stable_steps(writer.root)) == ([10, 20, 30], [])
    writer.retain(latest=1)
    writer.wait()
    assert checkpoint.steps(writer.root) == [30]


@pytest.mark.parametrize("task", [lambda writer: writer.promote(10), lambda writer: writer.retain(latest=1)])
def test_promoting_and_removing_may_fail_too(writer, monkeypatch, task):
    def sync(path):
        raise OSError(5, "Input/output error")

    for step in (10, 20):
        writer.save(**arguments(step))
    writer.wait()
    monkeypatch.setattr(checkpoint, "sync", sync)
    task(writer)
    with pytest.raises(CheckpointFailed, match="Input/output error"):
        writer.wait()


def test_a_mistake_of_ours_in_the_background_is_raised_as_it_is(writer):
    writer.save(10, {}, {}, {}, {"step": 10, "set": {1}}, {})
    with pytest.raises(TypeError):
        writer.wait()


PRELUDE = """
import json, os, random, sys, torch
from pathlib import Path
from antimatter.train import checkpoint
from antimatter.train.writer import Writer

root = Path(sys.argv[1])
writer = Writer(root)
"""
LEAVES = """
writer.save(10, {"a": torch.ones(2_000_000)}, {}, {}, {"step": 10}, {})
writer.promote(10)
if sys.argv[2] == "raises":
    raise SystemExit(3)
"""
KILLED = """
for attempt in range(12):
    saved = checkpoint.newest(root, print)
    start = saved.state["step"] if saved else 0
    receives, sends = os.pipe()
    child = os.fork()
    if child == 0:
        chance = random.Random(attempt)
        checkpoint.sweep(root, start)
        for step in range(start + 1, start + 2 + chance.randrange(6)):
            weights = {"a": torch.full((20_000,), float(step))}
            writer.save(step, weights, {}, {}, {"step": step}, {})
            writer.promote(step)
            writer.retain(latest=2, stable=1)
            for written in writer.check():
                os.write(sends, b"%d\\n" % written)
        for _ in range(chance.randrange(200_000)):  # meanwhile the other thread writes
            pass
        os.kill(os.getpid(), 9)
    os.close(sends)
    _, status = os.waitpid(child, 0)
    told = [int(line) for line in os.fdopen(receives)]
    leftovers = sum(not path.name.startswith("step_") for path in root.iterdir())
    saved = checkpoint.newest(root, print)
    step = saved.state["step"] if saved else 0
    value = saved.weights()["a"].unique().tolist() if saved else [0]
    row = {"signal": status, "start": start, "told": told, "step": step, "value": value, "leftovers": leftovers}
    print(json.dumps(row))
"""


def run(program, *arguments):
    root = Path(antimatter.__file__).parent.parent
    command = [sys.executable, "-c", PRELUDE + program, *map(str, arguments)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(("how", "code"), [("ends", 0), ("raises", 3)])
def test_a_process_that_exits_finishes_writing_first(tmp_path, how, code):
    ended = run(LEAVES, tmp_path, how)
    assert ended.returncode == code, ended.stderr
    assert checkpoint.newest(tmp_path, pytest.fail).state["step"] == 10
    assert checkpoint.stable_steps(tmp_path) == [10]


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_a_killed_process_leaves_a_whole_newest_checkpoint(tmp_path):
    """The child kills itself while its other thread writes; the parent goes on from what is left, as a run does."""
    ended = run(KILLED, tmp_path)
    assert ended.returncode == 0, ended.stderr
    rows = [json.loads(line) for line in ended.stdout.splitlines()]  # a damaged checkpoint would add a line of its own
    assert len(rows) == 12
    for row in rows:
        assert row["signal"] == 9
        assert row["step"] >= max([row["start"], *row["told"]])
        assert row["value"] == [row["step"]]
    assert rows[-1]["step"] > 10
