"""Tasks of the harness made of local items: data/benchmarks/<name>.jsonl, as the benchmarks stage leaves them.

    multiple_choice    query + " " + each choice; the right one must be the most probable:
                       acc by ln p, acc_norm by ln p per character of the choice
    cloze              query + " " + the last word; acc: its tokens are the greedy ones; perplexity of the word

Nothing of this goes through a file of the `datasets` library: the items are handed over in memory.
"""

import difflib
import importlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.errors import AntiMatterError

ALL = "*"
FORMS = {
    "multiple_choice": "the model sees the item's query, a space and one choice, after the token that begins a text; "
    "no solved examples. acc: the right choice has the highest ln p; acc_norm: the highest ln p per character",
    "cloze": "the model sees all but the text's last word, after the token that begins a text, then a space and the "
    "word. acc: every token of the word is the most probable one; perplexity: exp of the mean -ln p of a word",
}
_MEASURED = {"multiple_choice": ("acc", "acc_norm"), "cloze": ("perplexity", "acc")}
_METRICS: dict[str, dict[str, Any]] = {
    "acc": {"aggregation": "mean", "higher_is_better": True},
    "acc_norm": {"aggregation": "mean", "higher_is_better": True},
    "perplexity": {"aggregation": "perplexity", "higher_is_better": False},
}


class UnknownTask(AntiMatterError, ValueError):
    """A task that nobody has; the message names the nearest ones."""


class UnfitItem(AntiMatterError, ValueError):
    """An item of data/benchmarks that cannot be scored."""


@dataclass(frozen=True)
class LocalTask:
    """A set of items in the form that the benchmarks stage gives them."""

    name: str
    kind: str
    """multiple_choice | cloze"""
    items: tuple[Mapping[str, Any], ...]
    """id, query, choices, gold."""

    @property
    def chance(self) -> float | None:
        """Accuracy of guessing: the mean of 1 / choices. None: a word is one of countless many."""
        if self.kind == "cloze":
            return None
        return math.fsum(1 / len(item["choices"]) for item in self.items) / len(self.items)


def read(folder: Path, names: Sequence[str], most: int = 0) -> list[LocalTask]:
    """The sets of data/benchmarks that `names` ask for ("*": all of them, in the manifest's order); [] without any.

    most: of each set the first so many items; 0: all.
    Raises: UnknownTask; UnfitItem.
    """
    manifest = folder / "manifest.json"
    present = {entry["name"]: entry for entry in read_json(manifest)["benchmarks"]} if manifest.exists() else {}
    wanted = list(present) if ALL in names else []
    wanted += [name for name in names if name != ALL and name not in wanted]
    unknown = [name for name in wanted if name not in present]
    if unknown:
        raise UnknownTask(_unknown(unknown[0], list(present), folder))
    return [_read(folder / f"{name}.jsonl", name, present[name]["format"], most) for name in wanted]


def _unknown(name: str, present: Sequence[str], folder: Path) -> str:
    near = difflib.get_close_matches(name, present, n=1)
    if near:
        return f"evaluate.local_tasks: there is no benchmark {name} in {folder}. Did you mean {near[0]}?"
    there = f"There are {', '.join(sorted(present))}" if present else "There are none"
    return (
        f"evaluate.local_tasks: there is no benchmark {name} in {folder}. {there}; a set of your own becomes one in "
        "params.yaml, group benchmarks."
    )


def _read(path: Path, name: str, kind: str, most: int) -> LocalTask:
    items = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if most and number > most:
                break
            item = json.loads(line)
            if any(not choice.strip() for choice in item["choices"]):
                raise UnfitItem(f"{path}, line {number}: a choice is empty, and nothing can be scored of it.")
            items.append({key: item[key] for key in ("id", "query", "choices", "gold")})
    if not items:
        raise UnfitItem(f"{path} holds no items. Run `dvc repro benchmarks`.")
    return LocalTask(name, kind, tuple(items))


def task_of(local: LocalTask) -> Any:
    """The same as a task of the harness (a ConfigurableTask), without examples in the prompt."""
    datasets: Any = importlib.import_module("datasets")  # by name: it has no types
    from lm_eval.api.task import ConfigurableTask

    rows = [{**item, "target": " " + item["choices"][item["gold"]]} for item in local.items]
    split = datasets.Dataset.from_list(rows)
    config: dict[str, Any] = {
        "task": local.name,
        "custom_dataset": lambda **_: {"validation": split},
        "validation_split": "validation",
        "output_type": "multiple_choice" if local.kind == "multiple_choice" else "loglikelihood",
        "doc_to_text": "query",
        "doc_to_target": "gold" if local.kind == "multiple_choice" else "target",
        "num_fewshot": 0,
        "metric_list": [_METRICS[name] | {"metric": name} for name in _MEASURED[local.kind]],
        "metadata": {"version": 1.0},
    }
    if local.kind == "multiple_choice":
        config["doc_to_choice"] = "choices"
    return ConfigurableTask(config=config)
