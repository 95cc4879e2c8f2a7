"""antimatter evaluate PATH: any saved model on this project's held-out text and benchmarks, in one table with ours.

reports/evaluation.json      ours, as the evaluate stage left it
reports/peers/<name>.json    what this command found, in the same shape; it stays in the table
"""

import argparse
import dataclasses
import re
from pathlib import Path
from typing import Any

from antimatter.errors import AntiMatterError

OURS, PEERS = Path("reports/evaluation.json"), Path("reports/peers")
TOKENS, BENCHMARKS = Path("data/tokens"), Path("data/benchmarks")


class BadName(AntiMatterError, ValueError):
    """A name that is no name of a file."""


def add_evaluate(evaluate: argparse.ArgumentParser) -> None:
    """antimatter evaluate PATH [--name NAME] [--tasks A,B] [--local-tasks A,B] [--items N] [--device D] [--no-text]"""
    evaluate.add_argument("path", help="a folder like data/model, a folder of Hugging Face, or a name on its hub")
    evaluate.add_argument("--name", default="", help="how it is called in the table (the folder's name)")
    evaluate.add_argument("--tasks", type=_names, metavar="A,B", help="tasks of the hub in place of evaluate.tasks")
    evaluate.add_argument("--local-tasks", type=_names, metavar="A,B", help="in place of evaluate.local_tasks")
    evaluate.add_argument("--items", type=_count, metavar="N", help="of each task the first N; 0: all")
    evaluate.add_argument("--device", default="auto", help="auto (default), cpu, cuda, mps")
    evaluate.add_argument("--no-text", action="store_true", help="benchmarks alone")
    evaluate.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Evaluate, write reports/peers/<name>.json, print the table."""
    from antimatter.corpus.reports import read_json, write_json
    from antimatter.evaluate import compare
    from antimatter.evaluate.huggingface import open_subject
    from antimatter.params import loader
    from antimatter.params.evaluate import Evaluate
    from antimatter.train.device import choose_device

    name = _file_name(options.name or Path(options.path).name)
    changes = {"tasks": options.tasks, "local_tasks": options.local_tasks, "task_items": options.items}
    given = {key: value for key, value in changes.items() if value is not None}
    settings = dataclasses.replace(loader.load(Evaluate), **given)
    folder = Path(options.path)
    subject = open_subject(options.path, choose_device(options.device), name)
    write_json(PEERS / f"{name}.json", _evaluation(subject, folder, settings, with_text=not options.no_text))
    ours = [_ours(read_json(OURS))] if OURS.exists() else []
    peers = [read_json(path) for path in sorted(PEERS.glob("*.json"))]
    for line in compare.lines([each for each in (*ours, *peers) if "subject" in each]):
        print(line)
    print(f"\n{PEERS / name}.json is this model's; it stays in the table until you remove it.")


def _evaluation(subject: Any, folder: Path, settings: Any, with_text: bool) -> dict[str, Any]:
    """The shape of reports/evaluation.json; without text: its part about the benchmarks."""
    from antimatter.evaluate import harness
    from antimatter.evaluate.main_metric import accuracy_of

    tasks, _ = harness.run(subject, settings, BENCHMARKS)
    if with_text:
        from antimatter.evaluate import evaluation
        from antimatter.train.tokens import open_tokens

        tokens, method = open_tokens(TOKENS), harness.method() if tasks else ""
        own = evaluation.shares_tokenizer(folder, tokens)
        if settings.factual_task not in tasks:  # the stage's report needs it, a look at another model does not
            settings = dataclasses.replace(settings, factual_task="")
        content, _ = evaluation.evaluate(subject, tokens, settings, tasks or None, own, method)
        return dict(content)
    accuracies = {name: accuracy_of(task) for name, task in tasks.items()}
    headline = {f"task.{name}": found[1]["value"] for name, found in accuracies.items() if found}
    return {"subject": subject.facts(), "headline": headline, "tasks": tasks, "method": {"tasks": harness.method()}}


def _ours(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Under a name that no peer has: that of its folder is every model's."""
    return evaluation | {"subject": evaluation["subject"] | {"name": "ours"}} if "subject" in evaluation else {}


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise BadName(f"{name!r} cannot name a file in {PEERS}: give one with --name (letters, digits, . _ -).")
    return name


def _names(argument: str) -> tuple[str, ...]:
    """--tasks a,b; an empty text asks for none."""
    return tuple(name.strip() for name in argument.split(",") if name.strip())


def _count(argument: str) -> int:
    if not (argument.isascii() and argument.isdigit()):
        raise argparse.ArgumentTypeError(f"{argument} is no number of items: expected 0 or more")
    return int(argument)
