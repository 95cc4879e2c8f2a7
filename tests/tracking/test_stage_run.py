"""What a stage leaves in MLflow: one run an execution, found again after a kill, and never a reason to fail."""

from pathlib import Path

import mlflow
import pytest

from antimatter.execution import observer
from antimatter.execution.runtime import Runtime
from antimatter.params.evaluate import Evaluate
from antimatter.params.model import Model
from antimatter.params.train import Train
from antimatter.tracking import StageRun, dvc_digests, flatten_numbers, flatten_settings

READS = [Path("data/tokens")]


def start(stage="train", folder="work/train/abcdef01", settings=None):
    return StageRun(stage, settings or [Model(), Train()], READS, Path(folder))


def test_a_run_holds_parameters_tags_curves_report_and_dataset(client):
    run = start()
    run.metrics({"loss": 3.0}, 1)
    run.metrics({"loss": 2.0}, 2)
    run.tags({"model_id": "m1"})
    run.report({"model_id": "m1", "parameters": 7, "validation": {"last": {"loss": 2.5}}, "text": "no number"})
    run.end("FINISHED", {"seconds": 1.5})
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.params["train.learning_rate"] == "0.001"
    assert stored.data.params["model.activation"] == "gelu_tanh"
    assert (stored.data.tags["stage"], stored.data.tags["model_id"]) == ("train", "m1")
    assert [(m.step, m.value) for m in client.get_metric_history(run.run_id, "loss")] == [(1, 3.0), (2, 2.0)]
    assert stored.data.metrics["parameters"] == 7
    assert stored.data.metrics["validation.last.loss"] == 2.5
    assert stored.data.metrics["run.seconds"] == 1.5
    (dataset,) = [entry.dataset for entry in stored.inputs.dataset_inputs]
    assert dataset.name == "data/tokens" and len(dataset.digest) <= 36


def test_artifacts_would_lie_at_the_project_root_and_the_experiment_is_named_by_the_environment(
    client, project, monkeypatch
):
    monkeypatch.setenv("ANTIMATTER_EXPERIMENT", "full")
    run = start()
    run.end("FINISHED")
    assert client.get_experiment_by_name("full").artifact_location == (project / "mlartifacts" / "full").as_uri()


def test_a_resumed_stage_goes_on_in_the_same_run_without_a_double_point(client):
    first = start()
    for step in (1, 2, 3):
        first.metrics({"loss": float(step)}, step)
    first.end("KILLED")
    assert client.get_run(first.run_id).info.status == "KILLED"
    second = start()
    for step in (2, 3, 4):  # back at the checkpoint of step 1
        second.metrics({"loss": float(step)}, step)
    second.end("FINISHED")
    assert second.run_id == first.run_id
    assert [m.step for m in client.get_metric_history(first.run_id, "loss")] == [1, 2, 3, 4]
    assert client.get_run(first.run_id).info.status == "FINISHED"


def test_points_after_the_target_of_a_rollback_come_again_and_those_before_it_do_not(client):
    run = start()
    for step in (1, 2, 3):
        run.metrics({"loss": 1.0}, step)
    run.went_back(1)
    for step in (1, 2, 3):
        run.metrics({"loss": 2.0}, step)
    run.end("FINISHED")
    points = client.get_metric_history(run.run_id, "loss")
    assert sorted((m.step, m.value) for m in points) == [(1, 1.0), (2, 1.0), (2, 2.0), (3, 1.0), (3, 2.0)]


def test_more_figures_than_one_call_takes_all_arrive(client):
    run = start()
    run.report({f"figure{number}": number for number in range(1, 1202)})
    run.end("FINISHED")
    metrics = client.get_run(run.run_id).data.metrics
    assert [metrics.get(f"figure{number}") for number in (1, 1000, 1001, 1201)] == [1, 1000, 1001, 1201]


