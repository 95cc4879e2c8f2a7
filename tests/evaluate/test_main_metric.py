"""By which metric a task is told: one rule for headlines, tables, pictures and `dvc metrics`."""

from antimatter.evaluate.main_metric import accuracy_of, main_metric


def task(**values):
    return {"metrics": {name: {"value": value, "error": 0.1} for name, value in values.items()}}


def test_one_number_a_task_is_the_accuracy_by_length_where_there_is_one():
    assert main_metric(task(acc=0.1, acc_norm=0.2)) == ("acc_norm", {"value": 0.2, "error": 0.1})
    assert accuracy_of(task(exact_match=0.3, acc=0.1)) == ("acc", {"value": 0.1, "error": 0.1})


def test_an_accuracy_that_could_not_be_computed_stands_for_nothing():
    assert accuracy_of(task(acc_norm=None, acc=0.1)) == ("acc", {"value": 0.1, "error": 0.1})
    assert accuracy_of(task(acc=None)) is None


def test_without_an_accuracy_the_first_metric_is_told_but_is_none():
    found = task(perplexity=9.0, other=1.0)
    assert main_metric(found) == ("perplexity", {"value": 9.0, "error": 0.1})
    assert accuracy_of(found) is None


def test_a_task_without_metrics_has_no_number():
    assert main_metric({}) is None
    assert accuracy_of({"metrics": {}}) is None
