import errno
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from antimatter.train import checkpoint
from antimatter.train.checkpoint import CheckpointFailed

WEIGHTS = {"a": torch.arange(6.0).view(2, 3)}
MOMENTS = {"a:exp_avg": torch.ones(2, 3), "a:step": torch.tensor(3.0)}
COUNTS = {"seen": torch.tensor([2**40, 1])}
FILES = ["model.safetensors", "optim.safetensors", "extra.safetensors", "state.json", "env.json", "manifest.json"]


class Killed(BaseException):
    """Stands for kill -9: nothing may catch it."""


def save(root, step, weights=WEIGHTS):
    return checkpoint.save(root, step, weights, MOMENTS, COUNTS, {"step": step}, {"torch": "x"})


def present(root):
    return {path.name for path in root.iterdir()}


def names(*steps):
    return {checkpoint.name_of(step) for step in steps}


def contents(root):
    """Every file under `root`, and its bytes."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def newest_step(root):
    return checkpoint.newest(root, lambda line: None).state["step"]


def flip_a_bit(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-2])


@pytest.fixture(autouse=True)
def no_power_cut(monkeypatch):
    """A kill loses nothing that was written: only the order of fsyncs is looked at here, in one test."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def at_every_moment(monkeypatch, tmp_path):
    """at_every_moment(before, act, error) yields (root, what came) for each file operation of `act` that can fail.

    The last one is undisturbed.
    """

    def scenes(before, act, error):
        remove = shutil.rmtree
        for moment in itertools.count():
            root = tmp_path / str(moment)
            root.mkdir()
            before(root)
            left = moment

            def failing(real):
                def call(*arguments, **options):
                    nonlocal left
                    left -= 1
                    if left == -1:
                        if real is remove:  # a folder does not vanish at once
                            next(Path(arguments[0]).glob("*"), Path("none")).unlink(missing_ok=True)
                        raise error
                    return real(*arguments, **options)

                return call

            with monkeypatch.context() as patch:
                for owner, name in (
                    (checkpoint, "sync"), (checkpoint, "_sha256"), (checkpoint, "_write_bytes"), (os, "rename"),
                    (os, "mkdir"), (Path, "touch"), (shutil, "rmtree"), (safetensors.torch, "save_file"),
                ):  # fmt: skip
                    patch.setattr(owner, name, failing(getattr(owner, name)))
                try:
                    act(root)
                    came = None
                except BaseException as caught:
                    came = caught
            yield root, came
            if left >= 0:
                assert came is None
                return

    return scenes


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, 7)
    found = checkpoint.newest(tmp_path, print)
    assert (found.state, found.environment) == ({"step": 7}, {"torch": "x"})
    assert torch.equal(found.weights()["a"], WEIGHTS["a"])
    assert {name: tensor.tolist() for name, tensor in found.optimizer().items()} == {
        "a:exp_avg": [[1.0] * 3] * 2,
        "a:step": 3.0,
    }
    assert found.extra()["seen"].tolist() == [2**40, 1]


def test_a_run_without_other_arrays_has_none(tmp_path):
    checkpoint.save(tmp_path, 1, WEIGHTS, {}, {}, {"step": 1}, {})
    found = checkpoint.newest(tmp_path, pytest.fail)
    assert (found.optimizer(), found.extra()) == ({}, {})


def test_all_of_it_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done, rename = [], os.rename
    monkeypatch.setattr(checkpoint, "sync", lambda path: done.append(path.name))
    monkeypatch.setattr(
        checkpoint, "_write_bytes", lambda path, content: done.append(f"write {path.name}") or path.write_bytes(content)
    )
    monkeypatch.setattr(os, "rename", lambda old, new: done.append("rename") or rename(old, new))
    save(tmp_path, 10)
    written = done.index("write manifest.json")
    assert set(FILES[:-1]) <= set(done[:written])
    assert done[written:] == ["write manifest.json", "manifest.json", ".writing-step_00000010", "rename", tmp_path.name]


def test_there_is_none_before_the_first(tmp_path):
    root = tmp_path / "checkpoints"
    assert checkpoint.newest(root, print) is None
    assert (checkpoint.steps(root), checkpoint.stable_steps(root)) == ([], [])


def test_saving_removes_no_other_checkpoint(tmp_path):
    for step in (5, 10, 200):
        save(tmp_path, step)
    assert present(tmp_path) == names(5, 10, 200)


def test_a_checkpoint_of_the_same_step_is_replaced_and_has_to_become_stable_again(tmp_path):
    save(tmp_path, 5)
    checkpoint.promote(tmp_path, 5)
    save(tmp_path, 5, {"a": torch.zeros(1)})
    assert checkpoint.newest(tmp_path, pytest.fail).weights()["a"].tolist() == [0]
    assert checkpoint.stable_steps(tmp_path) == []