def test_a_run_that_cannot_be_set_up_does_not_stay_open(client, monkeypatch):
    def full(*arguments, **more):
        raise OSError("no space left on device")

    monkeypatch.setattr(mlflow.MlflowClient, "log_inputs", full)
    with pytest.raises(OSError, match="no space"):
        start()
    (run,) = client.search_runs([client.get_experiment_by_name("antimatter").experiment_id])
    assert run.info.status == "FAILED"


def test_a_point_that_the_store_refused_is_told_at_the_end_and_the_run_is_closed(client):
    run = start()
    run._pending.append(Refused())
    with pytest.raises(OSError, match="refused"):
        run.end("FINISHED")
    assert client.get_run(run.run_id).info.status == "FINISHED"


class Refused:
    """What MLflow hands out for a batch that could not be written."""

    def wait(self):
        raise OSError("refused")


def test_a_run_that_the_store_no_longer_holds_is_begun_anew(client):
    first = start()
    first.end("KILLED")
    client.delete_run(first.run_id)
    second = start()
    second.end("FINISHED")
    assert second.run_id != first.run_id
    assert Path("work/train/abcdef01/mlflow_run_id").read_text().strip() == second.run_id


def test_headline_scores_stand_on_the_train_run_of_that_model(client):
    other, train = start(folder="work/train/other"), start()
    other.tags({"model_id": "m0"})
    train.tags({"model_id": "m1"})
    other.end("FINISHED")
    train.end("FINISHED")
    evaluation = start("evaluate", "work/evaluate/1", Model())
    evaluation.report({"model_id": "m1", "headline": {"bits_per_byte": 1.2}})
    evaluation.end("FINISHED")
    assert client.get_run(train.run_id).data.metrics["evaluate.bits_per_byte"] == 1.2
    assert "evaluate.bits_per_byte" not in client.get_run(other.run_id).data.metrics
    own = client.get_run(evaluation.run_id)
    assert own.data.tags["train_run"] == train.run_id
    assert own.data.metrics["headline.bits_per_byte"] == 1.2


def test_two_evaluations_of_one_model_differ_in_name_and_parameters_and_the_row_of_the_model_shows_the_newest(
    client, trained, evaluated, monkeypatch
):
    monkeypatch.setenv("DVC_EXP_NAME", "brave-cat")
    train = trained("m1")
    short = evaluated("m1", 1.3, [Evaluate(validation_tokens=1000)], "short")
    long = evaluated("m1", 1.2, [Evaluate(validation_tokens=2000)], "long")
    runs = [client.get_run(run) for run in (short, long)]
    assert [run.info.run_name for run in runs] == ["evaluate-brave-cat", "evaluate-brave-cat-2"]
    assert [run.data.params["evaluate.validation_tokens"] for run in runs] == ["1000", "2000"]
    assert [run.data.metrics["headline.bits_per_byte"] for run in runs] == [1.3, 1.2]
    assert {run.data.tags["train_run"] for run in runs} == {train}
    assert not [run for run in runs if "mlflow.parentRunId" in run.data.tags]  # the page would hide the run
    assert {run.data.tags["train_run_name"] for run in runs} == {client.get_run(train).info.run_name}
    assert client.get_run(train).data.metrics["evaluate.bits_per_byte"] == 1.2


def test_the_accuracy_of_each_task_stands_on_the_row_of_the_model(client, trained):
    train = trained("m1")
    run = start("evaluate", "work/evaluate/1", Model())
    run.report({"model_id": "m1", "headline": {"loss": 2.0, "task.hellaswag": 0.31}})
    run.end("FINISHED")
    assert client.get_run(train).data.metrics["evaluate.task.hellaswag"] == 0.31


def test_measured_figures_are_metrics_and_the_texts_among_them_are_not(client):
    run = start("evaluate", "work/evaluate/1", Model())
    run.measured({"speed": {"device": "cpu", "decode": [{"batch": 1, "tokens_per_second": 90.5}], "memory_bytes": 7}})
    run.end("FINISHED")
    metrics = client.get_run(run.run_id).data.metrics
    assert metrics["speed.memory_bytes"] == 7 and metrics["speed.decode.0.tokens_per_second"] == 90.5
    assert "speed.device" not in metrics


