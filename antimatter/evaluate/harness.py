"""Benchmarks by lm-evaluation-harness: sets of data/benchmarks, and tasks of the hub by name.

    tasks.<name>   origin    local: data/benchmarks, needs no network | hub: fetched by the harness under its name
                   kind      multiple_choice | cloze | other
                   form      how the prompt is made, in words: scores of other forms differ by a point and more
                   chance    accuracy of guessing, or null
                   metrics   name -> value, and its standard error

The error of an accuracy is the harness's: the standard deviation of right and wrong over sqrt(n), which is
sqrt(p (1 - p) / (n - 1)); that of a perplexity is the standard deviation of 1000 bootstrap samples of the items.
"""

import contextlib
import difflib
import functools
import importlib.metadata
import importlib.util
import io
import logging
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.evaluate import hub, local_tasks
from antimatter.evaluate.local_tasks import FORMS, LocalTask, UnknownTask
from antimatter.evaluate.subject import Subject
from antimatter.params.evaluate import Evaluate

SHOWN = 5
"""Items of each task that are kept for the page."""
BOOTSTRAP = 1000
"""Samples for the error of what is no mean, such as a perplexity."""
SEED = 1234
"""Of examples in the prompts of tasks that have some (the harness's own)."""
HUB_FORM = "the harness's own prompt of this task, after the token that begins a text"
METHOD = (
    "lm-evaluation-harness {version}: zero-shot unless a task says otherwise, weights in fp32, the token that begins a "
    "text once in front of every prompt, prompts longer than the context cut from their left. Errors are standard "
    "errors over the items"
)


class MissingHarness(AntiMatterError, ImportError):
    """The extra `eval` is not installed."""


class UnreachableTask(AntiMatterError):
    """The items of a task cannot be fetched."""