def test_steps_beyond_eight_digits_are_newer_than_all_others(tmp_path):
    for step in (99_999_999, 100_000_000):
        save(tmp_path, step)
    assert newest_step(tmp_path) == 100_000_000
    checkpoint.sweep(tmp_path, 99_999_999)
    assert checkpoint.steps(tmp_path) == [99_999_999]


def test_folders_of_other_names_are_no_checkpoints_and_stay(tmp_path):
    save(tmp_path, 10)
    for name in ("step_backup", "step_000000010", "step_20", "notes"):
        (tmp_path / name).mkdir()
    checkpoint.retain(tmp_path)
    checkpoint.sweep(tmp_path, 10)
    assert checkpoint.steps(tmp_path) == [10]
    assert present(tmp_path) == names(10) | {"step_backup", "step_000000010", "step_20", "notes"}


# whom readers trust


@pytest.mark.parametrize("harm", [flip_a_bit, truncate, lambda path: path.unlink()])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_passed_over_with_a_line_that_names_it(tmp_path, harm, name):
    save(tmp_path, 10)
    harm(save(tmp_path, 20) / name)
    lines = []
    assert checkpoint.newest(tmp_path, lines.append).state["step"] == 10
    assert len(lines) == 1 and "step_00000020 is not used" in lines[0]


def test_a_manifest_must_vouch_for_every_file(tmp_path):
    manifest = save(tmp_path, 10) / "manifest.json"
    manifest.write_text(json.dumps({"format": 2, "files": {}}))
    lines = []
    assert checkpoint.newest(tmp_path, lines.append) is None
    assert "manifest" in lines[0]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(FILES),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["size", "sha256", *FILES]), inner),
)


@settings(max_examples=60)
@given(manifest=ANYTHING | st.fixed_dictionaries({"format": st.just(2), "files": ANYTHING | st.just(FILES[:-1])}))
def test_whatever_a_manifest_holds_reading_does_not_fail(manifest):
    with TemporaryDirectory() as root:
        folder = save(Path(root), 10)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        lines = []
        assert checkpoint.read(folder, lines.append) is None
        assert len(lines) == 1


def test_a_checkpoint_under_another_steps_name_is_not_believed(tmp_path):
    save(tmp_path, 10).rename(tmp_path / "step_00000099")
    lines = []
    assert checkpoint.newest(tmp_path, lines.append) is None
    assert "checkpoint of step 10" in lines[0]


@pytest.mark.parametrize(("number", "says"), [(1, "an earlier version wrote it"), (3, "another version wrote it")])
def test_a_checkpoint_of_another_format_is_passed_over_with_a_line_that_says_so(tmp_path, number, says):
    save(tmp_path, 5)
    manifest = save(tmp_path, 10) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": number}))
    lines = []
    assert checkpoint.newest(tmp_path, lines.append).state["step"] == 5
    assert len(lines) == 1 and says in lines[0] and f"format {number}" in lines[0]


def test_the_newest_that_is_accepted_is_chosen_and_only_whole_ones_are_offered(tmp_path):
    for step in (10, 20, 30):
        save(tmp_path, step)
    truncate(save(tmp_path, 40) / "state.json")
    offered = []
    found = checkpoint.newest(
        tmp_path, lambda line: None, lambda it: offered.append(it.state["step"]) or it.state["step"] < 30
    )
    assert (found.state["step"], offered) == (20, [30, 20])
    assert checkpoint.newest(tmp_path, lambda line: None, lambda it: False) is None


# which checkpoints stay


def test_promoted_checkpoints_are_stable_and_still_whole(tmp_path):
    for step in (10, 20, 30):
        save(tmp_path, step)
    assert checkpoint.promote(tmp_path, 20)
    assert checkpoint.promote(tmp_path, 20)
    assert checkpoint.stable_steps(tmp_path) == [20]
    assert checkpoint.read(tmp_path / checkpoint.name_of(20), pytest.fail)


def test_what_is_gone_cannot_become_stable(tmp_path):
    save(tmp_path, 10)
    assert not checkpoint.promote(tmp_path, 20)
    assert checkpoint.stable_steps(tmp_path) == []
    assert present(tmp_path) == names(10)


