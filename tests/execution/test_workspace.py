import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from antimatter.corpus.shards import folder_digest
from antimatter.execution import lock, sweep, trees, workspace
from antimatter.execution.sweep import dvc_digest
from antimatter.execution.trees import link_tree
from antimatter.execution.workspace import WrongCheckout

PACKAGE = Path(__file__).parents[2] / "antimatter"
STAGE = '''"""A stage for tests: six numbers, one shard each. TROUBLE=what:where breaks it once it gets there."""

import os
import signal
from functools import partial
from pathlib import Path

import pyarrow as pa

from antimatter.corpus.shards import shard_name, write_shard
from antimatter.execution import entry, workspace

WHAT, _, WHERE = os.environ.get("TROUBLE", "").partition(":")


def note(line):
    with open("log.txt", "a") as log:
        log.write(line + "\\n")


def square(part, folder):
    note(f"part {part}")
    if WHERE == str(part):
        if WHAT == "raise":
            raise RuntimeError("trouble")
        if WHAT == "kill":
            (folder / f".{shard_name(part)}.{os.getpid()}.part").write_text("half a shard")
            os.kill(int(os.environ["STAGE_PID"]), signal.SIGKILL)
            signal.pause()
    write_shard(folder / shard_name(part), pa.table({"n": [part, part * part]}))
    return {"documents": 2, "pair": (part, part)}


def build(work):
    note("build")
    folder = work.output / "squares"
    folder.mkdir(parents=True, exist_ok=True)
    results = work.map(partial(square, folder=folder), range(6))
    (work.folder / "reports").mkdir(exist_ok=True)
    (work.folder / "reports" / "curve.csv").write_text("n\\n1\\n")
    work.report({"pairs": [result["pair"] for result in results]})


def main():
    os.environ["STAGE_PID"] = str(os.getpid())
    if WHAT == "kill-before-publication":
        workspace._publish = lambda work: os.kill(os.getpid(), signal.SIGKILL)
    workspace.run("squares", {"power": 2}, [Path("input")], [Path("data/squares")], build)


if __name__ == "__main__":
    entry.run(main)
'''


