"""What the browser shows first: MLflow's pages of runs, with the charts and columns that compare models.

MLflow draws a chart for each of some hundred metrics, in alphabetical order. A view chooses: it is a tag of the
experiment, `mlflow.sharedViewState.<key>` ("deflate;" and base64 of JSON, as the button Share of the page writes it),
and `viewStateShareKey=<key>` in the link asks for it.
"""

import base64
import json
import urllib.parse
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class View:
    """A page of runs: those of one stage."""

    key: str
    words: str
    stage: str
    columns: tuple[str, ...]
    bars: tuple[str, ...]
    """Metrics with one value a run; `*` stands for the rest of a name."""
    curves: dict[str, tuple[str, ...]]
    """Title of a section -> metrics over steps."""


MODELS = View(
    key="antimatter",
    words="training runs: curves and scores",
    stage="train",
    columns=(
        "metrics.`evaluate.bits_per_byte`", "metrics.`evaluate.perplexity`", "metrics.`parameters`",
        "params.`train.learning_rate`", "params.`train.steps`", "params.`train.optimizer`", "params.`model.layers`",
        "params.`model.width`", "params.`train.seed`",
    ),
    bars=("evaluate.bits_per_byte", "evaluate.perplexity", "evaluate.task.*"),
    curves={
        "Loss": ("smoothed_loss", "validation.bits_per_byte", "validation.loss", "quiz.accuracy"),
        "Course of training": ("learning_rate", "gradient_norm", "tokens_per_second", "loss_scale"),
        "Machine": (
            "system/cpu_utilization_percentage", "system/system_memory_usage_megabytes",
            "system/gpu_0_utilization_percentage", "system/gpu_0_memory_usage_megabytes",
        ),
    },
)  # fmt: skip
"""The default: one row a model."""
EVALUATIONS = View(
    key="antimatter-evaluations",
    words="evaluations: one row each, several of one model too",
    stage="evaluate",
    columns=(
        "metrics.`headline.bits_per_byte`", "metrics.`headline.perplexity`", "params.`evaluate.validation_tokens`",
        "tags.`train_run_name`", "tags.`model_id`", "tags.`dvc.exp`",
    ),
    bars=("headline.bits_per_byte", "headline.perplexity", "headline.task.*", "coherence.value"),
    curves={},
)  # fmt: skip
_CARD_HEIGHT = 300  # pixels


def link(base: str, experiment: str, view: View) -> str:
    """The address of a view; `base` is http://host:port."""
    query = {"workflowType": "machine_learning", "compareRunsMode": "CHART", "viewStateShareKey": view.key}
    return f"{base}/#/experiments/{experiment}/runs?{urllib.parse.urlencode(query)}"


def publish(client: Any, experiment: str, view: View) -> None:
    """Keep the view in the store, with the metrics that the runs have by now."""
    runs = client.search_runs([experiment], f"tags.stage = '{view.stage}'", max_results=100)
    known = {metric for run in runs for metric in run.data.metrics}
    client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{view.key}", encode(state(view, known)))


def state(view: View, known: Iterable[str]) -> dict[str, Any]:
    """The state of MLflow's page (its own names) for a store whose runs have the metrics `known`."""
    metrics = sorted(known)
    scores = [name for pattern in view.bars for name in metrics if _fits(name, pattern)]
    sections = {"Scores": [_bar(name) for name in scores]} | {
        title: [_line(name) for name in names if name in metrics] for title, names in view.curves.items()
    }
    sections = {title: charts for title, charts in sections.items() if charts}
    return {
        "searchFilter": f'tags.stage = "{view.stage}"',
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "selectedColumns": list(view.columns),
        "hideEmptyCharts": True,
        "isAccordionReordered": True,  # the order of sections is meant
        "compareRunSections": [_section(title) for title in sections],
        "compareRunCharts": [
            {**chart, "metricSectionId": title} for title, charts in sections.items() for chart in charts
        ],
    }


def encode(content: dict[str, Any]) -> str:
    """A state as MLflow's page reads it from the tag."""
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(content).encode(), 9)).decode()


def _fits(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _section(title: str) -> dict[str, Any]:
    fixed = {"display": True, "isReordered": True, "deleted": False, "isGenerated": False, "columns": 2}
    return {"uuid": title, "name": title, **fixed, "cardHeight": _CARD_HEIGHT}


def _bar(metric: str) -> dict[str, Any]:
    fixed = {"type": "BAR", "runsCountToCompare": 10, "deleted": False, "isGenerated": False}
    return {"uuid": metric, **fixed, "displayName": metric, "metricKey": metric}


def _line(metric: str) -> dict[str, Any]:
    scales = {"xAxisScaleType": "linear", "scaleType": "linear", "range": {}, "lineSmoothness": 0}
    axes = {"xAxisKey": "step", "selectedXAxisMetricKey": "", "yAxisKey": "metric", "yAxisExpressions": []}
    fixed = {"ignoreOutliers": False, "useGlobalXaxisKey": True, "useGlobalLineSmoothing": True}
    return {**_bar(metric), "type": "LINE", "selectedMetricKeys": [metric], **scales, **axes, **fixed}