@given(
    steps=st.sets(st.integers(1, 40), max_size=12),
    promoted=st.sets(st.integers(1, 40), max_size=6),
    also=st.sets(st.integers(1, 40), max_size=4),
    latest=st.integers(1, 4),
    stable=st.integers(1, 4),
)
def test_the_latest_the_stable_and_those_asked_for_stay(steps, promoted, also, latest, stable):
    with TemporaryDirectory() as root:
        for step in steps:  # which ones stay does not depend on what is in them
            (Path(root) / checkpoint.name_of(step)).mkdir()
        proven = sorted(step for step in steps if step in promoted and checkpoint.promote(Path(root), step))
        checkpoint.retain(Path(root), latest, stable, also)
        expected = {s for s in steps if sum(t > s for t in steps) < latest or s in also}
        expected |= {s for s in proven if sum(t > s for t in proven) < stable}
        assert present(Path(root)) == names(*expected)
        assert checkpoint.stable_steps(Path(root))[-1:] == proven[-1:]


def test_a_rollback_removes_the_checkpoints_after_its_target(tmp_path):
    for step in (10, 20, 30, 40):
        save(tmp_path, step)
    checkpoint.promote(tmp_path, 30)
    checkpoint.reject_after(tmp_path, 20)
    assert present(tmp_path) == names(10, 20)
    checkpoint.reject_after(tmp_path, 0)
    assert present(tmp_path) == set()


def test_sweeping_removes_what_lies_after_the_chosen_step(tmp_path):
    for step in (10, 20):
        save(tmp_path, step)
    for leftover in (".writing-step_00000030", ".removing-step_00000005"):
        (tmp_path / leftover).mkdir()
    checkpoint.sweep(tmp_path, 10)
    assert present(tmp_path) == names(10)


# a kill at any moment


def prepare(root):
    for step in (10, 20):
        save(root, step)
    checkpoint.promote(root, 10)


@pytest.mark.parametrize("step", [30, 20], ids=["new", "replaced"])
def test_a_kill_at_any_moment_of_saving_leaves_whole_checkpoints(at_every_moment, step):
    """Every file operation of `save` is a place to die."""
    moments = 0
    for root, _ in at_every_moment(prepare, lambda root: save(root, step), Killed()):
        found = checkpoint.newest(root, pytest.fail).state["step"]
        assert found in (step - 10, step)
        checkpoint.sweep(root, found)
        assert present(root) <= names(10, 20, 30)
        assert checkpoint.stable_steps(root) == [10]
        save(root, 30)
        assert checkpoint.newest(root, pytest.fail).state["step"] == 30
        moments += 1
    assert moments > 20


def test_a_kill_while_promoting_leaves_the_checkpoint_stable_or_not(at_every_moment):
    seen = []
    for root, _ in at_every_moment(prepare, lambda root: checkpoint.promote(root, 20), Killed()):
        assert checkpoint.newest(root, pytest.fail).state["step"] == 20
        seen.append(checkpoint.stable_steps(root))
        assert checkpoint.promote(root, 20) and checkpoint.stable_steps(root) == [10, 20]
    assert seen[0] == [10] and seen[-1] == [10, 20] and len(seen) > 3


def test_a_kill_while_old_checkpoints_are_removed_leaves_none_half(at_every_moment):
    def before(root):
        prepare(root)
        for step in (30, 40, 50):
            save(root, step)
        checkpoint.promote(root, 30)

    for root, _ in at_every_moment(before, lambda root: checkpoint.retain(root, 1, 1), Killed()):
        for step in checkpoint.steps(root):
            assert checkpoint.read(root / checkpoint.name_of(step), pytest.fail)
        assert {30, 50} <= set(checkpoint.steps(root))
        checkpoint.sweep(root, 50)
        checkpoint.retain(root, 1, 1)
        assert present(root) == names(30, 50)


@pytest.mark.parametrize("act", [checkpoint.reject_after, checkpoint.sweep])
def test_a_kill_while_going_back_leaves_no_gap_and_can_be_finished(at_every_moment, act):
    def before(root):
        prepare(root)
        for step in (30, 40):
            save(root, step)
        (root / ".writing-step_00000050").mkdir()

    for root, _ in at_every_moment(before, lambda root: act(root, 10), Killed()):
        left = checkpoint.steps(root)
        assert left == [10, 20, 30, 40][: len(left)] and left
        assert checkpoint.newest(root, pytest.fail).state["step"] == left[-1]
        checkpoint.sweep(root, 10)
        assert present(root) == names(10)


# a file system that refuses


REFUSALS = [
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    OSError(errno.EROFS, os.strerror(errno.EROFS)),
    PermissionError(errno.EACCES, os.strerror(errno.EACCES)),
    SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=["full", "read-only", "forbidden", "full for safetensors"])
