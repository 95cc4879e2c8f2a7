"""The promises of the DAG, kept by the real one: idempotent, reproducible, indifferent to workers and to kills."""

import json
import re

import pytest

from tests.pipeline.conftest import Repository

pytestmark = pytest.mark.pipeline

STAGES = "collect conversations benchmarks clean filter dedup tokenizer tokenize train evaluate report".split()


def ran(output: str) -> list[str]:
    """The stages that DVC says it ran."""
    return re.findall(r"Running stage '(\w+)'", output)


def test_the_chain_accounts_for_every_document(finished):
    reports = {
        n: json.loads((finished.folder / f"reports/{n}.json").read_text())
        for n in ("collect", "clean", "filter", "dedup", "tokenize")
    }
    assert reports["collect"]["documents_out"] == 125
    for before, after in (("collect", "clean"), ("clean", "filter"), ("filter", "dedup"), ("dedup", "tokenize")):
        assert reports[before]["documents_out"] == reports[after]["documents_in"]
    steps = {step["name"]: step for step in reports["clean"]["steps"]}
    assert steps["ftfy"]["documents"] >= 1 and steps["ftfy"]["characters"] >= 1
    assert reports["filter"]["removed"]["language.other"] == 1
    assert reports["filter"]["removed"]["gopher_quality.word_count"] == 1
    assert reports["dedup"]["removed"]["dedup.exact"] == 1
    assert reports["dedup"]["removed"]["dedup.near"] >= 1


def test_the_report_and_the_page_are_there(finished):
    summary = json.loads((finished.folder / "reports/summary.json").read_text())
    assert summary["funnel"]
    assert json.loads((finished.folder / "reports/evaluation.json").read_text())["validation"]["bits_per_byte"] > 0
    assert json.loads((finished.folder / "data/examples/samples.json").read_text())["samples"]
    finished.run("python", "-m", "antimatter", "report")
    assert "<svg" in (finished.folder / "reports/index.html").read_text(encoding="utf-8")


def test_a_second_repro_does_nothing_and_the_status_is_clean(finished):
    assert ran(finished.dvc("repro").stdout) == []
    assert "up to date" in finished.dvc("status").stdout
    changed = finished.run("git", "status", "--porcelain").stdout.split("\n")
    assert all(re.match(r"(\?\?|A |AM|M | M) (dvc\.lock|reports/)", line) for line in changed if line), changed


def test_a_forced_repro_with_another_number_of_workers_gives_the_same_lock(copy_of_finished):
    before = copy_of_finished.lock
    done = copy_of_finished.dvc("repro", "--force", ANTIMATTER_WORKERS="1", PYTHONHASHSEED="7")
    assert sorted(ran(done.stdout)) == sorted(STAGES)
    assert "finished by an earlier run" not in done.stderr, "a forced run must do the work, not republish it"
    assert copy_of_finished.lock == before


def test_comments_and_runtime_settings_rerun_nothing(copy_of_finished):
    params = copy_of_finished.folder / "params.yaml"
    params.write_text(params.read_text().replace("# a comment that a test edits", "# edited\n# twice"))
    (copy_of_finished.folder / "runtime.local.yaml").write_text("workers: 1\nthreads: 2\n")
    assert ran(copy_of_finished.dvc("repro").stdout) == []


def test_a_parameter_of_train_reruns_train_and_what_follows(copy_of_finished):
    params = copy_of_finished.folder / "params.yaml"
    params.write_text(params.read_text().replace("steps: 12", "steps: 8"))
    assert ran(copy_of_finished.dvc("repro").stdout) == ["train", "evaluate", "report"]


def test_kills_cost_time_but_change_nothing(finished, tmp_path):
    repository = Repository.create(tmp_path / "repository")
    repository.killed("records/sketch/part-00001.json", "repro")  # inside dedup, after its second shard
    assert list((repository.folder / "work").glob("dedup/*/records/sketch/*.json"))
    assert not (repository.folder / "data/deduplicated").exists()
    assert "from an earlier run" in repository.dvc("repro", "dedup").stderr

    # after publication, before dvc.lock: DVC takes the output away, but the work is not done again
    repository.killed("published.json", "repro", "tokenizer")
    assert "tokenizer" not in repository.lock
    assert "tokenizer: finished by an earlier run" in repository.dvc("repro", "tokenizer").stderr

    repository.killed("checkpoints/step_00000008", "repro")  # inside train, in the middle of its twelve steps
    assert not (repository.folder / "data/model").exists()
    resumed = repository.dvc("repro")
    assert "train: resumes after step 8 of 12" in resumed.stdout + resumed.stderr
    assert repository.lock == finished.lock


def test_an_experiment_reruns_train_onward_and_appears_in_mlflow(copy_of_finished):
    from mlflow.tracking import MlflowClient

    before = copy_of_finished.lock
    done = copy_of_finished.dvc(
        "exp", "run", "--name", "faster", "-S", "train.learning_rate=3e-3", ANTIMATTER_TRACKING="mlflow"
    )
    assert ran(done.stdout) == ["train", "evaluate", "report"]
    assert copy_of_finished.lock != before
    client = MlflowClient(f"sqlite:///{copy_of_finished.folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    by_stage = {run.data.tags["stage"]: run for run in runs}
    assert set(by_stage) == {"train", "evaluate", "report"}
    train = by_stage["train"]
    assert train.info.status == "FINISHED"
    assert float(train.data.params["train.learning_rate"]) == 3e-3
    assert train.data.tags["dvc.exp"] == "faster"
    assert len(train.data.tags["mlflow.source.git.commit"]) == 40
    assert train.data.tags["model_id"] == by_stage["evaluate"].data.tags["model_id"]
    assert train.data.metrics["evaluate.bits_per_byte"] > 0
    assert any(key.startswith("dvc.dep.") for key in train.data.tags)
    assert len(client.get_metric_history(train.info.run_id, "loss")) >= 5


def test_a_failed_stage_leaves_nothing_behind_that_git_would_add(copy_of_finished):
    params = copy_of_finished.folder / "params.yaml"
    params.write_text(params.read_text().replace("vocabulary_size: 420", "vocabulary_size: 60000"))
    done = copy_of_finished.dvc("repro", check=False)
    assert done.returncode != 0
    assert "tokenizer.vocabulary_size" in done.stderr and "or add text" in done.stderr
    assert not [
        line for line in copy_of_finished.run("git", "status", "--porcelain").stdout.split("\n") if "data/" in line
    ]


def test_a_slip_in_any_group_stops_the_first_stage_with_all_mistakes(copy_of_finished):
    params = copy_of_finished.folder / "params.yaml"
    params.write_text(params.read_text().replace("steps: 12", "setps: 12").replace("bands: 14", "bands: 99"))
    done = copy_of_finished.run("python", "-m", "stages.clean", check=False)
    assert done.returncode == 1
    assert "train.setps" in done.stderr
    assert "train.steps" in done.stderr
    assert "dedup.bands" in done.stderr
    assert "Traceback" not in done.stderr