def test_without_a_train_run_the_scores_stay_on_the_run_of_the_evaluation(client):
    evaluation = start("evaluate", "work/evaluate/1", Model())
    evaluation.report({"model_id": "from elsewhere", "headline": {"bits_per_byte": 1.2}})
    evaluation.end("FINISHED")
    own = client.get_run(evaluation.run_id)
    assert own.data.tags["model_id"] == "from elsewhere" and "train_run" not in own.data.tags


def test_an_experiment_of_dvc_names_the_run_and_its_inputs(client, monkeypatch):
    for name, value in {"STAGE": "train", "EXP_NAME": "brave-cat", "EXP_BASELINE_REV": "abc"}.items():
        monkeypatch.setenv(f"DVC_{name}", value)
    Path("dvc.lock").write_text(
        "stages: {tokenize: {outs: [{path: data/tokens, md5: 0123456789abcdef0123456789abcdef.dir}]}}\n"
    )
    run = start()
    run.end("FINISHED")
    stored = client.get_run(run.run_id)
    assert stored.info.run_name == "train-brave-cat"
    assert stored.data.tags["dvc.dep.data/tokens"] == "0123456789abcdef0123456789abcdef.dir"
    assert (stored.data.tags["dvc.stage"], stored.data.tags["dvc.baseline"]) == ("train", "abc")
    assert stored.inputs.dataset_inputs[0].dataset.digest == "0123456789abcdef0123456789abcdef.dir"


def test_dvc_lock_is_not_believed_outside_of_dvc_and_covers_parts_of_an_output(tmp_path, monkeypatch):
    lock = tmp_path / "dvc.lock"
    lock.write_text("stages: {collect: {outs: [{path: data/raw, md5: m.dir}]}}")
    part = Path("data/raw/documents")
    assert dvc_digests([part], lock) == {}
    monkeypatch.setenv("DVC_STAGE", "clean")
    assert dvc_digests([part], lock) == {"data/raw/documents": "m.dir"}


def test_a_store_that_cannot_be_opened_costs_a_warning_and_not_the_stage(project, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/mlflow.db")
    watching = observer.start("train", Model(), READS, Runtime(), project / "work")
    watching.metrics({"loss": 1.0}, 1)
    watching.end("FINISHED")
    assert "warning: no tracking" in capsys.readouterr().err


def test_a_store_that_breaks_on_the_way_costs_a_warning_and_not_the_stage(project, monkeypatch, capsys):
    watching = observer.start("train", Model(), READS, Runtime(), project / "work")

    def full(*arguments, **more):
        raise OSError("no space left on device")

    monkeypatch.setattr(mlflow.MlflowClient, "log_batch", full)
    watching.tags({"model_id": "m"})
    watching.metrics({"loss": 1.0}, 1)
    watching.end("FINISHED")
    assert capsys.readouterr().err.count("warning: tracking stopped") == 1


def test_nothing_is_printed(project, capfd):
    run = start()
    run.metrics({"loss": 1.0}, 1)
    run.end("FINISHED")
    assert capfd.readouterr() == ("", "")


def test_settings_are_flattened_by_group_and_long_values_are_cut():
    params = flatten_settings([Model(), Train(checkpoints_at=(1, 2))])
    assert params["train.checkpoints_at"] == "[1, 2]"
    assert params["model.tied_embeddings"] == "true"
    long = flatten_settings(Evaluate(prompts=("word " * 200,)))["evaluate.prompts"]
    assert len(long) == 500 and long.endswith("...")


def test_reports_are_flattened_to_numbers_with_names_that_mlflow_accepts():
    report = {
        "a": {"b": 1, "odd*name": True},
        "text": "x",
        "nothing": None,
        "list": [1, 2],
        "rows": [{"name": "r", "v": 2}],
    }
    assert flatten_numbers(report) == {"a.b": 1.0, "a.odd_name": 1.0, "rows.r.v": 2.0}