def test_a_refusal_at_any_moment_of_saving_is_explained_and_leaves_the_others_as_they_were(at_every_moment, refusal):
    good, came = {}, []

    def before(root):
        prepare(root)
        good[root] = contents(root)

    for root, caught in at_every_moment(before, lambda root: save(root, 30), refusal):
        after = contents(root)
        assert {name: after[name] for name in good[root]} == good[root]
        assert present(root) in (names(10, 20), names(10, 20, 30))
        if present(root) == names(10, 20, 30):
            assert checkpoint.newest(root, pytest.fail).state["step"] == 30
        if caught is not None:
            assert isinstance(caught, CheckpointFailed) and caught.__cause__ is refusal
            assert f"{root}: checkpoint of step 30 could not be written" in str(caught)
            assert "step_00000020" in str(caught) or present(root) == names(10, 20, 30)
        came.append(caught)
        save(root, 30)
    assert len(came) > 18 and came[-1] is None
    assert all(came[1:-1])  # [0] is making the folder of all checkpoints, which is there


@pytest.mark.parametrize(
    "act",
    [
        lambda root: checkpoint.promote(root, 20),
        lambda root: checkpoint.retain(root, 1, 1),
        lambda root: checkpoint.reject_after(root, 10),
        lambda root: checkpoint.sweep(root, 10),
    ],
    ids=["promote", "retain", "reject_after", "sweep"],
)
def test_a_refusal_elsewhere_is_explained_too(at_every_moment, act):
    def before(root):
        save(root, 5)
        prepare(root)
        (root / ".writing-step_00000030").mkdir()

    came = [caught for _, caught in at_every_moment(before, act, REFUSALS[1])]
    assert came[-1] is None and any(came)
    for caught in filter(None, came):
        assert isinstance(caught, CheckpointFailed) and "Read-only file system" in str(caught)


def test_too_little_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    save(tmp_path, 10)
    usage = shutil.disk_usage(tmp_path)._replace(free=3_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(safetensors.torch, "save_file", lambda *_: pytest.fail("it was begun"))
    with pytest.raises(CheckpointFailed) as caught:
        save(tmp_path, 20, {"a": torch.zeros(1_000_000)})
    needed = 4_000_000
    said = str(caught.value)
    assert "3,999 are free" in said and "No space left" in said and str(tmp_path / "step_00000010") in said
    assert needed < int(said.split("It needs ")[1].split(" bytes")[0].replace(",", "")) < needed + 100_000


def test_leftovers_of_a_kill_do_not_take_the_room_of_the_next_checkpoint(tmp_path):
    (tmp_path / ".writing-step_00000010").mkdir()
    (tmp_path / ".removing-step_00000005").mkdir()
    save(tmp_path, 20)
    assert present(tmp_path) == names(20)


def test_the_room_asked_for_covers_the_room_taken(tmp_path, monkeypatch):
    """Too little would let a full disk be met in writing; far too much would refuse what fits."""
    asked = []
    real = checkpoint._room
    monkeypatch.setattr(checkpoint, "_room", lambda *arguments: asked.append(real(*arguments)) or asked[-1])
    for step, tensors in enumerate([{}, WEIGHTS, {f"layer.{i}.weight": torch.zeros(i) for i in range(500)}]):
        folder = save(tmp_path, step, tensors)
        taken = sum(path.stat().st_blocks * 512 for path in [folder, *folder.iterdir()])
        assert taken <= asked[-1] <= taken + 200_000


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root on Linux may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("quota", [False, True], ids=["looked before", "met in writing"])
def test_a_full_disk_costs_the_new_checkpoint_alone(small_disk, monkeypatch, quota):
    root = small_disk / "checkpoints"
    save(root, 10)
    before = contents(root)
    if quota:
        usage = shutil.disk_usage(root)._replace(free=2**40)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(CheckpointFailed, match=r"No space left on device.*step_00000010"):
        save(root, 20, {"a": torch.zeros(1_000_000)})
    assert (contents(root), present(root)) == (before, names(10))
    save(root, 20)
    assert checkpoint.newest(root, pytest.fail).state["step"] == 20


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(CheckpointFailed, match="There is no good one yet"):
        save(tmp_path / "checkpoints", 10)


def test_a_mistake_of_ours_leaves_nothing_half_written_and_is_not_dressed_up(tmp_path):
    save(tmp_path, 10)
    with pytest.raises(ValueError, match="contiguous"):
        save(tmp_path, 20, {"a": torch.zeros(2, 3).T})
    with pytest.raises(TypeError):
        checkpoint.save(tmp_path, 20, {}, {}, {}, {"step": 20, "set": {1}}, {})
    assert present(tmp_path) == names(10)
