import subprocess
from pathlib import Path

import pytest

from antimatter.execution import runtime
from antimatter.execution.runtime import RuntimeSettingError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project root, and a folder of a temporary experiment in which the stage runs."""
    (tmp_path / "experiment").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path / "experiment")
    return tmp_path


def test_the_environment_beats_the_local_file_and_that_beats_the_shared_one(project, monkeypatch):
    (project / "experiment/runtime.yaml").write_text("workers: 1\nthreads: 1\nmicro_batch: 1\n")
    (project / "runtime.local.yaml").write_text("workers: 2\nthreads: 2\n")
    monkeypatch.setenv("ANTIMATTER_WORKERS", "3")
    settings = runtime.load()
    assert (settings.workers, settings.threads, settings.micro_batch, settings.processes) == (3, 2, 1, 0)


def test_without_files_the_defaults_hold(project):
    assert runtime.load() == runtime.Runtime()


def test_an_empty_variable_and_an_empty_file_set_nothing(project, monkeypatch):
    monkeypatch.setenv("ANTIMATTER_WORKERS", "")
    (project / "runtime.local.yaml").write_text("# nothing yet\n")
    assert runtime.load() == runtime.Runtime()


@pytest.mark.parametrize(
    "text, message",
    [
        ("wokers: 2", "wokers is not a runtime setting. Did you mean workers?"),
        ("zzz: 2", "zzz is not a runtime setting. There are executor, workers"),
        ("workers: -1", "workers is -1; must be a whole number, 0 or more"),
        ("workers: true", "workers is True; must be a whole number"),
        ("device: gpu", "device is 'gpu'; must be one of auto, cpu, cuda, mps"),
        ("workers: [", "is not valid YAML"),
        ("just words", "expected lines such as `workers: 2`"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place(project, text, message):
    (project / "runtime.local.yaml").write_text(text)
    with pytest.raises(RuntimeSettingError) as caught:
        runtime.load()
    assert str(project / "runtime.local.yaml") in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("value", ["two", "-1", "1.5", "²"])
def test_a_wrong_variable_is_named(project, monkeypatch, value):
    monkeypatch.setenv("ANTIMATTER_WORKERS", value)
    with pytest.raises(RuntimeSettingError, match=f"environment ANTIMATTER_WORKERS: workers is '{value}'"):
        runtime.load()


@pytest.mark.parametrize("word", ["off", "false", "'off'"])
def test_tracking_is_switched_off_by_off_or_false(project, word):
    (project / "runtime.local.yaml").write_text(f"tracking: {word}")
    assert runtime.load().tracking == "off"


def test_the_root_of_the_project_is_that_of_dvc_else_of_git_else_here(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert runtime.project_root() == tmp_path / "sub"
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert runtime.project_root() == tmp_path
    monkeypatch.setenv("DVC_ROOT", "/elsewhere")
    assert runtime.project_root() == Path("/elsewhere")


def test_the_work_folder_does_not_depend_on_where_a_stage_stands(project, monkeypatch):
    assert runtime.work_folder() == project / "work"
    monkeypatch.setenv("ANTIMATTER_WORK", "scratch")
    assert runtime.work_folder() == project / "scratch"
    monkeypatch.setenv("ANTIMATTER_WORK", "/fast/disk")
    assert runtime.work_folder() == Path("/fast/disk")


def test_no_setting_of_workers_means_one_a_core():
    assert runtime.Runtime().worker_count() >= 1
    assert runtime.Runtime(workers=5).worker_count() == 5


def test_the_runtime_file_of_the_repository_is_right(monkeypatch, tmp_path):
    monkeypatch.chdir(Path(__file__).parents[2])
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    assert runtime.load() == runtime.Runtime()