def run(subject: Subject, settings: Evaluate, benchmarks: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(tasks by name, a few items of each with what the model chose); ({}, []) where nothing is asked for.

    benchmarks: data/benchmarks
    Raises:     MissingHarness, UnknownTask, UnfitItem, UnreachableTask.
    """
    local = local_tasks.read(benchmarks, settings.local_tasks, settings.task_items)
    if not local and not settings.tasks:
        return {}, []
    _require_library()
    terminal = sys.stderr
    with _quiet(offline=not (settings.tasks and hub.is_reachable())):
        from lm_eval import evaluator

        from antimatter.evaluate.adapter import Adapter

        made = {task.name: local_tasks.task_of(task) for task in local}
        fetched = _from_hub(settings.tasks, set(made))
        found = evaluator.evaluate(
            lm=Adapter(subject, terminal),
            task_dict={"tasks": {**made, **fetched}},
            limit=settings.task_items or None,
            bootstrap_iters=BOOTSTRAP,
            log_samples=True,
        )
    known = {task.name: task for task in local}
    tasks = {name: _summary(name, known.get(name), fetched.get(name), found) for name in (*made, *fetched)}
    asked = made | fetched
    examples = [_example(name, asked[name], sample) for name in tasks for sample in found["samples"][name][:SHOWN]]
    return tasks, examples


def version() -> str:
    """Of the harness, as it stands beside every score."""
    return f"lm_eval {importlib.metadata.version('lm_eval')}"


def method() -> str:
    """In words, for the report."""
    return METHOD.format(version=importlib.metadata.version("lm_eval"))


def _require_library() -> None:
    if importlib.util.find_spec("lm_eval") is None:
        raise MissingHarness(
            "evaluate: benchmarks need the package lm_eval, which is not installed. Run `pip install -e '.[eval]'`, or "
            "set evaluate.local_tasks and evaluate.tasks to []."
        )


@contextlib.contextmanager
def _quiet(offline: bool) -> Iterator[None]:
    """No log lines, bars and announcements of the harness's; offline: nothing of it touches the network."""
    values = {"DISABLE_MULTIPROC": "1", "TOKENIZERS_PARALLELISM": "false", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    if offline:  # read when the libraries are imported first
        values |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    threshold = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(threshold)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def _from_hub(names: Sequence[str], taken: set[str]) -> dict[str, Any]:
    """Tasks of the harness by name. A group stands for its tasks."""
    if not names:
        return {}
    manager = _task_manager()
    tasks: dict[str, Any] = {}
    for name in names:
        if name not in manager.all_tasks:
            near = difflib.get_close_matches(name, manager.all_tasks, n=3)
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            raise UnknownTask(f"evaluate.tasks: lm-evaluation-harness has no task {name}.{meant}")
        try:
            loaded = manager.load([name])["tasks"]
        except (OSError, RuntimeError, ValueError) as error:  # the libraries below raise any of them without a network
            raise UnreachableTask(
                f"evaluate.tasks: the items of {name} were not fetched ({_first_line(error)}). Without a network, give "
                "a local copy of them to the group benchmarks: evaluate.local_tasks scores it offline."
            ) from error
        for each, task in loaded.items():
            if each in taken:
                raise UnknownTask(f"evaluate.tasks: {each} is a local benchmark too. Rename that one.")
            if task.get_config("num_fewshot") is None:
                task.set_config(key="num_fewshot", value=0)
            task.set_fewshot_seed(seed=SEED)
            tasks[each] = task
    return tasks


@functools.cache
def _task_manager() -> Any:
    """The harness's list of its tasks, which takes seconds to read."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _summary(name: str, local: LocalTask | None, hub: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    metrics: dict[str, dict[str, float | None]] = {}
    for key, value in found["results"][name].items():
        metric, _, variant = key.partition(",")
        if not variant or metric.endswith("_stderr") or not isinstance(value, int | float):
            continue
        error = found["results"][name].get(f"{metric}_stderr,{variant}")
        shown = metric if variant == "none" else f"{metric} ({variant})"
        metrics[shown] = {"value": _rounded(value), "error": _rounded(error)}
    samples = found["samples"][name]
    kinds = {"multiple_choice": "multiple_choice", "loglikelihood": "cloze"}
    return {
        "origin": "local" if local else "hub",
        "items": len({sample["doc_id"] for sample in samples}),
        "kind": local.kind if local else kinds.get(hub.OUTPUT_TYPE, "other"),
        "chance": _rounded(local.chance if local else _chance(hub, samples)),
        "form": FORMS[local.kind] if local else HUB_FORM,
        "metrics": dict(sorted(metrics.items())),
        "harness": version(),
        "version": found["versions"].get(name),
    }


def _chance(task: Any, samples: Sequence[Mapping[str, Any]]) -> float | None:
    """Accuracy of guessing; None where a task counts by rules of its own, or takes several answers for right."""
    own_rules = callable(task.get_config("process_results")) or bool(getattr(task, "multiple_target", 0))
    if task.OUTPUT_TYPE != "multiple_choice" or own_rules or not samples:
        return None
    return math.fsum(1 / _offered(sample) for sample in samples) / len(samples)


def _offered(sample: Mapping[str, Any]) -> int:
    """Choices of an item. For acc_mutual_info each is asked a second time, without the context."""
    return len(sample["filtered_resps"]) // (2 if "acc_mutual_info" in sample["metrics"] else 1)


def _rounded(value: Any) -> float | None:
    """Six decimals; None for what is no finite number (the harness writes N/A)."""
    return round(float(value), 6) if isinstance(value, int | float) and math.isfinite(value) else None


def _example(name: str, task: Any, sample: Mapping[str, Any]) -> dict[str, Any]:
    """An item as the page shows it: query, choices, which one is right, which one the model chose, their ln p."""
    asked = [arguments[0] for arguments in sample["arguments"]]
    continuations = [text for arguments in sample["arguments"] for text in arguments[1:2] if isinstance(text, str)]
    scores = [response[0] for response in sample["filtered_resps"] if isinstance(response, tuple | list)]
    query, choices, right = asked[0], [text.removeprefix(" ") for text in continuations], 0
    if task.OUTPUT_TYPE == "multiple_choice":
        scores = scores[: _offered(sample)]
        right = _right(sample["target"], choices)
        if getattr(task, "multiple_input", 0):  # winogrande: the choices stand before the text that is scored
            query, choices, right = f"… {choices[0]}", asked, task.doc_to_text(sample["doc"])
        choices = choices[: len(scores)]
    chosen: Any = max(range(len(scores)), key=scores.__getitem__) if len(scores) > 1 else None
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        scores = list(sample["filtered_resps"])
    elif len(scores) == 1:
        chosen = 0 if sample["filtered_resps"][0][1] else None  # None: another word was more probable
    return {
        "task": name,
        "query": query,
        "choices": choices,
        "gold": right,
        "chosen": chosen,
        "scores": [round(float(score), 6) for score in scores],
        "written": None if scores else str(sample["filtered_resps"][0]),
    }


def _right(target: Any, choices: Sequence[str]) -> int:
    """The place of the right choice, which tasks give as a number or in words; of several, the first."""
    first = target[0] if isinstance(target, list) and target else target
    if isinstance(first, int):
        return first
    return choices.index(first) if first in choices else 0
