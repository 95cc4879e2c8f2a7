"""By which of its metrics a task is told in one number: in headlines, tables, pictures and `dvc metrics` alike."""

from collections.abc import Mapping
from typing import Any

ACCURACIES = ("acc_norm", "acc", "exact_match")
"""The first that a task has: accuracy by scores normalized for length, as tables of models have it, then plain."""

Metric = tuple[str, Mapping[str, Any]]
"""Its name, and {"value", "error"}."""


def accuracy_of(task: Mapping[str, Any]) -> Metric | None:
    """The accuracy that stands for a task of an evaluation; None for a task without any."""
    figures = task.get("metrics") or {}
    name = next((name for name in ACCURACIES if (figures.get(name) or {}).get("value") is not None), None)
    return None if name is None else (name, figures[name])


def main_metric(task: Mapping[str, Any]) -> Metric | None:
    """The accuracy, or the first metric of a task without one; None for a task without any metric."""
    figures = task.get("metrics") or {}
    return accuracy_of(task) or next(iter(figures.items()), None)