def make_repo(folder: Path) -> Path:
    """A small project with one stage and its own copy of what a stage needs."""
    for part in ("corpus", "execution", "params"):
        shutil.copytree(PACKAGE / part, folder / "antimatter" / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py"):
        shutil.copy(PACKAGE / name, folder / "antimatter" / name)
    (folder / "stages").mkdir()
    (folder / "stages" / "__init__.py").touch()
    (folder / "stages" / "squares.py").write_text(STAGE)
    (folder / "input").mkdir()
    (folder / "input" / "numbers.txt").write_text("0 1 2 3 4 5")
    return folder


@pytest.fixture
def repo(tmp_path):
    return make_repo(tmp_path)


def run(repo: Path, trouble: str = "", **more: str) -> subprocess.CompletedProcess:
    (repo / "log.txt").write_text("")
    environment = {"ANTIMATTER_TRACKING": "off", "ANTIMATTER_WORKERS": "1", "DVC_ROOT": str(repo), "TROUBLE": trouble}
    return subprocess.run(
        [sys.executable, "-m", "stages.squares"],
        cwd=repo,
        env={**os.environ, **environment, **more},
        capture_output=True,
        text=True,
        timeout=60,
    )


def done(repo: Path) -> list[str]:
    return (repo / "log.txt").read_text().split("\n")[:-1]


def published(repo: Path) -> dict[str, bytes]:
    return {
        path.relative_to(repo).as_posix(): path.read_bytes()
        for folder in ("data", "reports")
        for path in sorted((repo / folder).rglob("*"))
        if path.is_file()
    }


def lock_text(repo: Path) -> str:
    files = sorted((repo / "data/squares").iterdir())
    size = sum(path.stat().st_size for path in files)
    out = f"path: data/squares, md5: {dvc_digest(repo / 'data/squares', files)}, size: {size}, nfiles: {len(files)}"
    return f"schema: '2.0'\nstages:\n  squares:\n    cmd: x\n    outs:\n    - {{{out}}}\n"


def make_younger(repo: Path) -> None:
    (work_folder(repo) / "done.json").touch()
    later = (work_folder(repo) / "done.json").stat().st_mtime + 10
    os.utime(repo / "dvc.lock", (later, later))


def work_folder(repo: Path) -> Path:
    (folder,) = (path for path in (repo / "work/squares").iterdir() if path.is_dir())
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run without trouble publishes."""
    folder = make_repo(tmp_path_factory.mktemp("undisturbed"))
    assert run(folder).returncode == 0
    return published(folder)


def test_a_run_publishes_outputs_report_and_curves_and_records_itself(repo, undisturbed):
    assert sorted(undisturbed) == [
        *(f"data/squares/shard-0000{part}.parquet" for part in range(6)), "reports/curve.csv", "reports/squares.json",
    ]  # fmt: skip
    assert json.loads(undisturbed["reports/squares.json"]) == {"pairs": [[part, part] for part in range(6)]}
    assert run(repo).returncode == 0
    record = json.loads((repo / "work/runs/squares.json").read_text())
    assert (record["stage"], record["resumed"], record["workers"]) == ("squares", False, 1)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("trouble", ["raise:3", "kill:3", "kill-before-publication"])
def test_after_any_end_a_rerun_does_the_rest_and_publishes_the_same_bytes(repo, undisturbed, trouble, workers):
    first = run(repo, trouble, ANTIMATTER_WORKERS=workers)
    assert first.returncode == (1 if trouble.startswith("raise") else -signal.SIGKILL), first.stderr
    assert not (repo / "data/squares").exists()
    recorded = {f"part {int(path.stem[-5:])}" for path in work_folder(repo).glob("records/squares/part-*.json")}
    again = run(repo, ANTIMATTER_WORKERS=workers)
    assert again.returncode == 0, again.stderr
    assert published(repo) == undisturbed
    assert {line for line in done(repo) if line != "build"} == {f"part {part}" for part in range(6)} - recorded
    assert workers == "2" or {"part 0", "part 1", "part 2"} <= recorded
    assert ("build" in done(repo)) == (trouble != "kill-before-publication")


def test_a_second_run_publishes_again_without_building(repo, undisturbed):
    run(repo)
    shutil.rmtree(repo / "data")
    again = run(repo)
    assert "finished by an earlier run" in again.stderr
    assert (done(repo), published(repo)) == ([], undisturbed)


def test_fresh_starts_over(repo, undisturbed):
    run(repo)
    assert run(repo, ANTIMATTER_FRESH="1").returncode == 0
    assert (len(done(repo)), published(repo)) == (7, undisturbed)


def test_other_input_is_other_work(repo):
    run(repo)
    (repo / "input/numbers.txt").write_text("6")
    run(repo)
    assert len(done(repo)) == 7


@pytest.mark.parametrize("trouble", ["raise:3", "kill-before-publication"])
def test_unpublished_work_of_other_code_stops_with_the_files_and_the_ways_on(repo, trouble):
    run(repo, trouble)
    shards = repo / "antimatter/corpus/shards.py"
    shards.write_text(shards.read_text() + "\n# changed\n")
    refused = run(repo)
    assert refused.returncode == 1
    assert "begun before these files changed" in refused.stderr or "finished before these" in refused.stderr
    assert "antimatter/corpus/shards.py" in refused.stderr and "Traceback" not in refused.stderr
    assert "stages/squares.py" not in refused.stderr
    assert run(repo, ANTIMATTER_RESUME="accept").returncode == 0
    assert "part 0" not in done(repo)


def test_published_work_of_other_code_is_never_published_again(repo):
    run(repo)
    stage = repo / "stages/squares.py"
    stage.write_text(stage.read_text().replace("part * part]", "part * part * part]"))
    before = published(repo)
    assert run(repo).returncode == 0
    assert len(done(repo)) == 7
    assert published(repo) != before


def test_a_second_process_is_told_who_is_at_work(repo):
    (repo / "work/squares").mkdir(parents=True)
    with open(repo / "work/squares/lock", "w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = run(repo)
    assert refused.returncode == 1
    assert refused.stderr == (
        "error: stage squares is already running in this project (process 4711). Wait for it or stop it, then repeat.\n"
    )


def test_a_missing_input_names_the_stage_to_run(repo):
    stage = repo / "stages/squares.py"
    stage.write_text(stage.read_text().replace('Path("input")', 'Path("data/raw/documents")'))
    refused = run(repo)
    assert refused.returncode == 1 and "Run `dvc repro collect`" in refused.stderr


def test_work_may_lie_on_another_path_than_the_project(repo, undisturbed):
    assert run(repo, ANTIMATTER_WORK="elsewhere/work").returncode == 0
    assert (repo / "elsewhere/work/squares").is_dir() and not (repo / "work").exists()
    assert published(repo) == undisturbed


def test_the_sweep_takes_a_folder_whose_bytes_a_younger_lock_records(repo, monkeypatch):
    run(repo)
    monkeypatch.chdir(repo)
    (repo / "dvc.lock").write_text(lock_text(repo))
    make_younger(repo)
    folder = work_folder(repo)
    sweep.sweep(repo / "work", "other")
    assert not folder.exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda repo: os.utime(repo / "dvc.lock", (0, 0)),
        lambda repo: (repo / "dvc.lock").write_text(lock_text(repo).replace("size: ", "size: 1")),
        lambda repo: (repo / "dvc.lock").write_text(lock_text(repo).replace("md5: ", "md5: 0")),
        lambda repo: (repo / "dvc.lock").write_text("<<<<<<< HEAD\nstages:\n"),
        lambda repo: (repo / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n"),
        lambda repo: (repo / "dvc.lock").unlink(),
    ],
    ids=["older lock", "other size", "same size, other bytes", "merge conflict", "no such stage", "no lock"],
)
def test_the_sweep_leaves_what_no_lock_records(repo, monkeypatch, spoil):
    run(repo)
    monkeypatch.chdir(repo)
    (repo / "dvc.lock").write_text(lock_text(repo))
    make_younger(repo)
    later = (repo / "dvc.lock").stat().st_mtime
    spoil(repo)
    if (repo / "dvc.lock").exists() and (repo / "dvc.lock").stat().st_mtime > 0:
        os.utime(repo / "dvc.lock", (later, later))
    sweep.sweep(repo / "work", "other")
    assert (work_folder(repo) / "done.json").exists()


def test_the_sweep_leaves_a_stage_alone_that_is_running(repo, monkeypatch):
    run(repo)
    monkeypatch.chdir(repo)
    (repo / "dvc.lock").write_text(lock_text(repo))
    make_younger(repo)
    with lock.hold(repo / "work/squares/lock", "squares"):
        sweep.sweep(repo / "work", "other")
        assert work_folder(repo).exists()
        sweep.sweep(repo / "work", "squares")
    assert not list((repo / "work/squares").glob("*/done.json"))


def test_half_a_removal_never_passes_for_finished_work(repo, monkeypatch, undisturbed):
    run(repo)
    monkeypatch.setattr(trees.shutil, "rmtree", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        trees.remove(work_folder(repo))
    assert run(repo).returncode == 0
    assert (len(done(repo)), published(repo)) == (7, undisturbed)


def test_our_digest_of_a_folder_is_the_one_that_dvc_writes(tmp_path):
    # dvc 3.67.1: `dvc add tree` of these files
    for name, text in {"b.txt": "two", "a/c.txt": "three", "a.txt": "one"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert dvc_digest(tmp_path, files) == "513ff2d03d1e02be552dfe0b7ef93fa1.dir"


def test_the_sweep_finishes_a_removal_that_was_killed(repo, monkeypatch):
    run(repo)
    monkeypatch.chdir(repo)
    (repo / "dvc.lock").write_text("schema: '2.0'\n")
    leftover = work_folder(repo).rename(repo / "work/squares/.abc.removed")
    sweep.sweep(repo / "work", "other")
    assert not leftover.exists()


def tree(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_link_tree_replaces_a_read_only_tree_whole_and_leaves_nothing_beside_it(tmp_path):
    source = tree(tmp_path / "source", new="new")
    target = tree(tmp_path / "data" / "target", old="old")
    (target / "old").chmod(0o444)
    tree(tmp_path / "data" / ".target.part", stale="x")
    tree(tmp_path / "data" / ".target.old", stale="x")
    link_tree(source, target)
    assert {path.name for path in target.parent.iterdir()} == {"target"}
    assert {path.name for path in target.iterdir()} == {"new"}
    assert (target / "new").samefile(source / "new")


def test_link_tree_replaces_a_file_and_a_link_too(tmp_path):
    source = tree(tmp_path / "source", new="new")
    (tmp_path / "file").write_text("a file")
    elsewhere = tree(tmp_path / "elsewhere", kept="kept")
    (tmp_path / "link").symlink_to(elsewhere)
    for target in (tmp_path / "file", tmp_path / "link"):
        link_tree(source, target)
        assert [path.name for path in target.iterdir()] == ["new"] and not target.is_symlink()
    assert (elsewhere / "kept").exists()


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP])
def test_link_tree_copies_where_it_cannot_link(tmp_path, monkeypatch, code):
    source = tree(tmp_path / "source", new="new")
    (source / "new").chmod(0o444)

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refuse)
    link_tree(source, tmp_path / "target")
    assert (tmp_path / "target" / "new").read_text() == "new"
    assert not (tmp_path / "target" / "new").samefile(source / "new")
    assert os.access(tmp_path / "target" / "new", os.W_OK)


def test_link_tree_does_not_hide_a_full_disk(tmp_path, monkeypatch):
    source = tree(tmp_path / "source", new="new")
    target = tree(tmp_path / "target", old="old")

    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(OSError, match="No space left"):
        link_tree(source, target)
    assert (target / "old").exists()


def in_process(tmp_path, monkeypatch, build) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")
    monkeypatch.setenv("ANTIMATTER_TRACKING", "off")
    workspace.run("nothing", {}, [], [Path("data/nothing")], build)


def test_two_maps_of_a_stage_need_two_names(tmp_path, monkeypatch):
    def build(work):
        work.map(lambda part: {"one": part}, [1])
        work.map(lambda part: {"two": part}, [1])

    with pytest.raises(ValueError, match="stage nothing maps twice under the name 'nothing'"):
        in_process(tmp_path, monkeypatch, build)


def test_results_are_what_json_keeps_in_the_first_run_too(tmp_path, monkeypatch):
    seen = []
    in_process(tmp_path, monkeypatch, lambda work: seen.extend(work.map(lambda part: {"pair": (1, 2), 3: 4}, [1])))
    assert seen == [{"pair": [1, 2], "3": 4}]


@pytest.mark.parametrize("result", [None, [1], {"loss": float("nan")}, {"object": object()}])
def test_a_result_that_json_cannot_keep_is_refused_and_not_recorded(tmp_path, monkeypatch, result):
    with pytest.raises((TypeError, ValueError)):
        in_process(tmp_path, monkeypatch, lambda work: work.map(lambda part: result, [1]))
    assert not list((tmp_path / "work").rglob("part-*.json"))


def test_an_observer_that_raises_never_stops_a_stage(tmp_path, monkeypatch, capsys):
    from antimatter.execution import observer

    class Failing:
        def __init__(self, *_):
            pass

        def report(self, content):
            raise OSError("database is locked")

    class Tracking:
        StageRun = Failing

    monkeypatch.setattr(observer.importlib, "import_module", lambda name: Tracking)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    workspace.run("nothing", {}, [], [Path("data/nothing")], lambda work: work.report({"n": 1}))
    assert (tmp_path / "reports/nothing.json").exists()
    errors = capsys.readouterr().err
    assert "warning: tracking stopped (OSError: database is locked); the stage goes on" in errors
    assert errors.count("warning") == 1


def test_a_tracking_that_cannot_start_never_stops_a_stage(tmp_path, monkeypatch, capsys):
    from antimatter.execution import observer

    def absent(name):
        raise ModuleNotFoundError("No module named 'mlflow'")

    monkeypatch.setattr(observer.importlib, "import_module", absent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    workspace.run("nothing", {}, [], [Path("data/nothing")], lambda work: None)
    assert "warning: no tracking (ModuleNotFoundError" in capsys.readouterr().err


def test_an_experiment_never_runs_the_code_of_another_checkout(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "squares")
    with pytest.raises(WrongCheckout, match=r"python -m stages.NAME"):
        workspace.run("squares", {}, [], [Path("data/squares")], lambda work: None)


def test_the_fingerprint_sees_settings_inputs_and_format_and_nothing_else(tmp_path):
    (tmp_path / "a").write_text("a")
    base = workspace.fingerprint_of("s", {"x": 1, "y": 2}, [tmp_path / "a"], 1)
    assert base == workspace.fingerprint_of("s", {"y": 2, "x": 1}, [tmp_path / "a"], 1)
    others = [
        workspace.fingerprint_of("s", {"x": 1, "y": 3}, [tmp_path / "a"], 1),
        workspace.fingerprint_of("s", {"x": 1, "y": 2}, [tmp_path / "a"], 2),
        workspace.fingerprint_of("s", {"x": 1, "y": 2}, [], 1),
    ]
    (tmp_path / "a").write_text("b")
    others.append(workspace.fingerprint_of("s", {"x": 1, "y": 2}, [tmp_path / "a"], 1))
    assert len({base, *others}) == 5
    assert folder_digest(tmp_path / "a")
