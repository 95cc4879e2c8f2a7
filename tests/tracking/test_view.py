"""The link shows the charts that compare models, whatever else the store measures."""

import base64
import json
import zlib

from antimatter.tracking_view import EVALUATIONS, MODELS, encode, link, publish, state


def charts(content):
    return [chart["metricKey"] for chart in content["compareRunCharts"]]


def test_scores_come_first_and_every_task_has_a_chart():
    known = {"cursor", "smoothed_loss", "evaluate.task.piqa", "evaluate.task.hellaswag", "evaluate.bits_per_byte"}
    expected = ["evaluate.bits_per_byte", "evaluate.task.hellaswag", "evaluate.task.piqa", "smoothed_loss"]
    assert charts(state(MODELS, known)) == expected


def test_a_section_without_a_metric_in_the_store_is_left_out():
    content = state(MODELS, {"evaluate.perplexity"})
    assert [section["name"] for section in content["compareRunSections"]] == ["Scores"]


def test_every_chart_lies_in_a_section_of_its_view():
    content = state(MODELS, {"evaluate.loss", "learning_rate", "evaluate.perplexity", "smoothed_loss"})
    assert {c["metricSectionId"] for c in content["compareRunCharts"]} == {
        s["uuid"] for s in content["compareRunSections"]
    }


def test_the_store_keeps_the_view_compressed_as_the_page_reads_it(client, trained, evaluated):
    train = trained("m1")
    evaluated("m1", 1.5)
    experiment = client.get_run(train).info.experiment_id
    for view, metric in ((MODELS, "evaluate.bits_per_byte"), (EVALUATIONS, "headline.bits_per_byte")):
        publish(client, experiment, view)
        tag = client.get_experiment(experiment).tags[f"mlflow.sharedViewState.{view.key}"]
        header, _, packed = tag.partition(";")
        assert header == "deflate"
        content = json.loads(zlib.decompress(base64.b64decode(packed)))
        assert content["searchFilter"] == f'tags.stage = "{view.stage}"' and metric in charts(content)


def test_a_view_of_many_metrics_fits_into_a_tag():
    known = {f"evaluate.task.task_number_{n}" for n in range(60)} | {name for c in MODELS.curves.values() for name in c}
    assert len(encode(state(MODELS, known))) <= 5000  # MLflow's limit


def test_the_link_asks_for_the_view_as_a_chart():
    assert link("http://127.0.0.1:5000", "1", MODELS) == (
        "http://127.0.0.1:5000/#/experiments/1/runs"
        "?workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey=antimatter"
    )
